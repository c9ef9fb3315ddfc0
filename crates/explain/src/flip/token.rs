//! JWTs that may turn a verdict: those that are accepted at the workload.

use ripstop_decide::{Claims, Program};
use ripstop_model::Attribute;

use super::changes::{Change, Edit};
use crate::{attempt::Attempt, token};

/// Another token, or none; where one is given, whatever policies speak of: it may be refused.
pub(super) fn others(program: &Program, attempt: &Attempt) -> Vec<Change> {
    if attempt.claims().is_none() {
        return Vec::new();
    }
    let mut changes = vec![none()];
    changes.extend(
        accepted(program, attempt).into_iter().map(|claims| valid(Claims { subject: String::new(), ..claims })),
    );
    changes
}

pub(super) fn none() -> Change {
    Change { slot: "token".into(), told: "send no JWT".into(), to: Edit::Token(None) }
}

/// Changes after which an attribute of the token is `text`.
pub(super) fn of_value(program: &Program, attempt: &Attempt, attribute: &Attribute, text: &str) -> Vec<Change> {
    let accepted = accepted(program, attempt);
    if let Attribute::RequestPrincipal = attribute {
        let subject = text.rsplit_once('/').map_or("", |(_, subject)| subject);
        let subject = if subject.is_empty() { "x" } else { subject };
        return accepted.into_iter().map(|claims| valid(Claims { subject: subject.into(), ..claims })).collect();
    }
    let Some(base) = accepted.into_iter().next() else { return Vec::new() };
    let of =
        if attempt.claims().is_some() { String::new() } else { format!(" of {} for {}", base.issuer, base.subject) };
    let and = match base.audiences.first().filter(|_| attempt.claims().is_none()) {
        Some(audience) => format!(" with the audience {audience} and"),
        None => " with".into(),
    };
    let base = Box::new(base);
    vec![match attribute {
        Attribute::Audiences => Change {
            slot: "claim aud".into(),
            told: format!("send a JWT{of} with the audience {text}"),
            to: Edit::Claim(base, "aud".into(), text.into()),
        },
        Attribute::Presenter => Change {
            slot: "claim azp".into(),
            told: format!("send a JWT{of}{and} the presenter {text}"),
            to: Edit::Claim(base, "azp".into(), text.into()),
        },
        Attribute::Claim(names) => {
            let name = names.join(".");
            Change {
                slot: format!("claim {name}"),
                told: format!("send a JWT{of}{and} the claim {name}={text}"),
                to: Edit::Claim(base, name, text.into()),
            }
        }
        _ => return Vec::new(),
    }]
}

fn accepted(program: &Program, attempt: &Attempt) -> Vec<Claims> {
    token::acceptable(program, &attempt.destination.namespace, &attempt.destination.labels)
}

fn valid(claims: Claims) -> Change {
    let of = if claims.subject.is_empty() { String::new() } else { format!(" for {}", claims.subject) };
    let audience = claims.audiences.first().map(|audience| format!(" with the audience {audience}"));
    Change {
        slot: "token".into(),
        told: format!("send a valid JWT of {}{of}{}", claims.issuer, audience.unwrap_or_default()),
        to: Edit::Token(Some(Box::new(claims))),
    }
}
