//! A proxy with its workers, and the endpoints that it calls.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    future::Future,
    io::Read,
    net::SocketAddr,
    os::{fd::OwnedFd, unix::net::UnixStream},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use ripstop_balance::{Criteria, Outcome, Overflow, Picked, Refused, Resource, Tried, Usage};
use ripstop_decide::{Callee, Program, Target};
use ripstop_exchange::Io;
use ripstop_model::{BackendSettings, Change, EndpointAddress, Resolution, StaticEndpoint, TrafficChange, Workload};
use tokio::{
    net::TcpStream,
    task::{LocalSet, spawn_local, yield_now},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::requests::{Dice, Request};
use crate::backends::{
    BackendError, Backends, Connection, EndpointKey, HttpVersion, WorkerBackend, WorkerBackends,
    purpose::{Purpose, Way},
    state::Order,
    testing::{Names, entry, labels, program, rule_change, rules, target, workload, written},
};

/// How many workers proxies have.
pub(super) const CREWS: [usize; 3] = [1, 2, 4];
/// Whoever comes lets so many others go first that have something to do at the same moment: those who end, and those
/// who waited for that.
const COURTESY: usize = 32;
/// Longest time that requests take, on the simulated clock.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long a request waits before it is tried again.
const PAUSES: (u64, u64) = (5, 30);

/// A proxy of some workers, which call one backend.
pub(super) struct Proxy {
    pub(super) workers: Vec<WorkerBackends>,
    backends: Backends,
    caller: Arc<Workload>,
    program: Arc<Program>,
    target: Target,
    /// Where its endpoints are.
    addresses: Vec<SocketAddr>,
    /// Retries of a request at most.
    retries: u32,
    /// The far ends of all connections.
    far_ends: RefCell<Vec<UnixStream>>,
    pub(super) seen: Seen,
}

/// What was seen of a proxy from outside.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Requests that were let in.
    pub(super) active: Gauge,
    /// Connections that are open.
    pub(super) open: Gauge,
    /// Requests that wait for a connection.
    pub(super) waiting: Gauge,
    /// Retries.
    pub(super) retrying: Gauge,
    /// When each request was let in.
    pub(super) began: RefCell<Vec<Instant>>,
    /// How many attempts there were.
    pub(super) attempts: Cell<usize>,
}

/// How many there are, and how many there were at most.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    now: Cell<usize>,
    most: Cell<usize>,
}

/// One of those that a gauge counts.
struct Counted<'a>(&'a Gauge);

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// The endpoint of that number answered the last attempt, the how manyth that was, with that status.
    Answered { by: usize, attempts: u32, status: u16 },
    /// It was beyond a limit.
    Beyond(Resource),
    /// No endpoint may be called.
    Nowhere,
}

/// An attempt that an endpoint answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// Number of the endpoint.
    pub(super) endpoint: usize,
    /// What its answer may be drawn by.
    pub(super) random: u64,
}

/// What is done for requests, and looks on.
pub(super) trait Rules {
    /// The status of an answer.
    fn answer(&self, attempt: Attempt) -> u16;

    /// How many times as long as others an endpoint takes.
    fn slower(&self, endpoint: usize) -> u64 {
        let _ = endpoint;
        1
    }

    /// A limit refuses something.
    fn refused(&self, proxy: &Proxy, overflow: Overflow) {
        let _ = (proxy, overflow);
    }

    /// The right to a retry is asked for; whether it was given.
    fn asked_to_retry(&self, proxy: &Proxy, given: bool) {
        let _ = (proxy, given);
    }

    /// An answer of an endpoint was told of.
    fn told(&self, proxy: &Proxy, endpoint: usize, status: u16) {
        let _ = (proxy, endpoint, status);
    }
}

/// Every answer is 200.
pub(super) struct Well;

impl Rules for Well {
    fn answer(&self, _: Attempt) -> u16 {
        200
    }
}

/// Runs `test` where workers run, on a clock that moves only while all wait.
pub(super) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

// === impl Proxy ===

impl Proxy {
    /// With so many workers, which call endpoints of these weights as `settings` say, each request again so often.
    pub(super) fn new(workers: usize, weights: &[u32], settings: BackendSettings, retries: u32) -> Rc<Self> {
        let endpoints = weights.iter().map(|weight| (*weight, ""));
        Self::of(workers, workload("caller", 99), endpoints, settings, retries)
    }

    /// With so many workers, of a caller at that place (`region/zone`), which call endpoints at these as `settings` say.
    pub(super) fn placed(workers: usize, own: &str, places: &[&str], settings: BackendSettings) -> Rc<Self> {
        let (region, zone) = own.split_once('/').unwrap();
        let mut caller = workload("caller", 99);
        let place = [("topology.kubernetes.io/region", region), ("topology.kubernetes.io/zone", zone)];
        caller.labels = labels(&place);
        Self::of(workers, caller, places.iter().map(|place| (1, *place)), settings, 0)
    }

