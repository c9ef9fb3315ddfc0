//! What the driver and the server say to one another: HTTP/1.1, as far as both ends need it.
//!
//! Proxies that understand HTTP may add, drop and rewrite headers, so heads are read to their end
//! and never compared. What a request asks for, and the body of an answer, must arrive as they are.

use anyhow::{Context, Result, bail, ensure};

/// Size of a request as it leaves the driver, in bytes.
pub const REQUEST_SIZE: usize = 128;
/// Size of the body of an answer, in bytes.
pub const BODY_SIZE: usize = 128;
/// Longest head, or head and body, that either end takes, in bytes.
pub const LONGEST: usize = 4096;

/// Answers requests until the caller ends.
pub const EXCHANGE_PORT: u16 = 9000;
/// Answers one request and ends the connection first.
pub const SINGLE_PORT: u16 = 9001;
/// Takes a stream to its end and answers with its length, 8 bytes, big end first.
pub const SINK_PORT: u16 = 9002;
/// Answers unary calls of gRPC.
pub const CALL_PORT: u16 = 9003;
/// All of them.
pub const PORTS: [u16; 4] = [EXCHANGE_PORT, SINGLE_PORT, SINK_PORT, CALL_PORT];

/// What is called.
pub const CALL_PATH: &str = "/bench.Calls/Unary";
/// What a message of gRPC begins with: not compressed, and its length.
pub const CALL_PREFIX: [u8; 5] = [0, 0, 0, 0, 128];
/// A message of either direction, 128 bytes as protobuf has them: field 1, a string.
pub const CALL_MESSAGE: [u8; 128] = call_message();

/// How a request begins, whoever has passed it on.
const METHOD: &[u8] = b"GET /";
/// How an answer begins.
const STATUS: &[u8] = b"HTTP/1.1 200 ";
/// What ends a head.
const END: &[u8] = b"\r\n\r\n";
/// The body of every answer.
const BODY: [u8; BODY_SIZE] = [b'-'; BODY_SIZE];

/// Whether a connection ends with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// More may follow.
    KeepAlive,
    /// Nothing follows.
    Close,
}

// === impl Persistence ===

impl Persistence {
    /// A request, to `server` by the short name that it has in each of the namespaces: sidecars go by it.
    pub fn request(self) -> &'static [u8; REQUEST_SIZE] {
        match self {
            Self::KeepAlive => {
                b"GET /exchange HTTP/1.1\r\nhost: server:9000\r\nuser-agent: bench\r\nx-padding: ---------------------------------------------------\r\n\r\n"
            }
            Self::Close => {
                b"GET /single HTTP/1.1\r\nhost: server:9001\r\nuser-agent: bench\r\nconnection: close\r\nx-padding: ----------------------------------\r\n\r\n"
            }
        }
    }

    /// Its answer.
    pub fn response(self) -> Vec<u8> {
        let connection = match self {
            Self::KeepAlive => "",
            Self::Close => "connection: close\r\n",
        };
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {BODY_SIZE}\r\n{connection}\r\n");
        [head.as_bytes(), &BODY].concat()
    }
}

const fn call_message() -> [u8; 128] {
    let mut message = [b'-'; 128];
    (message[0], message[1]) = (0x0a, 126);
    message
}

/// Length of the request that `bytes` begin with; nothing while it is not whole.
pub fn request_in(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(head) = head_in(bytes) else { return unfinished(bytes) };
    ensure!(bytes.starts_with(METHOD), "another request than ours: {}", bytes[..head].escape_ascii());
    Ok(Some(head))
}

/// Length of the answer that `bytes` begin with; nothing while it is not whole.
pub fn response_in(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(head) = head_in(bytes) else { return unfinished(bytes) };
    let told = || bytes[..head].escape_ascii();
    ensure!(bytes.starts_with(STATUS), "another answer than 200: {}", told());
    let length = content_length(&bytes[..head]).with_context(|| format!("an answer of unknown length: {}", told()))?;
    ensure!(length == BODY_SIZE, "an answer of {length} bytes: {}", told());
    let Some(body) = bytes.get(head..head + length) else { return unfinished(bytes) };
    ensure!(body == BODY, "another body than ours: {}", body.escape_ascii());
    Ok(Some(head + length))
}

/// Where the body begins.
fn head_in(bytes: &[u8]) -> Option<usize> {
    bytes.windows(END.len()).position(|window| window == END).map(|at| at + END.len())
}

fn unfinished(bytes: &[u8]) -> Result<Option<usize>> {
    if bytes.len() >= LONGEST {
        bail!("a message without end: {}…", bytes[..128.min(bytes.len())].escape_ascii());
    }
    Ok(None)
}

fn content_length(head: &[u8]) -> Option<usize> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let value = name.eq_ignore_ascii_case(b"content-length").then(|| value[1..].trim_ascii())?;
        std::str::from_utf8(value).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests;
