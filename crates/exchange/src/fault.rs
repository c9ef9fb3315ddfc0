//! What ends an exchange before its end.

use std::io;

use ripstop_h1::{Reason, Rejected};
use ripstop_h2::Code;
use thiserror::Error;

/// Why a message could not be read or sent to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The peer ended the connection in the middle of a message, or before it began one that was due.
    #[error("the peer ended the connection")]
    Gone,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// What the peer said is no HTTP, or no message that may be forwarded.
    #[error("{0}")]
    Malformed(#[from] Rejected),
    /// The stream was reset: by the peer, or by us for what the peer did.
    #[error("the stream was reset ({0})")]
    Reset(Code),
    /// The peer has not looked at the request (REFUSED_STREAM, or above the last stream of its GOAWAY).
    #[error("the peer did not process the request")]
    Unprocessed,
    /// A head can't be written as it would have to be.
    #[error("the head can't be written: {0}")]
    Head(#[from] Reason),
    /// A head can't be written by HTTP/2.
    #[error("the head can't be written: {0}")]
    HeadHttp2(#[from] ripstop_h2::Malformed),
    /// A head is larger than its recipient takes.
    #[error("the head is larger than its recipient takes")]
    HeadTooLarge,
    /// The answer to who asked for another protocol can't be passed on: the other side has not asked for one or can't
    /// switch, or would take an answer without a switch for one.
    #[error("the switch to another protocol, or its refusal, can't be passed on")]
    Switch,
    /// The body can't be written anew as it would have to be.
    #[error("{0}")]
    Recoding(String),
}
