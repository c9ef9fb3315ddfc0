//! Side-by-side measurement: workloads on two nodes, reached directly, through a pair of relays that
//! do nothing, through pairs of other people's proxies, and through the mesh, in each of its roles: each a [`way`], in
//! one world and one run, taking turns.
//!
//! `bench-decisions` stands alone: what compiling and deciding cost, without any traffic.
//!
//! `ripstop-bench` is the conductor: it makes a [`plan`], starts the world ([`stage`]) with the [`peers`] in it, takes
//! the turns ([`task`], [`rounds`]) and reports medians, spread and ratios beside the budgets ([`report`]).
//! `bench-peer` is what runs in the workloads: the [`server`] and the [`driver`], which takes
//! its [`command`]s line by line; they speak HTTP/1.1, and gRPC, too ([`message`]). `bench-relay` is the floor.
//!
//! What the mesh is like without anything beside it ([`itself`]) comes last, with the [`witness`]es in its workloads.
//!
//! Nothing here judges: whatever the figures, a run in which nothing broke ends well.

pub mod budget;
pub mod command;
pub mod cpus;
pub mod driver;
pub mod histogram;
pub mod itself;
pub mod message;
pub mod peers;
pub mod place;
pub mod plan;
pub mod process;
pub mod rate;
pub mod report;
pub mod rounds;
pub mod row;
pub mod server;
pub mod stage;
pub mod task;
pub mod way;
pub mod witness;
