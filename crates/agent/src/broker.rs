//! Asks the broker, who lives outside of the mesh's world, for connected sockets; and PID 1, who passes that on, whose proxy
//! a process is.
//!
//! One `SOCK_SEQPACKET` socket, JSON messages, at most [`IN_FLIGHT`] questions at a time, of which a workload
//! has [`EACH`] at most: one that connects to where nobody answers keeps nobody else waiting.
//! What is granted is connected already: the agent never holds a socket that it
//! could point anywhere.
//!
//! Whoever starts workloads is at the other end, too, and hears which of them are captured: that must not depend on a
//! control plane.

use std::{
    collections::HashMap,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ripstop_model::WorkloadUid;
use ripstop_net::{FdChannel, scm::Message};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};
use tracing::{debug, error, warn};

use crate::{Error, capture::Served};

/// Questions at a time, as many as PID 1 passes on for a node; further ones wait, within their deadline.
const IN_FLIGHT: usize = CONNECTS + RESOLVERS;
/// Connections that are being made at a time.
const CONNECTS: usize = 48;
/// Those of one workload.
const EACH: usize = 16;
/// Sockets to the resolver that are asked for at a time.
const RESOLVERS: usize = 16;
/// The broker gives a connection 4 s; this adds what the way there and back may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Asks the broker; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    asks: mpsc::Sender<Ask>,
    places: Arc<Places>,
}

/// Who may ask now.
#[derive(Debug)]
struct Places {
    connects: Semaphore,
    resolvers: Semaphore,
    /// Of the workloads that ask or wait for it.
    each: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// The other half of a [`Broker`]: carries questions and answers.
pub(crate) struct BrokerLine {
    channel: FdChannel,
    asks: mpsc::Receiver<Ask>,
    waiting: HashMap<u64, Waiting>,
    next: u64,
    served: watch::Receiver<Served>,
    /// What of it was told.
    told: Served,
}

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Proto {
    Tcp,
    Udp,
}

/// Whose proxy a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Serves {
    /// That of the node.
    Node,
    /// That of the instance with that namespace and name.
    Workload(String, String),
}

#[derive(Debug)]
struct Ask {
    target: String,
    question: Question,
    asker: Asker,
}

struct Waiting {
    target: String,
    asker: Asker,
}

/// Who gets the answer.
#[derive(Debug)]
enum Asker {
    Socket(oneshot::Sender<Result<OwnedFd, Error>>),
    Process(oneshot::Sender<Result<Serves, Error>>),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Question {
    Connect { connect: Connect },
    Dns { dns: bool, proto: Proto },
    Process { process: u32 },
}

#[derive(Debug, Serialize)]
struct Connect {
    addr: SocketAddr,
    proto: Proto,
    workload: String,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<u64>,
}

#[derive(Serialize)]
struct Request<'a> {
    id: u64,
    #[serde(flatten)]
    question: &'a Question,
}

/// One workload is captured and served, in the namespace of that inode; or (nothing) is not any more.
#[derive(Serialize)]
struct Word<'a> {
    uid: &'a str,
    netns: Option<u64>,
}

#[derive(Serialize)]
struct Told<'a> {
    served: Word<'a>,
}

#[derive(Deserialize)]
struct Reply {
    id: u64,
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    error: Option<String>,
    /// `node`, or namespace and name of an instance.
    #[serde(default)]
    serves: Option<String>,
}

// === impl Serves ===

impl Serves {
    fn read(text: &str) -> Self {
        match text.split_once('/') {
            Some((namespace, name)) => Self::Workload(namespace.to_owned(), name.to_owned()),
            None => Self::Node,
        }
    }

    /// Whether a proxy that is that may say that it serves the workload `uid` alone, or, with nothing, its node.
    pub(crate) fn may_say(&self, uid: Option<&str>) -> bool {
        match (self, uid) {
            (Self::Node, None) => true,
            (Self::Workload(namespace, name), Some(uid)) => {
                let cluster = uid.split('/').next().unwrap_or_default();
                uid == WorkloadUid::process(cluster, namespace, name).as_str()
            }
            (Self::Node, Some(_)) | (Self::Workload(..), None) => false,
        }
    }
}

