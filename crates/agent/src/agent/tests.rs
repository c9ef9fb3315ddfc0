//! What a node gives to workloads that are not in the mesh, in real namespaces.

use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener as Listener, TcpStream, UdpSocket},
    os::fd::AsFd,
};

use ripstop_model::{Change, Service};
use ripstop_net::{
    FdChannel,
    link::{Links, Route, set_sysctls},
    run_in,
};
use ripstop_wire::gate::{Answer, Ask};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::samples::{in_a_world, service, workload};

const NODE: &str = "10.244.1.1";
const PATIENCE: Duration = Duration::from_secs(20);

/// A node, which is the test's own namespace, with workloads behind wires.
struct World {
    node: NetNs,
    links: Links,
    _beyond: NetNs,
}

impl World {
    fn new() -> Self {
        let node = NetNs::current().unwrap();
        let mut links = Links::open(&node).unwrap();
        links.set_up("lo").unwrap();
        links.add_address("lo", format!("{NODE}/32").parse().unwrap()).unwrap();
        let beyond = NetNs::create().unwrap();
        links.add_veth("eth0", "up-1", &beyond).unwrap();
        links.add_address("eth0", "100.64.1.1/16".parse().unwrap()).unwrap();
        links.set_up("eth0").unwrap();
        set_sysctls(&node, &[("net/ipv4/ip_forward", "1"), ("net/ipv4/conf/all/rp_filter", "0")]).unwrap();
        Self { node, links, _beyond: beyond }
    }

    fn workload(&mut self, wire: &str, address: &str) -> NetNs {
        let netns = NetNs::create().unwrap();
        self.links.add_veth(wire, "eth0", &netns).unwrap();
        self.links.add_address(wire, "169.254.1.1/32".parse().unwrap()).unwrap();
        self.links.set_up(wire).unwrap();
        set_sysctls(&self.node, &[(&format!("net/ipv4/conf/{wire}/rp_filter"), "0")]).unwrap();
        let mut inner = Links::open(&netns).unwrap();
        inner.set_up("lo").unwrap();
        inner.add_address("eth0", format!("{address}/32").parse().unwrap()).unwrap();
        inner.set_up("eth0").unwrap();
        let router: IpAddr = "169.254.1.1".parse().unwrap();
        inner.add_route(&Route::device(router.into(), "eth0")).unwrap();
        inner.add_route(&Route::via("0.0.0.0/0".parse().unwrap(), router)).unwrap();
        self.links.add_route(&Route::device(format!("{address}/32").parse().unwrap(), wire)).unwrap();
        netns
    }
}

fn connect(from: &NetNs, to: &str) -> std::io::Result<TcpStream> {
    let to: SocketAddr = to.parse().unwrap();
    let stream = run_in(from, || TcpStream::connect_timeout(&to, PATIENCE))??;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Answers every connection with one line.
fn say_hello(listener: Listener, line: &'static str) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().write_all(line.as_bytes()).unwrap();
        }
    });
}

fn hello(mut stream: TcpStream) -> String {
    let mut line = String::new();
    stream.read_to_string(&mut line).unwrap();
    line
}

/// Connects whatever is asked for to one place, but for what is denied; tells what was asked.
fn play_broker(socket: OwnedFd, place: SocketAddr) -> (JoinHandle<()>, mpsc::Receiver<Value>) {
    let channel = FdChannel::new(socket).unwrap();
    let (asked, asks) = mpsc::channel(16);
    let task = tokio::spawn(async move {
        while let Ok(Some(message)) = channel.recv().await {
            let question: Value = serde_json::from_slice(&message.data).unwrap();
            let id = question["id"].clone();
            let stream = tokio::net::TcpStream::connect(place).await.unwrap();
            let reply = serde_json::to_vec(&json!({"id": id, "ok": true})).unwrap();
            channel.send(&reply, &[stream.as_fd()]).await.unwrap();
            asked.send(question["connect"].clone()).await.unwrap();
        }
    });
    (task, asks)
}

