//! What an operator finds in an exchange.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

use super::{clock::Clock, sink::Sink};
use crate::{
    response_flags::{FlagNames, ResponseFlags},
    trace_context::TraceId,
};

/// What stands where a credential was.
const REDACTED: &str = "[redacted]";

/// A value, not yet printed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// There is none.
    Missing,
    /// A number, also in JSON.
    Number(u64),
    /// A number that is the text of a header: in JSON it stays a text.
    Digits(u64),
    /// Text from anywhere.
    Bytes(&'a [u8]),
    /// Text whose blanks become underscores, so that it stays one word.
    Word(&'a str),
    /// Path and query.
    Path(&'a str),
    /// A name that a client asked for.
    ServerName(&'a str),
    /// Something that must not be told.
    Credential,
    Address(SocketAddr),
    Ip(IpAddr),
    Flags(ResponseFlags, FlagNames),
    Time(&'a Clock, SystemTime),
    Trace(TraceId),
}

// === impl Value ===

impl<'a> Value<'a> {
    /// A text, unless it is empty.
    pub fn text(text: &'a str) -> Self {
        if text.is_empty() { Self::Missing } else { Self::Bytes(text.as_bytes()) }
    }

    /// Prints it; nothing if it is missing.
    pub fn print(self, sink: &mut Sink<'_>) {
        // A sink takes everything.
        let _ = match self {
            Self::Missing => Ok(()),
            Self::Number(number) | Self::Digits(number) => write!(sink, "{number}"),
            Self::Bytes(bytes) => {
                sink.bytes(bytes);
                Ok(())
            }
            Self::Word(text) => {
                for c in text.chars() {
                    let c = if c.is_whitespace() { '_' } else { c };
                    sink.text(c.encode_utf8(&mut [0; 4]));
                }
                Ok(())
            }
            Self::Path(path) => {
                print_path(path, sink);
                Ok(())
            }
            Self::ServerName(name) => {
                print_server_name(name, sink);
                Ok(())
            }
            Self::Credential => write!(sink, "{REDACTED}"),
            Self::Address(address) => write!(sink, "{address}"),
            Self::Ip(ip) => write!(sink, "{ip}"),
            Self::Flags(flags, names) => write!(sink, "{}", flags.printed(names)),
            Self::Time(clock, time) => clock.write(time, sink),
            Self::Trace(trace) => write!(sink, "{trace}"),
        };
    }
}

/// Prints path and query without access tokens: Istio takes JWTs from that parameter.
fn print_path(path: &str, sink: &mut Sink<'_>) {
    let Some((path, query)) = path.split_once('?') else {
        return sink.text(path);
    };
    sink.text(path);
    for (index, parameter) in query.split('&').enumerate() {
        sink.text(if index == 0 { "?" } else { "&" });
        match parameter.split_once('=') {
            Some((name, _)) if name.eq_ignore_ascii_case("access_token") => {
                sink.text(name);
                sink.text("=");
                sink.text(REDACTED);
            }
            _ => sink.text(parameter),
        }
    }
}

/// Prints a server name as Envoy does: what is no host name is marked, and what does not belong into one
/// becomes `_`. Istio's own names have underscores.
fn print_server_name(name: &str, sink: &mut Sink<'_>) {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.chars().all(fits) {
        return sink.text(name);
    }
    sink.text("invalid:");
    for c in name.chars() {
        let c = if fits(c) { c } else { '_' };
        sink.text(c.encode_utf8(&mut [0; 4]));
    }
}
