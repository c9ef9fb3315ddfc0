//! A whole worker of a waypoint, and callers that have certificates.

use ripstop_identity::client_config;
use ripstop_model::{
    Action, Admission, Allowance, AppProtocol, Attribute, Authorization, BackendRef, Change, Condition,
    EndpointAddress, GatewayName, HostEntry, HttpAction, HttpRule, LimitKey, Mirror, PolicyTarget, PortMapping,
    ProcessKind, RateLimit, RequestMatch, Resolution, RouteTable, Rule, RuleId, Sense, Service, ServicePort, SpiffeId,
    TargetKind, TargetPort, TargetRef, TrafficChange, TrafficPolicy, TrafficTarget, TrafficTargetKind, TrustDomain,
    TunnelProtocol, Value, Waypoint, WaypointCallers, Workload, WorkloadUid,
};
use ripstop_tunnel::{ConnectRequest, Credentials, TunnelError, TunnelKey, TunnelPool, TunnelStream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::spawn_local,
    time::timeout,
};

use super::*;
use crate::{
    backends::{
        Backends,
        testing::{entry, service, workload, written},
    },
    certificates::Use,
    testing::{LONG, Played, Worker, forward, pair, routes, run},
    waypoint,
    worker::Shared,
};

const HTTP: u16 = 80;
const TCP: u16 = 3306;

/// A waypoint in front of `web`, whose only endpoint the test plays, and a caller.
struct World {
    worker: Worker,
    workload: Arc<LocalWorkload>,
    server: Played,
    tunnels: TunnelPool,
    key: TunnelKey,
    credentials: Credentials,
    _certificate: Use,
}

impl World {
    async fn new() -> Self {
        let server = Played::new().await;
        let mut own = workload("waypoint", 1);
        let front = service("waypoint");
        own.kind = ProcessKind::Waypoint;
        own.tunnel = TunnelProtocol::Hbone;
        own.labels.insert("gateway.networking.k8s.io/gateway-name".into(), "waypoint".into());
        own.services.push((front.key.clone(), Vec::new()));
        let web = web(Some(&front));
        let mut behind = workload("web", 2);
        behind.addresses = vec![server.address().ip()];
        let leads = |service_port| PortMapping { service_port, target_port: server.address().port() };
        behind.services.push((web.key.clone(), vec![leads(HTTP), leads(TCP)]));
        let local = LocalWorkload::alone(own.uid.clone());
        let changes = [
            Change::Service(Arc::new(front)),
            Change::Service(Arc::new(web)),
            Change::Workload(Arc::new(own)),
            Change::Workload(Arc::new(behind)),
        ];
        let worker = Worker::new(changes, Backends::new).await;
        let certificate = worker.holds("waypoint").await;
        let (caller, authority) = worker.issue("caller");
        let expected = SpiffeId::service_account(&TrustDomain::default(), "ns", "waypoint").unwrap();
        Self {
            credentials: Credentials {
                config: client_config(&caller, authority.roots(), vec![expected.clone()], &[b"h2"]),
                generation: 1,
            },
            key: TunnelKey {
                source: caller.id.clone(),
                source_uid: WorkloadUid::process("c", "ns", "caller-0"),
                source_ip: "127.0.0.1".parse().unwrap(),
                destination: "127.0.0.1:15008".parse().unwrap(),
                expected: vec![expected].into(),
            },
            worker,
            workload: local,
            server,
            tunnels: TunnelPool::default(),
            _certificate: certificate,
        }
    }

    /// A stream for that authority.
    async fn open(&self, authority: &str) -> Result<TunnelStream, TunnelError> {
        let request = ConnectRequest::new(authority.parse().unwrap());
        let dial = || {
            let (context, workload) = (self.worker.context.clone(), self.workload.clone());
            async move {
                let (caller, accepted, peer) = pair().await;
                spawn_local(waypoint::serve(context, workload, accepted, peer));
                Ok(caller)
            }
        };
        timeout(LONG, self.tunnels.open(&self.key, &self.credentials, dial, &request)).await.expect("an answer")
    }

