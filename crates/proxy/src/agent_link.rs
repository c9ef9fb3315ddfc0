//! The line to the node's agent: listeners and prepared sockets come in, acknowledgements and
//! counts go out.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

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

use crate::{
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
/// agent tries again).
const PREPARE_DEADLINE: Duration = Duration::from_secs(5);
/// How often counts of leaving workloads are told.
const COUNT_PERIOD: Duration = Duration::from_millis(100);
/// Messages that wait to be sent at most.
const QUEUE: usize = 1024;

/// Serves the agent for ever.
pub struct AgentLink {
    /// Socket that the agent listens on.
    pub path: PathBuf,
    /// What workers share.
    pub shared: Arc<Shared>,
    /// The workers.
    pub crew: Arc<Crew>,
    /// Whether the agent told of all workloads once.
    pub ready: watch::Sender<bool>,
}

/// An enrolled workload and what its enrolment holds.
struct Enrolled {
    workload: Arc<LocalWorkload>,
    identity: SpiffeId,
}

#[derive(Default)]
struct State {
    enrolled: HashMap<WorkloadUid, Enrolled>,
    asked: HashMap<u64, (usize, SocketKey)>,
    next: AtomicU64,
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
                () = shutdown.cancelled() => return close(&mut state),
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
                () = shutdown.cancelled() => return close(&mut state),
            }
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    /// One connection to the agent, from hello to end.
    async fn serve(&self, state: &mut State, refills: &mut mpsc::Receiver<Refill>) -> Result<(), Error> {
        let failed = |source| Error::Io { what: format!("agent socket {}", self.path.display()), source };
        let channel = FdChannel::connect(&self.path).map_err(failed)?;
        let (outbox, mut out) = mpsc::channel::<ProxyToAgent>(QUEUE);
        let held = state.enrolled.keys().map(ToString::to_string).collect();
        let hello = ProxyHello { protocol: PROTOCOL, pid: std::process::id().into(), held };
        send(&channel, proxy_to_agent::Kind::Hello(hello)).await.map_err(failed)?;
        state.asked.clear();
        // Who leaves is told anew.
        state.enrolled.values().for_each(|enrolled| enrolled.workload.stay());
        self.crew.agent_back().await;
        let mut preparing = JoinSet::new();
        let mut counts = interval(COUNT_PERIOD);
        loop {
            tokio::select! {
                message = channel.recv() => {
                    let Some(message) = message.map_err(failed)? else { return Ok(()) };
                    match AgentToProxy::decode(&*message.data) {
                        Ok(AgentToProxy { kind: Some(kind) }) => {
                            self.obey(state, kind, message.fds, &mut preparing, &outbox).await;
                        }
                        Ok(_) => tracing::warn!("the agent sent a message that this version does not know"),
                        Err(error) => tracing::error!(%error, "the agent sent a message that cannot be read"),
                    }
                }
                Some(message) = out.recv() => send_message(&channel, &message).await.map_err(failed)?,
                Some(prepared) = preparing.join_next() => {
                    if let Ok(Some((uid, enrolled))) = prepared {
                        state.enrolled.insert(uid, enrolled);
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
        }
    }

    async fn obey(
        &self,
        state: &mut State,
        kind: agent_to_proxy::Kind,
        fds: Vec<OwnedFd>,
        preparing: &mut JoinSet<Option<(WorkloadUid, Enrolled)>>,
        outbox: &mpsc::Sender<ProxyToAgent>,
    ) {
        match kind {
            agent_to_proxy::Kind::Add(AddWorkload { uid }) => {
                let uid = WorkloadUid::new(uid);
                if let Some(enrolled) = state.enrolled.get(&uid).filter(|_| fds.is_empty()) {
                    // It has its listeners already: leaving is taken back.
                    enrolled.workload.stay();
                    tracing::info!(workload = %uid, open = enrolled.workload.open(), "stays");
                    let (ack, outbox) = (WorkloadAck { uid: uid.to_string(), error: String::new() }, outbox.clone());
                    preparing.spawn(async move {
                        let _ = outbox.send(ProxyToAgent { kind: Some(proxy_to_agent::Kind::Ack(ack)) }).await;
                        None
                    });
                    return;
                }
                if let Some(old) = state.enrolled.remove(&uid) {
                    self.retire(&uid, &old);
                }
                let (shared, crew, outbox) = (self.shared.clone(), self.crew.clone(), outbox.clone());
                preparing.spawn(async move {
                    let prepared = enrol(&shared, &crew, &uid, fds).await;
                    let error = prepared.as_ref().err().map(ToString::to_string).unwrap_or_default();
                    let ack = WorkloadAck { uid: uid.to_string(), error };
                    let _ = outbox.send(ProxyToAgent { kind: Some(proxy_to_agent::Kind::Ack(ack)) }).await;
                    prepared.ok().map(|enrolled| (uid, enrolled))
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
                if let Some(enrolled) = state.enrolled.remove(&uid) {
                    self.retire(&uid, &enrolled);
                    self.crew.forget(&uid).await;
                    tracing::info!(workload = %uid, "left");
                }
            }
            agent_to_proxy::Kind::Sockets(Sockets { id, error, .. }) => {
                if !error.is_empty() {
                    tracing::warn!(error, "the agent could not prepare sockets");
                }
                if let Some((worker, key)) = state.asked.remove(&id) {
                    self.crew.deliver(worker, key, fds).await;
                }
            }
            agent_to_proxy::Kind::SnapshotSent(_) => {
                // Ready once what was announced is also served.
                while let Some(prepared) = preparing.join_next().await {
                    if let Ok(Some((uid, enrolled))) = prepared {
                        state.enrolled.insert(uid, enrolled);
                    }
                }
                tracing::info!(workloads = state.enrolled.len(), "ready");
                self.ready.send_replace(true);
            }
        }
    }

    fn retire(&self, uid: &WorkloadUid, enrolled: &Enrolled) {
        tracing::debug!(workload = %uid, "its listeners and connections end");
        enrolled.workload.gone.cancel();
        self.shared.certificates.release(&enrolled.identity);
    }
}

// === impl State ===

impl State {
    fn ask(&mut self, refill: Refill) -> SocketRequest {
        let id = self.next.fetch_add(1, Relaxed);
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

/// Takes no new connections: the proxy ends. Those that are open have until its deadline.
fn close(state: &mut State) {
    for (_, enrolled) in state.enrolled.drain() {
        enrolled.workload.closed.cancel();
    }
}

/// Starts serving a workload once its configuration and certificate are there.
async fn enrol(shared: &Shared, crew: &Crew, uid: &WorkloadUid, fds: Vec<OwnedFd>) -> Result<Enrolled, Error> {
    let deadline = Instant::now() + PREPARE_DEADLINE;
    let identity = known(shared, uid, deadline).await?;
    shared
        .certificates
        .acquire(&identity, deadline.saturating_duration_since(Instant::now()))
        .await
        .inspect_err(|_| shared.certificates.release(&identity))?;
    let workload = LocalWorkload::new(uid.clone());
    let listeners = Listeners::new(workload.clone(), fds).map_err(|count| {
        shared.certificates.release(&identity);
        Error::Link(format!("the agent sent {count} listeners for {uid} instead of 6: versions differ"))
    })?;
    crew.listen(listeners).await;
    tracing::info!(workload = %uid, %identity, "enrolled");
    Ok(Enrolled { workload, identity })
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
