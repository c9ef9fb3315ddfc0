//! The shell of [`answer`](crate::answer()): sockets, deadlines, bounds.

use std::{
    collections::hash_map::RandomState,
    future::Future,
    hash::BuildHasher,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use ripstop_model::Snapshot;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tracing::{debug, info, warn};

use crate::{
    answer::{Asker, Decision, Transport, answer, server_failure},
    quota::Quota,
};

/// What a [`Forwarder`] promises: the raw answer.
pub type ForwardFuture<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send + 'a>>;

/// Passes queries for foreign names on.
pub trait Forwarder: Send + Sync + 'static {
    /// The raw answer to the raw `query`, neither changed in any byte. The server gives it
    /// [`Limits::forward`] time and answers SERVFAIL on failure.
    fn forward<'a>(&'a self, query: &'a [u8], transport: Transport) -> ForwardFuture<'a>;
}

/// A server for the names of the mesh.
pub struct DnsServer {
    /// Bound UDP sockets.
    pub udp: Vec<UdpSocket>,
    /// Listening TCP sockets.
    pub tcp: Vec<TcpListener>,
    /// What it knows; changes act on the next query.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Where foreign names go.
    pub forwarder: Arc<dyn Forwarder>,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds of a [`DnsServer`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// TCP clients at a time.
    pub clients: usize,
    /// TCP clients of one address at a time.
    pub clients_each: usize,
    /// Forwarded queries at a time over UDP, beyond which queries are answered SERVFAIL.
    pub forwards: usize,
    /// Forwarded queries of one address at a time over UDP.
    pub forwards_each: usize,
    /// Queries of one TCP client in work at a time; further ones wait in its socket.
    pub pipeline: usize,
    /// A TCP client that sends nothing, or takes nothing, for so long is closed.
    pub idle: Duration,
    /// Time for the forwarder to answer.
    pub forward: Duration,
}

/// Largest DNS message.
const MESSAGE: usize = u16::MAX as usize;
/// How long the first queries wait for the first configuration; longer than it takes a control plane
/// to start, shorter than resolvers wait.
const FIRST_SNAPSHOT: Duration = Duration::from_secs(3);
/// Pause after a failed accept.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

#[derive(Clone)]
struct Shared {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    forwarder: Arc<dyn Forwarder>,
    limits: Limits,
    seeds: RandomState,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 256,
            clients_each: 32,
            forwards: 256,
            forwards_each: 64,
            pipeline: 16,
            idle: Duration::from_secs(10),
            forward: Duration::from_secs(5),
        }
    }
}

// === impl DnsServer ===

impl DnsServer {
    /// Serves until `shutdown` is done; queries in flight end with it.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { udp, tcp, snapshots, forwarder, limits } = self;
        let shared = Shared { snapshots, forwarder, limits, seeds: RandomState::new() };
        let forwards = Quota::new(limits.forwards, limits.forwards_each);
        let clients = Quota::new(limits.clients, limits.clients_each);
        let mut serving = JoinSet::new();
        for socket in udp {
            serving.spawn(serve_udp(socket, shared.clone(), forwards.clone()));
        }
        for listener in tcp {
            serving.spawn(serve_tcp(listener, shared.clone(), clients.clone()));
        }
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                ended = serving.join_next() => match ended {
                    Some(Err(error)) => warn!(%error, "a DNS socket's task ended"),
                    Some(Ok(())) => {}
                    None => { shutdown.await; break }
                },
            }
        }
        info!("DNS stops");
    }
}

// === impl Shared ===

impl Shared {
    /// Queries of before wait in their sockets: they are answered rightly, a moment later.
    async fn first_snapshot(&mut self) {
        let known = self.snapshots.wait_for(|snapshot| snapshot.version() > 0);
        if timeout(FIRST_SNAPSHOT, known).await.is_err() {
            warn!("no configuration yet: names of the mesh are answered SERVFAIL");
        }
    }

    fn decide(&self, query: &[u8], client: IpAddr, transport: Transport) -> Decision {
        let snapshot = self.snapshots.borrow().clone();
        let workload = snapshot.workload_at(client);
        let seed = self.seeds.hash_one((client, query));
        let asker = Asker { client: workload.map(|w| &**w), transport, seed };
        answer(query, &snapshot, &asker)
    }

