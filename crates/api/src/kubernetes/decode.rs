//! Kubernetes' kinds from the tree.

use std::collections::HashMap;

use super::{ConfigMap, IntOrName, Secret, Service, ServicePort, Transport};
use crate::{
    decode::{Decoder, Field, Record, Spelling, last, quoted},
    finding::code,
    names,
    tree::{Scalar, Type},
};

/// `spec` of a `Service`.
pub(crate) fn service(decoder: &mut Decoder<'_>, root: &mut Record<'_>) -> Service {
    let mut service = Service::default();
    let Some(mut spec) = root.record(decoder, "spec") else {
        if root.field.node.get("spec").is_none_or(crate::tree::Node::is_null) {
            decoder.missing(root, "spec", "");
        }
        return service;
    };
    let kind = service_type(decoder, &mut spec);
    if let Some(field) = spec.structure(decoder, "selector") {
        service.selector = Some(decoder.labels(&field, "a label", names::label_value));
    }
    cluster_ip(decoder, &mut spec, &mut service);
    if let Some(field) = spec.get(decoder, "publishNotReadyAddresses") {
        service.publish_not_ready = decoder.boolean(&field).unwrap_or_default();
    }
    let optional = service.headless || kind == ServiceType::ExternalName;
    match spec.structure(decoder, "ports") {
        Some(field) if !optional && field.is_empty_list() => {
            decoder.report(code::MISSING, &field, "`ports` is empty", PORTS_REQUIRED);
        }
        Some(field) => service.ports = ports(decoder, &field),
        None if optional => {}
        None => decoder.missing(&spec, "ports", PORTS_REQUIRED),
    }
    spec.not_acted_on(decoder, &NOT_ACTED_ON);
    spec.finish(decoder);
    service
}

/// Top-level fields of a `ServiceAccount`.
pub(crate) fn service_account(decoder: &mut Decoder<'_>, root: &mut Record<'_>) {
    root.not_acted_on(decoder, &["secrets", "imagePullSecrets", "automountServiceAccountToken"]);
}

/// `spec` of a `Namespace`: its finalizers belong to the API server.
pub(crate) fn namespace(root: &mut Record<'_>) {
    root.silent(&["spec"]);
}

/// Top-level fields of a `Secret`.
pub(crate) fn secret(decoder: &mut Decoder<'_>, root: &mut Record<'_>) -> Secret {
    Secret::decode(decoder, root)
}

/// Top-level fields of a `ConfigMap`.
pub(crate) fn config_map(decoder: &mut Decoder<'_>, root: &mut Record<'_>) -> ConfigMap {
    ConfigMap::decode(decoder, root)
}

/// A port by number or name.
pub(crate) fn int_or_name(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<IntOrName> {
    match field.node.scalar().map(Scalar::kind) {
        Some(Type::Text) => {
            let text = decoder.text(field)?;
            if matches!(Type::of(text), Type::Integer(_)) {
                decoder.wrong_type(field, "a number or a name", "remove the quotes");
                return None;
            }
            decoder.name(field, "the name of a port", names::port_name).map(|name| IntOrName::Name(name.to_owned()))
        }
        Some(Type::Integer(_)) => decoder.port(field).map(IntOrName::Int),
        _ => {
            decoder.wrong_type(field, "a number or a name", "");
            None
        }
    }
}

/// `protocol`.
pub(crate) fn transport(decoder: &mut Decoder<'_>, record: &mut Record<'_>) -> Option<Transport> {
    let Some(field) = record.get(decoder, "protocol") else { return Some(Transport::default()) };
    if field.node.text() == Some("SCTP") {
        decoder.report(code::UNSUPPORTED_VALUE, &field, "`SCTP` is not supported", "write `TCP` or `UDP`");
        return None;
    }
    decoder.one_of(&field, &[("TCP", Transport::Tcp), ("UDP", Transport::Udp)])
}

/// Reports each name, and each number of one protocol, that was there before. `fields` are the items' places.
pub(crate) fn check_repeated<'p>(
    decoder: &mut Decoder<'_>,
    ports: impl Iterator<Item = (&'p Field<'p>, &'p str, u16, Transport)>,
    number: &str,
) {
    let (mut names, mut numbers) = (HashMap::new(), HashMap::new());
    for (field, name, port, protocol) in ports {
        let at = |key: &str| field.node.get(key).map_or(field.node.mark, |node| node.mark);
        if !name.is_empty()
            && let Some(first) = names.insert(name, at("name"))
        {
            let message = format!("the port name {} is given twice, first in line {}", quoted(name), first.line);
            let path = format!("{}.name", field.path);
            decoder.report_at(code::REPEATED_ITEM, &path, at("name"), message, "give each port its own name");
            names.insert(name, first);
        }
        if let Some(first) = numbers.insert((port, protocol == Transport::Udp), at(number)) {
            let message = format!("port {port} is given twice for one protocol, first in line {}", first.line);
            let path = format!("{}.{number}", field.path);
            decoder.report_at(code::REPEATED_ITEM, &path, at(number), message, "remove one of them");
            numbers.insert((port, protocol == Transport::Udp), first);
        }
    }
}

/// `spec.type`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ServiceType {
    ClusterIp,
    ExternalName,
    Exposed,
}