    async fn refused(&self, authority: &str) -> u16 {
        match self.open(authority).await {
            Err(TunnelError::Refused { status, .. }) => status,
            other => panic!("{authority}: {other:?}"),
        }
    }

    /// A request for that path by `method`, and the head of its answer.
    async fn ask(&self, stream: &mut TunnelStream, method: &str) -> String {
        let request = format!("{method} / HTTP/1.1\r\nhost: web\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        answer(stream).await
    }

    async fn answers(&self) -> tokio::net::TcpStream {
        let (mut stream, _head) = self.server.asked().await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        stream
    }
}

async fn answer(stream: &mut TunnelStream) -> String {
    let mut heard = Vec::new();
    let reading = async {
        while !heard.windows(4).any(|four| four == b"\r\n\r\n") {
            heard.push(stream.read_u8().await.unwrap());
        }
    };
    timeout(LONG, reading).await.expect("a head comes");
    String::from_utf8(heard).unwrap()
}

/// The waypoint of that service.
fn behind(service: &ServiceKey) -> Waypoint {
    Waypoint { service: service.clone(), callers: WaypointCallers::Workloads, admission: Admission::Admitted }
}

fn web(front: Option<&Service>) -> Service {
    let port = |port, name: &str, protocol| ServicePort {
        port,
        name: name.into(),
        target: TargetPort::Number(port),
        protocol,
    };
    let waypoint = |front: &Service| behind(&front.key);
    Service {
        addresses: vec!["240.240.0.7".parse().unwrap()],
        ports: vec![port(HTTP, "http", AppProtocol::Http11), port(TCP, "tcp", AppProtocol::Tcp)],
        waypoint: front.map(waypoint),
        ..service("web")
    }
}

/// A policy that is attached to `web`.
fn attached(action: Action, rule: Rule) -> Change {
    Change::Authorization(Arc::new(Authorization {
        id: RuleId("AuthorizationPolicy/ns/attached/1".into()),
        namespace: "ns".into(),
        name: "attached".into(),
        target: PolicyTarget::Attached(vec![TargetRef { kind: TargetKind::Service, name: "web".into() }]),
        action,
        dry_run: false,
        rules: vec![rule],
        created: 1,
    }))
}

fn condition(attribute: Attribute, value: &str) -> Condition {
    Condition { attribute, sense: Sense::AnyOf, values: vec![Value::Exact(value.into())], path: "path".into() }
}

fn caller_may_not(method: &str) -> Change {
    let rule = Rule {
        from: vec![vec![condition(Attribute::Principal, "cluster.local/ns/ns/sa/caller")]],
        to: vec![vec![condition(Attribute::Method, method)]],
        when: Vec::new(),
    };
    attached(Action::Deny, rule)
}

#[test]
fn it_serves_what_it_stands_in_front_of_and_nothing_else() {
    run(async {
        let world = World::new().await;
        let refused = tokio::join!(
            world.refused("240.240.0.8:80"),
            world.refused("240.240.0.7:81"),
            world.refused("127.0.0.1:80"),
            world.refused("elsewhere.ns.svc.cluster.local:80"),
        );
        assert_eq!(refused, (400, 400, 400, 400));
        world.worker.connections.tells("is nothing that this waypoint stands in front of").await;
        for authority in ["240.240.0.7:80", "web.ns.svc.cluster.local:80"] {
            let mut stream = world.open(authority).await.unwrap();
            let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{authority}: {head}");
        }
    });
}

#[test]
fn requests_are_judged_with_their_callers_identity_and_told_of_as_the_waypoint() {
    run(async {
        let world = World::new().await;
        world.worker.change(caller_may_not("DELETE"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut body = [0; 2];
        stream.read_exact(&mut body).await.unwrap();
        let head = world.ask(&mut stream, "DELETE").await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        world.worker.requests.tells("DELETE / HTTP/1.1 403").await;
        let metrics = world.worker.metrics();
        let denied = metrics.lines().find(|line| line.starts_with("istio_requests_total") && line.contains("\"403\""));
        let denied = denied.unwrap_or_else(|| panic!("{metrics}"));
        for label in ["reporter=\"waypoint\"", "source_principal=\"spiffe://cluster.local/ns/ns/sa/caller\""] {
            assert!(denied.contains(label), "{denied}");
        }
    });
}

/// Two requests of each identity to that.
fn two_of_each(kind: TrafficTargetKind, name: &str) -> Change {
    let limit = RateLimit {
        id: RuleId("TrafficPolicy/ns/web/1/spec.rateLimits[0]".into()),
        allowance: Allowance {
            requests: RequestMatch::default(),
            key: LimitKey::Identity,
            count: 2,
            interval: Duration::from_secs(3600),
            burst: 2,
        },
        status: 429,
        tells: true,
        dry_run: false,
    };
    let policy = TrafficPolicy {
        id: RuleId("TrafficPolicy/ns/web/1".into()),
        namespace: "ns".into(),
        name: "web".into(),
        targets: vec![TrafficTarget { kind, name: name.into(), section: None }],
        rate_limits: vec![Arc::new(limit)],
        balancing: None,
        retry_budget: None,
        session_affinity: None,
        connection_rates: Vec::new(),
        connection_limits: Vec::new(),
        health_checks: None,
        created: 1,
    };
    Change::TrafficObject(TrafficChange::Policy(("ns".into(), "web".into()), Some(Arc::new(policy))))
}

#[test]
fn requests_are_counted_for_whoever_calls_after_policies() {
    run(async {
        let world = World::new().await;
        world.worker.change(caller_may_not("DELETE"));
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        for left in ["1", "0"] {
            let refused = world.ask(&mut stream, "DELETE").await;
            assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
            let mut body = vec![0; body_length(&refused)];
            stream.read_exact(&mut body).await.unwrap();
            let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            let head = head.to_ascii_lowercase();
            assert!(head.contains(&format!("x-ratelimit-remaining: {left}\r\n")), "{head}");
            stream.read_exact(&mut [0; 2]).await.unwrap();
        }
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
        world.worker.requests.tells("GET / HTTP/1.1 429").await;
    });
}

/// As a host that is called, and as one that it leads to: it is the same.
#[test]
fn requests_to_a_declared_host_are_counted_once() {
    run(async {
        let world = World::new().await;
        let out = HostEntry {
            addresses: vec!["240.240.9.9/32".parse().unwrap()],
            waypoint: Some(behind(&service("waypoint").key)),
            ..entry("out.example", Resolution::Static, HTTP, Vec::new())
        };
        let name = out.object.clone();
        world.worker.change(Change::TrafficObject(TrafficChange::Entries(name, Some(Arc::new(vec![out])))));
        world.worker.change(two_of_each(TrafficTargetKind::Entry, "out.example"));
        let mut stream = world.open("240.240.9.9:80").await.unwrap();
        // Nobody is behind it.
        for _ in 0..2 {
            let head = world.ask(&mut stream, "GET").await;
            assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
            let mut body = vec![0; body_length(&head)];
            stream.read_exact(&mut body).await.unwrap();
        }
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    });
}

#[test]
fn what_can_not_be_read_is_no_way_around_a_limit() {
    run(async {
        let world = World::new().await;
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let line = format!("{} / HTTP/1.1\r\nhost: web\r\n\r\n", "A".repeat(40));
        stream.write_all(line.as_bytes()).await.unwrap();
        tokio::select! {
            read = timeout(LONG, stream.read_u8()) => assert!(read.expect("an end").is_err()),
            _ = world.server.accept() => panic!("it went on"),
        }
        world.worker.connections.tells("requests to port 80 have a limit").await;
    });
}

/// What `content-length` says.
fn body_length(head: &str) -> usize {
    let head = head.to_ascii_lowercase();
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    line.unwrap_or_else(|| panic!("{head}")).parse().unwrap()
}

#[test]
fn a_connection_of_other_bytes_is_judged_before_it_is_taken_and_ended_by_a_later_policy() {
    run(async {
        let world = World::new().await;
        let mut stream = world.open("240.240.0.7:3306").await.unwrap();
        let mut server = world.server.accept().await;
        stream.write_all(b"ping").await.unwrap();
        let mut heard = [0; 4];
        server.read_exact(&mut heard).await.unwrap();
        // Its server may be the first to speak, too.
        server.write_all(b"pong").await.unwrap();
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"pong");

        world.worker.change(attached(Action::Deny, Rule::default()));
        let ended = timeout(LONG, stream.read_u8()).await.expect("it ends");
        assert!(ended.is_err(), "{ended:?}");
        assert_eq!(world.refused("240.240.0.7:3306").await, 401);
        world.worker.connections.tells("closed by a policy that came into force").await;
    });
}

#[test]
fn what_has_gone_to_its_endpoints_by_itself_finishes_what_it_is_about() {
    run(async {
        let world = World::new().await;
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let asked = async {
            let (mut server, _head) = world.server.asked().await;
            world.worker.change(Change::Service(Arc::new(web(None))));
            server.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            server
        };
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), asked);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut body = [0; 2];
        stream.read_exact(&mut body).await.unwrap();
        // So does its connection: nodes lead theirs another way by themselves, and nothing is cut short before.
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(world.refused("240.240.0.7:80").await, 400);
    });
}

