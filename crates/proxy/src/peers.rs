//! Whoever has proven to one worker who they are, so that a change of whom the proxy believes reaches what they have open.

use std::{
    cell::RefCell,
    collections::HashMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use ripstop_identity::Proof;
use tokio::{sync::oneshot, task::yield_now};

use crate::certificates::Certificates;

/// Judged in one go; each may cost some tenths of a millisecond.
const SLICE: usize = 16;

/// The peers of one worker's tunnels, callers and callees, and of connections of TLS that clients of the mesh made.
#[derive(Clone, Debug, Default)]
pub struct Peers(Rc<RefCell<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    known: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    proof: Proof,
    distrust: oneshot::Sender<String>,
}

/// Completes, with why, once the peer is not believed any more; pending for good after that.
#[derive(Debug)]
pub struct Distrusted {
    peers: Peers,
    id: u64,
    told: Option<oneshot::Receiver<String>>,
}

/// Why a peer is not believed any more, once it is not; nobody's proof counts for good.
pub async fn believed(distrusted: Option<Distrusted>) -> String {
    match distrusted {
        Some(distrusted) => distrusted.await,
        None => std::future::pending().await,
    }
}

// === impl Peers ===

impl Peers {
    /// Judges `proof` by those who are believed now, and from now on whenever these change, until the result is dropped.
    pub fn watch(&self, proof: Proof, certificates: &Certificates) -> Distrusted {
        let (distrust, told) = oneshot::channel();
        let id = {
            let table = &mut *self.0.borrow_mut();
            table.next += 1;
            table.known.insert(table.next, Entry { proof, distrust });
            table.next
        };
        // They may have changed since its handshake began.
        self.judge(id, certificates);
        Distrusted { peers: self.clone(), id, told: Some(told) }
    }

    /// Judges all of them by those who are believed by now. Others of the worker have their turns meanwhile.
    pub async fn recheck(&self, certificates: &Certificates) {
        let known: Vec<u64> = self.0.borrow().known.keys().copied().collect();
        for slice in known.chunks(SLICE) {
            for id in slice {
                self.judge(*id, certificates);
            }
            yield_now().await;
        }
    }

    fn judge(&self, id: u64, certificates: &Certificates) {
        let table = &mut *self.0.borrow_mut();
        let Some(entry) = table.known.get_mut(&id) else { return };
        let believed = certificates.believed(&entry.proof.own().trust_domain());
        let Err(error) = entry.proof.holds(&believed) else { return };
        tracing::info!(%error, "what this peer has open ends: whom the mesh trusts has changed");
        if let Some(entry) = table.known.remove(&id) {
            // What it was for may be ending at this moment.
            let _ = entry.distrust.send(error.to_string());
        }
    }
}

// === impl Distrusted ===

impl Future for Distrusted {
    type Output = String;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<String> {
        let Some(told) = &mut self.told else { return Poll::Pending };
        let reason = ready!(Pin::new(told).poll(cx));
        self.told = None;
        // Nobody but this lets go of who says it.
        reason.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Distrusted {
    fn drop(&mut self) {
        self.peers.0.borrow_mut().known.remove(&self.id);
    }
}

#[cfg(test)]
mod tests;
