//! What stands before a gateway.

use ripstop_model::{Topology, Workload};

use crate::Program;

/// What stands before the gateway that is `own`: what is said of its process, else of all in the mesh.
pub fn topology(program: &Program, own: &Workload) -> Topology {
    let traffic = program.traffic();
    let default = traffic.defaults.topology;
    if traffic.topologies.is_empty() {
        return default;
    }
    // Instances are named after their process, with a number behind it.
    let process = own.name.rsplit_once('-').map_or(&*own.name, |(process, _)| process);
    let said = traffic.topologies.get(&(own.namespace.clone(), process.into()));
    said.map_or(default, |said| said.topology)
}

#[cfg(test)]
mod tests;
