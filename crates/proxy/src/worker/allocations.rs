//! What a request costs a proxy in allocations, once connections are made and storages are warm: a worker on the
//! test's own thread, where they are counted, and the other proxy's worker, client and application on threads of their own.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::mpsc as channel,
};

use ripstop_decide::HBONE_PORT;
use ripstop_identity::{CertificateAuthority, Svid, SvidStore, new_csr};
use ripstop_model::{
    Action, AppProtocol, Attribute, Authorization, BackendRef, Change, Condition, DataplaneMode, DefaultProviders,
    Enrolment, GatewayName, HeaderOperations, HostPattern, HttpAction, HttpMatch, HttpRule, PolicyTarget, PortMapping,
    RetryPolicy, RouteTable, Rule, RuleId, Selector, Sense, Service, ServicePort, SpiffeId, StringMatch, TargetPort,
    TrafficChange, TrafficDefaults, TrustDomain, TunnelProtocol, Value, Visibility, WeightedBackend, Workload,
};
use ripstop_xds::{Link, LinkConfig, Role};
use tokio::sync::Notify;

use super::*;
use crate::{backends::testing, certificates::Use};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
const WARM: u64 = 300;
const ROUNDS: u64 = 1000;
/// Beyond what any of it takes.
const LONG: Duration = Duration::from_secs(120);
/// Where nothing of this test goes.
const SUPPLY: Supply = Supply::Own { control: IpAddr::V4(Ipv4Addr::new(127, 77, 0, 1)), gate: None };
/// An address that only this test has.
const SERVICE: [u8; 4] = [127, 77, 0, 9];
const HOST: &str = "shop.ns.svc.cluster.local";

/// Which of the two proxies is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    Callers,
    Callees,
}

impl Counted {
    /// Where the callee is meanwhile; only this test has that address.
    fn callee(self) -> IpAddr {
        [127, 77, 0, if self == Self::Callers { 2 } else { 3 }].into()
    }
}

/// What both proxies share but their workers, and what has to live as long.
struct Mesh {
    shared: Arc<Shared>,
    caller: Arc<LocalWorkload>,
    callee: Arc<LocalWorkload>,
    _certificates: [Use; 2],
    _directory: tempfile::TempDir,
}

impl Mesh {
    async fn new(called: SocketAddr, application: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let domain = TrustDomain::default();
        let authority = CertificateAuthority::load_or_create(&path("authority"), &domain).unwrap();
        std::fs::write(path("root.pem"), authority.roots().to_pem()).unwrap();
        let state = path("state");
        let store = SvidStore::open(state.join("svids")).unwrap();
        let ids = ["caller", "callee"].map(|account| SpiffeId::service_account(&domain, "ns", account).unwrap());
        for id in &ids {
            let (key, csr) = new_csr().unwrap();
            let chain = authority.issue(&csr, id, Duration::from_secs(3600)).unwrap();
            store.save(&Svid::new(&chain.pem(), key).unwrap()).unwrap();
        }
        let link = LinkConfig {
            // Nobody: what is needed is on disk.
            control: "127.0.0.1:9".parse().unwrap(),
            role: Role::Node,
            name: "n".into(),
            state: state.clone(),
            root_cert: path("root.pem"),
            token_file: path("token"),
            types: Vec::new(),
        };
        let (link, _updates) = Link::start(link).await.unwrap();
        let certificates = Arc::new(Certificates::open(&state.join("svids"), link).unwrap());
        let [caller, callee] = &ids;
        let used =
            [certificates.acquire(caller, LONG).await.unwrap(), certificates.acquire(callee, LONG).await.unwrap()];
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::new(program(called, application)),
            changed: watch::channel(0).0,
            certificates,
            backends: Backends::new(&state),
            ingress_tls: crate::ingress_tls::IngressTls::new(Arc::new(crate::trusted_files::TrustedFiles::outside(
                &state,
            ))),
            access_log: AccessLog::start(std::io::sink()).unwrap(),
            outlets: Outlets::start(std::io::sink()).unwrap(),
            registry: Registry::default(),
            rate_limits: RateLimits::default(),
            concurrency: Concurrencies::default(),
            retry_budgets: RetryBudgets::default(),
            global_limits: crate::global_limits::GlobalLimits::default(),
            connection_limits: ConnectionLimits::default(),
            policy_counts: PolicyCounts::default(),
            inbound_pools: InboundPools::default(),
            inventory: crate::inspect::Inventory::default(),
            crossings: crate::waypoint::Crossings::default(),
            draining: CancellationToken::new(),
            shutdown: CancellationToken::new(),
        });
        let [caller, callee] = ["caller", "callee"].map(|name| LocalWorkload::new(workload(name).uid));
        Self { shared, caller, callee, _certificates: used, _directory: directory }
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        self.shared.shutdown.cancel();
    }
}

