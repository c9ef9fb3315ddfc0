//! Which JWTs are accepted, named `<namespace>/<name>`.

use bytes::Bytes;
use ripstop_model::{JwtKeys, JwtLocations, JwtRule, RequestAuthentication, RuleId};

use super::{
    slashed,
    value::{duration_to_wire, pairs_from_wire, pairs_to_wire, set_duration, text_from_wire, text_to_wire},
};
use crate::{
    DecodeError, Encoded,
    field::{Context, shared, texts},
    place::Place,
    ripstop::{self, jwt_rule::Keys},
    target::Target,
    type_url,
};

pub(super) fn encode(object: &RequestAuthentication) -> Encoded {
    let Target { selector, attached, targets } = Target::of(&object.target);
    let message = ripstop::RequestAuthentication {
        id: object.id.to_string(),
        namespace: object.namespace.to_string(),
        name: object.name.to_string(),
        selector,
        attached,
        targets,
        rules: object.rules.iter().map(rule_to_wire).collect(),
    };
    Encoded::new(type_url::REQUEST_AUTHENTICATION, slashed(&object.namespace, &object.name), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<RequestAuthentication, DecodeError> {
    let context = Context::new(type_url::REQUEST_AUTHENTICATION, name);
    let message: ripstop::RequestAuthentication = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.name))?;
    let place = Place::new(context);
    let target = Target { selector: message.selector, attached: message.attached, targets: message.targets };
    Ok(RequestAuthentication {
        id: RuleId(context.required("id", message.id)?),
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        target: target.into_model(&place)?,
        rules: place.field("rules").all(message.rules, rule_from_wire)?,
    })
}

fn rule_to_wire(rule: &JwtRule) -> ripstop::JwtRule {
    let keys = match &rule.keys {
        JwtKeys::Inline(set) => Keys::Inline(set.to_string()),
        JwtKeys::Uri(uri) => Keys::Uri(uri.to_string()),
        JwtKeys::Discovery => Keys::Discovery(true),
    };
    ripstop::JwtRule {
        id: rule.id.to_string(),
        issuer: rule.issuer.to_string(),
        audiences: texts(&rule.audiences),
        keys: Some(keys),
        headers: pairs_to_wire(&rule.locations.headers),
        params: texts(&rule.locations.params),
        cookies: texts(&rule.locations.cookies),
        forward: rule.forward,
        payload_header: text_to_wire(rule.payload_header.as_ref()),
        claim_headers: pairs_to_wire(&rule.claim_headers),
        timeout: Some(duration_to_wire(rule.timeout)),
        space_delimited: texts(&rule.space_delimited),
    }
}

fn rule_from_wire(place: &Place<'_>, rule: ripstop::JwtRule) -> Result<JwtRule, DecodeError> {
    Ok(JwtRule {
        id: RuleId(place.field("id").required(rule.id)?),
        issuer: rule.issuer.into(),
        audiences: shared(rule.audiences),
        keys: match place.field("keys").set(rule.keys)? {
            Keys::Inline(set) => JwtKeys::Inline(set.into()),
            Keys::Uri(uri) => JwtKeys::Uri(uri.into()),
            Keys::Discovery(_) => JwtKeys::Discovery,
        },
        locations: JwtLocations {
            headers: pairs_from_wire(rule.headers),
            params: shared(rule.params),
            cookies: shared(rule.cookies),
        },
        forward: rule.forward,
        payload_header: text_from_wire(rule.payload_header),
        claim_headers: pairs_from_wire(rule.claim_headers),
        timeout: set_duration(&place.field("timeout"), rule.timeout)?,
        space_delimited: shared(rule.space_delimited),
    })
}

#[cfg(test)]
pub(super) mod tests;
