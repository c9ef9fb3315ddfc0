//! What may not come after content.

/// Whether a field of this name, in lower case, must not be a trailer: framing, routing, request modifiers, authentication,
/// control of responses, how to read the content (RFC 9110 6.5.1), and fields of the connection. The names are those of
/// our HTTP/1.1.
pub(crate) fn may_not_trail(name: &[u8]) -> bool {
    FORBIDDEN.binary_search_by(|forbidden| forbidden.as_bytes().cmp(name)).is_ok()
}

/// In order.
static FORBIDDEN: [&str; 43] = [
    "age",
    "authentication-info",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "warning",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_found() {
        assert!(FORBIDDEN.is_sorted());
        assert!(FORBIDDEN.iter().all(|name| may_not_trail(name.as_bytes())));
        for name in ["", "grpc-status", "grpc-message", "etag", "server-timing", "x", "age2", "ag"] {
            assert!(!may_not_trail(name.as_bytes()), "{name}");
        }
    }
}
