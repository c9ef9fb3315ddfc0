//! Heads and ends of messages, from one side to the other.

use ripstop_h1::BodyKind;

use crate::{
    Downstream, Fault, HeadChanges, Replay, Upstream,
    failure::Party,
    http1::{Form, Upgrade},
};

type Failed = (Party, Fault);

/// Writes the request's head; gives how its body goes on.
pub(super) fn request(
    downstream: &mut Downstream<'_>,
    upstream: &mut Upstream<'_>,
    changes: &HeadChanges<'_>,
    replay: &Replay,
) -> Result<Form, Failed> {
    match (downstream, upstream) {
        (Downstream::Http1(server), Upstream::Http1(client)) => {
            let upgrade = if server.may_upgrade() { Upgrade::Offer } else { Upgrade::Decline };
            if upgrade == Upgrade::Decline && server.head().wants_upgrade() {
                server.decline_upgrade().map_err(|fault| (Party::Downstream, fault))?;
            }
            // What may have to be sent again by another HTTP is kept without its framing.
            let chunked = server.head().body() == BodyKind::Chunked;
            let form = if chunked && !replay.keeps() && replay.is_possible() { Form::Wire } else { Form::Data };
            client.pass_on(server.head(), changes, upgrade, form).map_err(|fault| (Party::Downstream, fault))?;
            server.set_form(form);
            Ok(form)
        }
    }
}

/// Passes on a head before the final one.
pub(super) fn informational(downstream: &mut Downstream<'_>, upstream: &Upstream<'_>) -> Result<(), Failed> {
    match (downstream, upstream) {
        (Downstream::Http1(server), Upstream::Http1(client)) => {
            let passed = server.pass_on(client.head(), BodyKind::None, &HeadChanges::NONE);
            passed.map(drop).map_err(|fault| (Party::Upstream, fault))
        }
    }
}

/// Writes the final head, or that of a switch; gives how the body goes on, which its source frames as `body`.
pub(super) fn answer(
    downstream: &mut Downstream<'_>,
    upstream: &mut Upstream<'_>,
    body: BodyKind,
    changes: &HeadChanges<'_>,
) -> Result<Form, Failed> {
    match (downstream, upstream) {
        (Downstream::Http1(server), Upstream::Http1(client)) => {
            let form = server.pass_on(client.head(), body, changes).map_err(|fault| (Party::Upstream, fault))?;
            client.set_form(form);
            Ok(form)
        }
    }
}

/// The request has ended, perhaps with trailers.
pub(super) fn end_request(downstream: &Downstream<'_>, upstream: &mut Upstream<'_>, form: Form) -> Result<(), Failed> {
    match (downstream, upstream) {
        (Downstream::Http1(_), Upstream::Http1(client)) if form == Form::Wire => {
            client.end_as_sent();
            Ok(())
        }
        (Downstream::Http1(server), Upstream::Http1(client)) => {
            client.end_with_section(server.trailers()).map_err(|fault| (Party::Downstream, fault))
        }
    }
}

/// The answer has ended, perhaps with trailers.
pub(super) fn end_answer(downstream: &mut Downstream<'_>, upstream: &Upstream<'_>, form: Form) -> Result<(), Failed> {
    match (downstream, upstream) {
        (Downstream::Http1(server), Upstream::Http1(_)) if form == Form::Wire => {
            server.end_as_sent();
            Ok(())
        }
        (Downstream::Http1(server), Upstream::Http1(client)) => {
            server.end_with_section(client.trailers()).map_err(|fault| (Party::Upstream, fault))
        }
    }
}
