//! A control plane of few lines: join, certificates, discovery, reports, over real TLS on loopback.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::Stream;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost_types::value::Kind;
use ripstop_identity::{CertificateAuthority, ClientAuth, Svid, new_csr, peer_id, server_config};
use ripstop_model::{SpiffeId, TrustDomain};
use ripstop_wire::{
    ca::{
        IstioCertificateRequest, IstioCertificateResponse,
        istio_certificate_service_server::{IstioCertificateService, IstioCertificateServiceServer},
    },
    delta::{DeltaServer, MAX_MESSAGE, Nack, ResourceSet},
    discovery::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse,
        aggregated_discovery_service_server::{AggregatedDiscoveryService, AggregatedDiscoveryServiceServer},
    },
    ripstop::{
        JoinRequest, JoinResponse, ReportRequest, ReportResponse,
        join_server::{Join, JoinServer},
        registry_server::{Registry, RegistryServer},
    },
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{mpsc, watch},
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, body::Body, codegen::Service as _};

/// What the control plane is, and what it saw; survives its restarts.
pub struct Plane {
    pub authority: CertificateAuthority,
    pub directory: tempfile::TempDir,
    pub address: SocketAddr,
    pub target: watch::Sender<Option<ResourceSet>>,
    pub tokens: Mutex<HashMap<String, SpiffeId>>,
    /// Newest acknowledged version and refusal.
    pub seen: watch::Sender<(u64, Option<Nack>)>,
    pub reports: watch::Sender<Vec<ReportRequest>>,
    /// Resources sent, without commits.
    pub sent: watch::Sender<usize>,
    pub handshakes_failed: watch::Sender<usize>,
    pub joins_refused: watch::Sender<usize>,
}

/// A running control plane; dropping it is a kill -9.
pub struct Running(Option<Runtime>);

impl Plane {
    pub fn new() -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let domain: TrustDomain = "mesh.test".parse().unwrap();
        let authority = CertificateAuthority::load_or_create(&directory.path().join("ca"), &domain).unwrap();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Arc::new(Self {
            authority,
            directory,
            address,
            target: watch::Sender::new(None),
            tokens: Mutex::default(),
            seen: watch::Sender::new((0, None)),
            reports: watch::Sender::new(Vec::new()),
            sent: watch::Sender::new(0),
            handshakes_failed: watch::Sender::new(0),
            joins_refused: watch::Sender::new(0),
        })
    }

    pub fn id(&self, role: &str, name: &str) -> SpiffeId {
        SpiffeId::component(self.authority.trust_domain(), role, name).unwrap()
    }

    pub fn root_cert(&self) -> PathBuf {
        self.directory.path().join("ca/root.pem")
    }

    pub fn start(self: &Arc<Self>) -> Running {
        self.start_as(&self.id("control", "default"))
    }

    /// Runs it with a certificate of `id`.
    pub fn start_as(self: &Arc<Self>, id: &SpiffeId) -> Running {
        let (key, csr) = new_csr().unwrap();
        let chain = self.authority.issue(&csr, id, Duration::from_hours(1)).unwrap();
        let svid = Svid::new(&chain.certificates.concat(), key).unwrap();
        let tls = server_config(&svid, self.authority.roots(), ClientAuth::Optional, &[b"h2"]);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // The port is free again as soon as the runtime before is gone.
        let listener = std::net::TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let plane = self.clone();
        runtime.spawn(async move {
            accept(plane, TcpListener::from_std(listener).unwrap(), TlsAcceptor::from(tls)).await;
        });
        Running(Some(runtime))
    }

    pub fn token(&self, token: &str, id: SpiffeId) {
        self.tokens.lock().unwrap().insert(token.to_owned(), id);
    }

    fn issue(&self, csr: &str, id: &SpiffeId) -> Result<Vec<String>, Status> {
        let issued = self.authority.issue(csr, id, Duration::from_hours(1));
        issued.map(|issued| issued.certificates).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // All tasks, sockets included, are gone when this returns.
            std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(5))).join().unwrap();
        }
    }
}

