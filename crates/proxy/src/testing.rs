//! Whole workers for tests, and what they log.

mod callee;
mod caller;
mod edge;
pub(crate) mod hostile;

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use ripstop_decide::Program;
use ripstop_identity::{CertificateAuthority, Svid, SvidStore, new_csr};
use ripstop_model::{AccessLogFormat, Change, DefaultProviders, SpiffeId, TrafficChange, TrafficDefaults, TrustDomain};
use ripstop_telemetry::{AccessLog, Registry};
use ripstop_xds::{Link, LinkConfig, Role};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::LocalSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    callee::{Callee, crowded, denied, limited, limits, strict},
    caller::Caller,
    edge::{Edge, Leads, forward, listener, routes, secured},
};
use crate::{
    backends::{Backends, testing::workload},
    certificates::{Certificates, Use},
    concurrency::Concurrencies,
    local::LocalWorkload,
    rate_limits::RateLimits,
    sight::Outlets,
    sockets::Supply,
    worker::{Accepted, Capture, Context, Crew, Place, Shared},
};

/// Longer than anything here takes; a test that waits so long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(120);
/// Where the control plane would be.
pub(crate) const CONTROL: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 99));
/// Longer than [`LONG`]: what takes so long does not end by itself.
pub(crate) const NEVER: Duration = Duration::from_secs(100_000);

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Waits until `text` is in it.
    pub(crate) async fn tells(&self, text: &str) {
        let wait = async {
            while !self.text().contains(text) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let told = timeout(LONG, wait).await;
        assert!(told.is_ok(), "no {text:?} in {}", self.text());
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Waits until `condition` holds, looking again whenever others had a turn.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LONG, wait).await.expect("condition holds in time");
}

/// The caller's side of a connection that the worker was dealt.
pub(crate) async fn deal(crew: &Crew, workload: &Arc<LocalWorkload>, capture: Capture) -> TcpStream {
    let (caller, stream, peer) = pair().await;
    let place = workload.places.clone().try_acquire_owned().unwrap();
    let stream = stream.into_std().unwrap();
    crew.deal(Accepted { capture, workload: workload.clone(), stream, peer, place: Place::Workload(place) });
    caller
}

