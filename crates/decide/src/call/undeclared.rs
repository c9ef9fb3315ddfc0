//! Hosts that nobody declares, as requests name them (`ALLOW_ANY_DYNAMIC_DNS`).

use std::{net::IpAddr, sync::Arc};

use ripstop_model::{BackendRef, HostEntry, HostPattern, Resolution, RuleId, Visibility};

use super::{Callee, Target, without_port};

/// The port of HTTPS.
const HTTPS: u16 = 443;
/// What nobody declares and is found by its name.
const DYNAMIC: &str = "DynamicDns";
/// Bytes of a name in DNS (RFC 1035 2.3.4).
const MOST_OF_A_NAME: usize = 253;

/// Wherever the name of an authority leads, at its port, else at that of HTTPS where TLS is made, as Envoy has it, else
/// at the one that was called; nothing: it is no name.
pub(super) fn by_name(authority: &str, called: u16, is_secured: bool) -> Option<Target> {
    let host = without_port(authority);
    let port = authority.strip_prefix(host).and_then(|rest| rest.strip_prefix(':')).and_then(|port| port.parse().ok());
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if host.is_empty() || host.len() > MOST_OF_A_NAME || !is_name || host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let host: Arc<str> = host.to_ascii_lowercase().into();
    let entry = HostEntry {
        id: RuleId(DYNAMIC.into()),
        object: (Arc::default(), DYNAMIC.into()),
        host: HostPattern::Exact(host.clone()),
        addresses: Vec::new(),
        ports: Vec::new(),
        internal: false,
        allocates: false,
        waypoint: None,
        resolution: Resolution::DynamicDns,
        endpoints: Vec::new(),
        selector: None,
        visibility: Visibility::default(),
        subject_alt_names: Vec::new(),
        created: 0,
    };
    let backend =
        BackendRef { host, subset: None, port: Some(port.unwrap_or(if is_secured { HTTPS } else { called })) };
    Some(Target { backend, weight: 1, written: None, callee: Some(Callee::Entry(Arc::new(entry))), missing: None })
}

/// Whether nobody declares it: a request's own name led there.
pub(crate) fn is_undeclared(entry: &HostEntry) -> bool {
    entry.object.0.is_empty() && *entry.object.1 == *DYNAMIC
}
