//! Where a gateway listens, as the configuration has it now.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    net::{Ipv6Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use ripstop_decide::{Program, Reached, listening};
use ripstop_model::Workload;
use socket2::{Domain, Socket, Type};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::terminate::Terminators;
use crate::{
    listeners::Listeners,
    local::LocalWorkload,
    worker::{Crew, Shared},
};

/// Connections that wait in the kernel for one listener at most.
const BACKLOG: i32 = 4096;
/// Pause before a port that could not be had is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// One port of `Gateway` objects, for as long as any of them names it.
#[derive(Debug)]
pub struct Door {
    /// The port that listeners name.
    pub port: u16,
    /// Fires when nobody names it any more, or the gateway ends: it takes no further connections, and those that are
    /// open finish what they are about.
    pub closed: CancellationToken,
    /// How TLS ends here.
    pub terminators: Arc<Terminators>,
}

/// Who took a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker {
    /// The gateway, at an address of its own.
    Own,
    /// The mesh's outer process, at an address of the host's.
    Host,
}

/// The doors that are open, by the ports that listeners name.
pub type Open = Arc<HashMap<u16, Arc<Door>>>;

/// Opens and closes doors.
#[derive(Debug)]
pub struct Doors {
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    workload: Arc<LocalWorkload>,
    terminators: Arc<Terminators>,
    open: watch::Sender<Open>,
    /// Listeners in the gateway's own namespace, by where they listen there, each for a door.
    bound: BTreeMap<Reached, Bound>,
}

#[derive(Debug)]
struct Bound {
    port: u16,
    closed: CancellationToken,
}

/// Whether all listeners could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opened {
    All,
    Some,
}

// === impl Doors ===

impl Doors {
    /// None yet.
    pub fn new(
        shared: Arc<Shared>,
        crew: Arc<Crew>,
        workload: Arc<LocalWorkload>,
        terminators: Arc<Terminators>,
    ) -> Self {
        let (open, bound) = (watch::Sender::default(), BTreeMap::new());
        Self { shared, crew, workload, terminators, open, bound }
    }

    /// Those that are open, now and later.
    pub fn open(&self) -> watch::Receiver<Open> {
        self.open.subscribe()
    }

    /// Follows the configuration until the proxy ends. It is `ready` once it does.
    pub async fn keep(mut self, ready: watch::Sender<bool>) {
        let mut changed = self.shared.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let program = self.shared.snapshot.load_full();
            let opened = match self.workload.in_snapshot(&program).cloned() {
                Some(own) => self.follow(&program, &own).await,
                // It is about to end, or the control plane has lost sight of it: what is open stays.
                None => Opened::All,
            };
            drop(program);
            ready.send_replace(true);
            tokio::select! {
                () = self.shared.draining.cancelled() => return,
                _ = changed.changed() => {}
                () = sleep(RETRY), if opened == Opened::Some => {}
            }
        }
    }

    async fn follow(&mut self, program: &Program, own: &Workload) -> Opened {
        let places: BTreeSet<Reached> = listening(program, &own.labels).into_keys().collect();
        let wanted: BTreeSet<u16> = places.iter().map(|place| place.port).collect();
        self.open.send_if_modified(|open| {
            if open.len() == wanted.len() && wanted.iter().all(|port| open.contains_key(port)) {
                return false;
            }
            let doors = Arc::make_mut(open);
            doors.retain(|port, door| {
                let stays = wanted.contains(port);
                if !stays {
                    tracing::info!(port, "listener closed");
                    door.closed.cancel();
                }
                stays
            });
            for port in &wanted {
                doors.entry(*port).or_insert_with(|| {
                    let closed = self.shared.draining.child_token();
                    Arc::new(Door { port: *port, closed, terminators: self.terminators.clone() })
                });
            }
            true
        });
        self.bind(&binds(own, &places)).await
    }

    /// Makes the listeners of the gateway's own namespace those of `wanted`: where they are there, port of the door.
    async fn bind(&mut self, wanted: &BTreeMap<Reached, u16>) -> Opened {
        self.bound.retain(|port, bound| {
            let stays = wanted.get(port) == Some(&bound.port) && !bound.closed.is_cancelled();
            if !stays {
                bound.closed.cancel();
            }
            stays
        });
        let doors = self.open.borrow().clone();
        let mut opened = Opened::All;
        for (at, port) in wanted {
            let Some(door) = doors.get(port).filter(|_| !self.bound.contains_key(at)) else { continue };
            match listen(*at) {
                Ok(listener) => {
                    tracing::info!(
                        port,
                        at = at.port,
                        address = at.address.map(tracing::field::display),
                        "listener opened"
                    );
                    let closed = door.closed.child_token();
                    self.bound.insert(*at, Bound { port: *port, closed: closed.clone() });
                    let listeners = Listeners::of_gateway(self.workload.clone(), door.clone(), closed, listener);
                    self.shared.inventory.note(&listeners);
                    self.crew.listen(listeners).await;
                }
                Err(error) => {
                    let address = at.address.map(tracing::field::display);
                    tracing::warn!(%error, port, at = at.port, address, "cannot listen; it is tried again");
                    opened = Opened::Some;
                }
            }
        }
        opened
    }
}

/// Where listeners are in the gateway's own namespace: behind the ports of its services, else at the same; at all addresses if
/// any takes all. What is for one of them alone is found by the address that was called.
fn binds(own: &Workload, wanted: &BTreeSet<Reached>) -> BTreeMap<Reached, u16> {
    let behind = |port: u16| {
        let mut mappings = own.services.iter().flat_map(|(_, mappings)| mappings);
        mappings.find(|mapping| mapping.service_port == port).map_or(port, |mapping| mapping.target_port)
    };
    let takes_all = |place: &Reached| place.address.is_some() && wanted.contains(&place.port.into());
    let places = wanted.iter().filter(|place| !takes_all(place));
    places.map(|place| (Reached { port: behind(place.port), ..*place }, place.port)).collect()
}

/// At one address, or at all of both families.
pub fn listen(at: impl Into<Reached>) -> io::Result<TcpListener> {
    let at = at.into();
    let address = at.address.unwrap_or(Ipv6Addr::UNSPECIFIED.into());
    let socket = Socket::new(Domain::for_address((address, 0).into()), Type::STREAM.nonblocking(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(at.address.is_some())?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((address, at.port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests;
