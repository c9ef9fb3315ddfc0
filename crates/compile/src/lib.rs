//! From what users wrote and what runs to the mesh itself.
//!
//! [`compile`] takes an [`Input`] (objects, reported instances, state of capture,
//! what was assigned before) and gives an [`Output`]: the parts of a
//! [`ripstop_model::Snapshot`], what is to run, and findings about objects that do
//! not fit together. It resolves names and defaults, decides enrolment, and
//! assigns addresses.
//!
//! It is a pure function: no I/O, no clock, no randomness. Given the previous
//! output it shares everything that did not change.

mod assign;
mod check;
mod declare;
mod enrolment;
mod finding;
mod input;
mod mesh;
mod node;
mod output;
mod policy;
mod process;
mod protocol;
mod service;
mod workload;

use std::{collections::BTreeMap, sync::Arc};

pub use assign::{AssignmentError, Assignments, VIP_RANGE};
pub use enrolment::{Problem, enrolment};
pub use finding::CODES;
pub use input::{CaptureState, Declared, Input, Instance, Objects};
pub use output::Output;
pub use protocol::app_protocol;

use crate::{declare::Declarations, output::Compiled};

/// Compiles everything. What equals a part of `input.previous` is that very part (the same `Arc`).
pub fn compile(input: &Input<'_>) -> Output {
    let declarations = match input.previous {
        Some(previous) if previous.is_from(input.objects, input.assigned) => previous.declarations.clone(),
        previous => Arc::new(Declarations::new(input.objects, input.assigned, previous.map(|p| &*p.declarations))),
    };
    let mut workloads = BTreeMap::new();
    let mut compiled = BTreeMap::new();
    let mut findings = declarations.findings.clone();
    for instance in input.instances {
        if instance.addresses.is_empty() {
            continue; // it does not exist on the network yet
        }
        let capture = input.captures.get(&instance.uid).copied().unwrap_or_default();
        let old = input.previous.and_then(|previous| Some((previous, previous.compiled.get(&instance.uid)?)));
        let workload = match old {
            Some((previous, old))
                if Arc::ptr_eq(&previous.declarations, &declarations)
                    && old.capture == capture
                    && (Arc::ptr_eq(&old.instance, instance) || old.instance == *instance) =>
            {
                old.workload.clone()
            }
            _ => {
                let workload = workload::compile(&declarations, instance, capture);
                match old {
                    Some((_, old)) if *old.workload == workload => old.workload.clone(),
                    _ => Arc::new(workload),
                }
            }
        };
        workload::findings(&declarations, instance, &mut findings);
        workloads.insert(instance.uid.clone(), workload.clone());
        compiled.insert(instance.uid.clone(), Compiled { instance: instance.clone(), capture, workload });
    }
    check::services(&declarations.suspects, &workloads, &mut findings);
    Output::new(input.objects.clone(), declarations, workloads, compiled, findings.sorted())
}

#[cfg(test)]
mod tests;
