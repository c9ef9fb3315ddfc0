//! Against servers of hyper.

#[path = "it/server.rs"]
mod server;

use std::{
    io::{Read, Write as _},
    num::{NonZeroU32, NonZeroUsize},
    sync::atomic::Ordering,
    time::Duration,
};

use ripstop_load::{
    Failure, Length, LoadError, Message, Pace, Plan, Protocol, Report, Reuse, Second, Stop, Target, Watch, run,
};

use self::server::{Answer, Raw, Server, Speaks};

#[derive(Default)]
struct Seen {
    begun: bool,
    seconds: Vec<Second>,
}

impl Watch for Seen {
    fn begins(&mut self) {
        self.begun = true;
    }

    fn second(&mut self, second: &Second) {
        self.seconds.push(*second);
    }
}

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn plan(urls: &[String], protocol: Protocol, length: Length) -> Plan {
    Plan {
        connect_to: None,
        targets: urls.iter().map(|url| url.parse::<Target>().unwrap()).collect(),
        message: Message { method: "GET".into(), fields: vec![("x-load".into(), "yes".into())], body: Vec::new() },
        protocol,
        pace: Pace::Closed,
        connections: number(3),
        streams: number(1),
        reuse: Reuse::Kept,
        warm_up: Duration::ZERO,
        length,
        timeout: Duration::from_secs(20),
        by: Some("x-told".into()),
        tls: None,
        workers: NonZeroUsize::new(2).unwrap(),
    }
}

fn done(plan: Plan) -> Report {
    run(plan, &Stop::default(), &mut Seen::default()).unwrap()
}

#[test]
fn as_many_requests_as_asked_for_are_sent_and_told_of() {
    for (speaks, protocol, streams) in
        [(Speaks::Http1, Protocol::Http1, 1), (Speaks::Http2, Protocol::Http2, 1), (Speaks::Http2, Protocol::Http2, 8)]
    {
        let server = Server::start(speaks, Answer::Text);
        let report =
            done(Plan { streams: number(streams), ..plan(&[server.url("/a")], protocol, Length::Requests(200)) });
        assert_eq!((report.requests, report.good, report.statuses[&200]), (200, 200, 200), "{protocol:?}");
        assert_eq!(report.values["yes"], 200);
        assert_eq!(report.received_bytes, 200 * server::TEXT.len() as u64);
        assert_eq!(server.asked.load(Ordering::Relaxed), 200);
        assert_eq!(server.connections.load(Ordering::Relaxed), 3);
        assert!(report.failures.is_empty(), "{:?}", report.failures);
    }
}

#[test]
fn bodies_arrive_whole_and_connections_may_be_new_ones() {
    for (speaks, protocol) in [(Speaks::Http1, Protocol::Http1), (Speaks::Http2, Protocol::Http2)] {
        let server = Server::start(speaks, Answer::Length);
        let message = Message { method: "POST".into(), fields: Vec::new(), body: vec![b'x'; 300_000] };
        let report =
            done(Plan { message, reuse: Reuse::Fresh, ..plan(&[server.url("/")], protocol, Length::Requests(10)) });
        assert_eq!((report.good, report.received_bytes), (10, 10 * "300000".len() as u64), "{report:?}");
        assert_eq!(server.connections.load(Ordering::Relaxed), 10);
    }
}

#[test]
fn another_address_may_stand_for_a_name() {
    let server = Server::start(Speaks::Http1, Answer::Text);
    let port = server.url("/").rsplit(':').next().and_then(|rest| rest.trim_end_matches('/').parse().ok()).unwrap();
    let nowhere = plan(&["http://shop.invalid/".to_owned()], Protocol::Http1, Length::Requests(10));
    let report = done(Plan { connect_to: Some(("127.0.0.1".into(), port)), ..nowhere });
    assert_eq!((report.good, server.asked.load(Ordering::Relaxed)), (10, 10), "{report:?}");
}

#[test]
fn targets_get_their_shares() {
    let server = Server::start(Speaks::Http1, Answer::Text);
    let mut plan = plan(&[server.url("/a"), server.url("/b")], Protocol::Http1, Length::Requests(400));
    plan.targets[0] = plan.targets[0].clone().with_weight(number(3));
    plan.connections = number(1);
    let report = done(plan);
    let shares: Vec<u64> = report.targets.iter().map(|target| target.requests).collect();
    assert_eq!(shares, [300, 100]);
    assert_eq!(server.connections.load(Ordering::Relaxed), 1, "both are on the same server");
}

