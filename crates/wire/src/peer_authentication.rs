//! `PeerAuthentication`s, named `<namespace>/<name>`.

use std::sync::Arc;

use bytes::Bytes;
use ripstop_model::{MtlsMode, PeerAuthentication, RuleId, Selector};

use crate::{
    DecodeError, Encoded,
    field::{self, Context},
    ripstop, type_url,
};

/// The resource of a policy.
pub fn encode_peer_authentication(policy: &PeerAuthentication) -> Encoded {
    let message = ripstop::PeerAuthentication {
        id: policy.id.to_string(),
        namespace: policy.namespace.to_string(),
        name: policy.name.to_string(),
        selector: field::labels_to_wire(&policy.selector.0),
        mode: mode_to_wire(policy.mode).into(),
        ports: policy.ports.iter().map(|(port, mode)| (u32::from(*port), mode_to_wire(*mode).into())).collect(),
        created: policy.created,
    };
    Encoded::new(type_url::PEER_AUTHENTICATION, format!("{}/{}", policy.namespace, policy.name), &message)
}

/// Decodes the resource `name`.
pub fn decode(name: &str, body: &Bytes) -> Result<PeerAuthentication, DecodeError> {
    let context = Context::new(type_url::PEER_AUTHENTICATION, name);
    let message: ripstop::PeerAuthentication = context.message(body)?;
    context.named(&format!("{}/{}", message.namespace, message.name))?;
    let mut ports = std::collections::BTreeMap::new();
    for (number, mode) in message.ports {
        let field = format!("ports[{number}]");
        ports.insert(context.port(&field, number)?, mode_from_wire(context, &field, mode)?);
    }
    Ok(PeerAuthentication {
        id: RuleId(context.required("id", message.id)?),
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        selector: Selector(field::labels_from_wire(message.selector)),
        mode: mode_from_wire(context, "mode", message.mode)?,
        ports,
        created: message.created,
    })
}

/// Reads namespace and name from the name of a resource.
pub fn decode_name(name: &str) -> Result<(Arc<str>, Arc<str>), DecodeError> {
    Context::new(type_url::PEER_AUTHENTICATION, name).object_name()
}

pub(crate) fn mode_to_wire(mode: Option<MtlsMode>) -> ripstop::MtlsMode {
    match mode {
        None => ripstop::MtlsMode::Unset,
        Some(MtlsMode::Disable) => ripstop::MtlsMode::Disable,
        Some(MtlsMode::Permissive) => ripstop::MtlsMode::Permissive,
        Some(MtlsMode::Strict) => ripstop::MtlsMode::Strict,
    }
}

pub(crate) fn mode_from_wire(context: Context<'_>, field: &str, mode: i32) -> Result<Option<MtlsMode>, DecodeError> {
    Ok(match context.enumerated(field, mode)? {
        ripstop::MtlsMode::Unset => None,
        ripstop::MtlsMode::Disable => Some(MtlsMode::Disable),
        ripstop::MtlsMode::Permissive => Some(MtlsMode::Permissive),
        ripstop::MtlsMode::Strict => Some(MtlsMode::Strict),
    })
}

#[cfg(test)]
mod tests;
