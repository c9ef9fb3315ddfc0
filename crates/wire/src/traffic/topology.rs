//! What stands before gateways, named `<namespace>/<name>` of their processes.

use bytes::Bytes;
use ripstop_model::{ForwardClientCert, GatewayTopology, RuleId, Topology};

use super::slashed;
use crate::{
    DecodeError, Encoded,
    field::Context,
    place::Place,
    ripstop::{self, topology::ClientCert},
    type_url,
};

pub(super) fn encode(topology: &GatewayTopology) -> Encoded {
    let message = ripstop::GatewayTopology {
        id: topology.id.to_string(),
        namespace: topology.namespace.to_string(),
        name: topology.name.to_string(),
        topology: Some(topology_to_wire(topology.topology)),
    };
    Encoded::new(type_url::GATEWAY_TOPOLOGY, slashed(&topology.namespace, &topology.name), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<GatewayTopology, DecodeError> {
    let context = Context::new(type_url::GATEWAY_TOPOLOGY, name);
    let message: ripstop::GatewayTopology = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.name))?;
    let place = Place::new(context);
    let place = place.field("topology");
    let topology = place.set(message.topology)?;
    Ok(GatewayTopology {
        id: RuleId(context.required("id", message.id)?),
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        topology: topology_from_wire(&place, &topology)?,
    })
}

pub(super) fn topology_to_wire(topology: Topology) -> ripstop::Topology {
    let client_cert = match topology.client_cert {
        None => ClientCert::Unset,
        Some(ForwardClientCert::Sanitize) => ClientCert::Sanitize,
        Some(ForwardClientCert::ForwardOnly) => ClientCert::ForwardOnly,
        Some(ForwardClientCert::AppendForward) => ClientCert::AppendForward,
        Some(ForwardClientCert::SanitizeSet) => ClientCert::SanitizeSet,
        Some(ForwardClientCert::AlwaysForwardOnly) => ClientCert::AlwaysForwardOnly,
    };
    ripstop::Topology {
        trusted_proxies: topology.trusted_proxies,
        proxy_protocol: topology.proxy_protocol,
        client_cert: client_cert.into(),
    }
}

pub(super) fn topology_from_wire(place: &Place<'_>, topology: &ripstop::Topology) -> Result<Topology, DecodeError> {
    Ok(Topology {
        trusted_proxies: topology.trusted_proxies,
        proxy_protocol: topology.proxy_protocol,
        client_cert: match place.field("client_cert").enumerated(topology.client_cert)? {
            ClientCert::Unset => None,
            ClientCert::Sanitize => Some(ForwardClientCert::Sanitize),
            ClientCert::ForwardOnly => Some(ForwardClientCert::ForwardOnly),
            ClientCert::AppendForward => Some(ForwardClientCert::AppendForward),
            ClientCert::SanitizeSet => Some(ForwardClientCert::SanitizeSet),
            ClientCert::AlwaysForwardOnly => Some(ForwardClientCert::AlwaysForwardOnly),
        },
    })
}

#[cfg(test)]
pub(super) mod tests;
