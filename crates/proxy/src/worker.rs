//! Workers: one thread, one runtime, one share of the connections each.

use std::{
    future::Future,
    net::{SocketAddr, TcpStream as StdTcpStream},
    os::fd::{AsFd, OwnedFd},
    pin::pin,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use ripstop_decide::Program;
use ripstop_model::{ListenerWay, WorkloadUid};
use ripstop_net::socket::reset_on_close;
use ripstop_telemetry::{AccessLog, Registry, Shard};
use ripstop_tunnel::{PoolConfig, Seldom, TunnelPool};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    sync::{
        OwnedSemaphorePermit,
        mpsc::{self, error::TrySendError},
        watch,
    },
    task::{LocalSet, spawn_local},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backends::{self, Backends, WorkerBackends},
    certificates::Certificates,
    concurrency::Concurrencies,
    connection_limits::ConnectionLimits,
    connections::Connections,
    cutover::Unread,
    error::Error,
    gateway::{self, Door, Entered, Taker},
    global_limits::GlobalLimits,
    http::{concurrency::WorkerConcurrency, copies::Copying, global_limits::WorkerServices, limits::WorkerLimits},
    inbound,
    inbound_pools::InboundPools,
    ingress_tls::IngressTls,
    inspect::Inventory,
    listeners,
    local::LocalWorkload,
    outbound, own_listeners,
    peers::Peers,
    plaintext,
    policy_counts::PolicyCounts,
    rate_limits::RateLimits,
    refuse,
    retry_budgets::RetryBudgets,
    sight::{Outlets, Recorder},
    sockets::{SocketKey, SocketPool, Supply},
    waypoint::{self, Crossings},
};

/// Connections that wait for a worker at most; more are refused by a reset.
const QUEUE: usize = 4096;
/// Workers at most.
pub const MOST: usize = 256;

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// The configuration that decides now.
    pub snapshot: ArcSwap<Program>,
    /// Fires with the version when [`Self::snapshot`] changed.
    pub changed: watch::Sender<u64>,
    /// Certificates of the enrolled workloads.
    pub certificates: Arc<Certificates>,
    /// Backends that requests are sent to.
    pub backends: Backends,
    /// Where connections are recorded.
    pub access_log: AccessLog,
    /// Where requests are told of.
    pub outlets: Arc<Outlets>,
    /// Counters of all workers.
    pub registry: Registry,
    /// What limits of requests count.
    pub rate_limits: RateLimits,
    /// How many requests instances get at a time.
    pub concurrency: Concurrencies,
    /// What may be tried again of the requests of a route.
    pub retry_budgets: RetryBudgets,
    /// What services of limits said.
    pub global_limits: GlobalLimits,
    /// What limits of connections count.
    pub connection_limits: ConnectionLimits,
    /// What policies have said.
    pub policy_counts: PolicyCounts,
    /// What the listeners of workloads count of requests.
    pub inbound_pools: InboundPools,
    /// How TLS ends at the listeners of workloads.
    pub ingress_tls: IngressTls,
    /// What is listened on.
    pub inventory: Inventory,
    /// What all tunnels to a waypoint share.
    pub crossings: Crossings,
    /// Ends listeners, and asks tunnels to finish: the proxy is about to end.
    pub draining: CancellationToken,
    /// Ends everything.
    pub shutdown: CancellationToken,
}

/// What a worker's connections use.
#[derive(Debug)]
pub struct Context {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// This worker's counters.
    pub shard: Arc<Shard>,
    /// Tells of this worker's requests.
    pub recorder: Rc<Recorder>,
    /// This worker's sockets.
    pub sockets: SocketPool,
    /// This worker's tunnels.
    pub tunnels: TunnelPool,
    /// This worker's end of the backends.
    pub backends: WorkerBackends,
    /// This worker's copies of requests.
    pub copying: Copying,
    /// This worker's inbound connections.
    pub connections: Connections,
    /// This worker's peers that have proven who they are.
    pub peers: Peers,
    /// This worker's limits of requests.
    pub limits: WorkerLimits,
    /// This worker's limits that services count.
    pub services: WorkerServices,
    /// What this worker knows of how many requests instances get.
    pub concurrency: WorkerConcurrency,
    /// This worker's connections to a gateway.
    pub entered: Entered,
    /// This worker's outbound connections that are not read.
    pub unread: Unread,
    /// All workers, to deal connections to.
    pub crew: Arc<Crew>,
    load: Arc<AtomicUsize>,
}

