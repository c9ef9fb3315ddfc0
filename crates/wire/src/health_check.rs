//! A call of `grpc.health.v1.Health/Check`: its message, and what an answer says.

use std::fmt;

use prost::Message as _;

use crate::health::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus};

/// The path of the call.
pub const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// Why a server, or a service of it, is not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWell {
    /// It says so, or something that nobody knows.
    Status(i32),
    /// It says nothing of that kind.
    NoMessage,
}

/// Compressed or not, and the length.
const PREFIX: usize = 5;

/// The body that asks for `service`, framed as gRPC does it; empty: for the server as a whole.
pub fn health_question(service: &str) -> Vec<u8> {
    framed(&HealthCheckRequest { service: service.to_owned() }.encode_to_vec())
}

/// Whether the body of an answer, framed and whole, says that what was asked for is served.
///
/// # Errors
///
/// What it says else. Nothing is repaired: a compressed message, another length, anything behind it is none.
pub fn health_answer(framed: &[u8]) -> Result<(), NotWell> {
    let message = match framed.split_first_chunk::<PREFIX>() {
        Some(([0, length @ ..], message)) if usize::try_from(u32::from_be_bytes(*length)) == Ok(message.len()) => {
            message
        }
        _ => return Err(NotWell::NoMessage),
    };
    let answer = HealthCheckResponse::decode(message).map_err(|_| NotWell::NoMessage)?;
    if answer.status == ServingStatus::Serving as i32 { Ok(()) } else { Err(NotWell::Status(answer.status)) }
}

/// A message as gRPC frames it, not compressed.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], message].concat()
}

// === impl NotWell ===

impl fmt::Display for NotWell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMessage => f.write_str("no message of a health service"),
            Self::Status(status) => match ServingStatus::try_from(*status) {
                Ok(known) => f.write_str(known.as_str_name()),
                Err(_) => write!(f, "serving status {status}"),
            },
        }
    }
}

#[cfg(test)]
mod tests;
