//! Inbound connections of one worker, so that a change of policy reaches those that are open.

use std::{
    cell::RefCell,
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
};

use ripstop_decide::{InboundFacts, Program, Verdict, authorize};
use ripstop_model::{RuleId, SpiffeId};
use tokio::sync::oneshot;

use crate::{error::Error, local::LocalWorkload};

/// What is open at one worker.
#[derive(Clone, Debug, Default)]
pub struct Connections(Rc<RefCell<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    facts: Facts,
    revoke: Option<oneshot::Sender<Revocation>>,
}

/// What the decision about an inbound connection rests on.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The callee.
    pub workload: Arc<LocalWorkload>,
    /// Its address that was called.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The caller as its certificate names it; nothing for plaintext.
    pub peer: Option<SpiffeId>,
    /// The caller's address.
    pub source: SocketAddr,
}

/// Why an open connection has to end.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// In words.
    pub reason: String,
    /// The policy.
    pub policy: Option<RuleId>,
}

/// Keeps a connection in the table.
#[derive(Debug)]
pub struct Registration {
    table: Connections,
    id: u64,
}

// === impl Connections ===

impl Connections {
    /// Enters a connection; the receiver fires when a policy ends it.
    pub fn register(&self, facts: Facts) -> (Registration, oneshot::Receiver<Revocation>) {
        let (revoke, revoked) = oneshot::channel();
        let mut table = self.0.borrow_mut();
        let id = table.next;
        table.next += 1;
        table.open.insert(id, Entry { facts, revoke: Some(revoke) });
        (Registration { table: self.clone(), id }, revoked)
    }

    /// Decides anew about everything that is open and ends what is no longer allowed.
    pub fn recheck(&self, program: &Program) {
        for entry in self.0.borrow_mut().open.values_mut() {
            let Some(Verdict::Deny { reason, policy }) = entry.facts.decide(program) else { continue };
            if let Some(revoke) = entry.revoke.take() {
                // The connection may be ending by itself at this moment.
                let _ = revoke.send(Revocation { reason: reason.to_string(), policy });
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.table.0.borrow_mut().open.remove(&self.id);
    }
}

// === impl Facts ===

impl Facts {
    /// The decision by `program`; nothing if it does not name the workload. Then nobody new may come
    /// in, and who is in may stay: the agent ends that when the workload is gone.
    pub fn decide(&self, program: &Program) -> Option<Verdict> {
        let destination = self.workload.in_snapshot(program)?;
        let facts = InboundFacts::connection(destination, self.port, self.peer.as_ref(), Some(self.source));
        let facts = InboundFacts { address: Some(self.address), ..facts };
        Some(authorize(program, &facts).without_authorizer())
    }

    /// Why a new connection may not come in by `program`, if it may not.
    pub fn refusal(&self, program: &Program) -> Option<Error> {
        match self.decide(program) {
            Some(Verdict::Allow { .. }) => None,
            Some(Verdict::Deny { reason, policy }) => Some(Error::Denied { reason: reason.to_string(), policy }),
            None => Some(Error::UnknownWorkload(self.workload.uid.as_str().into())),
        }
    }
}

#[cfg(test)]
mod tests;
