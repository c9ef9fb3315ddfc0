//! Namespaces, links, descriptors, peers, sockets' diagnostics.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};

use ripstop_net::diag::{self, TcpState};
use ripstop_net::link::{Links, Route, Rule, get_sysctl, sysctl};
use ripstop_net::scm::{FdChannel, SeqpacketListener};
use ripstop_net::socket::PacketSocket;
use ripstop_net::{Family, NetNs, nft, peer_namespace, run_in};

use crate::bed::{Bed, Client, echo};
use crate::harness::{Story, runtime};

pub fn stories() -> Vec<Story> {
    vec![
        ("namespaces_are_told_apart_and_kept_by_a_path", namespaces),
        ("links_addresses_routes_rules_sysctls", links),
        ("a_peer_is_known_by_its_namespace", peers),
        ("descriptors_travel_by_seqpacket", descriptors),
        ("holders_of_a_port_are_named", holders),
        ("open_connections_are_listed_and_destroyed", connections),
        ("a_packet_socket_sees_the_traffic", packets),
    ]
}

fn namespaces() {
    let one = NetNs::create().unwrap();
    let two = NetNs::create().unwrap();
    assert_ne!(one, two);
    assert_ne!(one, NetNs::current().unwrap());
    assert_eq!(run_in(&one, NetNs::current).unwrap().unwrap(), one);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("one");
    one.bind_to(&path).unwrap();
    let inode = one.inode();
    drop(one);
    assert_eq!(NetNs::open(&path).unwrap().inode(), inode);
    NetNs::unbind(&path).unwrap();
    assert!(!path.exists());
    NetNs::unbind(&path).unwrap();
    assert!(NetNs::open("/etc/passwd").is_err());
    assert!(NetNs::current().unwrap().holds_process(std::process::id()).unwrap());
    assert!(!two.holds_process(std::process::id()).unwrap());
}

fn links() {
    let (here, there) = (NetNs::create().unwrap(), NetNs::create().unwrap());
    let mut links = Links::open(&here).unwrap();
    links.add_bridge("br").unwrap();
    links.add_veth("up", "eth0", &there).unwrap();
    links.set_mac("up", [2, 0, 0, 0, 0, 7]).unwrap();
    links.set_master("up", "br").unwrap();
    for name in ["lo", "br", "up"] {
        links.set_up(name).unwrap();
    }
    let up = links.get("up").unwrap();
    assert_eq!((up.mac, up.up, up.kind.as_str()), (Some([2, 0, 0, 0, 0, 7]), true, "veth"));
    assert_eq!(up.master, Some(links.get("br").unwrap().index));
    assert_eq!(links.list().unwrap().len(), 3);
    assert!(Links::open(&there).unwrap().get("eth0").is_ok());
    links.add_address("br", "10.0.0.1/24".parse().unwrap()).unwrap();
    links.add_address("br", "10.0.0.1/24".parse().unwrap()).unwrap();
    links.add_address("br", "fd00::1/64".parse().unwrap()).unwrap();
    let addresses = links.addresses("br").unwrap();
    assert!(addresses.contains(&"10.0.0.1/24".parse().unwrap()), "{addresses:?}");
    assert!(addresses.contains(&"fd00::1/64".parse().unwrap()), "{addresses:?}");
    links.delete_address("br", "10.0.0.1/24".parse().unwrap()).unwrap();
    links.add_address("br", "10.0.0.1/24".parse().unwrap()).unwrap();
    for (prefix, via) in [("10.9.0.0/16", "10.0.0.2"), ("fd09::/32", "fd00::2")] {
        let route = Route::via(prefix.parse().unwrap(), via.parse().unwrap());
        links.add_route(&route).unwrap();
        links.add_route(&route).unwrap();
        links.delete_route(&route).unwrap();
        assert!(links.delete_route(&route).is_err());
    }
    for family in [Family::V4, Family::V6] {
        let rule = Rule { family, mark: 0x222, mask: 0xfff, priority: 77, table: 1000 };
        links.add_rule(rule).unwrap();
        links.add_rule(rule).unwrap();
        links.add_route(&Route::everything_local(family, 1000)).unwrap();
        assert_eq!(links.rules(family).unwrap(), [rule]);
        links.delete_rule(rule).unwrap();
        links.delete_rule(rule).unwrap();
        assert_eq!(links.rules(family).unwrap(), []);
    }
    links.delete("up").unwrap();
    assert!(Links::open(&there).unwrap().get("eth0").is_err());
    let error = links.set_up("up").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENODEV), "{error}");
    sysctl(&here, "net/ipv4/ip_forward", "1").unwrap();
    assert_eq!(get_sysctl(&here, "net/ipv4/ip_forward").unwrap(), "1");
    assert_eq!(get_sysctl(&there, "net/ipv4/ip_forward").unwrap(), "0");
}

fn peers() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("s")).unwrap();
    let connection = UnixStream::connect(directory.path().join("s")).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    for end in [&connection, &accepted] {
        let peer = peer_namespace(end).unwrap();
        assert_eq!(peer.netns, NetNs::current().unwrap().inode());
        assert_eq!(peer.pid, Some(std::process::id()));
        assert_eq!(peer.uid, 0);
    }
}

