//! How a request goes on to a backend.

use std::rc::Rc;

use ripstop_exchange::{Downstream, Failure, FieldChange, HeadChanges, Pump, Replay, Upstream};

use super::{
    filters::{changes::RequestChanges, edits::EditList},
    global_limits::Allowed,
    head::Head,
    outbound::Outbound,
};
use crate::{
    backends::{BackendError, ClientEnds, Connection, EndpointKey, Wanted, WorkerBackend},
    worker::Context,
};

/// Which HTTP it wants of the backend.
pub(super) fn wanted(downstream: &Downstream<'_>, head: &Head) -> Wanted {
    if !may_switch(downstream, head) {
        Wanted::Configured(head.protocol())
    } else if downstream.asks_for_websocket() {
        Wanted::WebSocket
    } else {
        Wanted::Http1
    }
}

/// A connection for it. By HTTP/2, a WebSocket needs a server that has announced that it takes one (RFC 8441 3); any other
/// is asked for it in HTTP/1.1.
pub(super) async fn connection(
    backend: &WorkerBackend,
    context: &Rc<Context>,
    endpoint: &EndpointKey,
    wanted: Wanted,
    authority: &str,
    client: impl Fn() -> Rc<ClientEnds>,
) -> Result<Connection, BackendError> {
    let connection = backend.checkout(context, endpoint, wanted, Some(authority), &client).await?;
    if wanted != Wanted::WebSocket || connection.may_switch() {
        return Ok(connection);
    }
    drop(connection);
    Box::pin(backend.checkout(context, endpoint, Wanted::Http1, Some(authority), &client)).await
}

/// What passes on a request to `authority`.
pub(super) fn pump<'p>(
    downstream: Downstream<'p>,
    upstream: Upstream<'p>,
    changes: HeadChanges<'_>,
    replay: &'p mut Replay,
    authority: &str,
    outbound: &Outbound,
) -> Result<Pump<'p>, Failure> {
    let stands_in = stand_in(&upstream, authority, outbound);
    let authority = stands_in.as_deref().map(str::as_bytes).or(changes.authority);
    Pump::new(downstream, upstream, &HeadChanges { authority, ..changes }, replay)
}

/// What stands in for an authority that is empty: a request of HTTP/1.0 may name no host, one of HTTP/2 has to. It is the
/// address that was called.
pub(super) fn stand_in(upstream: &Upstream<'_>, authority: &str, outbound: &Outbound) -> Option<String> {
    (authority.is_empty() && matches!(upstream, Upstream::Http2(_))).then(|| outbound.destination.to_string())
}

/// Changes of its fields, with what limits of endpoints add.
pub(super) fn with_granted<'c>(changed: &'c RequestChanges<'_>, granted: &'c Allowed) -> EditList<'c> {
    let mut list = changed.list();
    for (name, value) in granted.request() {
        list.push(FieldChange::Add { name: name.as_bytes(), value });
    }
    list
}

/// Whether the request asks for another protocol, which is asked for in HTTP/1.1.
pub(super) fn may_switch(downstream: &Downstream<'_>, head: &Head) -> bool {
    match downstream {
        Downstream::Http1(connection) => connection.may_upgrade(),
        Downstream::Http2(_) => head.method() == "CONNECT",
    }
}
