//! HTTP connections as tasks, and the exchange of a request and its answer between two of them.

mod changes;
mod exchange;
mod fault;
mod http1;
mod io;
mod storage;

pub use changes::{FieldChange, HeadChanges};
pub use exchange::{Body, Slices};
pub use fault::Fault;
pub use http1::{
    ClientOptions, Closed, HalfClose, Heard, Http1Client, Http1Server, Next, Refusal, ServerOptions,
};
pub use io::{Io, Liveness, TlsStream};
