//! A connection to the control plane: TCP, TLS, HTTP/2.

use std::{
    future::{Ready, ready},
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use ripstop_identity::server_name;
use rustls::ClientConfig;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    codegen::{Service, http::Uri},
    transport::{Channel, Endpoint},
};

use crate::{Error, error::certificate_refused};

/// How long TCP, TLS and HTTP/2 may take together.
const DEADLINE: Duration = Duration::from_secs(5);
/// A silent connection is asked this often whether it is alive …
const KEEPALIVE: Duration = Duration::from_secs(10);
/// … and given up when it does not answer for so long.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 2 << 20;

/// Connects once. The channel does not reconnect: its owner opens another one, since certificates and
/// roots may have changed.
pub(crate) async fn connect(control: SocketAddr, config: Arc<ClientConfig>) -> Result<Channel, Error> {
    let deadline = Instant::now() + DEADLINE;
    let late = || Error::Deadline { what: "connecting to the control plane", seconds: DEADLINE.as_secs() };
    let stream = timeout_at(deadline, TcpStream::connect(control))
        .await
        .map_err(|_| late())?
        .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        .map_err(|source| Error::Connect { control, source })?;
    let stream = timeout_at(deadline, TlsConnector::from(config).connect(server_name(), stream))
        .await
        .map_err(|_| late())?
        .map_err(|source| match source.kind() {
            io::ErrorKind::InvalidData => Error::Handshake { control, source },
            _ => Error::Connect { control, source },
        })?;
    // The scheme is http: to tonic the stream below it is plain.
    let endpoint = Endpoint::from_shared(format!("http://{control}"))
        .map_err(|error| Error::Transport { control, reason: error.to_string(), refused: false })?
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    timeout_at(deadline, endpoint.connect_with_connector(Established(Some(TokioIo::new(stream)))))
        .await
        .map_err(|_| late())?
        .map_err(|error| Error::Transport { control, refused: certificate_refused(&error), reason: chain(&error) })
}

/// Gives away one connection that is already there.
struct Established(Option<TokioIo<TlsStream<TcpStream>>>);

impl Service<Uri> for Established {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the connection is over")))
    }
}

/// An error with its causes: tonic's own text says only "transport error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    for _ in 0..8 {
        let Some(current) = cause else { break };
        text.push_str(": ");
        text.push_str(&current.to_string());
        cause = current.source();
    }
    text
}
