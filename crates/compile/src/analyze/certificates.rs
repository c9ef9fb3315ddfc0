//! Certificates of Gateways: Secrets that are missing or unusable, and certificates of several Gateways.

use std::collections::BTreeMap;

use ripstop_api::{Kind, Object, ObjectId, Spec, finding::Code, istio, kubernetes::Secret};
use ripstop_pem::Facts;

use super::{
    Mesh, lives,
    proxies::{Listening, Proxies},
    sentence::listed,
};
use crate::{
    finding::{Findings, NOT_FOUND, error, warning},
    pair::{Judged, certificate_key, written_at},
};

const DUPLICATE: Code = warning("IST0138", "several Gateways of the same proxies have one certificate");
/// Istio's code.
pub(super) const INVALID: Code =
    error("IST0161", "a Secret that TLS is to be made with has no usable certificate and key, or no authorities");

const UNCOVERED: Code = warning("RS252", "no name of a Gateway's certificate covers a host of its server");

pub(crate) const CODES: &[Code] = &[DUPLICATE, INVALID, UNCOVERED];

/// What a Secret with a certificate needs.
pub(super) const PAIR: &str = "give it tls.crt and tls.key, in PEM";
/// What one with authorities needs.
pub(super) const AUTHORITIES: &str = "give it ca.crt, in PEM";

/// What a server proves itself by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Certificate<'a> {
    /// A Secret: namespace and name.
    Secret(&'a str, &'a str),
    /// Files: certificate and key.
    Files(&'a str, &'a str),
}

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let proxies = Proxies::new(mesh);
    let mut users: BTreeMap<Certificate<'_>, Vec<(usize, String)>> = BTreeMap::new();
    for (place, listening) in proxies.gateways.iter().enumerate() {
        let namespaces = namespaces(listening, &proxies);
        for (index, server) in listening.written.servers.iter().enumerate() {
            let Some(tls) = server.tls.as_ref().filter(|tls| terminates(tls)) else { continue };
            let path = format!("spec.servers[{index}].tls");
            if !tls.server_certificate.is_empty() {
                let files = Certificate::Files(&tls.server_certificate, &tls.private_key);
                users.entry(files).or_default().push((place, path.clone()));
            }
            for (name, path, what) in credentials(tls, &path) {
                let Some((owner, name)) = find(mesh, name, &path, &namespaces, listening, findings) else { continue };
                if what == What::Authority {
                    if let Some((secret, written, judged)) = secret(mesh, owner, name)
                        && let Some(fault) = judged.authorities(written)
                    {
                        findings.add(INVALID, listening.object, &path, fault.told(secret), AUTHORITIES);
                    }
                    continue;
                }
                if let Some((secret, written, judged)) = secret(mesh, owner, name) {
                    match judged.pair(written) {
                        Ok(facts) => {
                            let at = written_at(secret, certificate_key(written));
                            lives::check(mesh, facts, &at, listening.object, &path, findings);
                            let server = (listening.object, index, server);
                            uncovered(server, facts, &format!("{owner}/{name}"), findings);
                        }
                        Err(fault) => findings.add(INVALID, listening.object, &path, fault.told(secret), PAIR),
                    }
                }
                users.entry(Certificate::Secret(owner, name)).or_default().push((place, path));
            }
        }
    }
    for (certificate, users) in &users {
        duplicates(certificate, users, &proxies, findings);
    }
}

/// Namespaces whose Secrets a Gateway's proxies get, the first one first: theirs, and the Gateway's own.
fn namespaces<'a>(listening: &Listening<'a>, proxies: &Proxies<'a>) -> Vec<&'a str> {
    let mut namespaces: Vec<&str> = proxies.of(listening).map(|workload| workload.namespace).collect();
    namespaces.dedup();
    if !namespaces.is_empty() {
        namespaces.push(&listening.object.id.namespace);
    }
    namespaces
}

fn terminates(tls: &istio::ServerTls) -> bool {
    use istio::ServerTlsMode::{Mutual, OptionalMutual, Simple};
    matches!(tls.mode, Simple | Mutual | OptionalMutual)
}

/// What a Secret is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// Certificate and key.
    Server,
    /// Certificates of authorities alone.
    Authority,
}

/// Names of Secrets, and where each stands.
fn credentials<'t>(tls: &'t istio::ServerTls, path: &str) -> Vec<(&'t str, String, What)> {
    let mut found = Vec::new();
    if !tls.credential_name.is_empty() {
        found.push((tls.credential_name.as_str(), format!("{path}.credentialName"), What::Server));
    }
    for (index, name) in tls.credential_names.iter().enumerate() {
        found.push((name, format!("{path}.credentialNames[{index}]"), What::Server));
    }
    if !tls.ca_cert_credential_name.is_empty() {
        found.push((&tls.ca_cert_credential_name, format!("{path}.caCertCredentialName"), What::Authority));
    }
    found
}

