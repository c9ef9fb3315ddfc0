use ripstop_model::{Change, ConnectionPool, Workload};

use super::*;
use crate::backends::testing::{address, pool, program, rule_change, rules, service, workload};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A caller, what it calls, and what is relayed for it.
struct Bed {
    caller: Workload,
    source: Arc<LocalWorkload>,
    service: Service,
    unread: Unread,
}

impl Bed {
    fn new(protocol: AppProtocol) -> Self {
        let (caller, mut service) = (workload("caller", 99), service("web"));
        service.ports[0].protocol = protocol;
        let source = LocalWorkload::new(caller.uid.clone());
        Self { caller, source, service, unread: Unread::default() }
    }

    /// With rules for the service that ask for its requests, or without.
    fn program(&self, version: u64, ruled: bool) -> Arc<Program> {
        let rules = || rule_change(rules(&self.service.key.hostname, pool(ConnectionPool::default())));
        let known = [Change::Workload(Arc::new(self.caller.clone())), Change::Service(Arc::new(self.service.clone()))];
        program(version, known.into_iter().chain(ruled.then(rules)))
    }

    fn follow(&self, program: &Program) -> Option<Box<Following>> {
        self.unread.follow(&self.source, address("240.240.0.1:80"), &self.service, program)
    }
}

#[test]
fn a_connection_is_let_go_between_two_requests_once_they_are_asked_for() {
    let bed = Bed::new(AppProtocol::Http11);
    let mut following = bed.follow(&bed.program(1, false)).unwrap();
    following.bytes(Way::Forward, REQUEST);
    following.bytes(Way::Backward, ANSWER);
    assert!(following.wish() == Wish::GoOn && !following.is_done());
    following.bytes(Way::Forward, REQUEST);
    bed.unread.recheck(&bed.program(2, true));
    // What is on its way is finished.
    assert!(following.wish() == Wish::GoOn);
    following.bytes(Way::Backward, &ANSWER[..20]);
    assert!(following.wish() == Wish::GoOn);
    following.bytes(Way::Backward, &ANSWER[20..]);
    assert!(following.wish() == Wish::LetGo(Side::First));
    // The rules are gone again.
    bed.unread.recheck(&bed.program(3, false));
    assert!(following.wish() == Wish::GoOn);
}

#[test]
fn a_connection_is_let_go_once_its_way_leads_through_another_waypoint_or_none() {
    let mut bed = Bed::new(AppProtocol::Http11);
    let named = |name: &str| {
        let service = service(name).key;
        Some(ripstop_model::Waypoint {
            service,
            callers: ripstop_model::WaypointCallers::default(),
            admission: ripstop_model::Admission::default(),
            canary: None,
        })
    };
    let mut version = 1;
    for (before, after) in [(None, named("a")), (named("a"), None), (named("a"), named("b"))] {
        bed.service.waypoint.clone_from(&before);
        let mut following = bed.follow(&bed.program(version, false)).unwrap();
        following.bytes(Way::Forward, REQUEST);
        following.bytes(Way::Backward, ANSWER);
        assert!(following.wish() == Wish::GoOn, "{before:?}");
        // Rules are the waypoint's business.
        bed.unread.recheck(&bed.program(version + 1, before.is_some()));
        assert!(following.wish() == Wish::GoOn, "{before:?}");
        bed.service.waypoint.clone_from(&after);
        bed.unread.recheck(&bed.program(version + 2, false));
        assert!(following.wish() == Wish::LetGo(Side::First), "{before:?} {after:?}");
        version += 3;
    }
}

#[test]
fn a_connection_of_http2_ends_with_goaway_while_no_stream_is_open() {
    let bed = Bed::new(AppProtocol::Http2);
    let mut following = bed.follow(&bed.program(1, true)).unwrap();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    following.bytes(Way::Forward, &[&ripstop_h2::PREFACE[..], &settings].concat());
    // Its server's settings are still to come.
    assert_eq!(following.wish(), Wish::End);
    assert_eq!(following.last_words()[..12], [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8]);
    following.bytes(Way::Backward, &settings);
    assert_eq!(following.wish(), Wish::End);
    // HEADERS of stream 1: GET, http, `/`, and `a` as the authority.
    following.bytes(Way::Forward, &[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a']);
    assert!(!following.is_done() && following.wish() == Wish::GoOn);
    // HEADERS: 200.
    following.bytes(Way::Backward, &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88]);
    assert_eq!(following.wish(), Wish::End);
    assert_eq!(following.last_words(), [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn rules_that_came_while_it_was_connected_count() {
    let bed = Bed::new(AppProtocol::Http11);
    let mut following = bed.follow(&bed.program(1, true)).unwrap();
    // Its first request may be on its way.
    assert!(following.wish() == Wish::GoOn);
    following.bytes(Way::Forward, REQUEST);
    following.bytes(Way::Backward, ANSWER);
    assert!(following.wish() == Wish::LetGo(Side::First));
}

#[test]
fn what_has_no_requests_is_left_alone() {
    for protocol in [AppProtocol::Tcp, AppProtocol::Unknown, AppProtocol::Tls] {
        let bed = Bed::new(protocol);
        assert!(bed.follow(&bed.program(1, true)).is_none());
    }
    let bed = Bed::new(AppProtocol::Http11);
    // TLS, and HTTP/2 with DATA of no stream.
    for said in [&b"\x16\x03\x01"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\0\0\0\0\0\0"] {
        let mut following = bed.follow(&bed.program(1, true)).unwrap();
        following.bytes(Way::Forward, said);
        assert!(following.is_done() && following.wish() == Wish::GoOn, "{said:?}");
    }
    let mut server_first = bed.follow(&bed.program(1, true)).unwrap();
    server_first.bytes(Way::Backward, b"220 mail\r\n");
    assert!(server_first.is_done());
}

#[test]
fn it_is_forgotten_with_its_connection() {
    let bed = Bed::new(AppProtocol::Grpc);
    let following = bed.follow(&bed.program(1, false)).unwrap();
    assert_eq!(bed.unread.0.borrow().open.len(), 1);
    drop(following);
    assert!(bed.unread.0.borrow().open.is_empty());
}
