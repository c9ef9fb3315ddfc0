//! The listeners of one enrolled workload.

use std::{
    io,
    net::TcpListener as StdTcpListener,
    os::fd::OwnedFd,
    rc::Rc,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use ripstop_model::ListenerWay;
use ripstop_net::socket::reset_on_close;
use rustix::net::SocketFlags;
use serde_json::{Value, json};
use tokio::{io::unix::AsyncFd, task::spawn_local, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    dns,
    gateway::{Door, Taker},
    local::LocalWorkload,
    worker::{Accepted, Capture, Context, Place},
};

/// How long accepting pauses when the process has run out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);
/// Pause between two warnings.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// Listening sockets: opened by the agent in the workload's namespace, or one of a gateway.
#[derive(Debug)]
pub struct Listeners {
    workload: Arc<LocalWorkload>,
    /// Ends accept loops.
    closed: CancellationToken,
    streams: Vec<(Capture, StdTcpListener)>,
    datagrams: Vec<OwnedFd>,
}

// === impl Listeners ===

impl Listeners {
    /// Takes the sockets of an `AddWorkload` message: 15001, 15006, 15008, 15053 TCP, then 15053
    /// UDP for IPv4 and IPv6. Gives the number received if it is another.
    pub fn new(workload: Arc<LocalWorkload>, sockets: Vec<OwnedFd>) -> Result<Self, usize> {
        let count = sockets.len();
        let mut sockets = sockets.into_iter();
        let mut streams = Vec::with_capacity(4);
        for capture in [Capture::Outbound, Capture::Plaintext, Capture::Tunnel, Capture::Dns] {
            streams.push((capture, sockets.next().ok_or(count)?.into()));
        }
        let datagrams: Vec<OwnedFd> = sockets.collect();
        let closed = workload.closed.clone();
        if datagrams.len() == 2 { Ok(Self { workload, closed, streams, datagrams }) } else { Err(count) }
    }

    /// One listener of a gateway, until it is `closed`.
    pub fn of_gateway(
        workload: Arc<LocalWorkload>,
        door: Arc<Door>,
        closed: CancellationToken,
        listener: StdTcpListener,
    ) -> Self {
        Self { workload, closed, streams: vec![(Capture::Gateway(door, Taker::Own), listener)], datagrams: Vec::new() }
    }

    /// The listener of a waypoint, until it is `closed`.
    pub fn of_waypoint(workload: Arc<LocalWorkload>, closed: CancellationToken, listener: StdTcpListener) -> Self {
        Self { workload, closed, streams: vec![(Capture::Waypoint, listener)], datagrams: Vec::new() }
    }

    /// Whose they are.
    pub fn workload(&self) -> Weak<LocalWorkload> {
        Arc::downgrade(&self.workload)
    }

    /// Fires when they are closed.
    pub fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    /// What is listened for, and where.
    pub fn describe(&self) -> Vec<Value> {
        let socket = |(capture, listener): &(Capture, StdTcpListener)| {
            let what = match capture {
                Capture::Outbound => "calls".to_owned(),
                Capture::Plaintext => "plaintext".to_owned(),
                Capture::Tunnel => "tunnels".to_owned(),
                Capture::Dns => "dns".to_owned(),
                Capture::Gateway(door, _) => format!("gateway port {}", door.port),
                Capture::Waypoint => "tunnels to services".to_owned(),
                Capture::Listener(way) => own_listener(*way).to_owned(),
            };
            json!({ "for": what, "address": listener.local_addr().ok().map(|address| address.to_string()) })
        };
        let mut sockets: Vec<Value> = self.streams.iter().map(socket).collect();
        if !self.datagrams.is_empty() {
            sockets.push(json!({ "for": "dns over udp", "address": null }));
        }
        sockets
    }

    /// Spawns the accept loops on this worker; they end with the workload.
    pub fn run(self, context: &Rc<Context>) {
        for (capture, listener) in self.streams {
            let (context, workload, closed) = (context.clone(), self.workload.clone(), self.closed.clone());
            spawn_local(async move {
                tokio::select! {
                    result = accept(&context, &capture, &workload, listener) => {
                        if let Err(error) = result {
                            tracing::error!(%error, ?capture, workload = %workload.uid, "a listener failed");
                        }
                    }
                    () = closed.cancelled() => {}
                }
            });
        }
        for socket in self.datagrams {
            let (context, workload, closed) = (context.clone(), self.workload.clone(), self.closed.clone());
            spawn_local(async move {
                tokio::select! {
                    () = dns::serve_datagrams(context, workload, socket) => {}
                    () = closed.cancelled() => {}
                }
            });
        }
    }
}

/// What a listener that a sidecar opened itself is for.
pub fn own_listener(way: ListenerWay) -> &'static str {
    match way {
        ListenerWay::Ingress => "ingress of the Sidecar",
        ListenerWay::Egress => "egress of the Sidecar",
    }
}

