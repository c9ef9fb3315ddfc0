//! A run: threads that send, and what is told of it meanwhile.

use std::{
    io,
    rc::Rc,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use ripstop_h1::RequestWriter;
use thiserror::Error;
use tokio::{
    runtime::{self, Runtime},
    sync::{Barrier, Notify},
    task::{JoinSet, LocalSet},
};

use crate::{
    Failure, Length, Pace, Plan, Reuse,
    client::{Line, Place},
    counted::Counted,
    report::{Report, Second},
    shares::Shares,
    tally::Tally,
    turns::Turns,
};

/// Is told of every second that has passed.
pub trait Watch {
    /// Requests count from now on.
    fn begins(&mut self) {}

    /// A second has passed.
    fn second(&mut self, second: &Second);
}

/// Ends a run before its time.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(AtomicBool, Notify)>);

/// Why a run did not take place.
#[derive(Debug, Error)]
pub enum LoadError {
    /// There is nowhere to send to.
    #[error("there is no target")]
    NoTarget,
    /// A closed loop has no rate, an open one has.
    #[error("a rate is a number of requests a second above 0")]
    Rate,
    /// HTTP/1.1 has no streams.
    #[error("several requests at once on a connection need HTTP/2 or gRPC")]
    Streams,
    /// TLS is wanted, and nothing says how.
    #[error("{0} needs TLS")]
    NoTls(String),
    /// What is to be sent can't be.
    #[error("such a request can't be sent: {0}")]
    Message(#[from] ripstop_h1::Reason),
    /// No connection could be made, to no target.
    #[error("no connection to any target ({0}): {1}")]
    Unreachable(&'static str, String),
    /// The machine has no threads or sockets left.
    #[error("no thread could be made: {0}")]
    Threads(#[from] io::Error),
    /// A thread has died of a mistake of ours.
    #[error("a thread that sends has died")]
    Died,
}

/// The time in which requests are begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// When the first one is due.
    first: Instant,
    /// From here on they count.
    pub(crate) begin: Instant,
    end: Option<Instant>,
}

/// Requests that may still be begun; none: as many as there is time for.
#[derive(Debug)]
pub(crate) struct Budget(Option<AtomicU64>);

/// Where all places meet before the first request.
struct Gate {
    meeting: Barrier,
    begin: OnceLock<Instant>,
    connected: AtomicBool,
    /// Why the first place that could not connect could not.
    lost: Mutex<Option<(Failure, String)>>,
}

/// What all threads share.
struct Common {
    plan: Arc<Plan>,
    gate: Gate,
    budget: Arc<Budget>,
    stop: Stop,
}

const SECOND: Duration = Duration::from_secs(1);

/// Carries out `plan` on threads of its own, until it is over or `stop` is set.
pub fn run(plan: Plan, stop: &Stop, watch: &mut impl Watch) -> Result<Report, LoadError> {
    check(&plan)?;
    let plan = Arc::new(plan);
    let places = plan.places();
    let common = Arc::new(Common {
        gate: Gate {
            meeting: Barrier::new(places + 1),
            begin: OnceLock::new(),
            connected: AtomicBool::new(plan.reuse == Reuse::Fresh),
            lost: Mutex::default(),
        },
        budget: Arc::new(Budget::new(plan.length)),
        stop: stop.clone(),
        plan: plan.clone(),
    });
    let connections = plan.connections.get() as usize;
    let workers = plan.workers.get().min(connections);
    let (done, ended) = mpsc::channel();
    let mut threads = Vec::new();
    for worker in 0..workers {
        let tallies: Arc<[Mutex<Tally>]> = plan.targets.iter().map(|_| Mutex::default()).collect();
        let (common, own, done) = (common.clone(), tallies.clone(), done.clone());
        // Here, where nobody waits at the gate yet if it fails.
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || {
            let worked = work(&runtime, &common, (worker..connections).step_by(workers), &own);
            let _ = done.send(());
            worked
        };
        threads.push((thread::Builder::new().name(format!("load-{worker}")).spawn(work)?, tallies));
    }
    drop(done);
    let runtime = runtime::Builder::new_current_thread().build()?;
    runtime.block_on(common.gate.meeting.wait());
    let span = common.gate.span(&plan);
    let lost = common.gate.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
    if !common.gate.connected.load(Ordering::Relaxed) {
        stop.set();
        let (failure, reason) = lost.unwrap_or((Failure::Connect, String::new()));
        return Err(LoadError::Unreachable(failure.name(), reason));
    }
    let mut counted = Counted::new(&plan);
    let tallies: Vec<_> = threads.iter().map(|(_, tallies)| tallies.clone()).collect();
    let mut next = span.begin;
    if wait(&ended, next) {
        watch.begins();
    }
    next += SECOND;
    while wait(&ended, next) {
        watch.second(&counted.second(&tallies));
        next += SECOND;
    }
    for (thread, _) in threads {
        thread.join().map_err(|_| LoadError::Died)??;
    }
    let mut seconds = span.begin.elapsed();
    if let (Length::Time(time), false) = (plan.length, stop.is_set()) {
        // The last place of an open loop may have had nothing to do any more.
        seconds = seconds.max(time);
    }
    Ok(counted.report(&tallies, &plan, seconds))
}

/// Waits until `at`; false if all threads have ended before.
fn wait(ended: &mpsc::Receiver<()>, at: Instant) -> bool {
    loop {
        match ended.recv_timeout(at.saturating_duration_since(Instant::now())) {
            // One of several.
            Ok(()) => {}
            Err(mpsc::RecvTimeoutError::Timeout) => return true,
            Err(mpsc::RecvTimeoutError::Disconnected) => return false,
        }
    }
}

fn check(plan: &Plan) -> Result<(), LoadError> {
    if plan.targets.is_empty() {
        return Err(LoadError::NoTarget);
    }
    if let Pace::Open { rate } = plan.pace
        && !(rate.is_finite() && rate > 0.0)
    {
        return Err(LoadError::Rate);
    }
    if plan.streams.get() > 1 && !plan.protocol.is_http2() {
        return Err(LoadError::Streams);
    }
    if let Some(secure) = plan.targets.iter().find(|target| target.is_secure() && plan.tls.is_none()) {
        return Err(LoadError::NoTls(secure.url()));
    }
    for target in &plan.targets {
        let mut head = Vec::new();
        let method = plan.message.method.as_bytes();
        let mut writer =
            RequestWriter::new(&mut head, method, target.path.as_bytes(), Some(target.authority.as_bytes()))?;
        for (name, value) in &plan.message.fields {
            writer.field(name.as_bytes(), value.as_bytes())?;
        }
    }
    Ok(())
}

/// One thread: the connections of `indices`, and their places.
fn work(
    runtime: &Runtime,
    common: &Arc<Common>,
    indices: impl Iterator<Item = usize>,
    tallies: &Arc<[Mutex<Tally>]>,
) -> io::Result<()> {
    let Common { plan, budget, stop, .. } = &**common;
    let streams = plan.streams.get() as usize;
    LocalSet::new().block_on(runtime, async {
        let mut places = JoinSet::new();
        for connection in indices {
            let line = Rc::new(Line::new(plan));
            for stream in 0..streams {
                // Turns of an open loop go round all connections before one has its second.
                let index = stream * plan.connections.get() as usize + connection;
                let place = Place {
                    line: line.clone(),
                    shares: Shares::new(plan.targets.iter().map(|target| target.weight.get()), index),
                    tallies: tallies.clone(),
                    budget: budget.clone(),
                    stop: stop.clone(),
                };
                let common = common.clone();
                places.spawn_local(async move {
                    let prepared = place.prepare().await;
                    let span = common.gate.pass(&common.plan, prepared).await;
                    let turns = Turns::new(common.plan.pace, index, common.plan.places(), span.first);
                    place.run(turns, span).await;
                });
            }
        }
        while let Some(ended) = places.join_next().await {
            ended.map_err(io::Error::other)?;
        }
        Ok(())
    })
}

// === impl Gate ===

impl Gate {
    /// Waits for all.
    async fn pass(&self, plan: &Plan, prepared: Result<(), (Failure, String)>) -> Span {
        match prepared {
            Ok(()) => self.connected.store(true, Ordering::Relaxed),
            Err(lost) => drop(self.lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(lost)),
        }
        self.meeting.wait().await;
        self.span(plan)
    }

    /// The same for everybody.
    fn span(&self, plan: &Plan) -> Span {
        let first = *self.begin.get_or_init(Instant::now);
        let begin = first + plan.warm_up;
        let end = if let Length::Time(time) = plan.length { begin.checked_add(time) } else { None };
        Span { first, begin, end }
    }
}

// === impl Span ===

impl Span {
    /// Whether nothing is begun at `at` any more.
    pub(crate) fn is_over(self, at: Instant) -> bool {
        self.end.is_some_and(|end| at >= end)
    }
}

// === impl Stop ===

impl Stop {
    /// No further request is begun.
    pub fn set(&self) {
        self.0.0.store(true, Ordering::Relaxed);
        self.0.1.notify_waiters();
    }

    /// Whether it was set.
    pub fn is_set(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }

    /// Waits for `event`, or until it is set.
    pub(crate) async fn or(&self, event: impl Future<Output = ()>) {
        let set = self.0.1.notified();
        if !self.is_set() {
            tokio::select! {
                () = event => {}
                () = set => {}
            }
        }
    }
}

// === impl Budget ===

impl Budget {
    fn new(length: Length) -> Self {
        Self(if let Length::Requests(count) = length { Some(AtomicU64::new(count)) } else { None })
    }

    /// Whether another request may be begun.
    pub(crate) fn take(&self) -> bool {
        let Some(left) = &self.0 else { return true };
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}
