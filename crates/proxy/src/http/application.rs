//! The connection of HTTP/2 to an application, which all requests of a client's connection share.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    sync::Arc,
};

use ripstop_exchange::{Http2Call, Http2Client, Http2Options, Io};
use tokio::{sync::Notify, task::JoinSet};

use crate::error::Error;

/// The connection of HTTP/2 to an application. It is opened for the first request, and another one when it takes no more.
/// Whoever asked for it may leave meanwhile: the opening goes on for the others. Dropped, everything ends.
#[derive(Default)]
pub(super) struct SharedApplication(Rc<State>);

#[derive(Default)]
struct State {
    /// What the last opening came to.
    last: RefCell<Option<Result<Http2Client, Arc<Error>>>>,
    is_opening: Cell<bool>,
    /// Rings when an opening ends.
    ended: Notify,
    /// The opening, and what drives the connections: an earlier one carries its requests to their ends.
    tasks: RefCell<JoinSet<()>>,
}

thread_local! {
    static OPTIONS: Rc<Http2Options> = Rc::new(Http2Options::default());
}

// === impl SharedApplication ===

impl SharedApplication {
    /// A request to the application, which `connect` connects to. Dropped, only this one is given up.
    pub(super) async fn call<F>(&self, connect: impl FnOnce() -> F) -> Result<Http2Call, Arc<Error>>
    where
        F: Future<Output = Result<Io, Error>> + 'static,
    {
        let state = &self.0;
        if let Some(Ok(client)) = &*state.last.borrow()
            && client.may_open().is_ok()
        {
            return Ok(client.call());
        }
        let ended = state.ended.notified();
        tokio::pin!(ended);
        ended.as_mut().enable();
        if !state.is_opening.replace(true) {
            let mut tasks = state.tasks.borrow_mut();
            while tasks.try_join_next().is_some() {}
            tasks.spawn_local(open(Rc::downgrade(state), connect()));
        }
        ended.await;
        match &*state.last.borrow() {
            Some(Ok(client)) => Ok(client.call()),
            Some(Err(error)) => Err(Arc::clone(error)),
            None => Err(Arc::new(Error::Gone)),
        }
    }
}

/// Opens a connection, and tells those who wait.
async fn open(state: Weak<State>, connecting: impl Future<Output = Result<Io, Error>>) {
    let opened = match connecting.await {
        Ok(io) => {
            let (client, driver) = Http2Client::new(io, OPTIONS.with(Rc::clone));
            {
                let Some(state) = state.upgrade() else { return };
                state.tasks.borrow_mut().spawn_local(async move {
                    if let Err(error) = driver.await {
                        tracing::debug!(%error, "a connection to an application failed");
                    }
                });
            }
            client.settled().await;
            Ok(client)
        }
        Err(error) => Err(Arc::new(error)),
    };
    let Some(state) = state.upgrade() else { return };
    *state.last.borrow_mut() = Some(opened);
    state.is_opening.set(false);
    state.ended.notify_waiters();
}

#[cfg(test)]
mod tests;
