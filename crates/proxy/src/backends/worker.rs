//! One worker's end of the backends.

use std::{
    cell::RefCell,
    collections::HashMap,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    sync::{Arc, Weak},
    time::Duration,
};

use ripstop_balance::{Criteria, Outcome, Overflow, Permit, Picked, Refused, Resource};
use ripstop_decide::{Callee, EffectiveBackend, Program, Target};
use ripstop_exchange::Io;
use ripstop_model::{Algorithm, Resolution, Workload, WorkloadUid};
use tokio::time::Instant;

use super::{
    Backends, Connection, Wanted,
    announced::{Announced, ClientEnds},
    checks,
    counts::Counts,
    endpoint::EndpointKey,
    error::BackendError,
    facts::{Choice, Facts},
    key::BackendKey,
    open,
    purpose::{Purpose, Sent},
    shared::SharedBackend,
    state::{Order, State},
    through,
};
use crate::{listeners::canonical, worker::Context};

/// Backends of one worker at most; beyond, those go that were not used for the longest time.
const MOST: usize = 4096;
/// Backends of one caller at most that are found by names of its callers' own choice. Whoever makes up names pushes out
/// nobody else's.
const MOST_BY_NAME: usize = 256;
/// How long a request waits for the first answer of DNS.
const RESOLVING: Duration = Duration::from_secs(5);

/// One worker's end of the backends that it calls.
#[derive(Debug, Default)]
pub struct WorkerBackends(Rc<Home>);

/// Where a worker finds its backends.
#[derive(Debug, Default)]
pub(super) struct Home(RefCell<HashMap<BackendKey, Rc<WorkerBackend>>>);

/// A backend as one worker calls it. Its settings are those of when it was asked for; picking and connecting follow the
/// current configuration.
#[derive(Debug)]
pub struct WorkerBackend {
    shared: Arc<SharedBackend>,
    facts: Arc<Facts>,
    /// What it was asked for by.
    program: Weak<Program>,
    state: Rc<State>,
}

/// A session, as a request came with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Session {
    /// Where it belongs; nothing: nowhere yet, or no more.
    pub endpoint: Option<EndpointKey>,
}

// === impl WorkerBackends ===

impl WorkerBackends {
    /// What `caller` calls when it calls `target`, which `program` found. On a worker's thread only.
    pub fn backend(
        &self,
        context: &Rc<Context>,
        program: &Arc<Program>,
        caller: &Arc<Workload>,
        target: &Target,
    ) -> Rc<WorkerBackend> {
        let backend = self.find(&context.shared.backends, program, caller, target);
        if backend.facts.effective.health_checks.is_some() {
            checks::keep_up(context, &backend.shared);
        }
        backend
    }

    /// The workload is gone: connections that it has kept end, and those that it uses with their requests.
    pub fn forget(&self, caller: &WorkloadUid) {
        let mut gone = Vec::new();
        self.0.0.borrow_mut().retain(|key, backend| {
            let stays = key.caller != *caller;
            if !stays {
                gone.push(Rc::clone(backend));
            }
            stays
        });
        for backend in &gone {
            backend.state.close();
        }
    }

    pub(super) fn find(
        &self,
        backends: &Backends,
        program: &Arc<Program>,
        caller: &Arc<Workload>,
        target: &Target,
    ) -> Rc<WorkerBackend> {
        let key = BackendKey::new(caller, target);
        let now = Instant::now();
        let state = {
            let known = self.0.0.borrow();
            match known.get(&key) {
                Some(known) if known.is_current(program) => {
                    known.state.last_used.set(now);
                    return Rc::clone(known);
                }
                known => known.map(|known| Rc::clone(&known.state)),
            }
        };
        let shared = backends.get(program, caller, &key, target.callee.as_ref());
        let state = state.unwrap_or_else(|| State::new(&shared, &self.0));
        state.last_used.set(now);
        let facts = Arc::clone(&*shared.facts());
        // Connections to endpoints that are gone end.
        state.tending.ring();
        let backend = Rc::new(WorkerBackend { shared, facts, program: Arc::downgrade(program), state });
        self.0.insert(key, &backend);
        backend
    }
}

// === impl Home ===

