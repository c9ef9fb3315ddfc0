//! VirtualServices that leave requests without a rule.

use ripstop_api::{Kind, finding::Code};
use ripstop_model::{GatewayName, HttpMatch, StringMatch};

use super::Mesh;
use crate::{
    declare::id_of,
    finding::{Findings, warning},
};

const NO_CATCH_ALL: Code =
    warning("RS06", "a VirtualService of the mesh has no rule for all other requests: they get 404");

pub(crate) const CODES: &[Code] = &[NO_CATCH_ALL];

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    for (name, table) in &mesh.output.traffic.routes {
        if table.http.is_empty() || !table.gateways.contains(&GatewayName::Mesh) {
            continue;
        }
        let takes_all = |wanted: &HttpMatch| is_catch_all(wanted);
        if table.http.iter().any(|rule| rule.matches.is_empty() || rule.matches.iter().any(takes_all)) {
            continue;
        }
        let Some(declared) = mesh.objects.get(&id_of(Kind::VirtualService, name)) else { continue };
        let message = "no rule takes the requests that none matches: callers in the mesh get 404 for them";
        findings.add(NO_CATCH_ALL, &declared.object, "spec.http", message, "add a last rule without match");
    }
}

/// Whether every request of a caller in the mesh is matched.
fn is_catch_all(wanted: &HttpMatch) -> bool {
    let any_path = match &wanted.uri {
        None | Some(StringMatch::Present) => true,
        Some(StringMatch::Prefix(prefix)) => prefix.is_empty() || **prefix == *"/",
        Some(StringMatch::Regex(regex)) => **regex == *".*" || **regex == *"/.*",
        Some(StringMatch::Exact(_)) => false,
    };
    let gateways = &wanted.source.gateways;
    let of_mesh = gateways.contains(&GatewayName::Mesh);
    let any_caller = wanted.source.labels.is_empty() && wanted.source.namespace.is_none() && gateways.is_empty();
    let anything_else = wanted.scheme.is_some()
        || wanted.method.is_some()
        || wanted.authority.is_some()
        || wanted.port.is_some()
        || !wanted.headers.is_empty()
        || !wanted.without_headers.is_empty()
        || !wanted.query.is_empty()
        || !wanted.claims.is_empty()
        || !wanted.without_claims.is_empty();
    any_path && !anything_else && (any_caller || of_mesh)
}
