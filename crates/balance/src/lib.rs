//! Which endpoint of a backend gets the next request, and whether it may go at all.
//!
//! A [`Backend`] is one host, port and subset as one proxy calls it: its [`Settings`], its [`Endpoint`]s, and what all
//! workers of the proxy must agree upon: how many requests an endpoint has, which ones are ejected, what is used up of
//! each limit. A [`Balancer`] is one worker's end of it, with what needs no agreement: whose turn it is.
//! [`Balancer::pick`] chooses and gives a [`Picked`], which counts while it lives; [`Picked::finish`] says how the
//! request ended, and outlier detection learns from it. [`Balancer::acquire`] gives [`Permit`]s, of which N workers
//! together never hold more than the limit. Of endpoints that are checked, [`Backend::check`] learns what came of it. [`Bucket`] and [`Buckets`] count what may come in so much time;
//! [`Concurrency`] finds out how many requests an instance takes at a time.
//!
//! ```
//! # use std::time::Instant;
//! # use ripstop_balance::{Backend, Criteria, Endpoint, Outcome, Resource, Settings};
//! # let (random, now) = (4, Instant::now());
//! let backend = Backend::new(Settings::default(), ["10.0.0.1:80", "10.0.0.2:80"].map(Endpoint::new), now);
//! let mut worker = backend.worker();
//! let permit = worker.acquire(Resource::Request, now)?;
//! let picked = worker.pick(&Criteria::default(), random, now)?;
//! println!("to {}", picked.key());
//! picked.finish(Outcome::Status(200), now);
//! drop(permit);
//! # Ok::<(), ripstop_balance::Refused>(())
//! ```
//!
//! Names, defaults and arithmetic are Envoy's as Istio configures it; where we differ, the item says so. Nothing here
//! opens a socket, starts a task, reads a clock or rolls dice: instants and random numbers come in. Between
//! configurations and ejections, picking and finishing take no lock and allocate nothing.

mod backend;
mod backoff;
mod balancer;
mod budget;
mod checked;
mod circuit;
mod concurrency;
mod dice;
mod draw;
mod endpoint;
mod error;
mod event;
mod generation;
mod group;
mod hedge;
mod keyed;
mod latencies;
mod latency;
mod lease;
mod ledger;
mod maglev;
mod outlier;
mod picked;
mod priority;
mod rate;
mod ring;
mod sample;
mod schedule;
mod settings;
mod tried;
mod warmup;
mod window;
mod xxhash;

pub use backend::Backend;
pub use backoff::Backoff;
pub use balancer::{Balancer, Criteria, Reach};
pub use budget::{Budget, Budgeted, BudgetedRetry};
pub use checked::CheckResult;
pub use circuit::{Permit, Resource, Usage};
pub use concurrency::{Concurrency, ConcurrencyStatus, Crowded, Running};
pub use endpoint::{Endpoint, EndpointStatus};
pub use error::{Overflow, Refused};
pub use event::{Cause, Event, EventKind, Events};
pub use hedge::{HedgeCounts, Hedges};
pub use keyed::Buckets;
pub use outlier::{Ejections, Outcome};
pub use picked::{Picked, Selection};
pub use rate::{Bucket, Empty, Rate, Taken};
pub use settings::{EjectionFloor, Limits, Settings};
pub use tried::Tried;
pub use xxhash::hash_of;

#[cfg(test)]
mod testing;
