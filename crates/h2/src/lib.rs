//! HTTP/2 on the wire.

mod fields;
pub mod hpack;

pub use fields::{Field, Fields};
