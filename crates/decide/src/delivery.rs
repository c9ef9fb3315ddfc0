//! Where an application gets what came for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ripstop_model::{CallerScope, ConnectionPool, DataplaneMode, InboundPolicy, RuleId, Workload};

use crate::{Program, caller_scope};

/// Where the application of `workload` listens for what comes to `called`, an address and port of the workload: what the
/// ingress listener of its scope says (Istio's `Sidecar`, for workloads that ask for a sidecar), else what the mesh says,
/// else there. Sockets of the file system are left out.
pub fn delivery(program: &Program, workload: &Workload, called: SocketAddr) -> SocketAddr {
    let traffic = program.traffic();
    let scope = listening(program, workload);
    let listener = scope.and_then(|scope| scope.ingress.iter().find(|listener| listener.port == called.port()));
    let said = listener.and_then(|listener| endpoint(listener.endpoint.as_deref()?, called));
    said.unwrap_or_else(|| match traffic.defaults.inbound {
        InboundPolicy::Passthrough => called,
        InboundPolicy::Localhost => SocketAddr::new(loopback(called.ip()), called.port()),
    })
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

/// What `defaultEndpoint` means for a workload that was called at `called`.
fn endpoint(text: &str, called: SocketAddr) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let ip = match host {
        "" | "0.0.0.0" | "[::]" => called.ip(),
        "127.0.0.1" => Ipv4Addr::LOCALHOST.into(),
        "[::1]" => Ipv6Addr::LOCALHOST.into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port.parse().ok()?))
}

fn loopback(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ripstop_model::{
        AppProtocol, CallerScope, Enrolment, IngressScope, RuleId, Selector, Traffic, TrafficDefaults,
    };

    use super::*;
    use crate::samples::{objects, traffic, workload};

    fn world(inbound: InboundPolicy, endpoint: Option<&str>) -> Program {
        let listener = |endpoint: &str| IngressScope {
            port: 8080,
            protocol: AppProtocol::Http11,
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
}
