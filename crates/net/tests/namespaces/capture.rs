//! What is captured, what is not, and that nothing slips by.

use std::io::{self, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ripstop_net::nft::capture::{Capture, PORT_DNS, PORT_INBOUND, PORT_OUTBOUND, PORT_TUNNEL, PORTS, Phase};
use ripstop_net::nft::{self};
use ripstop_net::{Family, NamespaceSockets, NetNs, SocketKind, run_in};
use socket2::{Domain, Socket, Type};

use crate::bed::{Bed, Client, Proxy, Workload, echo};
use crate::harness::Story;

pub fn stories() -> Vec<Story> {
    vec![
        ("capture_both_ways_keeps_destination_and_source", both_ways),
        ("an_application_on_port_80_and_large_transfers", large_transfers),
        ("tunnels_arrive_at_their_own_port", tunnels),
        ("dns_over_udp_and_tcp_is_captured", dns),
        ("without_a_proxy_connections_are_refused", no_proxy),
        ("link_local_does_not_slip_by", link_local),
        ("a_socket_bound_to_the_device_does_not_slip_by", bound_to_device),
        ("what_stays_inside_is_not_captured", inside),
        ("only_captured_packets_reach_the_proxy", proxy_ports),
        ("removal_leaves_nothing", removal),
    ]
}

fn both_ways() {
    let bed = Bed::new();
    echo(&bed.b.netns, 8080);
    let proxies = [Proxy::start(&bed.a.netns), Proxy::start(&bed.b.netns)];
    for workload in [&bed.a, &bed.b] {
        assert_eq!(Capture::new(workload.netns.clone()).enrol().unwrap(), 0);
    }
    for family in [Family::V4, Family::V6] {
        let (from, to) = (bed.a.address(family), SocketAddr::new(bed.b.address(family), 8080));
        let mut client = Client::connect(&bed.a.netns, to).unwrap();
        client.ask("hello").unwrap();
        // The application sees the client's own address, although two proxies are between them.
        assert_eq!(client.seen_as, from.to_string());
        let (port, peer, destination) = *proxies[0].seen().last().unwrap();
        assert_eq!((port, peer.ip(), destination), (PORT_OUTBOUND, from, to));
        assert_eq!(peer, client.stream.local_addr().unwrap());
        let (port, peer, destination) = *proxies[1].seen().last().unwrap();
        assert_eq!((port, peer.ip(), destination), (PORT_INBOUND, from, to));
        // From the node, which is not captured itself.
        let client = Client::connect(&bed.node, to).unwrap();
        assert_eq!(proxies[1].seen().last().unwrap().1, client.stream.local_addr().unwrap());
        assert_eq!(client.seen_as, client.stream.local_addr().unwrap().ip().to_string());
    }
    assert_eq!((proxies[0].count(PORT_OUTBOUND), proxies[1].count(PORT_INBOUND)), (2, 4));
    // Harmless when repeated.
    assert_eq!(Capture::new(bed.a.netns.clone()).enrol().unwrap(), 0);
}

/// Bytes of a large transfer.
const SIZE: usize = 20 << 20;

fn large_transfers() {
    let bed = Bed::new();
    let server = run_in(&bed.b.netns, || TcpListener::bind(("::", 8080)).unwrap()).unwrap();
    let _proxies = [Proxy::start(&bed.a.netns), Proxy::start(&bed.b.netns)];
    for workload in [&bed.a, &bed.b] {
        Capture::new(workload.netns.clone()).enrol().unwrap();
    }
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        // The client has half-closed and still gets everything.
        stream.write_all(&received).unwrap();
    });
    let to = SocketAddr::new(bed.b.v4.into(), 8080);
    let mut stream = run_in(&bed.a.netns, || TcpStream::connect(to).unwrap()).unwrap();
    let sent: Vec<u8> = (0..=250).cycle().take(SIZE).collect();
    stream.write_all(&sent).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    assert!(back == sent);
    answer.join().unwrap();
}

