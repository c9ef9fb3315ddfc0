//! Where a gateway listens, as the configuration has it now.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    net::{Ipv6Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use ripstop_decide::{Program, listening};
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
    /// Listeners in the gateway's own namespace, by their port there, each for a door.
    bound: BTreeMap<u16, Bound>,
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
        let wanted: BTreeSet<u16> = listening(program, &own.labels).into_keys().collect();
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
        self.bind(&binds(own, &wanted)).await
    }

    /// Makes the listeners of the gateway's own namespace those of `wanted`: port there, port of the door.
    async fn bind(&mut self, wanted: &BTreeMap<u16, u16>) -> Opened {
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
                    tracing::info!(port, at, "listener opened");
                    let closed = door.closed.child_token();
                    self.bound.insert(*at, Bound { port: *port, closed: closed.clone() });
                    let listeners = Listeners::of_gateway(self.workload.clone(), door.clone(), closed, listener);
                    self.shared.inventory.note(&listeners);
                    self.crew.listen(listeners).await;
                }
                Err(error) => {
                    tracing::warn!(%error, port, at, "cannot listen; it is tried again");
                    opened = Opened::Some;
                }
            }
        }
        opened
    }
}

/// Where the ports of listeners are in the gateway's own namespace: behind the ports of its services, else the same.
fn binds(own: &Workload, wanted: &BTreeSet<u16>) -> BTreeMap<u16, u16> {
    let behind = |port: u16| {
        let mut mappings = own.services.iter().flat_map(|(_, mappings)| mappings);
        mappings.find(|mapping| mapping.service_port == port).map_or(port, |mapping| mapping.target_port)
    };
    wanted.iter().map(|port| (behind(*port), *port)).collect()
}

/// Both families.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM.nonblocking(), None)?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests;
