//! The inner half of the broker: relays requests of agents to the outer process, and answers back. Whose proxy a process is,
//! it says itself.
//!
//! What agents say of captured workloads comes the same way, and stays here.

use std::{
    collections::HashMap,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ripstop_net::FdChannel;
use serde::Deserialize;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    broker::{self, BrokerReply, BrokerRequest},
    captures::{Captures, Word},
    handover,
};

/// Shared by all agents; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    outer: Arc<FdChannel>,
    waiting: Arc<Mutex<HashMap<u64, Answer>>>,
    next: Arc<AtomicU64>,
    captures: Captures,
}

/// What an agent says without asking for anything.
#[derive(Deserialize)]
struct Told {
    served: Word,
}

type Answer = oneshot::Sender<(BrokerReply, Option<OwnedFd>)>;

/// Requests of one agent that are worked on at once.
const MAX_IN_FLIGHT: usize = 64;
/// The broker's own deadline, and room.
const DEADLINE: Duration = Duration::from_secs(6);

// === impl Relay ===

impl Relay {
    pub(crate) fn new(outer: FdChannel) -> Self {
        Self { outer: Arc::new(outer), waiting: Arc::default(), next: Arc::default(), captures: Captures::default() }
    }

    /// Workloads that are captured and served, as all agents say.
    pub(crate) fn captures(&self) -> &Captures {
        &self.captures
    }

    /// Takes answers from the outer process until it is gone.
    pub(crate) async fn run(self) {
        loop {
            match handover::receive::<BrokerReply>(&self.outer).await {
                Ok(Some((reply, mut fds))) => {
                    if let Some(answer) = self.lock().remove(&reply.id) {
                        let _asker_gave_up = answer.send((reply, fds.pop()));
                    }
                }
                Ok(None) => return,
                Err(error) => tracing::warn!(%error, "answer of the broker is lost"),
            }
        }
    }

    /// Serves one agent until its end of the channel is closed. `proxy` says whose proxy a process of its node is.
    pub(crate) async fn serve(self, agent: FdChannel, proxy: impl Fn(u32) -> Option<String> + Send) {
        let agent = Arc::new(agent);
        let line = self.captures.line();
        let slots = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        let mut work = tokio::task::JoinSet::new();
        loop {
            while work.try_join_next().is_some() {}
            let message = match agent.recv().await {
                Ok(Some(message)) => message,
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => continue,
                Ok(None) | Err(_) => return,
            };
            if let Ok(Told { served }) = serde_json::from_slice(&message.data) {
                line.hear(served);
                continue;
            }
            let Some(request) = broker::parse(&message.data) else { continue };
            if let Some(process) = request.process {
                let reply = match proxy(process) {
                    Some(serves) => BrokerReply::proxy(request.id, serves),
                    None => BrokerReply::refused(request.id, "it is no proxy of this node"),
                };
                let _agent_is_gone = handover::send(&agent, &reply, &[]).await;
                continue;
            }
            let (relay, agent) = (self.clone(), Arc::clone(&agent));
            let slot = Arc::clone(&slots).try_acquire_owned();
            work.spawn(async move {
                let id = request.id;
                let (reply, fd) = match slot {
                    Ok(_slot) => relay.ask(request).await,
                    Err(_) => (BrokerReply::refused(id, "too many connections of this node are being made"), None),
                };
                let fds: Vec<_> = fd.iter().map(AsFd::as_fd).collect();
                let _agent_is_gone = handover::send(&agent, &BrokerReply { id, ..reply }, &fds).await;
            });
        }
    }

    async fn ask(&self, request: BrokerRequest) -> (BrokerReply, Option<OwnedFd>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.lock().insert(id, answer);
        let exchange = async {
            handover::send(&self.outer, &BrokerRequest { id, ..request }, &[]).await.ok()?;
            answered.await.ok()
        };
        let outcome = tokio::time::timeout(DEADLINE, exchange).await.ok().flatten();
        self.lock().remove(&id);
        outcome.unwrap_or_else(|| (BrokerReply::refused(id, "the broker does not answer"), None))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Answer>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
