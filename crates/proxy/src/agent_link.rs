//! The line to the node's agent: listeners and prepared sockets come in, acknowledgements and
//! counts go out.
//!
//! The agent says which proxy serves a workload, and may give it to another one: that one gets copies of the listeners and
//! accepts from them, then this one is told to release them. It accepts nothing more then, and finishes what it has.

mod holding;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use prost::Message as _;
use ripstop_model::{SpiffeId, WorkloadUid};
use ripstop_net::FdChannel;
use ripstop_wire::ripstop::{
    AddWorkload, AgentToProxy, ConnectionCount, ConnectionCounts, Lent, ProxyHello, ProxyToAgent, SocketRequest,
    Sockets, WorkloadAck, agent_to_proxy, proxy_to_agent,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use tokio_util::sync::CancellationToken;

use self::holding::Holding;
use crate::{
    error::Error,
    listeners::Listeners,
    local::LocalWorkload,
    own_listeners,
    sockets::{Refill, SocketKey},
    worker::{Crew, Shared},
};

/// Version of the protocol with the agent.
const PROTOCOL: u32 = 1;
/// Waits between attempts to reach the agent.
const FIRST_RETRY: Duration = Duration::from_millis(10);
const LAST_RETRY: Duration = Duration::from_millis(500);
/// How long a workload's certificate and configuration may take before its enrolment fails (the
/// agent tries again). Shorter than the agent waits for an answer.
const PREPARE_DEADLINE: Duration = Duration::from_secs(4);
/// How often counts of leaving and released workloads are told.
const COUNT_PERIOD: Duration = Duration::from_millis(100);

/// For whom a proxy works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serves {
    /// For all workloads of its node that have no proxy of their own.
    Node,
    /// For one.
    Only(WorkloadUid),
}

/// Serves the agent: for a node for ever, for a single workload until the agent has taken it back, and what came
/// before has ended.
pub struct AgentLink {
    /// Socket that the agent listens on.
    pub path: PathBuf,
    /// What workers share.
    pub shared: Arc<Shared>,
    /// The workers.
    pub crew: Arc<Crew>,
    /// Tells that all workloads are served, and again whenever another one is.
    pub ready: watch::Sender<bool>,
    /// For whom.
    pub serves: Serves,
}

/// An enrolled workload and what its enrolment holds; dropping it ends its listeners and connections.
struct Enrolled {
    workload: Arc<LocalWorkload>,
    /// Copies of its listeners, for an agent that has none.
    listeners: Vec<OwnedFd>,
    /// The agent was told that nothing of it is left.
    told_idle: bool,
    _certificate: Holding,
}

/// How one connection to the agent ended.
enum Ended {
    /// The agent went away.
    Away,
    /// There is nothing left to do.
    Done,
}

/// How an enrolment came out.
struct Prepared {
    uid: WorkloadUid,
    /// Cancelled: the agent has taken it back, or asked anew.
    given_up: CancellationToken,
    outcome: Result<Enrolled, Error>,
}

#[derive(Default)]
struct State {
    enrolled: HashMap<WorkloadUid, Enrolled>,
    /// What others serve by now, and has connections here yet.
    released: Vec<Enrolled>,
    /// What it was told to let go of and has nothing of, as it still has to say.
    without: HashSet<WorkloadUid>,
    /// It was given a workload, and that was taken back.
    taken_back: bool,
    /// Enrolments under way.
    preparing: HashMap<WorkloadUid, CancellationToken>,
    /// The agent has told of all workloads.
    all_told: bool,
    /// The agent has said something: it takes this process for what it is.
    heard: bool,
    asked: HashMap<u64, (usize, SocketKey)>,
    next: u64,
}

// === impl AgentLink ===

