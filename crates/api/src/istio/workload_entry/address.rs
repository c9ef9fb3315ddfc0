//! Addresses of endpoints: IP addresses, names and Unix sockets.

use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    istio::host::is_address,
};

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// An IP address.
    Ip,
    /// `unix://` and the path of a socket, or `@` and an abstract name.
    Unix,
    /// Anything else: a name, if it is spelled as one.
    Name,
}

const UNIX: &str = "unix://";

// === impl Address ===

impl Address {
    /// By its spelling.
    pub(crate) fn of(text: &str) -> Self {
        if text.starts_with(UNIX) {
            Self::Unix
        } else if is_address(text) {
            Self::Ip
        } else {
            Self::Name
        }
    }
}

/// Reports a `unix://` address without the absolute path of a file, or `@` and an abstract name.
pub(crate) fn check_socket(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    let path = text.strip_prefix(UNIX).unwrap_or(text);
    let why = if path.is_empty() {
        "it is empty"
    } else if !path.starts_with(['/', '@']) {
        "it is relative"
    } else if path.ends_with('/') {
        "it is a directory"
    } else if path.contains(char::is_control) {
        "it has a control character"
    } else {
        return;
    };
    let message = format!("{} has no path of a socket: {why}", quoted(text));
    decoder.report(code::BAD_ADDRESS, field, message, "write it like `unix:///path/to/socket`, or `unix://@name`");
}
