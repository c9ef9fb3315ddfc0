//! gRPC-Web on the wire (gRPC's `PROTOCOL-WEB`): calls of gRPC as browsers can make them, who see no trailers.
//!
//! Messages are framed as in gRPC. Trailers come as one more frame at the end of an answer's body, which [`trailers`] writes.
//! Both bodies may be in base64, if their [`MediaType`] says so: a [`Decoder`] reads it, [`encode`] writes it. Nothing is
//! repaired: what is not exactly base64 is [`Malformed`]. No I/O, no clock; a decoder keeps three bytes at most.

mod base64;
mod error;
mod media_type;
mod trailers;

pub use self::{
    base64::{Decoder, encode},
    error::Malformed,
    media_type::{Coding, MediaType},
    trailers::trailers,
};

/// The flag of a frame of trailers.
pub const TRAILERS: u8 = 0x80;
