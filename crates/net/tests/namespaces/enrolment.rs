//! Enrolment and leaving while connections are open.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ripstop_net::diag::{self, TcpState};
use ripstop_net::nft::capture::{Capture, PORT_INBOUND, PORT_OUTBOUND, Phase};
use ripstop_net::{Family, NetNs, run_in, socket};

use socket2::{Domain, Socket, Type};

use crate::bed::{Bed, Client, Proxy, echo};
use crate::harness::{Story, eventually};

pub fn stories() -> Vec<Story> {
    vec![
        ("open_connections_survive_enrolment", enrol),
        ("open_connections_survive_leaving", leave),
        ("enrolment_under_load_loses_nothing", under_load),
        ("a_port_that_is_used_again_is_captured", used_again),
        ("connecting_while_enrolled_is_not_disturbed", connecting),
        ("severed_connections_are_reset", sever),
        ("what_a_predecessor_began_is_completed", restart),
    ]
}

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

fn enrol() {
    let bed = Bed::new();
    for workload in [&bed.a, &bed.b] {
        echo(&workload.netns, 8080);
    }
    // b's connections to a and back: for b, both directions.
    let mut open: Vec<Client> = FAMILIES
        .into_iter()
        .flat_map(|family| {
            [
                Client::connect(&bed.a.netns, SocketAddr::new(bed.b.address(family), 8080)).unwrap(),
                Client::connect(&bed.b.netns, SocketAddr::new(bed.a.address(family), 8080)).unwrap(),
            ]
        })
        .collect();
    // With both ends in one namespace it is no plain connection of the mesh.
    let mut local = Client::connect(&bed.b.netns, SocketAddr::new(bed.b.v4.into(), 8080)).unwrap();
    let proxy = Proxy::start(&bed.b.netns);
    let capture = Capture::new(bed.b.netns.clone());
    assert_eq!(capture.enrol().unwrap(), 4);
    for client in open.iter_mut().chain([&mut local]) {
        client.ask("still there").unwrap();
    }
    assert_eq!(proxy.seen(), []);
    // New ones are captured, in both directions.
    for family in FAMILIES {
        Client::connect(&bed.a.netns, SocketAddr::new(bed.b.address(family), 8080)).unwrap().ask("new").unwrap();
        Client::connect(&bed.b.netns, SocketAddr::new(bed.a.address(family), 8080)).unwrap().ask("new").unwrap();
    }
    assert_eq!((proxy.count(PORT_INBOUND), proxy.count(PORT_OUTBOUND)), (2, 2));
    assert_eq!(capture.plain().unwrap().len(), 4);
    // What ends is forgotten.
    let kept = open.pop().unwrap();
    drop(open);
    eventually("three connections to end", || (capture.plain().unwrap().len() == 1).then_some(()));
    drop(kept);
    eventually("the last connection to end", || capture.plain().unwrap().is_empty().then_some(()));
}

