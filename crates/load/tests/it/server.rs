//! A server of hyper on threads of its own.

use std::{
    convert::Infallible,
    io::Read as _,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;

pub const TEXT: &str = "a whole answer";

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Http1,
    Http2,
    /// With one stream at once.
    Http2OneByOne,
    /// A connection says GOAWAY after so many requests.
    Http2GoesAwayAfter(u64),
}

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Text,
    Status(u16),
    /// How long the request's body was.
    Length,
    /// The first request waits.
    StallOnce(Duration),
    /// The connection ends.
    HangUp,
    /// With this status in its trailers.
    Grpc(u32),
}

/// A server of bytes, for each connection.
pub struct Raw(SocketAddr);

impl Raw {
    pub fn start(mut serve: impl FnMut(&mut std::net::TcpStream) + Send + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                serve(&mut socket.unwrap());
            }
        });
        Self(address)
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.0)
    }

    /// Reads a head, and perhaps more: how many bytes of the body.
    pub fn head(socket: &mut std::net::TcpStream) -> u64 {
        let mut read = Vec::new();
        let mut piece = [0; 1024];
        loop {
            let n = socket.read(&mut piece).unwrap();
            read.extend_from_slice(&piece[..n]);
            if let Some(at) = read.windows(4).position(|end| end == b"\r\n\r\n") {
                return (read.len() - at - 4) as u64;
            }
        }
    }
}

pub struct Server {
    address: SocketAddr,
    authority: Option<Authority>,
    pub asked: Arc<AtomicU64>,
    pub connections: Arc<AtomicU64>,
    _runtime: tokio::runtime::Runtime,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

struct Authority(Issuer);

impl Server {
    pub fn start(speaks: Speaks, answer: Answer) -> Self {
        Self::serve(speaks, answer, None)
    }

    /// With TLS that asks for the client's certificate, too.
    pub fn start_secure(speaks: Speaks, answer: Answer) -> Self {
        Self::serve(speaks, answer, Some(Authority::new()))
    }

    fn serve(speaks: Speaks, answer: Answer, authority: Option<Authority>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = authority.as_ref().map(|authority| TlsAcceptor::from(authority.server(speaks)));
        let (asked, connections) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (counted, accepted) = (asked.clone(), connections.clone());
        let stalled = Arc::new(AtomicBool::new(false));
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                let (counted, stalled, acceptor) = (counted.clone(), stalled.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => converse(socket, speaks, answer, counted, stalled).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(socket).await {
                                converse(stream, speaks, answer, counted, stalled).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, authority, asked, connections, _runtime: runtime }
    }

    pub fn url(&self, path: &str) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Believes the server, and shows a certificate that it believes if `proves`.
    pub fn trusted(&self, proves: bool) -> Arc<ClientConfig> {
        self.authority.as_ref().unwrap().client(proves)
    }

    /// Believes somebody else.
    pub fn strange() -> Arc<ClientConfig> {
        Authority::new().client(true)
    }
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn leaf(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().signed_by(&key, &self.0).unwrap();
        (vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    fn server(&self, speaks: Speaks) -> Arc<ServerConfig> {
        let (chain, key) = self.leaf();
        let clients = WebPkiClientVerifier::builder(self.roots().into()).build().unwrap();
        let mut config =
            ServerConfig::builder().with_client_cert_verifier(clients).with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![if speaks == Speaks::Http1 { b"http/1.1".to_vec() } else { b"h2".to_vec() }];
        Arc::new(config)
    }

    fn client(&self, proves: bool) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder().with_root_certificates(self.roots());
        let (chain, key) = self.leaf();
        Arc::new(if proves {
            builder.with_client_auth_cert(chain, key).unwrap()
        } else {
            builder.with_no_client_auth()
        })
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    speaks: Speaks,
    answer: Answer,
    asked: Arc<AtomicU64>,
    stalled: Arc<AtomicBool>,
) {
    let (begun, enough) = (Arc::<AtomicU64>::default(), Arc::<Notify>::default());
    let (counting, telling) = (begun.clone(), enough.clone());
    let service = service_fn(move |request| {
        if speaks == Speaks::Http2GoesAwayAfter(counting.fetch_add(1, Ordering::Relaxed) + 1) {
            telling.notify_one();
        }
        respond(request, answer, asked.clone(), stalled.clone())
    });
    let io = TokioIo::new(stream);
    match speaks {
        Speaks::Http1 => drop(http1::Builder::new().serve_connection(io, service).await),
        Speaks::Http2 => drop(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await),
        Speaks::Http2GoesAwayAfter(_) => {
            let mut connection = pin!(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service));
            tokio::select! {
                _ = connection.as_mut() => {}
                () = enough.notified() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        }
        Speaks::Http2OneByOne => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            drop(builder.max_concurrent_streams(1).serve_connection(io, service).await);
        }
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: Answer,
    asked: Arc<AtomicU64>,
    stalled: Arc<AtomicBool>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, std::io::Error> {
    asked.fetch_add(1, Ordering::Relaxed);
    let content = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
    let mut response = Response::builder();
    let text = |text: String| Full::new(Bytes::from(text)).boxed();
    let body = match answer {
        Answer::Text => {
            response = response.header("X-Told", "yes");
            text(TEXT.to_owned())
        }
        Answer::Status(status) => {
            response = response.status(status);
            Empty::new().boxed()
        }
        Answer::Length => text(content.to_string()),
        Answer::StallOnce(time) => {
            if !stalled.swap(true, Ordering::Relaxed) {
                tokio::time::sleep(time).await;
            }
            text(TEXT.to_owned())
        }
        Answer::HangUp => return Err(std::io::ErrorKind::ConnectionReset.into()),
        Answer::Grpc(status) => {
            response = response.header("content-type", "application/grpc");
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", status.into());
            // An empty message.
            Full::new(Bytes::from_static(&[0; 5])).with_trailers(async move { Some(Ok(trailers)) }).boxed()
        }
    };
    Ok(response.body(body).unwrap())
}
