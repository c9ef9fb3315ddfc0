//! Which limits of connections act where, by `TrafficPolicy`.

use std::{net::IpAddr, sync::Arc};

use ripstop_model::{ConnectionLimit, HostEntry, SpiffeId, TrafficPolicy, TrafficTarget, Workload};

use crate::{
    Limiting,
    call::{Callee, Reached},
    program::Program,
    rate_limit::{at_callee, at_gateway, at_workload, behind},
};

/// Limits of connections that act at one place.
#[derive(Clone, Copy, Debug)]
pub struct Connecting<'p> {
    /// The policy that has them.
    pub policy: &'p Arc<TrafficPolicy>,
    /// What it is attached to there; each counts for itself.
    pub target: &'p TrafficTarget,
    /// The limits.
    pub limits: &'p [Arc<ConnectionLimit>],
}

/// Those of connections that `peer`, at the address `source`, makes to `port` of a workload, as
/// [`limits_at_workload`](crate::limits_at_workload).
pub fn connections_at_workload<'p>(
    program: &'p Program,
    workload: &Workload,
    port: u16,
    peer: Option<&SpiffeId>,
    source: Option<IpAddr>,
) -> Vec<Connecting<'p>> {
    both(program, |has| at_workload(program, workload, port, peer, source, has))
}

/// Those of connections to `port` of a workload that this leaves to the waypoint `own`, as
/// [`limits_behind`](crate::limits_behind).
pub fn connections_behind<'p>(
    program: &'p Program,
    own: &Workload,
    workload: &Workload,
    port: u16,
) -> Vec<Connecting<'p>> {
    both(program, |has| behind(program, own, workload, port, has))
}

/// Those of connections to `port` of what a waypoint stands in front of.
pub fn connections_at_waypoint<'p>(program: &'p Program, callee: &Callee, port: u16) -> Vec<Connecting<'p>> {
    both(program, |has| at_callee(program, callee, port, has))
}

/// Those of connections that callers make to a host that no service declares.
pub fn connections_of_entry<'p>(program: &'p Program, entry: &Arc<HostEntry>, port: u16) -> Vec<Connecting<'p>> {
    both(program, |has| at_callee(program, &Callee::Entry(entry.clone()), port, has))
}

/// Those of connections that come to `port` of the gateway that is `own`, with that server name if they are of TLS. Of
/// several listeners for requests in the clear, one says for all of them.
pub fn connections_at_gateway<'p>(
    program: &'p Program,
    own: &Workload,
    reached: impl Into<Reached>,
    server_name: Option<&str>,
) -> Vec<Connecting<'p>> {
    let reached = reached.into();
    both(program, |has| at_gateway(program, own, reached, server_name, None, has))
}

/// Limits of new connections and of open ones, of which different policies may have one each.
fn both<'p, I: IntoIterator<Item = Limiting<'p>>>(
    program: &Program,
    find: impl Fn(fn(&TrafficPolicy) -> bool) -> I,
) -> Vec<Connecting<'p>> {
    if program.traffic().policies.is_empty() {
        return Vec::new();
    }
    let rates = find(|policy| !policy.connection_rates.is_empty()).into_iter();
    let rates =
        rates.map(|Limiting { policy, target }| Connecting { policy, target, limits: &policy.connection_rates });
    let open = find(|policy| !policy.connection_limits.is_empty()).into_iter();
    let open = open.map(|Limiting { policy, target }| Connecting { policy, target, limits: &policy.connection_limits });
    rates.chain(open).collect()
}

#[cfg(test)]
mod tests;
