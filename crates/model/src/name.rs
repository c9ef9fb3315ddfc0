//! Names and label matching.

use std::{collections::BTreeMap, fmt, sync::Arc};

/// Labels of an object, sorted by key.
pub type Labels = BTreeMap<Arc<str>, Arc<str>>;

/// Namespace and name of an object.
pub type ObjectName = (Arc<str>, Arc<str>);

/// Unique id of one workload for its whole life, as in Istio's workload API:
/// `<cluster>/<group>/<kind>/<namespace>/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkloadUid(Arc<str>);

/// A service is named by its namespace and its fully qualified host name
/// (`reviews.bookinfo.svc.cluster.local`), as in Istio's workload API.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// Namespace of the object that declares the service.
    pub namespace: Arc<str>,
    /// Fully qualified host name, lower case, without trailing dot.
    pub hostname: Arc<str>,
}

/// Equality selector: every listed label must be present with that value. The
/// empty selector matches everything (Istio's `matchLabels`, Kubernetes'
/// `Service.spec.selector`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(pub Labels);

// === impl WorkloadUid ===

impl WorkloadUid {
    /// Wraps a complete uid.
    pub fn new(uid: impl Into<Arc<str>>) -> Self {
        Self(uid.into())
    }

    /// The uid of instance `name` of a process of a mesh run by `ripstop up`.
    pub fn process(cluster: &str, namespace: &str, name: &str) -> Self {
        Self(format!("{cluster}/ripstop.dev/Process/{namespace}/{name}").into())
    }

    /// The uid's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkloadUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl ServiceKey ===

impl ServiceKey {
    /// Makes a key; the host name is lower-cased.
    pub fn new(namespace: impl Into<Arc<str>>, hostname: &str) -> Self {
        Self { namespace: namespace.into(), hostname: hostname.to_ascii_lowercase().into() }
    }
}

impl fmt::Display for ServiceKey {
    /// `<namespace>/<hostname>`, the resource name in Istio's workload API.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.hostname)
    }
}

// === impl Selector ===

impl Selector {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `labels` have every pair of this selector.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}
