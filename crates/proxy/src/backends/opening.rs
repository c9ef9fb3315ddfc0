//! Opening connections, within the time that it may take.

use std::{rc::Rc, time::Duration};

use ripstop_exchange::{Http1Client, Http2Client, Http2Options, Io};
use tokio::{sync::oneshot, task::spawn_local};

use super::{
    Connection,
    error::BackendError,
    facts::Facts,
    http1::{Http1Connection, PooledHttp1},
    http2::{Http2Connection, PooledHttp2, drive},
    permit::ConnectionPermit,
    pool::{Opening, Pool},
    purpose::Purpose,
    state::{Order, State},
};

/// A connection of HTTP/1.1, made by `open` for whoever asks. Nobody else waits for it: dropped, it is given up.
pub(super) async fn http1(
    state: &Rc<State>,
    pool: &Rc<Pool>,
    order: Order,
    permit: ConnectionPermit,
    open: impl AsyncFnOnce(&Purpose) -> Result<Io, BackendError>,
) -> Result<Connection, BackendError> {
    let Order { facts, purpose, .. } = order;
    let io = facts.in_time(purpose.endpoint.address(), open(&purpose)).await?;
    let client = Http1Client::new(io, Rc::clone(&state.http1));
    let connection = Http1Connection::new(client, purpose, permit);
    Ok(Connection::Http1(PooledHttp1::new(connection, pool, state, false)))
}

/// A place on a new connection of HTTP/2, made by `open`. Others wait for it, too: if whoever asks leaves, it is opened
/// none the less, and is there for whoever comes.
pub(super) async fn http2(
    state: &Rc<State>,
    pool: &Rc<Pool>,
    order: Order,
    permit: ConnectionPermit,
    opening: Opening,
    open: impl AsyncFnOnce(&Purpose) -> Result<Io, BackendError> + 'static,
) -> Result<Connection, BackendError> {
    let address = order.purpose.endpoint.address();
    let (asker, opened) = oneshot::channel();
    let (state, pool) = (Rc::clone(state), Rc::clone(pool));
    spawn_local(async move {
        let Order { facts, purpose, .. } = order;
        let result = facts.in_time(address, connect(&facts, purpose, permit, open)).await;
        match result {
            Ok(connection) => {
                pool.shared.borrow_mut().push(Rc::clone(&connection));
                if asker.is_closed() {
                    state.rest(&pool, &connection);
                } else {
                    // The first place is the asker's. Should it leave now, that is free for others.
                    let _ = asker.send(Ok(PooledHttp2::new(connection, &pool, &state)));
                }
                // Whoever waits for it may use it.
                drop(opening);
            }
            Err(error) => {
                opening.fail(&error);
                let _ = asker.send(Err(error));
            }
        }
    });
    opened.await.unwrap_or(Err(BackendError::Gone(address))).map(Connection::Http2)
}

async fn connect(
    facts: &Facts,
    purpose: Purpose,
    permit: ConnectionPermit,
    open: impl AsyncFnOnce(&Purpose) -> Result<Io, BackendError>,
) -> Result<Rc<Http2Connection>, BackendError> {
    let io = open(&purpose).await?;
    let (client, driver) = Http2Client::new(io, options(facts));
    spawn_local(drive(driver, purpose.endpoint.clone(), permit));
    client.settled().await;
    client.may_open().map_err(|error| BackendError::Http2 {
        address: purpose.endpoint.address(),
        reason: error.to_string().into(),
    })?;
    Ok(Http2Connection::new(client, purpose))
}

/// How HTTP/2 is spoken. Idle connections are ended here, by their own clock.
fn options(facts: &Facts) -> Rc<Http2Options> {
    let mut options = Http2Options { idle: Duration::MAX, ..Http2Options::default() };
    // Beyond what their windows are made for, streams may wait for each other's readers; rather than that, there are
    // further connections, where there may be.
    let limits = &facts.limits;
    let fitting = if limits.connections == u32::MAX { options.config.max_streams } else { u32::MAX };
    options.config.max_streams = limits.concurrent_streams.min(fitting);
    if let Some((interval, patience)) = facts.pool().and_then(|pool| pool.http2_keepalive) {
        options.ping_after = interval;
        options.patience = patience;
    }
    Rc::new(options)
}
