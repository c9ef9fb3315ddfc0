//! Settings of single proxies, named `<namespace>/<name>`.

use bytes::Bytes;
use ripstop_model::{ProxySettings, RuleId, Selector};

use super::slashed;
use crate::{
    DecodeError, Encoded,
    field::{Context, labels_from_wire, labels_to_wire},
    ripstop, type_url,
};

pub(super) fn encode(settings: &ProxySettings) -> Encoded {
    let message = ripstop::ProxySettings {
        id: settings.id.to_string(),
        namespace: settings.namespace.to_string(),
        name: settings.name.to_string(),
        selector: labels_to_wire(&settings.selector.0),
        concurrency: settings.concurrency,
        environment: labels_to_wire(&settings.environment),
        created: settings.created,
    };
    Encoded::new(type_url::PROXY_SETTINGS, slashed(&settings.namespace, &settings.name), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<ProxySettings, DecodeError> {
    let context = Context::new(type_url::PROXY_SETTINGS, name);
    let message: ripstop::ProxySettings = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.name))?;
    Ok(ProxySettings {
        id: RuleId(context.required("id", message.id)?),
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        selector: Selector(labels_from_wire(message.selector)),
        concurrency: message.concurrency,
        environment: labels_from_wire(message.environment),
        created: message.created,
    })
}

#[cfg(test)]
pub(super) mod tests;
