//! gRPC over TLS: accepts connections, learns who they are, and hands their
//! requests to the services.

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{body::Body, codegen::Service as _};

use crate::{peer::Peer, services::Services};

/// Connections at once; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 8192;
/// A TLS handshake longer than this is given up.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A connection without a client certificate lives so long: enough to join.
const UNPROVED: Duration = Duration::from_secs(30);
/// A connection silent for so long is asked for a sign of life, and has as long to give it.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// At shutdown requests may still end within this, …
const DRAIN: Duration = Duration::from_secs(2);
/// … and their tasks must notice the end of their connection within this.
const NOTICE: Duration = Duration::from_secs(1);
/// Requests of one connection at once.
const STREAMS: u32 = 64;
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Serves until `stop`; ends when every connection has ended.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: watch::Receiver<Arc<rustls::ServerConfig>>,
    services: Services,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let (stream, address, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors or memory: what is open goes on, new ones wait a moment.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(Duration::from_millis(100)) => continue,
                }
            }
        };
        let config = tls.borrow().clone();
        let (services, stop) = (services.clone(), stop.clone());
        tasks.spawn(async move {
            let _permit = permit;
            match handshake(stream, address, config, &stop).await {
                Ok(Some((stream, peer, end))) => converse(stream, peer, end, services, stop).await,
                Ok(None) => {}
                Err(reason) => tracing::warn!(peer = %address, reason, "connection refused"),
            }
        });
    }
    tasks.close();
    tasks.wait().await;
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, address, permit))
}

/// The connection, who it is, and when it has to end: with the certificate that proved it, or soon
/// if there was none. Nothing when the control plane stops meanwhile.
async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
    config: Arc<rustls::ServerConfig>,
    stop: &CancellationToken,
) -> Result<Option<(TlsStream<TcpStream>, Peer, Instant)>, String> {
    let accepted = tokio::select! {
        () = stop.cancelled() => return Ok(None),
        accepted = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)) => accepted,
    };
    let stream = accepted
        .map_err(|_| format!("TLS handshake took longer than {} s", HANDSHAKE.as_secs()))?
        .map_err(|error| format!("TLS handshake failed: {error}"))?;
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(b"h2") {
        return Err("the client does not offer HTTP/2 (ALPN h2), which gRPC needs".into());
    }
    let (id, life) = match session.peer_certificates() {
        Some(certificates) if !certificates.is_empty() => {
            let id = ripstop_identity::peer_id(certificates).map_err(|error| error.to_string())?;
            (Some(id), remaining(&certificates[0]))
        }
        _ => (None, UNPROVED),
    };
    Ok(Some((stream, Peer { address, id }, Instant::now() + life)))
}

/// How long a certificate is still valid.
fn remaining(certificate: &[u8]) -> Duration {
    let parsed = x509_parser::parse_x509_certificate(certificate);
    let left = parsed.ok().and_then(|(_, certificate)| certificate.validity().time_to_expiration());
    left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default()
}

async fn converse(stream: TlsStream<TcpStream>, peer: Peer, end: Instant, services: Services, stop: CancellationToken) {
    let streams = Streams(TaskTracker::new());
    let who = peer.to_string();
    let service = service_fn(move |request| dispatch(services.clone(), peer.clone(), request));
    let mut builder = hyper::server::conn::http2::Builder::new(streams.clone());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(16 * 1024)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let ended = {
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut deadline = pin!(sleep_until(end));
        let mut draining = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => break ended.map_err(|error| error.to_string()),
                () = stop.cancelled(), if !draining => {
                    draining = true;
                    deadline.as_mut().reset(Instant::now() + DRAIN);
                    connection.as_mut().graceful_shutdown();
                }
                () = deadline.as_mut() => {
                    if draining {
                        break Ok(());
                    }
                    tracing::debug!(peer = who, "connection ends with the certificate that proved it");
                    draining = true;
                    deadline.as_mut().reset(Instant::now() + DRAIN);
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = who, error, "connection ended");
    }
    // With the connection gone every stream's task sees its end.
    streams.0.close();
    if timeout(NOTICE, streams.0.wait()).await.is_err() {
        tracing::warn!(peer = who, "a request outlived its connection");
    }
}

async fn dispatch(
    services: Services,
    peer: Peer,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    let service = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
    let Services { mut discovery, mut join, mut certificates, mut registry } = services;
    match service.as_str() {
        "envoy.service.discovery.v3.AggregatedDiscoveryService" => discovery.call(request).await,
        "ripstop.v1.Join" => join.call(request).await,
        "istio.v1.auth.IstioCertificateService" => certificates.call(request).await,
        "ripstop.v1.Registry" => registry.call(request).await,
        _ => Ok(tonic::Status::unimplemented("no such service").into_http()),
    }
}

/// Runs the requests of one connection as tasks that are waited for.
#[derive(Clone)]
struct Streams(TaskTracker);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
