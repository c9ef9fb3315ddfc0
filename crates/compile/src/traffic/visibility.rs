//! Who sees a `ServiceEntry` at most (`serviceEntryVisibility` of the mesh).

use std::collections::BTreeMap;

use ripstop_api::istio::{ServiceEntryVisibility, Visibility as Written, VisibilityPolicy, VisibilityRule};
use ripstop_model::Visibility;

/// What its own `exportTo` says, as far as the mesh grants it to an entry of `namespace`, which has these labels. The
/// first policy all of whose rules match counts.
pub(crate) fn granted(
    mesh: Option<&ServiceEntryVisibility>,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    own: Visibility,
) -> Visibility {
    let Some(mesh) = mesh else { return own };
    // A rule of which nothing is known matches nothing.
    let holds = |rule: &VisibilityRule| {
        rule.namespace_selector.as_ref().is_some_and(|selector| selector.selects_namespace(namespace, labels))
    };
    let matches = |policy: &&VisibilityPolicy| policy.matching_rules.iter().all(holds);
    let granted = mesh.policies.iter().find(matches).map_or(mesh.default_visibility, |policy| policy.visibility);
    match granted {
        Written::Unspecified | Written::Public => own,
        Written::Namespace if own.includes(namespace) => Visibility::only(namespace),
        Written::Namespace | Written::None => Visibility::Nobody,
    }
}

#[cfg(test)]
mod tests;
