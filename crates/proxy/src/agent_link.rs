//! The line to the node's agent: listeners and prepared sockets come in, acknowledgements and
//! counts go out.

use std::{collections::HashMap, os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use prost::Message as _;
use ripstop_model::{SpiffeId, WorkloadUid};
use ripstop_net::FdChannel;
use ripstop_wire::ripstop::{
    AddWorkload, AgentToProxy, ConnectionCount, ConnectionCounts, ProxyHello, ProxyToAgent, SocketRequest, Sockets,
    WorkloadAck, agent_to_proxy, proxy_to_agent,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, interval, sleep, timeout},
};

use tokio_util::sync::CancellationToken;

use crate::{
    certificates::Use,
    error::Error,
    listeners::Listeners,
    local::LocalWorkload,
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
/// How often counts of leaving workloads are told.
const COUNT_PERIOD: Duration = Duration::from_millis(100);

/// Serves the agent for ever.
pub struct AgentLink {
    /// Socket that the agent listens on.
    pub path: PathBuf,
    /// What workers share.
    pub shared: Arc<Shared>,
    /// The workers.
    pub crew: Arc<Crew>,
    /// Tells that all workloads are served, and again whenever another one is.
    pub ready: watch::Sender<bool>,
}

/// An enrolled workload and what its enrolment holds; dropping it ends its listeners and connections.
struct Enrolled {
    workload: Arc<LocalWorkload>,
    _certificate: Use,
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
    /// Enrolments under way.
    preparing: HashMap<WorkloadUid, CancellationToken>,
    /// The agent has told of all workloads.
    all_told: bool,
    asked: HashMap<u64, (usize, SocketKey)>,
    next: u64,
}

// === impl AgentLink ===

impl AgentLink {
    /// Keeps connected; ends when the proxy shuts down.
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
                Ok(()) => {
                    tracing::warn!("the agent went away; enrolled workloads are served on");
                    retry = FIRST_RETRY;
                }
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
    async fn serve(&self, state: &mut State, refills: &mut mpsc::Receiver<Refill>) -> Result<(), Error> {
        let failed = |source| Error::Io { what: format!("agent socket {}", self.path.display()), source };
        let channel = FdChannel::connect(&self.path).map_err(failed)?;
        let held = state.enrolled.keys().map(ToString::to_string).collect();
        let hello = ProxyHello { protocol: PROTOCOL, pid: std::process::id().into(), held };
        send(&channel, proxy_to_agent::Kind::Hello(hello)).await.map_err(failed)?;
        state.begin();
        self.crew.agent_back().await;
        let mut preparing = JoinSet::new();
        let mut counts = interval(COUNT_PERIOD);
        loop {
            let mut enrolled = false;
            tokio::select! {
                message = channel.recv() => {
                    let message = match message {
                        Ok(Some(message)) => message,
                        Ok(None) => return Ok(()),
                        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                            tracing::error!(%error, "a message of the agent is lost");
                            continue;
                        }
                        Err(error) => return Err(failed(error)),
                    };
                    let ack = match AgentToProxy::decode(&*message.data) {
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
                }
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
                if let Some(enrolled) = state.enrolled.get(&uid).filter(|_| fds.is_empty()) {
                    // It has its listeners already: leaving is taken back.
                    enrolled.workload.stay();
                    tracing::info!(workload = %uid, open = enrolled.workload.open(), "stays");
                    return Some(WorkloadAck { uid: uid.to_string(), error: String::new() });
                }
                self.retire(state, &uid).await;
                let given_up = CancellationToken::new();
                state.preparing.insert(uid.clone(), given_up.clone());
                let (shared, crew) = (self.shared.clone(), self.crew.clone());
                preparing.spawn(async move {
                    let outcome = tokio::select! {
                        outcome = enrol(&shared, &crew, &uid, fds) => outcome,
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
                tracing::info!(workload = %uid, "left");
            }
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
        self.enrolled.values().any(|enrolled| enrolled.workload.is_leaving())
    }

    fn counts(&self) -> ConnectionCounts {
        let leaving = self.enrolled.iter().filter(|(_, enrolled)| enrolled.workload.is_leaving());
        let counts = leaving
            .map(|(uid, enrolled)| ConnectionCount { uid: uid.to_string(), captured: enrolled.workload.open() })
            .collect();
        ConnectionCounts { counts }
    }
}

// === impl Enrolled ===

impl Drop for Enrolled {
    fn drop(&mut self) {
        self.workload.gone.cancel();
    }
}

/// Starts serving a workload once its configuration and certificate are there.
async fn enrol(shared: &Shared, crew: &Crew, uid: &WorkloadUid, fds: Vec<OwnedFd>) -> Result<Enrolled, Error> {
    let deadline = Instant::now() + PREPARE_DEADLINE;
    let identity = known(shared, uid, deadline).await?;
    let left = deadline.saturating_duration_since(Instant::now());
    let certificate = shared.certificates.acquire(&identity, left).await?;
    let enrolled = Enrolled { workload: LocalWorkload::new(uid.clone()), _certificate: certificate };
    let listeners = Listeners::new(enrolled.workload.clone(), fds).map_err(|count| {
        Error::Link(format!("the agent sent {count} listeners for {uid} instead of 6: versions differ"))
    })?;
    shared.inventory.note(&listeners);
    crew.listen(listeners).await;
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