/// Accepts and deals connections; returns only when the listener itself is broken.
pub async fn accept(
    context: &Context,
    capture: &Capture,
    workload: &Arc<LocalWorkload>,
    listener: StdTcpListener,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    #[expect(deprecated, reason = "sound here: a TcpListener owns its descriptor")]
    let listener = AsyncFd::new(listener)?;
    let mut full = Full::default();
    loop {
        let mut ready = listener.readable().await?;
        let result = ready.try_io(|listener| {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            Ok(rustix::net::acceptfrom_with(listener.get_ref(), flags)?)
        });
        match result {
            Ok(Ok((stream, peer))) => {
                let Some(peer) = peer.and_then(|peer| peer.try_into().ok()) else { continue };
                let peer = canonical(peer);
                let place = match place(context, capture, workload, peer) {
                    Ok(place) => place,
                    Err(why) => {
                        // If it cannot be set, the caller sees an ordinary end.
                        let _ = reset_on_close(&stream);
                        full.tell(workload, peer, &why);
                        continue;
                    }
                };
                let workload = workload.clone();
                let capture = capture.clone();
                context.crew.deal(Accepted { capture, workload, stream: stream.into(), peer, place });
            }
            Ok(Err(error)) if is_of_the_caller(&error) => {}
            Ok(Err(error)) if is_exhaustion(&error) => {
                tracing::warn!(%error, "no more connections can be accepted; raise the limit of open files");
                sleep(PAUSE).await;
            }
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => {}
        }
    }
}

/// A place for a connection from `peer`; why there is none.
fn place(
    context: &Context,
    capture: &Capture,
    workload: &LocalWorkload,
    peer: std::net::SocketAddr,
) -> Result<Place, String> {
    if let Capture::Waypoint = capture {
        let inside = context.shared.crossings.entry.take(peer.ip());
        return inside.map(Place::Waypoint).map_err(|full| full.to_string());
    }
    let place = workload.places.clone().try_acquire_owned();
    place.map(Place::Workload).map_err(|_| format!("it has {} already", workload.limit))
}

/// Says, at most once in a while, that a workload has too many connections.
#[derive(Default)]
struct Full(Option<Instant>);

impl Full {
    fn tell(&mut self, workload: &LocalWorkload, peer: std::net::SocketAddr, why: &str) {
        if self.0.is_none_or(|last| last.elapsed() > TELL_AGAIN) {
            self.0 = Some(Instant::now());
            tracing::warn!(workload = %workload.uid, %peer, why, "too many connections: new ones are reset");
        }
    }
}

/// `address` with an IPv4-mapped IPv6 address as IPv4.
pub fn canonical(address: std::net::SocketAddr) -> std::net::SocketAddr {
    std::net::SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Errors of a connection that ended before it was accepted (accept(2)).
fn is_of_the_caller(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

fn is_exhaustion(error: &io::Error) -> bool {
    [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].contains(&error.raw_os_error().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use ripstop_model::WorkloadUid;

    use super::*;
    use crate::{
        backends::Backends,
        testing::{Worker, run},
        waypoint::TUNNELS_OF_ONE,
    };

    /// Connections that say nothing take places of tunnels, and of one address not all of them.
    #[test]
    fn tunnels_to_a_waypoint_take_no_place_of_what_they_carry() {
        run(async {
            let worker = Worker::new([], Backends::new).await;
            let workload = LocalWorkload::alone(WorkloadUid::process("c", "ns", "waypoint-0"));
            let free = workload.places.available_permits();
            let from = |address: &str| address.parse().unwrap();
            let taken: Vec<Place> = (0..TUNNELS_OF_ONE)
                .map(|_| place(&worker.context, &Capture::Waypoint, &workload, from("10.244.1.9:1")).unwrap())
                .collect();
            assert_eq!(workload.places.available_permits(), free);
            let why = place(&worker.context, &Capture::Waypoint, &workload, from("10.244.1.9:2")).unwrap_err();
            assert!(why.contains("its address has 128 tunnels"), "{why}");
            assert!(place(&worker.context, &Capture::Waypoint, &workload, from("10.244.1.8:1")).is_ok());
            drop(taken);
            assert!(place(&worker.context, &Capture::Waypoint, &workload, from("10.244.1.9:2")).is_ok());
            let other = place(&worker.context, &Capture::Tunnel, &workload, from("10.244.1.9:2")).unwrap();
            assert_eq!(workload.places.available_permits(), free - 1);
            drop(other);
        });
    }
}
