//! Workloads in quarantine whom nobody can keep in.

use ripstop_api::{Kind, finding::Code};
use ripstop_model::ProcessKind;

use super::Mesh;
use crate::{
    declare::id_of,
    finding::{Findings, warning},
    quarantine::{LABEL, UNREAD},
    workload::speaks_for_itself,
};

/// Codes of this rule.
pub(crate) const CODES: &[Code] = &[UNREAD, OUTSIDE];

const OUTSIDE: Code = warning("RS237", "a workload in quarantine is not in the mesh: nobody keeps it from speaking");

const HINT: &str = "enrol it, which needs no restart: label it istio.io/dataplane-mode=ambient";

const NATIVE: &str = "it is no endpoint any more; but its label networking.istio.io/tunnel says that it speaks with the mesh \
                      by itself: no proxy carries its connections, and it calls whom it likes";
const NATIVE_HINT: &str = "remove the label networking.istio.io/tunnel, and its connections are captured";

/// Processes, and what else runs.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let what = "it is no endpoint any more; but it is not in the mesh, and nobody keeps it from speaking: whoever knows its \
                address gets to it, and it calls whom it likes";
    for name in mesh.declarations.quarantines.keys() {
        let Some(declared) = mesh.objects.get(&id_of(Kind::Process, name)) else { continue };
        let object = &declared.object;
        let is_proxy = mesh.declarations.processes.get(name).is_some_and(|spec| spec.kind != ProcessKind::Command);
        let is_enrolled = mesh.declarations.enrolment(&object.meta, &name.0).is_enrolled();
        let is_kept = is_enrolled && !speaks_for_itself(&object.meta.labels);
        if is_proxy || is_kept {
            continue;
        }
        let (what, hint) = if is_enrolled { (NATIVE, NATIVE_HINT) } else { (what, HINT) };
        findings.add(OUTSIDE, object, &format!("metadata.labels.{LABEL}"), what, hint);
    }
    for workload in mesh.output.workloads.values().filter(|workload| workload.quarantine.is_some()) {
        let name = mesh.output.instances.get(&workload.uid).map(|instance| {
            let owner = (instance.namespace.clone(), instance.process.clone());
            mesh.declarations.process_objects.contains_key(&owner)
        });
        if name == Some(false) && !workload.enrolment.is_enrolled() {
            let message = format!("workload {}/{}: {what}", workload.namespace, workload.name);
            findings.add_nowhere(OUTSIDE, message, HINT);
        }
    }
}
