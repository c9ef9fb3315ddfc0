//! `MeshConfig`.

use crate::schema::message;

message! {
    /// `spec` of a `MeshConfig`.
    MeshConfig {
    }
}