/// While the server stalls for 0.4 s, 60 of 200 requests are due at least 0.1 s before it goes on.
#[test]
fn a_stall_is_seen_by_all_who_were_due_in_it() {
    let server = Server::start(Speaks::Http1, Answer::StallOnce(Duration::from_millis(400)));
    let report = done(Plan {
        pace: Pace::Open { rate: 200.0 },
        connections: number(1),
        ..plan(&[server.url("/")], Protocol::Http1, Length::Requests(200))
    });
    assert_eq!((report.good, report.unsent), (200, 0));
    let latency = report.latency.unwrap();
    assert!(latency.max_us >= 400_000.0 && latency.p75_us >= 100_000.0, "{latency:?}");
}

/// The one connection waits until after the end: everything that was due since is told, and took as long as it waited.
#[test]
fn what_nobody_was_free_to_send_is_told() {
    let server = Server::start(Speaks::Http1, Answer::StallOnce(Duration::from_millis(1_500)));
    let report = done(Plan {
        pace: Pace::Open { rate: 100.0 },
        connections: number(1),
        ..plan(&[server.url("/")], Protocol::Http1, Length::Time(Duration::from_secs(1)))
    });
    assert_eq!((report.requests, report.unsent), (1, 99), "{report:?}");
    let latency = report.latency.unwrap();
    assert!(latency.p50_us >= 400_000.0 && latency.p50_us <= 600_000.0, "{latency:?}");
    assert!(report.tail_seconds >= 0.5 && (report.seconds - 1.0).abs() < 0.01, "{report:?}");
    let told: u64 = report.timeline.iter().map(|second| second.requests).sum();
    assert_eq!((report.timeline.len(), told), (2, 1), "{:?}", report.timeline);
}

#[test]
fn nobody_waits_for_a_turn_that_is_not_to_come() {
    let server = Server::start(Speaks::Http1, Answer::Text);
    let report = done(Plan {
        // The fourth turn would be in an hour.
        pace: Pace::Open { rate: 1.0 / 3600.0 },
        connections: number(4),
        ..plan(&[server.url("/")], Protocol::Http1, Length::Requests(1))
    });
    assert_eq!((report.requests, report.unsent), (1, 0));
}

#[test]
fn a_warm_up_counts_for_nothing() {
    let server = Server::start(Speaks::Http1, Answer::Text);
    for pace in [Pace::Closed, Pace::Open { rate: 100.0 }] {
        let before = server.asked.load(Ordering::Relaxed);
        let report = done(Plan {
            pace,
            warm_up: Duration::from_millis(500),
            ..plan(&[server.url("/")], Protocol::Http1, Length::Requests(30))
        });
        let asked = server.asked.load(Ordering::Relaxed) - before;
        assert!(report.requests == 30 && report.timeline.iter().map(|second| second.requests).sum::<u64>() == 30);
        assert!(asked >= 80 || pace == Pace::Closed && asked > 30, "{pace:?}: {asked}");
    }
}

#[test]
fn one_target_of_two_may_be_away() {
    for (speaks, protocol) in [(Speaks::Http1, Protocol::Http1), (Speaks::Http2, Protocol::Http2)] {
        let server = Server::start(speaks, Answer::Text);
        let urls = [server.url("/"), "http://127.0.0.1:1/".to_owned()];
        let report = done(Plan { connections: number(1), ..plan(&urls, protocol, Length::Requests(6)) });
        assert_eq!((report.good, report.bad, report.failures[0].kind), (3, 3, Failure::NoConnection), "{report:?}");
    }
}