/// All workers. How many there are may change: none ever ends before the proxy does, but those that are too many get no
/// further connections.
#[derive(Debug)]
pub struct Crew {
    workers: ArcSwap<Vec<Handle>>,
    /// How many of them, from the first, get connections.
    wanted: AtomicUsize,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

#[derive(Clone, Debug)]
struct Handle {
    jobs: mpsc::Sender<Job>,
    load: Arc<AtomicUsize>,
}

/// How a connection came.
#[derive(Clone, Debug)]
pub enum Capture {
    /// From the workload (15001).
    Outbound,
    /// To the workload, plain (15006).
    Plaintext,
    /// A tunnel to the workload (15008).
    Tunnel,
    /// A DNS query of the workload over TCP (15053).
    Dns,
    /// To a gateway.
    Gateway(Arc<Door>, Taker),
    /// A tunnel to a waypoint.
    Waypoint,
    /// To a listener that a sidecar opened itself.
    Listener(ListenerWay),
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// Which listener took it.
    pub capture: Capture,
    /// Whose it is.
    pub workload: Arc<LocalWorkload>,
    /// The connection, not yet known to any runtime.
    pub stream: StdTcpStream,
    /// The caller.
    pub peer: SocketAddr,
    /// Its place among others.
    pub place: Place,
}

/// A connection's place, while it lives.
#[derive(Debug)]
pub enum Place {
    /// Among those of its workload.
    Workload(OwnedSemaphorePermit),
    /// Among the tunnels to a waypoint.
    Waypoint(waypoint::Inside),
}

/// One more connection of a worker, while it lives: what new ones are dealt by.
#[derive(Debug)]
pub struct Load(Arc<AtomicUsize>);

// === impl Context ===

impl Context {
    /// Of a new worker, on its own thread; it follows the configuration.
    pub(crate) fn start(
        index: usize,
        shared: Arc<Shared>,
        crew: Arc<Crew>,
        supply: Supply,
        load: Arc<AtomicUsize>,
    ) -> Rc<Self> {
        let shard = shared.registry.shard();
        let context = Rc::new(Self {
            recorder: Rc::new(Recorder::new(shard.clone(), shared.outlets.clone(), shared.snapshot.load_full())),
            shard,
            sockets: SocketPool::new(index, supply),
            tunnels: TunnelPool::new(PoolConfig::default()),
            backends: WorkerBackends::default(),
            copying: Copying::default(),
            connections: Connections::default(),
            peers: Peers::default(),
            limits: WorkerLimits::default(),
            services: WorkerServices::default(),
            concurrency: WorkerConcurrency::default(),
            entered: Entered::default(),
            unread: Unread::default(),
            shared,
            crew,
            load,
        });
        spawn_local(watch_policies(context.clone()));
        spawn_local(watch_trust(context.clone()));
        context
    }

    /// Has the kernel probe a connection to `address` as the mesh says, if it does (`tcpKeepalive`).
    pub fn probe(&self, stream: &TcpStream, address: SocketAddr) -> Result<(), Error> {
        let Some(keepalive) = self.shared.snapshot.load().traffic().defaults.keepalive else { return Ok(()) };
        backends::keep_alive(stream, keepalive).map_err(|source| Error::Connect { address, source, hint: "" })
    }

