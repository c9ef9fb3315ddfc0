//! `Sidecar`.

use std::sync::Arc;

use ripstop_api::istio;
use ripstop_model::{
    BackendRef, CallerScope, EgressScope, HostPattern, ImportedHost, IngressScope, OutboundPolicy, Selector,
};

use super::{Naming, backend::connection_pool, named, nonempty, object_id};
use crate::{Declared, declare::labels, protocol::protocol_named};

/// What callers know.
pub(crate) fn compile(declared: &Declared, written: &istio::Sidecar, naming: &Naming) -> CallerScope {
    let (namespace, name) = named(&declared.object);
    let selector = written.workload_selector.as_ref().map(|selector| Selector(labels(&selector.labels.0)));
    CallerScope {
        id: object_id(declared),
        selector: selector.unwrap_or_default(),
        egress: (!written.egress.is_empty())
            .then(|| written.egress.iter().map(|egress| self::egress(egress, &namespace)).collect()),
        ingress: written.ingress.iter().filter_map(ingress).collect(),
        outbound: written.outbound_traffic_policy.as_ref().map(|policy| match policy.mode {
            istio::OutboundMode::RegistryOnly => OutboundPolicy::RegistryOnly,
            istio::OutboundMode::AllowAny => OutboundPolicy::AllowAny,
        }),
        egress_proxy: written.outbound_traffic_policy.as_ref().and_then(|policy| policy.egress_proxy.as_ref()).map(
            |proxy| BackendRef {
                host: naming.name(&proxy.host, &namespace).into(),
                subset: nonempty(&proxy.subset),
                port: proxy.port.as_ref().and_then(|port| port.number),
            },
        ),
        inbound_pool: written.inbound_connection_pool.as_ref().map(|pool| Arc::new(connection_pool(pool))),
        created: declared.created,
        namespace,
        name,
    }
}

fn egress(written: &istio::EgressListener, own: &Arc<str>) -> EgressScope {
    let mut scope = EgressScope {
        port: written.port.as_ref().and_then(|port| port.number),
        hosts: Vec::new(),
        without: Vec::new(),
    };
    for text in &written.hosts {
        let Some((namespace, host)) = text.split_once('/') else { continue };
        let host = HostPattern::new(host);
        match namespace {
            // Nobody's.
            "~" => {}
            "*" => scope.hosts.push(ImportedHost { namespace: None, host }),
            "." => scope.hosts.push(ImportedHost { namespace: Some(own.clone()), host }),
            _ => match namespace.strip_prefix('~') {
                Some("*") => scope.without.push(ImportedHost { namespace: None, host }),
                Some(".") => scope.without.push(ImportedHost { namespace: Some(own.clone()), host }),
                Some(namespace) => scope.without.push(ImportedHost { namespace: Some(namespace.into()), host }),
                None => scope.hosts.push(ImportedHost { namespace: Some(namespace.into()), host }),
            },
        }
    }
    scope
}

fn ingress(written: &istio::IngressListener) -> Option<IngressScope> {
    let port = written.port.as_ref()?;
    Some(IngressScope {
        port: port.number?,
        protocol: protocol_named(&port.protocol),
        endpoint: nonempty(&written.default_endpoint),
        pool: written.connection_pool.as_ref().map(|pool| Arc::new(connection_pool(pool))),
    })
}
