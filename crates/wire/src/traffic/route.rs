//! Routes, named `<namespace>/<name>`.

mod http;
mod retry;

use bytes::Bytes;
use ripstop_model::{
    BackendRef, ConnectionMatch, ConnectionRule, GatewayName, HeaderOperations, RouteTable, RuleId, Selector,
    SourceMatch, WeightedBackend,
};

pub(super) use self::retry::{retry_from_wire, retry_to_wire};
use super::{
    slashed,
    value::{hosts_from_wire, hosts_to_wire, text_from_wire, text_to_wire, visibility_from_wire, visibility_to_wire},
};
use crate::{
    DecodeError, Encoded,
    field::{self, Context, labels_from_wire, labels_to_wire},
    place::Place,
    ripstop, type_url,
};

pub(super) fn encode(table: &RouteTable) -> Encoded {
    let message = ripstop::RouteTable {
        id: table.id.to_string(),
        namespace: table.namespace.to_string(),
        name: table.name.to_string(),
        created: table.created,
        hosts: hosts_to_wire(&table.hosts),
        gateways: table.gateways.iter().map(gateway_to_wire).collect(),
        visibility: visibility_to_wire(&table.visibility),
        http: table.http.iter().map(http::to_wire).collect(),
        tls: table.tls.iter().map(connection_to_wire).collect(),
        tcp: table.tcp.iter().map(connection_to_wire).collect(),
    };
    Encoded::new(type_url::ROUTE_TABLE, slashed(&table.namespace, &table.name), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<RouteTable, DecodeError> {
    let context = Context::new(type_url::ROUTE_TABLE, name);
    let message: ripstop::RouteTable = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.name))?;
    let place = Place::new(context);
    Ok(RouteTable {
        id: RuleId(context.required("id", message.id)?),
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        created: message.created,
        hosts: hosts_from_wire(&place.field("hosts"), message.hosts)?,
        gateways: message.gateways.into_iter().map(gateway_from_wire).collect(),
        visibility: visibility_from_wire(&place.field("visibility"), message.visibility)?,
        http: place.field("http").all(message.http, http::from_wire)?,
        tls: place.field("tls").all(message.tls, connection_from_wire)?,
        tcp: place.field("tcp").all(message.tcp, connection_from_wire)?,
    })
}

fn gateway_to_wire(gateway: &GatewayName) -> ripstop::GatewayName {
    match gateway {
        GatewayName::Mesh => ripstop::GatewayName { mesh: true, ..ripstop::GatewayName::default() },
        GatewayName::Named((namespace, name)) => {
            ripstop::GatewayName { mesh: false, namespace: namespace.to_string(), name: name.to_string() }
        }
    }
}

fn gateway_from_wire(gateway: ripstop::GatewayName) -> GatewayName {
    if gateway.mesh { GatewayName::Mesh } else { GatewayName::Named((gateway.namespace.into(), gateway.name.into())) }
}

fn connection_to_wire(rule: &ConnectionRule) -> ripstop::ConnectionRule {
    ripstop::ConnectionRule {
        id: rule.id.to_string(),
        matches: rule.matches.iter().map(match_to_wire).collect(),
        backends: rule.backends.iter().map(weighted_to_wire).collect(),
    }
}

fn connection_from_wire(place: &Place<'_>, rule: ripstop::ConnectionRule) -> Result<ConnectionRule, DecodeError> {
    Ok(ConnectionRule {
        id: RuleId(place.field("id").required(rule.id)?),
        matches: place.field("matches").all(rule.matches, match_from_wire)?,
        backends: place.field("backends").all(rule.backends, weighted_from_wire)?,
    })
}

fn match_to_wire(written: &ConnectionMatch) -> ripstop::ConnectionMatch {
    ripstop::ConnectionMatch {
        path: written.path.to_string(),
        sni: hosts_to_wire(&written.sni),
        destinations: written.destinations.iter().map(ToString::to_string).collect(),
        port: written.port.map(u32::from),
        source: source_to_wire(&written.source),
    }
}

