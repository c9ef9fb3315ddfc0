//! Connections of HTTP/1.1.

use std::rc::{Rc, Weak};

use ripstop_exchange::Http1Client;
use tokio::time::Instant;

use super::{
    endpoint::EndpointKey, facts::Facts, permit::ConnectionPermit, pool::Pool, purpose::Purpose, state::State,
};

/// A connection of HTTP/1.1.
#[derive(Debug)]
pub(super) struct Http1Connection {
    pub(super) client: Http1Client,
    pub(super) purpose: Purpose,
    opened: Instant,
    /// When it was given back last.
    idle_since: Instant,
    /// Nothing: it has ended, whoever still has it.
    permit: Option<ConnectionPermit>,
}

/// A connection of HTTP/1.1 for one request. Dropped, it is closed; after the answer's end, it is
/// [released](Self::release).
#[derive(Debug)]
pub struct PooledHttp1 {
    connection: Box<Http1Connection>,
    pool: Rc<Pool>,
    state: Weak<State>,
    reused: bool,
}

// === impl Http1Connection ===

impl Http1Connection {
    pub(super) fn new(client: Http1Client, purpose: Purpose, permit: ConnectionPermit) -> Box<Self> {
        let now = Instant::now();
        Box::new(Self { client, purpose, opened: now, idle_since: now, permit: Some(permit) })
    }

    /// Whether nothing more may be sent on it.
    pub(super) fn is_too_old(&self, facts: &Facts, now: Instant) -> bool {
        self.purpose.is_over()
            || self.client.served() >= u64::from(facts.limits.requests_per_connection)
            || self.ends(facts).is_some_and(|end| end <= now)
    }

    /// When it ends if nobody uses it.
    pub(super) fn ends(&self, facts: &Facts) -> Option<Instant> {
        let idle = facts.idle_timeout.and_then(|timeout| self.idle_since.checked_add(timeout));
        let dead = facts.lifetime().and_then(|lifetime| self.opened.checked_add(lifetime));
        idle.into_iter().chain(dead).min()
    }
}

// === impl PooledHttp1 ===

impl PooledHttp1 {
    pub(super) fn new(connection: Box<Http1Connection>, pool: &Rc<Pool>, state: &Rc<State>, reused: bool) -> Self {
        Self { connection, pool: Rc::clone(pool), state: Rc::downgrade(state), reused }
    }

    /// The connection.
    pub fn client(&mut self) -> &mut Http1Client {
        &mut self.connection.client
    }

    /// The connection, and what counts it.
    pub(super) fn parts(&mut self) -> (&mut Http1Client, &mut Option<ConnectionPermit>) {
        let Http1Connection { client, permit, .. } = &mut *self.connection;
        (client, permit)
    }

    /// Whom it leads to.
    pub fn endpoint(&self) -> &EndpointKey {
        &self.connection.purpose.endpoint
    }

    /// Whether other requests went by it before: then the peer may have closed it while the request was on its way.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Keeps it for the next request, if it can take any.
    pub fn release(self) {
        let Self { mut connection, pool, state, .. } = self;
        let Some(state) = state.upgrade() else { return };
        let now = Instant::now();
        connection.idle_since = now;
        if connection.client.is_reusable() {
            state.keep(&pool, connection, now);
        }
    }
}
