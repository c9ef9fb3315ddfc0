//! Certificates that have ended, or soon will.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ripstop_api::{Object, finding::Code};
use ripstop_pem::Facts;

use super::Mesh;
use crate::finding::{Findings, error, warning};

/// Codes of this rule.
pub(crate) const CODES: &[Code] = &[NOT_VALID, ENDS_SOON, AUTHORITY];

const NOT_VALID: Code = error("RS250", "a certificate that TLS is to be made with has expired, or is not valid yet");
const ENDS_SOON: Code =
    warning("RS251", "a certificate that TLS is to be made with expires soon: within 30 days, and a sixth of its life");
const AUTHORITY: Code = warning("RS253", "TLS is to be made with the certificate of an authority");

/// How long before its end a certificate should be renewed.
const SOON: Duration = Duration::from_hours(30 * 24);

/// What is told at `path` of `object` about the certificate that stands at `place`.
pub(super) fn check(mesh: &Mesh<'_>, facts: &Facts, place: &str, object: &Object, path: &str, findings: &mut Findings) {
    let told = if mesh.now >= facts.not_after {
        Some((NOT_VALID, format!("expired at {}: nobody believes it", date(facts.not_after))))
    } else if mesh.now < facts.not_before {
        Some((NOT_VALID, format!("is not valid before {}: nobody believes it", date(facts.not_before))))
    } else if mesh.now >= last_part(facts) {
        Some((ENDS_SOON, format!("expires at {}", date(facts.not_after))))
    } else {
        None
    };
    if let Some((code, told)) = told {
        findings.add(code, object, path, format!("the certificate at {place} {told}"), "renew it");
    }
    if facts.is_authority {
        let message = format!("the certificate at {place} is that of an authority, which strict clients refuse here");
        findings.add(AUTHORITY, object, path, message, "let the authority sign one without CA:TRUE for these hosts");
    }
}

/// When the last part of a certificate's life begins, in which it should be renewed: 30 days, and of shorter lives a
/// sixth.
pub(crate) fn last_part(facts: &Facts) -> SystemTime {
    let life = facts.not_after.duration_since(facts.not_before).unwrap_or_default();
    facts.not_after.checked_sub(SOON.min(life / 6)).unwrap_or(facts.not_after)
}

fn date(time: SystemTime) -> String {
    // It can't say what was before.
    humantime::format_rfc3339_seconds(time.max(UNIX_EPOCH)).to_string()
}