fn workload(name: &str) -> Workload {
    Workload {
        addresses: vec![[127, 0, 0, 1].into()],
        tunnel: TunnelProtocol::Hbone,
        enrolment: Enrolment { mode: DataplaneMode::Node, decided_by: None },
        ..testing::workload(name, 1)
    }
}

/// A route with a match, a timeout and retries; a policy that asks for identity and method; access logs on both sides.
fn program(called: SocketAddr, application: SocketAddr) -> Arc<Program> {
    let service = Service {
        addresses: vec![called.ip()],
        ports: vec![ServicePort {
            port: called.port(),
            name: "http".into(),
            target: TargetPort::Number(application.port()),
            protocol: AppProtocol::Http11,
        }],
        ..testing::service("shop")
    };
    let mut callee = Workload { addresses: vec![application.ip()], ..workload("callee") };
    let mapping = PortMapping { service_port: called.port(), target_port: application.port() };
    callee.services.push((service.key.clone(), vec![mapping]));
    let defaults = TrafficDefaults {
        default_providers: DefaultProviders { access_logging: vec!["envoy".into()], ..DefaultProviders::default() },
        ..TrafficDefaults::default()
    };
    let routes = routes();
    let name = (routes.namespace.clone(), routes.name.clone());
    testing::program(
        1,
        [
            Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults))),
            Change::Service(Arc::new(service)),
            Change::Workload(Arc::new(callee)),
            Change::Workload(Arc::new(workload("caller"))),
            Change::TrafficObject(TrafficChange::Routes(name, Some(Arc::new(routes)))),
            Change::Authorization(Arc::new(readers())),
        ],
    )
}

fn routes() -> RouteTable {
    let id = |at: usize| RuleId(format!("VirtualService/ns/shop/1/spec.http[{at}]").into());
    let rule = |at, matches, action| HttpRule {
        id: id(at),
        name: "".into(),
        matches,
        action,
        rewrite: ripstop_model::Rewrite::default(),
        timeout: Some(Duration::from_secs(30)),
        retries: Some(RetryPolicy::default()),
        fault: ripstop_model::Fault::default(),
        mirrors: Vec::new(),
        cors: None,
        request_headers: HeaderOperations::default(),
        response_headers: HeaderOperations::default(),
    };
    let canary = HttpMatch {
        path: "spec.http[0].match[0]".into(),
        headers: vec![("x-canary".into(), StringMatch::Exact("always".into()))],
        ..HttpMatch::default()
    };
    let backend = WeightedBackend {
        backend: BackendRef { host: HOST.into(), subset: None, port: None },
        weight: 1,
        request_headers: HeaderOperations::default(),
        response_headers: HeaderOperations::default(),
        authority: None,
        path: "spec.http[1].route[0]".into(),
    };
    RouteTable {
        id: RuleId("VirtualService/ns/shop/1".into()),
        namespace: "ns".into(),
        name: "shop".into(),
        created: 1,
        hosts: vec![HostPattern::new(HOST)],
        gateways: vec![GatewayName::Mesh],
        visibility: Visibility::Everybody,
        http: vec![
            rule(0, vec![canary], HttpAction::Respond { status: 503, body: Arc::from(&b""[..]) }),
            rule(1, Vec::new(), HttpAction::Forward(vec![backend])),
        ],
        tls: Vec::new(),
        tcp: Vec::new(),
    }
}

