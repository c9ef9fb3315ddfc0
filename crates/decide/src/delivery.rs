//! Where an application gets what came for it.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use ripstop_model::{
    CallerScope, ConnectionPool, DataplaneMode, InboundPolicy, IngressScope, ListenerMode, OwnListener, RuleId,
    ServerTls, Workload, covers,
};

use crate::{Program, caller_scope, terminates};

/// Where the application of `workload` listens for what comes to `called`, an address and port of the workload: what the
/// ingress listener of its scope says (Istio's `Sidecar`, for workloads that ask for a sidecar), else what the mesh says,
/// else there. Sockets of the file system are left out.
pub fn delivery(program: &Program, workload: &Workload, called: SocketAddr) -> SocketAddr {
    let own = ingress_at(program, workload, called);
    let traffic = program.traffic();
    let said = own.and_then(|listener| listener.delivered(called));
    if let Some(listener) =
        own.filter(|listener| said.is_none() && listener.own().is_some_and(|own| own.address == called))
    {
        // The proxy itself has that address: the application has others.
        let alike = |address: &&IpAddr| address.is_ipv4() == called.is_ipv4();
        let other = workload.addresses.iter().find(alike).or(workload.addresses.first());
        return other.map_or(called, |address| SocketAddr::new(*address, listener.port));
    }
    said.unwrap_or_else(|| match traffic.defaults.inbound {
        InboundPolicy::Passthrough => called,
        InboundPolicy::Localhost => SocketAddr::new(loopback(called.ip()), called.port()),
    })
}

/// The ingress listener of the workload's scope that is for what comes to `called`.
pub fn ingress_at<'p>(program: &'p Program, workload: &Workload, called: SocketAddr) -> Option<&'p IngressScope> {
    let scope = listening(program, workload)?;
    scope.ingress.iter().find(|listener| listener.port == called.port() && listener.is_for(called.ip()))
}

/// The same, if TLS ends there of whoever does not come by the mesh.
pub fn ingress_tls_at<'p>(
    program: &'p Program,
    workload: &Workload,
    called: SocketAddr,
) -> Option<(&'p CallerScope, &'p IngressScope, &'p Arc<ServerTls>)> {
    let scope = listening(program, workload)?;
    let listener = ingress_at(program, workload, called)?;
    let tls = listener.tls.as_ref().filter(|tls| terminates(tls.mode))?;
    Some((scope, listener, tls))
}

/// The listeners that the workload's own proxy opens itself.
pub fn own_listeners(program: &Program, workload: &Workload) -> BTreeSet<OwnListener> {
    let all = listening(program, workload).filter(|_| workload.has_sidecar()).map(CallerScope::own_listeners);
    all.into_iter().flatten().filter(|(_, _, said)| said.is_ok()).map(|(own, ..)| own).collect()
}

/// Whether what comes to `called` would go to a listener that the workload's own proxy opens itself, instead of to the
/// application: whoever calls would call others in the workload's name.
pub(crate) fn comes_back(program: &Program, workload: &Workload, called: SocketAddr) -> bool {
    if !program.has_own_listeners() || !listening(program, workload).is_some_and(opens_any) {
        return false;
    }
    let target = delivery(program, workload, called);
    own_listeners(program, workload).iter().any(|own| covers(own.address, target))
}

/// Whether a scope has listeners that its workloads' own proxies open.
pub(crate) fn opens_any(scope: &CallerScope) -> bool {
    let egress = scope.egress.iter().flatten().any(|listener| listener.mode == ListenerMode::Own);
    egress || scope.ingress.iter().any(|listener| listener.mode == ListenerMode::Own)
}

/// Limits of what comes in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InboundPool<'p> {
    /// Who says so.
    pub id: &'p RuleId,
    /// The limits.
    pub pool: &'p ConnectionPool,
}

/// The limits of what comes to `port` of `workload`: those of the ingress listener of its scope, else that scope's (Istio's
/// `Sidecar`, for workloads that ask for a sidecar).
pub fn inbound_pool<'p>(program: &'p Program, workload: &Workload, port: u16) -> Option<InboundPool<'p>> {
    let scope = listening(program, workload)?;
    let own = scope.ingress.iter().find(|listener| listener.port == port).and_then(|listener| listener.pool.as_deref());
    let pool = own.or(scope.inbound_pool.as_deref())?;
    Some(InboundPool { id: &scope.id, pool })
}

/// What says how a workload listens.
fn listening<'p>(program: &'p Program, workload: &Workload) -> Option<&'p CallerScope> {
    let listens = !program.traffic().scopes.is_empty() && workload.enrolment.mode == DataplaneMode::Sidecar;
    if listens { caller_scope(program, workload) } else { None }
}