/// A node may know of a waypoint before the waypoint knows of what it serves.
#[test]
fn who_comes_a_little_early_is_waited_for() {
    run(async {
        let world = World::new().await;
        let front = service("waypoint");
        world.worker.change(Change::Service(Arc::new(web(None))));
        let learns = async {
            sleep(PATIENCE / 10).await;
            // Something else comes first.
            world.worker.change(Change::Workload(Arc::new(workload("newcomer", 99))));
            sleep(PATIENCE / 10).await;
            world.worker.change(Change::Service(Arc::new(web(Some(&front)))));
        };
        let (opened, ()) = tokio::join!(world.open("240.240.0.7:80"), learns);
        let mut stream = opened.unwrap();
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    });
}

/// Nor does it know of its end at the same moment. What is served so long is judged as before.
#[test]
fn what_was_served_until_lately_is_served_and_judged_as_before() {
    run(async {
        let world = World::new().await;
        let follow = || {
            let Shared { snapshot, crossings, .. } = &*world.worker.context.shared;
            let program = snapshot.load();
            crossings.lately.follow(world.workload.in_snapshot(&program).unwrap(), &program);
        };
        follow();
        world.worker.change(Change::Service(Arc::new(web(None))));
        follow();
        for authority in ["240.240.0.7:80", "web.ns.svc.cluster.local:80"] {
            let mut stream = world.open(authority).await.unwrap();
            let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
            assert!(head.starts_with("HTTP/1.1 200 "), "{authority}: {head}");
        }
        let mut stream = world.open("240.240.0.7:3306").await.unwrap();
        let mut server = world.server.accept().await;
        server.write_all(b"pong").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        world.worker.change(attached(Action::Deny, Rule::default()));
        let ended = timeout(LONG, stream.read_u8()).await.expect("it ends");
        assert!(ended.is_err(), "{ended:?}");
        for authority in ["240.240.0.7:3306", "240.240.0.7:80"] {
            assert_eq!(world.refused(authority).await, 401, "{authority}");
        }
        // Nor is anything left to whom the waypoint refuses.
        let mut refused = web(Some(&service("waypoint")));
        refused.waypoint.as_mut().unwrap().admission = Admission::Refused;
        world.worker.change(Change::Service(Arc::new(refused)));
        follow();
        assert_eq!(world.refused("240.240.0.7:80").await, 400);
        // What is gone altogether is nobody's.
        world.worker.change(Change::ServiceGone(web(None).key));
        follow();
        assert_eq!(world.refused("240.240.0.7:80").await, 400);
    });
}