impl Home {
    /// Takes a backend out.
    pub(super) fn forget(&self, state: &Rc<State>) {
        let key = state.shared.key();
        let mut known = self.0.borrow_mut();
        if known.get(key).is_some_and(|known| Rc::ptr_eq(&known.state, state)) {
            known.remove(key);
        }
    }

    fn insert(&self, key: BackendKey, backend: &Rc<WorkerBackend>) {
        let mut known = self.0.borrow_mut();
        if backend.is_by_name() && !known.contains_key(&key) {
            let same = known.values().filter(|other| other.is_by_name() && other.shared.key().caller == key.caller);
            if same.clone().count() >= MOST_BY_NAME
                && let Some(oldest) = same.min_by_key(|other| other.state.last_used.get())
            {
                let oldest = oldest.shared.key().clone();
                known.remove(&oldest);
            }
        }
        if known.len() >= MOST && !known.contains_key(&key) {
            let oldest = known.iter().min_by_key(|(_, backend)| backend.state.last_used.get());
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                known.remove(&oldest);
            }
        }
        known.insert(key, Rc::clone(backend));
    }
}

// === impl WorkerBackend ===

impl WorkerBackend {
    /// Waits until it is known where its names lead; at once if there are none, or if that is known already. Without it
    /// there may be no endpoint to pick.
    pub async fn ready(&self) {
        if !self.shared.facts().is_resolved {
            self.shared.resolved(RESOLVING).await;
        }
    }

    /// Everything that holds for calls to it.
    pub fn settings(&self) -> &EffectiveBackend {
        &self.facts.effective
    }

    /// What is counted of it.
    pub(super) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Its name in access logs.
    pub fn cluster(&self) -> &Arc<str> {
        self.shared.cluster()
    }

    /// How long connections to it may live (`maxConnectionDuration`).
    pub fn lifetime(&self) -> Option<Duration> {
        self.facts.lifetime()
    }

    /// How long nothing may pass on connections to it that nobody reads (`idleTimeout`).
    pub fn silence(&self) -> Option<Duration> {
        self.facts.silence()
    }

    /// The right to one more of `resource`. Connections, and requests that wait for one, are counted by
    /// [`Self::checkout`] itself.
    pub fn acquire(&self, resource: Resource) -> Result<Permit<EndpointKey>, Overflow> {
        self.state.balancer.borrow_mut().acquire(resource, Instant::now().into_std())
    }

    /// Picks an endpoint for a request that its caller sent to `original`.
    pub fn pick(
        &self,
        criteria: &Criteria<'_>,
        original: SocketAddr,
        random: u64,
    ) -> Result<Picked<EndpointKey>, Refused> {
        let now = Instant::now().into_std();
        let choice = self.shared.facts().choice;
        if choice != Choice::Balanced {
            let original = canonical(original);
            let known = || self.shared.facts().endpoints.get(&original).cloned();
            let mut endpoint = known();
            if endpoint.is_none() && choice == Choice::Original {
                self.shared.add_original(original);
                endpoint = known();
            }
            let mut balancer = self.state.balancer.borrow_mut();
            match endpoint.and_then(|endpoint| balancer.pick_named(&endpoint, now)) {
                Some(picked) => return Ok(picked),
                None if choice == Choice::Original => return Err(Refused::NoEndpoint),
                None => {}
            }
        }
        self.state.balancer.borrow_mut().pick(criteria, random, now)
    }

    /// The session that a request belongs to, by the value of the cookie of that name; nothing: there are none here, or
    /// the caller chose the endpoint itself, when it sent the request to `original`.
    pub fn session(&self, original: SocketAddr, cookie: impl FnOnce(&str) -> Option<Vec<u8>>) -> Option<Box<Session>> {
        let wanted = self.facts.effective.session.as_ref()?;
        if self.is_chosen(original) {
            return None;
        }
        let facts = self.shared.facts();
        let sessions = facts.sessions.as_ref()?;
        let value = cookie(&wanted.cookie);
        let endpoint = value.and_then(|value| sessions.endpoint(&facts.endpoints, &value));
        Some(Box::new(Session { endpoint: endpoint.cloned() }))
    }

