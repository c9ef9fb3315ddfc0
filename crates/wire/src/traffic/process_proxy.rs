//! What the proxies of single processes are like, named `<namespace>/<name>` of those.

use std::sync::Arc;

use bytes::Bytes;
use ripstop_model::{ProcessProxy, ProxyDefaults, ProxyHeaders, RuleId};

use super::{
    connections::{connections_from_wire, connections_to_wire},
    defaults::{headers_from_wire, headers_to_wire},
    slashed,
    topology::{topology_from_wire, topology_to_wire},
    value::{duration_to_wire, maybe_duration},
};
use crate::{DecodeError, Encoded, field::Context, place::Place, ripstop, type_url};

pub(super) fn encode(proxy: &ProcessProxy) -> Encoded {
    let settings = &proxy.settings;
    let message = ripstop::ProcessProxy {
        id: proxy.id.to_string(),
        namespace: proxy.namespace.to_string(),
        name: proxy.name.to_string(),
        topology: Some(topology_to_wire(proxy.topology)),
        concurrency: settings.concurrency,
        drain: settings.drain.map(duration_to_wire),
        farewell: settings.farewell.map(duration_to_wire),
        headers: Some(&settings.headers).filter(|headers| **headers != ProxyHeaders::default()).map(headers_to_wire),
        connections: connections_to_wire(&settings.connections),
    };
    Encoded::new(type_url::PROCESS_PROXY, slashed(&proxy.namespace, &proxy.name), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<ProcessProxy, DecodeError> {
    let context = Context::new(type_url::PROCESS_PROXY, name);
    let message: ripstop::ProcessProxy = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.name))?;
    let whole = Place::new(context);
    let place = whole.field("topology");
    let topology = place.set(message.topology)?;
    Ok(ProcessProxy {
        id: RuleId(context.required("id", message.id)?),
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        topology: topology_from_wire(&place, &topology)?,
        settings: Arc::new(ProxyDefaults {
            concurrency: message.concurrency,
            drain: maybe_duration(&whole.field("drain"), message.drain)?,
            farewell: maybe_duration(&whole.field("farewell"), message.farewell)?,
            headers: message.headers.map_or_else(ProxyHeaders::default, headers_from_wire),
            connections: connections_from_wire(&whole.field("connections"), message.connections)?,
        }),
    })
}

#[cfg(test)]
pub(super) mod tests;
