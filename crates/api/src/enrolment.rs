//! Labels and annotations of Namespaces and Processes that say whether workloads belong to the mesh.

use crate::{Kind, Meta};

/// A label or annotation that enrols or opts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// How it enrols.
    pub way: Way,
    /// Where it stands.
    pub place: Place,
    /// Its key.
    pub name: &'static str,
    /// Values that enrol.
    pub yes: &'static [&'static str],
    /// The value that opts out.
    pub no: &'static str,
}

/// How a key enrols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the proxy of the node.
    Ambient,
    /// By a sidecar, as Istio asks for one.
    Sidecar,
    /// By a sidecar, as Linkerd asks for one.
    Linkerd,
}

/// Which map of `metadata` a key stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `metadata.labels`
    Labels,
    /// `metadata.annotations`
    Annotations,
}

/// Every key, in order of precedence.
pub const KEYS: [Key; 6] = [
    Key { way: Way::Ambient, place: Place::Labels, name: "istio.io/dataplane-mode", yes: &["ambient"], no: "none" },
    Key { way: Way::Sidecar, place: Place::Labels, name: "sidecar.istio.io/inject", yes: &["true"], no: "false" },
    Key { way: Way::Sidecar, place: Place::Annotations, name: "sidecar.istio.io/inject", yes: &["true"], no: "false" },
    Key { way: Way::Sidecar, place: Place::Labels, name: "istio-injection", yes: &["enabled"], no: "disabled" },
    Key {
        way: Way::Linkerd,
        place: Place::Annotations,
        name: "linkerd.io/inject",
        yes: &["enabled", "ingress"],
        no: "disabled",
    },
    Key {
        way: Way::Linkerd,
        place: Place::Labels,
        name: "linkerd.io/inject",
        yes: &["enabled", "ingress"],
        no: "disabled",
    },
];

/// Whether the keys of objects of that kind act.
pub fn acts_on(kind: Kind) -> bool {
    matches!(kind, Kind::Namespace | Kind::Process)
}

/// Keys of `meta` whose values are not known, each with its value.
pub fn unknown(meta: &Meta) -> impl Iterator<Item = (&'static Key, &str)> {
    KEYS.iter().filter_map(|key| {
        let value = key.value(meta)?;
        (!key.values().any(|known| known == value)).then_some((key, value))
    })
}

// === impl Key ===

impl Key {
    /// What `meta` says under it.
    pub fn value<'a>(&self, meta: &'a Meta) -> Option<&'a str> {
        let map = match self.place {
            Place::Labels => &meta.labels,
            Place::Annotations => &meta.annotations,
        };
        map.get(self.name).map(String::as_str)
    }

    /// All values that are known.
    pub fn values(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.yes.iter().copied().chain([self.no])
    }
}

// === impl Place ===

impl Place {
    /// The name of the map.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Annotations => "annotations",
        }
    }
}
