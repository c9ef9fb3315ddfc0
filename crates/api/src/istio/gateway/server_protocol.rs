//! What a server of a gateway speaks.

use super::ServerPort;

/// `protocol` of a port; it is written in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerProtocol {
    /// HTTP/1.1 and HTTP/2.
    Http,
    /// HTTP over TLS.
    Https,
    /// gRPC.
    Grpc,
    /// gRPC for browsers.
    GrpcWeb,
    /// HTTP/2.
    Http2,
    /// A byte stream (MongoDB, MySQL and Redis too).
    Tcp,
    /// A byte stream in TLS.
    Tls,
}

impl ServerProtocol {
    const NAMES: [(&'static str, Self); 10] = [
        ("HTTP", Self::Http),
        ("HTTPS", Self::Https),
        ("GRPC", Self::Grpc),
        ("GRPC-WEB", Self::GrpcWeb),
        ("HTTP2", Self::Http2),
        ("MONGO", Self::Tcp),
        ("MYSQL", Self::Tcp),
        ("REDIS", Self::Tcp),
        ("TCP", Self::Tcp),
        ("TLS", Self::Tls),
    ];

    /// The protocol of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, protocol)| *protocol)
    }

    /// Whether it is HTTP in plaintext.
    pub fn is_plain_http(self) -> bool {
        matches!(self, Self::Http | Self::Grpc | Self::GrpcWeb | Self::Http2)
    }

    /// Whether it needs `tls`.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// Names that are read.
    pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
        Self::NAMES.iter().map(|(name, _)| *name)
    }
}

impl ServerPort {
    /// What `protocol` means; every port of an object that was accepted has one.
    pub fn server_protocol(&self) -> Option<ServerProtocol> {
        ServerProtocol::parse(&self.protocol)
    }
}
