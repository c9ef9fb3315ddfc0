//! Side-by-side measurement: two workloads on two nodes, reached directly, through a pair of
//! relays that do nothing, and through the mesh, in one world and one run, taking turns.
//!
//! `bench-decisions` stands alone: what compiling and deciding cost, without any traffic.
//!
//! `ripstop-bench` is the conductor: it starts the world ([`stage`]), takes the turns
//! ([`rounds`]) and reports medians, spread and ratios beside the budgets ([`report`]).
//! `bench-peer` is what runs in the workloads: the [`server`] and the [`driver`], which takes
//! its [`command`]s line by line. `bench-relay` is the floor.
//!
//! Nothing here judges: whatever the figures, a run in which nothing broke ends well.

pub mod budget;
pub mod command;
pub mod driver;
pub mod histogram;
pub mod message;
pub mod process;
pub mod report;
pub mod rounds;
pub mod row;
pub mod server;
pub mod stage;
