//! A worker, a service with endpoints on the loopback device, and servers there.

use std::{
    convert::Infallible,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ripstop_balance::Usage;
use ripstop_decide::{Callee, Program, Target};
use ripstop_exchange::{Body, Io};
use ripstop_h1::BodyKind;
use ripstop_model::{Change, ConnectionPool, Workload, WorkloadUid};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, LocalSet, spawn_local},
};

use super::super::{Order, State};
use crate::backends::{
    BackendError, Backends, Connection, EndpointKey, HttpVersion, WorkerBackend, WorkerBackends,
    announced::Announced,
    purpose::{Purpose, Way},
    testing::{Names, behind, pool, program, rule_change, rules, service, target, workload},
};

/// A service on the loopback device, and workers that call it.
pub(super) struct Bed {
    pub(super) backends: Backends,
    pub(super) caller: Arc<Workload>,
    target: Target,
    workers: Vec<WorkerBackends>,
    version: u64,
}

/// Runs `test` on a worker's thread.
pub(super) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

/// A connection that was asked for.
pub(super) type Asked = JoinHandle<Result<Connection, BackendError>>;

// === impl Bed ===

impl Bed {
    /// Two workers that know nothing yet.
    pub(super) fn new() -> Self {
        let service = Arc::new(service("web"));
        Self {
            backends: Backends::with_resolver("/nowhere".as_ref(), Arc::new(Names::default())),
            caller: Arc::new(workload("caller", 99)),
            target: target(&Callee::Service(service)),
            workers: vec![WorkerBackends::default(), WorkerBackends::default()],
            version: 0,
        }
    }

    /// The configuration is that from now on; the backend as each worker has it.
    pub(super) fn configure(&mut self, servers: &[SocketAddr], settings: ConnectionPool) -> Vec<Rc<WorkerBackend>> {
        let (program, target) = self.program(servers, settings);
        let find = |worker: &WorkerBackends| worker.find(&self.backends, &program, &self.caller, &target);
        self.workers.iter().map(find).collect()
    }

    /// The next configuration, and what is called.
    pub(super) fn program(&mut self, servers: &[SocketAddr], settings: ConnectionPool) -> (Arc<Program>, Target) {
        self.version += 1;
        let service = service("web");
        let workloads = servers.iter().enumerate().map(|(at, server)| {
            let mut workload = behind(workload(&format!("w{at}"), 1), &service, server.port());
            workload.addresses = vec![server.ip()];
            Change::Workload(Arc::new(workload))
        });
        let rule = rule_change(rules(&service.key.hostname, pool(settings)));
        let changes: Vec<_> = workloads.chain([Change::Service(Arc::new(service.clone())), rule]).collect();
        (program(self.version, changes), self.target.clone())
    }

    /// That workload is gone.
    pub(super) fn forget(&self, uid: &WorkloadUid) {
        self.workers.iter().for_each(|worker| worker.forget(uid));
    }

    /// As [`Self::configure`], for one server and one worker.
    pub(super) fn one(&mut self, server: &Server, settings: ConnectionPool) -> Rc<WorkerBackend> {
        self.configure(&[server.address], settings).remove(0)
    }
}

/// What is open, and waits.
pub(super) fn usage(backend: &WorkerBackend) -> (u64, u64) {
    let Usage { connections, pending_requests, .. } = backend.shared().balance.usage();
    (connections, pending_requests)
}

pub(super) fn endpoint(backend: &WorkerBackend, address: SocketAddr) -> EndpointKey {
    backend.shared().facts().endpoints[&address].clone()
}

pub(super) fn order(backend: &WorkerBackend, address: SocketAddr, version: HttpVersion) -> Order {
    order_for(backend, address, version, None)
}

/// The same, for a connection that begins so.
pub(super) fn order_for(
    backend: &WorkerBackend,
    address: SocketAddr,
    version: HttpVersion,
    announced: Option<Announced>,
) -> Order {
    let purpose = Purpose { endpoint: endpoint(backend, address), way: Way::Plain, announced };
    Order::new(Arc::clone(&*backend.shared().facts()), purpose, version)
}

/// A plain connection to where it should lead.
pub(super) async fn dial(purpose: &Purpose) -> Result<Io, BackendError> {
    let address = purpose.endpoint.address();
    let socket = TcpStream::connect(address).await;
    Ok(socket
        .map_err(|source| crate::error::Error::Connect { address, source, hint: "" })
        .map_err(BackendError::from)?
        .into())
}

pub(super) async fn checkout(
    backend: &WorkerBackend,
    address: SocketAddr,
    version: HttpVersion,
) -> Result<Connection, BackendError> {
    backend.state().checkout(order(backend, address, version), async |purpose| dial(purpose).await).await
}

