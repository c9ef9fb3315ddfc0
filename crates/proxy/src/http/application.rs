//! The connections to an application that the requests of a client's connection share.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::{Rc, Weak},
    sync::Arc,
};

use ripstop_exchange::{Http1Client, Http2Call, Http2Client, Http2Options, Io};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{error::Error, inbound_pools::RequestLimits, to_application::ToApplication};

/// How an application is reached.
#[derive(Clone, Debug)]
pub(super) struct Reaching {
    /// Where it is.
    pub(super) to: ToApplication,
    /// How much it takes.
    pub(super) limits: RequestLimits,
}

/// The connection of HTTP/2 to an application. It is opened for the first request, and another one when it takes no more.
/// Whoever asked for it may leave meanwhile: the opening goes on for the others. Dropped, everything ends.
#[derive(Default)]
pub(super) struct SharedApplication(Rc<State>);

#[derive(Default)]
struct State {
    /// What the last opening came to, and where it was to lead.
    last: RefCell<Option<(SocketAddr, Outcome)>>,
    is_opening: Cell<bool>,
    /// Rings when an opening ends.
    ended: Notify,
    /// The opening, and what drives and ends the connections: an earlier one carries its requests to their ends.
    tasks: RefCell<JoinSet<()>>,
}

type Outcome = Result<Rc<Opened>, Arc<Error>>;

/// A connection that takes many requests.
#[derive(Debug)]
struct Opened {
    client: Http2Client,
    /// Where it leads.
    target: SocketAddr,
    since: Instant,
    /// When its last request ended.
    idle: Cell<Instant>,
    /// Requests that it has, also such as are not sent yet.
    active: Cell<u32>,
    /// Requests that it had.
    served: Cell<u64>,
}

/// A request that goes to an application by HTTP/2. Dropped before its end, it is reset.
#[derive(Debug)]
pub(super) struct ApplicationCall {
    // Before its place, so that the stream has ended when the place is free.
    call: Http2Call,
    _stream: Stream,
}

#[derive(Debug)]
struct Stream(Rc<Opened>);

/// The connection of HTTP/1.1 to an application while it has no request. It ends in time; dropped, at once.
#[derive(Default)]
pub(super) struct IdleApplication(Rc<RefCell<Idle>>);

#[derive(Default)]
struct Idle {
    kept: Option<Box<KeptApplication>>,
    ending: JoinSet<()>,
}

/// A connection of HTTP/1.1 to an application.
pub(super) struct KeptApplication {
    /// The connection.
    pub(super) client: Http1Client,
    /// Where it leads.
    target: SocketAddr,
    opened: Instant,
}

thread_local! {
    static OPTIONS: Rc<Http2Options> = Rc::new(Http2Options::default());
}

// === impl SharedApplication ===

impl SharedApplication {
    /// A request to the application, if it can be sent at once.
    pub(super) fn ready(&self, reaching: &Reaching) -> Option<ApplicationCall> {
        match &*self.0.last.borrow() {
            Some((_, Ok(opened))) if opened.takes_one(reaching) && opened.client.may_open().is_ok() => {
                Some(opened.call())
            }
            _ => None,
        }
    }

    /// A request to the application, which `connect` connects to. Dropped, only this one is given up.
    pub(super) async fn call<F>(
        &self,
        reaching: &Reaching,
        connect: impl Fn() -> F,
    ) -> Result<ApplicationCall, Arc<Error>>
    where
        F: Future<Output = Result<Io, Error>> + 'static,
    {
        let state = &self.0;
        loop {
            if let Some(call) = self.ready(reaching) {
                return Ok(call);
            }
            let ended = state.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if !state.is_opening.replace(true) {
                let mut tasks = state.tasks.borrow_mut();
                while tasks.try_join_next().is_some() {}
                tasks.spawn_local(open(Rc::downgrade(state), connect(), reaching.clone()));
            }
            ended.await;
            match &*state.last.borrow() {
                Some((_, Ok(opened))) if opened.takes_one(reaching) => return Ok(opened.call()),
                Some((target, Err(error))) if *target == reaching.to.target => return Err(Arc::clone(error)),
                // Others who waited have filled it, or it was to lead elsewhere.
                Some(_) => {}
                None => return Err(Arc::new(Error::Gone)),
            }
        }
    }
}

