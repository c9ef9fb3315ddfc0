use ripstop_model::{Change, HttpRule, PortSettings, ServerProtocol, Topology, TrafficChange, TrafficDefaults};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, advance, pause, resume, timeout},
};

use super::*;
use crate::{
    backends::testing::workload,
    http::standpoint::Before,
    testing::{Edge, LONG, Leads, Played, forward, head, listener, routes, run},
};

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn program(changes: impl IntoIterator<Item = Change>) -> Program {
    let changes: Vec<_> = changes.into_iter().collect();
    Program::default().with(1, changes)
}

fn bytes(port: u16, server_name: Option<&str>) -> Manner {
    bytes_to(port, server_name, "10.1.0.1:80")
}

fn bytes_to(port: u16, server_name: Option<&str>, destination: &str) -> Manner {
    let entrance = Entrance { server_name: server_name.map(str::to_owned), ..Entrance::plain(port, Carries::Bytes) };
    Manner::new(&LocalWorkload::new(workload("edge", 1).uid), entrance, at(destination))
}

fn requests(port: u16) -> Manner {
    let entrance = Entrance::plain(port, Carries::Requests);
    Manner::new(&LocalWorkload::new(workload("edge", 1).uid), entrance, at("10.1.0.1:80"))
}

#[test]
fn bytes_pass_as_long_as_they_would_come_in_by_the_same_way() {
    let own = workload("edge", 1);
    let (plain, secured, other) = (bytes(80, None), bytes(80, Some("a.example")), bytes(81, None));
    for (manner, protocol, rule, expected) in [
        (&plain, Some(ServerProtocol::Tcp), Some(forward()), true),
        (&plain, Some(ServerProtocol::Tcp), None, false),
        (&plain, Some(ServerProtocol::Http), Some(forward()), false),
        (&plain, Some(ServerProtocol::Tls), Some(forward()), false),
        (&plain, None, Some(forward()), false),
        (&other, Some(ServerProtocol::Tcp), Some(forward()), false),
        (&secured, Some(ServerProtocol::Tcp), Some(forward()), false),
    ] {
        let program = program([listener(protocol), routes(rule.clone())]);
        assert_eq!(manner.holds(&program, &own), expected, "{manner:?} {protocol:?} {}", rule.is_some());
    }
}

#[test]
fn who_brings_connections_does_not_tell_them_apart() {
    let brought = |proxy| {
        let before = Before { proxy: Some(at(proxy)), ..Before::default() };
        let entrance = Entrance { before, ..Entrance::plain(80, Carries::Requests) };
        Manner::new(&LocalWorkload::new(workload("edge", 1).uid), entrance, at("10.1.0.1:80"))
    };
    assert_eq!(brought("192.0.2.1:4000"), brought("192.0.2.1:4001"));
    assert_eq!(brought("192.0.2.1:4000"), requests(80));
}

#[test]
fn what_stands_before_a_gateway_matters_where_it_says_something() {
    let own = workload("edge", 1);
    for (trusted_proxies, proxy_protocol, of_bytes, of_requests) in
        [(None, false, true, true), (Some(1), false, true, false), (None, true, false, false)]
    {
        let topology = Topology { trusted_proxies, proxy_protocol, ..Topology::default() };
        let defaults = TrafficDefaults { topology, ..TrafficDefaults::default() };
        let defaults = Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults)));
        let at = |protocol| program([listener(Some(protocol)), routes(Some(forward())), defaults.clone()]);
        assert_eq!(bytes(80, None).holds(&at(ServerProtocol::Tcp), &own), of_bytes, "{topology:?}");
        assert_eq!(requests(80).holds(&at(ServerProtocol::Http), &own), of_requests, "{topology:?}");
    }
}

/// Routes of requests are asked with each of them.
#[test]
fn requests_may_come_as_long_as_their_port_speaks_the_same_or_is_gone() {
    let own = workload("edge", 1);
    for (protocol, rule, expected) in [
        (Some(ServerProtocol::Http), Some(forward()), true),
        (Some(ServerProtocol::Http), None, true),
        (Some(ServerProtocol::Tcp), Some(forward()), false),
        (None, Some(forward()), true),
    ] {
        let program = program([listener(protocol), routes(rule.clone())]);
        assert_eq!(requests(80).holds(&program, &own), expected, "{protocol:?} {}", rule.is_some());
    }
}

