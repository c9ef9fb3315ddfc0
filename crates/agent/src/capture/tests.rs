//! Capture in real namespaces.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

use prost::Message as _;
use ripstop_model::{Change, DataplaneMode, Enrolment, MtlsMode, PeerAuthentication, RuleId, Selector, Workload};
use ripstop_net::{FdChannel, NetNs, link::Links, run_in};
use ripstop_wire::ripstop::{
    AgentToProxy, ConnectionCount, ConnectionCounts, Lent, ProxyHello, ProxyToAgent, SocketKind, SocketRequest,
    WorkloadAck, agent_to_proxy, capture, proxy_to_agent,
};
use socket2::SockRef;
use tokio::{task::JoinHandle, time::timeout};

use super::*;
use crate::{
    proxy_link,
    samples::{enrolled, in_a_world, workload},
};

const UID: &str = "Ripstop/ripstop.dev/Process/shop/web-0";
const PATIENCE: Duration = Duration::from_secs(20);
const CLIENT: &str = "10.9.0.1";
const WEB: &str = "10.9.0.2";

/// A client and a workload, a wire between them, an agent's capture, and a proxy played by the test.
struct World {
    client: NetNs,
    web: NetNs,
    directory: tempfile::TempDir,
    snapshots: watch::Sender<Arc<Program>>,
    /// What PID 1 is told.
    served: watch::Sender<Served>,
    agent: Option<Agent>,
    proxy: Option<FdChannel>,
}

struct Agent {
    reports: mpsc::UnboundedReceiver<CaptureSet>,
    tasks: Vec<JoinHandle<()>>,
}

