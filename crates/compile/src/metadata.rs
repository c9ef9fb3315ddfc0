//! Which labels and annotations of objects the mesh acts on.

use ripstop_api::Kind;

use crate::{
    analyze::SUPPRESS,
    service::EXPORT_TO,
    traffic::{authorization::DRY_RUN, edge::ALLOCATE},
    waypoint,
};

/// Whether a label of an object of that kind can have an effect: it selects, places or enrols, names a waypoint, or is one
/// that the kind knows.
pub fn label_acts(kind: Kind, key: &str) -> bool {
    let waypoints =
        [waypoint::USE, waypoint::USE_NAMESPACE, waypoint::INGRESS, waypoint::CANARY, waypoint::CANARY_NAMESPACE]
            .contains(&key);
    match kind {
        Kind::Namespace | Kind::Process | Kind::Node => true,
        Kind::ServiceAccount => [waypoint::USE, waypoint::USE_NAMESPACE].contains(&key),
        Kind::Service => waypoints,
        Kind::ServiceEntry => waypoints || key == ALLOCATE,
        _ => false,
    }
}

/// Whether an annotation of an object of that kind can have an effect. A Namespace or Process may have those of
/// Istio's and Linkerd's that nobody here has heard of.
pub fn annotation_acts(kind: Kind, key: &str) -> bool {
    match kind {
        Kind::Namespace | Kind::Process => true,
        Kind::Service => [EXPORT_TO, waypoint::CANARY_WEIGHT, SUPPRESS].contains(&key),
        Kind::ServiceEntry => [waypoint::CANARY_WEIGHT, SUPPRESS].contains(&key),
        Kind::AuthorizationPolicy => [DRY_RUN, SUPPRESS].contains(&key),
        _ => key == SUPPRESS,
    }
}
