//! What outlier detection learns of answers.

use ripstop_balance::Outcome;
use ripstop_telemetry::Headers;

/// Of an answer with that status; `grpc` is the status of gRPC of a call that ended with one.
pub fn outcome(status: u16, grpc: Option<u16>) -> Outcome {
    match grpc.filter(|_| status == 200) {
        Some(grpc) => Outcome::Status(http_status(grpc)),
        None => Outcome::Status(status),
    }
}

/// As [`outcome`], of an answer with those fields: who says that it has enough to do is not ill.
pub fn outcome_of(status: u16, grpc: Option<u16>, headers: &impl Headers) -> Outcome {
    match headers.first("x-envoy-overloaded") {
        Some(_) if matches!(status, 200 | 503) => Outcome::Overloaded,
        _ => outcome(status, grpc),
    }
}

/// Whether an answer with that status, and that of gRPC if its head says one, is a failure of whoever gives it: a quick one
/// does not make it fast, nor a good one.
pub fn is_failure(status: u16, grpc: Option<u16>) -> bool {
    matches!(status, 429 | 500..=599) || matches!(grpc, Some(4 | 8 | 13 | 14))
}

/// The status of HTTP that a status of gRPC stands for, as outlier detection counts it (Envoy).
fn http_status(grpc: u16) -> u16 {
    match grpc {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

#[cfg(test)]
mod tests;