fn leave() {
    let bed = Bed::new();
    for workload in [&bed.a, &bed.b] {
        echo(&workload.netns, 8080);
    }
    // One that is as old as can be, and is never captured.
    let mut plain = Client::connect(&bed.b.netns, SocketAddr::new(bed.a.v4.into(), 8080)).unwrap();
    let proxy = Proxy::start(&bed.b.netns);
    let capture = Capture::new(bed.b.netns.clone());
    assert_eq!(capture.enrol().unwrap(), 1);
    let mut captured: Vec<Client> = FAMILIES
        .into_iter()
        .flat_map(|family| {
            [
                Client::connect(&bed.a.netns, SocketAddr::new(bed.b.address(family), 8080)).unwrap(),
                Client::connect(&bed.b.netns, SocketAddr::new(bed.a.address(family), 8080)).unwrap(),
            ]
        })
        .collect();
    let seen = proxy.seen().len();
    assert_eq!(seen, 4);
    // The application's own two; those to it are the proxy's to count.
    assert_eq!(capture.leave().unwrap(), 2);
    assert_eq!(capture.phase().unwrap(), Phase::Leaving);
    for client in captured.iter_mut().chain([&mut plain]) {
        client.ask("still there").unwrap();
    }
    let mut fresh: Vec<Client> = FAMILIES
        .into_iter()
        .flat_map(|family| {
            [
                Client::connect(&bed.a.netns, SocketAddr::new(bed.b.address(family), 8080)).unwrap(),
                Client::connect(&bed.b.netns, SocketAddr::new(bed.a.address(family), 8080)).unwrap(),
            ]
        })
        .collect();
    assert_eq!(proxy.seen().len(), seen, "a new connection was captured");
    assert_eq!(capture.draining().unwrap().len(), 2);
    // Changed our mind: what was captured stays so, what was not is plain.
    assert_eq!(capture.enrol().unwrap(), 5);
    for client in captured.iter_mut().chain(&mut fresh).chain([&mut plain]) {
        client.ask("and still").unwrap();
    }
    assert_eq!(capture.leave().unwrap(), 2);
    for client in captured.iter_mut().chain(&mut fresh).chain([&mut plain]) {
        client.ask("and still").unwrap();
    }
    drop(captured);
    eventually("the captured connections to end", || capture.draining().unwrap().is_empty().then_some(()));
    capture.remove().unwrap();
    for client in fresh.iter_mut().chain([&mut plain]) {
        client.ask("to the end").unwrap();
    }
}

