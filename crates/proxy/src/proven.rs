//! Names that a certificate has to prove (`subjectAltNames`).

use std::{net::IpAddr, sync::Arc};

use rustls::{
    CertificateError, Error,
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName},
    server::ParsedCertificate,
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

/// Names of which a certificate has to prove one.
#[derive(Debug)]
pub(crate) struct Names(Vec<Expected>);

/// One of them.
#[derive(Debug)]
struct Expected {
    text: Arc<str>,
    /// As a host, if it is one.
    host: Option<ServerName<'static>>,
}

// === impl Names ===

impl Names {
    /// Hosts, addresses, URIs, or addresses of mail, as rules write them.
    pub(crate) fn new(names: &[Arc<str>]) -> Self {
        let expected = |text: &Arc<str>| {
            // Of hosts only: a URI has none of their characters' order, and `a:b` is no name of a server.
            let host = ServerName::try_from(&**text).ok().map(|name| name.to_owned());
            Expected { text: text.clone(), host }
        };
        Self(names.iter().map(expected).collect())
    }

    /// Whether `leaf` has one of them; an error, if it can't be read.
    pub(crate) fn are_proven_by(&self, leaf: &CertificateDer<'_>) -> Result<bool, Error> {
        let parsed = ParsedCertificate::try_from(leaf)?;
        let is_host =
            |expected: &Expected| expected.host.as_ref().is_some_and(|host| verify_server_name(&parsed, host).is_ok());
        if self.0.iter().any(is_host) {
            return Ok(true);
        }
        let bad = || Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, certificate) = X509Certificate::from_der(leaf).map_err(|_| bad())?;
        let names = certificate.subject_alternative_name().map_err(|_| bad())?;
        let proven = names.iter().flat_map(|extension| &extension.value.general_names);
        Ok(proven.filter_map(text).any(|proven| self.0.iter().any(|expected| *expected.text == *proven)))
    }
}

/// A name as rules write it.
fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => Some((*text).to_owned()),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from)).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
