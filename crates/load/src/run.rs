//! A run: threads that send, and what is told of it meanwhile.

mod stop;
mod worker;

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ripstop_h1::RequestWriter;
use thiserror::Error;
use tokio::{
    runtime::{self, Runtime},
    select,
    sync::{Barrier, mpsc},
    time::sleep_until,
};

pub use self::stop::Stop;
use crate::{
    Length, Pace, Plan, Reuse,
    client::Names,
    counted::Counted,
    failure::Lost,
    report::{Report, Second},
    schedule::Schedule,
    tally::Tally,
};

/// Is told of every second that has passed.
pub trait Watch {
    /// Requests count from now on.
    fn begins(&mut self) {}

    /// A second has passed.
    fn second(&mut self, second: &Second);
}

/// Why a run did not take place.
#[derive(Debug, Error)]
pub enum LoadError {
    /// There is nowhere to send to.
    #[error("there is no target")]
    NoTarget,
    /// A closed loop has no rate, an open one has.
    #[error("a rate is a number of requests a second above 0")]
    Rate,
    /// Nobody lives that long.
    #[error("{0:?} is longer than a run can be")]
    TooLong(Duration),
    /// HTTP/1.1 has no streams.
    #[error("several requests at once on a connection need HTTP/2 or gRPC")]
    Streams,
    /// TLS is wanted, and nothing says how.
    #[error("{0} needs TLS")]
    NoTls(String),
    /// What is to be sent can't be.
    #[error("such a request can't be sent")]
    Message(#[from] ripstop_h1::Reason),
    /// No connection could be made, to no target.
    #[error("no connection to any target ({0}): {1}")]
    Unreachable(&'static str, String),
    /// It was stopped before the first request.
    #[error("it was stopped before the first request")]
    Stopped,
    /// The machine has no threads or sockets left.
    #[error("no thread could be made")]
    Threads(#[from] io::Error),
    /// A thread has died of a mistake of ours.
    #[error("a thread that sends has died")]
    Died,
}

/// Where all users meet before the first request.
struct Gate {
    meeting: Barrier,
    schedule: OnceLock<Schedule>,
    connected: AtomicBool,
    /// Why the first user that could not connect could not.
    lost: Mutex<Option<Lost>>,
}

/// What all threads share.
struct Common {
    plan: Arc<Plan>,
    names: Arc<Names>,
    gate: Gate,
    /// The caller's, and our own.
    stop: Stop,
    given_up: Stop,
}

/// A thread, and what it counts of each target.
struct Thread {
    handle: thread::JoinHandle<()>,
    tallies: Arc<[Mutex<Tally>]>,
}

const SECOND: Duration = Duration::from_secs(1);
/// The longest that anything can be asked to take.
const LONGEST: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// Carries out `plan` on threads of its own, until it is over or `stop` is set. Then nobody waits for what is under way,
/// and it counts for nothing.
pub fn run(plan: Plan, stop: &Stop, watch: &mut impl Watch) -> Result<Report, LoadError> {
    check(&plan)?;
    let plan = Arc::new(plan);
    let common = Arc::new(Common {
        gate: Gate {
            meeting: Barrier::new(plan.places() + 1),
            schedule: OnceLock::new(),
            connected: AtomicBool::new(plan.reuse == Reuse::Fresh),
            lost: Mutex::default(),
        },
        names: Arc::new(Names::new(&plan)),
        stop: stop.clone(),
        given_up: Stop::default(),
        plan: plan.clone(),
    });
    let connections = plan.connections.get() as usize;
    let workers = plan.workers.get().min(connections);
    // Whatever can fail is made before anybody waits at the gate.
    let runtime = runtime()?;
    let runtimes = (0..workers).map(|_| self::runtime()).collect::<Result<Vec<_>, _>>()?;
    let (done, mut ended) = mpsc::channel::<()>(1);
    let mut threads = Vec::new();
    for (worker, own) in runtimes.into_iter().enumerate() {
        let tallies: Arc<[Mutex<Tally>]> = plan.targets.iter().map(|_| Mutex::default()).collect();
        let (shared, counting, done) = (common.clone(), tallies.clone(), done.clone());
        let work = move || {
            let _done = done;
            worker::work(&own, &shared, (worker..connections).step_by(workers), &counting);
        };
        let handle = thread::Builder::new().name(format!("load-{worker}")).spawn(work);
        threads.push(Thread { handle: handle.inspect_err(|_| common.given_up.set())?, tallies });
    }
    drop(done);
    let told = runtime.block_on(async {
        select! {
            biased;
            // Whoever has met has begun, also if it is stopped at once.
            _ = common.gate.meeting.wait() => {}
            // One of them has died: the others would wait for ever.
            _ = ended.recv() => return Err(LoadError::Died),
            () = stop.waited() => return Err(LoadError::Stopped),
        }
        if !common.gate.connected.load(Ordering::Relaxed) {
            let lost = common.gate.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Err(lost.map_or(LoadError::Died, |lost| LoadError::Unreachable(lost.failure.name(), lost.reason)));
        }
        let schedule = common.gate.schedule(&plan);
        let mut counted = Counted::new(&plan);
        let over = follow(schedule, &threads, &mut counted, stop, &mut ended, watch).await;
        Ok((counted, over))
    });
    if told.is_err() {
        common.given_up.set();
    }
    let mut died = false;
    let tallies: Vec<_> = threads.iter().map(|thread| thread.tallies.clone()).collect();
    for thread in threads {
        died |= thread.handle.join().is_err();
    }
    let (counted, over) = told?;
    if died {
        return Err(LoadError::Died);
    }
    Ok(counted.report(&tallies, &plan, common.gate.schedule(&plan), over))
}

/// Tells of each second until all threads have ended, or were told to; gives when requests ceased to be due.
async fn follow(
    schedule: &Schedule,
    threads: &[Thread],
    counted: &mut Counted,
    stop: &Stop,
    ended: &mut mpsc::Receiver<()>,
    watch: &mut impl Watch,
) -> Instant {
    let tallies: Vec<_> = threads.iter().map(|thread| thread.tallies.clone()).collect();
    let mut next = schedule.begin();
    let mut running = true;
    loop {
        select! {
            biased;
            () = stop.waited() => return Instant::now(),
            () = sleep_until(next.into()) => {}
            // By time it ends when time is over, also if nothing was due in its last second.
            _ = ended.recv(), if running => {
                running = false;
                if schedule.end().is_none_or(|end| Instant::now() >= end) {
                    return Instant::now();
                }
                continue;
            }
        }
        if next == schedule.begin() {
            watch.begins();
        } else {
            watch.second(&counted.second(&tallies));
        }
        if !running && schedule.end().is_none_or(|end| next >= end) {
            return next;
        }
        next += SECOND;
    }
}

fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
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
    let length = if let Length::Time(time) = plan.length { time } else { Duration::ZERO };
    if let Some(time) = [plan.warm_up, length, plan.timeout].into_iter().find(|time| *time > LONGEST) {
        return Err(LoadError::TooLong(time));
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

// === impl Gate ===

impl Gate {
    /// Waits for all.
    async fn pass(&self, plan: &Plan, prepared: Result<(), Lost>) -> &Schedule {
        match prepared {
            Ok(()) => self.connected.store(true, Ordering::Relaxed),
            Err(lost) => drop(self.lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(lost)),
        }
        self.meeting.wait().await;
        self.schedule(plan)
    }

    /// The same for everybody.
    fn schedule(&self, plan: &Plan) -> &Schedule {
        self.schedule.get_or_init(|| Schedule::new(plan, Instant::now()))
    }
}
