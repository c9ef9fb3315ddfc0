//! Processes in namespaces of their own: the world, its roles, its workloads.
//!
//! Everything between fork and exec is done here by plain system calls on memory that was prepared before the fork,
//! as the rest of the parent's memory may be in any state then (other threads held its locks). Each child dies with
//! the *thread* that spawned it (`PR_SET_PDEATHSIG`), so spawn from a thread that lives as long as the children
//! should: [`Spawner`] is one.
//!
//! * [`WorldSpawn`]: a user, network, pid, mount, IPC and UTS namespace with a PID 1.
//! * [`RoleSpawn`]: a trusted child of the world, with or without its capabilities.
//! * [`WorkloadSpawn`]: an untrusted process in a nested user namespace with no capability at all.

mod caps;
mod child;
mod exec;
mod fork;
mod handle;
mod idmap;
mod init;
mod limits;
mod pty;
mod reap;
mod role;
mod spawner;
mod stages;
mod workload;
mod world;

pub use caps::{capabilities_are_empty, drop_all_capabilities};
pub use handle::Child;
pub use limits::{Limit, set_nofile_to_hard_limit};
pub use pty::{Pty, open_pty, set_window_size};
pub use reap::reap_orphans;
pub use role::{Capabilities, RoleSpawn};
pub use rustix::process::Signal;
pub use spawner::Spawner;
pub use workload::{Stdio, WorkloadSpawn};
pub use world::{WorldSpawn, check_user_namespaces};