impl AgentLink {
    /// Keeps connected; ends when the proxy shuts down, or nothing is left to do.
    pub async fn run(self, mut refills: mpsc::Receiver<Refill>) {
        let mut state = State::default();
        let mut retry = FIRST_RETRY;
        let shutdown = self.shared.draining.clone();
        loop {
            let served = tokio::select! {
                served = self.serve(&mut state, &mut refills) => served,
                () = shutdown.cancelled() => return self.close(&state).await,
            };
            match served {
                Ok(Ended::Done) => {
                    tracing::info!("its workload is served by another proxy, or gone; it ends");
                    return;
                }
                Ok(Ended::Away) if state.heard => {
                    tracing::warn!("the agent went away; enrolled workloads are served on");
                    retry = FIRST_RETRY;
                }
                Ok(Ended::Away) => tracing::debug!("the agent takes another one for this proxy"),
                Err(error) => tracing::debug!(%error, "the agent is not there yet"),
            }
            tokio::select! {
                () = sleep(retry) => {}
                () = shutdown.cancelled() => return self.close(&state).await,
            }
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    /// Takes no new connections: the proxy ends. Those that are open have until its deadline.
    async fn close(&self, state: &State) {
        for enrolled in state.enrolled.values() {
            enrolled.workload.closed.cancel();
        }
        self.shared.shutdown.cancelled().await;
    }

    /// One connection to the agent, from hello to end.
    async fn serve(&self, state: &mut State, refills: &mut mpsc::Receiver<Refill>) -> Result<Ended, Error> {
        let failed = |source| Error::Io { what: format!("agent socket {}", self.path.display()), source };
        let channel = FdChannel::connect(&self.path).map_err(failed)?;
        let held = state.enrolled.keys().map(ToString::to_string).collect();
        let only = match &self.serves {
            Serves::Node => String::new(),
            Serves::Only(uid) => uid.to_string(),
        };
        let hello = ProxyHello { protocol: PROTOCOL, pid: std::process::id().into(), held, only };
        send(&channel, proxy_to_agent::Kind::Hello(hello)).await.map_err(failed)?;
        state.begin();
        if state.anyone_leaves() {
            // Before anything is asked for it: who has just started knows nothing of what is finished here.
            send(&channel, proxy_to_agent::Kind::Counts(state.counts())).await.map_err(failed)?;
            self.forget_finished(state).await;
        }
        self.crew.agent_back().await;
        let mut preparing = JoinSet::new();
        let mut counts = interval(COUNT_PERIOD);
        // Nobody looks at it while nobody leaves: what was missed is not made up for.
        counts.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut enrolled = false;
            tokio::select! {
                message = channel.recv() => {
                    let message = match message {
                        Ok(Some(message)) => message,
                        Ok(None) => return Ok(Ended::Away),
                        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                            tracing::error!(%error, "a message of the agent is lost");
                            continue;
                        }
                        Err(error) => return Err(failed(error)),
                    };
                    state.heard = true;
                    let ack = match AgentToProxy::decode(&*message.data) {
                        Ok(AgentToProxy { kind: Some(agent_to_proxy::Kind::Lend(lend)) }) => {
                            state.lend(&channel, &WorkloadUid::new(lend.uid)).await.map_err(failed)?;
                            None
                        }
                        Ok(AgentToProxy { kind: Some(kind) }) if message.truncated => self.lament(state, kind).await,
                        Ok(AgentToProxy { kind: Some(kind) }) => self.obey(state, kind, message.fds, &mut preparing).await,
                        Ok(_) => {
                            tracing::warn!("the agent sent a message that this version does not know");
                            None
                        }
                        Err(error) => {
                            tracing::error!(%error, "the agent sent a message that cannot be read");
                            None
                        }
                    };
                    if let Some(ack) = ack {
                        send(&channel, proxy_to_agent::Kind::Ack(ack)).await.map_err(failed)?;
                    }
                }
                Some(prepared) = preparing.join_next() => {
                    let Ok(prepared) = prepared else { continue };
                    enrolled = true;
                    if let Some(ack) = state.finish(prepared) {
                        send(&channel, proxy_to_agent::Kind::Ack(ack)).await.map_err(failed)?;
                    }
                }
                Some(refill) = refills.recv() => {
                    let request = state.ask(refill);
                    send(&channel, proxy_to_agent::Kind::Sockets(request)).await.map_err(failed)?;
                }
                _ = counts.tick(), if state.anyone_leaves() => {
                    send(&channel, proxy_to_agent::Kind::Counts(state.counts())).await.map_err(failed)?;
                    self.forget_finished(state).await;
                }
            }
            if matches!(self.serves, Serves::Only(_)) && state.is_over() {
                return Ok(Ended::Done);
            }
            if state.all_told && state.preparing.is_empty() {
                self.ready.send_if_modified(|ready| {
                    if !std::mem::replace(ready, true) {
                        tracing::info!(workloads = state.enrolled.len(), "ready");
                        return true;
                    }
                    enrolled
                });
            }
        }
    }

