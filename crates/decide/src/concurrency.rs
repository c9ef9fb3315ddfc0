//! How many requests an instance gets at a time, by `TrafficPolicy`.

use ripstop_model::{TrafficPolicy, Workload};

use crate::{
    Limiting,
    call::Callee,
    program::Program,
    rate_limit::{at_callee, of_services},
};

/// The policy that says how many requests come to `port` of a workload at a time, whoever sends them and by whatever way: of
/// those of several services of that port, the oldest.
pub fn concurrency_at_workload<'p>(program: &'p Program, workload: &Workload, port: u16) -> Option<Limiting<'p>> {
    let found = of_services(program, workload, port, |_| true, adapts);
    found.into_iter().min_by_key(|found| (found.policy.created, &found.policy.name))
}

/// The policy that says how many requests callers send to `port` of a host that no service declares. For a service, that is
/// said at its workloads.
pub fn concurrency_of_entry<'p>(program: &'p Program, callee: &Callee, port: u16) -> Option<Limiting<'p>> {
    match callee {
        Callee::Entry(_) => at_callee(program, callee, port, adapts),
        Callee::Service(_) | Callee::Workload(_) => None,
    }
}

fn adapts(policy: &TrafficPolicy) -> bool {
    policy.adaptive_concurrency.is_some()
}

#[cfg(test)]
mod tests;
