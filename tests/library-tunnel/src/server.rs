//! The accepting side.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{Method, Request, Response, StatusCode};
use ripstop_tunnel::{Authority, Refusal, settings};
use rustls::ServerConfig;
use tokio::{net::TcpStream, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::{SEND_BUFFER, Stream, into_io};

/// A CONNECT that waits for its answer. Dropping it resets the stream with CANCEL.
#[derive(Debug)]
pub struct Incoming {
    authority: Authority,
    respond: SendResponse<Bytes>,
    recv: RecvStream,
}

/// Serves one connection until it ends; each CONNECT runs `handler` in a local task that ends with this call. When
/// `shutdown` completes, GOAWAY asks for no more streams, and the call returns with the last one.
pub async fn serve<H, F>(
    socket: TcpStream,
    config: Arc<ServerConfig>,
    handler: H,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    H: Fn(Incoming) -> F,
    F: Future<Output = ()> + 'static,
{
    socket.set_nodelay(true)?;
    let tls = TlsAcceptor::from(config).accept(socket).await?;
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(settings::STREAM_WINDOW)
        .initial_connection_window_size(settings::CONNECTION_WINDOW)
        .max_frame_size(settings::MAX_FRAME)
        .max_header_list_size(settings::SERVER_HEADER_LIST)
        .max_concurrent_streams(settings::MAX_STREAMS)
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(settings::MAX_STREAMS as usize)
        .data_frame_budget(settings::CONNECTION_WINDOW as usize);
    let mut connection = builder.handshake(tls).await.map_err(into_io)?;
    let mut handlers = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut draining = false;
    let result = loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                None => break Ok(()),
                Some(Err(error)) => break Err(into_io(error)),
                Some(Ok((request, respond))) => {
                    if let Some(incoming) = check(request, respond) {
                        handlers.spawn_local(handler(incoming));
                    }
                }
            },
            () = &mut shutdown, if !draining => {
                draining = true;
                connection.graceful_shutdown();
            }
        }
    };
    drop(connection);
    // Their streams are gone.
    while handlers.join_next().await.is_some() {}
    result
}

/// The request as a CONNECT; answers what is none.
fn check(request: Request<RecvStream>, respond: SendResponse<Bytes>) -> Option<Incoming> {
    let (parts, recv) = request.into_parts();
    let plain = parts.method == Method::CONNECT && parts.uri.scheme().is_none() && parts.uri.path_and_query().is_none();
    let authority = parts.uri.authority().filter(|_| plain).and_then(|authority| authority.as_str().parse().ok());
    if let Some(authority) = authority {
        return Some(Incoming { authority, respond, recv });
    }
    answer_only(respond, StatusCode::BAD_REQUEST);
    None
}

fn answer_only(mut respond: SendResponse<Bytes>, status: StatusCode) {
    let mut response = Response::new(());
    *response.status_mut() = status;
    // Fails only if the peer has reset the stream already.
    let _ = respond.send_response(response, true);
}

// === impl Incoming ===

impl Incoming {
    /// Where it wants to go.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Completes when the source gives up, or the connection ends.
    pub async fn cancelled(&mut self) {
        let _ = poll_fn(|cx| self.respond.poll_reset(cx)).await;
    }

    /// Answers 200.
    pub fn accept(mut self) -> io::Result<Stream> {
        let send = self.respond.send_response(Response::new(()), false).map_err(into_io)?;
        Ok(Stream::new(send, self.recv))
    }

    /// Answers with an error status and ends the stream.
    pub fn refuse(self, refusal: Refusal) {
        answer_only(self.respond, refusal.status());
    }
}
