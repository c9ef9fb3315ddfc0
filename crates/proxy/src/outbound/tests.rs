use std::{io::ErrorKind, time::Duration};

use ripstop_model::{
    Admission, Allowance, AppProtocol, BackendRef, Change, EntryPort, HostEntry, LimitKey, ProcessKind, Quarantine,
    RateLimit, RequestMatch, RuleId, TrafficChange, TrafficPolicy, TrafficTarget, TrafficTargetKind, Waypoint,
    WaypointCallers,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::sleep,
};

use super::*;
use crate::{
    backends::testing::{entry, service, workload},
    http::detect::SILENCE,
    testing::{Caller, Played, any, future_size, head, run},
};

#[test]
fn a_connection_that_is_routed_keeps_no_configuration() {
    run(async {
        let server = Played::new().await;
        let caller = Caller::new(AppProtocol::Tcp, &server).await;
        let mut client = caller.sent(b"ping").await;
        let mut far = server.accept().await;
        let mut heard = [0; 4];
        far.read_exact(&mut heard).await.unwrap();
        caller.worker.forgets().await;
        far.write_all(b"pong").await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"pong");
    });
}

/// A pool that was opened before it is needed, or a client that is busy: its requests are routed all the same.
#[test]
fn who_calls_a_port_of_http_may_be_late() {
    run(async {
        let server = Played::new().await;
        let caller = Caller::new(AppProtocol::Http11, &server).await;
        let mut client = caller.sent(b"").await;
        sleep(3 * SILENCE).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n").await.unwrap();
        let (mut far, asked) = server.asked().await;
        assert!(asked.contains("x-request-id: "), "nobody read it: {asked}");
        far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
    });
}

