//! What one worker has of a backend, under every configuration.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::{Rc, Weak},
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Waker},
    time::Duration,
};

use ripstop_balance::{Balancer, Permit, Resource};
use ripstop_exchange::{ClientOptions, Io};
use tokio::{task::spawn_local, time::Instant};

use super::{
    Connection,
    endpoint::EndpointKey,
    error::BackendError,
    facts::{Facts, HttpVersion},
    http1::{Http1Connection, PooledHttp1},
    http2::{Http2Connection, PooledHttp2},
    opening,
    permit::{ConnectionPermit, Starving},
    pool::{Opening, Parked, Pool},
    purpose::Purpose,
    shared::SharedBackend,
    tend::{Tending, tend},
    worker::Home,
};

/// One worker's balancer and connections of a backend.
#[derive(Debug)]
pub(super) struct State {
    pub(super) shared: Arc<SharedBackend>,
    pub(super) balancer: RefCell<Balancer<EndpointKey>>,
    pub(super) pools: RefCell<HashMap<EndpointKey, Rc<Pool>>>,
    pub(super) last_used: Cell<Instant>,
    /// Whoever looks after the connections.
    pub(super) tending: Arc<Tending>,
    waker: Waker,
    /// When they will be looked at at the latest.
    pub(super) looks_at: Cell<Option<Instant>>,
    pub(super) http1: Rc<ClientOptions>,
    /// Which certificate the caller has, and when that was looked up.
    certificate: Cell<Option<(Instant, u64)>>,
    /// Where the worker finds it.
    home: Weak<Home>,
}

/// How long it is believed that the caller's certificate is the one that was looked up.
const BELIEVED: Duration = Duration::from_secs(1);
/// A backend that nobody called for so long, and that has no connections, is forgotten.
const UNUSED: Duration = Duration::from_secs(600);

/// What is asked of a pool.
#[derive(Debug)]
pub(super) struct Order {
    /// What holds now.
    pub(super) facts: Arc<Facts>,
    /// What the connection is for.
    pub(super) purpose: Purpose,
    /// Which HTTP it speaks.
    pub(super) version: HttpVersion,
}

/// What to do about a connection.
enum Claim {
    /// To open one.
    Open(ConnectionPermit, Option<Opening>),
    /// To wait for the one that is being opened.
    Wait,
    /// To wait for the end of another.
    Starve(Starving),
}

// === impl Order ===

impl Order {
    /// A connection for `purpose`.
    pub(super) fn new(facts: Arc<Facts>, purpose: Purpose, version: HttpVersion) -> Self {
        Self { facts, purpose, version }
    }
}

// === impl State ===

impl State {
    /// With nothing open. Must be made on a worker.
    pub(super) fn new(shared: &Arc<SharedBackend>, home: &Rc<Home>) -> Rc<Self> {
        let tending = Arc::new(Tending::default());
        let state = Rc::new(Self {
            balancer: RefCell::new(shared.balance.worker()),
            shared: Arc::clone(shared),
            pools: RefCell::default(),
            last_used: Cell::new(Instant::now()),
            waker: Waker::from(Arc::clone(&tending)),
            tending: Arc::clone(&tending),
            looks_at: Cell::new(None),
            http1: Rc::default(),
            certificate: Cell::new(None),
            home: Rc::downgrade(home),
        });
        spawn_local(tend(Rc::downgrade(&state), tending, Arc::downgrade(shared)));
        state
    }

    /// A connection for `order`: one that is idle, or has room, or a new one made by `open`; or, at a limit, the first
    /// that is free.
    pub(super) async fn checkout(
        self: &Rc<Self>,
        order: Order,
        open: impl AsyncFnOnce(&Purpose) -> Result<Io, BackendError> + 'static,
    ) -> Result<Connection, BackendError> {
        let pool = self.pool(&order.purpose.endpoint);
        if pool.parked.get() == 0
            && let Some(ready) = self.ready(&pool, &order)
        {
            return Ok(ready);
        }
        // Seldom, and not for all requests to have room for.
        Box::pin(self.checkout_later(pool, order, open)).await
    }