    /// Does what the agent says; gives an acknowledgement if one is due at once.
    async fn obey(
        &self,
        state: &mut State,
        kind: agent_to_proxy::Kind,
        fds: Vec<OwnedFd>,
        preparing: &mut JoinSet<Prepared>,
    ) -> Option<WorkloadAck> {
        match kind {
            agent_to_proxy::Kind::Add(AddWorkload { uid }) => {
                let uid = WorkloadUid::new(uid);
                state.taken_back = false;
                if let Some(enrolled) = state.enrolled.get(&uid).filter(|_| fds.is_empty()) {
                    // It has its listeners already: leaving is taken back.
                    enrolled.workload.stay();
                    tracing::info!(workload = %uid, open = enrolled.workload.open(), "stays");
                    return Some(WorkloadAck { uid: uid.to_string(), error: String::new() });
                }
                // What was released goes on, and with it the sockets that are under way for it.
                if state.enrolled.contains_key(&uid) || state.preparing.contains_key(&uid) {
                    self.retire(state, &uid).await;
                }
                let given_up = CancellationToken::new();
                state.preparing.insert(uid.clone(), given_up.clone());
                let (shared, crew, serves) = (self.shared.clone(), self.crew.clone(), self.serves.clone());
                preparing.spawn(async move {
                    let outcome = tokio::select! {
                        outcome = enrol(&shared, &crew, &serves, &uid, fds) => outcome,
                        () = given_up.cancelled() => Err(Error::Gone),
                    };
                    Prepared { uid, given_up, outcome }
                });
            }
            agent_to_proxy::Kind::Drain(drain) => {
                if let Some(enrolled) = state.enrolled.get(&WorkloadUid::new(drain.uid)) {
                    tracing::info!(workload = %enrolled.workload.uid, open = enrolled.workload.open(), "leaving");
                    enrolled.workload.leave();
                }
            }
            agent_to_proxy::Kind::Del(del) => {
                let uid = WorkloadUid::new(del.uid);
                self.retire(state, &uid).await;
                state.released.retain(|released| released.workload.uid != uid);
                state.without.remove(&uid);
                state.taken_back = true;
                tracing::info!(workload = %uid, "left");
            }
            agent_to_proxy::Kind::Release(release) => self.release(state, &WorkloadUid::new(release.uid)).await,
            // Answered where it came.
            agent_to_proxy::Kind::Lend(_) => {}
            agent_to_proxy::Kind::Sockets(Sockets { id, error, .. }) => {
                if let Some((worker, key)) = state.asked.remove(&id) {
                    let sockets = if error.is_empty() { Ok(fds) } else { Err(error) };
                    if let Err(error) = &sockets {
                        tracing::debug!(error, workload = %key.uid, "the agent could not prepare sockets");
                    }
                    self.crew.deliver(worker, key, sockets).await;
                }
            }
            agent_to_proxy::Kind::SnapshotSent(_) => state.all_told = true,
        }
        None
    }

    /// A message came without its sockets: this process is out of descriptors.
    async fn lament(&self, state: &mut State, kind: agent_to_proxy::Kind) -> Option<WorkloadAck> {
        let error = "the node proxy is out of file descriptors".to_owned();
        match kind {
            agent_to_proxy::Kind::Add(AddWorkload { uid }) => return Some(WorkloadAck { uid, error }),
            agent_to_proxy::Kind::Sockets(Sockets { id, .. }) => {
                if let Some((worker, key)) = state.asked.remove(&id) {
                    self.crew.deliver(worker, key, Err(error)).await;
                }
            }
            kind => tracing::warn!(?kind, "descriptors came with a message that has none"),
        }
        None
    }