fn tunnels() {
    let bed = Bed::new();
    let proxy = Proxy::start(&bed.b.netns);
    Capture::new(bed.b.netns.clone()).enrol().unwrap();
    for family in [Family::V4, Family::V6] {
        let to = SocketAddr::new(bed.b.address(family), PORT_TUNNEL);
        let _stream = run_in(&bed.a.netns, || TcpStream::connect(to)).unwrap().unwrap();
        crate::harness::eventually("the tunnel's listener", || {
            proxy.seen().last().filter(|seen| (seen.0, seen.2) == (PORT_TUNNEL, to)).copied()
        });
    }
}

fn dns() {
    let bed = Bed::new();
    let proxy = Proxy::start(&bed.a.netns);
    Capture::new(bed.a.netns.clone()).enrol().unwrap();
    for (server, own) in [("10.244.1.1:53", "0.0.0.0:0"), ("[fd00:10:244:1::1]:53", "[::]:0")] {
        let server: SocketAddr = server.parse().unwrap();
        let socket = run_in(&bed.a.netns, || UdpSocket::bind(own)).unwrap().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // Connected, so an answer from anywhere else would not be taken.
        run_in(&bed.a.netns, || socket.connect(server)).unwrap().unwrap();
        for _ in 0..3 {
            socket.send(b"a question").unwrap();
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"from the proxy");
        }
        assert_eq!(proxy.seen().last().unwrap().2, server);
        // The proxy can't reach a server there, so it resets; but it was the one who was asked.
        let _ = Client::connect(&bed.a.netns, server);
        crate::harness::eventually("the listener for DNS over TCP", || {
            proxy.seen().iter().find(|seen| (seen.0, seen.2) == (15053, server)).copied()
        });
    }
    // Other UDP is none of the proxy's business.
    let server = run_in(&bed.b.netns, || UdpSocket::bind((bed.b.v4, 5353))).unwrap().unwrap();
    let client = run_in(&bed.a.netns, || UdpSocket::bind((bed.a.v4, 0))).unwrap().unwrap();
    client.send_to(b"plain", (bed.b.v4, 5353)).unwrap();
    let mut buffer = [0; 64];
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from), (&b"plain"[..], client.local_addr().unwrap()));
}

/// Counts the connections that an application gets.
fn counted(workload: &Workload, port: u16) -> Arc<AtomicUsize> {
    let listener = run_in(&workload.netns, || TcpListener::bind(("::", port)).unwrap()).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    count
}

fn connect(netns: &NetNs, to: SocketAddr) -> io::Result<TcpStream> {
    run_in(netns, || TcpStream::connect_timeout(&to, Duration::from_secs(5)))?
}

#[track_caller]
fn refused(result: io::Result<TcpStream>) {
    let error = result.expect_err("a connection went through");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
}