    /// The same where nothing is ready.
    async fn checkout_later(
        self: &Rc<Self>,
        pool: Rc<Pool>,
        order: Order,
        open: impl AsyncFnOnce(&Purpose) -> Result<Io, BackendError> + 'static,
    ) -> Result<Connection, BackendError> {
        let mut is_my_turn = pool.parked.get() == 0;
        let _pending = self.acquire(Resource::PendingRequest)?;
        let failures = pool.failures();
        let (permit, opening) = loop {
            // Whoever rings next must be heard from here on.
            let changed = pool.changed.notified();
            let freed = self.shared.freed.notified();
            tokio::pin!(changed, freed);
            changed.as_mut().enable();
            freed.as_mut().enable();
            let mut starving = None;
            // Only who starves hears where there is room again: all others wait for their pool.
            let mut hears_freed = false;
            if is_my_turn {
                if let Some(ready) = self.ready(&pool, &order) {
                    // There may be something for the next one, too.
                    pool.changed.notify_one();
                    if self.shared.is_starving() {
                        self.shared.freed.notify_one();
                    }
                    return Ok(ready);
                }
                if let Some(error) = pool.failed_since(failures, &order.purpose) {
                    if self.shared.is_starving() {
                        // Its ring may have come here.
                        self.shared.freed.notify_one();
                    }
                    return Err(error);
                }
                match self.claim(&pool, &order) {
                    Claim::Open(permit, opening) => break (permit, opening),
                    Claim::Wait => {}
                    Claim::Starve(starves) => {
                        starving = Some(starves);
                        hears_freed = true;
                    }
                }
            }
            if !hears_freed {
                // What has rung already goes on to those.
                freed.set(self.shared.freed.notified());
            }
            let parked = Parked::new(&pool);
            tokio::select! {
                () = changed => {}
                () = freed, if hears_freed => {}
            }
            parked.wake();
            drop(starving);
            is_my_turn = true;
        };
        // From here on nothing is heard: who opens has its place in no queue, and takes no ring that is meant for others.
        if pool.parked.get() > 0 {
            // It is the next one's turn: only who has had it makes others close what nobody uses.
            pool.changed.notify_one();
        }
        match opening {
            None => opening::http1(self, &pool, order, permit, open).await,
            Some(opening) => opening::http2(self, &pool, order, permit, opening, open).await,
        }
    }

    /// As [`Self::checkout`], for what need not be sent: nothing unless it can be had without waiting for anybody, and without
    /// taking anything from those who wait or closing what is kept. A connection that it opens keeps nobody waiting either.
    pub(super) async fn checkout_spare(
        self: &Rc<Self>,
        order: Order,
        open: impl AsyncFnOnce(&Purpose) -> Result<Io, BackendError> + 'static,
    ) -> Result<Option<Connection>, BackendError> {
        let pool = self.pool(&order.purpose.endpoint);
        if pool.parked.get() > 0 || self.shared.is_starving() {
            return Ok(None);
        }
        if let Some(ready) = self.ready(&pool, &order) {
            return Ok(Some(ready));
        }
        let begun = match order.version {
            HttpVersion::Http1 => None,
            HttpVersion::Http2 => match pool.begin_opening(&order.purpose) {
                Some(begun) => Some(begun),
                None => return Ok(None),
            },
        };
        let Ok(permit) = self.acquire(Resource::Connection) else {
            if let Some(begun) = begun {
                begun.put_off();
            }
            return Ok(None);
        };
        let permit = ConnectionPermit::new(permit, &self.shared);
        let opened = match begun {
            None => opening::http1(self, &pool, order, permit, open).await,
            Some(begun) => opening::http2(self, &pool, order, permit, begun, open).await,
        };
        opened.map(Some)
    }

    /// The right to one more of `resource`.
    pub(super) fn acquire(&self, resource: Resource) -> Result<Permit<EndpointKey>, BackendError> {
        Ok(self.balancer.borrow_mut().acquire(resource, Instant::now().into_std())?)
    }

    /// Which certificate of the caller's is in use, as `find` says or said a moment ago.
    pub(super) fn certificate<E>(&self, find: impl FnOnce() -> Result<u64, E>) -> Result<u64, E> {
        let now = Instant::now();
        if let Some((looked, generation)) = self.certificate.get()
            && now.duration_since(looked) < BELIEVED
        {
            return Ok(generation);
        }
        self.certificate.set(None);
        let generation = find()?;
        self.certificate.set(Some((now, generation)));
        Ok(generation)
    }

    /// Forgets the backend if nobody has used it for long.
    pub(super) fn forget_if_unused(self: &Rc<Self>, now: Instant) {
        if now.duration_since(self.last_used.get()) >= UNUSED
            && self.pools.borrow().is_empty()
            && let Some(home) = self.home.upgrade()
        {
            home.forget(self);
        }
    }

