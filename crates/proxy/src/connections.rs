//! Inbound connections of one worker, so that a change of policy reaches those that are open.

use std::{
    cell::RefCell,
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
};

use ripstop_decide::{
    CalledKey, Content, Decision, InboundFacts, InboundPool, Program, Verdict, authorize, authorize_at_gateway,
    authorize_at_waypoint, called_as, connections_at_workload, counts_for, inbound_pool, limits_of_unread,
    limits_of_unread_behind, limits_of_unread_call, reads_requests, transport,
};
use ripstop_model::{ConnectionPool, RuleId, SpiffeId, TrafficPolicy, Workload, WorkloadUid};
use tokio::sync::oneshot;

use crate::{
    connection_limits::{Admitted, Caller, ConnectionLimits},
    error::Error,
    local::LocalWorkload,
    policy_counts::PolicyCounts,
};

/// What is open at one worker.
#[derive(Clone, Debug, Default)]
pub struct Connections(Rc<RefCell<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Entry>,
    /// By what all that is open was last judged.
    judged: Option<Arc<Program>>,
}

#[derive(Debug)]
struct Entry {
    facts: Facts,
    /// The callee as it was when this was last judged.
    judged: Option<Arc<Workload>>,
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
    /// The client for whom a proxy before a gateway says that it speaks.
    pub remote: Option<IpAddr>,
    /// The server name that it asked for, where TLS was looked at.
    pub sni: Option<Arc<str>>,
    /// What of it is judged.
    pub judged: Judged,
    /// How it goes through a waypoint.
    pub through: Option<Box<Through>>,
}

/// How a connection goes through a waypoint.
#[derive(Clone, Debug)]
pub struct Through {
    /// What is called, whoever stands in front of it by now.
    pub called: CalledKey,
    /// The workload that it leads to, and its port; nothing: it leads out of the mesh.
    pub endpoint: Option<(WorkloadUid, u16)>,
    /// Whether anything of it was looked at.
    pub looked_at: Looked,
}

/// What a waypoint knows of a connection that it passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nothing.
    Never,
    /// That it is none of requests.
    Opaque,
}

/// What of a connection is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Judged {
    /// It as such: nobody looks at what it carries.
    #[default]
    Unread,
    /// It as one that was looked at, and carries no requests.
    Opaque,
    /// It as one that came to a gateway, and whose content nobody looks at.
    Gateway,
    /// It as one that goes through a waypoint, and whose content nobody looks at: address and port are the service's.
    Waypoint,
    /// Each of its requests, by whoever reads them. Of itself, only its transport is.
    Requests,
}

/// Why an open connection has to end.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// In words.
    pub reason: String,
    /// The policy.
    pub policy: Option<RuleId>,
    /// What would help.
    pub remedy: Remedy,
}

/// What lets a connection go on that may not as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing.
    Nothing,
    /// That its requests are read: it was let in unread, and policies look at requests now.
    Reading,
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
        table.open.insert(id, Entry { facts, judged: None, revoke: Some(revoke) });
        (Registration { table: self.clone(), id }, revoked)
    }

    /// Decides anew about everything that is open and that `program` may judge otherwise, and ends what is no
    /// longer allowed.
    pub fn recheck(&self, program: &Arc<Program>) {
        let table = &mut *self.0.borrow_mut();
        let same = table.judged.as_ref().is_some_and(|judged| program.has_policies_of(judged));
        table.judged = Some(program.clone());
        for entry in table.open.values_mut().filter(|entry| entry.revoke.is_some()) {
            let callee = entry.facts.workload.in_snapshot(program);
            if let (true, Some(judged), Some(callee)) = (same, &entry.judged, callee)
                && Arc::ptr_eq(judged, callee)
            {
                continue;
            }
            entry.judged = callee.cloned();
            let denied = entry.facts.decide(program).filter(|verdict| !verdict.is_allow());
            let denied = denied.as_ref().map(Revocation::of).or_else(|| entry.facts.uncounted(program));
            let Some(revocation) = denied else { continue };
            if let Some(revoke) = entry.revoke.take() {
                let remedy = entry.facts.remedy(program);
                // The connection may be ending by itself at this moment.
                let _ = revoke.send(Revocation { remedy, ..revocation });
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.table.0.borrow_mut().open.remove(&self.id);
    }
}

// === impl Revocation ===

impl Revocation {
    /// What `verdict` says, which is a denial.
    pub fn of(verdict: &Verdict) -> Self {
        let reason = match verdict {
            Verdict::Deny { reason, .. } => reason.to_string(),
            Verdict::Allow { .. } => verdict.to_string(),
        };
        Self { reason, policy: verdict.policy().cloned(), remedy: Remedy::Nothing }
    }
}

impl From<Revocation> for Error {
    fn from(Revocation { reason, policy, .. }: Revocation) -> Self {
        Self::Revoked { reason, policy }
    }
}

/// Why a connection has to end, once a policy ends it.
pub async fn until_revoked(revoked: oneshot::Receiver<Revocation>) -> Error {
    match revoked.await {
        Ok(revocation) => revocation.into(),
        // The table of connections has gone with its worker; so does this.
        Err(_) => std::future::pending().await,
    }
}

// === impl Through ===

impl Through {
    /// The limits that its endpoint leaves to the waypoint `own`, which can't keep them.
    fn uncounted<'p>(&self, program: &'p Program, own: &Workload) -> Option<&'p TrafficPolicy> {
        let (uid, port) = self.endpoint.as_ref()?;
        limits_of_unread_behind(program, own, program.workload(uid)?, *port, self.looked_at.content())
    }
}

// === impl Looked ===

