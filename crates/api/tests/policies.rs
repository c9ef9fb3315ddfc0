//! PeerAuthentications as handbooks print them: which load, as what, and which must not.

use std::collections::BTreeMap;

use ripstop_api::{
    Spec,
    istio::{MtlsMode, PeerAuthentication},
    parse_file,
};

macro_rules! policy {
    ($name:literal) => {
        (concat!($name, ".yaml"), include_str!(concat!("data/policies/", $name, ".yaml")))
    };
}

fn strict() -> PeerAuthentication {
    PeerAuthentication { mode: MtlsMode::Strict, ..PeerAuthentication::default() }
}

#[track_caller]
fn assert_policy((file, text): (&str, &str), id: &str, policy: &PeerAuthentication) {
    let parsed = parse_file(file, text);
    assert_eq!(parsed.findings, [], "{file}");
    assert!(parsed.broken.is_empty() && !parsed.unreadable, "{file}");
    let [object] = parsed.objects.as_slice() else { panic!("{file}: {:?}", parsed.objects) };
    assert_eq!(object.id.to_string(), id, "{file}");
    let Spec::PeerAuthentication(read) = &object.spec else { panic!("{file}: {:?}", object.spec) };
    assert_eq!(read, policy, "{file}");
}

#[test]
fn strict_for_a_namespace() {
    let v1beta1 = policy!("namespace-strict-v1beta1");
    assert_policy(v1beta1, "PeerAuthentication/payments/strict-everywhere", &strict());
    assert_policy(policy!("namespace-strict-default"), "PeerAuthentication/payments/default", &strict());
}

#[test]
fn strict_for_the_mesh() {
    assert_policy(policy!("mesh-strict-v1"), "PeerAuthentication/istio-system/default", &strict());
    assert_policy(policy!("mesh-strict-v1beta1"), "PeerAuthentication/istio-system/default", &strict());
}

#[test]
fn an_exception_for_a_port() {
    let policy = PeerAuthentication {
        selector: BTreeMap::from([("app".into(), "old-till".into())]),
        mode: MtlsMode::Permissive,
        port_level: BTreeMap::from([(9100, MtlsMode::Disable), (9200, MtlsMode::Strict)]),
    };
    assert_policy(policy!("workload-port-exception"), "PeerAuthentication/payments/old-till", &policy);
}

#[test]
fn without_namespace_it_is_in_default() {
    assert_policy(policy!("no-namespace"), "PeerAuthentication/default/default", &PeerAuthentication::default());
}

#[track_caller]
fn assert_refused((file, text): (&str, &str), findings: &[&str]) {
    let parsed = parse_file(file, text);
    assert_eq!(parsed.objects, [], "{file}");
    assert!(parsed.unreadable, "{file}");
    assert_eq!(parsed.findings.iter().map(ToString::to_string).collect::<Vec<_>>(), findings, "{file}");
}

#[test]
fn three_objects_without_separators_are_refused_whole() {
    let file = policy!("must-fail-missing-separators");
    assert_refused(
        file,
        &[
            "must-fail-missing-separators.yaml:12:1: error RS17 PeerAuthentication/payments/default spec: the key `spec` is \
           given a second time, first in line 7; so are `metadata` in line 20, `spec` in line 23 (is a `---` missing before \
           it? Nothing of this document is applied)",
        ],
    );
}

#[test]
fn lost_indentation_is_named_with_its_first_line() {
    let file = policy!("must-fail-indentation-lost");
    assert_refused(
        file,
        &[
            "must-fail-indentation-lost.yaml:4:1: error RS18 name: the indentation is lost: `name` stands beside `metadata`, \
           which is empty, and not below it (indent it by two blanks, and what belongs below it by two more)",
        ],
    );
}