fn readers() -> Authorization {
    let condition = |attribute, value: &str| Condition {
        attribute,
        sense: Sense::AnyOf,
        values: vec![Value::Exact(value.into())],
        path: "".into(),
    };
    Authorization {
        id: RuleId("AuthorizationPolicy/ns/readers/1".into()),
        namespace: "ns".into(),
        name: "readers".into(),
        target: PolicyTarget::Workloads(Selector::default()),
        action: Action::Allow,
        dry_run: false,
        rules: vec![Rule {
            from: vec![vec![condition(Attribute::Principal, "cluster.local/ns/ns/sa/caller")]],
            to: vec![vec![condition(Attribute::Method, "GET")]],
            when: Vec::new(),
        }],
        created: 1,
    }
}

/// Answers every request alike, of each connection on a thread.
fn application(listener: TcpListener) {
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut space = [0; 4096];
                let mut filled = 0;
                while let Ok(n @ 1..) = client.read(&mut space[filled..]) {
                    filled += n;
                    if space[..filled].ends_with(b"\r\n\r\n") {
                        filled = 0;
                        client.write_all(ANSWER).unwrap();
                    }
                }
            });
        }
    });
}

/// Deals each connection of `listener` to `crew`.
fn listen(listener: TcpListener, crew: Arc<Crew>, capture: Capture, workload: Arc<LocalWorkload>) {
    thread::spawn(move || {
        while let Ok((stream, peer)) = listener.accept() {
            let place = workload.places.clone().try_acquire_owned().unwrap();
            crew.deal(Accepted {
                capture: capture.clone(),
                workload: workload.clone(),
                stream,
                peer,
                place: super::Place::Workload(place),
            });
        }
    });
}

/// A client on one connection: makes as many requests as it is asked for, then says that they are done.
fn client(called: SocketAddr, asked: channel::Receiver<u64>, done: Arc<Notify>) {
    thread::spawn(move || {
        let request = format!("GET /hello?a=b HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n");
        let mut connection = std::net::TcpStream::connect(called).unwrap();
        let mut space = [0; 4096];
        while let Ok(count) = asked.recv() {
            for _ in 0..count {
                connection.write_all(request.as_bytes()).unwrap();
                let mut filled = 0;
                while !space[..filled].ends_with(b"hello") {
                    match connection.read(&mut space[filled..]).unwrap() {
                        0 => panic!("{}", String::from_utf8_lossy(&space[..filled])),
                        more => filled += more,
                    }
                }
                assert!(space.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&space[..filled]));
            }
            done.notify_one();
        }
    });
}

/// Allocations of one of the proxies for a request, in hundredths.
fn allocations(counted: Counted) -> u64 {
    let bind = |address, port| TcpListener::bind(SocketAddr::new(address, port)).unwrap();
    let callee = counted.callee();
    let (calls, tunnels, origin) = (bind(SERVICE.into(), 0), bind(callee, HBONE_PORT), bind(callee, 0));
    let called = calls.local_addr().unwrap();
    let background = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mesh = background.block_on(Mesh::new(called, origin.local_addr().unwrap()));
    let other = Crew::start(1, &mesh.shared, &SUPPLY).unwrap();
    let (own, mut inboxes) = Crew::new(1);
    let (near, far) = match counted {
        Counted::Callers => (&own, &other),
        Counted::Callees => (&other, &own),
    };
    application(origin);
    listen(calls, near.clone(), Capture::Outbound, mesh.caller.clone());
    listen(tunnels, far.clone(), Capture::Tunnel, mesh.callee.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    local.spawn_local(run(0, mesh.shared.clone(), own.clone(), SUPPLY, inboxes.remove(0)));
    let (ask, asked) = channel::channel();
    let done = Arc::new(Notify::new());
    client(called, asked, done.clone());
    let round = |count| {
        ask.send(count).unwrap();
        local.block_on(&runtime, done.notified());
    };
    round(WARM);
    allocation_counter::measure(|| round(ROUNDS)).count_total * 100 / ROUNDS
}

#[test]
fn a_simple_request_allocates_little_in_either_proxy() {
    let (near, far) = (allocations(Counted::Callers), allocations(Counted::Callees));
    println!("hundredths of an allocation each: {near} at the caller's node, {far} at the callee's");
    // Now and then a timer wheel files a deadline, or a log's lines go on.
    assert!(near <= 320, "{near} hundredths of an allocation each at the caller's node");
    assert!(far <= 220, "{far} hundredths of an allocation each at the callee's node");
}