    async fn forward(&self, query: &[u8], client: IpAddr, transport: Transport) -> Option<Vec<u8>> {
        match timeout(self.limits.forward, self.forwarder.forward(query, transport)).await {
            Ok(Ok(reply)) => Some(reply),
            Ok(Err(error)) => {
                debug!(%client, %error, "DNS query could not be forwarded; check the resolver of the host");
                server_failure(query)
            }
            Err(_) => {
                debug!(%client, deadline = ?self.limits.forward, "no answer to a forwarded DNS query in time");
                server_failure(query)
            }
        }
    }
}

async fn serve_udp(socket: UdpSocket, mut shared: Shared, quota: Quota) {
    shared.first_snapshot().await;
    let socket = Arc::new(socket);
    let mut forwards = JoinSet::new();
    let mut buffer = vec![0; MESSAGE];
    loop {
        // Finished forwards are reaped here, so the set stays as small as the quota.
        while forwards.try_join_next().is_some() {}
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                // An ICMP error of an earlier answer; a broken socket would repeat at once.
                debug!(%error, "DNS receive");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let query = &buffer[..length];
        match shared.decide(query, client.ip(), Transport::Udp) {
            Decision::Answer(reply) | Decision::Refuse(reply) => send(&socket, &reply, client).await,
            Decision::Ignore => {}
            Decision::Forward => match quota.take(client.ip()) {
                Some(place) => {
                    let (socket, shared, query) = (socket.clone(), shared.clone(), query.to_vec());
                    forwards.spawn(async move {
                        if let Some(reply) = shared.forward(&query, client.ip(), Transport::Udp).await {
                            send(&socket, &reply, client).await;
                        }
                        drop(place);
                    });
                }
                None => {
                    if let Some(reply) = server_failure(query) {
                        send(&socket, &reply, client).await;
                    }
                }
            },
        }
    }
}

async fn send(socket: &UdpSocket, reply: &[u8], client: SocketAddr) {
    if let Err(error) = socket.send_to(reply, client).await {
        debug!(%client, %error, "DNS answer could not be sent");
    }
}

async fn serve_tcp(listener: TcpListener, mut shared: Shared, quota: Quota) {
    shared.first_snapshot().await;
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, address)) => {
                let Some(place) = quota.take(address.ip()) else { continue };
                let shared = shared.clone();
                clients.spawn(async move {
                    if let Err(error) = serve_client(stream, address, &shared).await {
                        debug!(client = %address, %error, "DNS client ended");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors: back off, so that clients can end meanwhile.
                warn!(%error, "DNS accept");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// One client: reads length-prefixed queries (RFC 1035 4.2.2), works on several at a time and
/// answers each as it is done (RFC 7766 6.2.1.1).
async fn serve_client(stream: TcpStream, address: SocketAddr, shared: &Shared) -> io::Result<()> {
    let limits = shared.limits;
    let (mut reader, mut writer) = stream.into_split();
    let (replies, mut ready) = mpsc::channel::<Vec<u8>>(limits.pipeline);
    let mut working = JoinSet::new();
    let read = async {
        loop {
            let mut length = [0; 2];
            match timeout(limits.idle, reader.read_exact(&mut length)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Ok(Err(error)) => return Err(error),
                Err(_) => break,
            }
            let mut query = vec![0; u16::from_be_bytes(length).into()];
            timeout(limits.idle, reader.read_exact(&mut query)).await??;
            while working.try_join_next().is_some() {}
            if working.len() >= limits.pipeline {
                working.join_next().await;
            }
            let (shared, replies) = (shared.clone(), replies.clone());
            working.spawn(async move {
                let reply = match shared.decide(&query, address.ip(), Transport::Tcp) {
                    Decision::Answer(reply) | Decision::Refuse(reply) => Some(reply),
                    Decision::Forward => shared.forward(&query, address.ip(), Transport::Tcp).await,
                    Decision::Ignore => None,
                };
                if let Some(reply) = reply {
                    // A closed channel means that the client is gone.
                    let _ = replies.send(reply).await;
                }
            });
        }
        // What was asked is still answered after the client's FIN.
        while working.join_next().await.is_some() {}
        drop(replies);
        Ok(())
    };
    let write = async {
        while let Some(reply) = ready.recv().await {
            let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
            let mut framed = Vec::with_capacity(reply.len() + 2);
            framed.extend_from_slice(&length.to_be_bytes());
            framed.extend_from_slice(&reply);
            timeout(limits.idle, writer.write_all(&framed)).await??;
        }
        writer.shutdown().await
    };
    tokio::try_join!(read, write).map(|_| ())
}

#[cfg(test)]
mod tests;