#[test]
fn requests_keep_no_configuration() {
    run(async {
        let server = Played::new().await;
        let caller = Caller::new(AppProtocol::Http11, &server).await;
        let mut client = caller.sent(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n").await;
        let (mut far, _) = server.asked().await;
        far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        // While it is answered, and between two of them.
        caller.worker.forgets().await;
        far.write_all(b"b").await.unwrap();
        let mut heard = [0; 2];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ab");
        caller.worker.forgets().await;
    });
}

#[test]
fn who_is_cut_off_loses_what_is_open_and_opens_nothing() {
    run(async {
        let server = Played::new().await;
        let caller = Caller::new(AppProtocol::Tcp, &server).await;
        let mut client = caller.sent(b"ping").await;
        let mut far = server.accept().await;
        let mut heard = [0; 4];
        far.read_exact(&mut heard).await.unwrap();
        caller.cut_off();
        assert_eq!(client.read(&mut heard).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        caller.worker.connections.tells("policy=Process/test/caller/2/quarantine").await;
        let mut refused = caller.sent(b"").await;
        assert_eq!(refused.read(&mut heard).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        caller.worker.connections.tells("connection denied").await;
    });
}

#[test]
fn requests_of_who_is_cut_off_are_denied_by_name() {
    run(async {
        let server = Played::new().await;
        let caller = Caller::new(AppProtocol::Http11, &server).await;
        let mut waiting = caller.sent(b"GET /first HTTP/1.1\r\nHost: web.example\r\n\r\n").await;
        let (_far, _) = server.asked().await;
        caller.cut_off();
        let mut rest = Vec::new();
        let ended = waiting.read_to_end(&mut rest).await;
        assert!(ended.is_err() || rest.is_empty(), "it was answered: {rest:?}");
        caller.worker.connections.tells("policy=Process/test/caller/2/quarantine").await;
        let mut client = caller.sent(b"GET /second HTTP/1.1\r\nHost: web.example\r\n\r\n").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 403 "));
        caller.worker.requests.tells("GET /second HTTP/1.1 403 DENY rbac_access_denied").await;
    });
}

/// What a client of a port without a protocol gets that waits for `late` before it sends a request.
async fn late(limit: Option<Duration>, late: Duration) -> bool {
    let server = Played::new().await;
    let caller = Caller::new(AppProtocol::Unknown, &server).await;
    caller.worker.defaults(|defaults| defaults.detection_timeout = limit);
    let mut client = caller.sent(b"").await;
    sleep(late).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n").await.unwrap();
    let (_far, asked) = server.asked().await;
    asked.contains("x-request-id: ")
}

#[test]
fn the_mesh_says_how_long_a_client_may_be_silent() {
    run(async {
        assert!(!late(None, 3 * SILENCE).await, "it was taken for one that waits");
        assert!(late(Some(Duration::from_secs(60)), 3 * SILENCE).await, "it has more time");
        assert!(late(Some(Duration::ZERO), 3 * SILENCE).await, "it has all the time");
        assert!(!late(Some(Duration::from_millis(1)), SILENCE).await, "it has less");
    });
}

/// It counts by itself, and looks by itself where names lead.
#[test]
fn what_a_waypoint_takes_is_neither_counted_nor_looked_up_before() {
    let waypoint = Waypoint {
        service: service("front").key,
        callers: WaypointCallers::Workloads,
        admission: Admission::Admitted,
        canary: None,
    };
    let out = HostEntry {
        waypoint: Some(waypoint),
        ports: vec![EntryPort { port: 80, name: "http".into(), protocol: AppProtocol::Http11, target: 80 }],
        ..entry("out.example", Resolution::Dns, 80, Vec::new())
    };
    let limit = RateLimit {
        id: RuleId("limit".into()),
        allowance: Allowance {
            requests: RequestMatch::default(),
            key: LimitKey::All,
            count: 1,
            interval: Duration::from_secs(1),
            burst: 1,
        },
        status: 429,
        tells: true,
        dry_run: false,
    };
    let policy = TrafficPolicy {
        id: RuleId("TrafficPolicy/ns/out/1".into()),
        namespace: out.object.0.clone(),
        name: "out".into(),
        targets: vec![TrafficTarget { kind: TrafficTargetKind::Entry, name: out.object.1.clone(), section: None }],
        rate_limits: vec![Arc::new(limit)],
        balancing: None,
        retry_budget: None,
        session_affinity: None,
        global_rate_limits: Vec::new(),
        connection_rates: Vec::new(),
        connection_limits: Vec::new(),
        health_checks: None,
        adaptive_concurrency: None,
        hedging: None,
        created: 1,
    };
    let name = (policy.namespace.clone(), policy.name.clone());
    let program =
        Program::default().with(1, [Change::TrafficObject(TrafficChange::Policy(name, Some(Arc::new(policy))))]);
    // One that is cut off: it may ask nobody for names.
    let quarantine = Quarantine { rule: RuleId("Process/ns/caller/1".into()), peers: Vec::new() };
    let caller = |kind| Workload { kind, quarantine: Some(Arc::new(quarantine.clone())), ..workload("caller", 2) };
    let bare = HostEntry { waypoint: None, ..out.clone() };
    for (entry, kind, passed_on) in [
        (&out, ProcessKind::Command, true),
        (&out, ProcessKind::Gateway, false),
        (&out, ProcessKind::Waypoint, false),
        (&bare, ProcessKind::Command, false),
    ] {
        let (caller, callee) = (caller(kind), Callee::Entry(Arc::new(entry.clone())));
        assert_eq!(may_be_unread(&program, &caller, &callee, 80).is_ok(), passed_on, "{kind:?}");
        let target = Target {
            backend: BackendRef { host: "out.example".into(), subset: None, port: Some(80) },
            weight: 1,
            written: None,
            callee: Some(callee),
            missing: None,
        };
        assert_eq!(may_ask_for(&caller, &target).is_ok(), passed_on, "{kind:?}");
    }
}

/// See the worker's sizes of connections.
#[test]
fn what_a_connection_of_requests_takes_for_as_long_as_it_lasts() {
    let size = future_size(|| serve_requests(any(), any(), any(), any(), any(), any(), any()));
    assert!(size <= 11_600, "a connection of requests takes {size} bytes");
}
