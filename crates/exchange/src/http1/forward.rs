//! Heads that go on from one HTTP/1.1 connection to another: their bytes as they came, but for what must change.

use std::cell::RefCell;

use ripstop_h1::{
    Answer, AnswerKind, Asked, BodyKind, ConnectionOption, Edits, Reason, RequestHead, ResponseHead, TargetForm,
};

use crate::changes::{FieldChange, HeadChanges};

/// Whether a request's offer to switch protocols is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// It is.
    Offer,
    /// There is none, or it ends here.
    Decline,
}

thread_local! {
    static EDITS: RefCell<Edits> = RefCell::default();
}

/// Appends a request's head to `out` as it has to be sent on; gives what its answer has to be read by.
pub(super) fn request(
    head: RequestHead<'_>,
    changes: &HeadChanges<'_>,
    upgrade: Upgrade,
    out: &mut Vec<u8>,
) -> Result<Asked, Reason> {
    changes.check()?;
    EDITS.with_borrow_mut(|edits| {
        let wants_trailers = head.fields().all(b"te").flat_map(ripstop_h1::list).any(is_trailers);
        let mut edit = edits.request(head);
        match (head.target_form(), changes.path) {
            (TargetForm::Origin | TargetForm::Absolute, Some(path)) => edit.target(path)?,
            _ => edit.origin_form()?,
        }
        if let Some(authority) = changes.authority {
            edit.authority(authority)?;
        }
        edit.forward()?;
        for position in head.fields().positions(b"http2-settings") {
            edit.remove(position)?;
        }
        for change in changes.fields {
            if let FieldChange::Set { name, .. } | FieldChange::Remove { name } = *change
                && crate::changes::Place::of(name) == crate::changes::Place::Message
            {
                for position in head.fields().positions(name) {
                    edit.remove(position)?;
                }
            }
        }
        for (name, value) in changes.appended() {
            edit.insert(name, value)?;
        }
        if upgrade == Upgrade::Offer {
            edit.insert(b"Connection", b"upgrade")?;
            for protocol in head.upgrade_protocols() {
                edit.insert(b"Upgrade", protocol)?;
            }
        } else if wants_trailers {
            edit.insert(b"Connection", b"te")?;
            edit.insert(b"TE", b"trailers")?;
        }
        let asked = edit.asked();
        edits.write(head.as_bytes(), out);
        Ok(asked)
    })
}

/// Appends a response's head to `out` as it has to be sent on. The changes were checked. `answer` is how its body is framed there.
pub(super) fn response(
    head: ResponseHead<'_>,
    changes: &HeadChanges<'_>,
    answer: Answer,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    EDITS.with_borrow_mut(|edits| {
        let mut edit = edits.response(head);
        edit.forward()?;
        if answer.kind == AnswerKind::Final {
            let stands = match (answer.body, head.declared_body()) {
                (BodyKind::None | BodyKind::UntilClose, None) => true,
                (body, declared) => declared == Some(body),
            };
            if !stands {
                edit.body(answer.body)?;
            }
        }
        for change in changes.fields {
            if let FieldChange::Set { name, .. } | FieldChange::Remove { name } = *change
                && crate::changes::Place::of(name) == crate::changes::Place::Message
            {
                for position in head.fields().positions(name) {
                    edit.remove(position)?;
                }
            }
        }
        for (name, value) in changes.appended() {
            edit.insert(name, value)?;
        }
        match (answer.kind, answer.connection) {
            (AnswerKind::Switch, _) if head.status() == 101 => {
                edit.insert(b"Connection", b"upgrade")?;
                for protocol in head.upgrade_protocols() {
                    edit.insert(b"Upgrade", protocol)?;
                }
            }
            (_, ConnectionOption::None) => {}
            (_, ConnectionOption::Close) => edit.insert(b"Connection", b"close")?,
            (_, ConnectionOption::KeepAlive) => edit.insert(b"Connection", b"keep-alive")?,
        }
        edits.write(head.as_bytes(), out);
        Ok(())
    })
}

/// Whether a request's offer may go on: one to speak another HTTP would be requests behind our back.
pub(crate) fn may_upgrade(head: RequestHead<'_>) -> bool {
    let is_http = |protocol: &[u8]| {
        let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
        [&b"h2c"[..], b"h2", b"http"].iter().any(|http| name.eq_ignore_ascii_case(http))
    };
    head.wants_upgrade() && !head.upgrade_protocols().any(is_http)
}

fn is_trailers(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"trailers")
}
