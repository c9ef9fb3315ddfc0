//! Keeping only the privileges that an agent needs.

use std::{fs, io};

use rustix::{
    io::Errno,
    thread::{
        CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
        set_no_new_privs,
    },
};

/// What an agent needs, and why.
const NEEDED: CapabilitySet = CapabilitySet::NET_ADMIN // rules, marks, transparent sockets
    .union(CapabilitySet::SYS_ADMIN) // entering workloads' network namespaces
    .union(CapabilitySet::NET_BIND_SERVICE) // DNS on port 53
    .union(CapabilitySet::SYS_PTRACE) // naming the process that holds a port,
    .union(CapabilitySet::DAC_READ_SEARCH); // also that of another user

/// Gives up, for good, every capability that an agent does not need, and the right to get new ones
/// by executing anything. Capabilities belong to threads, so call this before there are others: it
/// refuses once there are.
pub fn restrict_privileges() -> io::Result<()> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("privileges must be given up before threads are started"));
    }
    set_no_new_privs(true)?;
    let held = capabilities(None)?;
    for capability in CapabilitySet::all().difference(NEEDED).iter() {
        match remove_capability_from_bounding_set(capability) {
            // Beyond the kernel's last, or without the right to change the set: then it can't grow either.
            Ok(()) | Err(Errno::INVAL | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let kept = held.permitted.intersection(NEEDED);
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    Ok(())
}
