//! What is to be done.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use rustls::ClientConfig;

use crate::Target;

/// What is sent where, how fast, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to; requests are shared out by their weights. At least one.
    pub targets: Vec<Target>,
    /// The host and port that is connected to instead of those of the targets, which still say what is asked for.
    pub connect_to: Option<(String, u16)>,
    /// What is sent.
    pub message: Message,
    /// By which protocol.
    pub protocol: Protocol,
    /// When.
    pub pace: Pace,
    /// Connections to each server.
    pub connections: NonZeroU32,
    /// Requests at once on a connection. More than one needs HTTP/2.
    pub streams: NonZeroU32,
    /// How long a connection lasts.
    pub reuse: Reuse,
    /// How long requests are sent before they count.
    pub warm_up: Duration,
    /// When it is over.
    pub length: Length,
    /// What a request, and connecting, may take. What takes longer has failed.
    pub timeout: Duration,
    /// A field of answers, in lower case, by whose value they are counted, too.
    pub by: Option<String>,
    /// TLS to targets that want it, without application protocols: those follow from `protocol`.
    pub tls: Option<Arc<ClientConfig>>,
    /// Threads that send.
    pub workers: NonZeroUsize,
}

/// A request, but for where it goes.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its method, a token.
    pub method: String,
    /// Fields beside those of the connection and the framing, names in lower case.
    pub fields: Vec<(String, String)>,
    /// Its body; of gRPC the encoded message, without its prefix.
    pub body: Vec<u8>,
}

/// How requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, with prior knowledge or by ALPN.
    Http2,
    /// gRPC: unary calls. Their status counts, too.
    Grpc,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each place sends its next once the last is answered.
    Closed,
    /// So many a second, whatever becomes of them.
    Open {
        /// Requests a second, of all connections together; more than 0.
        rate: f64,
    },
}

/// How long a connection lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// As long as the server lets it.
    #[default]
    Kept,
    /// One request. Connecting counts as part of it.
    Fresh,
}

/// When it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// After this time; what is under way then may still end.
    Time(Duration),
    /// After so many requests.
    Requests(u64),
}

// === impl Plan ===

impl Plan {
    /// Places of virtual users, each of whom sends one request after the other.
    pub(crate) fn places(&self) -> usize {
        self.connections.get() as usize * self.streams.get() as usize
    }
}

// === impl Protocol ===

impl Protocol {
    /// Whether it goes by HTTP/2.
    pub fn is_http2(self) -> bool {
        self != Self::Http1
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Ten GETs of nowhere.
    pub(crate) fn plan() -> Plan {
        Plan {
            targets: vec!["http://127.0.0.1:1/".parse().unwrap()],
            connect_to: None,
            message: Message { method: "GET".into(), fields: Vec::new(), body: Vec::new() },
            protocol: Protocol::Http1,
            pace: Pace::Closed,
            connections: NonZeroU32::MIN,
            streams: NonZeroU32::MIN,
            reuse: Reuse::Kept,
            warm_up: Duration::ZERO,
            length: Length::Requests(10),
            timeout: Duration::from_secs(10),
            by: None,
            tls: None,
            workers: NonZeroUsize::MIN,
        }
    }
}
