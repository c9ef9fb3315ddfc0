//! `Gateway`, `ServiceEntry`, `WorkloadEntry`, `WorkloadGroup`.

mod group;

use std::{net::IpAddr, sync::Arc};

use ripstop_api::istio;
use ripstop_model::{
    AppProtocol, EndpointAddress, EntryPort, Gateway, HostEntry, HostPattern, Resolution, RuleId, Selector, Server,
    ServerHost, ServerProtocol, ServerTls, ServerTlsMode, StaticEndpoint, TlsFiles, TlsParameters, Visibility,
    WorkloadGroup,
};

use super::{authorization::block, named, nonempty, object_id, rule_id, texts};
use crate::{
    Declared,
    declare::labels,
    protocol::{app_protocol, protocol_named},
};

/// Label of a ServiceEntry whose hosts want no address of their own, if it is `false`.
pub(crate) const ALLOCATE: &str = "networking.istio.io/enable-autoallocate-ip";

/// A `Gateway`; `defaults` hold for listeners that say nothing else.
pub(crate) fn gateway(declared: &Declared, written: &istio::Gateway, defaults: &TlsParameters) -> Gateway {
    let (namespace, name) = named(&declared.object);
    Gateway {
        id: object_id(declared),
        selector: Selector(labels(&written.selector.0)),
        servers: written
            .servers
            .iter()
            .enumerate()
            .filter_map(|(index, written)| server(declared, written, index, &namespace, defaults))
            .collect(),
        created: declared.created,
        namespace: namespace.clone(),
        name,
    }
}

fn server(
    declared: &Declared,
    written: &istio::Server,
    index: usize,
    own: &Arc<str>,
    defaults: &TlsParameters,
) -> Option<Server> {
    let port = written.port.as_ref()?;
    let host = |text: &String| match text.split_once('/') {
        None | Some(("*", _)) => {
            let host = text.split_once('/').map_or(text.as_str(), |(_, host)| host);
            ServerHost { namespace: None, host: HostPattern::new(host) }
        }
        Some((".", host)) => ServerHost { namespace: Some(own.clone()), host: HostPattern::new(host) },
        Some((namespace, host)) => ServerHost { namespace: Some(namespace.into()), host: HostPattern::new(host) },
    };
    Some(Server {
        id: rule_id(declared, &format!("spec.servers[{index}]")),
        name: written.name.as_str().into(),
        port: port.number?,
        protocol: match port.protocol.to_ascii_uppercase().as_str() {
            "HTTPS" => ServerProtocol::Https,
            "TLS" => ServerProtocol::Tls,
            "TCP" | "MONGO" => ServerProtocol::Tcp,
            _ => ServerProtocol::Http,
        },
        bind: written.bind.parse().ok().filter(|address: &IpAddr| !address.is_unspecified()),
        hosts: written.hosts.iter().map(host).collect(),
        https_redirect: written.tls.as_ref().and_then(|tls| tls.https_redirect).unwrap_or(false),
        tls: written.tls.as_ref().map(|tls| Arc::new(server_tls(tls, defaults))),
    })
}

pub(super) fn server_tls(written: &istio::ServerTls, defaults: &TlsParameters) -> ServerTls {
    let own: Vec<Arc<str>> = written.known_cipher_suites().map(Arc::from).collect();
    let version = |version: istio::TlsVersion| (version != istio::TlsVersion::Auto).then(|| version.as_str().into());
    let files = |certificate: &str, key: &str, ca: &str, crl: &str| TlsFiles {
        certificate: certificate.into(),
        key: key.into(),
        ca: ca.into(),
        crl: crl.into(),
    };
    let single = files(&written.server_certificate, &written.private_key, &written.ca_certificates, &written.ca_crl);
    let several = written
        .tls_certificates
        .iter()
        .map(|each| files(&each.server_certificate, &each.private_key, &each.ca_certificates, ""));
    ServerTls {
        mode: match written.mode {
            istio::ServerTlsMode::Passthrough => ServerTlsMode::Passthrough,
            istio::ServerTlsMode::Simple => ServerTlsMode::Simple,
            istio::ServerTlsMode::Mutual => ServerTlsMode::Mutual,
            istio::ServerTlsMode::AutoPassthrough => ServerTlsMode::AutoPassthrough,
            istio::ServerTlsMode::IstioMutual => ServerTlsMode::Mesh,
            istio::ServerTlsMode::OptionalMutual => ServerTlsMode::OptionalMutual,
        },
        credentials: nonempty(&written.credential_name).into_iter().chain(texts(&written.credential_names)).collect(),
        ca_credential: nonempty(&written.ca_cert_credential_name),
        files: Some(single).filter(|files| *files != TlsFiles::default()).into_iter().chain(several).collect(),
        subject_alt_names: texts(&written.subject_alt_names),
        pins: texts(&written.verify_certificate_spki)
            .into_iter()
            .chain(texts(&written.verify_certificate_hash))
            .collect(),
        versions: (
            version(written.min_protocol_version).or_else(|| defaults.least.clone()),
            version(written.max_protocol_version),
        ),
        cipher_suites: if own.is_empty() { defaults.cipher_suites.clone() } else { own },
        curves: defaults.curves.clone(),
        insecure: written.insecure_skip_verify.unwrap_or(false),
    }
}

