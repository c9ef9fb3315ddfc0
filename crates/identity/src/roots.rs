//! Trust bundles.

use std::{fmt, sync::Arc};

use ripstop_model::TrustDomain;
use rustls::{
    RootCertStore,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::CertificateDer;

use crate::{
    Error,
    certificate::{Leaf, read_pem},
    key::encode,
    tls::provider,
};

/// The root certificates that are trusted: at least one, several while roots rotate. Cheap to clone.
#[derive(Clone)]
pub struct Roots(Arc<Inner>);

struct Inner {
    certificates: Vec<CertificateDer<'static>>,
    store: Arc<RootCertStore>,
    client_chain: Arc<dyn ClientCertVerifier>,
}

impl Roots {
    /// Reads a bundle of one or more certificates.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let mut certificates = read_pem("roots", pem)?;
        certificates.dedup();
        Self::of(certificates)
    }

    fn of(certificates: Vec<CertificateDer<'static>>) -> Result<Self, Error> {
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            let refused = |reason: String| Error::Pem { what: "roots", reason };
            let facts = Leaf::parse(certificate).map_err(|(_, fault)| refused(fault.to_string()))?;
            if !facts.is_authority() {
                return Err(refused("a certificate in it is no certificate authority".into()));
            }
            store.add(certificate.clone()).map_err(|error| refused(error.to_string()))?;
        }
        let store = Arc::new(store);
        let client_chain = WebPkiClientVerifier::builder_with_provider(store.clone(), provider().clone())
            .build()
            .map_err(|error| Error::Pem { what: "roots", reason: error.to_string() })?;
        Ok(Self(Arc::new(Inner { certificates, store, client_chain })))
    }

    /// Of the authorities among what `pem` holds, at least one; other certificates in it are nobody's roots.
    pub fn from_authorities(pem: &str) -> Result<Self, Error> {
        let is_authority = |der: &CertificateDer<'_>| Leaf::parse(der).is_ok_and(|leaf| leaf.is_authority());
        let certificates: Vec<_> = read_pem("roots", pem)?.into_iter().filter(is_authority).collect();
        if certificates.is_empty() {
            return Err(Error::Pem { what: "roots", reason: "no certificate in it is one of an authority".into() });
        }
        Self::of(certificates)
    }

    /// These and those of `others`.
    pub(crate) fn and(&self, others: &Self) -> Self {
        let mut certificates = self.0.certificates.clone();
        certificates.extend(others.0.certificates.iter().filter(|other| !self.0.certificates.contains(other)).cloned());
        // Each of them was accepted before.
        Self::of(certificates).unwrap_or_else(|_| self.clone())
    }

    /// Whether all of `others` are among these.
    pub(crate) fn include(&self, others: &Self) -> bool {
        let among = |other: &CertificateDer<'_>| self.0.certificates.contains(other);
        Arc::ptr_eq(&self.0, &others.0) || others.0.certificates.iter().all(among)
    }

    /// The bundle as PEM blocks.
    pub fn to_pem(&self) -> String {
        self.0.certificates.iter().map(|certificate| encode("CERTIFICATE", certificate)).collect()
    }

    /// The certificates in DER form.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0.certificates
    }

    /// The trust domain named by the first root that names one (its path-less SPIFFE id); none for foreign roots
    /// that carry no SPIFFE id.
    pub fn trust_domain(&self) -> Option<TrustDomain> {
        self.0.certificates.iter().find_map(|certificate| Leaf::parse(certificate).ok()?.domain())
    }

    pub(crate) fn store(&self) -> &RootCertStore {
        &self.0.store
    }

    /// Path building for client certificates, without SPIFFE rules.
    pub(crate) fn client_chain(&self) -> &dyn ClientCertVerifier {
        &*self.0.client_chain
    }
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.0.certificates == other.0.certificates
    }
}

impl Eq for Roots {}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({} of {:?})", self.0.certificates.len(), self.trust_domain())
    }
}
