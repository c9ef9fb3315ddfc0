//! Certificates that have ended, or soon will.

use std::time::SystemTime;

use ripstop_api::{Object, finding::Code};
use ripstop_pem::Facts;

use super::{Mesh, SOON};
use crate::finding::{Findings, error, warning};

/// Codes of this rule.
pub(crate) const CODES: &[Code] = &[NOT_VALID, ENDS_SOON, AUTHORITY];

const NOT_VALID: Code = error("RS250", "a certificate that TLS is to be made with has expired, or is not valid yet");
const ENDS_SOON: Code = warning("RS251", "a certificate that TLS is to be made with expires within 30 days");
const AUTHORITY: Code = warning("RS253", "TLS is to be made with the certificate of an authority");

/// What is told at `path` of `object` about the certificate that stands at `place`.
pub(super) fn check(mesh: &Mesh<'_>, facts: &Facts, place: &str, object: &Object, path: &str, findings: &mut Findings) {
    let told = if mesh.now >= facts.not_after {
        Some((NOT_VALID, format!("expired at {}: nobody believes it", date(facts.not_after))))
    } else if mesh.now < facts.not_before {
        Some((NOT_VALID, format!("is not valid before {}: nobody believes it", date(facts.not_before))))
    } else if mesh.now + SOON >= facts.not_after {
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

fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
