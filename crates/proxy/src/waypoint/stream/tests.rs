//! A whole worker of a waypoint, and callers that have certificates.

use ripstop_identity::client_config;
use ripstop_model::{
    Action, Admission, Allowance, AppProtocol, Attribute, Authorization, BackendRef, Change, Condition,
    EndpointAddress, GatewayName, HostEntry, HttpAction, HttpRule, LimitKey, Mirror, PolicyTarget, PortMapping,
    ProcessKind, RateLimit, RequestMatch, Resolution, RouteTable, Rule, RuleId, Sense, Service, ServiceKey,
    ServicePort, SpiffeId, TargetKind, TargetPort, TargetRef, TrafficChange, TrafficPolicy, TrafficTarget,
    TrafficTargetKind, TrustDomain, TunnelProtocol, Value, Waypoint, WaypointCallers, Workload, WorkloadUid,
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

mod changes;
mod connections;
mod limits;
mod places;
mod workloads;

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
    Waypoint {
        service: service.clone(),
        callers: WaypointCallers::Workloads,
        admission: Admission::Admitted,
        canary: None,
    }
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
    attached_to(TargetKind::Service, "web", action, rule)
}

fn attached_to(kind: TargetKind, name: &str, action: Action, rule: Rule) -> Change {
    Change::Authorization(Arc::new(Authorization {
        id: RuleId("AuthorizationPolicy/ns/attached/1".into()),
        namespace: "ns".into(),
        name: "attached".into(),
        target: PolicyTarget::Attached(vec![TargetRef { kind, name: name.into() }]),
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
    attached(Action::Deny, of_caller(method))
}

/// A request of the caller by that method.
fn of_caller(method: &str) -> Rule {
    Rule {
        from: vec![vec![condition(Attribute::Principal, "cluster.local/ns/ns/sa/caller")]],
        to: vec![vec![condition(Attribute::Method, method)]],
        when: Vec::new(),
    }
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

/// A host that leads to the workload behind `web`, behind the same waypoint.
const ALIAS: &str = "240.240.9.9";

fn has_alias(world: &World) {
    let endpoint = written(EndpointAddress::Ip("240.240.0.7".parse().unwrap()));
    let alias = HostEntry {
        addresses: vec![format!("{ALIAS}/32").parse().unwrap()],
        waypoint: Some(behind(&service("waypoint").key)),
        ..entry("alias.example", Resolution::Static, HTTP, vec![endpoint])
    };
    let name = alias.object.clone();
    world.worker.change(Change::TrafficObject(TrafficChange::Entries(name, Some(Arc::new(vec![alias])))));
}

/// The workload behind `web` names the waypoint itself; its address.
fn names_it(world: &World) -> String {
    let program = world.worker.context.shared.snapshot.load_full();
    let own = program.endpoints(&web(None).key).next().unwrap();
    let own = Workload { waypoint: Some(behind(&service("waypoint").key)), ..Workload::clone(own) };
    world.worker.change(Change::Workload(Arc::new(own)));
    world.server.address().to_string()
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