    /// As [`Self::pick`], for a request of a session: its endpoint, while that is ready and not ejected.
    pub fn pick_of_session(
        &self,
        session: Option<&Session>,
        criteria: &Criteria<'_>,
        original: SocketAddr,
        random: u64,
    ) -> Result<Picked<EndpointKey>, Refused> {
        let belongs = session.and_then(|session| session.endpoint.as_ref());
        if let Some(endpoint) = belongs.filter(|_| !self.is_chosen(original)) {
            let now = Instant::now().into_std();
            if let Some(picked) = self.state.balancer.borrow_mut().pick_usable(endpoint, now) {
                return Ok(picked);
            }
        }
        self.pick(criteria, original, random)
    }

    /// Whether who sent a request to `original` said by that which endpoint it is for.
    fn is_chosen(&self, original: SocketAddr) -> bool {
        let facts = self.shared.facts();
        match facts.choice {
            Choice::Balanced => false,
            Choice::Named => facts.endpoints.contains_key(&canonical(original)),
            Choice::Original => true,
        }
    }

    /// The value of the cookie by which the next requests of a session go to `endpoint`; nothing: it has it.
    pub fn session_value(&self, session: &Session, endpoint: &EndpointKey) -> Option<String> {
        if session.endpoint.as_ref() == Some(endpoint) {
            return None;
        }
        Some(self.shared.facts().sessions.as_ref()?.value(endpoint))
    }

    /// Tells how a request went, as [`Picked::tell`], and writes down whether an endpoint is ejected for it.
    pub fn tell(&self, picked: &Picked<EndpointKey>, outcome: Outcome) {
        picked.tell(outcome, Instant::now().into_std());
        self.was_told(outcome);
    }

    /// Tells that an answer has begun, as [`Picked::tell_answered`], where somebody wants to know; how the request went is
    /// told at its end, by [`Self::tell_end`].
    pub fn tell_answered(&self, picked: &Picked<EndpointKey>) {
        if self.is_by_latency() {
            picked.tell_answered(Instant::now().into_std());
        }
    }

    /// As [`Self::tell`], after [`Self::tell_answered`].
    pub fn tell_end(&self, picked: &Picked<EndpointKey>, outcome: Outcome) {
        picked.tell_end(outcome, Instant::now().into_std());
        self.was_told(outcome);
    }

    /// Tells that the caller has given up, as [`Picked::tell_given_up`], where somebody wants to know.
    pub fn tell_given_up(&self, picked: &Picked<EndpointKey>) {
        if self.is_by_latency() {
            picked.tell_given_up(Instant::now().into_std());
        }
    }

    /// Tells what an endpoint did, or else that the caller has given up.
    pub fn tell_fate(&self, picked: &Picked<EndpointKey>, outcome: Option<Outcome>) {
        match outcome {
            Some(outcome) => self.tell(picked, outcome),
            None => self.tell_given_up(picked),
        }
    }

    fn is_by_latency(&self) -> bool {
        matches!(&self.facts.effective.balancer, Some(balancer) if matches!(balancer.algorithm, Algorithm::PeakEwma(_)))
    }

    /// Writes down what has become of an endpoint.
    fn was_told(&self, outcome: Outcome) {
        if self.facts.effective.outlier.is_some() && !matches!(outcome, Outcome::Success | Outcome::Status(..400)) {
            self.shared.log_events();
            self.state.look_again(self.shared.balance.next_return().map(Instant::from_std));
        }
    }

    /// A connection to `endpoint` for one request to `authority`: one that is there, or a new one; or, at a limit, the
    /// first that is free. `client` is asked whom it is for if that has to be said. It may take long; dropped, it gives up.
    pub async fn checkout(
        &self,
        context: &Rc<Context>,
        endpoint: &EndpointKey,
        wanted: Wanted,
        authority: Option<&str>,
        client: impl FnOnce() -> Rc<ClientEnds>,
    ) -> Result<Connection, BackendError> {
        let order = self.order(context, endpoint, wanted, authority, client)?;
        let (context, facts) = (Rc::clone(context), Arc::clone(&order.facts));
        let open = async move |purpose: &Purpose| open::open(&context, &facts, purpose).await;
        self.state.checkout(order, open).await
    }

