//! Private keys and certificate signing requests.

use std::{fmt, sync::Arc};

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};

use crate::Error;

/// A private key as PKCS#8 DER (keys that come as SEC1 or PKCS#1 keep their form). Cheap to clone; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct PrivateKey(Arc<PrivateKeyDer<'static>>);

/// Makes a new P-256 key and a certificate signing request (PEM) for it.
///
/// The request names nothing: the authority takes only the key from it and decides itself whose key it is.
pub fn new_csr() -> Result<(PrivateKey, String), Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let csr = params.serialize_request(&key)?.pem()?;
    Ok((PrivateKey::from_pkcs8(key.serialize_der()), csr))
}

// === impl PrivateKey ===

impl PrivateKey {
    /// Reads the first private key of `pem`.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map(|der| Self(Arc::new(der)))
            .map_err(|error| Error::Pem { what: "private key", reason: error.to_string() })
    }

    /// The key as one PEM block.
    pub fn to_pem(&self) -> String {
        let label = match &*self.0 {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        encode(label, self.0.secret_der())
    }

    /// The key in DER form, for rustls.
    pub fn der(&self) -> PrivateKeyDer<'static> {
        self.0.clone_key()
    }

    pub(crate) fn from_pkcs8(der: Vec<u8>) -> Self {
        Self(Arc::new(PrivateKeyDer::Pkcs8(der.into())))
    }

    pub(crate) fn to_key_pair(&self) -> Result<KeyPair, Error> {
        Ok(KeyPair::from_der_and_sign_algo(&self.0, &PKCS_ECDSA_P256_SHA256)?)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(secret)")
    }
}

/// One PEM block with Unix line ends.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}
