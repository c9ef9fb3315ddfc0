//! `Sidecar`.

use std::{net::IpAddr, sync::Arc};

use ripstop_api::istio;
use ripstop_model::{
    AppProtocol, BackendRef, CallerScope, EgressScope, HostPattern, ImportedHost, IngressScope, ListenerMode,
    OutboundPolicy, Selector, TlsParameters,
};

use super::{Naming, backend::connection_pool, edge::server_tls, named, nonempty, object_id};
use crate::{Declared, declare::labels, protocol::protocol_named};

/// What callers know, and how they listen; `tls` is what the mesh says of TLS.
pub(crate) fn compile(
    declared: &Declared,
    written: &istio::Sidecar,
    naming: &Naming,
    tls: &TlsParameters,
) -> CallerScope {
    let (namespace, name) = named(&declared.object);
    let selector = written.workload_selector.as_ref().map(|selector| Selector(labels(&selector.labels.0)));
    CallerScope {
        id: object_id(declared),
        selector: selector.unwrap_or_default(),
        egress: (!written.egress.is_empty())
            .then(|| written.egress.iter().filter_map(|egress| self::egress(egress, &namespace)).collect()),
        ingress: written.ingress.iter().filter_map(|listener| ingress(listener, tls)).collect(),
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

/// Nothing: it would be a socket of the file system.
fn egress(written: &istio::EgressListener, own: &Arc<str>) -> Option<EgressScope> {
    let number = written.port.as_ref().and_then(|port| port.number);
    if written.port.is_some() && number.is_none() {
        return None;
    }
    let bind: Option<IpAddr> = written.bind.parse().ok();
    let mut scope = EgressScope {
        port: number,
        protocol: written.port.as_ref().map_or(AppProtocol::Unknown, |port| protocol_named(&port.protocol)),
        bind,
        // What is captured has an address, and so a port.
        mode: if number.is_some() { mode(written.capture_mode, bind) } else { ListenerMode::Captured },
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
    Some(scope)
}

/// What goes to the loopback of a workload is never captured.
fn mode(written: istio::CaptureMode, bind: Option<IpAddr>) -> ListenerMode {
    match written {
        istio::CaptureMode::None => ListenerMode::Own,
        istio::CaptureMode::Default if bind.is_some_and(|bind| bind.is_loopback()) => ListenerMode::Own,
        istio::CaptureMode::Default | istio::CaptureMode::Iptables => ListenerMode::Captured,
    }
}

fn ingress(written: &istio::IngressListener, defaults: &TlsParameters) -> Option<IngressScope> {
    let port = written.port.as_ref()?;
    let bind: Option<IpAddr> = written.bind.parse().ok();
    let is_https = port.protocol.eq_ignore_ascii_case("HTTPS");
    let protocol = match (protocol_named(&port.protocol), &written.tls) {
        (AppProtocol::Tls, Some(_)) if is_https => AppProtocol::Http11,
        (AppProtocol::Tls, Some(_)) => AppProtocol::Tcp,
        (protocol, _) => protocol,
    };
    Some(IngressScope {
        port: port.number?,
        protocol,
        bind,
        mode: mode(written.capture_mode, bind),
        endpoint: nonempty(&written.default_endpoint),
        tls: written.tls.as_ref().map(|tls| Arc::new(server_tls(tls, defaults))),
        pool: written.connection_pool.as_ref().map(|pool| Arc::new(connection_pool(pool))),
    })
}
