//! What becomes of a request, and why.
//!
//! A [`Question`] (who calls whom, with what) put to a [`World`] (a mesh that runs, or one that only
//! stands in files) gives an [`Explanation`]: where it is decided, the route, the endpoints, the
//! verdict with every rule that was looked at and its file and line, what live traffic meets today,
//! and the smallest change of the question that would turn the verdict, put as a question again. It runs the very functions of
//! `decide` that proxies run, and decides nothing itself.
//!
//! [`check`] tells which policies of authorization act at a workload, [`service`] what is declared about calling a
//! service. [`offline`] makes a world from
//! files alone. This crate does no I/O.

mod answer;
mod attempt;
mod authorization;
mod before;
mod check;
mod connection;
mod course;
mod endpoints;
mod error;
mod explain;
mod flip;
mod judged;
mod limits;
mod nearness;
mod observation;
pub mod offline;
mod parties;
mod place;
mod question;
mod reach;
mod route;
mod service;
mod summary;
mod token;
mod transport;
mod unknown;
mod world;

pub use answer::{
    Answer, AuthorizationAnswer, ConditionAnswer, ConnectionAnswer, EndpointAnswer, Explanation, FlipAnswer,
    PolicyAnswer, Reference, RouteAnswer, RuleAnswer, Settings, Verdict,
};
pub use check::{CheckAnswer, PortAnswer, check};
pub use error::Error;
pub use explain::explain;
pub use question::Question;
pub use reach::{ReachAnswer, reach};
pub use service::{ActsAnswer, BehindAnswer, ServiceAnswer, service};
pub use world::World;
