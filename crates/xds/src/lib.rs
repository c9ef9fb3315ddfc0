//! The client's side of the control plane, for node proxy, agent and supervisor.
//!
//! A [`Link`] joins with a one-time token, keeps its certificate fresh, follows
//! the configuration and brings each commit to its owner by [`Updates`]. It
//! fails static: certificate and last good configuration are on disk, so that a
//! part starts and goes on without the control plane. [`Link::sign`] gets
//! certificates of workloads, [`Link::report`] tells what runs and what is
//! captured.
//!
//! One task owns the connection; it ends with the last `Link`. This crate
//! decodes no resources (`ripstop_wire` does) and holds no configuration in
//! memory beyond names and versions.

mod channel;
mod credentials;
mod error;
mod journal;
mod link;
mod retry;
mod session;
mod updates;

pub use error::Error;
pub use link::{IssuedChain, Link, LinkConfig, Role};
pub use updates::{Commit, Updates};