/// Each answer comes before the server reads what is behind the head, which is more than sockets hold.
#[test]
fn answers_may_come_before_the_request_is_complete() {
    let body = vec![b'x'; 8 << 20];
    for early in ["HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no"] {
        let server = Raw::start(move |socket| {
            let head = Raw::head(socket);
            socket.write_all(early.as_bytes()).unwrap();
            std::io::copy(&mut Read::by_ref(socket).take((8 << 20) - head), &mut std::io::sink()).unwrap();
            let rest = if early.contains("200") { "k" } else { "HTTP/1.1 204 No Content\r\n\r\n" };
            socket.write_all(rest.as_bytes()).unwrap();
        });
        let message = Message { method: "POST".into(), fields: Vec::new(), body: body.clone() };
        let one = Plan { message, ..plan(&[server.url()], Protocol::Http1, Length::Requests(1)) };
        let report = done(Plan { connections: number(1), ..one });
        assert_eq!(report.good, 1, "{early}: {report:?}");
    }
}

#[test]
fn a_refusal_is_heard_although_the_server_reads_no_further() {
    let server = Raw::start(|socket| {
        Raw::head(socket);
        socket.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        socket.shutdown(std::net::Shutdown::Read).unwrap();
    });
    let message = Message { method: "POST".into(), fields: Vec::new(), body: vec![b'x'; 8 << 20] };
    let one = Plan { message, ..plan(&[server.url()], Protocol::Http1, Length::Requests(1)) };
    let report = done(Plan { connections: number(1), ..one });
    assert_eq!(report.statuses.get(&413), Some(&1), "{report:?}");
}

#[test]
fn what_the_server_did_not_look_at_is_sent_again() {
    let server = Server::start(Speaks::Http2GoesAwayAfter(20), Answer::Text);
    let many = plan(&[server.url("/")], Protocol::Http2, Length::Requests(300));
    let report = done(Plan { streams: number(8), ..many });
    assert_eq!((report.good, report.bad), (300, 0), "{report:?}");
    assert!(server.connections.load(Ordering::Relaxed) > 3);
}

#[test]
fn what_is_bad_is_told_apart() {
    let server = Server::start(Speaks::Http1, Answer::Status(503));
    let report = done(plan(&[server.url("/")], Protocol::Http1, Length::Requests(20)));
    assert_eq!((report.requests, report.good, report.statuses[&503]), (20, 0, 20));

    let server = Server::start(Speaks::Http1, Answer::HangUp);
    let report = done(plan(&[server.url("/")], Protocol::Http1, Length::Requests(20)));
    assert_eq!((report.requests, report.good, report.failures.len()), (20, 0, 1), "{report:?}");
    assert_eq!((report.failures[0].kind, report.failures[0].count), (Failure::ConnectionEnded, 20));

    let server = Server::start(Speaks::Http1, Answer::StallOnce(Duration::from_secs(20)));
    let hasty = Plan {
        timeout: Duration::from_secs(2),
        connections: number(1),
        ..plan(&[server.url("/")], Protocol::Http1, Length::Requests(20))
    };
    let report = done(hasty);
    assert_eq!((report.good, report.failures[0].kind, report.failures[0].count), (19, Failure::Timeout, 1));
}

#[test]
fn statuses_of_grpc_are_those_of_trailers() {
    let server = Server::start(Speaks::Http2, Answer::Grpc(0));
    let message = Message { method: "POST".into(), fields: Vec::new(), body: b"abc".to_vec() };
    let grpc = |url| Plan { message: message.clone(), ..plan(&[url], Protocol::Grpc, Length::Requests(20)) };
    let report = done(grpc(server.url("/a.B/C")));
    assert_eq!((report.good, report.grpc_statuses[&0]), (20, 20));
    let server = Server::start(Speaks::Http2, Answer::Grpc(14));
    let report = done(grpc(server.url("/a.B/C")));
    assert_eq!((report.good, report.statuses[&200], report.grpc_statuses[&14]), (0, 20, 20));
    // What is no gRPC at all.
    let server = Server::start(Speaks::Http2, Answer::Status(404));
    assert_eq!(done(grpc(server.url("/a.B/C"))).grpc_statuses[&12], 20);
}

