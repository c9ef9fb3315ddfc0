//! `Telemetry`.

use crate::schema::message;

message! {
    /// `spec` of a `Telemetry`.
    Telemetry {
    }
}
