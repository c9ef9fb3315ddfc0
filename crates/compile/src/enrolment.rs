//! Whether a workload belongs to the mesh, by labels and annotations.

use std::sync::Arc;

use ripstop_api::Meta;
use ripstop_model::{DataplaneMode, Enrolment, EnrolmentLevel};

/// A label or annotation whose value is not known; it does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `labels` or `annotations`.
    pub place: &'static str,
    /// The key.
    pub key: &'static str,
    /// The value.
    pub value: String,
    /// Values that are known.
    pub known: &'static str,
}

/// How a key enrols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Ambient,
    Sidecar,
    Linkerd,
}

/// A key that enrols or opts out.
struct Key {
    way: Way,
    place: &'static str,
    name: &'static str,
    yes: &'static [&'static str],
    no: &'static str,
    known: &'static str,
}

/// What one key says.
struct Claim {
    way: Way,
    yes: bool,
    text: Arc<str>,
}

/// In order of precedence.
const KEYS: [Key; 6] = [
    Key {
        way: Way::Ambient,
        place: "labels",
        name: "istio.io/dataplane-mode",
        yes: &["ambient"],
        no: "none",
        known: "ambient, none",
    },
    Key {
        way: Way::Sidecar,
        place: "labels",
        name: "sidecar.istio.io/inject",
        yes: &["true"],
        no: "false",
        known: "true, false",
    },
    Key {
        way: Way::Sidecar,
        place: "annotations",
        name: "sidecar.istio.io/inject",
        yes: &["true"],
        no: "false",
        known: "true, false",
    },
    Key {
        way: Way::Sidecar,
        place: "labels",
        name: "istio-injection",
        yes: &["enabled"],
        no: "disabled",
        known: "enabled, disabled",
    },
    Key {
        way: Way::Linkerd,
        place: "annotations",
        name: "linkerd.io/inject",
        yes: &["enabled", "ingress"],
        no: "disabled",
        known: "enabled, ingress, disabled",
    },
    Key {
        way: Way::Linkerd,
        place: "labels",
        name: "linkerd.io/inject",
        yes: &["enabled", "ingress"],
        no: "disabled",
        known: "enabled, ingress, disabled",
    },
];

/// Decides enrolment: the workload's own keys first, then its namespace's; on each level
/// `istio.io/dataplane-mode`, then `sidecar.istio.io/inject` and `istio-injection`, then
/// `linkerd.io/inject`. The first that says yes enrols. `dataplane-mode=none` opts out of all that
/// comes after it, `false` and `disabled` of their own way only.
pub fn enrolment(workload: &Meta, namespace: Option<&Meta>) -> Enrolment {
    let levels = [(Some(workload), EnrolmentLevel::Workload), (namespace, EnrolmentLevel::Namespace)];
    let mut opted_out: Vec<Way> = Vec::new();
    let mut refusal = None;
    for (meta, level) in levels {
        for claim in meta.into_iter().flat_map(claims) {
            if opted_out.contains(&claim.way) {
                continue;
            }
            let decided_by = Some((claim.text, level));
            match (claim.way, claim.yes) {
                (Way::Ambient, true) => return Enrolment { mode: DataplaneMode::Node, decided_by },
                (Way::Sidecar | Way::Linkerd, true) => return Enrolment { mode: DataplaneMode::Sidecar, decided_by },
                (Way::Ambient, false) => return Enrolment { mode: DataplaneMode::None, decided_by },
                (way, false) => {
                    opted_out.push(way);
                    refusal = refusal.or(decided_by);
                }
            }
        }
    }
    Enrolment { mode: DataplaneMode::None, decided_by: refusal }
}

/// Keys of `meta` that enrol or opt out, in order of precedence.
fn claims(meta: &Meta) -> impl Iterator<Item = Claim> {
    KEYS.iter().filter_map(|key| {
        let value = key.value(meta)?;
        let yes = key.yes.contains(&value.as_str());
        let text = || format!("{}={value}", key.name).into();
        (yes || value == key.no).then(|| Claim { way: key.way, yes, text: text() })
    })
}

/// Keys of `meta` whose values are not known.
pub(crate) fn problems(meta: &Meta) -> impl Iterator<Item = Problem> {
    KEYS.iter().filter_map(|key| {
        let value = key.value(meta).filter(|value| !key.yes.contains(&value.as_str()) && *value != key.no)?;
        Some(Problem { place: key.place, key: key.name, value: value.clone(), known: key.known })
    })
}

/// The first key of `meta` that asks for a sidecar: place, key and value.
pub(crate) fn asks_for_sidecar(meta: &Meta) -> Option<(&'static str, &'static str, String)> {
    KEYS.iter().filter(|key| key.way != Way::Ambient).find_map(|key| {
        let value = key.value(meta).filter(|value| key.yes.contains(&value.as_str()))?;
        Some((key.place, key.name, value.clone()))
    })
}

impl Key {
    fn value<'a>(&self, meta: &'a Meta) -> Option<&'a String> {
        if self.place == "labels" { meta.labels.get(self.name) } else { meta.annotations.get(self.name) }
    }
}

#[cfg(test)]
mod tests;