    /// Another proxy takes what comes for a workload from now on; what is open here stays, with all that it needs.
    async fn release(&self, state: &mut State, uid: &WorkloadUid) {
        state.taken_back = true;
        if let Some(given_up) = state.preparing.remove(uid) {
            given_up.cancel();
        }
        let Some(mut enrolled) = state.enrolled.remove(uid) else {
            // What was released before goes on, and with it the sockets that are under way for it.
            if !state.has_released(uid) {
                state.asked.retain(|_, (_, key)| key.uid != *uid);
                self.crew.forget(uid).await;
                state.without.insert(uid.clone());
            }
            return;
        };
        enrolled.listeners.clear();
        enrolled.workload.closed.cancel();
        enrolled.workload.leave();
        tracing::info!(workload = %uid, open = enrolled.workload.open(), "another proxy serves it; what is open stays");
        state.released.push(enrolled);
    }

    /// Forgets what was released and has no connections any more, as the agent was told before.
    async fn forget_finished(&self, state: &mut State) {
        let all = std::mem::take(&mut state.released).into_iter();
        let (over, released): (Vec<_>, Vec<_>) = all.partition(|released| released.told_idle);
        state.released = released;
        for enrolled in over {
            let uid = &enrolled.workload.uid;
            tracing::info!(workload = %uid, "the last of its connections ended");
            if !state.enrolled.contains_key(uid) && !state.preparing.contains_key(uid) {
                self.crew.forget(uid).await;
            }
        }
    }

    /// Ends the service of a workload, whatever stage it has reached.
    async fn retire(&self, state: &mut State, uid: &WorkloadUid) {
        if let Some(given_up) = state.preparing.remove(uid) {
            given_up.cancel();
        }
        if state.enrolled.remove(uid).is_some() {
            tracing::debug!(workload = %uid, "its listeners and connections end");
        }
        state.asked.retain(|_, (_, key)| key.uid != *uid);
        self.crew.forget(uid).await;
    }
}

// === impl State ===

impl State {
    /// Another agent is there: what was under way with the last one is not.
    fn begin(&mut self) {
        self.asked.clear();
        for (_, given_up) in self.preparing.drain() {
            given_up.cancel();
        }
        self.all_told = false;
        self.heard = false;
        // Nobody waits for it any more.
        self.without.clear();
        // Who leaves is told anew.
        self.enrolled.values().for_each(|enrolled| enrolled.workload.stay());
    }

    /// Takes over a finished enrolment; gives what the agent is told. One that was given up ends here.
    fn finish(&mut self, prepared: Prepared) -> Option<WorkloadAck> {
        let Prepared { uid, given_up, outcome } = prepared;
        if given_up.is_cancelled() {
            return None;
        }
        self.preparing.remove(&uid);
        let error = match outcome {
            Ok(enrolled) => {
                self.enrolled.insert(uid.clone(), enrolled);
                String::new()
            }
            Err(error) => error.to_string(),
        };
        Some(WorkloadAck { uid: uid.to_string(), error })
    }

    fn ask(&mut self, refill: Refill) -> SocketRequest {
        let id = self.next;
        self.next += 1;
        let Refill { worker, key, count } = refill;
        let request = SocketRequest {
            id,
            uid: key.uid.to_string(),
            kind: key.kind.into(),
            ipv6: key.ipv6,
            count: u32::try_from(count).unwrap_or(u32::MAX),
        };
        self.asked.insert(id, (worker, key));
        request
    }

    fn anyone_leaves(&self) -> bool {
        let is_to_say = !self.released.is_empty() || !self.without.is_empty();
        is_to_say || self.enrolled.values().any(|enrolled| enrolled.workload.is_leaving())
    }

    /// Connections of workloads that leave or were released, once a workload.
    fn counts(&mut self) -> ConnectionCounts {
        self.released.iter_mut().for_each(|released| released.told_idle = released.is_idle());
        let without = std::mem::take(&mut self.without);
        let leaving = self.enrolled.values().filter(|enrolled| enrolled.workload.is_leaving());
        let is_here = |uid: &WorkloadUid| self.enrolled.contains_key(uid) || self.preparing.contains_key(uid);
        // Said once. What was given to it again meanwhile is another matter.
        let mut open: BTreeMap<&WorkloadUid, u64> =
            without.iter().filter(|uid| !is_here(uid)).map(|uid| (uid, 0)).collect();
        for enrolled in leaving {
            *open.entry(&enrolled.workload.uid).or_default() += enrolled.workload.open();
        }
        for released in &self.released {
            // What was accepted just now is not open yet.
            let least = u64::from(!released.told_idle);
            *open.entry(&released.workload.uid).or_default() += released.workload.open().max(least);
        }
        let counts = open.into_iter().map(|(uid, captured)| ConnectionCount { uid: uid.to_string(), captured });
        ConnectionCounts { counts: counts.collect() }
    }

