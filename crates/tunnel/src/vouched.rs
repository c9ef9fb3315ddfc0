//! For how long a peer is believed.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;

use crate::Seldom;

/// Completes, with why, once whoever proved the peer of a tunnel is not believed any more. It lives as long as the tunnel.
pub struct Vouched(Pin<Box<Seldom<Promise>>>);

type Promise = Pin<Box<dyn Future<Output = String>>>;

/// Looks after what the peer of a tunnel has just proven, its certificates, leaf first.
pub type Watch = Box<dyn FnOnce(&[CertificateDer<'static>]) -> Vouched>;

/// A connection on which a tunnel is going to be made.
pub struct Dialled {
    /// The connection.
    pub stream: TcpStream,
    /// Who looks after what its peer will have proven; nobody: it is believed until the tunnel ends.
    pub watch: Option<Watch>,
}

// === impl Vouched ===

impl Vouched {
    /// Until `ended` completes. After that it is not polled again.
    pub fn new(ended: impl Future<Output = String> + 'static) -> Self {
        Self(Box::pin(Seldom::new(Box::pin(ended))))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Vouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vouched").finish_non_exhaustive()
    }
}

// === impl Dialled ===

impl From<TcpStream> for Dialled {
    fn from(stream: TcpStream) -> Self {
        Self { stream, watch: None }
    }
}

impl fmt::Debug for Dialled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialled").field("stream", &self.stream).finish_non_exhaustive()
    }
}
