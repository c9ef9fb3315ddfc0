//! Services.

use std::{net::IpAddr, sync::Arc};

use prost::Message as _;
use ripstop_model::{AppProtocol, Canary, Service, ServiceKey, ServicePort, TargetPort, WaypointCallers};

use super::{extension, waypoint};
use crate::{
    DecodeError, Encoded,
    field::{self, Context},
    place::Place,
    ripstop::ServiceExtension,
    traffic::{selector_from_wire, selector_to_wire, visibility_from_wire, visibility_to_wire},
    type_url, workload as proto,
    workload::load_balancing::HealthPolicy,
};

const EXTENSION: &str = "ripstop.dev/service";

/// The resource of a service. By its selector, proxies find only endpoints that are written down: each workload
/// names its services.
pub fn encode_service(service: &Service) -> Encoded {
    let message = proto::Address { r#type: Some(proto::address::Type::Service(to_wire(service))) };
    Encoded::new(type_url::ADDRESS, service.key.to_string(), &message)
}

fn to_wire(service: &Service) -> proto::Service {
    let names = service.ports.iter().map(|port| port.name.to_string());
    let targets = service.ports.iter().map(|port| match &port.target {
        TargetPort::Number(_) => String::new(),
        TargetPort::Name(name) => name.to_string(),
    });
    let canary = service.waypoint.as_ref().and_then(|waypoint| waypoint.canary.as_ref());
    let name_of = |part: fn(&Canary) -> &Arc<str>| canary.map(|canary| part(canary).to_string()).unwrap_or_default();
    let extension = ServiceExtension {
        headless: service.headless,
        port_names: names.collect(),
        target_names: if service.ports.iter().any(|port| matches!(port.target, TargetPort::Name(_))) {
            targets.collect()
        } else {
            Vec::new()
        },
        visibility: visibility_to_wire(&service.visibility),
        selector: service.selector.as_ref().map(selector_to_wire),
        waypoint_refuses: waypoint::refuses(service.waypoint.as_ref()),
        canary_namespace: name_of(|canary| &canary.service.namespace),
        canary_hostname: name_of(|canary| &canary.service.hostname),
        canary_percent: canary.map_or(0, |canary| canary.percent.into()),
    };
    proto::Service {
        name: service.name.to_string(),
        namespace: service.key.namespace.to_string(),
        hostname: service.key.hostname.to_string(),
        addresses: service
            .addresses
            .iter()
            .map(|address| proto::NetworkAddress {
                network: String::new(),
                address: field::address_bytes(*address),
                length: None,
            })
            .collect(),
        ports: service.ports.iter().map(port_to_wire).collect(),
        subject_alt_names: service.subject_alt_names.iter().map(ToString::to_string).collect(),
        load_balancing: service.publish_not_ready.then(|| proto::LoadBalancing {
            health_policy: HealthPolicy::AllowAll.into(),
            ..proto::LoadBalancing::default()
        }),
        extensions: vec![proto::Extension {
            name: EXTENSION.to_owned(),
            config: Some(proto::Any {
                type_url: type_url::SERVICE_EXTENSION.to_owned(),
                value: extension.encode_to_vec().into(),
            }),
        }],
        canonical: true,
        waypoint: service.waypoint.as_ref().map(waypoint::to_wire),
        ingress_use_waypoint: service
            .waypoint
            .as_ref()
            .is_some_and(|waypoint| waypoint.callers == WaypointCallers::WorkloadsAndGateways),
        ..proto::Service::default()
    }
}

fn port_to_wire(port: &ServicePort) -> proto::Port {
    let protocol = match port.protocol {
        AppProtocol::Unknown => proto::AppProtocol::Unknown,
        AppProtocol::Http11 => proto::AppProtocol::Http11,
        AppProtocol::Http2 => proto::AppProtocol::Http2,
        AppProtocol::Grpc => proto::AppProtocol::Grpc,
        AppProtocol::Tcp => proto::AppProtocol::Tcp,
        AppProtocol::Tls => proto::AppProtocol::Tls,
    };
    proto::Port {
        service_port: port.port.into(),
        target_port: match port.target {
            TargetPort::Number(number) => number.into(),
            // As istiod does: each workload's own port list says where it leads.
            TargetPort::Name(_) => 0,
        },
        app_protocol: protocol.into(),
    }
}

/// The model's service. A foreign one is headless when it has no addresses, and its ports have no
/// names.
pub(super) fn decode(context: Context<'_>, message: proto::Service) -> Result<Service, DecodeError> {
    let namespace = context.required("service.namespace", message.namespace)?;
    let hostname = context.required("service.hostname", message.hostname)?;
    context.named(&format!("{namespace}/{hostname}"))?;
    let mut addresses = Vec::with_capacity(message.addresses.len());
    for (i, address) in message.addresses.iter().enumerate() {
        let ip = context.address(&format!("service.addresses[{i}]"), &address.address)?;
        // A block (ServiceEntry with a CIDR) is no address that anybody could be handed.
        if address.length.is_none_or(|length| length >= full_length(ip)) {
            addresses.push(ip);
        }
    }
    let own = match extension(&message.extensions, EXTENSION, type_url::SERVICE_EXTENSION) {
        Some(body) => Some(context.message::<ServiceExtension>(body)?),
        None => None,
    };
    let headless = own.as_ref().map_or(message.addresses.is_empty(), |own| own.headless);
    let own = own.unwrap_or_default();
    let at = |list: &[String], i: usize| list.get(i).map_or("", String::as_str).to_owned();
    let ports = message
        .ports
        .iter()
        .enumerate()
        .map(|(i, port)| decode_port(context, i, *port, &at(&own.port_names, i), &at(&own.target_names, i)))
        .collect::<Result<_, _>>()?;
    let publish_not_ready = match message.load_balancing {
        Some(balancing) => match context.enumerated("service.load_balancing.health_policy", balancing.health_policy)? {
            HealthPolicy::AllowAll => true,
            HealthPolicy::OnlyHealthy => false,
        },
        None => false,
    };
    let canary = waypoint::canary(&own.canary_namespace, &own.canary_hostname, own.canary_percent);
    let callers =
        if message.ingress_use_waypoint { WaypointCallers::WorkloadsAndGateways } else { WaypointCallers::Workloads };
    let waypoint = message
        .waypoint
        .map(|message| waypoint::from_wire(context, "service", message, callers, own.waypoint_refuses, canary));
    let waypoint = waypoint.transpose()?;
    let visibility = visibility_from_wire(&Place::new(context).field("visibility"), own.visibility)?;
    Ok(Service {
        key: ServiceKey::new(namespace, &hostname),
        name: message.name.into(),
        addresses,
        ports,
        selector: own.selector.map(selector_from_wire),
        headless,
        publish_not_ready,
        subject_alt_names: message.subject_alt_names.into_iter().map(Arc::from).collect(),
        visibility,
        waypoint,
    })
}

fn decode_port(
    context: Context<'_>,
    i: usize,
    port: proto::Port,
    name: &str,
    target: &str,
) -> Result<ServicePort, DecodeError> {
    let field = |leaf: &str| format!("service.ports[{i}].{leaf}");
    let service_port = context.port(&field("service_port"), port.service_port)?;
    let target = match (target, port.target_port) {
        // Foreign: each workload says it; where none does, the number is the service's.
        ("", 0) => TargetPort::Number(service_port),
        ("", number) => TargetPort::Number(context.port(&field("target_port"), number)?),
        (name, _) => TargetPort::Name(name.into()),
    };
    let protocol = match proto::AppProtocol::try_from(port.app_protocol) {
        Ok(proto::AppProtocol::Http11) => AppProtocol::Http11,
        Ok(proto::AppProtocol::Http2) => AppProtocol::Http2,
        Ok(proto::AppProtocol::Grpc) => AppProtocol::Grpc,
        Ok(proto::AppProtocol::Tcp) => AppProtocol::Tcp,
        Ok(proto::AppProtocol::Tls) => AppProtocol::Tls,
        // A protocol of a newer Istio is as good as none declared.
        Ok(proto::AppProtocol::Unknown) | Err(_) => AppProtocol::Unknown,
    };
    Ok(ServicePort { port: service_port, name: name.into(), target, protocol })
}

fn full_length(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}
