//! What can be wrong with a resource.

use thiserror::Error;

/// A resource that cannot be understood. The message names the resource and the field.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum DecodeError {
    /// The bytes are not a message of the type.
    #[error("resource {resource:?} of {type_url} is not a valid protobuf message: {source}")]
    Protobuf {
        /// Its type.
        type_url: &'static str,
        /// Its name.
        resource: String,
        /// What the decoder met.
        source: prost::DecodeError,
    },
    /// A field holds what it must not.
    #[error("resource {resource:?} of {type_url}: field {field}: {reason}")]
    Field {
        /// Its type.
        type_url: &'static str,
        /// Its name.
        resource: String,
        /// Path of the field inside the message.
        field: String,
        /// What is wrong with it, and what is expected.
        reason: String,
    },
    /// The name of the resource does not fit what it holds, or is of no known form.
    #[error("resource {resource:?} of {type_url}: {reason}")]
    Name {
        /// Its type.
        type_url: &'static str,
        /// Its name.
        resource: String,
        /// What is wrong with it, and what is expected.
        reason: String,
    },
}