/// Clients that connect, ask a few times and go, over and over, while capture comes and goes: not one may fail.
fn under_load() {
    let bed = Arc::new(Bed::new());
    for workload in [&bed.a, &bed.b] {
        echo(&workload.netns, 8080);
    }
    let _proxies = [Proxy::start(&bed.a.netns), Proxy::start(&bed.b.netns)];
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (bed, stop, done) = (bed.clone(), stop.clone(), done.clone());
            std::thread::spawn(move || {
                let (from, to) = if number % 2 == 0 { (&bed.a, &bed.b) } else { (&bed.b, &bed.a) };
                let to = SocketAddr::new(to.address(FAMILIES[number / 2 % 2]), 8080);
                while !stop.load(Ordering::SeqCst) {
                    let mut client = Client::connect(&from.netns, to).unwrap();
                    for _ in 0..5 {
                        client.ask("under load").unwrap();
                    }
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let captures = [&bed.a, &bed.b].map(|workload| Capture::new(workload.netns.clone()));
    let more = || {
        let before = done.load(Ordering::SeqCst);
        eventually("more connections", || (done.load(Ordering::SeqCst) > before + 40).then_some(()));
    };
    for _ in 0..5 {
        for capture in &captures {
            more();
            capture.enrol().unwrap();
        }
        more();
        for capture in &captures {
            capture.leave().unwrap();
            more();
        }
        for capture in &captures {
            capture.enrol().unwrap();
            capture.leave().unwrap();
        }
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().expect("a client without failures");
    }
}

/// A client with a port of its own choice.
fn connect_from(netns: &NetNs, from: SocketAddr, to: SocketAddr) -> Client {
    let socket = run_in(netns, || Socket::new(Domain::for_address(to), Type::STREAM, None)).unwrap().unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect_timeout(&to.into(), Duration::from_secs(5)).unwrap();
    Client::over(TcpStream::from(socket)).unwrap()
}

fn used_again() {
    let bed = Bed::new();
    for workload in [&bed.a, &bed.b] {
        echo(&workload.netns, 8080);
    }
    let proxy = Proxy::start(&bed.b.netns);
    let capture = Capture::new(bed.b.netns.clone());
    let pairs: Vec<_> = FAMILIES
        .into_iter()
        .flat_map(|family| [(&bed.a, &bed.b, family), (&bed.b, &bed.a, family)])
        .map(|(from, to, family)| {
            let ends = [(from, 40_000), (to, 8080)].map(|(end, port)| SocketAddr::new(end.address(family), port));
            (&from.netns, ends)
        })
        .collect();
    let open: Vec<Client> = pairs.iter().map(|(netns, [from, to])| connect_from(netns, *from, *to)).collect();
    assert_eq!(capture.enrol().unwrap(), 4);
    for client in open {
        socket::reset_on_close(&client.stream).unwrap();
    }
    // Nobody looked since: all four are in the set still.
    for (netns, [from, to]) in pairs {
        connect_from(netns, from, to).ask("from the same port").unwrap();
    }
    assert_eq!((proxy.count(PORT_INBOUND), proxy.count(PORT_OUTBOUND)), (2, 2));
    eventually("all to end", || capture.plain().unwrap().is_empty().then_some(()));
}

fn connecting() {
    for family in FAMILIES {
        let bed = Bed::new();
        // A listener whose queue is full drops SYNs, which are sent again a second later.
        let to = SocketAddr::new(bed.a.address(family), 9000);
        let listener =
            run_in(&bed.a.netns, || Socket::new(Domain::for_address(to), Type::STREAM, None)).unwrap().unwrap();
        listener.bind(&to.into()).unwrap();
        listener.listen(0).unwrap();
        let first = run_in(&bed.b.netns, || TcpStream::connect(to)).unwrap().unwrap();
        let netns = bed.b.netns.clone();
        let second = std::thread::spawn(move || run_in(&netns, || TcpStream::connect(to)).unwrap());
        eventually("a connecting socket", || {
            let sockets = diag::tcp_sockets(&bed.b.netns).unwrap();
            sockets.iter().any(|socket| socket.state == TcpState::SynSent).then_some(())
        });
        let proxy = Proxy::start(&bed.b.netns);
        let capture = Capture::new(bed.b.netns.clone());
        assert_eq!(capture.enrol().unwrap(), 2);
        assert_eq!(capture.plain().unwrap().len(), 2);
        // Now there is room.
        let (mut one, _) = listener.accept().unwrap();
        let (mut two, _) = listener.accept().unwrap();
        let second = second.join().unwrap().unwrap();
        for (mut client, server) in [(first, &mut one), (second, &mut two)] {
            client.write_all(b"plain").unwrap();
            let mut buffer = [0; 5];
            server.read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, b"plain");
        }
        assert_eq!(proxy.seen(), []);
        drop((one, two, listener));
        eventually("all to end", || capture.plain().unwrap().is_empty().then_some(()));
    }
}

fn sever() {
    let bed = Bed::new();
    for port in [8080, 8081] {
        echo(&bed.b.netns, port);
    }
    let connect = |family, port| Client::connect(&bed.a.netns, SocketAddr::new(bed.b.address(family), port)).unwrap();
    let mut doomed = FAMILIES.map(|family| connect(family, 8080));
    let mut spared = FAMILIES.map(|family| connect(family, 8081));
    let _proxy = Proxy::start(&bed.b.netns);
    let capture = Capture::new(bed.b.netns.clone());
    assert_eq!(capture.enrol().unwrap(), 4);
    let severed = capture.sever(|tuple| tuple.local.port() == 8080).unwrap();
    assert_eq!(severed.len(), 2);
    for client in &mut doomed {
        assert!(client.ask("anybody?").is_err());
    }
    for client in &mut spared {
        client.ask("lucky").unwrap();
    }
    assert_eq!(capture.plain().unwrap().len(), 2);
}

fn restart() {
    let bed = Bed::new();
    echo(&bed.b.netns, 8080);
    let _proxy = Proxy::start(&bed.b.netns);
    let mut client = Client::connect(&bed.a.netns, SocketAddr::new(bed.b.v4.into(), 8080)).unwrap();
    Capture::new(bed.b.netns.clone()).enrol().unwrap();
    // Another process, another handle: everything is in the kernel.
    let again = Capture::new(bed.b.netns.clone());
    assert_eq!(again.phase().unwrap(), Phase::Full);
    assert_eq!(again.enrol().unwrap(), 1);
    client.ask("still there").unwrap();
    assert_eq!(again.leave().unwrap(), 0);
    assert_eq!(Capture::new(bed.b.netns.clone()).leave().unwrap(), 0);
    client.ask("still there").unwrap();
}
