//! The data plane of a node: every byte of its enrolled workloads passes here.
//!
//! [`run`] is the node proxy, [`run_sidecar`] the same for one workload; [`run_gateway`] and [`run_waypoint`] stand alone. The agent (a privileged process beside it) opens
//! listeners inside the workloads' network namespaces and hands them over, together
//! with prepared sockets for the way out; the proxy itself holds no capability. Each
//! worker is one thread with its own runtime, tunnels, sockets and counters; a
//! connection stays on the worker it was dealt to.
//!
//! What is decided here comes from `decide` alone; what is known comes from the last
//! committed snapshot, which is on disk too, like certificates and keys, so that a
//! proxy that restarts while the control plane is away serves on.

mod agent_link;
mod backends;
mod caller;
mod certificates;
mod concurrency;
mod connection_limits;
mod connections;
mod cutover;
mod dns;
mod error;
mod far_end;
mod gateway;
mod global_limits;
mod grpc;
mod http;
mod inbound;
mod inbound_pools;
mod ingress_tls;
mod inspect;
mod listeners;
mod local;
mod node;
mod opening;
mod outbound;
mod own;
mod own_listeners;
mod peers;
mod per_version;
mod plaintext;
mod policy_counts;
mod process;
mod proven;
mod rate_limits;
mod record;
mod refuse;
mod relay;
mod retry_budgets;
mod secrets;
mod serve;
mod sidecar;
mod sight;
mod sockets;
mod takeover;
#[cfg(test)]
mod testing;
mod tls_parameters;
mod to_application;
mod trusted_files;
mod waypoint;
mod worker;

pub use error::Error;
pub use gateway::{GatewayConfig, run as run_gateway};
pub use node::{NodeConfig, run};
pub use sidecar::{SidecarConfig, run as run_sidecar};
pub use waypoint::{WaypointConfig, run as run_waypoint};
