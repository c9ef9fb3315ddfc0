//! Heads that go on by HTTP/2.

use std::cell::RefCell;

use ripstop_h1::{BodyKind, Limits, Side, Trailers};
use ripstop_h2::{
    End, Field, Fields, Request, RequestHead, RequestWriter, ResponseHead, ResponseWriter, write_trailers,
};

use super::{heads::Begun, websocket};
use crate::{Fault, Framing, HeadChanges, Http1Server, Http2Call, Http2Request, Upstream, http1::Form, http2::List};

thread_local! {
    static TARGET: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static TRAILERS: RefCell<Trailers> = RefCell::default();
}

/// Sends the head of a request of HTTP/1.1.
pub(super) fn request_of_http1(
    server: &mut Http1Server,
    call: &mut Http2Call,
    changes: &HeadChanges<'_>,
) -> Result<Begun, Fault> {
    changes.check()?;
    let upgrades = call.has_connect_protocol()
        && server.may_upgrade()
        && server.head().upgrade_protocols().all(websocket::is_name);
    if !upgrades {
        server.decline_upgrade()?;
    }
    let scheme = server.scheme();
    let head = server.head();
    let authority = changes.authority.or(head.authority()).ok_or(ripstop_h1::Reason::MissingHost)?;
    let connects = head.method() == b"CONNECT";
    let (body, switches) = (head.body(), connects || upgrades);
    let bodiless = matches!(body, BodyKind::None | BodyKind::Length(0));
    let end = if bodiless && !switches { End::Stream } else { End::Open };
    let kind = match head.method() {
        b"HEAD" => Request::Head,
        b"CONNECT" => Request::Tunnel,
        _ => Request::Ordinary,
    };
    let mut out = List::new();
    TARGET.with_borrow_mut(|target| {
        target.clear();
        match changes.path {
            Some(path) if head.path() != b"*" => target.extend_from_slice(path),
            _ => head.origin_form(target),
        }
        let head_said = RequestHead {
            method: if upgrades { b"CONNECT" } else { head.method() },
            scheme: (!connects).then_some(scheme),
            authority,
            path: (!connects).then_some(target.as_slice()),
            protocol: upgrades.then_some(websocket::NAME),
            content_length: match (body, changes.framing) {
                (BodyKind::Length(length), Framing::Kept) => Some(length),
                _ => None,
            },
        };
        let mut writer = RequestWriter::new(&mut out, head_said)?;
        // RFC 8441 5.
        let of_handshake = |name: &[u8]| upgrades && name.eq_ignore_ascii_case(b"sec-websocket-key");
        let expects = |name: &[u8]| name.eq_ignore_ascii_case(b"expect");
        writer.carry(|| {
            let fields = head.fields().iter().map(|field| (field.name, field.value));
            fields.filter(|(name, _)| changes.keeps(name) && !of_handshake(name) && !expects(name))
        })?;
        for field in changes.appended() {
            writer.add(field)?;
        }
        if changes.framing == Framing::Anew {
            writer.set(Field::new(b"te", b"trailers"))?;
        }
        writer.finish(end)
    })?;
    call.open(kind, switches, &out, end)?;
    // Hardly any server of HTTP/2 says 100, and clients would wait for it in vain: it is for us to say, and the windows of
    // the stream keep the body within bounds.
    if server.wants_continue() {
        server.inform(100, [])?;
    }
    Ok(Begun { form: Form::Data, switches })
}

/// Sends the head of a request of HTTP/2.
pub(super) fn request_of_http2(
    request: &Http2Request,
    call: &mut Http2Call,
    changes: &HeadChanges<'_>,
) -> Result<Begun, Fault> {
    changes.check()?;
    let mut head = request.head();
    if head.protocol.is_some() && !call.has_connect_protocol() {
        return Err(Fault::Switch);
    }
    head.authority = changes.authority.unwrap_or(head.authority);
    if let (Some(path), Some(before)) = (changes.path, head.path)
        && before != b"*"
    {
        head.path = Some(path);
    }
    if changes.framing == Framing::Anew {
        head.content_length = None;
    }
    let end = if request.is_bodiless() { End::Stream } else { End::Open };
    let mut out = List::new();
    let mut writer = RequestWriter::new(&mut out, head)?;
    writer.carry(|| request.fields().iter().filter(|field| changes.keeps(field.name)))?;
    for field in changes.appended() {
        writer.add(field)?;
    }
    if changes.framing == Framing::Anew {
        writer.set(Field::new(b"te", b"trailers"))?;
    }
    writer.finish(end)?;
    let switches = request.may_switch();
    call.open(request.kind(), switches, &out, end)?;
    Ok(Begun { form: Form::Data, switches })
}

