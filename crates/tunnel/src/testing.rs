//! Both ends of tunnels in one process, with real TLS over loopback.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ripstop_identity::{CertificateAuthority, ClientAuth, Roots, Svid, client_config, new_csr, peer_id, server_config};
use ripstop_model::{SpiffeId, TrustDomain, WorkloadUid};
use rustls::{ServerConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{
    Accepted, ConnectRequest, Credentials, IncomingStream, TunnelError, TunnelKey, TunnelPool, TunnelStream, accept,
};

/// Longer than anything here takes; a test that waits so long has failed.
pub(crate) const LONG: Duration = Duration::from_mins(2);

/// A certificate authority and the identities of one mesh.
pub(crate) struct Mesh {
    authority: CertificateAuthority,
    domain: TrustDomain,
    _dir: tempfile::TempDir,
}

impl Mesh {
    pub(crate) fn new() -> Self {
        Self::of(TrustDomain::default())
    }

    pub(crate) fn of(domain: TrustDomain) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::load_or_create(dir.path(), &domain).unwrap();
        Self { authority, domain, _dir: dir }
    }

    pub(crate) fn id(&self, account: &str) -> SpiffeId {
        SpiffeId::service_account(&self.domain, "test", account).unwrap()
    }

    pub(crate) fn svid(&self, account: &str) -> Svid {
        let (key, csr) = new_csr().unwrap();
        let chain = self.authority.issue(&csr, &self.id(account), Duration::from_hours(1)).unwrap();
        Svid::new(&chain.pem(), key).unwrap()
    }

    pub(crate) fn roots(&self) -> &Roots {
        self.authority.roots()
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        server_config(&self.svid("server"), self.roots(), ClientAuth::Required, &[b"h2"])
    }

    pub(crate) fn credentials(&self, generation: u64) -> Credentials {
        let expected = vec![self.id("server")];
        let config = client_config(&self.svid("client"), self.roots(), expected, &[b"h2"]);
        Credentials { config, generation }
    }
}

/// A listening tunnel end; everything it started ends with it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) drain: CancellationToken,
    /// TLS connections accepted so far.
    pub(crate) connections: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start<H, F>(tls: Arc<ServerConfig>, handler: H) -> Self
    where
        H: Fn(IncomingStream) -> F + Clone + 'static,
        F: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let drain = CancellationToken::new();
        let connections = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let (drain_all, counter) = (drain.clone(), connections.clone());
        tasks.spawn_local(async move {
            let mut tunnels = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::Relaxed);
                let (tls, handler, drain) = (tls.clone(), handler.clone(), drain_all.clone());
                tunnels.spawn_local(async move {
                    let Ok(accepted) = accept(tcp, tls).await else { return };
                    let peer = peer_id(accepted.peer_certificates().unwrap()).unwrap();
                    let _ = accepted.serve(peer, handler, drain.cancelled()).await;
                });
            }
        });
        Self { address, drain, connections, tasks }
    }

    pub(crate) async fn echo(mesh: &Mesh) -> Self {
        Self::start(mesh.server(), echo).await
    }

    /// As a kill does: sockets close, nothing is said.
    pub(crate) async fn kill(&mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) fn count(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Accepts and sends everything back until the end.
pub(crate) async fn echo(incoming: IncomingStream) {
    let stream = incoming.accept(None).unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    if tokio::io::copy(&mut read, &mut write).await.is_ok() {
        let _ = write.shutdown().await;
    }
}

/// A client of one server.
pub(crate) struct Client {
    pub(crate) pool: TunnelPool,
    pub(crate) key: TunnelKey,
    pub(crate) credentials: Credentials,
    pub(crate) dials: Arc<AtomicUsize>,
}

impl Client {
    pub(crate) fn new(mesh: &Mesh, server: &Server, pool: TunnelPool) -> Self {
        Self::of(mesh, server.address, pool)
    }

    pub(crate) fn of(mesh: &Mesh, destination: SocketAddr, pool: TunnelPool) -> Self {
        let key = TunnelKey {
            source: mesh.id("client"),
            source_uid: WorkloadUid::process("mesh", "test", "client-0"),
            source_ip: "127.0.0.1".parse().unwrap(),
            destination,
            expected: vec![mesh.id("server")].into(),
        };
        Self { pool, key, credentials: mesh.credentials(1), dials: Arc::default() }
    }

    pub(crate) async fn open(&self) -> Result<TunnelStream, TunnelError> {
        self.request(&ConnectRequest::new("10.0.0.9:80".parse().unwrap())).await
    }

    pub(crate) async fn request(&self, request: &ConnectRequest) -> Result<TunnelStream, TunnelError> {
        let address = self.key.destination;
        let dial = || {
            self.dials.fetch_add(1, Ordering::Relaxed);
            TcpStream::connect(address)
        };
        self.pool.open(&self.key, &self.credentials, dial, request).await
    }
}

/// Sends `text`, ends, and reads what comes back.
pub(crate) async fn round_trip(mut stream: TunnelStream, text: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// A connected pair of sockets.
pub(crate) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (a, b) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (a.unwrap(), b.unwrap().0)
}

/// Both ends of TLS, with no HTTP/2 yet.
pub(crate) async fn tls_pair(mesh: &Mesh) -> (Accepted, TlsStream<TcpStream>) {
    let (near, far) = tcp_pair().await;
    let name = ServerName::try_from("mesh.invalid").unwrap();
    let connector = TlsConnector::from(mesh.credentials(1).config);
    let (ours, theirs) = tokio::join!(accept(near, mesh.server()), connector.connect(name, far));
    (ours.unwrap(), theirs.unwrap())
}

/// Waits until `condition` holds, looking again whenever other tasks had a turn.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.expect("condition holds in time");
}

/// Reproducible bytes that differ everywhere.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}
