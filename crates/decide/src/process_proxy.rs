//! What the proxy of one workload is like.

use std::sync::Arc;

use ripstop_model::{ConnectionSettings, PathRules, ProcessKind, ProcessProxy, ProxyDefaults, Topology, Workload};

use crate::Program;

/// What is said of the proxy that is for `own`, by its process; nothing: it is like those of all in the mesh.
pub(crate) fn process_proxy<'p>(program: &'p Program, own: &Workload) -> Option<&'p Arc<ProcessProxy>> {
    let said = &program.traffic().process_proxies;
    if said.is_empty() {
        return None;
    }
    // Instances are named after their process, with a number behind it.
    let process = own.name.rsplit_once('-').map_or(&*own.name, |(process, _)| process);
    said.get(&(own.namespace.clone(), process.into()))
}

/// What stands before the gateway that is `own`: what is said of its process, else of all in the mesh.
pub fn topology(program: &Program, own: &Workload) -> Topology {
    process_proxy(program, own).map_or(program.traffic().defaults.topology, |said| said.topology)
}

/// What the proxy that is for `own` is like, but for its threads ([`crate::concurrency`]).
pub fn proxy_defaults<'p>(program: &'p Program, own: &Workload) -> &'p Arc<ProxyDefaults> {
    process_proxy(program, own).map_or(&program.traffic().defaults.proxies, |said| &said.settings)
}

/// What it puts up with of those who connect to it.
pub fn connection_settings(program: &Program, own: &Workload) -> ConnectionSettings {
    let said = proxy_defaults(program, own).connections;
    if own.kind == ProcessKind::Gateway { said.at_gateway() } else { said }
}

/// What the paths of requests are that it reads.
pub fn paths(program: &Program, own: &Workload) -> PathRules {
    connection_settings(program, own).paths(program.traffic().defaults.normalization)
}

#[cfg(test)]
mod tests;
