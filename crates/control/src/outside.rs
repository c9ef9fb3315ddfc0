//! Connections of the control plane's own to places outside of the mesh.

use std::{
    collections::HashMap,
    io,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ripstop_net::FdChannel;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, sync::oneshot, task::JoinHandle};

/// How it gets there.
#[derive(Debug)]
pub(crate) enum Outside {
    /// From here.
    Here,
    /// By the broker, since nothing leads out of the mesh's world from here. It finds the name, too.
    Broker(Broker),
}

/// The line to the broker, which answers each question when it can.
#[derive(Debug)]
pub(crate) struct Broker {
    channel: Arc<FdChannel>,
    asked: Arc<Asked>,
    next: AtomicU64,
    /// Hears the answers.
    hearing: JoinHandle<()>,
}

/// Who waits for which answer; nothing: the broker is gone.
#[derive(Debug)]
struct Asked(Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>);

/// A socket, or why there is none.
type Answer = io::Result<OwnedFd>;

/// A question, until it is answered or given up.
struct Question<'a> {
    asked: &'a Asked,
    id: u64,
}

#[derive(Serialize)]
struct Request<'a> {
    id: u64,
    named: Named<'a>,
}

#[derive(Serialize)]
struct Named<'a> {
    host: &'a str,
    port: u16,
    /// For its log.
    asker: &'static str,
}

#[derive(Deserialize)]
struct Reply {
    id: u64,
    #[serde(default)]
    error: Option<String>,
}

// === impl Outside ===

impl Outside {
    /// By the broker behind that descriptor; nothing: from here. To be called on a runtime.
    pub(crate) fn by(broker: Option<OwnedFd>) -> io::Result<Self> {
        Ok(match broker {
            None => Self::Here,
            Some(socket) => Self::Broker(Broker::new(FdChannel::new(socket)?)),
        })
    }

    /// A connection. Who gives it up may ask again.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        match self {
            Self::Here => TcpStream::connect((host, port)).await,
            Self::Broker(broker) => broker.connect(host, port).await,
        }
    }
}

// === impl Broker ===

impl Broker {
    fn new(channel: FdChannel) -> Self {
        let (channel, asked) = (Arc::new(channel), Arc::new(Asked(Mutex::new(Some(HashMap::new())))));
        let hearing = tokio::spawn(hear(Arc::clone(&channel), Arc::clone(&asked)));
        Self { channel, asked, next: AtomicU64::new(1), hearing }
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let id = self.next.fetch_add(1, Relaxed);
        let (tell, told) = oneshot::channel();
        let gone = || io::Error::other("the broker is gone");
        self.asked.lock().as_mut().ok_or_else(gone)?.insert(id, tell);
        let _question = Question { asked: &self.asked, id };
        let request = Request { id, named: Named { host, port, asker: "control plane" } };
        self.channel.send(&serde_json::to_vec(&request)?, &[]).await?;
        let answer = told.await.map_err(|_| gone())?;
        TcpStream::from_std(answer?.into())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}

// === impl Asked ===

impl Asked {
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Answer>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Question ===

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if let Some(asked) = self.asked.lock().as_mut() {
            asked.remove(&self.id);
        }
    }
}

/// Hands each answer to whoever waits for it, until the broker is gone.
async fn hear(channel: Arc<FdChannel>, asked: Arc<Asked>) {
    loop {
        let message = match channel.recv().await {
            Ok(Some(message)) => message,
            // It is about that message alone.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(%error, "the broker's answer can't be read");
                continue;
            }
            Ok(None) | Err(_) => break,
        };
        let Ok(reply) = serde_json::from_slice::<Reply>(&message.data) else {
            tracing::warn!("the broker's answer can't be read");
            continue;
        };
        let answer = match (reply.error, message.fds.into_iter().next()) {
            (Some(reason), _) => Err(io::Error::other(reason)),
            (None, Some(socket)) => Ok(socket),
            (None, None) => Err(io::Error::other("the broker's answer came without a socket")),
        };
        // Nobody waits for what was given up.
        let asker = asked.lock().as_mut().and_then(|asked| asked.remove(&reply.id));
        if let Some(asker) = asker {
            let _given_up = asker.send(answer);
        }
    }
    asked.lock().take();
}

#[cfg(test)]
mod tests;
