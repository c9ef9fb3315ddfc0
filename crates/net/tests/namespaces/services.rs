//! Service addresses and the way out, in a node's namespace.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use ripstop_net::nft::services::{Endpoints, Frontend, NodeRules, Services, Transport};
use ripstop_net::{NetNs, nft, run_in, socket};

use crate::bed::Bed;
use crate::harness::Story;

pub fn stories() -> Vec<Story> {
    vec![
        ("a_service_address_leads_to_every_endpoint", endpoints),
        ("a_service_without_endpoint_refuses", refused),
        ("changes_touch_only_what_changed", updates),
        ("a_workload_reaches_itself_by_a_service", hairpin),
        ("a_service_over_udp", udp),
        ("many_services_are_installed", many),
        ("tcp_out_of_the_mesh_goes_to_the_agent", egress),
    ]
}

const VIP: Ipv4Addr = Ipv4Addr::new(240, 240, 1, 2);
const EGRESS: u16 = 15009;

fn rules() -> NodeRules {
    let inside = ["10.244.0.0/16", "fd00:10:244::/48", "100.64.0.0/16"];
    NodeRules {
        uplink: "uplink".to_owned(),
        services: "240.240.0.0/16".parse().unwrap(),
        inside: inside.iter().map(|prefix| prefix.parse().unwrap()).collect(),
        egress_port: EGRESS,
        gate: Ipv4Addr::new(100, 64, 255, 254),
    }
}

fn frontend(port: u16) -> Frontend {
    Frontend { address: VIP, port, transport: Transport::Tcp }
}

/// An application that says its name and closes.
fn named(netns: &NetNs, port: u16, name: &'static str) {
    let listener = run_in(netns, || TcpListener::bind(("0.0.0.0", port)).unwrap()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(name.as_bytes());
        }
    });
}

fn call(netns: &NetNs, port: u16) -> io::Result<String> {
    let to = SocketAddr::from((VIP, port));
    let mut stream = run_in(netns, || TcpStream::connect_timeout(&to, Duration::from_secs(5)))??;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    // What the client sees is the service, never the endpoint.
    assert_eq!(stream.peer_addr()?, to);
    Ok(said)
}

fn endpoints() {
    let bed = Bed::new();
    named(&bed.b.netns, 8080, "one");
    named(&bed.b.netns, 8081, "two");
    named(&bed.node, 8082, "three");
    let endpoints = [
        SocketAddrV4::new(bed.b.v4, 8080),
        SocketAddrV4::new(bed.b.v4, 8081),
        SocketAddrV4::new("10.244.1.1".parse().unwrap(), 8082),
    ];
    let wanted = Endpoints::from([(frontend(80), endpoints.to_vec()), (frontend(81), vec![endpoints[1]])]);
    let services = Services::install(bed.node.clone(), &rules(), &wanted).unwrap();
    assert_eq!(services.installed(), &wanted);
    let answers: BTreeSet<String> = (0..60).map(|_| call(&bed.a.netns, 80).unwrap()).collect();
    assert_eq!(answers, BTreeSet::from(["one", "two", "three"].map(str::to_owned)));
    for _ in 0..5 {
        assert_eq!(call(&bed.a.netns, 81).unwrap(), "two");
    }
    // The node's own processes, too.
    assert_eq!(call(&bed.node, 81).unwrap(), "two");
    services.remove().unwrap();
    assert!(call(&bed.a.netns, 81).is_err());
}

fn refused() {
    let bed = Bed::new();
    let wanted = Endpoints::from([(frontend(80), vec![])]);
    let _services = Services::install(bed.node.clone(), &rules(), &wanted).unwrap();
    for port in [80, 81] {
        let error = call(&bed.a.netns, port).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
    }
}

