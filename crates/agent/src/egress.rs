//! TCP that leaves the mesh: taken from the wire by the node's rules, carried to
//! a socket that the broker connected. Proxies ask for it at a gate, and are told whether there is one
//! ([`ripstop_wire::gate`]).

use std::{
    collections::HashMap,
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ripstop_model::Snapshot;
use ripstop_net::socket::{original_destination, reset_on_close};
use ripstop_wire::gate::{ASK, Answer, Ask, GATE};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional_with_sizes},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use crate::{Error, broker::Broker, services};

/// Connections at a time; further ones wait in the listener's queue.
const CONNECTIONS: usize = 4096;
/// Connections of one workload at a time; further ones are reset.
const CONNECTIONS_EACH: usize = 1024;
/// Bytes that one direction of one connection may hold.
const BUFFER: usize = 16 * 1024;
/// Pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(50);
/// How much longer than it was asked to the broker may take for a connection.
const MARGIN: Duration = Duration::from_millis(200);
/// How long whoever has come to the gate may take to ask.
const PATIENCE: Duration = Duration::from_secs(5);
/// Peers that vanish without a word are noticed after about two minutes.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_mins(1)).with_interval(Duration::from_secs(15)).with_retries(4);

/// Carries what `listener`, a transparent one, accepts; ends when dropped.
pub(crate) async fn serve(listener: TcpListener, broker: Broker, snapshots: watch::Receiver<Arc<Snapshot>>) {
    let mut relays: JoinSet<IpAddr> = JoinSet::new();
    let mut each: HashMap<IpAddr, usize> = HashMap::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if relays.len() < CONNECTIONS => accepted,
            Some(ended) = relays.join_next() => {
                if let Ok(source) = ended && let Some(count) = each.get_mut(&source) {
                    *count -= 1;
                    if *count == 0 {
                        each.remove(&source);
                    }
                }
                continue;
            }
        };
        let (stream, source) = match accepted {
            Ok((stream, source)) => (stream, source.ip().to_canonical()),
            Err(error) => {
                warn!(%error, "egress accept");
                sleep(PAUSE).await;
                continue;
            }
        };
        let workload = name(&snapshots.borrow(), source);
        let count = each.entry(source).or_default();
        if *count >= CONNECTIONS_EACH {
            info!(workload, limit = CONNECTIONS_EACH, "connection out of the mesh reset: the workload has too many");
            let _ = reset_on_close(&stream);
            continue;
        }
        *count += 1;
        let (broker, snapshots) = (broker.clone(), snapshots.clone());
        relays.spawn(async move {
            carry(stream, &workload, &broker, &snapshots).await;
            source
        });
    }
}

/// How the broker and its log name the workload at `source`.
fn name(snapshot: &Snapshot, source: IpAddr) -> String {
    match snapshot.workload_at(source) {
        Some(workload) => format!("{}/{}", workload.namespace, workload.name),
        None => format!("unknown/{source}"),
    }
}

/// Where a connection is for that comes to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// To the gate, to ask.
    Gate,
    /// Out of the mesh.
    Out,
    /// To the gate's address, at another port. It is inside: outside of the mesh somebody else may have it.
    Nowhere,
}

impl Course {
    fn of(called: SocketAddr) -> Self {
        let ip = called.ip().to_canonical();
        match (ip == IpAddr::V4(*GATE.ip()), called.port() == GATE.port()) {
            (true, true) => Self::Gate,
            (true, false) => Self::Nowhere,
            (false, _) => Self::Out,
        }
    }
}

async fn carry(mut stream: TcpStream, workload: &str, broker: &Broker, snapshots: &watch::Receiver<Arc<Snapshot>>) {
    let called = match original_destination(&stream) {
        Ok(called) => called,
        Err(error) => return debug!(workload, %error, "egress connection ended at once"),
    };
    match Course::of(called) {
        Course::Gate => {}
        Course::Out => {
            return match relay(&stream, called, workload, broker, None).await {
                Ok(outside) => copy(stream, outside, workload, called).await,
                Err(error) => refuse(&stream, workload, called, &error),
            };
        }
        Course::Nowhere => {
            info!(workload, destination = %called, "connection to no port of the gate reset");
            let _ = reset_on_close(&stream);
            return;
        }
    }
    let asked = match asked(&mut stream).await {
        Ok(asked) => asked,
        Err(error) => return debug!(workload, %error, "a question of nobody who knows how to ask"),
    };
    let Ask { destination, limit } = asked;
    if services::is_inside(destination.ip(), &snapshots.borrow()) {
        let _ = stream.write_all(&[Answer::Inside.encode()]).await;
        return;
    }
    // Whoever asks gives up by its own clock first, and knows why.
    match relay(&stream, destination, workload, broker, Some(limit + MARGIN)).await {
        Ok(outside) => match stream.write_all(&[Answer::Connected.encode()]).await {
            Ok(()) => copy(stream, outside, workload, destination).await,
            Err(error) => debug!(workload, %destination, %error, "whoever asked is gone"),
        },
        Err(error) => {
            info!(workload, %destination, %error, "connection out of the mesh refused");
            let _ = stream.write_all(&[Answer::Failed.encode()]).await;
        }
    }
}

/// What a proxy asks for.
async fn asked(stream: &mut TcpStream) -> std::io::Result<Ask> {
    let mut bytes = [0; ASK];
    timeout(PATIENCE, stream.read_exact(&mut bytes)).await.map_err(|_| ErrorKind::TimedOut)??;
    Ask::decode(&bytes).ok_or_else(|| ErrorKind::InvalidData.into())
}

fn refuse(stream: &TcpStream, workload: &str, destination: SocketAddr, error: &Error) {
    info!(workload, %destination, %error, "connection out of the mesh refused");
    let _ = reset_on_close(stream);
}

async fn relay(
    inside: &TcpStream,
    destination: SocketAddr,
    workload: &str,
    broker: &Broker,
    limit: Option<Duration>,
) -> Result<TcpStream, Error> {
    let granted = broker.connect(destination, workload, limit).await?;
    let prepare = || {
        let outside = std::net::TcpStream::from(granted);
        outside.set_nonblocking(true)?;
        let outside = TcpStream::from_std(outside)?;
        for stream in [inside, &outside] {
            stream.set_nodelay(true)?;
            SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE)?;
        }
        Ok(outside)
    };
    prepare()
        .map_err(|error: std::io::Error| Error::Broker { target: destination.to_string(), reason: error.to_string() })
}

/// Carries both directions, each ended by itself; a reset on one side becomes one on the other.
async fn copy(mut inside: TcpStream, mut outside: TcpStream, workload: &str, destination: SocketAddr) {
    debug!(workload, %destination, "connection out of the mesh");
    match copy_bidirectional_with_sizes(&mut inside, &mut outside, BUFFER, BUFFER).await {
        Ok((sent, received)) => debug!(workload, %destination, sent, received, "connection out of the mesh ended"),
        Err(error) => {
            debug!(workload, %destination, %error, "connection out of the mesh broke");
            let _ = reset_on_close(&inside);
            let _ = reset_on_close(&outside);
        }
    }
}

#[cfg(test)]
mod tests;
