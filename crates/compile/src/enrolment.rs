//! Whether a workload belongs to the mesh, by labels and annotations.

use std::sync::Arc;

use ripstop_api::{
    Meta,
    enrolment::{KEYS, Way},
};
use ripstop_model::{DataplaneMode, Enrolment, EnrolmentLevel};

/// What one key says.
struct Claim {
    way: Way,
    yes: bool,
    text: Arc<str>,
}

/// Decides enrolment: the workload's own keys first, then its namespace's; on each level
/// `istio.io/dataplane-mode`, then `sidecar.istio.io/inject` and `istio-injection`, then
/// `linkerd.io/inject`. The first that says yes enrols. `dataplane-mode=none` opts out of all that
/// comes after it, `false` and `disabled` of their own way only. A value that is not known does not count.
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
        let yes = key.yes.contains(&value);
        let text = || format!("{}={value}", key.name).into();
        (yes || value == key.no).then(|| Claim { way: key.way, yes, text: text() })
    })
}

#[cfg(test)]
mod tests;
