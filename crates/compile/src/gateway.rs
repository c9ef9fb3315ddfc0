//! Gateways as processes: the default one, and what they listen on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};

use ripstop_api::{Kind, Object, ObjectId, Source, Spec, istio, parse_file, ripstop::ProcessRole};
use ripstop_model::{ContainerPort, Gateway, Labels, Probe, ProbeAction, ProbeScheme, ServerProtocol};

use crate::{Objects, declare::of_kind};

/// Namespace of the default ingress gateway.
const NAMESPACE: &str = "istio-system";
/// Its name, and that of its service.
const NAME: &str = "istio-ingressgateway";
/// Its labels.
const LABELS: [(&str, &str); 2] = [("app", NAME), ("istio", "ingressgateway")];
/// Namespace and name of the service account that it has by default.
pub(crate) const DEFAULT_ACCOUNT: (&str, &str) = (NAMESPACE, "istio-ingressgateway-service-account");
/// Port of a gateway's readiness.
const READINESS: u16 = 15021;

/// The default ingress gateway and its service, as Istio names them, where a `Gateway` selects it: none that users
/// declared is replaced, and a gateway of theirs with its label `istio=ingressgateway` stands for it.
pub(crate) fn default_gateway(objects: &Objects) -> Vec<Object> {
    let mut ports: BTreeMap<u16, &'static str> = BTreeMap::new();
    for declared in of_kind(objects, Kind::Gateway) {
        let Spec::Gateway(written) = &declared.object.spec else { continue };
        if written.selector.0.iter().all(|(key, value)| LABELS.contains(&(key, value))) {
            ports.extend(named_ports(written));
        }
    }
    if ports.is_empty() || has_own(objects) {
        return Vec::new();
    }
    let mut text = format!(
        "apiVersion: ripstop.dev/v1alpha1\n\
         kind: Process\n\
         metadata: {{name: {NAME}, namespace: {NAMESPACE}, labels: {{app: {NAME}, istio: ingressgateway}}}}\n\
         spec: {{role: gateway, serviceAccountName: {}}}\n\
         ---\n\
         apiVersion: v1\n\
         kind: Service\n\
         metadata: {{name: {NAME}, namespace: {NAMESPACE}, labels: {{app: {NAME}, istio: ingressgateway}}}}\n\
         spec:\n  selector: {{app: {NAME}, istio: ingressgateway}}\n  ports:\n",
        DEFAULT_ACCOUNT.1
    );
    for (port, protocol) in ports {
        // A text can always be written.
        let _ = writeln!(text, "  - {{name: {protocol}-{port}, port: {port}}}");
    }
    let mut made = parse_file("", &text).objects;
    made.retain(|object| !objects.contains_key(&object.id));
    for object in &mut made {
        object.source = Source::default();
    }
    made
}

/// Whether users declared what stands for the default gateway.
fn has_own(objects: &Objects) -> bool {
    let default = ObjectId { kind: Kind::Process, namespace: NAMESPACE.into(), name: NAME.into() };
    objects.contains_key(&default)
        || of_kind(objects, Kind::Process).any(|declared| {
            let is_gateway =
                matches!(&declared.object.spec, Spec::Process(process) if process.role == ProcessRole::Gateway);
            is_gateway && declared.object.meta.labels.get("istio").is_some_and(|value| value == "ingressgateway")
        })
}

fn named_ports(written: &istio::Gateway) -> impl Iterator<Item = (u16, &'static str)> {
    written.servers.iter().filter_map(|server| {
        let port = server.port.as_ref()?;
        let protocol = match port.protocol.to_ascii_uppercase().as_str() {
            "HTTPS" => "https",
            "TLS" => "tls",
            "TCP" | "MONGO" => "tcp",
            _ => "http",
        };
        Some((port.number?, protocol))
    })
}

/// What a gateway with these labels listens on for whoever comes by the host, each port once, by the oldest `Gateway` that
/// names it. A listener with an address of its own is called there alone.
pub(crate) fn ports<'g>(gateways: impl Iterator<Item = &'g Arc<Gateway>>, labels: &Labels) -> Vec<ContainerPort> {
    let mut acting: Vec<&Gateway> =
        gateways.map(|gateway| &**gateway).filter(|gateway| gateway.selector.matches(labels)).collect();
    acting.sort_by_key(|gateway| (gateway.created, &gateway.name, &gateway.namespace));
    let mut seen = BTreeSet::new();
    let servers = acting.into_iter().flat_map(|gateway| &gateway.servers).filter(|server| server.bind.is_none());
    let servers = servers.filter(|server| seen.insert(server.port));
    let mut ports: Vec<ContainerPort> = servers
        .map(|server| {
            let protocol = match server.protocol {
                ServerProtocol::Http => "http",
                ServerProtocol::Https => "https",
                ServerProtocol::Tls => "tls",
                ServerProtocol::Tcp => "tcp",
            };
            ContainerPort { name: format!("{protocol}-{}", server.port).into(), port: server.port, udp: false }
        })
        .collect();
    ports.sort_by_key(|port| port.port);
    ports
}

/// When a gateway or waypoint takes traffic: once it has its configuration and its certificate.
pub(crate) fn readiness() -> Probe {
    Probe {
        action: ProbeAction::HttpGet {
            path: "/healthz/ready".into(),
            port: READINESS,
            host: None,
            scheme: ProbeScheme::Http,
            headers: Vec::new(),
        },
        initial_delay: Duration::ZERO,
        period: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        success_threshold: 1,
        failure_threshold: 3,
    }
}

#[cfg(test)]
mod tests;