    /// Keeps a connection that can be used again.
    pub(super) fn keep(&self, pool: &Pool, mut connection: Box<Http1Connection>, now: Instant) {
        let facts = self.shared.facts();
        if connection.is_too_old(&facts, now) || (pool.parked.get() == 0 && self.shared.is_starving()) {
            // Dropped, it makes room for another.
            return;
        }
        if facts.current(&connection.purpose.endpoint).is_none() {
            return;
        }
        let mut cx = Context::from_waker(&self.waker);
        if connection.client.poll_lost(&mut cx).is_ready() {
            return;
        }
        self.look_again(connection.ends(&facts));
        pool.idle.borrow_mut().push_back(connection);
        pool.changed.notify_one();
    }

    /// A stream of a connection of HTTP/2 has ended.
    pub(super) fn stream_ended(&self, pool: &Pool, connection: &Rc<Http2Connection>) {
        if connection.is_idle() {
            self.rest(pool, connection);
        }
        pool.changed.notify_one();
    }

    /// A connection of HTTP/2 has no request. It stays for the next one, unless it makes room for others.
    pub(super) fn rest(&self, pool: &Pool, connection: &Rc<Http2Connection>) {
        let facts = self.shared.facts();
        let is_gone = facts.current(&connection.purpose.endpoint).is_none() || connection.purpose.is_over();
        if pool.parked.get() == 0 && (is_gone || self.shared.is_starving()) {
            pool.shared.borrow_mut().retain(|other| !Rc::ptr_eq(other, connection));
        } else {
            self.look_again(connection.ends(&facts));
        }
    }

    /// Nobody calls it any more.
    pub(super) fn close(&self) {
        self.pools.borrow().values().for_each(|pool| pool.clear());
    }

    /// Looks after all connections; when to do so again.
    pub(super) fn sweep(&self, now: Instant) -> Option<Instant> {
        let facts = self.shared.facts();
        let mut next: Option<Instant> = None;
        let mut pools = self.pools.borrow_mut();
        pools.retain(|endpoint, pool| {
            if facts.current(endpoint).is_none() {
                pool.clear();
            }
            if let Some(look) = pool.sweep(&facts, now, &self.waker) {
                next = Some(next.map_or(look, |next| next.min(look)));
            }
            // Requests bring back to it what they have.
            Rc::strong_count(pool) > 1 || !pool.is_empty()
        });
        let mut wanted = self.shared.starving.load(Relaxed);
        for pool in pools.values() {
            // Where somebody waits, it is for those.
            while wanted > 0 && pool.parked.get() == 0 && pool.shed() {
                wanted -= 1;
            }
        }
        next
    }

    /// Looks after the connections at `instant` at the latest.
    pub(super) fn look_again(&self, instant: Option<Instant>) {
        let Some(instant) = instant else { return };
        if self.looks_at.get().is_none_or(|planned| planned > instant) {
            self.looks_at.set(Some(instant));
            self.tending.ring();
        }
    }

    fn pool(&self, endpoint: &EndpointKey) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.get(endpoint) {
            return Rc::clone(pool);
        }
        Rc::clone(pools.entry(endpoint.clone()).or_default())
    }

    /// A connection that is there.
    fn ready(self: &Rc<Self>, pool: &Rc<Pool>, order: &Order) -> Option<Connection> {
        let Order { facts, purpose, version } = order;
        let now = Instant::now();
        match version {
            HttpVersion::Http1 => {
                let connection = pool.take(purpose, facts, now)?;
                Some(Connection::Http1(PooledHttp1::new(connection, pool, self, true)))
            }
            HttpVersion::Http2 => {
                let connection = pool.share(purpose, facts, now)?;
                Some(Connection::Http2(PooledHttp2::new(connection, pool, self)))
            }
        }
    }

    /// Whether another connection may be opened.
    fn claim(&self, pool: &Rc<Pool>, order: &Order) -> Claim {
        let opening = match order.version {
            HttpVersion::Http1 => None,
            HttpVersion::Http2 => match pool.begin_opening(&order.purpose) {
                Some(opening) => Some(opening),
                None => return Claim::Wait,
            },
        };
        loop {
            if let Ok(permit) = self.acquire(Resource::Connection) {
                return Claim::Open(ConnectionPermit::new(permit, &self.shared), opening);
            }
            // Rather than let anybody wait for what nobody uses. What is here is for others.
            let may_shed = |other: &Rc<Pool>| Rc::ptr_eq(other, pool) || other.parked.get() == 0;
            if !self.pools.borrow().values().any(|other| may_shed(other) && other.shed()) {
                break;
            }
        }
        if let Some(opening) = opening {
            opening.put_off();
        }
        Claim::Starve(Starving::new(&self.shared))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Whoever looks after the connections ends.
        self.tending.ring();
    }
}

#[cfg(test)]
mod tests;
