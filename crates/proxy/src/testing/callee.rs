//! An enrolled workload.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ripstop_model::{
    Action, AdaptiveConcurrency, Allowance, AppProtocol, Attribute, Authorization, CallerScope, Change, Condition,
    ConnectionPool, DataplaneMode, Enrolment, IngressScope, LimitKey, ListenerMode, MinRtt, MtlsMode,
    PeerAuthentication, PolicyTarget, RateLimit, RequestMatch, Rule, RuleId, Selector, Sense, Share, TrafficChange,
    TrafficPolicy, TrafficTarget, TrafficTargetKind, TunnelProtocol, Value, Workload,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    task::spawn_local,
};

use super::{Worker, head};
use crate::{
    backends::{
        Backends,
        testing::{behind, service, workload},
    },
    local::LocalWorkload,
    plaintext,
};

/// An enrolled workload at 127.0.0.1, whose policies look at requests, and its application.
pub(crate) struct Callee {
    pub(crate) worker: Worker,
    pub(crate) workload: Arc<LocalWorkload>,
    /// Takes callers' connections for the proxy, and the proxy's for the application.
    pub(crate) listener: TcpListener,
}

impl Callee {
    pub(crate) async fn new() -> Self {
        Self::with(DataplaneMode::Node, [denied("/secret")]).await
    }

    /// One that has a sidecar.
    pub(crate) async fn with_sidecar() -> Self {
        Self::with(DataplaneMode::Sidecar, [denied("/secret")]).await
    }

    /// One of which nobody asks anything yet. Its port is declared to speak HTTP.
    pub(crate) async fn unread() -> Self {
        Self::with(DataplaneMode::Node, []).await
    }

    /// One with a proxy of its own, whose listeners have these limits.
    pub(crate) async fn injected(pool: ConnectionPool) -> Self {
        let scope = CallerScope {
            id: RuleId("Sidecar/ns/own/1".into()),
            namespace: "ns".into(),
            name: "own".into(),
            selector: Selector::default(),
            egress: None,
            ingress: Vec::new(),
            outbound: None,
            egress_proxy: None,
            inbound_pool: Some(Arc::new(pool)),
            created: 1,
        };
        let scope = TrafficChange::Scope(("ns".into(), "own".into()), Some(Arc::new(scope)));
        Self::with(DataplaneMode::Sidecar, [Change::TrafficObject(scope)]).await
    }

    async fn with(mode: DataplaneMode, policies: impl IntoIterator<Item = Change>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = service("web");
        let mut own = behind(workload("web", 1), &service, listener.local_addr().unwrap().port());
        own.addresses = vec!["127.0.0.1".parse().unwrap()];
        own.enrolment = Enrolment { mode, decided_by: None };
        own.tunnel = TunnelProtocol::Hbone;
        let local = LocalWorkload::new(own.uid.clone());
        let objects = [Change::Workload(Arc::new(own)), Change::Service(Arc::new(service))];
        let worker = Worker::new(objects.into_iter().chain(policies), Backends::new).await;
        Self { worker, workload: local, listener }
    }

    /// As [`Self::injected`], where a policy looks at requests, and lets everybody in.
    pub(crate) async fn looked_at(pool: ConnectionPool) -> Self {
        let callee = Self::injected(pool).await;
        let Change::Authorization(policy) = denied("/any") else { unreachable!() };
        let mut policy = Authorization::clone(&policy);
        policy.action = Action::Allow;
        policy.rules.push(Rule::default());
        callee.worker.change(Change::Authorization(Arc::new(policy)));
        callee
    }

    /// Its application listens there from now on, as its scope says.
    pub(crate) fn delivers_to(&self, endpoint: SocketAddr) {
        let now = self.worker.context.shared.snapshot.load_full();
        let (name, scope) = now.traffic().scopes.iter().next().unwrap();
        let ingress = IngressScope {
            port: self.listener.local_addr().unwrap().port(),
            protocol: AppProtocol::Http11,
            bind: None,
            mode: ListenerMode::Captured,
            tls: None,
            endpoint: Some(endpoint.to_string().into()),
            pool: None,
        };
        let scope = CallerScope { ingress: vec![ingress], ..CallerScope::clone(scope) };
        self.worker.change(Change::TrafficObject(TrafficChange::Scope(name.clone(), Some(Arc::new(scope)))));
    }