fn no_proxy() {
    let bed = Bed::new();
    let reached = [counted(&bed.a, 8080), counted(&bed.b, 8080)];
    Capture::new(bed.a.netns.clone()).enrol().unwrap();
    for family in [Family::V4, Family::V6] {
        for port in [8080, PORT_TUNNEL, 53] {
            let out = SocketAddr::new(bed.b.address(family), port);
            refused(connect(&bed.a.netns, out));
            let back = SocketAddr::new(bed.a.address(family), port);
            refused(connect(&bed.b.netns, back));
        }
        // A question is dropped: the resolver asks again.
        let server =
            run_in(&bed.b.netns, || UdpSocket::bind(SocketAddr::new(bed.b.address(family), 53))).unwrap().unwrap();
        server.set_nonblocking(true).unwrap();
        let client =
            run_in(&bed.a.netns, || UdpSocket::bind(SocketAddr::new(bed.a.address(family), 0))).unwrap().unwrap();
        client.send_to(b"a question", server.local_addr().unwrap()).unwrap();
        // Delivery between namespaces of one machine is done when the send returns.
        assert_eq!(server.recv(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
    // A listener that is there but not transparent is none: no bypass by an application on the proxy's port.
    let _fake = run_in(&bed.a.netns, || TcpListener::bind(("::", PORT_OUTBOUND)).unwrap()).unwrap();
    let out = SocketAddr::new(bed.b.v4.into(), 8080);
    refused(connect(&bed.a.netns, out));
    assert_eq!(reached.map(|count| count.load(Ordering::SeqCst)), [0, 0]);
}

fn link_local() {
    let bed = Bed::new();
    let reached_in_b = counted(&bed.b, 8080);
    // The node's end of the link has a link-local address, too.
    let in_node = run_in(&bed.node, || TcpListener::bind("[::]:9090").unwrap()).unwrap();
    in_node.set_nonblocking(true).unwrap();
    let scope = |netns: &NetNs, name: &str| ripstop_net::link::Links::open(netns).unwrap().get(name).unwrap().index;
    let router: Ipv6Addr = "fe80::1".parse().unwrap();
    let to_node = SocketAddrV6::new(router, 9090, 0, scope(&bed.a.netns, "eth0"));
    let to_b = SocketAddrV6::new(bed.b.link_local(), 8080, 0, scope(&bed.node, &bed.b.veth));
    assert!(run_in(&bed.a.netns, || TcpStream::connect(to_node)).unwrap().is_ok(), "open before capture");
    assert!(run_in(&bed.node, || TcpStream::connect(to_b)).unwrap().is_ok(), "open before capture");
    in_node.accept().unwrap();
    let before = crate::harness::eventually("the connection from the node", || {
        Some(reached_in_b.load(Ordering::SeqCst)).filter(|count| *count == 1)
    });
    let proxies = [Proxy::start(&bed.a.netns), Proxy::start(&bed.b.netns)];
    for workload in [&bed.a, &bed.b] {
        Capture::new(workload.netns.clone()).enrol().unwrap();
    }
    // Out: refused, at once, and nothing arrives.
    refused(connect(&bed.a.netns, to_node.into()));
    assert_eq!(in_node.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    // In: to the proxy, not to the application.
    let _ = run_in(&bed.node, || TcpStream::connect_timeout(&to_b.into(), Duration::from_secs(2)));
    assert_eq!(reached_in_b.load(Ordering::SeqCst), before, "the application was reached");
    crate::harness::eventually("the inbound listener", || (proxies[1].count(PORT_INBOUND) > 0).then_some(()));
    assert_eq!(proxies[0].count(PORT_OUTBOUND), 0);
    // Neighbours are found as ever: that is not TCP.
    assert!(Client::connect(&bed.a.netns, SocketAddr::new(bed.b.v6.into(), 8080)).is_err());
    assert_eq!(proxies[0].count(PORT_OUTBOUND), 1);
}

fn bound_to_device() {
    let bed = Bed::new();
    let reached = counted(&bed.b, 8080);
    let _proxy = Proxy::start(&bed.a.netns);
    Capture::new(bed.a.netns.clone()).enrol().unwrap();
    for family in [Family::V4, Family::V6] {
        let to = SocketAddr::new(bed.b.address(family), 8080);
        let result = run_in(&bed.a.netns, || {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
            socket.bind_device(Some(b"eth0"))?;
            socket.connect_timeout(&to.into(), Duration::from_millis(300))
        });
        assert!(result.unwrap().is_err(), "a connection past the proxy");
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
    let rules = nft::rules(&bed.a.netns).unwrap();
    let guard = rules.iter().find(|rule| rule.chain == "capture-guard").unwrap();
    assert!(guard.packets.unwrap() >= 2, "{guard:?}");
}

fn inside() {
    let bed = Bed::new();
    echo(&bed.a.netns, 8080);
    let proxy = Proxy::start(&bed.a.netns);
    Capture::new(bed.a.netns.clone()).enrol().unwrap();
    for to in ["127.0.0.1:8080", "[::1]:8080"] {
        let mut client = Client::connect(&bed.a.netns, to.parse().unwrap()).unwrap();
        client.ask("to myself").unwrap();
    }
    for family in [Family::V4, Family::V6] {
        let to = SocketAddr::new(bed.a.address(family), 8080);
        Client::connect(&bed.a.netns, to).unwrap().ask("to my own address").unwrap();
    }
    assert_eq!(proxy.seen(), []);
}

fn proxy_ports() {
    let bed = Bed::new();
    let proxy = Proxy::start(&bed.a.netns);
    let capture = Capture::new(bed.a.netns.clone());
    capture.enrol().unwrap();
    let question = |from: &NetNs, to: SocketAddr| {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = run_in(from, || UdpSocket::bind(any)).unwrap().unwrap();
        socket.send_to(b"a question", to).unwrap();
        socket
    };
    let dial = |to: SocketAddr| -> io::Result<TcpStream> {
        let fd = NamespaceSockets::new(bed.a.netns.clone()).batch(SocketKind::Plain, Family::from(to), 1)?.remove(0);
        let socket = Socket::from(fd);
        socket.set_nonblocking(false)?;
        socket.connect_timeout(&to.into(), Duration::from_secs(5))?;
        Ok(socket.into())
    };
    for phase in [Phase::Full, Phase::Leaving] {
        assert_eq!(capture.phase().unwrap(), phase);
        for family in [Family::V4, Family::V6] {
            let loopback = match family {
                Family::V4 => "127.0.0.1".parse().unwrap(),
                Family::V6 => "::1".parse().unwrap(),
            };
            let own = bed.a.address(family);
            // By the application itself.
            for address in [loopback, own] {
                for port in PORTS {
                    refused(connect(&bed.a.netns, SocketAddr::new(address, port)));
                }
                question(&bed.a.netns, SocketAddr::new(address, PORT_DNS));
            }
            // From outside, and by the proxy when it is made to.
            for port in [PORT_OUTBOUND, PORT_INBOUND, PORT_DNS] {
                refused(connect(&bed.node, SocketAddr::new(own, port)));
                refused(dial(SocketAddr::new(own, port)));
                refused(dial(SocketAddr::new(loopback, port)));
            }
            question(&bed.node, SocketAddr::new(own, PORT_DNS));
        }
        // What came before this would have been seen before it.
        let before = proxy.seen();
        if phase == Phase::Full {
            for server in ["10.244.1.1:53", "[fd00:10:244:1::1]:53"] {
                let socket = question(&bed.a.netns, server.parse().unwrap());
                socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                assert_eq!(socket.recv(&mut [0; 64]).unwrap(), b"from the proxy".len());
            }
            assert_eq!(before, []);
            assert_eq!(proxy.seen().len(), 2, "{:?}", proxy.seen());
        }
        // The proxy's tunnels to its own workload.
        for family in [Family::V4, Family::V6] {
            let to = SocketAddr::new(bed.a.address(family), PORT_TUNNEL);
            let stream = dial(to).unwrap();
            let seen = (PORT_TUNNEL, stream.local_addr().unwrap(), to);
            crate::harness::eventually("the tunnel", || proxy.seen().contains(&seen).then_some(()));
        }
        capture.leave().unwrap();
    }
    assert_eq!(proxy.seen().len(), 6, "{:?}", proxy.seen());
}

fn removal() {
    let bed = Bed::new();
    echo(&bed.b.netns, 8080);
    let capture = Capture::new(bed.a.netns.clone());
    assert_eq!(capture.phase().unwrap(), Phase::None);
    capture.remove().unwrap();
    let generation = nft::generation(&bed.a.netns).unwrap();
    capture.enrol().unwrap();
    assert_eq!(capture.phase().unwrap(), Phase::Full);
    assert!(nft::generation(&bed.a.netns).unwrap() > generation);
    let rules = nft::rules(&bed.a.netns).unwrap();
    assert!(rules.iter().any(|rule| rule.expressions.contains(&"tproxy".to_owned())), "{rules:?}");
    refused(connect(&bed.a.netns, SocketAddr::new(bed.b.v4.into(), 8080)));
    capture.remove().unwrap();
    assert_eq!(capture.phase().unwrap(), Phase::None);
    assert_eq!(nft::rules(&bed.a.netns).unwrap(), []);
    let mut links = ripstop_net::link::Links::open(&bed.a.netns).unwrap();
    for family in [Family::V4, Family::V6] {
        assert_eq!(links.rules(family).unwrap(), []);
    }
    Client::connect(&bed.a.netns, SocketAddr::new(bed.b.v4.into(), 8080)).unwrap();
}