/// Sends a head before the final one.
pub(super) fn informational(request: &mut Http2Request, upstream: &Upstream<'_>) -> Result<(), Fault> {
    let mut out = List::new();
    let head = ResponseHead { status: upstream.status(), content_length: None };
    let mut writer = ResponseWriter::new(&mut out, head, request.kind())?;
    carry_of(upstream, &HeadChanges::NONE, &mut writer)?;
    writer.finish(End::Open)?;
    request.inform(&out)
}

/// Sends the final head, or that of a switch, whose body its source frames as `body`.
pub(super) fn answer(
    request: &mut Http2Request,
    upstream: &Upstream<'_>,
    body: BodyKind,
    switches: bool,
    changes: &HeadChanges<'_>,
) -> Result<(), Fault> {
    changes.check()?;
    let content_length = match upstream {
        Upstream::Http1(client) => match client.head().declared_body() {
            Some(BodyKind::Length(length)) => Some(length),
            _ => None,
        },
        Upstream::Http2(call) => call.length(),
    };
    let bodiless = match (body, upstream) {
        (BodyKind::None, _) => true,
        // Without content there may still be trailers.
        (_, Upstream::Http2(call)) => call.is_bodiless(),
        (body, Upstream::Http1(_)) => body == BodyKind::Length(0),
    };
    let end = if bodiless && !switches { End::Stream } else { End::Open };
    // HTTP/2 does not know 101 (RFC 8441 4).
    let status = if upstream.status() == 101 { 200 } else { upstream.status() };
    let anew = changes.framing == Framing::Anew;
    let content_length = content_length.filter(|_| status != 204 && !switches && !anew);
    let mut out = List::new();
    let mut writer = ResponseWriter::new(&mut out, ResponseHead { status, content_length }, request.kind())?;
    carry_of(upstream, changes, &mut writer)?;
    if switches {
        writer.remove(b"sec-websocket-accept")?;
    }
    for field in changes.appended() {
        writer.add(field)?;
    }
    writer.finish(end)?;
    request.respond(&out, end)
}

/// The fields of a section of HTTP/1.1, which may be empty.
pub(super) fn trailers(section: &[u8], side: Side, limits: &Limits) -> Result<List, Fault> {
    let mut out = List::new();
    if !section.is_empty() {
        TRAILERS.with_borrow_mut(|trailers| {
            let fields = trailers.parse(section, side, limits)?;
            Ok::<_, Fault>(write_trailers(&mut out, fields.iter().map(|field| (field.name, field.value)))?)
        })?;
    }
    Ok(out)
}

/// The fields of trailers of HTTP/2, which may be none.
pub(super) fn carried(trailers: Option<&Fields>) -> Result<List, Fault> {
    let mut out = List::new();
    if let Some(trailers) = trailers {
        write_trailers(&mut out, trailers.iter())?;
    }
    Ok(out)
}

fn carry_of(upstream: &Upstream<'_>, changes: &HeadChanges<'_>, writer: &mut ResponseWriter<'_>) -> Result<(), Fault> {
    match upstream {
        Upstream::Http1(client) => {
            let fields = client.head().fields();
            writer.carry(|| {
                fields.iter().map(|field| (field.name, field.value)).filter(|(name, _)| changes.keeps(name))
            })?;
        }
        Upstream::Http2(call) => {
            let fields = call.fields().ok_or(Fault::Gone)?;
            writer.carry(|| fields.iter().filter(|field| changes.keeps(field.name)))?;
        }
    }
    Ok(())
}
