//! What a workload finds around it: environment variables, resolv.conf and hosts.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use crate::ipam::Addresses;

/// Who and where a workload is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) node: &'a str,
    pub(crate) service_account: &'a str,
    pub(crate) addresses: Addresses,
}

/// Search path where the mesh's own environment has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables of a workload: `inherited`, then `declared`, then those that say who it is. PATH
/// starts with `binaries`, so that commands beside the mesh's binary are found.
pub(crate) fn variables<'a>(
    place: &Place<'_>,
    binaries: &Path,
    inherited: impl IntoIterator<Item = (&'a str, &'a str)>,
    declared: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, String> {
    let own = |(key, value): (&str, &str)| (key.to_string(), value.to_string());
    let mut variables: BTreeMap<String, String> = inherited.into_iter().map(own).collect();
    let declared: BTreeMap<String, String> = declared.into_iter().map(own).collect();
    let declares_path = declared.contains_key("PATH");
    variables.extend(declared);
    if !declares_path {
        let rest = variables.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        variables.insert("PATH".into(), format!("{}:{rest}", binaries.display()));
    }
    let ip = place.addresses.v4.to_string();
    for (key, value) in [
        ("HOSTNAME", place.instance),
        ("POD_NAME", place.instance),
        ("POD_NAMESPACE", place.namespace),
        ("POD_IP", &ip),
        ("NODE_NAME", place.node),
        ("SERVICE_ACCOUNT", place.service_account),
    ] {
        variables.insert(key.into(), value.into());
    }
    variables
}

/// Kubernetes' resolv.conf of a pod: the node's DNS, the search list, ndots 5.
pub(crate) fn resolv_conf(namespace: &str, service_domain: &str, resolver: IpAddr) -> String {
    // `svc.cluster.local` is searched as itself and as the cluster's domain behind its first label.
    let cluster = service_domain.split_once('.').map_or(String::new(), |(_, cluster)| format!(" {cluster}"));
    format!("nameserver {resolver}\nsearch {namespace}.{service_domain} {service_domain}{cluster}\noptions ndots:5\n")
}

/// Kubernetes' hosts file of a pod.
pub(crate) fn hosts(instance: &str, addresses: &Addresses) -> String {
    format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{}\t{instance}\n{}\t{instance}\n",
        addresses.v4, addresses.v6
    )
}

#[cfg(test)]
mod tests;
