//! Requests to places that the mesh does not know, where it lets them through.

use std::sync::{Arc, LazyLock};

use ripstop_decide::{Callee, Target};
use ripstop_model::{BackendRef, HostEntry, HostPattern, Resolution, RuleId, Visibility};

use crate::backends::PASSTHROUGH as NAME;

static ANYWHERE: LazyLock<Arc<HostEntry>> = LazyLock::new(|| {
    Arc::new(HostEntry {
        id: RuleId(NAME.into()),
        object: (Arc::default(), NAME.into()),
        host: HostPattern::Any,
        addresses: Vec::new(),
        ports: Vec::new(),
        internal: false,
        allocates: true,
        waypoint: None,
        resolution: Resolution::Passthrough,
        endpoints: Vec::new(),
        selector: None,
        visibility: Visibility::default(),
        subject_alt_names: Vec::new(),
        created: 0,
    })
});

/// Wherever its caller went, at that port.
pub(super) fn target(port: u16) -> Target {
    Target {
        backend: BackendRef { host: NAME.into(), subset: None, port: Some(port) },
        weight: 1,
        written: None,
        callee: Some(Callee::Entry(Arc::clone(&ANYWHERE))),
        missing: None,
    }
}
