//! How long a request and each of its attempts may take.
//!
//! As Istio configures Envoy: no timeout unless the rule has one; for calls of gRPC it is what `grpc-timeout` says, up
//! to the rule's. A caller's own proxy obeys its `x-envoy-upstream-rq-timeout-ms`, which beats both (0: none), and its
//! `x-envoy-upstream-rq-per-try-timeout-ms`; see [`origin`](super::origin). A timeout counts from the end of the request
//! and ends the whole of it, retries included.
//!
//! Deadlines go on from hop to hop. What a proxy has told of the time that is left (`x-envoy-expected-rq-timeout-ms`) is
//! an upper bound at the next one. For calls of an application that hands it on, as it hands on headers of a trace, it
//! shortens the time that they have, and gives none an end that has none: what an application streams is not cut for it.
//! Envoy can do so (`respect_expected_rq_timeout`); Istio does not ask it to. Nobody outside of the mesh is heard.

use std::time::Duration;

use ripstop_model::{HttpRule, ProxyHeader, ProxyHeaders};

use super::{Request, edits::Edits, grpc, origin::Origin, retry::Retries};

/// Timeouts of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the request with all its attempts.
    pub whole: Option<Duration>,
    /// For each attempt; always shorter than the whole.
    pub per_try: Option<Duration>,
    /// Whether it is a call of gRPC, whose server is told.
    pub protocol: Protocol,
    /// Who says how long the whole may take.
    pub by: By,
    /// Who says how long an attempt may take.
    pub by_try: By,
}

/// Who says how long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Its rule, or nobody; or a caller that is as patient as anybody ([`PATIENT`]).
    Rule,
    /// Whoever calls, and it is less than the rule grants, and little.
    Caller,
}

/// What is spoken above HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Nothing that is known.
    Plain,
    /// gRPC.
    Grpc,
}

// === impl Timeouts ===

impl Timeouts {
    /// Of a request that a rule, or none, sends on.
    pub fn of(request: &Request<'_>, origin: Origin, rule: Option<&HttpRule>, retries: &Retries<'_>) -> Self {
        let of_rule = rule.and_then(|rule| rule.timeout);
        let protocol = if request.is_grpc() { Protocol::Grpc } else { Protocol::Plain };
        let asked = match protocol {
            Protocol::Grpc => request.headers.first("grpc-timeout").and_then(grpc::timeout),
            Protocol::Plain => None,
        };
        let whole = asked.into_iter().chain(of_rule).min();
        let shaping = origin.shaping(request.headers);
        let asked = shaping.number("x-envoy-upstream-rq-timeout-ms");
        let is_shortened = origin == Origin::Mesh || (asked.is_none() && whole.is_some());
        let whole = asked.map_or(whole, some);
        let whole = whole.into_iter().chain(deadline(request, origin).filter(|_| is_shortened)).min();
        let by = By::of(whole, of_rule);
        let of_rule = retries.per_try_timeout;
        let per_try = shaping.number("x-envoy-upstream-rq-per-try-timeout-ms").map_or(of_rule, some);
        let by_try = By::of(per_try, of_rule);
        // One that could never end before the whole is none.
        let per_try = per_try.filter(|per_try| whole.is_none_or(|whole| *per_try < whole));
        Self { whole, per_try, protocol, by, by_try }
    }

    /// What is left of the whole after `elapsed`; zero: it is over.
    pub fn left(&self, elapsed: Duration) -> Option<Duration> {
        self.whole.map(|whole| whole.saturating_sub(elapsed))
    }

    /// How long an attempt that begins after `elapsed` may take.
    pub fn of_attempt(&self, elapsed: Duration) -> Option<Duration> {
        self.per_try.into_iter().chain(self.left(elapsed)).min()
    }

    /// Whether whoever did not answer within `elapsed` is to blame: not if its caller had hardly any time for it. Else
    /// callers could have endpoints ejected that are well.
    pub fn blames(&self, elapsed: Duration) -> bool {
        let is_over = self.left(elapsed).is_some_and(|left| left.is_zero());
        By::Rule == if is_over { self.by } else { self.by_try }
    }

    /// Tells the server how long it has, for an attempt that begins after `elapsed`: in
    /// `x-envoy-expected-rq-timeout-ms`, as far as proxies write such `headers`, and to one of gRPC in `grpc-timeout`.
    pub(super) fn tell(&self, elapsed: Duration, headers: &ProxyHeaders, edits: &mut Edits<'_>) {
        let Some(time) = self.of_attempt(elapsed) else { return };
        // Zero would mean that there is no end.
        let milliseconds = u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1);
        if headers.writes(ProxyHeader::Explanations) {
            edits.set(EXPECTED, super::edits::Text::number(milliseconds));
        }
        if self.protocol == Protocol::Grpc {
            edits.set("grpc-timeout", grpc::timeout_text(milliseconds));
        }
    }
}

// === impl By ===

impl By {
    /// Of a time, and what the rule grants.
    fn of(time: Option<Duration>, granted: Option<Duration>) -> Self {
        let is_short = |time: Duration| time < PATIENT && granted.is_none_or(|granted| time < granted);
        if time.is_some_and(is_short) { Self::Caller } else { Self::Rule }
    }
}

/// What is left of the time of which the proxy before has told.
fn deadline(request: &Request<'_>, origin: Origin) -> Option<Duration> {
    if origin.is_outside() {
        return None;
    }
    let told = request.headers.first(EXPECTED)?;
    some(std::str::from_utf8(told).ok()?.trim().parse().ok()?)
}

/// Whoever does not answer for so long is to blame, whatever the rule grants: else nobody would be ejected that hangs,
/// where callers have deadlines.
const PATIENT: Duration = Duration::from_secs(1);
/// Field by which a proxy tells how long it waits, in milliseconds.
const EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";

/// Zero is none.
fn some(milliseconds: u64) -> Option<Duration> {
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests;
