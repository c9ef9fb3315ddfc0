//! Keys and certificates of gateways, named `<namespace>/<name>`.

use bytes::Bytes;
use ripstop_model::Credential;

use crate::{DecodeError, Encoded, field::Context, ripstop, type_url};

/// The resource of a credential.
pub fn encode_credential(credential: &Credential) -> Encoded {
    let Credential { namespace, name, chain, key, authorities, revocations } = credential;
    let message = ripstop::Credential {
        namespace: namespace.to_string(),
        name: name.to_string(),
        chain: Bytes::copy_from_slice(chain),
        key: Bytes::copy_from_slice(key),
        authorities: Bytes::copy_from_slice(authorities),
        revocations: Bytes::copy_from_slice(revocations),
    };
    Encoded::new(type_url::CREDENTIAL, format!("{namespace}/{name}"), &message)
}

/// Decodes the resource `name`.
pub fn decode(name: &str, body: &Bytes) -> Result<Credential, DecodeError> {
    let context = Context::new(type_url::CREDENTIAL, name);
    let message: ripstop::Credential = context.message(body)?;
    context.named(&format!("{}/{}", message.namespace, message.name))?;
    Ok(Credential {
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        chain: message.chain[..].into(),
        key: message.key[..].into(),
        authorities: message.authorities[..].into(),
        revocations: message.revocations[..].into(),
    })
}

#[cfg(test)]
mod tests;