// === impl Broker ===

impl Broker {
    /// Speaks over `socket`; whoever calls this runs [`BrokerLine::run`].
    pub(crate) fn new(socket: OwnedFd) -> std::io::Result<(Self, BrokerLine)> {
        let (asks, receiver) = mpsc::channel(IN_FLIGHT);
        // An answer to a question of an agent that died must never be taken for one of ours.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let next = u64::from(since.subsec_nanos()) << 20;
        // Nothing, unless somebody says more.
        let (_, served) = watch::channel(Served::default());
        let (channel, waiting) = (FdChannel::new(socket)?, HashMap::new());
        let line = BrokerLine { channel, asks: receiver, waiting, next, served, told: Served::default() };
        Ok((Self { asks, places: Arc::default() }, line))
    }

    /// A TCP connection to `address`, on behalf of `workload` (`namespace/name`), which may take so long; nothing: as long
    /// as the broker thinks fit.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        workload: &str,
        limit: Option<Duration>,
    ) -> Result<OwnedFd, Error> {
        let deadline = Instant::now() + limit.map_or(DEADLINE, |limit| limit.min(DEADLINE));
        let target = address.to_string();
        let own = self.places.of(workload);
        // Its own place first: who waits for that is in nobody's way.
        let _own = place(&own, &target, deadline).await?;
        let _place = place(&self.places.connects, &target, deadline).await?;
        // What waiting for a place has left of it.
        let left = || deadline.saturating_duration_since(Instant::now()).as_millis();
        let within = limit.map(|_| u64::try_from(left()).unwrap_or(u64::MAX));
        let connect = Connect { addr: address, proto: Proto::Tcp, workload: workload.to_owned(), within };
        self.ask(target, Question::Connect { connect }, deadline).await
    }

    /// A socket to the host's resolver. A broker may answer a wish for TCP with UDP.
    pub(crate) async fn resolver(&self, proto: Proto) -> Result<OwnedFd, Error> {
        let deadline = Instant::now() + DEADLINE;
        let target = "the host's resolver".to_owned();
        let _place = place(&self.places.resolvers, &target, deadline).await?;
        self.ask(target, Question::Dns { dns: true, proto }, deadline).await
    }

    /// Whose proxy the process with that number is: PID 1 knows, who started it.
    pub(crate) async fn serves(&self, pid: u32) -> Result<Serves, Error> {
        let deadline = Instant::now() + DEADLINE;
        let target = format!("whose proxy process {pid} is");
        let (answer, answered) = oneshot::channel();
        self.put(target, Question::Process { process: pid }, Asker::Process(answer), answered, deadline).await
    }

    async fn ask(&self, target: String, question: Question, deadline: Instant) -> Result<OwnedFd, Error> {
        let (answer, answered) = oneshot::channel();
        self.put(target, question, Asker::Socket(answer), answered, deadline).await
    }

    async fn put<T>(
        &self,
        target: String,
        question: Question,
        asker: Asker,
        answered: oneshot::Receiver<Result<T, Error>>,
        deadline: Instant,
    ) -> Result<T, Error> {
        let late = |_| Error::BrokerLate { target: target.clone() };
        let ask = Ask { target: target.clone(), question, asker };
        self.asks.send(ask).await.map_err(|_| Error::NoBroker)?;
        timeout_at(deadline, answered).await.map_err(late)?.map_err(|_| Error::NoBroker)?
    }
}

/// Waits for a place.
async fn place<'a>(places: &'a Semaphore, target: &str, deadline: Instant) -> Result<SemaphorePermit<'a>, Error> {
    let late = |_| Error::BrokerLate { target: target.to_owned() };
    timeout_at(deadline, places.acquire()).await.map_err(late)?.map_err(|_| Error::NoBroker)
}

// === impl Asker ===

impl Asker {
    fn is_gone(&self) -> bool {
        match self {
            Self::Socket(answer) => answer.is_closed(),
            Self::Process(answer) => answer.is_closed(),
        }
    }
}

// === impl Places ===