#[test]
fn both_ends_prove_who_they_are() {
    for (speaks, protocol) in [(Speaks::Http1, Protocol::Http1), (Speaks::Http2, Protocol::Http2)] {
        let server = Server::start_secure(speaks, Answer::Text);
        let secure = |tls| Plan { tls: Some(tls), ..plan(&[server.url("/")], protocol, Length::Requests(20)) };
        let report = done(secure(server.trusted(true)));
        assert_eq!(report.good, 20, "{report:?}");
        let told = run(secure(Server::strange()), &Stop::default(), &mut Seen::default()).unwrap_err().to_string();
        assert!(told.starts_with("no connection to any target (no TLS)"), "{told}");
        // Of TLS 1.3 the client learns that it is refused after its handshake.
        match run(secure(server.trusted(false)), &Stop::default(), &mut Seen::default()) {
            Ok(report) => assert_eq!((report.good, report.failures[0].kind), (0, Failure::NoTls), "{report:?}"),
            Err(error) => assert!(error.to_string().contains("no connection to any target"), "{error}"),
        }
    }
}

#[test]
fn seconds_are_told_of_until_it_is_stopped() {
    struct Stopping(Stop, Seen);
    impl Watch for Stopping {
        fn begins(&mut self) {
            self.1.begins();
        }

        fn second(&mut self, second: &Second) {
            self.1.second(second);
            if second.second == 1 {
                self.0.set();
            }
        }
    }
    let server = Server::start(Speaks::Http1, Answer::Text);
    let stop = Stop::default();
    let mut watch = Stopping(stop.clone(), Seen::default());
    // The next one is due in an hour.
    let slow = Plan {
        pace: Pace::Open { rate: 1.0 / 3600.0 },
        ..plan(&[server.url("/")], Protocol::Http1, Length::Time(Duration::from_secs(7200)))
    };
    let report = run(slow, &stop, &mut watch).unwrap();
    assert!(watch.1.begun);
    assert_eq!(report.timeline.len(), watch.1.seconds.len());
    assert!(report.timeline.len() >= 2 && report.requests == 1 && report.unsent == 0, "{report:?}");
}

#[test]
fn nobody_waits_for_answers_once_it_is_stopped() {
    let server = Server::start(Speaks::Http1, Answer::StallOnce(Duration::from_secs(3600)));
    let stop = Stop::default();
    let stopping = stop.clone();
    let asked = server.asked.clone();
    std::thread::spawn(move || {
        while asked.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        stopping.set();
    });
    let endless =
        Plan { timeout: Duration::from_secs(3600), ..plan(&[server.url("/")], Protocol::Http1, Length::Requests(1)) };
    let report = run(endless, &stop, &mut Seen::default()).unwrap();
    assert_eq!(report.requests, 0);
}

#[test]
fn what_can_not_be_sent_is_told_before() {
    let nowhere = "http://127.0.0.1:1/".to_owned();
    let refused = |plan| run(plan, &Stop::default(), &mut Seen::default()).unwrap_err();
    let base = plan(std::slice::from_ref(&nowhere), Protocol::Http1, Length::Requests(1));
    assert!(matches!(refused(base.clone()), LoadError::Unreachable("no connection", _)));
    assert!(matches!(refused(Plan { targets: Vec::new(), ..base.clone() }), LoadError::NoTarget));
    assert!(matches!(refused(Plan { pace: Pace::Open { rate: 0.0 }, ..base.clone() }), LoadError::Rate));
    assert!(matches!(refused(Plan { streams: number(2), ..base.clone() }), LoadError::Streams));
    assert!(matches!(refused(Plan { warm_up: Duration::MAX, ..base.clone() }), LoadError::TooLong(_)));
    let message = Message { fields: vec![("a b".into(), "c".into())], ..base.message.clone() };
    assert!(matches!(refused(Plan { message, ..base.clone() }), LoadError::Message(_)));
    let secure = vec!["https://127.0.0.1:1/".parse().unwrap()];
    assert!(matches!(refused(Plan { targets: secure, ..base }), LoadError::NoTls(_)));
}

#[test]
fn a_server_that_takes_fewer_requests_at_once_is_told_of() {
    let server = Server::start(Speaks::Http2OneByOne, Answer::Text);
    let many = Plan { streams: number(8), ..plan(&[server.url("/")], Protocol::Http2, Length::Requests(1)) };
    let told = run(many, &Stop::default(), &mut Seen::default()).unwrap_err().to_string();
    assert!(told.contains("takes 1 requests at once on a connection, 8 were asked for"), "{told}");
}
