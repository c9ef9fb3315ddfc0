//! From "this request shall go to that target" to a connection to send it on.
//!
//! [`Backends`] is what all workers of the proxy share: for each [`BackendKey`] (a caller, a host, a subset, a port) a
//! [`SharedBackend`], with limits, ejections and endpoints as the current configuration has them. [`WorkerBackends`]
//! is one worker's end of it: a [`WorkerBackend`] picks among the endpoints and keeps the worker's connections to them.
//!
//! ```text
//! let backend = context.backends.backend(&context, &program, &caller, &target, original);
//! backend.ready().await;                                             // the first answer of DNS, if it needs any
//! let active = backend.acquire(Resource::Request)?;                  // Overflow: flag UO
//! let picked = backend.pick(&Criteria { hash, tried: &tried, reach }, random())?;      // Refused: flag UH or UO
//! tried.note(&picked);
//! match backend.checkout(&context, picked.key(), Wanted::Configured(client), authority).await? {
//!     Connection::Http1(mut http1) => { pump(Upstream::Http1(http1.client())).await; http1.release() }
//!     Connection::Http2(mut http2) => pump(Upstream::Http2(http2.call())).await,
//! }
//! backend.finish(picked, outcome);
//! ```
//!
//! A connection is used again only for what it was made for: the same caller and callee with the same identities, the
//! same address, the same TLS. Requests that are under way when that changes go on.