fn loopback(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

#[cfg(test)]
mod tests {
    use ripstop_model::{
        AppProtocol, CallerScope, Change, EgressScope, Enrolment, IngressScope, ListenerMode, RuleId, Selector,
        Traffic, TrafficChange, TrafficDefaults,
    };

    use super::*;
    use crate::samples::{objects, traffic, workload};

    fn world(inbound: InboundPolicy, endpoint: Option<&str>) -> Program {
        let listener = |endpoint: &str| IngressScope {
            port: 8080,
            protocol: AppProtocol::Http11,
            bind: None,
            mode: ListenerMode::Captured,
            tls: None,
            endpoint: Some(endpoint.into()),
            pool: None,
        };
        let scope = CallerScope {
            id: RuleId("Sidecar/shop/own/1".into()),
            namespace: "shop".into(),
            name: "own".into(),
            selector: Selector::default(),
            egress: None,
            ingress: endpoint.map(listener).into_iter().collect(),
            outbound: None,
            egress_proxy: None,
            inbound_pool: None,
            created: 1,
        };
        let defaults = Arc::new(TrafficDefaults { inbound, ..TrafficDefaults::default() });
        let scopes = objects([scope], |scope| (scope.namespace.clone(), scope.name.clone()));
        traffic(Traffic { defaults, scopes, ..Traffic::default() })
    }

    #[test]
    fn a_listener_says_where_the_application_is_then_the_mesh() {
        use InboundPolicy::{Localhost, Passthrough};
        let sidecar = |mode| Workload { enrolment: Enrolment { mode, decided_by: None }, ..workload("shop", "web", 1) };
        let (injected, ambient) = (sidecar(DataplaneMode::Sidecar), sidecar(DataplaneMode::Node));
        let v6 = "[fd00:10:244:1::1]:8080";
        for (inbound, endpoint, called, expected) in [
            (Passthrough, None, "10.244.1.1:8080", "10.244.1.1:8080"),
            (Passthrough, Some("127.0.0.1:9090"), "10.244.1.1:8080", "127.0.0.1:9090"),
            (Passthrough, Some("127.0.0.1:9090"), v6, "127.0.0.1:9090"),
            (Passthrough, Some("[::1]:9090"), "10.244.1.1:8080", "[::1]:9090"),
            (Passthrough, Some("0.0.0.0:9090"), "10.244.1.1:8080", "10.244.1.1:9090"),
            (Passthrough, Some(":9090"), v6, "[fd00:10:244:1::1]:9090"),
            (Passthrough, Some("unix:///run/web"), "10.244.1.1:8080", "10.244.1.1:8080"),
            (Passthrough, Some("127.0.0.1:9090"), "10.244.1.1:8081", "10.244.1.1:8081"),
            (Localhost, None, "10.244.1.1:8080", "127.0.0.1:8080"),
            (Localhost, None, v6, "[::1]:8080"),
            (Localhost, Some("0.0.0.0:9090"), "10.244.1.1:8080", "10.244.1.1:9090"),
        ] {
            let program = world(inbound, endpoint);
            let got = delivery(&program, &injected, called.parse().unwrap());
            assert_eq!(got, expected.parse().unwrap(), "{inbound:?} {endpoint:?} {called}");
        }
        let called = "10.244.1.1:8080".parse().unwrap();
        assert_eq!(delivery(&world(Passthrough, Some("127.0.0.1:9090")), &ambient, called), called);
    }

    /// Whoever called would call others in the workload's name.
    #[test]
    fn nobody_comes_to_the_listener_for_calls_of_the_workload() {
        use InboundPolicy::{Localhost, Passthrough};
        let own = Workload {
            enrolment: Enrolment { mode: DataplaneMode::Sidecar, decided_by: None },
            ..workload("shop", "web", 1)
        };
        let with_door = |inbound, endpoint, bind: Option<&str>| {
            let program = world(inbound, endpoint);
            let mut scope = CallerScope::clone(program.traffic().scopes.values().next().unwrap());
            scope.egress = Some(vec![EgressScope {
                port: Some(9090),
                protocol: AppProtocol::Http11,
                bind: bind.map(|bind| bind.parse().unwrap()),
                mode: ListenerMode::Own,
                hosts: Vec::new(),
                without: Vec::new(),
            }]);
            let name = (scope.namespace.clone(), scope.name.clone());
            program.with(2, [Change::TrafficObject(TrafficChange::Scope(name, Some(Arc::new(scope))))])
        };
        let comes_back = |inbound, endpoint, bind, called: &str| {
            comes_back(&with_door(inbound, endpoint, bind), &own, called.parse().unwrap())
        };
        assert!(comes_back(Localhost, None, None, "10.244.1.1:9090"));
        assert!(comes_back(Passthrough, Some("127.0.0.1:9090"), None, "10.244.1.1:8080"));
        assert!(comes_back(Passthrough, None, Some("0.0.0.0"), "10.244.1.1:9090"));
        for (inbound, called) in [(Localhost, "10.244.1.1:8080"), (Passthrough, "10.244.1.1:9090")] {
            assert!(!comes_back(inbound, None, None, called), "{inbound:?} {called}");
        }
    }
}
