//! Against servers of hyper.

#[path = "it/server.rs"]
mod server;

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::atomic::Ordering,
    time::Duration,
};

use ripstop_load::{
    Failure, Length, LoadError, Message, Pace, Plan, Protocol, Report, Reuse, Second, Stop, Target, Watch, run,
};

use self::server::{Answer, Server, Speaks};

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
    for (pace, all) in [(Pace::Open { rate: 200.0 }, true), (Pace::Closed, false)] {
        let server = Server::start(Speaks::Http1, Answer::StallOnce(Duration::from_millis(400)));
        let report = done(Plan {
            pace,
            connections: number(1),
            ..plan(&[server.url("/")], Protocol::Http1, Length::Requests(200))
        });
        assert_eq!(report.good, 200);
        assert!(report.latency.max_us >= 400_000.0);
        assert_eq!(report.latency.p75_us >= 100_000.0, all, "{pace:?}: {:?}", report.latency);
    }
}

#[test]
fn what_is_bad_is_told_apart() {
    let server = Server::start(Speaks::Http1, Answer::Status(503));
    let report = done(plan(&[server.url("/")], Protocol::Http1, Length::Requests(20)));
    assert_eq!((report.requests, report.good, report.statuses[&503]), (20, 0, 20));

    let server = Server::start(Speaks::Http1, Answer::HangUp);
    let report = done(plan(&[server.url("/")], Protocol::Http1, Length::Requests(20)));
    assert_eq!((report.requests, report.good, report.failures.len()), (20, 0, 1), "{report:?}");
    assert_eq!((report.failures[0].kind, report.failures[0].count), (Failure::Closed, 20));

    let server = Server::start(Speaks::Http1, Answer::StallOnce(Duration::from_secs(20)));
    let hasty = Plan {
        timeout: Duration::from_millis(200),
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
        for (tls, why) in [(server.trusted(false), "without a certificate"), (Server::strange(), "unknown authority")] {
            match run(secure(tls), &Stop::default(), &mut Seen::default()) {
                // TLS 1.3: the client learns that it is refused after its handshake.
                Ok(report) => assert_eq!((report.good, report.requests), (0, 20), "{why}"),
                Err(error) => assert!(error.to_string().contains("no connection to any target"), "{why}: {error}"),
            }
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
        pace: Pace::Open { rate: 3.0 / 3600.0 },
        ..plan(&[server.url("/")], Protocol::Http1, Length::Time(Duration::from_secs(7200)))
    };
    let report = run(slow, &stop, &mut watch).unwrap();
    assert!(watch.1.begun);
    assert_eq!(report.timeline.len(), watch.1.seconds.len());
    assert!(report.timeline.len() >= 2 && report.requests >= 1 && report.requests <= 3, "{report:?}");
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
