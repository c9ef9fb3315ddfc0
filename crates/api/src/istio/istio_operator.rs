//! `IstioOperator`.

use crate::schema::message;

message! {
    /// `spec` of a `IstioOperator`.
    IstioOperator {
    }
}
