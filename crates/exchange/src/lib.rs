//! HTTP connections as tasks, and the exchange of a request and its answer between two of them.
//!
//! - [`Http1Server`] and [`Http1Client`] are the ends of an HTTP/1.1 connection over an [`Io`]: a socket, TLS on one, or
//!   a stream of a tunnel. They are polled by whoever owns them; nothing here spawns but where it says so.
//! - [`Downstream`] and [`Upstream`] are the two halves of one exchange, whichever HTTP they speak.
//! - A [`Pump`] drives both halves: it sends the request and passes on the answer at the same time, translates framing,
//!   strips what belongs to one connection, applies [`HeadChanges`], and says what is known when something fails
//!   ([`Failure`]). A [`Replay`] keeps what another upstream might need.
//!
//! What is routed where is somebody else's. Everything is of one thread and its [`LocalSet`](tokio::task::LocalSet): no
//! lock, nothing is `Send`. An idle connection holds no buffer. Bodies go from the buffer they were read into straight to
//! where they are sent; heads from one HTTP/1.1 connection to another are their own bytes but for what changes.

mod changes;
mod downstream;
mod exchange;
mod failure;
mod fault;
mod http1;
mod http2;
mod io;
mod progress;
mod pump;
mod recode;
mod replay;
mod storage;
mod upstream;

pub use changes::{FieldChange, Framing, HeadChanges};
pub use downstream::{Downstream, Protocol, RequestFacts};
pub use exchange::{Body, Slices};
pub use failure::{Answered, Failure, Party, Retry, Sent};
pub use fault::Fault;
pub use http1::{ClientOptions, Closed, HalfClose, Heard, Http1Client, Http1Server, Next, Refusal, ServerOptions};
pub use http2::{Came, Http2Call, Http2Client, Http2Driver, Http2Options, Http2Request, Http2Server};
pub use io::{Carrier, Io, Liveness, TlsStream};
pub use progress::Progress;
pub use pump::{Outcome, Pump, Second, Totals};
pub use recode::{Recode, Recoding, Unreadable};
pub use replay::Replay;
pub use upstream::Upstream;
