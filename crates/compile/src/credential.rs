//! What `Secret`s hold for gateways, and for what these call.

use std::{collections::BTreeSet, sync::Arc};

use ripstop_api::{Kind, Spec, istio, kubernetes};
use ripstop_model::{Credential, ObjectMap};

use crate::{Objects, declare::of_kind};

/// Keys of a certificate with its private key, as Kubernetes and as Istio spell them.
const CERTIFICATES: [(&str, &str); 2] = [("tls.crt", "tls.key"), ("cert", "key")];
/// Keys of authorities.
const AUTHORITIES: [&str; 2] = ["ca.crt", "cacert"];
/// Keys of what they have revoked.
const REVOCATIONS: [&str; 2] = ["ca.crl", "crl"];
/// Name of the `Secret` with the authorities, after that of the one with the certificate.
const AUTHORITY_SUFFIX: &str = "-cacert";

/// What is held by those `Secret`s that listeners of `Gateway` objects and rules for what is called name, in whatever
/// namespace: who gets which of them is decided for each gateway.
pub fn credentials(objects: &Objects) -> ObjectMap<Credential> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut add = |written: &str| {
        let name = written.rsplit('/').next().unwrap_or(written);
        if !name.is_empty() {
            names.insert(format!("{name}{AUTHORITY_SUFFIX}"));
            names.insert(name.to_owned());
        }
    };
    for declared in of_kind(objects, Kind::Gateway) {
        let Spec::Gateway(written) = &declared.object.spec else { continue };
        for tls in written.servers.iter().filter_map(|server| server.tls.as_ref()) {
            let written = [&tls.credential_name, &tls.ca_cert_credential_name];
            written.into_iter().chain(&tls.credential_names).for_each(|name| add(name));
        }
    }
    for declared in of_kind(objects, Kind::DestinationRule) {
        let Spec::DestinationRule(written) = &declared.object.spec else { continue };
        of_rule(written).for_each(|tls| add(&tls.credential_name));
    }
    if names.is_empty() {
        return ObjectMap::new();
    }
    let secrets = of_kind(objects, Kind::Secret).filter(|declared| names.contains(&declared.object.id.name));
    secrets
        .filter_map(|declared| {
            let Spec::Secret(secret) = &declared.object.spec else { return None };
            let id = &declared.object.id;
            let name = (Arc::from(id.namespace.as_str()), Arc::from(id.name.as_str()));
            Some((name.clone(), Arc::new(credential(name, secret))))
        })
        .collect()
}

/// Everything that a rule says of TLS.
fn of_rule(rule: &istio::DestinationRule) -> impl Iterator<Item = &istio::ClientTls> {
    let subsets = rule.subsets.iter().filter_map(|subset| subset.traffic_policy.as_ref());
    let policies = rule.traffic_policy.iter().chain(subsets);
    policies.flat_map(|policy| {
        policy.tls.iter().chain(policy.port_level_settings.iter().filter_map(|port| port.tls.as_ref()))
    })
}

fn credential((namespace, name): (Arc<str>, Arc<str>), secret: &kubernetes::Secret) -> Credential {
    let value = |key: &str| secret.data.get(key).filter(|value| !value.is_empty()).map(|value| Arc::from(&value[..]));
    let first = |keys: &[&str]| keys.iter().find_map(|key| value(key)).unwrap_or_default();
    let pair = CERTIFICATES.iter().find_map(|(chain, key)| Some((value(chain)?, value(key)?)));
    let (chain, key) = pair.unwrap_or_default();
    Credential { namespace, name, chain, key, authorities: first(&AUTHORITIES), revocations: first(&REVOCATIONS) }
}

#[cfg(test)]
mod tests;