/// What hangs on nothing but the caller is said before a stream is taken.
#[test]
fn who_may_ask_for_nothing_is_not_taken_in() {
    run(async {
        let world = World::new().await;
        let from = vec![vec![condition(Attribute::Principal, "cluster.local/ns/ns/sa/caller")]];
        world.worker.change(attached(Action::Deny, Rule { from, ..Rule::default() }));
        assert_eq!(world.refused("240.240.0.7:80").await, 401);
        world.worker.connections.tells("a rule of action DENY matches").await;
        world.worker.change(caller_may_not("DELETE"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        assert!(world.ask(&mut stream, "DELETE").await.starts_with("HTTP/1.1 403 "));
    });
}

/// Nobody who is early keeps others from being served.
#[test]
fn a_few_may_wait_for_what_is_not_known_yet_and_strangers_may_not() {
    run(async {
        let world = World::new().await;
        let crossings = &world.worker.context.shared.crossings;
        let own: Vec<_> =
            (0..WAITING_OF_ONE).map_while(|_| crossings.waiting.take(&world.key.source, WAITING_OF_ONE)).collect();
        assert_eq!(own.len(), WAITING_OF_ONE);
        let at_once = |begun: tokio::time::Instant| assert!(begun.elapsed() < PATIENCE, "it was waited for");
        let begun = tokio::time::Instant::now();
        assert_eq!(world.refused("240.240.0.8:80").await, 400);
        at_once(begun);
        drop(own);
        let all: Vec<_> = (0..WAITING).map_while(|_| crossings.all_waiting.take(&(), WAITING)).collect();
        assert_eq!(all.len(), WAITING);
        let begun = tokio::time::Instant::now();
        assert_eq!(world.refused("240.240.0.8:80").await, 400);
        at_once(begun);
        drop(all);
        // Who is cut off is told so, not what is there.
        let quarantine = ripstop_model::Quarantine { rule: RuleId("Process/ns/waypoint/1".into()), peers: Vec::new() };
        let program = world.worker.context.shared.snapshot.load_full();
        let own = Workload::clone(world.workload.in_snapshot(&program).unwrap());
        let own = Workload { quarantine: Some(Arc::new(quarantine)), ..own };
        world.worker.change(Change::Workload(Arc::new(own)));
        let begun = tokio::time::Instant::now();
        assert_eq!(world.refused("240.240.0.8:80").await, 401);
        at_once(begun);
    });
}

#[test]
fn one_caller_does_not_take_all_places() {
    run(async {
        let world = World::new().await;
        let shares = &world.worker.context.shared.crossings.shares;
        let taken: Vec<_> = (0..PLACES).map_while(|_| shares.take(&world.key.source, PLACES)).collect();
        assert_eq!(taken.len(), PLACES);
        assert_eq!(world.refused("240.240.0.7:80").await, 503);
        world.worker.connections.tells("has 2500 connections through the waypoint already").await;
        drop(taken);
        let all = world.workload.places.clone().acquire_many_owned(4 * 2500).await.unwrap();
        assert_eq!(world.refused("240.240.0.7:80").await, 503);
        world.worker.connections.tells("has 10000 connections already").await;
        drop(all);
        world.open("240.240.0.7:80").await.unwrap();
    });
}

/// `other`, behind the same waypoint, whose endpoint is `server`; its host.
fn has_other(world: &World, server: &Played) -> Arc<str> {
    let other = Service {
        addresses: vec!["240.240.0.17".parse().unwrap()],
        waypoint: Some(behind(&service("waypoint").key)),
        ..service("other")
    };
    let mut instance = workload("other", 3);
    instance.addresses = vec![server.address().ip()];
    let leads = PortMapping { service_port: 80, target_port: server.address().port() };
    instance.services.push((other.key.clone(), vec![leads]));
    let host = other.key.hostname.clone();
    world.worker.change(Change::Service(Arc::new(other)));
    world.worker.change(Change::Workload(Arc::new(instance)));
    host
}

/// Who calls what has no limit gets to endpoints that have one by another name.
const SIBLING: &str = "240.240.0.27";

/// Another service of the workload behind `web`, behind the same waypoint: its port 80 leads to that of `web` of that protocol.
fn has_sibling(world: &World, protocol: AppProtocol) {
    let sibling = Service {
        addresses: vec![SIBLING.parse().unwrap()],
        ports: vec![ServicePort { port: 80, name: "any".into(), target: TargetPort::Number(80), protocol }],
        waypoint: Some(behind(&service("waypoint").key)),
        ..service("sibling")
    };
    let program = world.worker.context.shared.snapshot.load_full();
    let own = program.endpoints(&web(None).key).next().unwrap();
    let mut own = Workload::clone(own);
    own.services.retain(|(key, _)| *key != sibling.key);
    let target_port = world.server.address().port();
    own.services.push((sibling.key.clone(), vec![PortMapping { service_port: 80, target_port }]));
    world.worker.change(Change::Service(Arc::new(sibling)));
    world.worker.change(Change::Workload(Arc::new(own)));
}

/// Two requests to that address are answered, and no third one.
async fn takes_two(world: &World, authority: &str) {
    let mut stream = world.open(authority).await.unwrap();
    for _ in 0..2 {
        let served = timeout(LONG, world.answers());
        let (head, served) = tokio::join!(world.ask(&mut stream, "GET"), served);
        assert!(head.starts_with("HTTP/1.1 200 "), "{authority}: {head}");
        stream.read_exact(&mut [0; 2]).await.unwrap();
        drop(served);
    }
    let head = tokio::select! {
        head = world.ask(&mut stream, "GET") => head,
        _ = world.server.accept() => panic!("{authority}: it went on"),
    };
    assert!(head.starts_with("HTTP/1.1 429 "), "{authority}: {head}");
}

#[test]
fn another_service_of_the_same_workloads_is_no_way_around_a_limit() {
    run(async {
        let world = World::new().await;
        has_sibling(&world, AppProtocol::Http11);
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        takes_two(&world, &format!("{SIBLING}:80")).await;
        // It is one limit by either name.
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    });
}

#[test]
fn a_host_that_leads_to_the_same_workloads_is_no_way_around_a_limit() {
    run(async {
        let world = World::new().await;
        let alias = HostEntry {
            addresses: vec!["240.240.9.9/32".parse().unwrap()],
            waypoint: Some(behind(&service("waypoint").key)),
            ..entry(
                "alias.example",
                Resolution::Static,
                HTTP,
                vec![written(EndpointAddress::Ip("240.240.0.7".parse().unwrap()))],
            )
        };
        let name = alias.object.clone();
        world.worker.change(Change::TrafficObject(TrafficChange::Entries(name, Some(Arc::new(vec![alias])))));
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        takes_two(&world, "240.240.9.9:80").await;
    });
}

/// What is declared as something else, and carries requests to where they have a limit, is not passed on; nor is it once the
/// limit comes.
#[test]
fn a_port_of_other_bytes_that_leads_to_the_same_workloads_is_no_way_around_a_limit() {
    run(async {
        let world = World::new().await;
        has_sibling(&world, AppProtocol::Tcp);
        let authority = format!("{SIBLING}:80");
        let mut open = world.open(&authority).await.unwrap();
        let mut server = world.server.accept().await;
        server.write_all(b"pong").await.unwrap();
        open.read_exact(&mut [0; 4]).await.unwrap();
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        let ended = timeout(LONG, open.read_u8()).await.expect("it ends");
        assert!(ended.is_err(), "{ended:?}");
        tokio::select! {
            status = world.refused(&authority) => assert_eq!(status, 401),
            _ = world.server.accept() => panic!("it went on"),
        }
        world.worker.connections.tells("have a limit").await;
        // What nobody has said to be requests is read for as long as it takes.
        has_sibling(&world, AppProtocol::Unknown);
        takes_two(&world, &authority).await;
    });
}

/// What becomes of requests and connections to `web`.
fn ruled(rule: HttpRule) -> Change {
    let Change::TrafficObject(TrafficChange::Routes(name, Some(table))) = routes(Some(rule)) else { panic!("routes") };
    let table = RouteTable { gateways: vec![GatewayName::Mesh], ..RouteTable::clone(&table) };
    Change::TrafficObject(TrafficChange::Routes(name, Some(Arc::new(table))))
}

/// Endpoints take what comes by their waypoint for counted, so it counts wherever it leads.
#[test]
fn a_route_to_something_else_behind_the_waypoint_is_counted_for_that() {
    run(async {
        let world = World::new().await;
        let mut rule = forward();
        let HttpAction::Forward(backends) = &mut rule.action else { panic!("{rule:?}") };
        backends[0].backend.host = has_other(&world, &world.server);
        world.worker.change(ruled(rule));
        world.worker.change(two_of_each(TrafficTargetKind::Service, "other"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        for _ in 0..2 {
            let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            stream.read_exact(&mut [0; 2]).await.unwrap();
        }
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
        stream.read_exact(&mut vec![0; body_length(&head)]).await.unwrap();
        // What can't be counted does not go there either.
        let mut unread = world.open("240.240.0.7:80").await.unwrap();
        let line = format!("{} / HTTP/1.1\r\nhost: web\r\n\r\n", "A".repeat(40));
        unread.write_all(line.as_bytes()).await.unwrap();
        let ended = timeout(LONG, unread.read_u8()).await.expect("an end");
        assert!(ended.is_err(), "{ended:?}");
        world.worker.connections.tells("requests to port 80 have a limit").await;
    });
}

/// Nobody would count them there, either.
#[test]
fn copies_for_something_else_behind_the_waypoint_are_counted_for_that() {
    run(async {
        let world = World::new().await;
        let shadow = Played::new().await;
        let backend = BackendRef { host: has_other(&world, &shadow), subset: None, port: Some(80) };
        let mirror = Mirror { backend, share: ripstop_model::Share::ALL, path: "mirrors[0]".into() };
        world.worker.change(ruled(HttpRule { mirrors: vec![mirror], ..forward() }));
        world.worker.change(two_of_each(TrafficTargetKind::Service, "other"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let mut copies = Vec::new();
        for _ in 0..2 {
            let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            stream.read_exact(&mut [0; 2]).await.unwrap();
            copies.push(shadow.asked().await);
        }
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
        assert!(head.starts_with("HTTP/1.1 200 "), "nobody waits for a copy: {head}");
        let refused = |line: &str| line.contains("result=\"refused\"") && line.ends_with(" 1");
        let told = || world.worker.metrics().lines().any(refused);
        assert!(told(), "{}", world.worker.metrics());
    });
}

/// Each copy is one more request that endpoints get.
#[test]
fn copies_for_what_was_called_are_counted_beside_it() {
    run(async {
        let world = World::new().await;
        let backend = BackendRef { host: web(None).key.hostname.clone(), subset: None, port: Some(80) };
        let mirror = Mirror { backend, share: ripstop_model::Share::ALL, path: "mirrors[0]".into() };
        world.worker.change(ruled(HttpRule { mirrors: vec![mirror], ..forward() }));
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        stream.read_exact(&mut [0; 2]).await.unwrap();
        let _copy = world.answers().await;
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    });
}

/// A limit that comes later ends what can't be counted, as it does anywhere else.
#[test]
fn an_open_connection_that_can_not_be_read_ends_once_its_requests_have_a_limit() {
    run(async {
        let world = World::new().await;
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let line = format!("{} / HTTP/1.1\r\nhost: web\r\n\r\n", "A".repeat(40));
        stream.write_all(line.as_bytes()).await.unwrap();
        let mut server = world.server.accept().await;
        server.write_all(b"pong").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        // Elsewhere.
        world.worker.change(two_of_each(TrafficTargetKind::Service, "other"));
        server.write_all(b"pong").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        let ended = timeout(LONG, stream.read_u8()).await.expect("it ends");
        assert!(ended.is_err(), "{ended:?}");
        world.worker.connections.tells("requests to port 80 have a limit").await;
    });
}