impl Looked {
    /// As decisions have it.
    pub fn content(self) -> Content<'static> {
        match self {
            Self::Never => Content::Unread,
            Self::Opaque => Content::Opaque,
        }
    }
}

// === impl Facts ===

impl Facts {
    /// Counts the connection by the limits of the workload's services; why there are too many.
    pub fn admitted(&self, program: &Program, limits: &ConnectionLimits) -> Result<Admitted, Error> {
        let Some(own) = self.workload.in_snapshot(program) else { return Ok(Admitted::default()) };
        let found = connections_at_workload(program, own, self.port, self.peer.as_ref(), Some(self.source.ip()));
        let caller = Caller { peer: self.peer.as_ref(), source: self.source };
        // Whoever finds no room takes nothing of what others may still have.
        let mut room = Admitted::default();
        if let Some(InboundPool { id, pool: ConnectionPool { max_connections: Some(most), .. } }) =
            inbound_pool(program, own, self.port)
        {
            limits.enter(&mut room, (&own.uid, self.port), *most, id)?;
        }
        Ok(limits.admit(&found, Some(&own.uid), caller)?.beside(room))
    }

    /// The verdict by `program`; nothing if it does not name the workload. Then nobody new may come
    /// in, and who is in may stay: the agent ends that when the workload is gone.
    pub fn decide(&self, program: &Program) -> Option<Verdict> {
        self.decision(program).map(Decision::without_authorizer)
    }

    fn decision(&self, program: &Program) -> Option<Decision> {
        let destination = self.workload.in_snapshot(program)?;
        let facts = InboundFacts::connection(destination, self.port, self.peer.as_ref(), Some(self.source));
        let (address, sni) = (Some(self.address), self.sni.as_deref());
        let facts = InboundFacts { address, remote: self.remote, sni, ..facts };
        Some(match self.judged {
            Judged::Unread => authorize(program, &facts),
            Judged::Opaque => authorize(program, &InboundFacts { content: Content::Opaque, ..facts }),
            Judged::Gateway => authorize_at_gateway(program, &InboundFacts { content: Content::Opaque, ..facts }),
            Judged::Waypoint => {
                let service = self.through.as_ref().and_then(|through| through.called.host());
                let facts = InboundFacts { service, content: Content::Opaque, ..facts };
                authorize_at_waypoint(program, &facts)
            }
            Judged::Requests => Decision::of(transport(program, &facts).unwrap_or(Verdict::Allow { rule: None })),
        })
    }

    /// Why it may not stay unread: its requests have to be counted.
    fn uncounted(&self, program: &Program) -> Option<Revocation> {
        let destination = self.workload.in_snapshot(program)?;
        let opaque = "this connection does not carry any that can be read";
        let source = Some(self.source.ip());
        let at_workload = || limits_of_unread(program, destination, self.port, self.peer.as_ref(), source);
        let (why, policy) = match self.judged {
            Judged::Unread => ("this connection came before it was read", at_workload()?),
            Judged::Opaque => (opaque, at_workload()?),
            Judged::Waypoint => {
                let through = self.through.as_ref()?;
                let callee = called_as(program, &through.called, SocketAddr::new(self.address, self.port));
                let callee = callee.filter(|callee| counts_for(destination, callee));
                let called = callee.and_then(|callee| limits_of_unread_call(program, &callee, self.port));
                (opaque, called.or_else(|| through.uncounted(program, destination))?)
            }
            Judged::Requests | Judged::Gateway => return None,
        };
        let reason = format!("requests to port {} have a limit, and {why}", self.port);
        Some(Revocation { reason, policy: Some(policy.id.clone()), remedy: Remedy::Nothing })
    }

    /// What is judged of it before its TLS has ended at the workload's listener, if it does: what holds whatever it carries.
    pub fn before(&self, is_secured: bool) -> Self {
        let judged = if is_secured { Judged::Requests } else { self.judged };
        Self { judged, ..self.clone() }
    }

    /// What lets it in where `program` forbids it.
    pub fn remedy(&self, program: &Program) -> Remedy {
        let reads = |callee: &Arc<Workload>| reads_requests(program, callee, self.port);
        let asked = || Self { judged: Judged::Requests, ..self.clone() };
        let is_unread = self.judged == Judged::Unread && self.workload.in_snapshot(program).is_some_and(reads);
        if is_unread && asked().refusal(program).is_none() { Remedy::Reading } else { Remedy::Nothing }
    }

    /// Why a connection that `judged` lets in may not come in by now, if it may not.
    pub fn refusal_since(&self, judged: &Arc<Program>, now: &Arc<Program>) -> Option<Error> {
        if Arc::ptr_eq(judged, now) { None } else { self.refusal(now) }
    }

    /// Why a new connection may not come in by `program`, if it may not.
    pub fn refusal(&self, program: &Program) -> Option<Error> {
        self.refused(program, self.decide(program))
    }

    /// The same for one that has just come: what policies say of it is counted.
    pub fn judge(&self, program: &Program, counts: &PolicyCounts) -> Option<Error> {
        let decision = self.decision(program).inspect(|decision| counts.note(decision));
        self.refused(program, decision.map(Decision::without_authorizer))
    }

    fn refused(&self, program: &Program, verdict: Option<Verdict>) -> Option<Error> {
        match verdict {
            Some(Verdict::Allow { .. }) => self
                .uncounted(program)
                .map(|Revocation { reason, policy, .. }| Error::Denied { reason, code: "unread", policy }),
            Some(denied) => Some(Error::denied(&denied)),
            None => Some(Error::UnknownWorkload(self.workload.uid.as_str().into())),
        }
    }
}

#[cfg(test)]
mod tests;
