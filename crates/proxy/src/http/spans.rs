//! Which trace a request belongs to.

use ripstop_decide::Target;
use ripstop_telemetry::{
    Headers,
    trace_context::{Incoming, Propagation, RandomBits, Span},
};

use crate::{
    outbound::random,
    sight::{RequestSight, Tracing},
    worker::Context,
};

/// The proxy's part in a trace.
pub(super) struct Begun {
    /// Its span.
    pub(super) span: Span,
    /// Which headers tell of it.
    pub(super) propagation: Propagation,
    /// What was called, as Istio names a server's spans: `HOST:PORT/*`.
    pub(super) operation: String,
}

/// The span of a request to `target` that came with `headers`; nothing: nobody traces it, and what it brings passes as
/// it is.
pub(super) fn begin(context: &Context, sight: &RequestSight, target: &Target, headers: &dyn Headers) -> Option<Begun> {
    let Tracing { propagation, share } = context.recorder.tracing(sight)?;
    #[expect(clippy::cast_possible_truncation, reason = "half of the random bits are enough")]
    let bits = RandomBits {
        trace: (u128::from(random()) << 64 | u128::from(random())).to_be_bytes(),
        span: random().to_be_bytes(),
        choice: random() as u32,
    };
    let span = Span::begin(Incoming::read(headers, propagation), share, bits);
    let backend = &target.backend;
    let operation = format!("{}:{}/*", backend.host, backend.port.unwrap_or_default());
    Some(Begun { span, propagation, operation })
}
