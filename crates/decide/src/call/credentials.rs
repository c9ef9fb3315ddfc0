//! Which `Secret`s proxies need: gateways for their listeners and for what they call, nodes for what workloads call.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_model::{
    BackendPolicy, BackendSettings, ClientTls, ClientTlsMode, Gateway, Labels, ObjectName, PortSettings, ServerTls,
    ServerTlsMode, TunnelProtocol, Workload,
};

use super::listening::{acting, terminates};
use crate::program::Program;

/// What of a `Secret` a proxy needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialPart {
    /// The authorities of others' certificates alone.
    Authorities,
    /// All of it.
    Whole,
}

/// Scheme of the only resources that a name may lead to.
const KUBERNETES: &str = "kubernetes://";
/// Name of the `Secret` with the authorities, after that of the one with the certificate.
const AUTHORITY_SUFFIX: &str = "-cacert";

/// The names of the `Secret`s that hold the certificate of `server`, in order of preference, one list for each
/// certificate: the proxy's own namespace comes before that of the `Gateway`, and no other is looked into.
pub fn certificate_names(namespace: &str, gateway: &Gateway, tls: &ServerTls) -> Vec<Vec<ObjectName>> {
    tls.credentials.iter().map(|name| candidates(&[namespace, &gateway.namespace], name)).collect()
}

/// As [`certificate_names`], of the authorities of clients: in a `Secret` of their own, or beside the certificate.
pub fn authority_names(namespace: &str, gateway: &Gateway, tls: &ServerTls) -> Vec<ObjectName> {
    if !matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual) {
        return Vec::new();
    }
    let near = [namespace, &*gateway.namespace];
    if let Some(name) = &tls.ca_credential {
        return candidates(&near, name);
    }
    tls.credentials.first().map(|first| authorities_of(&near, first)).unwrap_or_default()
}

/// The name of the `Secret` that holds the certificate which a caller in `namespace` shows, if `tls` asks for one. Only
/// its own namespace is looked into.
pub fn client_certificate_names(namespace: &str, tls: &ClientTls) -> Vec<ObjectName> {
    match (&tls.credential, tls.mode) {
        (Some(name), ClientTlsMode::Mutual) => candidates(&[namespace], name),
        _ => Vec::new(),
    }
}

/// The names of the `Secret`s that hold the authorities which a caller in `namespace` believes, in order of preference.
pub fn server_authority_names(namespace: &str, tls: &ClientTls) -> Vec<ObjectName> {
    match (&tls.credential, tls.mode) {
        (Some(name), ClientTlsMode::Simple | ClientTlsMode::Mutual) if !tls.insecure => {
            authorities_of(&[namespace], name)
        }
        _ => Vec::new(),
    }
}

/// All `Secret`s that a gateway with these labels may need, whether or not they are there.
pub fn needed_credentials(program: &Program, labels: &Labels, namespace: &str) -> BTreeMap<ObjectName, CredentialPart> {
    let mut needed = BTreeMap::new();
    for (gateway, server) in acting(program, labels) {
        // The mesh's own certificates are in no `Secret`.
        let Some(tls) = server.tls.as_ref().filter(|tls| tls.mode != ServerTlsMode::Mesh) else { continue };
        if terminates(tls.mode) {
            let certificates = certificate_names(namespace, gateway, tls).into_iter().flatten().collect();
            need(&mut needed, certificates, authority_names(namespace, gateway, tls));
        }
    }
    for policy in program.backends_with_credentials().filter(|policy| may_act_for(policy, namespace, labels)) {
        with_credentials(policy).for_each(|tls| need_for_call(&mut needed, namespace, tls));
    }
    needed
}

/// As [`needed_credentials`], of a waypoint or a workload's own proxy: for what it calls by rules for certain callers, and no listeners.
pub fn needed_by_workload(program: &Program, labels: &Labels, namespace: &str) -> BTreeMap<ObjectName, CredentialPart> {
    let mut needed = BTreeMap::new();
    let chosen = program.backends_with_credentials().filter(|policy| policy.client.is_some());
    for policy in chosen.filter(|policy| may_act_for(policy, namespace, labels)) {
        with_credentials(policy).for_each(|tls| need_for_call(&mut needed, namespace, tls));
    }
    needed
}