/// An A record's address, by hand: the question is `name`, the answer's data its last four bytes.
fn resolve(from: &NetNs, name: &str) -> (u8, [u8; 4]) {
    let mut query = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    let socket = run_in(from, || UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect((NODE, 53)).unwrap();
    socket.send(&query).unwrap();
    let mut reply = [0; 512];
    let length = socket.recv(&mut reply).unwrap();
    (reply[3] & 15, reply[length - 4..length].try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_outside_of_the_mesh_are_served_by_their_node() {
    if !in_a_world("agent::tests::workloads_outside_of_the_mesh_are_served_by_their_node") {
        return;
    }
    let mut world = World::new();
    let caller = world.workload("w-caller", "10.244.1.2");
    let first = world.workload("w-first", "10.244.1.3");
    let second = world.workload("w-second", "10.244.1.4");
    say_hello(run_in(&first, || Listener::bind("0.0.0.0:8080")).unwrap().unwrap(), "first");
    say_hello(run_in(&second, || Listener::bind("0.0.0.0:8080")).unwrap().unwrap(), "second");
    let outside = Listener::bind("127.0.0.1:0").unwrap();
    let (ours, theirs) = seqpacket_pair().unwrap();
    let (broker, line) = Broker::new(ours).unwrap();
    let (_broker, mut asks) = play_broker(theirs, outside.local_addr().unwrap());
    say_hello(outside, "outside");

    let (snapshots, current) = watch::channel(Arc::new(Snapshot::default()));
    let addresses = dns::node_addresses(&world.node, "node-1").await.unwrap();
    assert_eq!(addresses, [NODE.parse::<IpAddr>().unwrap()]);
    let (udp, tcp) = dns::sockets(&addresses).await.unwrap();
    let forwarder = Arc::new(Upstream::new(broker.clone()));
    let names = DnsServer { udp, tcp, snapshots: current.clone(), forwarder, limits: Limits::default() };
    tokio::spawn(line.run());
    tokio::spawn(names.run(std::future::pending()));
    tokio::spawn(services::keep(world.node.clone(), current.clone(), watch::Sender::new(0)));
    tokio::spawn(egress::serve(egress_listener(&world.node).unwrap(), broker, current));

    let web = service("web", "shop", &["240.240.0.1"], &[(80, 8080)]);
    let idle = service("idle", "shop", &["240.240.0.2"], &[(80, 8080)]);
    let configure = |endpoint: (&str, &str), web: &Service| {
        let workloads =
            [workload("caller-0", "shop", &["10.244.1.2"], &[]), workload(endpoint.0, "shop", &[endpoint.1], &[web])];
        let services = [web, &idle].map(|service| Change::Service(Arc::new(service.clone())));
        let changes = services.into_iter().chain(workloads.map(|workload| Change::Workload(Arc::new(workload))));
        snapshots.send_modify(|snapshot| *snapshot = Arc::new(snapshot.with(snapshot.version() + 1, changes)));
    };
    configure(("web-0", "10.244.1.3"), &web);

    // Names, also short ones, by the caller's namespace.
    assert_eq!(resolve(&caller, "web"), (0, [240, 240, 0, 1]));
    assert_eq!(resolve(&caller, "web.shop.svc.cluster.local"), (0, [240, 240, 0, 1]));
    assert_eq!(resolve(&caller, "none.shop.svc.cluster.local").0, 3);

    // Service addresses lead to ready endpoints.
    let deadline = std::time::Instant::now() + PATIENCE;
    let reach = |expected: &str| {
        // The rules follow the snapshot on a task of their own.
        while connect(&caller, "240.240.0.1:80").map(hello).unwrap_or_default() != expected {
            assert!(std::time::Instant::now() < deadline, "240.240.0.1:80 does not lead to {expected}");
        }
    };
    reach("first");
    let refused = connect(&caller, "240.240.0.2:80").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    // Places outside are the broker's, by name of the caller.
    assert_eq!(hello(connect(&caller, "192.0.2.7:443").unwrap()), "outside");
    let asked = timeout(PATIENCE, asks.recv()).await.unwrap().unwrap();
    assert_eq!(asked, json!({"addr": "192.0.2.7:443", "proto": "tcp", "workload": "shop/caller-0"}));

    // A proxy hears at the gate whether it has the connection, and that it gets to what is inside by itself.
    let at_gate = |destination: &str| {
        let mut stream = connect(&caller, "100.64.255.254:15003").unwrap();
        let ask = Ask { destination: destination.parse().unwrap(), limit: Duration::from_millis(300) };
        stream.write_all(&ask.encode()).unwrap();
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        (Answer::decode(answer[0]), stream)
    };
    let (answer, stream) = at_gate("192.0.2.8:443");
    assert_eq!((answer, hello(stream).as_str()), (Some(Answer::Connected), "outside"));
    let mut asked = timeout(PATIENCE, asks.recv()).await.unwrap().unwrap();
    let within = asked.as_object_mut().unwrap().remove("within").unwrap().as_u64().unwrap();
    assert!((1..=500).contains(&within), "{within}");
    assert_eq!(asked, json!({"addr": "192.0.2.8:443", "proto": "tcp", "workload": "shop/caller-0"}));
    for inside in ["10.244.1.4:8080", "10.244.9.9:80", "240.240.0.1:80", "100.64.0.1:15012"] {
        assert_eq!(at_gate(inside).0, Some(Answer::Inside), "{inside}");
    }

    // Another workload is reached as it is, and a change acts.
    assert_eq!(hello(connect(&caller, "10.244.1.4:8080").unwrap()), "second");
    configure(("web-1", "10.244.1.4"), &web);
    snapshots.send_modify(|snapshot| {
        let gone = Change::WorkloadGone(ripstop_model::WorkloadUid::process("Ripstop", "shop", "web-0"));
        *snapshot = Arc::new(snapshot.with(snapshot.version() + 1, [gone]));
    });
    reach("second");
    assert!(asks.try_recv().is_err(), "nothing inside of the mesh is the broker's");
}
