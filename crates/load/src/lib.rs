//! A load generator: requests by HTTP/1.1, HTTP/2 and gRPC, in a closed or an open loop, and what became of them.
//!
//! A [`Plan`] says what is sent where, how fast and for how long; [`run`] carries it out on threads of its own and gives a
//! [`Report`]. While it goes on, a [`Watch`] is told of every second that has passed ([`Second`]).
//!
//! - Closed loop ([`Pace::Closed`]): each place sends its next request once the last is answered. Its rate is what the
//!   other side makes of it, so its percentiles say how fast answers were, not what users who come at their own pace would
//!   have seen.
//! - Open loop ([`Pace::Open`]): requests are due at their times, whether those before were answered or not, and whoever
//!   is free sends the next one. One that is due while nobody is free counts from when it was due, so that a stall is seen
//!   by all who would have met it (no coordinated omission); what could not be sent before the end is told, and counts as
//!   bad. What the timer of this machine is late counts for nothing.
//! - Every request ends in the report once: answered with a status, or failed, by [`Failure`]. None is sent again but those
//!   of HTTP/2 that the server says it has not looked at, and these are counted.
//!
//! The connections are those of the data plane ([`ripstop_exchange`]).

mod client;
mod counted;
mod failure;
mod plan;
mod report;
mod run;
mod schedule;
mod shares;
mod tally;
mod target;
mod trust;

pub use failure::Failure;
pub use plan::{Length, Message, Pace, Plan, Protocol, Reuse};
pub use report::{Failures, Latency, Report, Second, TargetReport};
pub use run::{LoadError, Stop, Watch, run};
pub use target::{Target, TargetError};
pub use trust::{Trust, TrustError};
