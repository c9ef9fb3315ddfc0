//! Names of kinds, as people type them.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use ripstop_api::Kind;

/// What each kind is called in lower case: many of it, one, and short, as users of kubectl and istioctl know it.
const WORDS: [(Kind, &[&str]); 21] = [
    (Kind::Namespace, &["namespaces", "namespace", "ns"]),
    (Kind::ServiceAccount, &["serviceaccounts", "serviceaccount", "sa"]),
    (Kind::Service, &["services", "service", "svc"]),
    (Kind::Secret, &["secrets", "secret"]),
    (Kind::ConfigMap, &["configmaps", "configmap", "cm"]),
    (Kind::PeerAuthentication, &["peerauthentications", "peerauthentication", "pa"]),
    (Kind::RequestAuthentication, &["requestauthentications", "requestauthentication", "ra"]),
    (Kind::AuthorizationPolicy, &["authorizationpolicies", "authorizationpolicy", "ap"]),
    (Kind::VirtualService, &["virtualservices", "virtualservice", "vs"]),
    (Kind::DestinationRule, &["destinationrules", "destinationrule", "dr"]),
    (Kind::Gateway, &["gateways", "gateway", "gw"]),
    (Kind::ServiceEntry, &["serviceentries", "serviceentry", "se"]),
    (Kind::WorkloadEntry, &["workloadentries", "workloadentry", "we"]),
    (Kind::WorkloadGroup, &["workloadgroups", "workloadgroup", "wg"]),
    (Kind::Sidecar, &["sidecars", "sidecar"]),
    (Kind::ProxyConfig, &["proxyconfigs", "proxyconfig", "pc"]),
    (Kind::Telemetry, &["telemetries", "telemetry"]),
    (Kind::IstioOperator, &["istiooperators", "istiooperator", "iop"]),
    (Kind::Node, &["nodes", "node"]),
    (Kind::Process, &["processes", "process"]),
    (Kind::Mesh, &["meshes", "mesh"]),
];

/// The kind that `word` means: its name in any case, one or many of it, with or without its group, or a short name.
pub fn named(word: &str) -> Option<Kind> {
    let word = word.split('.').next().unwrap_or(word).to_ascii_lowercase();
    WORDS.iter().find(|(_, words)| words.contains(&word.as_str())).map(|(kind, _)| *kind)
}

/// All that [`named`] takes but for groups, for a command line: names of many, the others hidden.
pub fn possible() -> impl Iterator<Item = PossibleValue> {
    WORDS.iter().filter_map(|(_, words)| {
        let (many, others) = words.split_first()?;
        Some(PossibleValue::new(*many).aliases(others.iter().copied()))
    })
}

/// Reads a kind on a command line.
pub fn parser() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(possible()).try_map(|word| named(&word).ok_or("it is no kind"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_its_words_and_a_word_means_one_kind() {
        for kind in Kind::all() {
            assert_eq!(named(&kind.to_string()), Some(kind));
        }
        let all: Vec<&str> = WORDS.iter().flat_map(|(_, words)| words.iter().copied()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn kinds_are_called_as_people_call_them() {
        for (word, kind) in [
            ("VirtualService", Some(Kind::VirtualService)),
            ("virtualservices.networking.istio.io", Some(Kind::VirtualService)),
            ("vs", Some(Kind::VirtualService)),
            ("pod", None),
        ] {
            assert_eq!(named(word), kind, "{word}");
        }
    }
}
