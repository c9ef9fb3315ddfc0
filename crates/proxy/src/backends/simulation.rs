//! Proxies of one, two and four workers take the same requests, on a clock that moves only while all wait: whatever the
//! number of workers, limits and verdicts are the same.
//!
//! Requests are drawn beforehand, with the worker that gets each, the dice that its picks are made by, and how long its
//! answers take. Workers and what they share are the real ones ([`WorkerBackends`](super::WorkerBackends) and
//! [`Backends`](super::Backends)); what is simulated are the endpoints: their connections are pairs of sockets, of which
//! the far ends are counted.

mod ejections;
mod limits;
mod localities;
mod proxy;
mod requests;
mod retries;
mod shares;