    fn of<'a>(
        workers: usize,
        caller: Workload,
        endpoints: impl Iterator<Item = (u32, &'a str)>,
        settings: BackendSettings,
        retries: u32,
    ) -> Rc<Self> {
        let nth = |at: usize| SocketAddr::from(([10, 1, 0, u8::try_from(at + 1).unwrap()], 80));
        let endpoint = |(at, (weight, locality)): (usize, (u32, &str))| StaticEndpoint {
            weight,
            locality: locality.into(),
            ..written(EndpointAddress::Ip(nth(at).ip()))
        };
        let endpoints: Vec<_> = endpoints.enumerate().map(endpoint).collect();
        let addresses: Vec<_> = (0..endpoints.len()).map(nth).collect();
        let host = entry("web.example", Resolution::Static, 80, endpoints);
        let mut rule = rules("web.example", settings.general.clone());
        rule.policy = settings;
        let hosts = TrafficChange::Entries(host.object.clone(), Some(Arc::new(vec![host.clone()])));
        Rc::new(Self {
            workers: (0..workers).map(|_| WorkerBackends::default()).collect(),
            backends: Backends::with_resolver("/nowhere".as_ref(), Arc::new(Names::default())),
            caller: Arc::new(caller),
            program: program(1, [Change::TrafficObject(hosts), rule_change(rule)]),
            target: target(&Callee::Entry(Arc::new(host))),
            addresses,
            retries,
            far_ends: RefCell::default(),
            seen: Seen::default(),
        })
    }

    /// Takes all requests, each when it comes; how they ended.
    pub(super) async fn take(self: &Rc<Self>, requests: &[Request], rules: &Rc<impl Rules + 'static>) -> Vec<End> {
        let start = Instant::now();
        let serve = |request: &Request| {
            let (proxy, rules, request) = (Rc::clone(self), Rc::clone(rules), *request);
            spawn_local(async move {
                sleep_until(start + Duration::from_millis(request.at)).await;
                for _ in 0..COURTESY {
                    yield_now().await;
                }
                proxy.serve(&request, &*rules).await
            })
        };
        let served: Vec<_> = requests.iter().map(serve).collect();
        let mut ends = Vec::new();
        for served in served {
            ends.push(timeout(PATIENCE, served).await.expect("nobody waits for ever").unwrap());
        }
        assert_eq!(self.usage(), Usage { connections: self.usage().connections, ..Usage::default() });
        ends
    }

    /// The backend as a worker has it.
    pub(super) fn backend(&self, worker: u64) -> Rc<WorkerBackend> {
        let at = usize::try_from(worker % self.workers.len() as u64).unwrap();
        self.workers[at].find(&self.backends, &self.program, &self.caller, &self.target)
    }

    /// What a request of that hash is sent to by a worker.
    pub(super) fn pick(&self, worker: u64, hash: Option<u64>, random: u64) -> Option<usize> {
        let criteria = Criteria { hash, ..Criteria::default() };
        let picked = self.backend(worker).pick(&criteria, self.addresses[0], random).ok()?;
        Some(self.number(picked.key()))
    }

    /// Numbers of the endpoints that are ejected.
    pub(super) fn ejected(&self) -> BTreeSet<usize> {
        let endpoints = self.backend(0).shared().balance.endpoints(Instant::now().into_std());
        endpoints.iter().filter(|one| one.ejected.is_some()).map(|one| self.number(&one.key)).collect()
    }

    /// A request of a worker's to that endpoint fails.
    pub(super) fn fail(&self, worker: u64, endpoint: usize) {
        self.ends(worker, endpoint, Outcome::Status(503));
    }

    /// A request of a worker's to that endpoint succeeds.
    pub(super) fn succeed(&self, worker: u64, endpoint: usize) {
        self.ends(worker, endpoint, Outcome::Status(200));
    }

    /// Requests of all workers to that endpoint fail until it is ejected.
    pub(super) fn eject(&self, endpoint: usize) {
        let mut worker = 0;
        while !self.ejected().contains(&endpoint) {
            self.fail(worker, endpoint);
            worker += 1;
        }
    }

    /// How much of everything the proxy says there is.
    pub(super) fn usage(&self) -> Usage {
        self.backend(0).shared().balance.usage()
    }

