//! The opening side, over one connection.

use std::{fmt, io, net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request, Uri};
use ripstop_tunnel::{Authority, settings};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use crate::{SEND_BUFFER, Stream, into_io};

/// One connection, driven by a local task that ends with it.
#[derive(Debug)]
pub struct Client {
    sender: SendRequest<Bytes>,
    connection: JoinSet<Result<(), h2::Error>>,
}

/// Why there is no stream.
#[derive(Debug)]
pub enum OpenError {
    /// The peer answered with another status than 200.
    Refused(u16),
    /// The stream was reset, or the connection is gone.
    Lost(h2::Error),
}

// === impl Client ===

impl Client {
    /// Makes TLS and HTTP/2 on `io`: a socket, or a stream of another tunnel.
    pub async fn connect(
        io: impl AsyncRead + AsyncWrite + Unpin + 'static,
        config: Arc<ClientConfig>,
    ) -> io::Result<Self> {
        // rustls insists on a name.
        let name = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
        let tls = TlsConnector::from(config).connect(name, io).await?;
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(settings::STREAM_WINDOW)
            .initial_connection_window_size(settings::CONNECTION_WINDOW)
            .max_frame_size(settings::MAX_FRAME)
            .max_header_list_size(settings::CLIENT_HEADER_LIST)
            .initial_max_send_streams(settings::MAX_STREAMS as usize)
            .max_send_buffer_size(SEND_BUFFER)
            .data_frame_budget(settings::CONNECTION_WINDOW as usize);
        let (sender, driver) = builder.handshake(tls).await.map_err(into_io)?;
        let mut connection = JoinSet::new();
        connection.spawn_local(driver);
        Ok(Self { sender, connection })
    }

    /// A connection to `authority`, once the peer has answered 200. Waits while the peer allows no more streams.
    pub async fn open(&self, authority: &Authority) -> Result<Stream, OpenError> {
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        // An authority of ours is one of HTTP's.
        *request.uri_mut() = authority.to_string().parse::<Uri>().unwrap_or_default();
        let mut sender = self.sender.clone().ready().await?;
        let (answer, send) = sender.send_request(request, false)?;
        let answer = answer.await?;
        match answer.status().as_u16() {
            200 => Ok(Stream::new(send, answer.into_body())),
            status => Err(OpenError::Refused(status)),
        }
    }

    /// Takes no new streams; completes when the last one has ended and the connection is closed.
    pub async fn finish(self) -> io::Result<()> {
        let Self { sender, mut connection } = self;
        drop(sender);
        match connection.join_next().await {
            Some(Ok(Err(error))) => Err(into_io(error)),
            _ => Ok(()),
        }
    }
}

impl From<h2::Error> for OpenError {
    fn from(error: h2::Error) -> Self {
        Self::Lost(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "refused with status {status}"),
            Self::Lost(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}
