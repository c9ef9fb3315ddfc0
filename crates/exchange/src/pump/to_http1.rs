//! Heads of HTTP/2 that go on by HTTP/1.1.

use ripstop_h1::BodyKind;
use ripstop_h2::{Fields, Request};

use super::{
    heads::{Begun, regular},
    websocket,
};
use crate::{
    Fault, Framing, HeadChanges, Http1Client, Http1Server, Http2Call, Http2Request, changes::Place, http1::Form,
};

/// Writes the head of a request.
pub(super) fn request(
    request: &Http2Request,
    client: &mut Http1Client,
    changes: &HeadChanges<'_>,
) -> Result<Begun, Fault> {
    changes.check()?;
    let head = request.head();
    let authority = changes.authority.unwrap_or(head.authority);
    let path = changes.path.or(head.path);
    let kept = regular(request.fields()).filter(|(name, _)| changes.keeps(name) && carries(name));
    let fields = kept.chain(changes.appended());
    let switches = request.may_switch();
    match (head.protocol, path) {
        (Some(protocol), Some(path)) => {
            // RFC 8441 5: there is no key; the protocol wants one.
            let key = websocket::is_name(protocol).then(websocket::Key::new).transpose()?;
            let key = key.as_ref().map(|key| (&b"sec-websocket-key"[..], key.as_bytes()));
            client.send(b"GET", path, authority, fields.chain(key), BodyKind::None, Some(protocol))?;
        }
        (_, Some(path)) if !switches => {
            let path = if head.path == Some(b"*") { b"*" } else { path };
            let body = match head.content_length {
                None if request.is_bodiless() => BodyKind::None,
                Some(length) => BodyKind::Length(length),
                None => BodyKind::Chunked,
            };
            client.send(head.method, path, authority, fields, body, None)?;
        }
        _ => client.send(b"CONNECT", authority, authority, fields, BodyKind::None, None)?,
    }
    Ok(Begun { form: Form::Data, switches })
}

/// Writes the head of a final answer.
pub(super) fn answer(server: &mut Http1Server, call: &Http2Call, changes: &HeadChanges<'_>) -> Result<(), Fault> {
    changes.check()?;
    let Some(fields) = call.fields() else { return Err(Fault::Gone) };
    let kept = regular(fields).filter(|(name, _)| changes.keeps(name) && carries(name));
    let body = match call.length().filter(|_| changes.framing == Framing::Kept) {
        Some(length) => BodyKind::Length(length),
        None if call.is_bodiless() && call.kind() != Request::Head && call.status() != 304 => BodyKind::Length(0),
        None => BodyKind::Chunked,
    };
    server.answer(call.status(), kept.chain(changes.appended()), body)?;
    Ok(())
}

/// Writes a switch: to a tunnel, or to the protocol that the client has offered.
pub(super) fn switch(server: &mut Http1Server, call: &Http2Call, changes: &HeadChanges<'_>) -> Result<(), Fault> {
    changes.check()?;
    let Some(fields) = call.fields() else { return Err(Fault::Gone) };
    let kept = regular(fields).filter(|(name, _)| changes.keeps(name) && carries(name));
    let fields = kept.chain(changes.appended());
    if server.head().method() == b"CONNECT" {
        return server.switch(None, fields);
    }
    let accept = server.head().fields().get(b"sec-websocket-key").map(websocket::Accept::of);
    let accept = accept.as_ref().map(|accept| (&b"Sec-WebSocket-Accept"[..], accept.as_bytes()));
    server.switch(Some(websocket::NAME), fields.chain(accept))
}

/// The fields of trailers, in pairs.
pub(super) fn pairs(trailers: Option<&Fields>) -> impl Iterator<Item = (&[u8], &[u8])> {
    trailers.into_iter().flat_map(|fields| fields.iter().map(|field| (field.name, field.value)))
}

/// Whether a field is written as it came: framing, and whom it is for, are written by what the head says.
fn carries(name: &[u8]) -> bool {
    Place::of(name) == Place::Message
}
