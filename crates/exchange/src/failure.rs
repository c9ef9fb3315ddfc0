//! What is known of an exchange that failed.

use thiserror::Error;

use crate::Fault;

/// An exchange ended before both its messages had.
#[derive(Debug, Error)]
#[error("{party}: {fault} ({sent} sent, {answered} answered)")]
pub struct Failure {
    /// Who is at fault.
    pub party: Party,
    /// What happened.
    #[source]
    pub fault: Fault,
    /// How much of the request had gone upstream.
    pub sent: Sent,
    /// How much of an answer had come.
    pub answered: Answered,
}

/// A side of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The client.
    Downstream,
    /// The server.
    Upstream,
}

/// How much of a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sent {
    /// Not a byte.
    Nothing,
    /// A part of its head.
    PartOfHead,
    /// Its head, and nothing of its body.
    Head,
    /// Its head and a part of its body.
    PartOfBody,
    /// All of it.
    All,
}

/// How much of an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answered {
    /// Not a byte.
    Nothing,
    /// Something, but not its final head.
    Begun,
    /// Its final head.
    Head,
    /// All of it.
    All,
}

/// Whether a request may be sent again, to another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It was certainly not processed.
    Safe,
    /// It may have been processed: if its method is idempotent (RFC 9110 9.2.2), or its sender does not mind.
    IfIdempotent,
    /// An answer has begun, or nobody is there to be answered.
    Never,
}

impl Failure {
    /// What to answer a client that can still be answered. 499, which nginx coined, says that it has gone.
    pub fn status(&self) -> u16 {
        match (self.party, &self.fault) {
            (_, Fault::HeadTooLarge) if self.answered < Answered::Head => 431,
            (Party::Downstream, Fault::Malformed(rejected)) => rejected.status(),
            (Party::Downstream, Fault::Head(reason)) => reason.status(),
            (Party::Downstream, Fault::HeadHttp2(_) | Fault::Recoding(_)) => 400,
            (Party::Downstream, Fault::Switch) => 501,
            (Party::Downstream, _) => 499,
            (Party::Upstream, Fault::Gone | Fault::Io(_) | Fault::Reset(_) | Fault::Unprocessed) => 503,
            (Party::Upstream, _) => 502,
        }
    }

    /// Whether the request may be sent again, as far as the connections tell. Its body must be there still
    /// ([`Replay::is_possible`](crate::Replay::is_possible)).
    pub fn retry(&self) -> Retry {
        match (self.party, &self.fault, self.sent, self.answered) {
            (Party::Downstream, ..)
            | (_, Fault::Head(_) | Fault::HeadHttp2(_) | Fault::HeadTooLarge | Fault::Switch, ..) => Retry::Never,
            (_, Fault::Unprocessed, ..) | (_, _, Sent::Nothing, Answered::Nothing) => Retry::Safe,
            (.., Answered::Nothing) => Retry::IfIdempotent,
            (.., Answered::Begun | Answered::Head | Answered::All) => Retry::Never,
        }
    }
}

impl std::fmt::Display for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Downstream => "downstream",
            Self::Upstream => "upstream",
        })
    }
}

impl std::fmt::Display for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::PartOfHead => "a part of the head",
            Self::Head => "the head",
            Self::PartOfBody => "a part of the body",
            Self::All => "all",
        })
    }
}

impl std::fmt::Display for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Begun => "something",
            Self::Head => "the head",
            Self::All => "all",
        })
    }
}