/// As [`checkout`], in a task of its own, which has begun.
pub(super) async fn ask(backend: &Rc<WorkerBackend>, address: SocketAddr, version: HttpVersion) -> Asked {
    let state: Rc<State> = Rc::clone(backend.state());
    let order = order(backend, address, version);
    let asked = spawn_local(async move { state.checkout(order, async |purpose| dial(purpose).await).await });
    tokio::task::yield_now().await;
    asked
}

/// Sends a request for `path`, and reads the answer to its end; its status.
pub(super) async fn get(connection: &mut Connection, path: &str) -> u16 {
    send(connection, path);
    answer(connection).await
}

pub(super) fn send(connection: &mut Connection, path: &str) {
    let fields = std::iter::empty::<(&[u8], &[u8])>();
    connection.upstream().send(b"GET", path.as_bytes(), b"web", fields, BodyKind::None).unwrap();
    connection.upstream().end(std::iter::empty()).unwrap_or(());
}

pub(super) async fn answer(connection: &mut Connection) -> u16 {
    std::future::poll_fn(|cx| {
        let mut upstream = connection.upstream();
        // Whether all is out shows in the answer.
        let _ = upstream.poll_flush(cx).map(Result::unwrap);
        upstream.poll_head(cx).map(Result::unwrap)
    })
    .await;
    let status = connection.upstream().status();
    loop {
        let found = std::future::poll_fn(|cx| connection.upstream().poll_body(cx)).await.unwrap();
        match found {
            Body::End => return status,
            Body::Data => {
                let mut upstream = connection.upstream();
                let n = upstream.data().as_slice().iter().map(|piece| piece.len()).sum();
                upstream.consume(n);
            }
        }
    }
}

/// A server on the loopback device. `/wait` is answered when there is a permit at `gate`; everything else at once.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Connections that came.
    pub(super) accepted: Arc<AtomicUsize>,
    /// Connections that are open.
    pub(super) open: watch::Sender<usize>,
    pub(super) gate: Arc<Semaphore>,
    /// Connections are asked to end when this changes.
    pub(super) leave: watch::Sender<()>,
}

impl Server {
    pub(super) async fn http1() -> Self {
        Self::start(None).await
    }

    /// Of HTTP/2, with so many streams at once.
    pub(super) async fn http2(streams: u32) -> Self {
        Self::start(Some(streams)).await
    }

    /// It begins as one of HTTP/2, and never says anything more.
    pub(super) async fn silent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self::at(listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut kept = Vec::new();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                // Settings, of which none is named (RFC 9113, 6.5).
                socket.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
                kept.push(socket);
            }
        });
        server
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }

    /// Waits until so many connections are open.
    pub(super) async fn has_open(&self, count: usize) {
        self.open.subscribe().wait_for(|open| *open == count).await.unwrap();
    }

    fn at(address: SocketAddr) -> Self {
        Self {
            address,
            accepted: Arc::default(),
            open: watch::channel(0).0,
            gate: Arc::new(Semaphore::new(0)),
            leave: watch::channel(()).0,
        }
    }

    async fn start(streams: Option<u32>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self::at(listener.local_addr().unwrap());
        let (accepted, open) = (Arc::clone(&server.accepted), server.open.clone());
        let (gate, leave) = (Arc::clone(&server.gate), server.leave.clone());
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, SeqCst);
                open.send_modify(|open| *open += 1);
                let (open, gate, leave) = (open.clone(), Arc::clone(&gate), leave.subscribe());
                tokio::spawn(async move {
                    serve(socket, streams, gate, leave).await;
                    open.send_modify(|open| *open -= 1);
                });
            }
        });
        server
    }
}

async fn serve(socket: TcpStream, streams: Option<u32>, gate: Arc<Semaphore>, mut leave: watch::Receiver<()>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let gate = Arc::clone(&gate);
        async move {
            if request.uri().path() == "/wait" {
                gate.acquire().await.unwrap().forget();
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
        }
    });
    let io = TokioIo::new(socket);
    macro_rules! until_left {
        ($connection:expr) => {{
            let connection = $connection;
            tokio::pin!(connection);
            let mut left = false;
            loop {
                tokio::select! {
                    _ = connection.as_mut() => return,
                    _ = leave.changed(), if !left => {
                        left = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }};
    }
    match streams {
        None => until_left!(hyper::server::conn::http1::Builder::new().serve_connection(io, service)),
        Some(streams) => until_left!(
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(streams)
                .serve_connection(io, service)
        ),
    }
}