    /// Counts a stream of a tunnel like a connection of its own.
    pub fn load(&self) -> Load {
        self.load.fetch_add(1, Relaxed);
        Load(self.load.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

// === impl Accepted ===

impl Accepted {
    /// Resets it.
    pub fn refuse(self) {
        // If it cannot be set, the caller sees an ordinary end.
        let _ = reset_on_close(&self.stream);
    }
}

/// What a worker is asked to do.
#[derive(Debug)]
pub enum Job {
    /// Serve a connection.
    Serve(Accepted),
    /// Run the accept loops of a workload.
    Listen(listeners::Listeners),
    /// Open a listener in a workload's network, and accept from it.
    Open(own_listeners::Opening),
    /// Take prepared sockets.
    Sockets(SocketKey, Result<Vec<OwnedFd>, String>),
    /// The agent came back.
    AgentBack,
    /// A workload is gone.
    Forget(WorkloadUid),
}

// === impl Crew ===

impl Crew {
    /// Starts `count` workers. Each thread ends when `shared.shutdown` fires.
    pub fn start(count: usize, shared: &Arc<Shared>, supply: &Supply) -> Result<Arc<Self>, Error> {
        let crew =
            Arc::new(Self { workers: ArcSwap::default(), wanted: AtomicUsize::new(0), threads: Mutex::default() });
        crew.resize(count, shared, supply)?;
        Ok(crew)
    }

    /// `count` workers, each of which is to run with one of the inboxes.
    #[cfg(test)]
    fn new(count: usize) -> (Arc<Self>, Vec<mpsc::Receiver<Job>>) {
        let (workers, inboxes): (Vec<_>, _) = (0..count).map(|_| Handle::new()).unzip();
        let crew = Self {
            workers: ArcSwap::from_pointee(workers),
            wanted: AtomicUsize::new(count),
            threads: Mutex::default(),
        };
        (Arc::new(crew), inboxes)
    }

    /// From now on `count` workers get connections, at most [`MOST`]; after an error as many as could be started. Those
    /// that there are too many keep what they have. Nobody else may do so at the same time.
    pub fn resize(self: &Arc<Self>, count: usize, shared: &Arc<Shared>, supply: &Supply) -> Result<(), Error> {
        let count = count.min(MOST);
        let mut workers = Vec::clone(&self.workers.load());
        let mut inboxes = Vec::new();
        while workers.len() < count {
            let (worker, inbox) = Handle::new();
            inboxes.push((workers.len(), inbox));
            workers.push(worker);
        }
        // A worker finds itself among them.
        self.workers.store(Arc::new(workers));
        for (index, inbox) in inboxes {
            let (shared, crew, supply) = (shared.clone(), self.clone(), supply.clone());
            let thread = thread::Builder::new().name(format!("worker-{index}"));
            match thread.spawn(move || work(index, shared, crew, supply, inbox)) {
                Ok(thread) => self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread),
                Err(source) => {
                    // Those that there are go on.
                    self.workers.rcu(|workers| workers[..index].to_vec());
                    self.wanted.store(index, Relaxed);
                    return Err(Error::Io { what: "starting a worker".into(), source });
                }
            }
        }
        self.wanted.store(count, Relaxed);
        Ok(())
    }

    /// Waits for all threads to end, which they do once `shutdown` has fired.
    pub fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
    }

    /// The worker that a workload's listeners go to: the least loaded, the lowest index first.
    pub async fn listen(&self, listeners: listeners::Listeners) {
        let _ = self.least_loaded().jobs.send(Job::Listen(listeners)).await;
    }

    /// Has the least loaded worker open a listener in a workload's network.
    pub async fn open_listener(&self, opening: own_listeners::Opening) {
        let _ = self.least_loaded().jobs.send(Job::Open(opening)).await;
    }

    /// Gives a connection to the least loaded worker; a worker whose queue is full drops it,
    /// which resets it.
    pub fn deal(&self, accepted: Accepted) {
        let worker = self.least_loaded();
        worker.load.fetch_add(1, Relaxed);
        let Err(TrySendError::Full(job) | TrySendError::Closed(job)) = worker.jobs.try_send(Job::Serve(accepted))
        else {
            return;
        };
        worker.load.fetch_sub(1, Relaxed);
        if let Job::Serve(accepted) = job {
            accepted.refuse();
        }
        tracing::warn!(queue = QUEUE, "a worker's queue is full: a new connection was reset");
    }

    /// Brings prepared sockets to the worker that asked.
    pub async fn deliver(&self, worker: usize, key: SocketKey, sockets: Result<Vec<OwnedFd>, String>) {
        let worker = self.workers.load().get(worker).cloned();
        if let Some(worker) = worker {
            let _ = worker.jobs.send(Job::Sockets(key, sockets)).await;
        }
    }

    /// Tells every worker that the agent came back.
    pub async fn agent_back(&self) {
        for worker in &*self.workers.load_full() {
            let _ = worker.jobs.send(Job::AgentBack).await;
        }
    }

    /// Tells every worker that a workload is gone.
    pub async fn forget(&self, uid: &WorkloadUid) {
        for worker in &*self.workers.load_full() {
            let _ = worker.jobs.send(Job::Forget(uid.clone())).await;
        }
    }

    /// Connections and tunnels that are open at all workers.
    pub fn open(&self) -> usize {
        self.workers.load().iter().map(|worker| worker.load.load(Relaxed)).sum()
    }

    fn least_loaded(&self) -> Handle {
        let workers = self.workers.load();
        let wanted = workers.iter().take(self.wanted.load(Relaxed));
        // Neither `start` nor `resize` is ever called with 0 where connections come.
        wanted.min_by_key(|worker| worker.load.load(Relaxed)).expect("at least one worker").clone()
    }
}

// === impl Handle ===

impl Handle {
    /// A worker's handle, and the inbox that it is to run with.
    fn new() -> (Self, mpsc::Receiver<Job>) {
        let (jobs, inbox) = mpsc::channel(QUEUE);
        (Self { jobs, load: Arc::default() }, inbox)
    }
}

/// A worker's thread.
fn work(index: usize, shared: Arc<Shared>, crew: Arc<Crew>, supply: Supply, inbox: mpsc::Receiver<Job>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, index, "a worker could not start");
            shared.shutdown.cancel();
            return;
        }
    };
    LocalSet::new().block_on(&runtime, run(index, shared, crew, supply, inbox));
}