/// Namespace and name of a Secret; one that is nowhere is told, and as if it were where the first proxy is.
fn find<'a>(
    mesh: &Mesh<'a>,
    written: &'a str,
    path: &str,
    namespaces: &[&'a str],
    listening: &Listening<'a>,
    findings: &mut Findings,
) -> Option<(&'a str, &'a str)> {
    let text = written.strip_prefix("kubernetes://").unwrap_or(written);
    if text.contains("://") {
        return None;
    }
    let (namespaces, name) = match text.split_once('/') {
        Some((namespace, name)) => (vec![namespace], name),
        None => (namespaces.to_vec(), text),
    };
    let is_there = |namespace: &&&str| {
        let id = ObjectId { kind: Kind::Secret, namespace: (**namespace).to_owned(), name: name.to_owned() };
        mesh.objects.contains_key(&id)
    };
    let found = namespaces.iter().find(is_there);
    let first = namespaces.first()?;
    if found.is_none() {
        let message = format!("there is no Secret {first}/{name}: the hosts of this server are not served");
        let hint = format!("create it in {first}, the namespace of the gateway's workload, or in that of the Gateway");
        findings.add(NOT_FOUND, listening.object, path, message, &hint);
    }
    Some((found.unwrap_or(first), name))
}

/// A Secret, and what was found about it.
pub(super) fn secret<'a>(mesh: &Mesh<'a>, namespace: &str, name: &str) -> Option<(&'a Object, &'a Secret, &'a Judged)> {
    let id = ObjectId { kind: Kind::Secret, namespace: namespace.to_owned(), name: name.to_owned() };
    let object: &'a Object = &mesh.objects.get(&id)?.object;
    let Spec::Secret(written) = &object.spec else { return None };
    Some((object, written, mesh.declarations.secrets.get(&id)?))
}

/// Hosts of a server that clients would not believe it to be.
fn uncovered(
    (object, index, server): (&Object, usize, &istio::Server),
    facts: &Facts,
    secret: &str,
    findings: &mut Findings,
) {
    for (place, written) in server.hosts.iter().enumerate() {
        let host = written.split_once('/').map_or(written.as_str(), |(_, host)| host);
        // Any host: who calls by which name is not known.
        if host.is_empty() || host == "*" || facts.covers(host) {
            continue;
        }
        let path = format!("spec.servers[{index}].hosts[{place}]");
        let names = if facts.hosts.is_empty() { "no host at all".to_owned() } else { listed(&facts.hosts) };
        let message = format!(
            "the certificate of the Secret {secret} does not cover {host}, and clients refuse it: it is for {names}"
        );
        findings.add(UNCOVERED, object, &path, message, "add the name to the certificate, as subjectAltName (DNS)");
    }
}

/// Clients reuse a connection for all hosts of a certificate, and a Gateway knows its own hosts only.
fn duplicates(
    certificate: &Certificate<'_>,
    users: &[(usize, String)],
    proxies: &Proxies<'_>,
    findings: &mut Findings,
) {
    // Of each selector, the first few Gateways: enough to name some.
    let mut by_selector: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut count: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, _) in users {
        let selector = proxies.gateways[*place].selector;
        let some = by_selector.entry(selector).or_default();
        if some.last() != Some(place) {
            *count.entry(selector).or_default() += 1;
            if some.len() < 4 {
                some.push(*place);
            }
        }
    }
    if count.values().sum::<usize>() < 2 {
        return;
    }
    for (place, path) in users {
        let own = &proxies.gateways[*place];
        let meeting = by_selector
            .values()
            .filter(|some| some.first().is_some_and(|first| proxies.meet(own, &proxies.gateways[*first])));
        let others = meeting.flatten().filter(|other| *other != place).map(|other| {
            let id = &proxies.gateways[*other].object.id;
            format!("{}/{}", id.namespace, id.name)
        });
        let others: Vec<String> = others.take(4).collect();
        if others.is_empty() {
            continue;
        }
        let what = match certificate {
            Certificate::Secret(namespace, name) => format!("Secret {namespace}/{name}"),
            Certificate::Files(file, _) => format!("file {file}"),
        };
        let message = format!(
            "the certificate of the {what} is also that of Gateway {}: clients that reuse a connection for its hosts get 404",
            listed(others)
        );
        let hint = "put all hosts of a certificate into one Gateway, or give each its own certificate";
        findings.add(DUPLICATE, own.object, path, message, hint);
    }
}
