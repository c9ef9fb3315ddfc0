//! What stands before gateways.

use ripstop_model::{CertificatePart, CertificateParts, ForwardClientCert, Topology};

use crate::{
    DecodeError,
    place::Place,
    ripstop::{self, topology::ClientCert},
};

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
        client_cert_parts: topology.client_cert_parts.map(parts_to_wire),
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
        client_cert_parts: topology.client_cert_parts.map(parts_from_wire),
    })
}

fn parts_to_wire(parts: CertificateParts) -> ripstop::CertificateParts {
    ripstop::CertificateParts {
        whole: parts.has(CertificatePart::Whole),
        chain: parts.has(CertificatePart::Chain),
        subject: parts.has(CertificatePart::Subject),
        uris: parts.has(CertificatePart::Uris),
        hosts: parts.has(CertificatePart::Hosts),
    }
}

fn parts_from_wire(parts: ripstop::CertificateParts) -> CertificateParts {
    let told = [
        (parts.whole, CertificatePart::Whole),
        (parts.chain, CertificatePart::Chain),
        (parts.subject, CertificatePart::Subject),
        (parts.uris, CertificatePart::Uris),
        (parts.hosts, CertificatePart::Hosts),
    ];
    told.into_iter().filter(|(is_told, _)| *is_told).fold(CertificateParts::NONE, |parts, (_, part)| parts.with(part))
}

#[cfg(test)]
pub(super) mod tests;