impl World {
    fn new() -> Self {
        let (client, web) = (NetNs::create().unwrap(), NetNs::create().unwrap());
        let mut links = Links::open(&client).unwrap();
        links.set_up("lo").unwrap();
        links.add_veth("eth0", "eth0", &web).unwrap();
        links.add_address("eth0", format!("{CLIENT}/24").parse().unwrap()).unwrap();
        links.set_up("eth0").unwrap();
        let mut links = Links::open(&web).unwrap();
        links.set_up("lo").unwrap();
        links.add_address("eth0", format!("{WEB}/24").parse().unwrap()).unwrap();
        links.set_up("eth0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("netns")).unwrap();
        let (snapshots, _) = watch::channel(Arc::new(Program::default()));
        let served = watch::Sender::default();
        let world = Self { client, web, directory, snapshots, served, agent: None, proxy: None };
        world.web.bind_to(world.file()).unwrap();
        world
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("netns/shop.web-0")
    }

    fn start_agent(&mut self) {
        let socket = self.directory.path().join("agent.sock");
        let (events, heard) = mpsc::channel(64);
        let (reporter, reports) = mpsc::unbounded_channel();
        let directory = Directory::new(self.directory.path().join("netns"));
        let report = move |captures| drop(reporter.send(captures));
        let served = self.served.clone();
        let capture = Capture::new("node-1", directory, self.snapshots.subscribe(), heard, report, served).unwrap();
        let (listener, node) = (proxy_link::listen(&socket).unwrap(), NetNs::current().unwrap());
        let line = proxy_link::serve(listener, node, proxy_link::Voucher::Nobody, events);
        self.agent = Some(Agent { reports, tasks: vec![tokio::spawn(line), tokio::spawn(capture.run())] });
    }

    /// As `kill -9` does it: nothing is said, nothing is cleaned up.
    async fn kill_agent(&mut self) {
        for task in self.agent.take().unwrap().tasks {
            task.abort();
            let _ = task.await;
        }
    }

    async fn start_proxy(&mut self, held: &[&str]) {
        let proxy = FdChannel::connect(self.directory.path().join("agent.sock")).unwrap();
        self.proxy = Some(proxy);
        let held = held.iter().map(ToString::to_string).collect();
        self.say(proxy_to_agent::Kind::Hello(ProxyHello { protocol: 1, pid: 1, held, only: String::new() })).await;
    }

    async fn say(&self, kind: proxy_to_agent::Kind) {
        let bytes = ProxyToAgent { kind: Some(kind) }.encode_to_vec();
        self.proxy.as_ref().unwrap().send(&bytes, &[]).await.unwrap();
    }

    async fn told(&self) -> (agent_to_proxy::Kind, Vec<OwnedFd>) {
        told_by(self.proxy.as_ref().unwrap()).await
    }

    /// Takes listeners, and says so.
    async fn take_listeners(&self) -> Vec<OwnedFd> {
        let (kind, fds) = self.told().await;
        assert!(matches!(&kind, agent_to_proxy::Kind::Add(add) if add.uid == UID), "{kind:?}");
        self.say(proxy_to_agent::Kind::Ack(WorkloadAck { uid: UID.into(), error: String::new() })).await;
        fds
    }

    async fn knows_all(&self) {
        assert!(matches!(self.told().await.0, agent_to_proxy::Kind::SnapshotSent(_)));
    }

    async fn counts(&self, captured: u64) {
        let counts = vec![ConnectionCount { uid: UID.into(), captured }];
        self.say(proxy_to_agent::Kind::Counts(ConnectionCounts { counts })).await;
    }

    /// Changes the configuration.
    fn configure(&self, changes: impl IntoIterator<Item = Change>) {
        self.snapshots.send_modify(|snapshot| *snapshot = Arc::new(snapshot.with(snapshot.version() + 1, changes)));
    }

    fn configure_web(&self, is_enrolled: bool) {
        let web = workload("web-0", "shop", &[WEB], &[]);
        self.configure([Change::Workload(Arc::new(if is_enrolled { enrolled(web) } else { web }))]);
    }

    /// Waits for a report of that state; gives it.
    async fn reported(&mut self, state: capture::State, plain: u64) -> ripstop_wire::ripstop::Capture {
        let agent = self.agent.as_mut().unwrap();
        let mut last = None;
        loop {
            let next = timeout(PATIENCE, agent.reports.recv()).await;
            let report = next.unwrap_or_else(|_| panic!("no {state:?} with {plain} plain; last {last:?}")).unwrap();
            if let Some(capture) = report.captures.into_iter().find(|capture| capture.uid == UID) {
                if capture.state() == state && capture.plain == plain {
                    return capture;
                }
                last = Some(capture);
            }
        }
    }

    fn connect(&self) -> TcpStream {
        let web = SocketAddr::new(WEB.parse().unwrap(), 8080);
        let stream = run_in(&self.client, || TcpStream::connect_timeout(&web, PATIENCE)).unwrap().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn application(&self) -> TcpListener {
        run_in(&self.web, || TcpListener::bind((WEB, 8080))).unwrap().unwrap()
    }
}

/// What an agent says next, but for wishes for copies.
async fn told_by(line: &FdChannel) -> (agent_to_proxy::Kind, Vec<OwnedFd>) {
    loop {
        let message = timeout(PATIENCE, line.recv()).await.unwrap().unwrap().unwrap();
        let kind = AgentToProxy::decode(&*message.data).unwrap().kind.unwrap();
        if !matches!(kind, agent_to_proxy::Kind::Lend(_)) {
            return (kind, message.fds);
        }
    }
}

/// Whether bytes pass both ways.
fn passes(one: &mut TcpStream, other: &mut TcpStream) {
    let mut buffer = [0; 4];
    for _ in 0..3 {
        one.write_all(b"ping").unwrap();
        other.read_exact(&mut buffer).unwrap();
        other.write_all(b"pong").unwrap();
        one.read_exact(&mut buffer).unwrap();
    }
}

/// Accepts at the proxy's listener for plaintext from outside.
fn accept_captured(listeners: &[OwnedFd]) -> TcpStream {
    let listener = TcpListener::from(listeners[1].try_clone().unwrap());
    listener.set_nonblocking(false).unwrap();
    listener.accept().unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_joins_stays_and_leaves_under_traffic() {
    if !in_a_world("capture::tests::a_workload_joins_stays_and_leaves_under_traffic") {
        return;
    }
    let mut world = World::new();
    let application = world.application();
    let mut before = world.connect();
    let mut before_server = application.accept().unwrap().0;

    // It joins; what was open goes on.
    world.start_agent();
    world.configure_web(true);
    let waiting = world.reported(capture::State::Pending, 0).await;
    assert_eq!(waiting.reason, "the proxy of the node is not connected to its agent");
    world.start_proxy(&[]).await;
    let listeners = world.take_listeners().await;
    assert_eq!(listeners.len(), 6);
    world.knows_all().await;
    world.reported(capture::State::Captured, 1).await;
    passes(&mut before, &mut before_server);

    // What is new comes to the proxy, with its original destination.
    let mut client = world.connect();
    let mut proxied = accept_captured(&listeners);
    let destination = ripstop_net::socket::original_destination(&proxied).unwrap();
    assert_eq!(destination, "10.9.0.2:8080".parse().unwrap());
    passes(&mut client, &mut proxied);

    // The proxy gets sockets of the workload's namespace.
    let request = SocketRequest { id: 9, uid: UID.into(), kind: SocketKind::Transparent.into(), ipv6: false, count: 5 };
    world.say(proxy_to_agent::Kind::Sockets(request.clone())).await;
    let (kind, sockets) = world.told().await;
    assert!(matches!(kind, agent_to_proxy::Kind::Sockets(given) if given.id == 9 && given.error.is_empty()));
    assert_eq!(sockets.len(), 5);
    assert_eq!(SockRef::from(&sockets[0].as_fd()).mark().unwrap(), ripstop_net::MARK_SPOOFED);
    world.say(proxy_to_agent::Kind::Sockets(SocketRequest { uid: "a/b/c".into(), ..request })).await;
    let (kind, _) = world.told().await;
    assert!(matches!(kind, agent_to_proxy::Kind::Sockets(given) if !given.error.is_empty()));

    // The agent is killed: its successor finds everything in place.
    world.kill_agent().await;
    passes(&mut client, &mut proxied);
    world.start_agent();
    world.reported(capture::State::Captured, 1).await;
    world.start_proxy(&[UID]).await;
    world.knows_all().await;
    passes(&mut before, &mut before_server);
    passes(&mut client, &mut proxied);

    let web = SocketAddr::new(WEB.parse().unwrap(), 8080);
    // The proxy is killed: fail closed, then served again by its successor.
    drop((listeners, proxied, sockets, world.proxy.take()));
    let refused = run_in(&world.client, || TcpStream::connect_timeout(&web, PATIENCE)).unwrap().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    world.start_proxy(&[]).await;
    let listeners = world.take_listeners().await;
    world.knows_all().await;
    let mut client = world.connect();
    let mut proxied = accept_captured(&listeners);
    passes(&mut client, &mut proxied);
    passes(&mut before, &mut before_server);

    // It leaves: new connections are the application's at once, captured ones go on.
    world.configure_web(false);
    world.reported(capture::State::Draining, 0).await;
    assert!(matches!(world.told().await.0, agent_to_proxy::Kind::Drain(drain) if drain.uid == UID));
    world.counts(1).await;
    passes(&mut client, &mut proxied);
    let mut fresh = world.connect();
    let mut fresh_server = application.accept().unwrap().0;
    passes(&mut fresh, &mut fresh_server);

    // It changes its mind: the proxy keeps what it has, what was opened meanwhile stays plain.
    world.configure_web(true);
    assert!(world.take_listeners().await.is_empty(), "the proxy has them already");
    world.reported(capture::State::Captured, 2).await;
    passes(&mut client, &mut proxied);
    passes(&mut fresh, &mut fresh_server);
    let mut another = world.connect();
    passes(&mut another, &mut accept_captured(&listeners));

    // It leaves for good.
    world.configure_web(false);
    world.reported(capture::State::Draining, 0).await;
    assert!(matches!(world.told().await.0, agent_to_proxy::Kind::Drain(_)));
    drop((client, proxied, another));
    world.counts(0).await;
    assert!(matches!(world.told().await.0, agent_to_proxy::Kind::Del(del) if del.uid == UID));
    world.reported(capture::State::None, 0).await;
    passes(&mut before, &mut before_server);
    let mut fresh = world.connect();
    passes(&mut fresh, &mut application.accept().unwrap().0);
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_resets_plaintext_of_before() {
    if !in_a_world("capture::tests::strict_resets_plaintext_of_before") {
        return;
    }
    let mut world = World::new();
    let application = world.application();
    let mut before = world.connect();
    let mut before_server = application.accept().unwrap().0;
    let elsewhere = run_in(&world.client, || TcpListener::bind((CLIENT, 7000))).unwrap().unwrap();
    let mut outbound = run_in(&world.web, || TcpStream::connect((CLIENT, 7000))).unwrap().unwrap();
    let mut outbound_server = elsewhere.accept().unwrap().0;

    world.start_agent();
    world.start_proxy(&[]).await;
    world.configure_web(true);
    let _listeners = world.take_listeners().await;
    world.reported(capture::State::Captured, 2).await;
    let policy = PeerAuthentication {
        id: RuleId("PeerAuthentication/shop/default/1".into()),
        namespace: "shop".into(),
        name: "default".into(),
        selector: Selector::default(),
        mode: Some(MtlsMode::Strict),
        ports: [].into(),
        created: 1,
    };
    world.configure([Change::PeerAuthentication(Arc::new(policy))]);
    world.reported(capture::State::Captured, 1).await;
    let error = before.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(before_server.read(&mut [0; 1]).is_err());
    // What the workload itself opened is judged where it ends.
    passes(&mut outbound, &mut outbound_server);
    drop((outbound, outbound_server));
    world.reported(capture::State::Captured, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_port_keeps_a_workload_out_until_it_is_free() {
    if !in_a_world("capture::tests::a_held_port_keeps_a_workload_out_until_it_is_free") {
        return;
    }
    let mut world = World::new();
    let holder = run_in(&world.web, || TcpListener::bind(("127.0.0.1", 15001))).unwrap().unwrap();
    world.start_agent();
    world.start_proxy(&[]).await;
    world.configure_web(true);
    let mut reason = String::new();
    while !reason.contains("15001") {
        reason = world.reported(capture::State::Pending, 0).await.reason;
    }
    assert!(reason.contains(&format!("(pid {})", std::process::id())), "{reason}");
    // Others are not held up by it.
    world.knows_all().await;
    drop(holder);
    let _listeners = world.take_listeners().await;
    world.reported(capture::State::Captured, 0).await;
    // The workload ends: the proxy hears of it at once.
    NetNs::unbind(world.file()).unwrap();
    assert!(matches!(world.told().await.0, agent_to_proxy::Kind::Del(del) if del.uid == UID));
    world.reported(capture::State::None, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_listeners_close_when_the_next_proxy_does_not_serve_them() {
    if !in_a_world("capture::tests::kept_listeners_close_when_the_next_proxy_does_not_serve_them") {
        return;
    }
    let reset = |mut client: TcpStream| {
        let error = client.read(&mut [0; 1]).expect_err("nobody serves it");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    };
    let mut world = World::new();
    world.start_agent();
    world.start_proxy(&[]).await;
    world.configure_web(true);
    let listeners = world.take_listeners().await;
    world.knows_all().await;
    world.reported(capture::State::Captured, 0).await;
    // Its successor refuses the workload: who waits is told.
    drop((listeners, world.proxy.take()));
    let waiting = world.connect();
    world.start_proxy(&[]).await;
    let (kind, fds) = world.told().await;
    assert!(matches!(kind, agent_to_proxy::Kind::Add(_)), "{kind:?}");
    assert_eq!(fds.len(), 6);
    drop(fds);
    world.say(proxy_to_agent::Kind::Ack(WorkloadAck { uid: UID.into(), error: "no certificate".into() })).await;
    reset(waiting);
    world.knows_all().await;
    // It is tried again, and well.
    let listeners = world.take_listeners().await;
    let mut client = world.connect();
    passes(&mut client, &mut accept_captured(&listeners));
    // The next one says nothing at all.
    drop((client, listeners, world.proxy.take()));
    let waiting = world.connect();
    world.start_proxy(&[]).await;
    let (_, fds) = world.told().await;
    assert_eq!(fds.len(), 6);
    drop(fds);
    reset(waiting);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_cannot_be_looked_at_is_not_gone() {
    if !in_a_world("capture::tests::a_namespace_that_cannot_be_looked_at_is_not_gone") {
        return;
    }
    let mut world = World::new();
    world.start_agent();
    world.start_proxy(&[]).await;
    world.configure_web(true);
    let listeners = world.take_listeners().await;
    world.knows_all().await;
    world.reported(capture::State::Captured, 0).await;
    // A loop of links says as little of the namespace as want of descriptors does.
    let (directory, aside) = (world.directory.path().join("netns"), world.directory.path().join("aside"));
    std::fs::rename(&directory, &aside).unwrap();
    std::os::unix::fs::symlink(&directory, &directory).unwrap();
    while world.agent.as_mut().unwrap().reports.try_recv().is_ok() {}
    // It looks at each change of configuration.
    world.configure_web(true);
    world.reported(capture::State::Captured, 0).await;
    let mut client = world.connect();
    passes(&mut client, &mut accept_captured(&listeners));
    std::fs::remove_file(&directory).unwrap();
    std::fs::rename(&aside, &directory).unwrap();
    world.configure_web(false);
    world.reported(capture::State::Draining, 0).await;
    let (kind, _) = world.told().await;
    assert!(matches!(kind, agent_to_proxy::Kind::Drain(_)), "{kind:?}");
}

impl World {
    fn configure_sidecar(&self) {
        let web = enrolled(workload("web-0", "shop", &[WEB], &[]));
        let enrolment = Enrolment { mode: DataplaneMode::Sidecar, ..web.enrolment.clone() };
        self.configure([Change::Workload(Arc::new(Workload { enrolment, ..web }))]);
    }

    /// A proxy of that workload alone, played by the test.
    async fn start_sidecar(&self, held: &[&str]) -> FdChannel {
        let line = FdChannel::connect(self.directory.path().join("agent.sock")).unwrap();
        let held = held.iter().map(ToString::to_string).collect();
        let hello = ProxyHello { protocol: 1, pid: 2, held, only: UID.into() };
        say_on(&line, proxy_to_agent::Kind::Hello(hello)).await;
        line
    }

    /// Waits for a report that names that proxy, for that reason.
    async fn served_by(&mut self, by_sidecar: bool, reason: &str) {
        let agent = self.agent.as_mut().unwrap();
        let mut last = None;
        loop {
            let next = timeout(PATIENCE, agent.reports.recv()).await;
            let report = next.unwrap_or_else(|_| panic!("not served so; last {last:?}")).unwrap();
            last = report.captures.into_iter().find(|capture| capture.uid == UID);
            if last.as_ref().is_some_and(|now| {
                now.state() == capture::State::Captured && now.by_sidecar == by_sidecar && now.reason == reason
            }) {
                return;
            }
        }
    }
}

async fn say_on(line: &FdChannel, kind: proxy_to_agent::Kind) {
    line.send(&ProxyToAgent { kind: Some(kind) }.encode_to_vec(), &[]).await.unwrap();
}

fn ack(error: &str) -> proxy_to_agent::Kind {
    proxy_to_agent::Kind::Ack(WorkloadAck { uid: UID.into(), error: error.into() })
}

async fn is_added(line: &FdChannel) -> Vec<OwnedFd> {
    let (kind, fds) = told_by(line).await;
    assert!(matches!(&kind, agent_to_proxy::Kind::Add(add) if add.uid == UID), "{kind:?}");
    assert_eq!(fds.len(), 6);
    fds
}

async fn is_released(line: &FdChannel) {
    let (kind, _) = told_by(line).await;
    assert!(matches!(&kind, agent_to_proxy::Kind::Release(release) if release.uid == UID), "{kind:?}");
}

async fn is_given_sockets(line: &FdChannel, id: u64) -> bool {
    let kind = SocketKind::Plain.into();
    say_on(line, proxy_to_agent::Kind::Sockets(SocketRequest { id, uid: UID.into(), kind, ipv6: false, count: 2 }))
        .await;
    loop {
        match told_by(line).await {
            (agent_to_proxy::Kind::Sockets(sockets), fds) if sockets.id == id => return !fds.is_empty(),
            (agent_to_proxy::Kind::SnapshotSent(_), _) => {}
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_moves_to_its_sidecar_and_back() {
    if !in_a_world("capture::tests::a_workload_moves_to_its_sidecar_and_back") {
        return;
    }
    let mut world = World::new();
    let _application = world.application();
    world.start_agent();
    world.configure_web(true);
    world.start_proxy(&[]).await;
    let at_node = world.take_listeners().await;
    world.knows_all().await;
    world.served_by(false, "").await;

    // It asks for a sidecar. Until that accepts, all stays as it is; one that cannot is asked again.
    world.configure_sidecar();
    world.served_by(false, "the proxy of the node serves it until its sidecar is there").await;
    let sidecar = world.start_sidecar(&[]).await;
    drop(is_added(&sidecar).await);
    say_on(&sidecar, ack("no certificate")).await;
    let at_sidecar = is_added(&sidecar).await;
    let _waits = world.connect();
    drop(accept_captured(&at_node));
    say_on(&sidecar, ack("")).await;
    assert!(matches!(told_by(&sidecar).await.0, agent_to_proxy::Kind::SnapshotSent(_)));

    // From then on the sidecar serves, and the other finishes what it has.
    is_released(world.proxy.as_ref().unwrap()).await;
    world.served_by(true, "").await;
    drop(at_node);
    let _comes = world.connect();
    drop(accept_captured(&at_sidecar));
    assert!(is_given_sockets(world.proxy.as_ref().unwrap(), 1).await, "what it has goes on");
    assert!(is_given_sockets(&sidecar, 2).await);
    world.counts(0).await;
    assert!(!is_given_sockets(world.proxy.as_ref().unwrap(), 3).await, "it has nothing left");

    // And back, while the agent starts anew in between: who holds the listeners lends them.
    world.kill_agent().await;
    drop(sidecar);
    world.start_agent();
    // Nobody takes the place of a sidecar that is down.
    world.start_proxy(&[]).await;
    world.knows_all().await;
    let sidecar = world.start_sidecar(&[UID]).await;
    let message = timeout(PATIENCE, sidecar.recv()).await.unwrap().unwrap().unwrap();
    let asked = AgentToProxy::decode(&*message.data).unwrap().kind.unwrap();
    assert!(matches!(&asked, agent_to_proxy::Kind::Lend(lend) if lend.uid == UID), "{asked:?}");
    let lent = ProxyToAgent { kind: Some(proxy_to_agent::Kind::Lent(Lent { uid: UID.into() })) }.encode_to_vec();
    let fds: Vec<_> = at_sidecar.iter().map(AsFd::as_fd).collect();
    sidecar.send(&lent, &fds).await.unwrap();
    drop(fds);
    world.served_by(true, "").await;
    assert_eq!(world.served.borrow().len(), 1, "whoever starts it may");
    world.configure_web(true);
    let at_node = world.take_listeners().await;
    assert_eq!(at_node.len(), 6);
    loop {
        match told_by(&sidecar).await.0 {
            agent_to_proxy::Kind::Release(_) => break,
            agent_to_proxy::Kind::SnapshotSent(_) => {}
            other => panic!("{other:?}"),
        }
    }
    world.served_by(false, "").await;
    drop(at_sidecar);
    let _comes = world.connect();
    drop(accept_captured(&at_node));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_speaks_for_its_workload_alone() {
    if !in_a_world("capture::tests::a_sidecar_speaks_for_its_workload_alone") {
        return;
    }
    let mut world = World::new();
    let _application = world.application();
    world.start_agent();
    world.configure_web(true);
    world.start_proxy(&[]).await;
    let _at_node = world.take_listeners().await;
    world.knows_all().await;
    world.served_by(false, "").await;
    // It is not asked for, and told so; and another's is not either.
    let own = world.start_sidecar(&[]).await;
    loop {
        match told_by(&own).await.0 {
            agent_to_proxy::Kind::Release(_) => break,
            agent_to_proxy::Kind::SnapshotSent(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(!is_given_sockets(&own, 1).await);
    say_on(&own, ack("")).await;
    let line = FdChannel::connect(world.directory.path().join("agent.sock")).unwrap();
    let hello = ProxyHello { protocol: 1, pid: 3, held: vec![UID.into()], only: "another".into() };
    say_on(&line, proxy_to_agent::Kind::Hello(hello)).await;
    assert!(!is_given_sockets(&line, 2).await);
    assert!(is_given_sockets(world.proxy.as_ref().unwrap(), 3).await);
}