/// Both ends of a connection, and the address of who connected.
pub(crate) async fn pair() -> (TcpStream, TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (caller, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (stream, peer) = accepted.unwrap();
    (caller.unwrap(), stream, peer)
}

/// Runs a test on a worker's thread.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// What the access log of tests tells of each request.
const FORMAT: &str =
    "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n";

/// A worker: it is the test's own thread.
pub(crate) struct Worker {
    pub(crate) context: Rc<Context>,
    /// Lines of requests.
    pub(crate) requests: Log,
    /// Lines of connections.
    pub(crate) connections: Log,
    directory: tempfile::TempDir,
}

impl Worker {
    /// Of a proxy that acts on `changes`, and has `backends`, given its directory.
    pub(crate) async fn new(
        changes: impl IntoIterator<Item = Change>,
        backends: impl FnOnce(&Path) -> Backends,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let authority = CertificateAuthority::load_or_create(&path("authority"), &TrustDomain::default()).unwrap();
        std::fs::write(path("root.pem"), authority.roots().to_pem()).unwrap();
        let state = path("state");
        let link = LinkConfig {
            // Nobody: nothing is needed.
            control: "127.0.0.1:9".parse().unwrap(),
            role: Role::Node,
            name: "n".into(),
            state: state.clone(),
            root_cert: path("root.pem"),
            token_file: path("token"),
            types: Vec::new(),
        };
        let (link, _updates) = Link::start(link).await.unwrap();
        let defaults = TrafficDefaults {
            default_providers: DefaultProviders { access_logging: vec!["envoy".into()], ..DefaultProviders::default() },
            access_log: AccessLogFormat { format: Some(FORMAT.into()), ..AccessLogFormat::default() },
            ..TrafficDefaults::default()
        };
        let defaults = Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults)));
        let program = Program::default().with(1, changes.into_iter().chain([defaults]).collect::<Vec<_>>());
        let (requests, connections) = (Log::default(), Log::default());
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(program),
            changed: watch::channel(0).0,
            certificates: Arc::new(Certificates::open(&state.join("svids"), link).unwrap()),
            backends: backends(&state),
            ingress_tls: crate::ingress_tls::IngressTls::new(Arc::new(crate::trusted_files::TrustedFiles::outside(
                &state,
            ))),
            access_log: AccessLog::start(connections.clone()).unwrap(),
            outlets: Outlets::start(requests.clone()).unwrap(),
            registry: Registry::default(),
            rate_limits: RateLimits::default(),
            concurrency: Concurrencies::default(),
            retry_budgets: crate::retry_budgets::RetryBudgets::default(),
            global_limits: crate::global_limits::GlobalLimits::default(),
            connection_limits: crate::connection_limits::ConnectionLimits::default(),
            policy_counts: crate::policy_counts::PolicyCounts::default(),
            inbound_pools: crate::inbound_pools::InboundPools::default(),
            inventory: crate::inspect::Inventory::default(),
            crossings: crate::waypoint::Crossings::default(),
            draining: CancellationToken::new(),
            shutdown: CancellationToken::new(),
        });
        let supply = Supply::Own { control: CONTROL, gate: None };
        let crew = Crew::start(0, &shared, &supply).unwrap();
        let context = Context::start(0, shared, crew, supply, Arc::default());
        Self { context, requests, connections, directory }
    }

    /// A certificate of the mesh for that service account of namespace `ns`, and whom it trusts.
    pub(crate) fn issue(&self, account: &str) -> (Svid, CertificateAuthority) {
        let directory = self.directory.path().join("authority");
        let authority = CertificateAuthority::load_or_create(&directory, &TrustDomain::default()).unwrap();
        let (key, csr) = new_csr().unwrap();
        let id = SpiffeId::service_account(&TrustDomain::default(), "ns", account).unwrap();
        let chain = authority.issue(&csr, &id, Duration::from_secs(3600)).unwrap();
        (Svid::new(&chain.pem(), key).unwrap(), authority)
    }

    /// Gives the proxy the certificate of that account, as long as the result is kept.
    pub(crate) async fn holds(&self, account: &str) -> Use {
        let (svid, _) = self.issue(account);
        SvidStore::open(self.directory.path().join("state/svids")).unwrap().save(&svid).unwrap();
        self.context.shared.certificates.acquire(&svid.id, LONG).await.unwrap()
    }

    /// The configuration is another one from now on.
    pub(crate) fn change(&self, change: Change) {
        let shared = &self.context.shared;
        let now = shared.snapshot.load_full();
        let version = now.version() + 1;
        shared.snapshot.store(Arc::new(now.with(version, [change])));
        shared.changed.send_replace(version);
    }

    /// The mesh has other defaults from now on.
    pub(crate) fn defaults(&self, change: impl FnOnce(&mut TrafficDefaults)) {
        let mut defaults = (*self.context.shared.snapshot.load().traffic().defaults).clone();
        change(&mut defaults);
        self.change(Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults))));
    }

    /// Waits until nobody has anything of what decides now, after something else has changed.
    pub(crate) async fn forgets(&self) {
        let before = Arc::downgrade(&self.context.shared.snapshot.load());
        self.change(Change::Workload(Arc::new(workload("newcomer", 99))));
        until(|| before.strong_count() == 0).await;
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        self.context.shared.registry.render(&mut text);
        self.context.shared.rate_limits.render(&mut text);
        self.context.shared.concurrency.render(&mut text);
        self.context.shared.backends.render(std::time::Instant::now(), &mut text);
        text
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.context.shared.shutdown.cancel();
    }
}

/// A server that the test plays itself.
pub(crate) struct Played(TcpListener);

impl Played {
    pub(crate) async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next connection that comes.
    pub(crate) async fn accept(&self) -> TcpStream {
        timeout(LONG, self.0.accept()).await.expect("a connection comes").unwrap().0
    }

    /// The next connection that comes, and the head of its request.
    pub(crate) async fn asked(&self) -> (TcpStream, String) {
        let mut stream = self.accept().await;
        let head = head(&mut stream).await;
        (stream, head)
    }
}

/// Reads a head.
pub(crate) async fn head(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let reading = async {
        while !heard.ends_with(b"\r\n\r\n") {
            heard.push(stream.read_u8().await.unwrap());
        }
    };
    timeout(LONG, reading).await.expect("a head comes");
    String::from_utf8(heard).unwrap()
}

/// Bytes of the future that `make` would make, which is never called.
pub(crate) fn future_size<F: Future>(_make: fn() -> F) -> usize {
    size_of::<F>()
}

/// Stands for a value of whatever is never called.
pub(crate) fn any<T>() -> T {
    unreachable!("sizes need no values")
}