async fn accept(plane: Arc<Plane>, listener: TcpListener, acceptor: TlsAcceptor) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (plane, acceptor) = (plane.clone(), acceptor.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                plane.handshakes_failed.send_modify(|count| *count += 1);
                return;
            };
            let peer = Peer(stream.get_ref().1.peer_certificates().map(|chain| peer_id(chain).unwrap()));
            let service = service_fn(move |request| dispatch(Service(plane.clone()), peer.clone(), request));
            // An end without farewell is part of the game.
            let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn dispatch(
    service: Service,
    peer: Peer,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    match request.uri().path().split('/').nth(1).unwrap_or_default() {
        "ripstop.v1.Join" => JoinServer::new(service).call(request).await,
        "ripstop.v1.Registry" => RegistryServer::new(service).call(request).await,
        "istio.v1.auth.IstioCertificateService" => IstioCertificateServiceServer::new(service).call(request).await,
        _ => AggregatedDiscoveryServiceServer::new(service).max_decoding_message_size(MAX_MESSAGE).call(request).await,
    }
}

#[derive(Clone)]
struct Service(Arc<Plane>);

impl Service {
    fn peer<T>(request: &Request<T>) -> Result<SpiffeId, Status> {
        let Some(Peer(Some(peer))) = request.extensions().get::<Peer>() else {
            return Err(Status::unauthenticated("no certificate"));
        };
        Ok(peer.clone())
    }
}

#[tonic::async_trait]
impl Join for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let JoinRequest { token, csr } = request.into_inner();
        let Some(id) = self.0.tokens.lock().unwrap().remove(&token) else {
            self.0.joins_refused.send_modify(|count| *count += 1);
            return Err(Status::unauthenticated("token"));
        };
        let cert_chain = self.0.issue(&csr, &id)?;
        Ok(Response::new(JoinResponse { cert_chain, roots: vec![self.0.authority.roots_pem()] }))
    }
}

#[tonic::async_trait]
impl IstioCertificateService for Service {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        let peer = Self::peer(&request)?;
        let request = request.into_inner();
        let wanted = request.metadata.and_then(|mut metadata| metadata.fields.remove("ImpersonatedIdentity"));
        let id = match wanted.and_then(|value| value.kind) {
            Some(Kind::StringValue(text)) => text.parse().unwrap(),
            _ => peer,
        };
        // What an impostor would do.
        let id = if id.path() == "ns/evil/sa/evil" { self.0.id("node", "evil") } else { id };
        let mut cert_chain = self.0.issue(&request.csr, &id)?;
        cert_chain.push(self.0.authority.roots_pem());
        Ok(Response::new(IstioCertificateResponse { cert_chain }))
    }
}

#[tonic::async_trait]
impl Registry for Service {
    type ReportStream = Pin<Box<dyn Stream<Item = Result<ReportResponse, Status>> + Send>>;

    async fn report(&self, request: Request<Streaming<ReportRequest>>) -> Result<Response<Self::ReportStream>, Status> {
        Self::peer(&request)?;
        let plane = self.0.clone();
        let answers = futures_util::stream::unfold(request.into_inner(), move |mut reports| {
            let plane = plane.clone();
            async move {
                let report = reports.message().await.ok()??;
                plane.reports.send_modify(|seen| seen.push(report));
                Some((Ok(ReportResponse {}), reports))
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Service {
    type DeltaAggregatedResourcesStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Self::peer(&request)?;
        let (responses, stream) = mpsc::channel(1);
        tokio::spawn(discovery(self.0.clone(), request.into_inner(), responses));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

async fn discovery(
    plane: Arc<Plane>,
    mut requests: Streaming<DeltaDiscoveryRequest>,
    responses: mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
) {
    let mut server = DeltaServer::new();
    let mut target = plane.target.subscribe();
    target.mark_changed();
    loop {
        tokio::select! {
            request = requests.message() => {
                let Ok(Some(request)) = request else { return };
                server.receive(request).unwrap();
            }
            _ = target.changed() => {
                if let Some(target) = &*target.borrow_and_update() {
                    server.set_target(target);
                }
            }
        }
        while let Some(response) = server.poll() {
            if response.type_url != ripstop_wire::type_url::COMMIT {
                plane.sent.send_modify(|sent| *sent += response.resources.len() + response.removed_resources.len());
            }
            if responses.send(Ok(response)).await.is_err() {
                return;
            }
        }
        plane.seen.send_replace((server.acked(), server.nack().cloned()));
    }
}

/// Who the client's certificate says it is.
#[derive(Clone)]
struct Peer(Option<SpiffeId>);
