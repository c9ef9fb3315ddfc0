//! What we read from a certificate.

use std::time::{Duration, SystemTime};

use ripstop_model::{SpiffeId, TrustDomain};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{
    extensions::{GeneralName, ParsedExtension},
    prelude::{FromDer, X509Certificate},
    time::ASN1Time,
};

use crate::{
    Error,
    verify::{Fault, Party, VerifyError},
};

/// The SPIFFE id of a peer, from the certificates it presented (leaf first).
///
/// Checks the shape of the leaf (SPIFFE X509-SVID 5.2: exactly one URI SAN, a valid id with a path, no CA), not its
/// chain: use it on the certificates of a connection whose handshake already verified them.
pub fn peer_id(certificates: &[CertificateDer<'_>]) -> Result<SpiffeId, VerifyError> {
    let Some(leaf) = certificates.first() else {
        return Err(VerifyError { own: None, peer: Party::Unnamed, fault: Fault::NoCertificate });
    };
    Leaf::parse(leaf).and_then(|leaf| leaf.svid_id()).map_err(|(peer, fault)| VerifyError { own: None, peer, fault })
}

/// The facts of a leaf certificate that SPIFFE rules speak of.
pub(crate) struct Leaf {
    uris: Vec<String>,
    is_ca: bool,
    signs_certificates: bool,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

impl Leaf {
    pub(crate) fn parse(der: &CertificateDer<'_>) -> Result<Self, (Party, Fault)> {
        let unparsable = |reason: String| (Party::Unnamed, Fault::Unparsable(reason));
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| unparsable(error.to_string()))?;
        if !rest.is_empty() {
            return Err(unparsable("bytes behind the certificate".into()));
        }
        let mut leaf = Self {
            uris: Vec::new(),
            is_ca: false,
            signs_certificates: false,
            not_before: time(certificate.validity().not_before),
            not_after: time(certificate.validity().not_after),
        };
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(san) => {
                    leaf.uris.extend(san.general_names.iter().filter_map(|name| match name {
                        GeneralName::URI(uri) => Some((*uri).to_owned()),
                        _ => None,
                    }));
                }
                ParsedExtension::BasicConstraints(constraints) => leaf.is_ca |= constraints.ca,
                ParsedExtension::KeyUsage(usage) => {
                    leaf.signs_certificates |= usage.key_cert_sign() || usage.crl_sign();
                }
                ParsedExtension::ParseError { error } => return Err(unparsable(error.to_string())),
                _ => {}
            }
        }
        Ok(leaf)
    }

    /// SPIFFE X509-SVID rules 2 to 6.
    pub(crate) fn svid_id(&self) -> Result<SpiffeId, (Party, Fault)> {
        let [uri] = self.uris.as_slice() else {
            return Err((Party::Unnamed, Fault::UriSans(self.uris.len())));
        };
        let id: SpiffeId = uri.parse().map_err(|error| (Party::Unnamed, Fault::NotSpiffe(error)))?;
        let fault = if id.path().is_empty() {
            Fault::NoPath
        } else if self.is_ca {
            Fault::CaBit
        } else if self.signs_certificates {
            Fault::KeyUsage
        } else {
            return Ok(id);
        };
        Err((Party::Claimed(id), fault))
    }

    /// Trust domain of a certificate that signs others: its path-less SPIFFE id.
    pub(crate) fn domain(&self) -> Option<TrustDomain> {
        match self.uris.as_slice() {
            [uri] => uri.parse::<SpiffeId>().ok().filter(|id| id.path().is_empty()).map(|id| id.trust_domain()),
            _ => None,
        }
    }

    /// Whether the certificate may sign others.
    pub(crate) fn is_authority(&self) -> bool {
        self.is_ca
    }
}

/// All certificates of a PEM text; an error if there is none or one is broken.
pub(crate) fn read_pem(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::Pem { what, reason: error.to_string() })?;
    if certificates.is_empty() {
        return Err(Error::Pem { what, reason: "no CERTIFICATE block found".into() });
    }
    Ok(certificates)
}

fn time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds >= 0 { SystemTime::UNIX_EPOCH + distance } else { SystemTime::UNIX_EPOCH - distance }
}
