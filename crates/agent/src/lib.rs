//! The privileged helper of one node.
//!
//! [`run`] keeps, in the node's namespace, what every workload gets: service
//! addresses, DNS, a way out by the broker. In the namespaces of enrolled
//! workloads it keeps capture: rules, and listeners and prepared sockets that it
//! opens there and hands to the node's proxy, which holds no privilege itself.
//! All state is in the kernel and in the last good configuration on disk, so an
//! agent that is killed changes nothing, and the next one goes on.
//!
//! The agent never sees a workload's bytes but for those that leave the mesh,
//! and decides nothing but whether plaintext of before may stay.

mod agent;
mod broker;
mod capture;
mod dns;
mod egress;
mod error;
mod namespaces;
mod privileges;
mod proxy_link;
mod routes;
#[cfg(test)]
mod samples;
mod services;

pub use agent::{AgentConfig, run};
pub use error::Error;
pub use privileges::restrict_privileges;