/// The hosts of a `ServiceEntry` that these see.
pub(crate) fn entries(declared: &Declared, written: &istio::ServiceEntry, visibility: &Visibility) -> Vec<HostEntry> {
    let object = named(&declared.object);
    let namespace = &object.0;
    let port = |port: &istio::ServiceEntryPort| {
        let number = port.number?;
        Some(EntryPort {
            port: number,
            name: port.name.as_str().into(),
            protocol: match protocol_named(&port.protocol) {
                AppProtocol::Unknown => app_protocol(number, &port.name, None),
                declared => declared,
            },
            target: port.target_port.unwrap_or(number),
        })
    };
    let ports: Vec<EntryPort> = written.ports.iter().filter_map(port).collect();
    let endpoint =
        |(index, written)| self::endpoint(rule_id(declared, &format!("spec.endpoints[{index}]")), namespace, written);
    let endpoints: Vec<StaticEndpoint> = written.endpoints.iter().enumerate().map(endpoint).collect();
    let selector = written.workload_selector.as_ref().map(|selector| Selector(labels(&selector.labels.0)));
    let one = |host: &String| HostEntry {
        id: object_id(declared),
        object: object.clone(),
        // Hosts of entries are whole names: a name without dot is one, too.
        host: HostPattern::new(host),
        addresses: written.addresses.iter().filter_map(|address| block(address)).collect(),
        ports: ports.clone(),
        internal: written.location == istio::Location::Internal,
        allocates: declared.object.meta.labels.get(ALLOCATE).is_none_or(|value| value != "false"),
        waypoint: None,
        resolution: match written.resolution {
            istio::Resolution::None => Resolution::Passthrough,
            istio::Resolution::Static => Resolution::Static,
            istio::Resolution::Dns => Resolution::Dns,
            istio::Resolution::DnsRoundRobin => Resolution::DnsRoundRobin,
            istio::Resolution::DynamicDns => Resolution::DynamicDns,
        },
        endpoints: endpoints.clone(),
        selector: selector.clone(),
        visibility: visibility.clone(),
        subject_alt_names: texts(&written.subject_alt_names),
        created: declared.created,
    };
    written.hosts.iter().map(one).collect()
}

/// A `WorkloadEntry`.
pub(crate) fn workload_entry(declared: &Declared, written: &istio::WorkloadEntry) -> StaticEndpoint {
    endpoint(object_id(declared), &named(&declared.object).0, written)
}

/// A `WorkloadGroup`.
pub(crate) fn workload_group(declared: &Declared, written: &istio::WorkloadGroup) -> WorkloadGroup {
    let (namespace, name) = named(&declared.object);
    let template = &written.template;
    let mut labels = labels(&template.labels.0);
    labels.extend(crate::declare::labels(&written.metadata.labels.0));
    let template = StaticEndpoint {
        id: rule_id(declared, "spec.template"),
        namespace: namespace.clone(),
        address: EndpointAddress::Network,
        ports: template.ports.iter().map(|(name, port)| (name.as_str().into(), *port)).collect(),
        labels,
        network: template.network.as_str().into(),
        locality: template.locality.as_str().into(),
        weight: template.weight.unwrap_or(1).max(1),
        service_account: nonempty(&template.service_account).or_else(|| Some("default".into())),
    };
    let annotations =
        written.metadata.annotations.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
    WorkloadGroup {
        id: object_id(declared),
        annotations: annotations.collect(),
        probe: written.probe.as_ref().and_then(group::probe),
        template,
        namespace,
        name,
    }
}

fn endpoint(id: RuleId, namespace: &Arc<str>, written: &istio::WorkloadEntry) -> StaticEndpoint {
    let address = match written.address.as_str() {
        "" => EndpointAddress::Network,
        text => match (text.strip_prefix("unix://"), text.parse()) {
            (Some(path), _) => EndpointAddress::Unix(path.into()),
            (None, Ok(address)) => EndpointAddress::Ip(address),
            (None, Err(_)) => EndpointAddress::Name(text.to_ascii_lowercase().into()),
        },
    };
    StaticEndpoint {
        id,
        namespace: namespace.clone(),
        address,
        ports: written.ports.iter().map(|(name, port)| (name.as_str().into(), *port)).collect(),
        labels: labels(&written.labels.0),
        network: written.network.as_str().into(),
        locality: written.locality.as_str().into(),
        weight: written.weight.unwrap_or(1).max(1),
        service_account: nonempty(&written.service_account),
    }
}
