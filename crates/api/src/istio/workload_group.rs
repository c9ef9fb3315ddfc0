//! `WorkloadGroup`.

use crate::schema::message;

message! {
    /// `spec` of a `WorkloadGroup`.
    WorkloadGroup {
    }
}