fn updates() {
    let bed = Bed::new();
    named(&bed.b.netns, 8080, "one");
    named(&bed.b.netns, 8081, "two");
    let (one, two) = (SocketAddrV4::new(bed.b.v4, 8080), SocketAddrV4::new(bed.b.v4, 8081));
    let mut wanted = Endpoints::from([(frontend(80), vec![one]), (frontend(81), vec![two])]);
    let mut services = Services::install(bed.node.clone(), &rules(), &wanted).unwrap();
    let handle = |port: u16| {
        let chain = format!("to-{VIP}-tcp-{port}");
        let rules = nft::rules(&bed.node).unwrap();
        rules.iter().find(|rule| rule.chain == chain).map(|rule| rule.handle)
    };
    let untouched = handle(81).unwrap();
    assert_eq!(services.update(&wanted).unwrap(), 0);
    let generation = nft::generation(&bed.node).unwrap();
    assert_eq!(services.update(&wanted).unwrap(), 0);
    assert_eq!(nft::generation(&bed.node).unwrap(), generation, "nothing changed, nothing was written");
    wanted.insert(frontend(80), vec![one, two]);
    wanted.insert(frontend(82), vec![one]);
    assert_eq!(services.update(&wanted).unwrap(), 2);
    assert_eq!(call(&bed.a.netns, 82).unwrap(), "one");
    let answers: BTreeSet<String> = (0..40).map(|_| call(&bed.a.netns, 80).unwrap()).collect();
    assert_eq!(answers.len(), 2);
    wanted.remove(&frontend(82));
    wanted.insert(frontend(80), vec![]);
    assert_eq!(services.update(&wanted).unwrap(), 2);
    assert!(call(&bed.a.netns, 82).is_err());
    assert!(call(&bed.a.netns, 80).is_err());
    assert_eq!((handle(80), handle(82), handle(81)), (None, None, Some(untouched)));
    wanted.insert(frontend(80), vec![two]);
    assert_eq!(services.update(&wanted).unwrap(), 1);
    assert_eq!(call(&bed.a.netns, 80).unwrap(), "two");
    // A successor takes over at once.
    let _successor = Services::install(bed.node.clone(), &rules(), &wanted).unwrap();
    assert_eq!(call(&bed.a.netns, 80).unwrap(), "two");
}

fn hairpin() {
    let bed = Bed::new();
    named(&bed.a.netns, 8080, "myself");
    let wanted = Endpoints::from([(frontend(80), vec![SocketAddrV4::new(bed.a.v4, 8080)])]);
    let mut services = Services::install(bed.node.clone(), &rules(), &wanted).unwrap();
    assert_eq!(call(&bed.a.netns, 80).unwrap(), "myself");
    assert_eq!(nft::elements(&bed.node, "hairpin").unwrap().len(), 1);
    services.update(&Endpoints::new()).unwrap();
    assert_eq!(nft::elements(&bed.node, "hairpin").unwrap().len(), 0);
}

fn udp() {
    let bed = Bed::new();
    let server = run_in(&bed.b.netns, || UdpSocket::bind((bed.b.v4, 5353)).unwrap()).unwrap();
    let frontend = Frontend { transport: Transport::Udp, ..frontend(53) };
    let wanted = Endpoints::from([(frontend, vec![SocketAddrV4::new(bed.b.v4, 5353)])]);
    let _services = Services::install(bed.node.clone(), &rules(), &wanted).unwrap();
    let client = run_in(&bed.a.netns, || UdpSocket::bind((bed.a.v4, 0)).unwrap()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.send_to(b"question", (VIP, 53)).unwrap();
    let mut buffer = [0; 16];
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from.ip()), (&b"question"[..], IpAddr::from(bed.a.v4)));
    server.send_to(b"answer", from).unwrap();
    let (length, from) = client.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from), (&b"answer"[..], SocketAddr::from((VIP, 53))));
}

