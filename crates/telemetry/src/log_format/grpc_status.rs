//! gRPC's status codes as formats write them.

use super::value::Value;

/// How a status code is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum GrpcNames {
    /// `InvalidArgument`
    Camel,
    /// `INVALID_ARGUMENT`
    Snake,
    /// `3`
    Number,
}

/// gRPC's status codes, by number.
const GRPC: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

// === impl GrpcNames ===

impl GrpcNames {
    pub fn value<'a>(self, status: u16) -> Value<'a> {
        let names = GRPC.get(usize::from(status));
        match (self, names) {
            (Self::Camel, Some((camel, _))) => Value::text(camel),
            (Self::Snake, Some((_, snake))) => Value::text(snake),
            // Also what no name is known for.
            _ => Value::Number(status.into()),
        }
    }
}