    fn ends(&self, worker: u64, endpoint: usize, outcome: Outcome) {
        let backend = self.backend(worker);
        let key = backend.shared().facts().endpoints[&self.addresses[endpoint]].clone();
        let picked = backend.state().balancer.borrow_mut().pick_named(&key, Instant::now().into_std()).unwrap();
        backend.tell(&picked, outcome);
    }

    fn number(&self, endpoint: &EndpointKey) -> usize {
        self.addresses.iter().position(|address| *address == endpoint.address()).unwrap()
    }

    /// What the proxy does for a request, from its head to the end of its answer.
    async fn serve(self: &Rc<Self>, request: &Request, rules: &impl Rules) -> End {
        let Seen { active, retrying, attempts, .. } = &self.seen;
        let backend = self.backend(request.worker);
        let beyond = |overflow: Overflow| {
            rules.refused(self, overflow);
            End::Beyond(overflow.resource)
        };
        let _active = match backend.acquire(Resource::Request) {
            Ok(permit) => (permit, active.count()),
            Err(overflow) => return beyond(overflow),
        };
        self.seen.began.borrow_mut().push(Instant::now());
        let mut dice = Dice::new(request.random);
        let mut tried = Tried::new();
        let mut retry = None;
        for number in 1.. {
            let criteria = Criteria { hash: request.hash, tried: &tried, ..Criteria::default() };
            let picked = match backend.pick(&criteria, self.addresses[0], dice.next()) {
                Ok(picked) => picked,
                Err(Refused::NoneUsable { .. }) => return End::Nowhere,
                Err(refused) => panic!("{refused}"),
            };
            tried.note(&picked);
            let at = self.number(picked.key());
            attempts.set(attempts.get() + 1);
            let connection = match self.connect(&backend, &picked).await {
                Ok(connection) => connection,
                Err(BackendError::Overflow(overflow)) => return beyond(overflow),
                Err(error) => panic!("{error}"),
            };
            self.look();
            sleep(Duration::from_millis(request.takes * rules.slower(at))).await;
            let status = rules.answer(Attempt { endpoint: at, random: dice.next() });
            backend.tell(&picked, Outcome::Status(status));
            rules.told(self, at, status);
            if status < 500 || number > self.retries {
                drop(picked);
                connection.release();
                self.look();
                return End::Answered { by: at, attempts: number, status };
            }
            // What is given up is not kept.
            drop((connection, picked));
            drop(retry.take());
            let asked = backend.acquire(Resource::Retry);
            rules.asked_to_retry(self, asked.is_ok());
            match asked {
                Ok(permit) => retry = Some((permit, retrying.count())),
                Err(overflow) => return beyond(overflow),
            }
            self.look();
            sleep(Duration::from_millis(PAUSES.0 + dice.below(PAUSES.1 - PAUSES.0))).await;
        }
        unreachable!("attempts have an end")
    }

    async fn connect(
        self: &Rc<Self>,
        backend: &WorkerBackend,
        picked: &Picked<EndpointKey>,
    ) -> Result<Connection, BackendError> {
        let facts = Arc::clone(&*backend.shared().facts());
        let purpose = Purpose { endpoint: picked.key().clone(), way: Way::Plain, announced: None };
        let order = Order::new(facts, purpose, HttpVersion::Http1);
        let proxy = Rc::clone(self);
        let open = async move |_: &_| {
            let (near, far) = UnixStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            far.set_nonblocking(true).unwrap();
            let mut far_ends = proxy.far_ends.borrow_mut();
            far_ends.push(far);
            // Nothing is ever sent: there is the end, or nothing yet.
            far_ends.retain_mut(|far| far.read(&mut [0]).is_err());
            proxy.seen.open.set(far_ends.len());
            let counted = proxy.usage().connections;
            assert!(counted >= far_ends.len() as u64, "{counted} are counted, and {} are open", far_ends.len());
            let near = TcpStream::from_std(OwnedFd::from(near).into()).unwrap();
            Ok(Io::Tcp(near))
        };
        backend.state().checkout(order, open).await
    }

    /// Looks what there is. What the proxy says of it is true.
    fn look(&self) {
        let usage = self.usage();
        self.seen.waiting.set(usize::try_from(usage.pending_requests).unwrap());
        assert_eq!(usage.requests, self.seen.active.now() as u64);
    }
}

// === impl Gauge ===

impl Gauge {
    /// How many there are.
    pub(super) fn now(&self) -> usize {
        self.now.get()
    }

    /// How many there were at once.
    pub(super) fn most(&self) -> usize {
        self.most.get()
    }

    fn set(&self, now: usize) {
        self.now.set(now);
        self.most.set(self.most.get().max(now));
    }

    fn count(&self) -> Counted<'_> {
        self.set(self.now() + 1);
        Counted(self)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.now() - 1);
    }
}
