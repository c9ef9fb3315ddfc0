//! Malformed files, each with every finding that it gives, in full.

use ripstop_api::parse_file;

#[path = "malformed/authorization_policy.rs"]
mod authorization_policy;
#[path = "malformed/config_map.rs"]
mod config_map;
#[path = "malformed/destination_rule.rs"]
mod destination_rule;
#[path = "malformed/gateway.rs"]
mod gateway;
#[path = "malformed/istio.rs"]
mod istio;
#[path = "malformed/json.rs"]
mod json;
#[path = "malformed/kubernetes.rs"]
mod kubernetes;
#[path = "malformed/mesh_config.rs"]
mod mesh_config;
#[path = "malformed/metadata.rs"]
mod metadata;
#[path = "malformed/proxy_config.rs"]
mod proxy_config;
#[path = "malformed/request_authentication.rs"]
mod request_authentication;
#[path = "malformed/ripstop.rs"]
mod ripstop;
#[path = "malformed/secret.rs"]
mod secret;
#[path = "malformed/service_entry.rs"]
mod service_entry;
#[path = "malformed/sidecar.rs"]
mod sidecar;
#[path = "malformed/structure.rs"]
mod structure;
#[path = "malformed/syntax.rs"]
mod syntax;
#[path = "malformed/telemetry.rs"]
mod telemetry;
#[path = "malformed/traffic_policy.rs"]
mod traffic_policy;
#[path = "malformed/virtual_service.rs"]
mod virtual_service;
#[path = "malformed/workload_entry.rs"]
mod workload_entry;
#[path = "malformed/workload_group.rs"]
mod workload_group;

/// One file and all that it gives.
pub(crate) struct Row {
    title: &'static str,
    file: &'static str,
    text: &'static str,
    /// Objects that survive.
    good: &'static [&'static str],
    /// Objects whose last good state stays.
    broken: &'static [&'static str],
    /// Whether some id could not be read.
    unreadable: bool,
    /// `file:line:column: level code object path: message (hint)`, in order.
    findings: &'static [&'static str],
}

#[test]
fn authorization_policy() {
    check(authorization_policy::ROWS);
    check(authorization_policy::rules::ROWS);
    check(authorization_policy::values::ROWS);
}

#[test]
fn config_map() {
    check(config_map::ROWS);
}

#[test]
fn destination_rule() {
    check(destination_rule::ROWS);
}

#[test]
fn gateway() {
    check(gateway::ROWS);
}

#[test]
fn istio() {
    check(istio::ROWS);
}

#[test]
fn json() {
    check(json::ROWS);
}

#[test]
fn kubernetes() {
    check(kubernetes::ROWS);
}

#[test]
fn mesh_config() {
    check(mesh_config::ROWS);
}

#[test]
fn metadata() {
    check(metadata::ROWS);
}

#[test]
fn proxy_config() {
    check(proxy_config::ROWS);
}

#[test]
fn traffic_policy() {
    check(traffic_policy::ROWS);
}

#[test]
fn request_authentication() {
    check(request_authentication::ROWS);
}

#[test]
fn ripstop() {
    check(ripstop::ROWS);
}

#[test]
fn secret() {
    check(secret::ROWS);
}

#[test]
fn service_entry() {
    check(service_entry::ROWS);
}

#[test]
fn sidecar() {
    check(sidecar::ROWS);
}

#[test]
fn structure() {
    check(structure::ROWS);
}

#[test]
fn syntax() {
    check(syntax::ROWS);
}

#[test]
fn telemetry() {
    check(telemetry::ROWS);
}

#[test]
fn virtual_service() {
    check(virtual_service::ROWS);
}

#[test]
fn workload_entry() {
    check(workload_entry::ROWS);
}

#[test]
fn workload_group() {
    check(workload_group::ROWS);
}

#[track_caller]
fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        let parsed = parse_file(row.file, row.text);
        let shown = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let findings: Vec<_> = parsed.findings.iter().map(ToString::to_string).collect();
        let good: Vec<_> = parsed.objects.iter().map(|object| object.id.to_string()).collect();
        let broken: Vec<_> = parsed.broken.iter().map(ToString::to_string).collect();
        let expected = (shown(row.good), shown(row.broken), row.unreadable, shown(row.findings));
        let seen = (good, broken, parsed.unreadable, findings);
        if seen != expected {
            wrong.push(format!("{}\nexpected {expected:#?}\nseen {seen:#?}", row.title));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_code_is_in_the_table_and_unique() {
    let codes = ripstop_api::finding::CODES;
    for (index, code) in codes.iter().enumerate() {
        assert!(codes[..index].iter().all(|other| other.code != code.code), "{} is there twice", code.code);
        assert!(!code.meaning.is_empty() && !code.meaning.ends_with('.'), "{}", code.code);
    }
    let rows = [
        authorization_policy::ROWS,
        authorization_policy::rules::ROWS,
        authorization_policy::values::ROWS,
        config_map::ROWS,
        destination_rule::ROWS,
        gateway::ROWS,
        istio::ROWS,
        json::ROWS,
        kubernetes::ROWS,
        mesh_config::ROWS,
        metadata::ROWS,
        proxy_config::ROWS,
        traffic_policy::ROWS,
        request_authentication::ROWS,
        ripstop::ROWS,
        secret::ROWS,
        service_entry::ROWS,
        sidecar::ROWS,
        structure::ROWS,
        syntax::ROWS,
        telemetry::ROWS,
        virtual_service::ROWS,
        workload_entry::ROWS,
        workload_group::ROWS,
    ];
    let text =
        rows.iter().flat_map(|rows| rows.iter()).flat_map(|row| row.findings).copied().collect::<Vec<_>>().join("\n");
    for code in codes {
        let shown = format!("{} {}", code.level, code.code);
        assert!(text.contains(&shown), "no malformed file shows {shown}");
    }
}