/// A worker, on the thread that it is run on.
async fn run(index: usize, shared: Arc<Shared>, crew: Arc<Crew>, supply: Supply, inbox: mpsc::Receiver<Job>) {
    let load = crew.workers.load()[index].load.clone();
    let shutdown = shared.shutdown.clone();
    // Tasks of their own: what is awaited here is looked at whenever anything happens at the worker.
    let context = Context::start(index, shared, crew, supply, load);
    spawn_local(attend(context, inbox));
    shutdown.cancelled().await;
}

async fn attend(context: Rc<Context>, mut inbox: mpsc::Receiver<Job>) {
    while let Some(job) = inbox.recv().await {
        match job {
            Job::Serve(accepted) => {
                let context = context.clone();
                spawn_local(async move {
                    serve(&context, accepted).await;
                    context.load.fetch_sub(1, Relaxed);
                });
            }
            Job::Listen(listeners) => listeners.run(&context),
            Job::Open(opening) => drop(spawn_local(opening.run(context.clone()))),
            Job::Sockets(key, sockets) => context.sockets.deliver(&key, sockets),
            Job::AgentBack => context.sockets.ask_again(),
            Job::Forget(uid) => {
                context.sockets.forget(&uid);
                context.backends.forget(&uid);
                context.tunnels.forget(&uid);
            }
        }
    }
}

/// Decides anew about open connections whenever the configuration changed.
async fn watch_policies(context: Rc<Context>) {
    let mut changed = context.shared.changed.subscribe();
    context.tunnels.keep_idle(context.shared.snapshot.load().traffic().defaults.tunnel_idle);
    while changed.changed().await.is_ok() {
        let program = context.shared.snapshot.load_full();
        context.tunnels.keep_idle(program.traffic().defaults.tunnel_idle);
        context.connections.recheck(&program);
        context.entered.recheck(&program);
        context.unread.recheck(&program);
        context.recorder.follow(&program);
    }
}

/// Judges peers anew whenever those have changed who are believed.
async fn watch_trust(context: Rc<Context>) {
    let certificates = &context.shared.certificates;
    let mut changed = certificates.believed_changes();
    while changed.changed().await.is_ok() {
        context.peers.recheck(certificates).await;
    }
}

async fn serve(context: &Rc<Context>, accepted: Accepted) {
    let Accepted { capture, workload, stream, peer, place } = accepted;
    let stream = match prepare(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%error, "a connection ended before it was served"),
    };
    let gone = match capture {
        Capture::Outbound | Capture::Listener(ListenerWay::Egress) => workload.outlet(),
        _ => workload.gone.clone(),
    };
    // What counts as captured is an application's connection, not the tunnel around it.
    let served: std::pin::Pin<Box<dyn Future<Output = ()>>> = match capture {
        Capture::Outbound => Box::pin(outbound::serve(context.clone(), workload, gone.clone(), stream, peer)),
        Capture::Plaintext => Box::pin(plaintext::serve(context.clone(), workload, stream, peer)),
        Capture::Tunnel => Box::pin(inbound::serve(context.clone(), workload, stream, peer)),
        Capture::Dns => Box::pin(crate::dns::serve_stream(context.clone(), workload, stream)),
        Capture::Gateway(door, taker) => {
            Box::pin(gateway::serve(context.clone(), workload, (door, taker), stream, peer))
        }
        Capture::Waypoint => Box::pin(waypoint::serve(context.clone(), workload, stream, peer)),
        Capture::Listener(way) => {
            let peer = own_listeners::caller(context, &workload, peer);
            match way {
                ListenerWay::Ingress => Box::pin(plaintext::serve(context.clone(), workload, stream, peer)),
                ListenerWay::Egress if !own_listeners::calls_itself(context, &workload, peer) => {
                    return refuse::refuse_plaintext(stream);
                }
                ListenerWay::Egress => Box::pin(outbound::serve(context.clone(), workload, gone.clone(), stream, peer)),
            }
        }
    };
    let gone = pin!(Seldom::new(gone.cancelled()));
    tokio::select! {
        // A relay ends by itself, and is recorded, when the workload is gone.
        biased;
        () = served => {}
        () = gone => {}
    }
    drop(place);
}

/// Finds out about peers that went without a word; the application's own probes end at the proxy.
pub fn keep_alive(socket: &impl AsFd) -> std::io::Result<()> {
    let probes =
        TcpKeepalive::new().with_time(Duration::from_secs(180)).with_interval(Duration::from_secs(15)).with_retries(9);
    SockRef::from(socket).set_tcp_keepalive(&probes)
}

fn prepare(stream: StdTcpStream) -> std::io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    keep_alive(&stream)?;
    let stream = TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod allocations;
#[cfg(test)]
mod sizes;
#[cfg(test)]
mod tests;
