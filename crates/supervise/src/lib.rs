//! Runs a whole mesh on one machine: namespaces, processes, and the one way out.
//!
//! [`outer::run`] is `ripstop up` in the host's namespaces: it holds the state directory, keeps the
//! admin socket and the metrics port, and is the broker that connects what leaves the mesh. It starts
//! PID 1, [`world::run`], which makes the network, starts control plane, agents, proxies and
//! workloads, each a process of its own, and answers the admin API. [`client`] is the command
//! line's side of that API; [`find_mesh`] finds the mesh it is for.
//!
//! Roles are started from the binary with the flags, files and tokens that they would have on a
//! machine of their own; nothing is shared with them in memory. This crate decides nothing about
//! traffic, captures nothing and reads no configuration files: nodes and processes come from the
//! control plane.

mod admin;
mod backoff;
mod board;
mod broker;
mod captures;
mod child;
pub mod client;
mod context;
mod control_client;
mod discovery;
mod doorkeeper;
mod egress;
mod entrance;
mod environment;
mod error;
mod fabric;
mod farewell;
mod gateway;
mod groups;
mod handover;
mod herald;
mod ingress;
mod instance;
mod ipam;
mod link_watch;
mod logs;
mod marker;
mod metrics;
mod nodes;
pub mod outer;
mod paths;
mod plan;
mod probe;
mod processes;
mod relay;
mod report;
mod roles;
mod run;
mod run_protocol;
mod sidecars;
mod state;
mod tokens;
mod traffic;
mod unit;
mod web;
pub mod world;

pub use entrance::Entrance;
pub use error::{Error, Result};
pub use handover::Event;
pub use logs::LogWriter;
pub use run_protocol::{Exit, RunRequest};
pub use state::{MeshFile, MeshHandle, find_mesh, running_meshes, state_dir};
