//! Certificates, keys and revocations, as PEM holds them.

use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use thiserror::Error;

/// Why a text can't be used. It says nothing of what the text holds.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PemError {
    /// It has none.
    #[error("nothing of that kind is in it, as PEM")]
    Nothing,
    /// Its certificates are nobody's who vouches for others.
    #[error("no certificate in it is one of an authority")]
    NoAuthority,
    /// It can't be read.
    #[error("{0}")]
    Broken(String),
}

/// Everything of one kind, at least one.
pub fn all<T: PemObject>(text: &[u8]) -> Result<Vec<T>, PemError> {
    let found: Result<Vec<T>, _> = T::pem_slice_iter(text).collect();
    let found = found.map_err(|error| PemError::Broken(error.to_string()))?;
    if found.is_empty() { Err(PemError::Nothing) } else { Ok(found) }
}

/// A private key.
pub fn key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| PemError::Broken(error.to_string()))
}

/// Authorities, at least one.
pub fn authorities(text: &[u8]) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(all::<CertificateDer<'_>>(text)?);
    if usable == 0 { Err(PemError::NoAuthority) } else { Ok(roots) }
}

/// A certificate with its intermediates and its key, which has to be its own.
pub fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, PemError> {
    CertifiedKey::from_der(chain, key, provider).map_err(|error| PemError::Broken(error.to_string()))
}