    /// Its proxy knows it by that address from now on.
    pub(crate) fn moved(&self, address: &str) {
        let now = self.worker.context.shared.snapshot.load_full();
        let own = self.workload.in_snapshot(&now).unwrap();
        let addresses = vec![address.parse().unwrap()];
        self.worker.change(Change::Workload(Arc::new(Workload { addresses, ..Workload::clone(own) })));
    }

    /// A plain connection of a caller that has sent `bytes`.
    pub(crate) async fn sent(&self, bytes: &str) -> TcpStream {
        let connecting = TcpStream::connect(self.listener.local_addr().unwrap());
        let (caller, accepted) = tokio::join!(connecting, self.listener.accept());
        let (accepted, peer) = accepted.unwrap();
        spawn_local(plaintext::serve(self.worker.context.clone(), self.workload.clone(), accepted, peer));
        let mut caller = caller.unwrap();
        caller.write_all(bytes.as_bytes()).await.unwrap();
        caller
    }

    /// The application's end, once a request came, which it has begun to answer.
    pub(crate) async fn answering(&self, answer: &str) -> TcpStream {
        let mut application = self.listener.accept().await.unwrap().0;
        head(&mut application).await;
        application.write_all(answer.as_bytes()).await.unwrap();
        application
    }
}

/// Nobody may ask for that path.
pub(crate) fn denied(path: &str) -> Change {
    let condition = Condition {
        attribute: Attribute::Path,
        sense: Sense::AnyOf,
        values: vec![Value::Exact(path.into())],
        path: "to[0].operation.paths".into(),
    };
    Change::Authorization(Arc::new(Authorization {
        id: RuleId("AuthorizationPolicy/ns/paths/1".into()),
        namespace: "ns".into(),
        name: "paths".into(),
        target: PolicyTarget::Workloads(Selector::default()),
        action: Action::Deny,
        dry_run: false,
        rules: vec![Rule { to: vec![vec![condition]], ..Rule::default() }],
        created: 1,
    }))
}

/// So many requests may come to the service in an hour.
pub(crate) fn limited(count: u32) -> Change {
    let target = TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: None };
    limits(target, count)
}

/// So many requests of the service may be under way.
pub(crate) fn crowded(most: u32) -> Change {
    let Change::TrafficObject(TrafficChange::Policy(name, Some(policy))) = limited(1) else { unreachable!() };
    let adaptive = AdaptiveConcurrency {
        id: RuleId("TrafficPolicy/ns/limits/1/spec.adaptiveConcurrency".into()),
        percentile: Share::from_percent(50.0),
        update_interval: Duration::from_millis(100),
        min: most,
        max: most,
        min_rtt: MinRtt::Fixed(Duration::from_millis(10)),
        buffer: Share::NONE,
    };
    let policy = TrafficPolicy {
        rate_limits: Vec::new(),
        adaptive_concurrency: Some(Arc::new(adaptive)),
        ..TrafficPolicy::clone(&policy)
    };
    Change::TrafficObject(TrafficChange::Policy(name, Some(Arc::new(policy))))
}

/// So many requests may come to that in an hour.
pub(crate) fn limits(target: TrafficTarget, count: u32) -> Change {
    let limit = RateLimit {
        id: RuleId("TrafficPolicy/ns/limits/1/spec.rateLimits[0]".into()),
        allowance: Allowance {
            requests: RequestMatch::default(),
            key: LimitKey::All,
            count,
            interval: Duration::from_secs(3600),
            burst: count,
        },
        status: 429,
        tells: true,
        dry_run: false,
    };
    let policy = TrafficPolicy {
        id: RuleId("TrafficPolicy/ns/limits/1".into()),
        namespace: "ns".into(),
        name: "limits".into(),
        targets: vec![target],
        rate_limits: vec![Arc::new(limit)],
        retry_budget: None,
        session_affinity: None,
        global_rate_limits: Vec::new(),
        connection_rates: Vec::new(),
        connection_limits: Vec::new(),
        balancing: None,
        health_checks: None,
        adaptive_concurrency: None,
        hedging: None,
        created: 1,
    };
    Change::TrafficObject(TrafficChange::Policy(("ns".into(), "limits".into()), Some(Arc::new(policy))))
}

/// Nobody may come but by mutual TLS.
pub(crate) fn strict() -> Change {
    Change::PeerAuthentication(Arc::new(PeerAuthentication {
        id: RuleId("PeerAuthentication/ns/default/1".into()),
        namespace: "ns".into(),
        name: "default".into(),
        selector: Selector::default(),
        mode: Some(MtlsMode::Strict),
        ports: [].into(),
        created: 1,
    }))
}