/// A gateway whose port 80 speaks TCP and has routes.
fn passing() -> Arc<Program> {
    let own = Change::Workload(Arc::new(workload("edge", 1)));
    Arc::new(program([own, listener(Some(ServerProtocol::Tcp)), routes(Some(forward()))]))
}

fn after(program: &Program, change: Change) -> Arc<Program> {
    Arc::new(program.with(program.version() + 1, [change]))
}

/// How often it was decided about what is open, by another `program`.
fn decisions(entered: &Entered, program: &Arc<Program>) -> usize {
    let mut count = 0;
    entered.recheck_by(program, |manner, program, own| {
        count += 1;
        manner.holds(program, own)
    });
    count
}

#[test]
fn whatever_came_in_alike_is_decided_about_once() {
    let entered = Entered::default();
    let first = passing();
    let places: Vec<Place> = (0..1000).map(|_| entered.enter(bytes(80, None), &first)).collect();
    let routed = after(&first, routes(Some(HttpRule { name: "other".into(), ..forward() })));
    assert_eq!(decisions(&entered, &routed), 1);
    // Nothing of it concerns listeners and routes; the gateway itself does, by its labels.
    let elsewhere = after(&routed, Change::Workload(Arc::new(workload("other", 2))));
    assert_eq!(decisions(&entered, &elsewhere), 0);
    let itself = after(&elsewhere, Change::Workload(Arc::new(workload("edge", 3))));
    assert_eq!(decisions(&entered, &itself), 1);
    assert!(!places.iter().any(|place| place.outlived.is_cancelled()));
    let _other = entered.enter(bytes_to(80, None, "10.1.0.2:80"), &itself);
    let gone = after(&itself, listener(None));
    assert_eq!(decisions(&entered, &gone), 2);
    assert!(places.iter().all(|place| place.outlived.is_cancelled()));
    // What is outlived is decided about no more.
    assert_eq!(decisions(&entered, &after(&gone, routes(None))), 0);
}

#[test]
fn who_comes_in_when_that_is_possible_again_does_not_drain_with_those_before() {
    let entered = Entered::default();
    let first = passing();
    let before = entered.enter(bytes(80, None), &first);
    let gone = after(&first, listener(None));
    // It was decided to let this one in before the listener went.
    let meanwhile = entered.enter(bytes(80, None), &gone);
    assert!(before.outlived.is_cancelled() && meanwhile.outlived.is_cancelled());
    let back = after(&gone, listener(Some(ServerProtocol::Tcp)));
    let next = entered.enter(bytes(80, None), &back);
    drop((before, meanwhile));
    assert!(!next.outlived.is_cancelled());
    entered.recheck(&after(&back, listener(None)));
    assert!(next.outlived.is_cancelled());
}

#[test]
fn what_has_ended_is_forgotten() {
    let entered = Entered::default();
    let first = passing();
    let places = [81, 81, 82].map(|port| entered.enter(requests(port), &first));
    assert_eq!(entered.0.borrow().open.len(), 2);
    let [one, other, last] = places;
    drop(one);
    assert_eq!(entered.0.borrow().open.len(), 2);
    drop(other);
    assert_eq!(entered.0.borrow().open.len(), 1);
    drop(last);
    assert!(entered.0.borrow().open.is_empty());
}

/// A client that the server greeted.
async fn greeted(edge: &Edge, server: &Played) -> (TcpStream, TcpStream) {
    let mut client = edge.sent(b"ping").await;
    let mut far = server.accept().await;
    for _ in 0..2 {
        exchange(&mut client, &mut far).await;
        client.write_all(b"ping").await.unwrap();
    }
    (client, far)
}

async fn exchange(client: &mut TcpStream, far: &mut TcpStream) {
    let mut heard = [0; 4];
    far.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
    far.write_all(b"pong").await.unwrap();
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"pong");
}

async fn ended(client: &mut TcpStream) {
    assert_eq!(timeout(LONG, client.read(&mut [0])).await.expect("it ends").unwrap(), 0);
}

