//! Heads and ends of messages, from one side to the other.

use ripstop_h1::BodyKind;
use ripstop_h2::Fields;

use super::{to_http1, to_http2};
use crate::{
    Downstream, Fault, HeadChanges, Replay, Upstream,
    failure::Party,
    http1::{Form, Upgrade},
};

pub(super) type Failed = (Party, Fault);

/// How a request goes on behind its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) form: Form,
    /// It asks for a tunnel or another protocol: its body is what comes after the answer.
    pub(super) switches: bool,
}

/// Writes the request's head.
pub(super) fn request(
    downstream: &mut Downstream<'_>,
    upstream: &mut Upstream<'_>,
    changes: &HeadChanges<'_>,
    replay: &Replay,
) -> Result<Begun, Failed> {
    let begun = match (downstream, upstream) {
        (Downstream::Http1(server), Upstream::Http1(client)) => (|| {
            let upgrade = if server.may_upgrade() { Upgrade::Offer } else { Upgrade::Decline };
            if upgrade == Upgrade::Decline {
                server.decline_upgrade()?;
            }
            // What may have to be sent again by another HTTP is kept without its framing.
            let chunked = server.head().body() == BodyKind::Chunked;
            let form = if chunked && !replay.keeps() && replay.is_possible() { Form::Wire } else { Form::Data };
            client.pass_on(server.head(), changes, upgrade, form)?;
            server.set_form(form);
            // The body of a request that offers an upgrade comes before the switch.
            Ok(Begun { form, switches: server.head().method() == b"CONNECT" })
        })(),
        (Downstream::Http1(server), Upstream::Http2(call)) => {
            // An earlier upstream may have wanted it otherwise.
            server.set_form(Form::Data);
            to_http2::request_of_http1(server, call, changes)
        }
        (Downstream::Http2(request), Upstream::Http1(client)) => to_http1::request(request, client, changes),
        (Downstream::Http2(request), Upstream::Http2(call)) => to_http2::request_of_http2(request, call, changes),
    };
    // An upstream that takes no request now is not the request's fault.
    begun.map_err(|fault| match fault {
        Fault::Unprocessed | Fault::Head(ripstop_h1::Reason::NoMoreRequests) => (Party::Upstream, Fault::Unprocessed),
        fault => (Party::Downstream, fault),
    })
}

/// Passes on a head before the final one.
pub(super) fn informational(downstream: &mut Downstream<'_>, upstream: &Upstream<'_>) -> Result<(), Failed> {
    let passed = match (downstream, upstream) {
        (Downstream::Http1(server), Upstream::Http1(client)) => {
            server.pass_on(client.head(), BodyKind::None, &HeadChanges::NONE).map(drop)
        }
        (Downstream::Http1(server), upstream @ Upstream::Http2(_)) => {
            server.inform(upstream.status(), upstream.fields())
        }
        (Downstream::Http2(request), upstream) => to_http2::informational(request, upstream),
    };
    passed.map_err(|fault| (Party::Upstream, fault))
}

/// Writes the final head, or that of a switch; gives how the body goes on, which its source frames as `body`.
pub(super) fn answer(
    downstream: &mut Downstream<'_>,
    upstream: &mut Upstream<'_>,
    body: BodyKind,
    switches: bool,
    changes: &HeadChanges<'_>,
) -> Result<Form, Failed> {
    let form = match (downstream, upstream) {
        (Downstream::Http1(server), Upstream::Http1(client)) => {
            let form = server.pass_on(client.head(), body, changes);
            form.inspect(|form| client.set_form(*form))
        }
        (Downstream::Http1(server), Upstream::Http2(call)) if switches => {
            to_http1::switch(server, call, changes).map(|()| Form::Data)
        }
        (Downstream::Http1(server), Upstream::Http2(call)) => {
            to_http1::answer(server, call, changes).map(|()| Form::Data)
        }
        (Downstream::Http2(request), upstream) => {
            to_http2::answer(request, upstream, body, switches, changes).map(|()| Form::Data)
        }
    };
    form.map_err(|fault| (Party::Upstream, fault))
}

/// The request has ended, perhaps with trailers.
pub(super) fn end_request(downstream: &Downstream<'_>, upstream: &mut Upstream<'_>, form: Form) -> Result<(), Failed> {
    let ended = match (downstream, upstream) {
        (Downstream::Http1(_), Upstream::Http1(client)) if form == Form::Wire => {
            client.end_as_sent();
            Ok(())
        }
        (Downstream::Http1(server), Upstream::Http1(client)) => client.end_with_section(server.trailers()),
        (Downstream::Http1(server), Upstream::Http2(call)) => {
            to_http2::trailers(server.trailers(), ripstop_h1::Side::Request, server.limits())
                .and_then(|trailers| call.end(&trailers))
        }
        (Downstream::Http2(request), Upstream::Http1(client)) => client.end(to_http1::pairs(request.trailers())),
        (Downstream::Http2(request), Upstream::Http2(call)) => {
            to_http2::carried(request.trailers()).and_then(|trailers| call.end(&trailers))
        }
    };
    ended.map_err(|fault| match fault {
        Fault::Gone | Fault::Io(_) | Fault::Reset(_) | Fault::Unprocessed => (Party::Upstream, fault),
        fault => (Party::Downstream, fault),
    })
}

/// The answer has ended, perhaps with trailers.
pub(super) fn end_answer(downstream: &mut Downstream<'_>, upstream: &Upstream<'_>, form: Form) -> Result<(), Failed> {
    let ended = match (downstream, upstream) {
        (Downstream::Http1(server), Upstream::Http1(_)) if form == Form::Wire => {
            server.end_as_sent();
            Ok(())
        }
        (Downstream::Http1(server), Upstream::Http1(client)) => server.end_with_section(client.trailers()),
        (Downstream::Http1(server), Upstream::Http2(call)) => server.end(to_http1::pairs(call.trailers())),
        (Downstream::Http2(request), Upstream::Http1(client)) => {
            to_http2::trailers(client.trailers(), ripstop_h1::Side::Response, client.limits())
                .and_then(|trailers| request.end(&trailers))
        }
        (Downstream::Http2(request), Upstream::Http2(call)) => {
            to_http2::carried(call.trailers()).and_then(|trailers| request.end(&trailers))
        }
    };
    ended.map_err(|fault| match fault {
        Fault::Gone | Fault::Io(_) | Fault::Reset(_) => (Party::Downstream, fault),
        fault => (Party::Upstream, fault),
    })
}

/// The fields that are a message's own, in pairs.
pub(super) fn regular(fields: &Fields) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    fields.iter().map(|field| (field.name, field.value)).filter(|(name, _)| name.first() != Some(&b':'))
}