const PORTS_REQUIRED: &str = "a Service needs `ports` unless `clusterIP` is `None`";

/// Legal fields of `Service.spec` that nothing here acts on.
const NOT_ACTED_ON: [&str; 17] = [
    "allocateLoadBalancerNodePorts",
    "clusterIPs",
    "externalIPs",
    "externalName",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamily",
    "ipFamilyPolicy",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "sessionAffinity",
    "sessionAffinityConfig",
    "topologyKeys",
    "trafficDistribution",
];

fn service_type(decoder: &mut Decoder<'_>, spec: &mut Record<'_>) -> ServiceType {
    let Some(field) = spec.get(decoder, "type") else { return ServiceType::ClusterIp };
    let types = [
        ("ClusterIP", ServiceType::ClusterIp),
        ("NodePort", ServiceType::Exposed),
        ("LoadBalancer", ServiceType::Exposed),
        ("ExternalName", ServiceType::ExternalName),
    ];
    let kind = decoder.one_of(&field, &types).unwrap_or(ServiceType::ClusterIp);
    if kind != ServiceType::ClusterIp {
        let message = format!("type {} is served as `ClusterIP` only", quoted(field.node.text().unwrap_or_default()));
        decoder.report(
            code::CLUSTER_IP_ONLY,
            &field,
            message,
            "nothing outside the mesh reaches it, and it stands for no foreign name",
        );
    }
    kind
}

fn cluster_ip(decoder: &mut Decoder<'_>, spec: &mut Record<'_>, service: &mut Service) {
    let Some(field) = spec.get(decoder, "clusterIP") else { return };
    match field.node.text() {
        Some("") => {}
        Some("None") => service.headless = true,
        Some(text) if text.parse::<std::net::IpAddr>().is_err() => {
            let message = format!("{} is neither an IP address nor `None`", quoted(text));
            let hint =
                if text.eq_ignore_ascii_case("None") { "write `None`" } else { "leave it out to be given an address" };
            decoder.report(code::BAD_ADDRESS, &field, message, hint);
        }
        _ => service.cluster_ip = decoder.address(&field),
    }
}

fn ports(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Vec<ServicePort> {
    let items = decoder.items(field);
    let several = items.len() > 1;
    let ports: Vec<_> =
        items.into_iter().filter_map(|item| service_port(decoder, &item, several).map(|port| (item, port))).collect();
    check_repeated(decoder, ports.iter().map(|(at, port)| (at, port.name.as_str(), port.port, port.protocol)), "port");
    ports.into_iter().map(|(_, port)| port).collect()
}

fn service_port(decoder: &mut Decoder<'_>, item: &Field<'_>, several: bool) -> Option<ServicePort> {
    let mut record = decoder.record(item, Spelling::Exact)?;
    let name = match record.get(decoder, "name") {
        Some(field) => decoder.name(&field, "a DNS label", |text| names::dns_label(text, names::LABEL)),
        None if several => {
            let hint = "every port of a Service with several ports needs a name";
            decoder.report(code::PORT_NAME_REQUIRED, item, format!("`{}` has no `name`", last(&item.path)), hint);
            None
        }
        None => None,
    };
    let port = record.require(decoder, "port").and_then(|field| decoder.port(&field));
    let target = record.get(decoder, "targetPort").and_then(|field| int_or_name(decoder, &field));
    let protocol = transport(decoder, &mut record);
    let app_protocol = record
        .get(decoder, "appProtocol")
        .and_then(|field| decoder.name(&field, "the name of a protocol", names::qualified_name).map(str::to_owned));
    record.not_acted_on(decoder, &["nodePort"]);
    record.finish(decoder);
    let port = port?;
    Some(ServicePort {
        name: name.unwrap_or_default().to_owned(),
        port,
        target_port: target.unwrap_or(IntOrName::Int(port)),
        protocol: protocol?,
        app_protocol,
    })
}