/// All `Secret`s that proxies of nodes may need for what workloads there call, by node. Rules for certain callers alone
/// (`workloadSelector`) give them any, and only to workloads in the mesh that they are for, which are in their namespace; and
/// to those that have left it, as long as `has_open` says that connections of theirs still go through the node's proxy. What
/// those have that ask for a proxy of their own is none of it, once `is_apart` says that nothing of theirs is at the node's.
pub fn needed_by_nodes(
    program: &Program,
    has_open: impl Fn(&Workload) -> bool,
    is_apart: impl Fn(&Workload) -> bool,
) -> BTreeMap<Arc<str>, BTreeMap<ObjectName, CredentialPart>> {
    let chosen = |policy: &&BackendPolicy| policy.client.is_some();
    let policies: Vec<&BackendPolicy> = program.backends_with_credentials().filter(chosen).collect();
    let mut nodes: BTreeMap<Arc<str>, BTreeMap<ObjectName, CredentialPart>> = BTreeMap::new();
    if policies.is_empty() {
        return nodes;
    }
    let is_served = |workload: &&Arc<Workload>| {
        let is_captured = workload.tunnel == TunnelProtocol::Hbone || has_open(workload);
        is_captured && !workload.native_tunnel && !(workload.has_sidecar() && is_apart(workload))
    };
    for workload in program.workloads().filter(is_served) {
        let namespace = &*workload.namespace;
        for policy in policies.iter().filter(|policy| may_act_for(policy, namespace, &workload.labels)) {
            let needed = nodes.entry(workload.node.clone()).or_default();
            with_credentials(policy).for_each(|tls| need_for_call(needed, namespace, tls));
        }
    }
    nodes
}

fn need_for_call(needed: &mut BTreeMap<ObjectName, CredentialPart>, namespace: &str, tls: &ClientTls) {
    need(needed, client_certificate_names(namespace, tls), server_authority_names(namespace, tls));
}

fn need(
    needed: &mut BTreeMap<ObjectName, CredentialPart>,
    certificates: Vec<ObjectName>,
    authorities: Vec<ObjectName>,
) {
    for name in authorities {
        needed.entry(name).or_insert(CredentialPart::Authorities);
    }
    for name in certificates {
        needed.insert(name, CredentialPart::Whole);
    }
}

/// Whether any rule of these gives certificates to proxies of nodes.
pub fn gives_nodes_credentials<'b>(rules: impl IntoIterator<Item = &'b BackendPolicy>) -> bool {
    rules.into_iter().any(|policy| policy.client.is_some() && with_credentials(policy).next().is_some())
}

/// Settings of TLS that name a `Secret`.
pub(crate) fn with_credentials(policy: &BackendPolicy) -> impl Iterator<Item = &ClientTls> {
    let subsets = policy.subsets.iter().map(|subset| &subset.policy);
    let all = std::iter::once(&policy.policy).chain(subsets).flat_map(blocks);
    all.filter_map(|block| block.tls.as_deref()).filter(|tls| tls.credential.is_some())
}

fn blocks(settings: &BackendSettings) -> impl Iterator<Item = &PortSettings> {
    std::iter::once(&settings.general).chain(settings.ports.values())
}

/// Whether the rules can be those that a caller goes by.
fn may_act_for(policy: &BackendPolicy, namespace: &str, labels: &Labels) -> bool {
    match &policy.client {
        Some(selector) => *policy.namespace == *namespace && selector.matches(labels),
        None => *policy.namespace == *namespace || policy.visibility.includes(namespace),
    }
}

/// Where the authorities are that belong to the certificate called `written`.
fn authorities_of(near: &[&str], written: &str) -> Vec<ObjectName> {
    let apart = candidates(near, &format!("{written}{AUTHORITY_SUFFIX}"));
    apart.into_iter().chain(candidates(near, written)).collect()
}

fn candidates(near: &[&str], written: &str) -> Vec<ObjectName> {
    let text = written.strip_prefix(KUBERNETES).unwrap_or(written);
    if text.contains("://") {
        return Vec::new();
    }
    let (wanted, name) = match text.split_once('/') {
        Some((wanted, name)) => (Some(wanted), name),
        None => (None, text),
    };
    // Nobody gets at what is in none of these namespaces.
    let namespaces = near.iter().filter(|near| wanted.is_none_or(|wanted| wanted == **near));
    let mut names: Vec<ObjectName> = namespaces.map(|namespace| (Arc::from(*namespace), Arc::from(name))).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests;