/// Opens a connection, and tells those who wait.
async fn open(state: Weak<State>, connecting: impl Future<Output = Result<Io, Error>>, reaching: Reaching) {
    let Reaching { to, limits } = reaching;
    let opened = match connecting.await {
        Ok(io) => {
            let (client, driver) = Http2Client::new(io, options(&limits));
            {
                let Some(state) = state.upgrade() else { return };
                state.tasks.borrow_mut().spawn_local(async move {
                    if let Err(error) = driver.await {
                        tracing::debug!(%error, "a connection to an application failed");
                    }
                });
            }
            client.settled().await;
            Ok(Opened::new(client, to.target))
        }
        Err(error) => Err(Arc::new(error)),
    };
    let Some(state) = state.upgrade() else { return };
    if let Ok(opened) = &opened
        && limits.ends(opened.since, opened.since).is_some()
    {
        let ending = end_in_time(Rc::downgrade(&state), Rc::downgrade(opened), limits);
        state.tasks.borrow_mut().spawn_local(ending);
    }
    *state.last.borrow_mut() = Some((to.target, opened));
    state.is_opening.set(false);
    state.ended.notify_waiters();
}

/// Lets go of a connection once it is old, or has had nothing to do for too long; its requests go on.
async fn end_in_time(state: Weak<State>, opened: Weak<Opened>, limits: RequestLimits) {
    loop {
        let end = {
            let Some(opened) = opened.upgrade() else { return };
            // One that has requests is not idle.
            let idle = if opened.active.get() > 0 { Instant::now() } else { opened.idle.get() };
            limits.ends(opened.since, idle)
        };
        let Some(end) = end else { return };
        if end <= Instant::now() {
            break;
        }
        sleep_until(end).await;
    }
    let (Some(state), Some(opened)) = (state.upgrade(), opened.upgrade()) else { return };
    let is_last = matches!(&*state.last.borrow(), Some((_, Ok(last))) if Rc::ptr_eq(last, &opened));
    if is_last {
        let gone = state.last.borrow_mut().take();
        drop(gone);
    }
}

fn options(limits: &RequestLimits) -> Rc<Http2Options> {
    let usual = OPTIONS.with(Rc::clone);
    if limits.ping.is_none() && limits.idle.is_none() {
        return usual;
    }
    let (ping_after, patience) = limits.ping.unwrap_or((usual.ping_after, usual.patience));
    let idle = limits.idle.unwrap_or(usual.idle);
    Rc::new(Http2Options { ping_after, patience, idle, ..Http2Options::clone(&usual) })
}

// === impl Opened ===

impl Opened {
    fn new(client: Http2Client, target: SocketAddr) -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self { client, target, since: now, idle: Cell::new(now), active: Cell::new(0), served: Cell::new(0) })
    }

    /// Whether one more request may go by it, as far as it is for its listener to say.
    fn takes_one(&self, Reaching { to, limits }: &Reaching) -> bool {
        self.target == to.target && limits.goes_on(self.since, self.served.get()) && limits.has_room(self.active.get())
    }

    fn call(self: &Rc<Self>) -> ApplicationCall {
        self.active.set(self.active.get() + 1);
        self.served.set(self.served.get() + 1);
        ApplicationCall { call: self.client.call(), _stream: Stream(Rc::clone(self)) }
    }
}

// === impl ApplicationCall ===

impl ApplicationCall {
    /// The request.
    pub(super) fn call(&mut self) -> &mut Http2Call {
        &mut self.call
    }
}

// === impl Stream ===

impl Drop for Stream {
    fn drop(&mut self) {
        let Self(opened) = self;
        opened.active.set(opened.active.get() - 1);
        opened.idle.set(Instant::now());
    }
}

// === impl IdleApplication ===

impl IdleApplication {
    /// The connection, if it takes another request.
    pub(super) fn take(&self, Reaching { to, limits }: &Reaching) -> Option<Box<KeptApplication>> {
        let mut idle = self.0.borrow_mut();
        idle.ending.abort_all();
        let mut kept = idle.kept.take()?;
        (kept.target == to.target && kept.goes_on(limits)).then_some(kept)
    }

    /// Keeps the connection for the next request, if it takes one.
    pub(super) fn keep(&self, mut kept: Box<KeptApplication>, limits: &RequestLimits) {
        if !kept.goes_on(limits) {
            return;
        }
        let idle = &mut *self.0.borrow_mut();
        if let Some(end) = limits.ends(kept.opened, Instant::now()) {
            while idle.ending.try_join_next().is_some() {}
            let state = Rc::downgrade(&self.0);
            idle.ending.spawn_local(async move {
                sleep_until(end).await;
                let gone = state.upgrade().and_then(|state| state.borrow_mut().kept.take());
                drop(gone);
            });
        }
        idle.kept = Some(kept);
    }
}

// === impl KeptApplication ===

impl KeptApplication {
    /// A connection to `target` that was just opened.
    pub(super) fn new(client: Http1Client, target: SocketAddr) -> Box<Self> {
        Box::new(Self { client, target, opened: Instant::now() })
    }

    fn goes_on(&mut self, limits: &RequestLimits) -> bool {
        limits.goes_on(self.opened, self.client.served()) && self.client.is_reusable()
    }
}

#[cfg(test)]
mod tests;
