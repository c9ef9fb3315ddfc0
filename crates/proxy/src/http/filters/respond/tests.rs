use std::io;

use ripstop_decide::BadPath;
use ripstop_exchange::{Answered, Sent};
use ripstop_h2::Code;

use super::*;

/// Status, flags, details and body.
fn told(local: &Local) -> (u16, String, &str, &str) {
    (local.status, local.flags.to_string(), local.details, std::str::from_utf8(&local.body).unwrap())
}

fn fields(reply: &Reply) -> Vec<String> {
    let text = String::from_utf8_lossy;
    reply.fields.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
}

fn http(local: &Local) -> (u16, Vec<String>, String) {
    let reply = local.reply(Asker::Http, &Edits::new());
    (reply.status, fields(&reply), String::from_utf8(reply.body).unwrap())
}

fn grpc(local: &Local) -> (u16, Vec<String>, usize) {
    let reply = local.reply(Asker::Grpc, &Edits::new());
    (reply.status, fields(&reply), reply.body.len())
}

#[test]
fn the_words_are_envoys() {
    let before = "upstream connect error or disconnect/reset before headers.";
    let reset = |reset| Local::reset(reset, Tried::Once, None);
    for (local, status, flags, details, body) in [
        (Local::no_route(), 404, "NR", "route_not_found", String::new()),
        (Local::no_cluster(), 503, "NC", "cluster_not_found", String::new()),
        (Local::no_backend(), 500, "-", "direct_response", String::new()),
        (Local::no_healthy_upstream(), 503, "UH", "no_healthy_upstream", "no healthy upstream".into()),
        (Local::timed_out(), 504, "UT", "response_timeout", "upstream request timeout".into()),
        (Local::attempt_timed_out(), 504, "UT", "upstream_per_try_timeout", "upstream request timeout".into()),
        (
            reset(Reset::ConnectionTermination),
            503,
            "UC",
            "upstream_reset_before_response_started{connection_termination}",
            format!("{before} reset reason: connection termination"),
        ),
        (
            reset(Reset::ProtocolError),
            502,
            "UPE",
            "upstream_reset_before_response_started{protocol_error}",
            format!("{before} reset reason: protocol error"),
        ),
        (
            Local::reset(Reset::ConnectFailure, Tried::Again, None).exhausted(),
            503,
            "UF,URX",
            "upstream_reset_before_response_started{remote_connection_failure}",
            format!("{before} retried and the latest reset reason: remote connection failure"),
        ),
        (
            Local::reset(Reset::ConnectTimeout, Tried::Once, Some("TLS: expired")),
            503,
            "UF",
            "upstream_reset_before_response_started{connection_timeout}",
            format!("{before} reset reason: connection timeout, transport failure reason: TLS: expired"),
        ),
        (
            reset(Reset::Overflow),
            503,
            "UO",
            "upstream_reset_before_response_started{overflow}",
            format!("{before} reset reason: overflow"),
        ),
        (
            reset(Reset::Limited),
            503,
            "RL",
            "upstream_reset_before_response_started{overflow}",
            format!("{before} reset reason: overflow"),
        ),
        (Local::denied(None), 403, "DENY", "rbac_access_denied", "RBAC: access denied".into()),
        (
            Local::denied(Some(("RS0403", 0x1234))),
            403,
            "DENY",
            "rbac_access_denied",
            "RBAC: access denied (RS0403, 0000000000001234)".into(),
        ),
        (Local::aborted(&Abort::Http(555)), 555, "FI", "fault_filter_abort", "fault filter abort".into()),
        (
            Local::refused(&Refusal::Path(BadPath::Nul)),
            400,
            "DPE",
            "path_normalization_failed",
            "Bad request: its path is refused: it has an escaped NUL (`%00`)".into(),
        ),
    ] {
        assert_eq!(told(&local), (status, flags.to_owned(), details, body.as_str()));
    }
    for reason in [Reset::Overflow, Reset::Limited] {
        assert_eq!(reset(reason).fields, [("x-envoy-overloaded".into(), Text::from("true"))]);
    }
}