    /// Whether others serve a workload by now of which there are connections here yet.
    fn has_released(&self, uid: &WorkloadUid) -> bool {
        self.released.iter().any(|released| released.workload.uid == *uid)
    }

    /// Whether a workload was taken back, and nothing of it is left.
    fn is_over(&self) -> bool {
        self.taken_back && self.enrolled.is_empty() && self.preparing.is_empty() && self.released.is_empty()
    }

    /// Sends an agent copies of the listeners of a workload, if it has any.
    async fn lend(&self, channel: &FdChannel, uid: &WorkloadUid) -> io::Result<()> {
        let Some(enrolled) = self.enrolled.get(uid) else { return Ok(()) };
        let message = ProxyToAgent { kind: Some(proxy_to_agent::Kind::Lent(Lent { uid: uid.to_string() })) };
        let listeners: Vec<_> = enrolled.listeners.iter().map(OwnedFd::as_fd).collect();
        channel.send(&message.encode_to_vec(), &listeners).await
    }
}

// === impl Enrolled ===

impl Enrolled {
    /// Nobody holds it any more: no listener, no connection, and none that was accepted just now.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.workload) == 1
    }
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        self.workload.gone.cancel();
    }
}

/// Starts serving a workload once its configuration and certificate are there.
async fn enrol(
    shared: &Arc<Shared>,
    crew: &Arc<Crew>,
    serves: &Serves,
    uid: &WorkloadUid,
    fds: Vec<OwnedFd>,
) -> Result<Enrolled, Error> {
    let deadline = Instant::now() + PREPARE_DEADLINE;
    let identity = known(shared, uid, deadline).await?;
    let left = deadline.saturating_duration_since(Instant::now());
    let certificate = shared.certificates.acquire(&identity, left).await?;
    let certificate = Holding::new(shared, uid.clone(), identity.clone(), certificate);
    let copies: io::Result<Vec<OwnedFd>> = fds.iter().map(OwnedFd::try_clone).collect();
    // Without them all goes on, but that an agent that starts anew has none either.
    let listeners = copies.unwrap_or_default();
    let enrolled =
        Enrolled { workload: LocalWorkload::new(uid.clone()), listeners, told_idle: false, _certificate: certificate };
    let listeners = Listeners::new(enrolled.workload.clone(), fds).map_err(|count| {
        Error::Link(format!("the agent sent {count} listeners for {uid} instead of 6: versions differ"))
    })?;
    shared.inventory.note(&listeners);
    crew.listen(listeners).await;
    if *serves != Serves::Node {
        tokio::spawn(own_listeners::follow(shared.clone(), crew.clone(), enrolled.workload.clone()));
    }
    tracing::info!(workload = %uid, %identity, "enrolled");
    Ok(enrolled)
}

/// The identity of `uid`, once the configuration names it.
async fn known(shared: &Shared, uid: &WorkloadUid, deadline: Instant) -> Result<SpiffeId, Error> {
    let mut changed = shared.changed.subscribe();
    loop {
        if let Some(workload) = shared.snapshot.load().workload(uid) {
            return workload.identity().map_err(|error| Error::Link(error.to_string()));
        }
        let wait = deadline.saturating_duration_since(Instant::now());
        if !matches!(timeout(wait, changed.changed()).await, Ok(Ok(()))) {
            return Err(Error::UnknownWorkload(uid.as_str().into()));
        }
    }
}

async fn send(channel: &FdChannel, kind: proxy_to_agent::Kind) -> std::io::Result<()> {
    send_message(channel, &ProxyToAgent { kind: Some(kind) }).await
}

async fn send_message(channel: &FdChannel, message: &ProxyToAgent) -> std::io::Result<()> {
    channel.send(&message.encode_to_vec(), &[]).await
}

#[cfg(test)]
mod tests;
