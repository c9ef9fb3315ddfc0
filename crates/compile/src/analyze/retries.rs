//! Retries that do not fit into the timeout, and those that repeat what must not be repeated.

use std::time::Duration;

use ripstop_api::{
    finding::Code,
    istio::{HttpRetry, HttpRoute, StringMatch},
};

use super::{Mesh, objects::virtual_services, sentence::listed};
use crate::finding::{Findings, info, warning};

const EXCEED_TIMEOUT: Code = info("RS07", "the attempts of a rule take longer together than its timeout lets them");
const REPEAT_CHANGES: Code =
    warning("RS10", "a rule that matches POST or PATCH retries by status: what was done may be done again");

pub(crate) const CODES: &[Code] = &[EXCEED_TIMEOUT, REPEAT_CHANGES];

/// Methods that are not idempotent (RFC 9110, 9.2.2; RFC 5789).
const CHANGES: [&str; 2] = ["POST", "PATCH"];

/// Conditions by which an answer of the callee is retried.
const BY_STATUS: [&str; 3] = ["5xx", "gateway-error", "retriable-4xx"];

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    for (declared, written) in virtual_services(mesh) {
        for (index, rule) in written.http.iter().enumerate() {
            let Some(retries) = rule.retries.as_ref().filter(|retries| retries.attempts > 0) else { continue };
            let path = format!("spec.http[{index}].retries");
            if let Some((message, hint)) = exceed_timeout(rule, retries) {
                findings.add(EXCEED_TIMEOUT, &declared.object, &format!("{path}.perTryTimeout"), message, &hint);
            }
            if let Some(message) = repeat_changes(rule, retries) {
                let hint = "match safe methods in a rule of their own, or retry by connect-failure, refused-stream and reset-before-request alone";
                findings.add(REPEAT_CHANGES, &declared.object, &format!("{path}.retryOn"), message, hint);
            }
        }
    }
}

fn exceed_timeout(rule: &HttpRoute, retries: &HttpRetry) -> Option<(String, String)> {
    let set = |duration: Option<Duration>| duration.filter(|duration| !duration.is_zero());
    let (timeout, each) = (set(rule.timeout)?, set(retries.per_try_timeout)?);
    let attempts = retries.attempts.unsigned_abs().saturating_add(1);
    let together = each.saturating_mul(attempts);
    if together <= timeout {
        return None;
    }
    let fit = timeout.as_millis() / each.as_millis().max(1);
    let message =
        format!("{attempts} attempts of {each:?} take up to {together:?}, but the timeout ends them after {timeout:?}");
    let hint = match fit {
        0 | 1 => format!("raise timeout, or lower perTryTimeout to {}ms or less", (timeout / attempts).as_millis()),
        fit => format!("raise timeout, lower perTryTimeout, or set attempts to {}", fit - 1),
    };
    Some((message, hint))
}

fn repeat_changes(rule: &HttpRoute, retries: &HttpRetry) -> Option<String> {
    let conditions = retries.retry_on.split(',').map(str::trim);
    let by_status: Vec<&str> =
        conditions.filter(|condition| BY_STATUS.contains(condition) || condition.parse::<u16>().is_ok()).collect();
    let wanted = rule.matches.iter().filter_map(|wanted| wanted.method.as_ref());
    let methods: Vec<&str> =
        CHANGES.into_iter().filter(|method| wanted.clone().any(|wanted| says(wanted, method))).collect();
    if by_status.is_empty() || methods.is_empty() {
        return None;
    }
    Some(format!(
        "{} requests are retried by {}, though the callee may have acted on them",
        methods.join(" and "),
        listed(by_status)
    ))
}

/// Whether a condition names the method.
fn says(wanted: &StringMatch, method: &str) -> bool {
    match wanted {
        StringMatch::Present => false,
        StringMatch::Exact(text) => text == method,
        StringMatch::Prefix(text) => !text.is_empty() && method.starts_with(text.as_str()),
        StringMatch::Regex(text) => text.split(|c: char| !c.is_ascii_uppercase()).any(|word| word == method),
    }
}
