//! Listeners that a sidecar opens itself, at addresses in its workload's network (`captureMode: NONE` of Istio's
//! `Sidecar`). Nothing is captured on its way there.
//!
//! They follow the configuration. One whose address somebody else has, the application most likely, is tried again.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use ripstop_decide::own_listeners;
use ripstop_model::OwnListener;
use ripstop_wire::ripstop::SocketKind;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    error::Error,
    listeners::accept,
    local::LocalWorkload,
    sockets::SocketKey,
    worker::{Capture, Context, Crew, Shared},
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Pause before an address that could not be had is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// A listener that is to be opened.
#[derive(Debug)]
pub struct Opening {
    listener: OwnListener,
    workload: Arc<LocalWorkload>,
    closed: CancellationToken,
}

/// Opens and closes the listeners of `workload` as the configuration says, until it takes no further connections.
pub async fn follow(shared: Arc<Shared>, crew: Arc<Crew>, workload: Arc<LocalWorkload>) {
    let mut changed = shared.changed.subscribe();
    let mut open: HashMap<OwnListener, CancellationToken> = HashMap::new();
    loop {
        changed.mark_unchanged();
        let wanted = {
            let program = shared.snapshot.load();
            workload.in_snapshot(&program).map(|own| own_listeners(&program, own)).unwrap_or_default()
        };
        open.retain(|listener, closed| {
            let stays = wanted.contains(listener);
            if !stays {
                closed.cancel();
            }
            stays
        });
        for listener in wanted.into_iter().filter(|listener| !open.contains_key(listener)).collect::<Vec<_>>() {
            let closed = workload.closed.child_token();
            open.insert(listener, closed.clone());
            crew.open_listener(Opening { listener, workload: workload.clone(), closed }).await;
        }
        tokio::select! {
            changed = changed.changed() => if changed.is_err() { return },
            () = workload.closed.cancelled() => return,
        }
    }
}

// === impl Opening ===

impl Opening {
    /// Listens until it is closed.
    pub async fn run(self, context: Rc<Context>) {
        tokio::select! {
            () = self.listen(&context) => {}
            () = self.closed.cancelled() => {}
        }
    }

    async fn listen(&self, context: &Rc<Context>) {
        let OwnListener { way, address } = self.listener;
        let mut is_told = false;
        loop {
            let failed = match self.bind(context).await {
                Ok(listener) => {
                    tracing::info!(%address, ?way, workload = %self.workload.uid, "listens itself");
                    is_told = false;
                    context.shared.inventory.note_own(&self.workload, self.closed.clone(), self.listener);
                    let Err(error) = accept(context, &Capture::Listener(way), &self.workload, listener).await else {
                        return;
                    };
                    Error::Io { what: format!("listening at {address}"), source: error }
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut is_told, true) {
                tracing::error!(
                    error = %failed, %address, ?way, workload = %self.workload.uid,
                    "its Sidecar's listener can't be opened, and is tried again; does the application listen there itself?"
                );
            }
            sleep(AGAIN).await;
        }
    }

    async fn bind(&self, context: &Context) -> Result<StdTcpListener, Error> {
        let OwnListener { address, .. } = self.listener;
        let key = SocketKey { uid: self.workload.uid.clone(), kind: SocketKind::Plain, ipv6: address.is_ipv6() };
        let socket = context.sockets.take(&key).await?;
        let listen = || -> io::Result<()> {
            // Connections that have ended are no reason to wait.
            socket.set_reuse_address(true)?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)
        };
        listen().map_err(|source| Error::Io { what: format!("listening at {address}"), source })?;
        Ok(socket.into())
    }
}

/// Who calls a listener that is reached in the network of `workload`: that itself, by its own address, or somebody else,
/// wherever nothing is captured on its way there.
pub fn caller(context: &Context, workload: &LocalWorkload, peer: SocketAddr) -> SocketAddr {
    if !peer.ip().is_loopback() {
        return peer;
    }
    let program = context.shared.snapshot.load();
    let addresses = workload.in_snapshot(&program).map(|own| &own.addresses[..]).unwrap_or_default();
    let own = addresses.iter().find(|address| address.is_ipv4() == peer.is_ipv4()).or(addresses.first());
    own.map_or(peer, |own| SocketAddr::new(*own, peer.port()))
}

/// Whether it is the workload itself that calls: only that may call others in its name.
pub fn calls_itself(context: &Context, workload: &LocalWorkload, caller: SocketAddr) -> bool {
    let program = context.shared.snapshot.load();
    let own = workload.in_snapshot(&program);
    caller.ip().is_loopback() || own.is_some_and(|own| own.addresses.contains(&caller.ip()))
}

#[cfg(test)]
mod tests {
    use ripstop_model::ConnectionPool;

    use super::*;
    use crate::testing::{Callee, run};

    /// Whoever else got there would call others in the workload's name.
    #[test]
    fn nobody_but_the_workload_itself_calls_in_its_name() {
        run(async {
            let callee = Callee::injected(ConnectionPool::default()).await;
            callee.moved("10.1.0.1");
            let calls_itself =
                |peer: &str| calls_itself(&callee.worker.context, &callee.workload, peer.parse().unwrap());
            assert!(calls_itself("10.1.0.1:40000") && calls_itself("127.0.0.1:40000") && calls_itself("[::1]:40000"));
            assert!(!calls_itself("10.1.0.2:40000") && !calls_itself("[fd00::2]:40000"));
        });
    }
}
