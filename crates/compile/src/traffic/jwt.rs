//! `RequestAuthentication`.

use std::time::Duration;

use ripstop_api::istio;
use ripstop_model::{JwtKeys, JwtLocations, JwtRule, RequestAuthentication};

use super::{named, nonempty, object_id, rule_id, target, texts};
use crate::Declared;

/// Which JWTs are accepted.
pub(crate) fn compile(declared: &Declared, written: &istio::RequestAuthentication) -> RequestAuthentication {
    let (namespace, name) = named(&declared.object);
    RequestAuthentication {
        id: object_id(declared),
        target: target(written.selector.as_ref(), written.target_ref.as_ref(), &written.target_refs),
        rules: written.jwt_rules.iter().enumerate().map(|(index, written)| rule(declared, written, index)).collect(),
        namespace,
        name,
    }
}

fn rule(declared: &Declared, written: &istio::JwtRule, index: usize) -> JwtRule {
    JwtRule {
        id: rule_id(declared, &format!("spec.jwtRules[{index}]")),
        issuer: written.issuer.as_str().into(),
        audiences: texts(&written.audiences),
        keys: match (nonempty(&written.jwks), nonempty(&written.jwks_uri)) {
            (Some(keys), _) => JwtKeys::Inline(keys),
            (None, Some(uri)) => JwtKeys::Uri(uri),
            (None, None) => JwtKeys::Discovery,
        },
        locations: JwtLocations {
            headers: written
                .from_headers
                .iter()
                .map(|header| (header.name.to_ascii_lowercase().into(), header.prefix.as_str().into()))
                .collect(),
            params: texts(&written.from_params),
            cookies: texts(&written.from_cookies),
        },
        forward: written.forward_original_token,
        payload_header: nonempty(&written.output_payload_to_header),
        claim_headers: written
            .output_claim_to_headers
            .iter()
            .map(|claim| (claim.header.to_ascii_lowercase().into(), claim.claim.as_str().into()))
            .collect(),
        timeout: written.timeout.unwrap_or(Duration::from_secs(5)),
        space_delimited: texts(&written.space_delimited_claims),
    }
}