#[test]
fn failures() {
    let of = |party, fault, answered| {
        let local = Local::failed(&Failure { party, fault, sent: Sent::All, answered }, Tried::Once);
        (local.status, local.flags.to_string())
    };
    let nothing = Answered::Nothing;
    let up = Party::Upstream;
    assert_eq!(of(up, Fault::Gone, nothing), (503, "UC".into()));
    assert_eq!(of(up, Fault::Io(io::ErrorKind::BrokenPipe.into()), nothing), (503, "UC".into()));
    assert_eq!(of(up, Fault::Reset(Code::CANCEL), nothing), (503, "UR".into()));
    assert_eq!(of(up, Fault::Unprocessed, nothing), (503, "UR".into()));
    assert_eq!(of(up, Fault::Switch, nothing), (502, "UPE".into()));
    assert_eq!(of(up, Fault::HeadTooLarge, nothing), (431, "UPE".into()));
    let down = Party::Downstream;
    assert_eq!(of(down, Fault::HeadTooLarge, nothing), (431, "DPE".into()));
    assert_eq!(of(down, Fault::Switch, nothing), (501, "DPE".into()));
    assert_eq!(of(down, Fault::Gone, nothing), (499, "DC".into()));
}

#[test]
fn clients_of_http() {
    assert_eq!(
        http(&Local::no_healthy_upstream()),
        (503, vec!["content-type: text/plain".into()], "no healthy upstream".into())
    );
    assert_eq!(http(&Local::no_route()), (404, vec![], String::new()));
    assert_eq!(http(&Local::direct(418, b"teapot")), (418, vec!["content-type: text/plain".into()], "teapot".into()));
    assert_eq!(http(&Local::direct(204, b"teapot")), (204, vec![], String::new()));
    let redirect = Local::redirect(302, "http://a.com/there".into());
    assert_eq!(http(&redirect), (302, vec!["location: http://a.com/there".into()], String::new()));
    assert_eq!(told(&redirect).2, "direct_response");
    assert_eq!(http(&Local::aborted(&Abort::Grpc(5))).0, 200);
}

#[test]
fn clients_of_grpc() {
    let kind = "content-type: application/grpc".to_owned();
    assert_eq!(
        grpc(&Local::no_healthy_upstream()),
        (200, vec![kind.clone(), "grpc-status: 14".into(), "grpc-message: no healthy upstream".into()], 0)
    );
    assert_eq!(grpc(&Local::no_route()), (200, vec![kind.clone(), "grpc-status: 12".into()], 0));
    assert_eq!(grpc(&Local::no_cluster()), (200, vec![kind.clone(), "grpc-status: 14".into()], 0));
    assert_eq!(
        grpc(&Local::denied(None)),
        (200, vec![kind.clone(), "grpc-status: 7".into(), "grpc-message: RBAC: access denied".into()], 0)
    );
    assert_eq!(
        grpc(&Local::aborted(&Abort::Grpc(5))),
        (200, vec![kind.clone(), "grpc-status: 5".into(), "grpc-message: fault filter abort".into()], 0)
    );
    let limited = |status| grpc(&Local::limited(status, [("retry-after", 3)].into_iter()));
    let told = ["x-envoy-ratelimited: true".to_owned(), "retry-after: 3".into(), kind.clone()];
    let with = |status: &str| {
        let rest = [format!("grpc-status: {status}"), "grpc-message: local_rate_limited".into()];
        (200, told.iter().cloned().chain(rest).collect::<Vec<_>>(), 0)
    };
    assert_eq!(limited(429), with("8"), "it is not tried again at once");
    assert_eq!(limited(503), with("14"), "somebody wants it so");
    assert_eq!(
        grpc(&Local::redirect(302, "/x".into())),
        (200, vec!["location: /x".into(), kind, "grpc-status: 2".into()], 0)
    );
}

#[test]
fn rules_change_them() {
    let mut edits = Edits::new();
    edits.set("x-resp", "local");
    edits.set("content-type", "application/json");
    edits.add("x-more", "1");
    edits.add("x-more", "2");
    edits.remove("location");
    let direct = Local::direct(200, b"{}").reply(Asker::Http, &edits);
    assert_eq!(fields(&direct), ["x-resp: local", "content-type: application/json", "x-more: 1", "x-more: 2"]);
    let redirect = Local::redirect(301, "/x".into()).reply(Asker::Http, &edits);
    // Without a body there is no type of it.
    assert_eq!(fields(&redirect), ["x-resp: local", "x-more: 1", "x-more: 2"]);
    let grpc = Local::no_route().reply(Asker::Grpc, &edits);
    assert_eq!(
        fields(&grpc),
        ["x-resp: local", "x-more: 1", "x-more: 2", "content-type: application/grpc", "grpc-status: 12"]
    );
}