    /// As [`Self::checkout`], for what need not be sent: nothing unless a connection is free, or may be opened, at once.
    pub async fn checkout_spare(
        &self,
        context: &Rc<Context>,
        endpoint: &EndpointKey,
        wanted: Wanted,
        authority: Option<&str>,
        client: impl FnOnce() -> Rc<ClientEnds>,
    ) -> Result<Option<Connection>, BackendError> {
        let order = self.order(context, endpoint, wanted, authority, client)?;
        let (context, facts) = (Rc::clone(context), Arc::clone(&order.facts));
        let open = async move |purpose: &Purpose| open::open(&context, &facts, purpose).await;
        self.state.checkout_spare(order, open).await
    }

    fn order(
        &self,
        context: &Rc<Context>,
        endpoint: &EndpointKey,
        wanted: Wanted,
        authority: Option<&str>,
        client: impl FnOnce() -> Rc<ClientEnds>,
    ) -> Result<Order, BackendError> {
        let facts = Arc::clone(&*self.shared.facts());
        let Some(endpoint) = facts.current(endpoint).cloned() else {
            return Err(BackendError::Gone(endpoint.address()));
        };
        let version = wanted.version(&facts, &endpoint);
        let certificate = |identity: &_| self.state.certificate(|| Ok(open::credential(context, identity)?.generation));
        let way = open::way(certificate, self.shared.key(), &facts, &endpoint, Some(version), authority)?;
        let announced = self.announced(&facts, client);
        Ok(Order::new(facts, Purpose { endpoint, way, announced }, version))
    }

    /// A connection of its own to `endpoint`, for bytes of any protocol. It counts among the backend's connections as long
    /// as the permit lives. `client` is asked whom it is for if that has to be said.
    pub async fn dial(
        &self,
        context: &Rc<Context>,
        endpoint: &EndpointKey,
        client: impl FnOnce() -> Rc<ClientEnds>,
        sent: Sent,
    ) -> Result<(Io, Permit<EndpointKey>), BackendError> {
        let permit = self.acquire(Resource::Connection)?;
        let facts = Arc::clone(&*self.shared.facts());
        let led = facts.effective.tunnel.as_ref().filter(|_| sent == Sent::AsRuled);
        if let Some(settings) = led {
            through::check(settings)?;
        }
        let Some(endpoint) = facts.current(endpoint).cloned() else {
            return Err(BackendError::Gone(endpoint.address()));
        };
        let certificate = |identity: &_| self.state.certificate(|| Ok(open::credential(context, identity)?.generation));
        let way = match sent {
            Sent::AsRuled => open::way(certificate, self.shared.key(), &facts, &endpoint, None, None)?,
            Sent::AsItIs => open::bare(certificate, &facts, &endpoint)?,
        };
        let announced = if sent == Sent::AsRuled { self.announced(&facts, client) } else { None };
        let purpose = Purpose { endpoint, way, announced };
        let address = purpose.endpoint.address();
        let opening = pin!(async {
            let stream = open::open(context, &facts, &purpose).await?;
            match led {
                None => Ok(stream),
                Some(settings) => Box::pin(through::lead(stream, address, settings)).await,
            }
        });
        let io = facts.in_time(address, opening).await?;
        Ok((io, permit))
    }

    /// What a connection for `client` begins with.
    fn announced(&self, facts: &Facts, client: impl FnOnce() -> Rc<ClientEnds>) -> Option<Announced> {
        let version = facts.effective.proxy_protocol?;
        Some(Announced::new(version, client(), &self.state.tending))
    }

    /// Whether it is found by a name that its callers choose.
    fn is_by_name(&self) -> bool {
        matches!(&self.facts.callee, Some(Callee::Entry(entry)) if entry.resolution == Resolution::DynamicDns)
    }

    /// Whether it is what `program` says, and what DNS says now.
    fn is_current(&self, program: &Arc<Program>) -> bool {
        std::ptr::eq(self.program.as_ptr(), Arc::as_ptr(program)) && Arc::ptr_eq(&self.shared.facts(), &self.facts)
    }

    #[cfg(test)]
    pub(super) fn state(&self) -> &Rc<State> {
        &self.state
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Arc<SharedBackend> {
        &self.shared
    }
}

#[cfg(test)]
mod tests;
