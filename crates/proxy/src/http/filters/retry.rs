//! Whether a request is tried once more.

use std::{borrow::Cow, time::Duration};

use ripstop_balance::Backoff;
use ripstop_exchange::{Answered, Failure, Fault, Party, Retry, Sent};
use ripstop_model::RetryPolicy;
use ripstop_telemetry::Headers;

use super::origin::Shaping;

/// How one request is retried: as its rule says, or else the mesh's default, and as its caller asks.
#[derive(Clone, Debug)]
pub struct Retries<'a> {
    /// Further attempts at most.
    pub attempts: u32,
    /// For each attempt; nothing: the request's timeout. Not yet what the caller asks for; see
    /// [`Timeouts`](super::timeout::Timeouts).
    pub per_try_timeout: Option<Duration>,
    /// Whether endpoints of other localities are tried.
    pub remote_localities: bool,
    /// Whether endpoints that were tried are avoided; nothing: yes, unless a hash picks them.
    pub ignore_previous_hosts: Option<bool>,
    conditions: Conditions,
    status_codes: Cow<'a, [u16]>,
    /// Names of fields, separated by commas.
    header_names: &'a str,
    backoff: Backoff,
}

/// Conditions, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conditions(u16);

/// How an attempt ended.
#[derive(Clone, Copy)]
pub enum Attempt<'a> {
    /// With an answer. The status of gRPC counts if the head says it, as it does where there is nothing else to say.
    Answer {
        /// Its status.
        status: u16,
        /// Its fields.
        headers: &'a dyn Headers,
    },
    /// In the middle.
    Failed(&'a Failure),
    /// No connection could be had, in time or at all.
    NotConnected,
    /// It took longer than one attempt may.
    TimedOut {
        /// How much of the request had gone upstream.
        sent: Sent,
    },
    /// A limit of the backend did not let it begin.
    Overflow,
}

/// What comes after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another one, after that pause.
    Again(Duration),
    /// It would be tried again, but has been often enough: `URX`.
    Exhausted,
    /// That was it.
    Done,
}

// === impl Conditions ===

impl Conditions {
    const NONE: Self = Self(0);
    const SERVER_ERROR: Self = Self(1);
    const GATEWAY_ERROR: Self = Self(1 << 1);
    const RESET: Self = Self(1 << 2);
    const RESET_BEFORE_REQUEST: Self = Self(1 << 3);
    const CONNECT_FAILURE: Self = Self(1 << 4);
    const RETRIABLE_4XX: Self = Self(1 << 5);
    const REFUSED_STREAM: Self = Self(1 << 6);
    const STATUS_CODES: Self = Self(1 << 7);
    const HEADERS: Self = Self(1 << 8);
    const RATE_LIMITED: Self = Self(1 << 9);
    const CANCELLED: Self = Self(1 << 10);
    const DEADLINE_EXCEEDED: Self = Self(1 << 11);
    const INTERNAL: Self = Self(1 << 12);
    const RESOURCE_EXHAUSTED: Self = Self(1 << 13);
    const UNAVAILABLE: Self = Self(1 << 14);

    /// Envoy's word for it. `http3-post-connect-failure` can't happen here, and other words mean nothing.
    fn named(word: &str) -> Self {
        match word {
            "5xx" => Self::SERVER_ERROR,
            "gateway-error" => Self::GATEWAY_ERROR,
            "reset" => Self::RESET,
            "reset-before-request" => Self::RESET_BEFORE_REQUEST,
            "connect-failure" => Self::CONNECT_FAILURE,
            "retriable-4xx" => Self::RETRIABLE_4XX,
            "refused-stream" => Self::REFUSED_STREAM,
            "retriable-status-codes" => Self::STATUS_CODES,
            "retriable-headers" => Self::HEADERS,
            "envoy-ratelimited" => Self::RATE_LIMITED,
            "cancelled" => Self::CANCELLED,
            "deadline-exceeded" => Self::DEADLINE_EXCEEDED,
            "internal" => Self::INTERNAL,
            "resource-exhausted" => Self::RESOURCE_EXHAUSTED,
            "unavailable" => Self::UNAVAILABLE,
            _ => Self::NONE,
        }
    }

    /// The condition that a status of gRPC fulfils.
    fn grpc(status: u16) -> Self {
        match status {
            1 => Self::CANCELLED,
            4 => Self::DEADLINE_EXCEEDED,
            8 => Self::RESOURCE_EXHAUSTED,
            13 => Self::INTERNAL,
            14 => Self::UNAVAILABLE,
            _ => Self::NONE,
        }
    }

    fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    fn has(self, any_of: Self) -> bool {
        self.0 & any_of.0 != 0
    }

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

// === impl Retries ===

impl<'a> Retries<'a> {
    /// As `policy` says, the rule's or else the mesh's default, and as the caller asks.
    pub fn of(policy: &'a RetryPolicy, shaping: Shaping<'a>) -> Self {
        let mut retries = Self {
            attempts: policy.attempts,
            per_try_timeout: policy.per_try_timeout,
            remote_localities: policy.remote_localities,
            ignore_previous_hosts: policy.ignore_previous_hosts,
            conditions: Conditions::NONE,
            status_codes: Cow::Borrowed(&policy.status_codes),
            header_names: shaping.text("x-envoy-retriable-header-names").unwrap_or_default(),
            backoff: Backoff::from(policy),
        };
        policy.on.iter().for_each(|word| retries.retry_on(word));
        for name in ["x-envoy-retry-on", "x-envoy-retry-grpc-on"] {
            words(shaping.text(name).unwrap_or_default()).for_each(|word| retries.retry_on(word));
        }
        let codes = words(shaping.text("x-envoy-retriable-status-codes").unwrap_or_default());
        codes.filter_map(|code| code.parse().ok()).for_each(|code| retries.status_codes.to_mut().push(code));
        if let Some(attempts) = shaping.number("x-envoy-max-retries") {
            retries.attempts = attempts;
        }
        retries
    }

    /// A bare number is a status code.
    fn retry_on(&mut self, word: &str) {
        if let Ok(code) = word.parse() {
            self.status_codes.to_mut().push(code);
            self.conditions.add(Conditions::STATUS_CODES);
        } else {
            self.conditions.add(Conditions::named(word));
        }
    }

    /// Whether there can be any further attempt, for which the request has to be kept.
    pub fn is_possible(&self) -> bool {
        self.attempts > 0 && self.conditions != Conditions::NONE
    }

    /// Whether the conditions ask for another attempt.
    ///
    /// As Envoy, with one difference: a connection that is found closed before anything was sent over it is a connect
    /// failure, since the request can't have been processed; Envoy sees the end of a connection there.
    pub fn should_retry(&self, attempt: Attempt<'_>) -> bool {
        match attempt {
            Attempt::Answer { status, headers } => self.answered(status, headers),
            Attempt::NotConnected => self.ended(Conditions::CONNECT_FAILURE, Sent::Nothing),
            Attempt::TimedOut { sent } => self.ended(Conditions::NONE, sent),
            Attempt::Overflow => false,
            Attempt::Failed(failure) => {
                if failure.party == Party::Downstream || failure.retry() == Retry::Never {
                    return false;
                }
                let also = match (&failure.fault, failure.sent, failure.answered) {
                    (Fault::Unprocessed, ..) => Conditions::REFUSED_STREAM,
                    (_, Sent::Nothing, Answered::Nothing) => Conditions::CONNECT_FAILURE,
                    _ => Conditions::NONE,
                };
                self.ended(also, failure.sent)
            }
        }
    }

    /// What comes after an attempt, the `made`-th retry (0: the first attempt). The pause is random.
    pub fn next(&self, made: u32, attempt: Attempt<'_>, random: u64) -> Next {
        if !self.should_retry(attempt) {
            Next::Done
        } else if made >= self.attempts {
            // A request that is never tried again has not been tried too often.
            if self.attempts == 0 { Next::Done } else { Next::Exhausted }
        } else {
            Next::Again(self.pause(made, random))
        }
    }

    /// The pause before the retry after the `made`-th. It is random.
    pub fn pause(&self, made: u32, random: u64) -> Duration {
        self.backoff.delay(made + 1, random)
    }

    /// An attempt ended without an answer: `also` counts beside what every such end is.
    fn ended(&self, also: Conditions, sent: Sent) -> bool {
        const ANY: Conditions = Conditions::RESET.or(Conditions::SERVER_ERROR).or(Conditions::GATEWAY_ERROR);
        let before = if sent == Sent::Nothing { Conditions::RESET_BEFORE_REQUEST } else { Conditions::NONE };
        self.conditions.has(ANY.or(also).or(before))
    }

    fn answered(&self, status: u16, headers: &dyn Headers) -> bool {
        if headers.first("x-envoy-ratelimited").is_some() {
            return self.conditions.has(Conditions::RATE_LIMITED);
        }
        let mut met = match status {
            502..=504 => Conditions::SERVER_ERROR.or(Conditions::GATEWAY_ERROR),
            500..=599 => Conditions::SERVER_ERROR,
            409 => Conditions::RETRIABLE_4XX,
            _ => Conditions::NONE,
        };
        if self.status_codes.contains(&status) {
            met.add(Conditions::STATUS_CODES);
        }
        if words(self.header_names).any(|name| headers.first(&name.to_ascii_lowercase()).is_some()) {
            met.add(Conditions::HEADERS);
        }
        let grpc = headers.first("grpc-status").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        met.add(grpc.map_or(Conditions::NONE, Conditions::grpc));
        self.conditions.has(met)
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests;