fn match_from_wire(place: &Place<'_>, written: ripstop::ConnectionMatch) -> Result<ConnectionMatch, DecodeError> {
    Ok(ConnectionMatch {
        path: written.path.into(),
        sni: hosts_from_wire(&place.field("sni"), written.sni)?,
        destinations: place.field("destinations").all(written.destinations, |place, text| place.parsed(&text))?,
        port: port_from_wire(place, written.port)?,
        source: source_from_wire(written.source),
    })
}

/// The field `port` of a message.
fn port_from_wire(message: &Place<'_>, port: Option<u32>) -> Result<Option<u16>, DecodeError> {
    port.map(|port| message.field("port").short(port)).transpose()
}

fn source_to_wire(source: &SourceMatch) -> Option<ripstop::SourceMatch> {
    (*source != SourceMatch::default()).then(|| ripstop::SourceMatch {
        labels: labels_to_wire(&source.labels.0),
        namespace: text_to_wire(source.namespace.as_ref()),
        gateways: source.gateways.iter().map(gateway_to_wire).collect(),
    })
}

fn source_from_wire(source: Option<ripstop::SourceMatch>) -> SourceMatch {
    let source = source.unwrap_or_default();
    SourceMatch {
        labels: Selector(labels_from_wire(source.labels)),
        namespace: text_from_wire(source.namespace),
        gateways: source.gateways.into_iter().map(gateway_from_wire).collect(),
    }
}

fn weighted_to_wire(weighted: &WeightedBackend) -> ripstop::WeightedBackend {
    ripstop::WeightedBackend {
        backend: Some(backend_to_wire(&weighted.backend)),
        weight: weighted.weight,
        request_headers: headers_to_wire(&weighted.request_headers),
        response_headers: headers_to_wire(&weighted.response_headers),
        authority: text_to_wire(weighted.authority.as_ref()),
        path: weighted.path.to_string(),
    }
}

fn weighted_from_wire(place: &Place<'_>, weighted: ripstop::WeightedBackend) -> Result<WeightedBackend, DecodeError> {
    Ok(WeightedBackend {
        backend: backend_from_wire(&place.field("backend"), weighted.backend)?,
        weight: weighted.weight,
        request_headers: headers_from_wire(weighted.request_headers),
        response_headers: headers_from_wire(weighted.response_headers),
        authority: text_from_wire(weighted.authority),
        path: weighted.path.into(),
    })
}

pub(super) fn backend_to_wire(backend: &BackendRef) -> ripstop::BackendRef {
    ripstop::BackendRef {
        host: backend.host.to_string(),
        subset: text_to_wire(backend.subset.as_ref()),
        port: backend.port.map(u32::from),
    }
}

pub(super) fn backend_from_wire(
    place: &Place<'_>,
    backend: Option<ripstop::BackendRef>,
) -> Result<BackendRef, DecodeError> {
    let backend = place.set(backend)?;
    Ok(BackendRef {
        host: backend.host.into(),
        subset: text_from_wire(backend.subset),
        port: port_from_wire(place, backend.port)?,
    })
}

fn headers_to_wire(headers: &HeaderOperations) -> Option<ripstop::HeaderOperations> {
    (*headers != HeaderOperations::default()).then(|| ripstop::HeaderOperations {
        set: labels_to_wire(&headers.set),
        add: labels_to_wire(&headers.add),
        remove: field::texts(&headers.remove),
    })
}

fn headers_from_wire(headers: Option<ripstop::HeaderOperations>) -> HeaderOperations {
    let headers = headers.unwrap_or_default();
    HeaderOperations {
        set: labels_from_wire(headers.set),
        add: labels_from_wire(headers.add),
        remove: field::shared(headers.remove),
    }
}

#[cfg(test)]
pub(super) mod tests;