fn descriptors() {
    runtime().block_on(async {
        let directory = tempfile::tempdir().unwrap();
        // Longer than a socket address has room for.
        let long = directory.path().join("x".repeat(100));
        std::fs::create_dir(&long).unwrap();
        let path = long.join("socket");
        let listener = SeqpacketListener::bind(&path).unwrap();
        let client = FdChannel::connect(&path).unwrap();
        let refused = |_: Result<(ripstop_net::PeerNs, ()), std::io::Error>| ();
        let (server, peer) = listener.accept_checked(|_| Ok::<_, ()>(()), refused).await.unwrap();
        assert_eq!(peer.netns, NetNs::current().unwrap().inode());
        let file = std::fs::File::open("/proc/self/status").unwrap();
        let fds = vec![file.as_fd(); ripstop_net::scm::MAX_FDS];
        client.send(b"many", &fds).await.unwrap();
        client.send(&vec![7; ripstop_net::scm::MAX_MESSAGE], &[]).await.unwrap();
        let message = server.recv().await.unwrap().unwrap();
        assert_eq!((message.data.as_slice(), message.fds.len()), (&b"many"[..], fds.len()));
        for fd in &message.fds {
            assert!(rustix::io::fcntl_getfd(fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        }
        assert_eq!(server.recv().await.unwrap().unwrap().data.len(), ripstop_net::scm::MAX_MESSAGE);
        assert!(client.send(b"", &[]).await.is_err());
        assert!(client.send(&vec![7; ripstop_net::scm::MAX_MESSAGE + 1], &[]).await.is_err());
        drop(client);
        assert!(server.recv().await.unwrap().is_none());
        drop(listener);
        assert!(!path.exists());
        // Whoever does not pass the check is turned away.
        let listener = SeqpacketListener::bind(&path).unwrap();
        let client = FdChannel::connect(&path).unwrap();
        let (said, heard) = std::sync::mpsc::channel();
        let refuse = |_: &ripstop_net::PeerNs| Err("not you");
        let accept = listener.accept_checked(refuse, |reason| said.send(reason.unwrap().1).unwrap());
        tokio::select! {
            _ = accept => panic!("accepted"),
            end = client.recv() => assert!(end.unwrap().is_none()),
        }
        assert_eq!(heard.recv().unwrap(), "not you");
    });
}

fn holders() {
    let netns = NetNs::create().unwrap();
    let (_tcp, _udp) = run_in(&netns, || {
        (TcpListener::bind((Ipv4Addr::UNSPECIFIED, 15001)).unwrap(), UdpSocket::bind(("::", 15053)).unwrap())
    })
    .unwrap();
    let _ours = ripstop_net::socket::transparent_listener(&netns, 15008).unwrap();
    let mut found = diag::holders(&netns, &nft::capture::PORTS).unwrap();
    found.sort_by_key(|holder| holder.address.port());
    let ports: Vec<_> = found.iter().map(|holder| (holder.address.port(), holder.udp)).collect();
    assert_eq!(ports, [(15001, false), (15053, true)]);
    for holder in &found {
        assert_eq!(holder.processes.len(), 1, "{holder:?}");
        assert_eq!(holder.processes[0].0, std::process::id());
        assert!(holder.processes[0].1.starts_with("namespaces"), "{holder:?}");
    }
    let error = ripstop_net::socket::transparent_listener(&netns, 15001).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

fn connections() {
    let bed = Bed::new();
    echo(&bed.b.netns, 8080);
    for family in [Family::V4, Family::V6] {
        let to = SocketAddr::new(bed.b.address(family), 8080);
        let mut client = Client::connect(&bed.a.netns, to).unwrap();
        let local = client.stream.local_addr().unwrap();
        let tuple = diag::Tuple { local, remote: to };
        let sockets = diag::tcp_sockets(&bed.a.netns).unwrap();
        let found = sockets.iter().find(|socket| socket.tuple == tuple).unwrap();
        assert_eq!((found.state, found.mark), (TcpState::Established, 0));
        // The other end listens on a dual-stack socket; its IPv4 addresses are told as such.
        let other = diag::Tuple { local: to, remote: local };
        let sockets = diag::tcp_sockets(&bed.b.netns).unwrap();
        assert!(sockets.iter().any(|socket| socket.tuple == other), "{sockets:?}");
        assert!(sockets.iter().any(|socket| socket.state == TcpState::Listen && socket.tuple.local.port() == 8080));
        match diag::destroy(&bed.b.netns, &[other]) {
            Ok(count) => {
                assert_eq!(count, 1);
                assert!(client.ask("anybody there?").is_err());
            }
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP), "{error}"),
        }
    }
}

fn packets() {
    let bed = Bed::new();
    echo(&bed.b.netns, 8080);
    runtime().block_on(async {
        let watch = PacketSocket::open(&bed.node, &bed.b.veth).unwrap();
        let to = SocketAddr::new(bed.b.v4.into(), 8080);
        let mut client = Client::connect(&bed.a.netns, to).unwrap();
        client.ask("a marker in the clear").unwrap();
        let mut buffer = vec![0; 1 << 17];
        let marker = b"a marker in the clear";
        let search = async {
            loop {
                let length = watch.recv(&mut buffer).await.unwrap().min(buffer.len());
                if buffer[..length].windows(marker.len()).any(|window| window == marker) {
                    return;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), search).await.expect("the marker on the link");
        assert_eq!(watch.dropped().unwrap(), 0);
    });
    let refused = run_in(&bed.a.netns, || TcpStream::connect((bed.b.v4, 9))).unwrap();
    assert!(refused.is_err());
}
