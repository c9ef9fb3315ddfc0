//! Why something is no gRPC-Web.

use thiserror::Error;

/// Why something is no gRPC-Web.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A byte that base64 has not, or has not there.
    #[error("the body is not in base64: it has the byte {0:#04x} where that may not be")]
    Byte(u8),
    /// Four characters that could be written otherwise.
    #[error("the body is not in base64 as it is written: bits are set that nothing stands for")]
    Loose,
    /// It ends in the middle of four characters.
    #[error("the body in base64 is cut off")]
    Cut,
    /// A field of trailers that can't be told.
    #[error("a trailer can't be told in a body: it has a line break, or no name")]
    Trailer,
    /// Trailers that are too long to be told.
    #[error("the trailers are too long")]
    TooLong,
}
