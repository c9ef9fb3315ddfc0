//! What callers know, named `<namespace>/<name>`.

use std::sync::Arc;

use bytes::Bytes;
use ripstop_model::{CallerScope, EgressScope, ImportedHost, IngressScope, ListenerMode, RuleId, Selector};

use super::{
    backend::{pool_from_wire, pool_to_wire},
    gateway::{tls_from_wire, tls_to_wire},
    route::{backend_from_wire, backend_to_wire},
    slashed,
    value::{
        outbound_from_wire, outbound_to_wire, protocol_from_wire, protocol_to_wire, scoped_from_wire, scoped_to_wire,
        text_from_wire, text_to_wire,
    },
};
use crate::{
    DecodeError, Encoded,
    field::{Context, labels_from_wire, labels_to_wire},
    place::Place,
    ripstop, type_url,
};

pub(super) fn encode(scope: &CallerScope) -> Encoded {
    let egress = |listeners: &Vec<EgressScope>| ripstop::EgressScopes {
        listeners: listeners.iter().map(egress_to_wire).collect(),
    };
    let message = ripstop::CallerScope {
        id: scope.id.to_string(),
        namespace: scope.namespace.to_string(),
        name: scope.name.to_string(),
        selector: labels_to_wire(&scope.selector.0),
        egress: scope.egress.as_ref().map(egress),
        ingress: scope.ingress.iter().map(ingress_to_wire).collect(),
        outbound: scope.outbound.map(|policy| outbound_to_wire(policy).into()),
        inbound_pool: scope.inbound_pool.as_deref().map(pool_to_wire),
        created: scope.created,
        egress_proxy: scope.egress_proxy.as_ref().map(backend_to_wire),
    };
    Encoded::new(type_url::CALLER_SCOPE, slashed(&scope.namespace, &scope.name), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<CallerScope, DecodeError> {
    let context = Context::new(type_url::CALLER_SCOPE, name);
    let message: ripstop::CallerScope = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.name))?;
    let place = Place::new(context);
    let egress = |egress: ripstop::EgressScopes| {
        place.field("egress").field("listeners").all(egress.listeners, egress_from_wire)
    };
    let outbound = |policy| outbound_from_wire(&place.field("outbound"), policy);
    let pool = |pool| pool_from_wire(&place.field("inbound_pool"), pool).map(Arc::new);
    let proxy = |proxy| backend_from_wire(&place.field("egress_proxy"), Some(proxy));
    Ok(CallerScope {
        id: RuleId(context.required("id", message.id)?),
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        selector: Selector(labels_from_wire(message.selector)),
        egress: message.egress.map(egress).transpose()?,
        ingress: place.field("ingress").all(message.ingress, ingress_from_wire)?,
        outbound: message.outbound.map(outbound).transpose()?,
        egress_proxy: message.egress_proxy.map(proxy).transpose()?,
        inbound_pool: message.inbound_pool.map(pool).transpose()?,
        created: message.created,
    })
}

fn egress_to_wire(egress: &EgressScope) -> ripstop::EgressScope {
    let hosts = |hosts: &[ImportedHost]| -> Vec<ripstop::ScopedHost> {
        hosts.iter().map(|host| scoped_to_wire(host.namespace.as_ref(), &host.host)).collect()
    };
    ripstop::EgressScope {
        port: egress.port.map(u32::from),
        protocol: protocol_to_wire(egress.protocol).into(),
        bind: egress.bind.map(|address| address.to_string()),
        own: egress.mode == ListenerMode::Own,
        hosts: hosts(&egress.hosts),
        without: hosts(&egress.without),
    }
}

fn egress_from_wire(place: &Place<'_>, egress: ripstop::EgressScope) -> Result<EgressScope, DecodeError> {
    let hosts = |field: &str, hosts: Vec<ripstop::ScopedHost>| {
        place.field(field).all(hosts, |place, host| {
            scoped_from_wire(place, host).map(|(namespace, host)| ImportedHost { namespace, host })
        })
    };
    Ok(EgressScope {
        port: egress.port.map(|port| place.field("port").short(port)).transpose()?,
        protocol: protocol_from_wire(&place.field("protocol"), egress.protocol)?,
        bind: egress.bind.map(|address| place.field("bind").parsed(&address)).transpose()?,
        mode: mode_from_wire(egress.own),
        hosts: hosts("hosts", egress.hosts)?,
        without: hosts("without", egress.without)?,
    })
}

fn ingress_to_wire(ingress: &IngressScope) -> ripstop::IngressScope {
    ripstop::IngressScope {
        port: ingress.port.into(),
        protocol: protocol_to_wire(ingress.protocol).into(),
        endpoint: text_to_wire(ingress.endpoint.as_ref()),
        bind: ingress.bind.map(|address| address.to_string()),
        own: ingress.mode == ListenerMode::Own,
        tls: ingress.tls.as_deref().map(tls_to_wire),
        pool: ingress.pool.as_deref().map(pool_to_wire),
    }
}

fn ingress_from_wire(place: &Place<'_>, ingress: ripstop::IngressScope) -> Result<IngressScope, DecodeError> {
    let pool = |pool| pool_from_wire(&place.field("pool"), pool).map(Arc::new);
    let tls = |tls| tls_from_wire(&place.field("tls"), tls).map(Arc::new);
    Ok(IngressScope {
        port: place.field("port").short(ingress.port)?,
        protocol: protocol_from_wire(&place.field("protocol"), ingress.protocol)?,
        bind: ingress.bind.map(|address| place.field("bind").parsed(&address)).transpose()?,
        mode: mode_from_wire(ingress.own),
        endpoint: text_from_wire(ingress.endpoint),
        tls: ingress.tls.map(tls).transpose()?,
        pool: ingress.pool.map(pool).transpose()?,
    })
}

fn mode_from_wire(own: bool) -> ListenerMode {
    if own { ListenerMode::Own } else { ListenerMode::Captured }
}

#[cfg(test)]
pub(super) mod tests;
