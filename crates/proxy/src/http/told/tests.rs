use std::sync::Arc;

use ripstop_decide::Program;
use ripstop_telemetry::{Direction, Registry, Reporter, RequestRecord};

use super::*;
use crate::{
    record::Parties,
    sight::{Called, Outlets},
};

#[test]
fn a_policy_is_named_as_in_the_logs_of_istio() {
    for (id, expected) in [
        (Some("AuthorizationPolicy/shop/secrets/3/spec.rules[1]"), "matched_policy[ns[shop]-policy[secrets]-rule[1]]"),
        (Some("PeerAuthentication/shop/default/1"), "matched_policy[ns[shop]-policy[default]]"),
        (Some("built-in"), "matched_policy[built-in]"),
        (None, "matched_policy[none]"),
    ] {
        assert_eq!(matched(id.map(|id| RuleId(id.into())).as_ref()), expected);
    }
}

#[test]
fn what_began_a_moment_ago_began_then() {
    let moment = std::time::Duration::from_secs(10);
    let Some(begun) = tokio::time::Instant::now().checked_sub(moment) else { return };
    let (started, now) = (Started::since(Some(begun)), Started::now());
    assert!(started.elapsed() >= moment);
    let ago = now.at.duration_since(started.at).unwrap();
    assert!(ago + std::time::Duration::from_secs(1) >= moment, "{ago:?}");
}

/// Who stands for many clients is resolved once.
#[test]
fn a_request_tells_of_the_client_that_proxies_name() {
    let (outlets, program) = (Outlets::start(std::io::sink()).unwrap(), Arc::new(Program::default()));
    let recorder = Recorder::new(Registry::default().shard(), outlets, program);
    let parties = Parties {
        direction: Direction::Outbound,
        source_address: "10.0.0.1:40000".parse().unwrap(),
        source: None,
        source_identity: None,
        destination_address: "10.0.0.2:80".parse().unwrap(),
        destination: None,
        destination_identity: None,
        service: None,
        hbone: None,
        reporter: Reporter::Source,
    };
    let sight = recorder.sight(parties, Reporter::Source, Called::Service);
    let started = Started::now();
    let remote = |client: Option<&str>| {
        let told = Told { client: client.map(|client| client.parse().unwrap()), ..Told::default() };
        let exchange = told.exchange(&sight, started);
        let record = RequestRecord::new(&exchange);
        assert_eq!(exchange.downstream.remote, record.source.address);
        exchange.downstream.remote.unwrap().to_string()
    };
    assert_eq!(remote(None), "10.0.0.1:40000");
    assert_eq!(remote(Some("192.0.2.1")), "192.0.2.1:0");
    assert_eq!(remote(Some("2001:db8::1")), "[2001:db8::1]:0");
    let told = Told { client: Some("192.0.2.1".parse().unwrap()), ..Told::default() };
    let measured = allocation_counter::measure(|| {
        std::hint::black_box(told.exchange(&sight, started));
    });
    assert_eq!(measured.count_total, 0);
}
