//! Connections of HTTP/2.

use std::{
    cell::Cell,
    rc::{Rc, Weak},
};

use ripstop_exchange::{Http2Call, Http2Client, Http2Driver};
use ripstop_h2::OpenError;
use tokio::time::Instant;

use super::{
    endpoint::EndpointKey, facts::Facts, permit::ConnectionPermit, pool::Pool, purpose::Purpose, state::State,
};

/// A connection of HTTP/2, which takes many requests at once.
#[derive(Debug)]
pub(super) struct Http2Connection {
    client: Http2Client,
    pub(super) purpose: Purpose,
    opened: Instant,
    /// When its last request ended.
    idle_since: Cell<Instant>,
    /// Requests that it has, also such as are not sent yet.
    active: Cell<u32>,
    /// Requests that it had.
    served: Cell<u32>,
}

/// A request's place on a connection of HTTP/2. Dropped, it is given up: if the request has not ended, it is reset.
#[derive(Debug)]
pub struct PooledHttp2 {
    // Before its place, so that the stream has ended when the place is free.
    call: Http2Call,
    /// Nothing: the request has ended, whoever still has it.
    place: Option<Place>,
    connection: Rc<Http2Connection>,
    reused: bool,
}

/// One of a connection's streams.
#[derive(Debug)]
pub(super) struct Place {
    connection: Rc<Http2Connection>,
    pool: Rc<Pool>,
    state: Weak<State>,
}

/// Carries a connection until its end.
pub(super) async fn drive(driver: Http2Driver, endpoint: EndpointKey, permit: ConnectionPermit) {
    if let Err(error) = driver.await {
        tracing::debug!(%endpoint, %error, "a connection of HTTP/2 broke");
    }
    drop(permit);
}

// === impl Http2Connection ===

impl Http2Connection {
    pub(super) fn new(client: Http2Client, purpose: Purpose) -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            client,
            purpose,
            opened: now,
            idle_since: Cell::new(now),
            active: Cell::new(0),
            served: Cell::new(0),
        })
    }

    /// Whether it has no request.
    pub(super) fn is_idle(&self) -> bool {
        self.active.get() == 0
    }

    /// Whether it takes another request, if the server is not asked for too many at once.
    pub(super) fn has_room(&self, facts: &Facts) -> bool {
        let limit = self.client.limit().min(usize::try_from(facts.limits.concurrent_streams).unwrap_or(usize::MAX));
        (self.active.get() as usize) < limit && self.client.may_open().is_ok()
    }

    /// Whether it will never take a request again.
    pub(super) fn is_done(&self, facts: &Facts, now: Instant) -> bool {
        // Whoever it was made for finishes what is under way.
        (self.purpose.is_over() && self.is_idle())
            || matches!(self.client.may_open(), Err(OpenError::Closing | OpenError::Exhausted))
            || self.served.get() >= facts.limits.requests_per_connection
            || self.ends(facts).is_some_and(|end| end <= now)
    }

    /// When it ends if nobody begins a request.
    pub(super) fn ends(&self, facts: &Facts) -> Option<Instant> {
        let idle = facts.idle_timeout.filter(|_| self.is_idle());
        let idle = idle.and_then(|timeout| self.idle_since.get().checked_add(timeout));
        let dead = facts.lifetime().and_then(|lifetime| self.opened.checked_add(lifetime));
        idle.into_iter().chain(dead).min()
    }
}

// === impl PooledHttp2 ===

impl PooledHttp2 {
    pub(super) fn new(connection: Rc<Http2Connection>, pool: &Rc<Pool>, state: &Rc<State>) -> Self {
        connection.active.set(connection.active.get() + 1);
        let served = connection.served.get();
        connection.served.set(served.saturating_add(1));
        Self {
            call: connection.client.call(),
            place: Some(Place {
                connection: Rc::clone(&connection),
                pool: Rc::clone(pool),
                state: Rc::downgrade(state),
            }),
            connection,
            reused: served > 0,
        }
    }

    /// The request.
    pub fn call(&mut self) -> &mut Http2Call {
        &mut self.call
    }

    /// The request, and its place.
    pub(super) fn parts(&mut self) -> (&mut Http2Call, &mut Option<Place>) {
        (&mut self.call, &mut self.place)
    }

    /// Whether its server takes requests for other protocols (RFC 8441).
    pub fn may_switch(&self) -> bool {
        self.call.has_connect_protocol()
    }

    /// Whom it leads to.
    pub fn endpoint(&self) -> &EndpointKey {
        &self.connection.purpose.endpoint
    }

    /// Whether other requests went by the connection before.
    pub fn is_reused(&self) -> bool {
        self.reused
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.active.set(connection.active.get() - 1);
        connection.idle_since.set(Instant::now());
        if let Some(state) = self.state.upgrade() {
            state.stream_ended(&self.pool, connection);
        }
    }
}