async fn edge(server: &Played, protocol: ServerProtocol, rule: HttpRule) -> Edge {
    Edge::new(protocol, Leads::To(server.address()), PortSettings::default(), rule).await
}

#[test]
fn bytes_that_would_not_pass_any_more_do_for_a_while_and_then_end_with_a_reset() {
    for change in [|| listener(None), || listener(Some(ServerProtocol::Http)), || routes(None)] {
        run(ends_with_a_reset(change, None, DRAIN_TIME));
    }
}

#[test]
fn the_mesh_says_how_long_connections_drain() {
    run(ends_with_a_reset(|| listener(None), Some(Duration::from_secs(7)), Duration::from_secs(7)));
}

/// Bytes pass for `time` after `change`, where the mesh has `said` how long.
async fn ends_with_a_reset(change: fn() -> Change, said: Option<Duration>, time: Duration) {
    let server = Played::new().await;
    let edge = edge(&server, ServerProtocol::Tcp, forward()).await;
    edge.worker.defaults(|defaults| Arc::make_mut(&mut defaults.proxies).drain = said);
    let (mut client, mut far) = greeted(&edge, &server).await;
    edge.worker.change(change());
    exchange(&mut client, &mut far).await;
    pause();
    let changed = Instant::now();
    advance(time.saturating_sub(Duration::from_secs(1))).await;
    resume();
    client.write_all(b"ping").await.unwrap();
    exchange(&mut client, &mut far).await;
    pause();
    let error = client.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(changed.elapsed() < time + Duration::from_secs(1));
    resume();
    edge.worker.connections.tells("port 80 of the gateway takes no such connection any more").await;
    edge.worker.connections.tells("LR").await;
}

#[test]
fn bytes_that_would_pass_still_go_on() {
    run(async {
        let server = Played::new().await;
        let edge = edge(&server, ServerProtocol::Tcp, forward()).await;
        let (mut client, mut far) = greeted(&edge, &server).await;
        edge.worker.change(routes(Some(HttpRule { name: "other".into(), ..forward() })));
        exchange(&mut client, &mut far).await;
        pause();
        advance(DRAIN_TIME * 10).await;
        resume();
        client.write_all(b"ping").await.unwrap();
        exchange(&mut client, &mut far).await;
    });
}

#[test]
fn an_answer_that_outlasts_the_time_ends_with_a_reset_too() {
    run(async {
        let server = Played::new().await;
        let edge = edge(&server, ServerProtocol::Http, forward()).await;
        let mut client = edge.sent(b"GET /long HTTP/1.1\r\nHost: web.example\r\n\r\n").await;
        let (mut far, _) = server.asked().await;
        far.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        edge.worker.change(listener(None));
        edge.door.closed.cancel();
        let mut heard = [0; 6];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"1\r\na\r\n");
        pause();
        let changed = Instant::now();
        let error = client.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let lasted = changed.elapsed();
        assert!(lasted + Duration::from_secs(1) > DRAIN_TIME && lasted < DRAIN_TIME + Duration::from_secs(1));
        resume();
        edge.worker.requests.tells("GET /long HTTP/1.1 200 LR drained\n").await;
    });
}

/// They were let in by rules for requests, which are not asked at a port of TCP; bytes go where its routes lead.
#[test]
fn of_a_port_that_became_one_of_tcp_no_further_requests_are_taken() {
    run(async {
        let server = Played::new().await;
        let edge = edge(&server, ServerProtocol::Http, forward()).await;
        let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: web.example\r\n\r\n").into_bytes();
        let mut busy = edge.sent(&request("/begun")).await;
        let (mut far, _) = server.asked().await;
        let mut idle = edge.sent(&request("/idle")).await;
        server.asked().await.0.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(head(&mut idle).await.starts_with("HTTP/1.1 204 "));
        edge.worker.change(listener(Some(ServerProtocol::Tcp)));
        // Nothing was asked on it, so it ends; what was asked for is answered, and that connection ends then.
        ended(&mut idle).await;
        far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(head(&mut busy).await.starts_with("HTTP/1.1 204 "));
        ended(&mut busy).await;
        let (mut client, mut far) = greeted(&edge, &server).await;
        exchange(&mut client, &mut far).await;
    });
}