impl Default for Places {
    fn default() -> Self {
        Self { connects: Semaphore::new(CONNECTS), resolvers: Semaphore::new(RESOLVERS), each: Mutex::default() }
    }
}

impl Places {
    /// Those of one workload.
    fn of(&self, workload: &str) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = each.get(workload).and_then(Weak::upgrade) {
            return places;
        }
        each.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(EACH));
        each.insert(workload.to_owned(), Arc::downgrade(&places));
        places
    }
}

// === impl BrokerLine ===

impl BrokerLine {
    /// Tells of what is `served`, too.
    pub(crate) fn telling(mut self, mut served: watch::Receiver<Served>) -> Self {
        served.mark_changed();
        self.served = served;
        self
    }

    /// Carries until the broker or all askers are gone.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                ask = self.asks.recv() => {
                    let Some(ask) = ask else { return };
                    self.waiting.retain(|_, waiting| !waiting.asker.is_gone());
                    if let Err(error) = self.send(ask).await {
                        error!(%error, "the broker cannot be asked");
                        return;
                    }
                }
                Ok(()) = self.served.changed() => {
                    if let Err(error) = self.tell().await {
                        error!(%error, "the broker cannot be told");
                        return;
                    }
                }
                message = self.channel.recv() => match message {
                    Ok(Some(message)) => self.take(message),
                    Ok(None) => {
                        warn!("the broker is gone; nothing leaves the mesh any more");
                        return;
                    }
                    Err(error) => {
                        error!(%error, "the broker cannot be heard");
                        return;
                    }
                },
            }
        }
    }

    async fn send(&mut self, ask: Ask) -> std::io::Result<()> {
        let Ask { target, question, asker } = ask;
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let bytes = serde_json::to_vec(&Request { id, question: &question })?;
        self.channel.send(&bytes, &[]).await?;
        self.waiting.insert(id, Waiting { target, asker });
        Ok(())
    }

    /// Says what changed of what is served.
    async fn tell(&mut self) -> std::io::Result<()> {
        let now = self.served.borrow_and_update().clone();
        let gone = self.told.keys().filter(|uid| !now.contains_key(*uid)).map(|uid| (uid, None));
        let come = now.iter().filter(|(uid, netns)| self.told.get(*uid) != Some(*netns));
        for (uid, netns) in gone.chain(come.map(|(uid, netns)| (uid, Some(*netns)))) {
            let bytes = serde_json::to_vec(&Told { served: Word { uid: uid.as_str(), netns } })?;
            self.channel.send(&bytes, &[]).await?;
        }
        self.told = now;
        Ok(())
    }

    fn take(&mut self, message: Message) {
        let Message { data, fds, truncated } = message;
        let reply: Reply = match serde_json::from_slice(&data) {
            Ok(reply) => reply,
            Err(error) => return warn!(%error, "an answer of the broker cannot be read"),
        };
        let Some(Waiting { target, asker }) = self.waiting.remove(&reply.id) else {
            return debug!(id = reply.id, "the broker answered a question that nobody waits for");
        };
        let answer = match asker {
            Asker::Socket(answer) => answer,
            Asker::Process(answer) => {
                let refused = || Error::Refused { target, reason: reply.error.unwrap_or_else(|| "it is none".into()) };
                // Nobody waits any more, maybe.
                let _ = answer.send(reply.serves.as_deref().map(Serves::read).ok_or_else(refused));
                return;
            }
        };
        let outcome = match (reply.error, reply.ok, fds.into_iter().next()) {
            (Some(reason), _, _) => Err(Error::Refused { target, reason }),
            (None, true, Some(fd)) => Ok(fd),
            (None, true, None) if truncated => {
                Err(Error::Broker { target, reason: "the agent has too many files open to take the socket".to_owned() })
            }
            (None, true, None) => Err(Error::Broker { target, reason: "it came without a socket".to_owned() }),
            (None, false, _) => Err(Error::Broker { target, reason: "neither ok nor an error".to_owned() }),
        };
        // Nobody waits any more: the socket closes here.
        let _ = answer.send(outcome);
    }
}

#[cfg(test)]
mod tests;