fn many() {
    let bed = Bed::new();
    named(&bed.b.netns, 8080, "one");
    let mut endpoints = vec![SocketAddrV4::new(bed.b.v4, 8080)];
    let mut wanted = Endpoints::new();
    for number in 0..1500_u16 {
        let [high, low] = number.to_be_bytes();
        let address = Ipv4Addr::new(240, 240, high, low);
        wanted.insert(Frontend { address, port: 80, transport: Transport::Tcp }, endpoints.clone());
    }
    // One with more endpoints than a netlink message holds.
    endpoints.extend((0..1000).map(|number| SocketAddrV4::new(bed.b.v4, 20_000 + number)));
    wanted.insert(frontend(99), endpoints);
    let mut services = Services::install(bed.node.clone(), &rules(), &wanted).unwrap();
    let last = Frontend { address: Ipv4Addr::new(240, 240, 5, 219), port: 80, transport: Transport::Tcp };
    assert!(wanted.contains_key(&last));
    let to = SocketAddr::from((last.address, last.port));
    assert!(run_in(&bed.a.netns, || TcpStream::connect_timeout(&to, Duration::from_secs(5))).unwrap().is_ok());
    assert_eq!(services.update(&Endpoints::new()).unwrap(), 1501);
    assert!(nft::rules(&bed.node).unwrap().iter().all(|rule| !rule.chain.starts_with("to-")));
}

fn egress() {
    let bed = Bed::new();
    let _services = Services::install(bed.node.clone(), &rules(), &Endpoints::new()).unwrap();
    let mut links = ripstop_net::link::Links::open(&bed.node).unwrap();
    for (prefix, device) in [("0.0.0.0/0", "w3"), ("::/0", "w3")] {
        // There is a way to everywhere, which must not be taken.
        links.add_route(&ripstop_net::link::Route::device(prefix.parse().unwrap(), device)).unwrap();
    }
    let outside: [SocketAddr; 2] = ["203.0.113.7:443".parse().unwrap(), "[2001:db8::7]:443".parse().unwrap()];
    for to in outside {
        // No agent: refused.
        let error = run_in(&bed.a.netns, || TcpStream::connect_timeout(&to, Duration::from_secs(5))).unwrap();
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
    let agent = TcpListener::from(socket::transparent_listener(&bed.node, EGRESS).unwrap());
    agent.set_nonblocking(false).unwrap();
    for to in outside {
        let mut client =
            run_in(&bed.a.netns, || TcpStream::connect_timeout(&to, Duration::from_secs(5))).unwrap().unwrap();
        let (mut accepted, peer) = agent.accept().unwrap();
        assert_eq!(socket::original_destination(&accepted).unwrap(), to);
        assert_eq!(socket::canonical(peer), client.local_addr().unwrap());
        accepted.write_all(b"from the outside").unwrap();
        drop(accepted);
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert_eq!(said, "from the outside");
        // Other traffic is refused with a reason.
        let error = run_in(&bed.a.netns, || -> io::Result<usize> {
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any)?;
            socket.set_read_timeout(Some(Duration::from_secs(5)))?;
            socket.connect(to)?;
            socket.send(b"a datagram")?;
            socket.recv(&mut [0; 16])
        });
        let error = error.unwrap().unwrap_err();
        assert!(
            matches!(error.raw_os_error(), Some(libc::EHOSTUNREACH | libc::EACCES | libc::ECONNREFUSED)),
            "{error}"
        );
    }
    // The node's own addresses and the mesh are reached directly.
    let dns = run_in(&bed.node, || UdpSocket::bind("10.244.1.1:53").unwrap()).unwrap();
    let client = run_in(&bed.a.netns, || UdpSocket::bind((bed.a.v4, 0)).unwrap()).unwrap();
    client.send_to(b"who?", "10.244.1.1:53").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(dns.recv(&mut buffer).unwrap(), 4);
    named(&bed.node, 15020, "metrics");
    named(&bed.b.netns, 8080, "b");
    for (address, name) in [("10.244.1.1:15020", "metrics"), ("10.244.1.3:8080", "b")] {
        let mut said = String::new();
        let mut stream = run_in(&bed.a.netns, || TcpStream::connect(address)).unwrap().unwrap();
        stream.read_to_string(&mut said).unwrap();
        assert_eq!(said, name);
    }
}
