//! What a connection speaks, by its first bytes.

use std::{future::poll_fn, io, time::Duration};

use ripstop_exchange::Io;
use ripstop_tls::Buffer;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a client may be silent before it is taken for one that waits for its server, unless the mesh says so
/// (`protocolDetectionTimeout`).
pub const SILENCE: Duration = Duration::from_millis(100);
/// How long the first line, or the greeting of TLS, may take from its first byte.
const FIRST_LINE: Duration = Duration::from_secs(15);
/// The longest method. Registered ones have at most 17 bytes (RFC 9110 16.1.1).
const METHOD: usize = 32;
/// The beginning of every connection of HTTP/2 (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2, without TLS.
    Http2,
    /// TLS, with the server name that its client asks for.
    Tls(Option<String>),
    /// Nothing that is known here, or the client has ended its side.
    Other,
    /// The client was silent.
    Silent,
}

/// How long a silent client is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// That long: then it waits for its server to speak.
    Passes(Duration),
    /// As long as it takes: the port is declared as one whose client speaks first, or a policy looks at requests, which
    /// waiting must not be a way around.
    Waits,
}

/// Reads into `buffer`, which may hold the first bytes already, until it is clear what is spoken.
pub async fn detect(stream: &mut Io, buffer: &mut Buffer, silence: Silence) -> io::Result<Spoken> {
    if buffer.is_empty() {
        let first = poll_fn(|cx| stream.poll_read(cx, buffer));
        let read = match silence {
            Silence::Passes(limit) => match timeout(limit, first).await {
                Ok(read) => read?,
                Err(_) => return Ok(Spoken::Silent),
            },
            Silence::Waits => first.await?,
        };
        if read == 0 {
            return Ok(Spoken::Other);
        }
    }
    let deadline = Instant::now() + FIRST_LINE;
    loop {
        if let Some(spoken) = of(buffer.filled()) {
            return Ok(spoken);
        }
        if buffer.room() == 0 {
            return Ok(Spoken::Other);
        }
        match timeout_at(deadline, poll_fn(|cx| stream.poll_read(cx, buffer))).await {
            Ok(Ok(0)) | Err(_) => return Ok(Spoken::Other),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
        }
    }
}

/// What begins with these bytes; nothing: that can't be told yet.
fn of(bytes: &[u8]) -> Option<Spoken> {
    match bytes {
        [] | [0x16] => None,
        [0x16, 3, ..] => hello(bytes),
        _ if bytes.starts_with(PREFACE) => Some(Spoken::Http2),
        _ if PREFACE.starts_with(bytes) => None,
        _ => request_line(bytes),
    }
}

/// A request line (RFC 9112 3), or what may still become one.
fn request_line(bytes: &[u8]) -> Option<Spoken> {
    // Empty lines before a request are passed over (RFC 9112 2.2).
    let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let line = &bytes[begin..];
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let method = line.iter().take_while(|byte| is_token(byte)).count();
    if method == 0 || method > METHOD || line.get(method).is_some_and(|byte| *byte != b' ') {
        return Some(Spoken::Other);
    }
    let end = line.iter().position(|byte| *byte == b'\n')?;
    let line = line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]);
    let version = line.len().checked_sub(9).map(|at| &line[at..]);
    match version {
        Some([b' ', b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']) => Some(Spoken::Http1),
        _ => Some(Spoken::Other),
    }
}

/// The greeting of a TLS client, once it is complete.
fn hello(bytes: &[u8]) -> Option<Spoken> {
    let mut acceptor = rustls::server::Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        match acceptor.read_tls(&mut rest) {
            Ok(0) | Err(_) => return Some(Spoken::Other),
            Ok(_) => {}
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                return Some(Spoken::Tls(accepted.client_hello().server_name().map(str::to_ascii_lowercase)));
            }
            Err(_) => return Some(Spoken::Other),
        }
    }
    None
}

/// The first bytes of a client of TLS that wants to speak to that name.
#[cfg(test)]
pub(crate) fn client_hello(name: &'static str) -> Vec<u8> {
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut client = rustls::ClientConnection::new(std::sync::Arc::new(config), name.try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[cfg(test)]
mod tests;
