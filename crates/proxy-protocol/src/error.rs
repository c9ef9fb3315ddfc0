//! What is no header.

use thiserror::Error;

use crate::{LONGEST_V1, LONGEST_V2};

/// Why bytes are no header of the PROXY protocol. The sender is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Something else begins here.
    #[error(
        "the connection does not begin with a header of the PROXY protocol: is its sender a proxy that is told to send it?"
    )]
    NoHeader,
    /// The line does not end in time.
    #[error("a line of the PROXY protocol has more than {LONGEST_V1} bytes")]
    LineTooLong,
    /// The header is too long.
    #[error("a header of the PROXY protocol says that it has {0} bytes, at most {LONGEST_V2} are taken")]
    TooLong(usize),
    /// The family is not TCP over IPv4 or IPv6.
    #[error("a header of the PROXY protocol is of another family than TCP over IPv4 or IPv6")]
    Family,
    /// An address is none.
    #[error("an address in a header of the PROXY protocol is none")]
    Address,
    /// A port is none.
    #[error("a port in a header of the PROXY protocol is none")]
    Port,
    /// The line has fewer or more parts than it should have.
    #[error("a line of the PROXY protocol is not made of the parts that it should have")]
    Parts,
    /// The version is not known.
    #[error("a binary header of the PROXY protocol is of version {0}, only 2 is known")]
    Version(u8),
    /// The command is not known.
    #[error("a header of the PROXY protocol has the command {0}, only LOCAL and PROXY are known")]
    Command(u8),
    /// It is too short for its addresses.
    #[error("a header of the PROXY protocol is shorter than its addresses")]
    Short,
    /// What comes behind the addresses is broken.
    #[error("a field behind the addresses of a header of the PROXY protocol is longer than the header")]
    Field,
}
