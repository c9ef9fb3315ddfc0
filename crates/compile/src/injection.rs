//! Who asks for a proxy of its own, as far as objects say: whoever starts a workload has to know before anything of that
//! workload is seen.

use std::{collections::BTreeSet, sync::Arc};

use ripstop_api::Meta;
use ripstop_model::{DataplaneMode, ObjectName, ProcessKind, ProcessSpec};

use crate::{
    declare::{Declarations, Dirty, insert},
    workload::speaks_for_itself,
};

impl Declarations {
    /// Says it anew of the processes and namespaces that changed.
    pub(crate) fn inject(&mut self, previous: Option<&Self>, dirty: &Dirty) {
        let mut names: BTreeSet<ObjectName> = dirty.processes.clone();
        for namespace in &dirty.namespaces {
            let first = (namespace.clone(), Arc::from(""));
            let processes = self.processes.range(first..).map(|(name, _)| name);
            names.extend(processes.take_while(|name| name.0 == *namespace).cloned());
            if self.enrolment(&Meta::default(), namespace).mode == DataplaneMode::Sidecar {
                self.injecting.insert(namespace.clone());
            } else {
                self.injecting.remove(namespace);
            }
        }
        for name in names {
            let (Some(process), Some(object)) = (self.processes.get(&name), self.process_objects.get(&name)) else {
                continue;
            };
            let has_sidecar = process.kind == ProcessKind::Command
                && !speaks_for_itself(&object.meta.labels)
                && self.enrolment(&object.meta, &name.0).mode == DataplaneMode::Sidecar;
            if process.has_sidecar != has_sidecar {
                let process = ProcessSpec { has_sidecar, ..ProcessSpec::clone(process) };
                insert(&mut self.processes, previous.map(|p| &p.processes), name, process);
            }
        }
    }
}

#[cfg(test)]
mod tests;
