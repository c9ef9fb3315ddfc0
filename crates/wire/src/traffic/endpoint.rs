//! Endpoints that no process stands for: inside a host's entry, or objects named `<namespace>/<name>`.

use bytes::Bytes;
use ripstop_model::{EndpointAddress, ObjectName, RuleId, StaticEndpoint};

use super::{
    slashed,
    value::{text_from_wire, text_to_wire},
};
use crate::{
    DecodeError, Encoded,
    field::{Context, labels_from_wire, labels_to_wire},
    place::Place,
    ripstop::{self, static_endpoint::Address},
    type_url,
};

/// The endpoint that is the object `name`.
pub(super) fn encode((namespace, name): &ObjectName, endpoint: &StaticEndpoint) -> Encoded {
    let message = ripstop::DeclaredEndpoint {
        namespace: namespace.to_string(),
        name: name.to_string(),
        endpoint: Some(to_wire(endpoint)),
    };
    Encoded::new(type_url::DECLARED_ENDPOINT, slashed(namespace, name), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<StaticEndpoint, DecodeError> {
    let context = Context::new(type_url::DECLARED_ENDPOINT, name);
    let message: ripstop::DeclaredEndpoint = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.name))?;
    let place = Place::new(context);
    let endpoint = place.field("endpoint");
    from_wire(&endpoint, endpoint.set(message.endpoint)?)
}

pub(super) fn to_wire(endpoint: &StaticEndpoint) -> ripstop::StaticEndpoint {
    let address = match &endpoint.address {
        EndpointAddress::Ip(address) => Address::Ip(address.to_string()),
        EndpointAddress::Name(host) => Address::Host(host.to_string()),
        EndpointAddress::Unix(path) => Address::Unix(path.to_string()),
        EndpointAddress::Network => Address::Network(true),
    };
    ripstop::StaticEndpoint {
        id: endpoint.id.to_string(),
        namespace: endpoint.namespace.to_string(),
        address: Some(address),
        ports: endpoint.ports.iter().map(|(name, port)| (name.to_string(), u32::from(*port))).collect(),
        labels: labels_to_wire(&endpoint.labels),
        network_name: endpoint.network.to_string(),
        locality: endpoint.locality.to_string(),
        weight: endpoint.weight,
        service_account: text_to_wire(endpoint.service_account.as_ref()),
    }
}

pub(super) fn from_wire(place: &Place<'_>, endpoint: ripstop::StaticEndpoint) -> Result<StaticEndpoint, DecodeError> {
    let address = place.field("address");
    Ok(StaticEndpoint {
        id: RuleId(place.field("id").required(endpoint.id)?),
        namespace: place.field("namespace").required(endpoint.namespace)?,
        address: match address.set(endpoint.address)? {
            Address::Ip(text) => EndpointAddress::Ip(address.parsed(&text)?),
            Address::Host(host) => EndpointAddress::Name(host.into()),
            Address::Unix(path) => EndpointAddress::Unix(path.into()),
            Address::Network(_) => EndpointAddress::Network,
        },
        ports: place
            .field("ports")
            .each(endpoint.ports, |place, name, port| Ok((name.as_str().into(), place.short(port)?)))?,
        labels: labels_from_wire(endpoint.labels),
        network: endpoint.network_name.into(),
        locality: endpoint.locality.into(),
        weight: endpoint.weight,
        service_account: text_from_wire(endpoint.service_account),
    })
}

#[cfg(test)]
pub(super) mod tests;
