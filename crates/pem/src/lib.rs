//! Certificates, keys and revocations, as PEM holds them.
//!
//! [`certified`] makes a certificate with its key of two texts, or says in plain words which of the two is to blame
//! ([`Fault`]); [`facts`] are what such a certificate says of itself. Whether somebody vouches for it, and what time it is,
//! is not known here.

mod facts;

use std::fmt;

use rustls::{
    Error, InconsistentKeys, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use thiserror::Error as ThisError;
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

pub use self::facts::Facts;

/// Why a text can't be used. It says nothing of what the text holds.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum PemError {
    /// It has none.
    #[error("nothing of that kind is in it, as PEM")]
    Nothing,
    /// Its certificates are nobody's who vouches for others.
    #[error("no certificate in it is one of an authority")]
    NoAuthority,
    /// Nobody is there to type the passphrase.
    #[error("the key is encrypted by a passphrase, which nobody has: write it without one")]
    Encrypted,
    /// The algorithm or the length is none that is known.
    #[error(
        "it is no key that TLS is made with: those are RSA of 2048 bits and more, ECDSA (P-256, P-384, P-521) and Ed25519"
    )]
    UnknownKey,
    /// It belongs to another certificate.
    #[error("{0}")]
    NotItsKey(Belongs),
    /// Only version 3 has names.
    #[error(
        "it is an X.509 certificate of version {0}, which TLS can't be made with: it has to be of version 3, with its names as subjectAltName"
    )]
    Version(u32),
    /// It can't be read.
    #[error("{0}")]
    Broken(String),
}

/// Whose a key is that is not the certificate's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// That of a certificate further down in the chain; 2 is the second.
    To(usize),
    /// None of the chain's.
    Elsewhere,
}

/// Which of the two texts can't be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which one.
    pub part: Part,
    /// Why.
    pub reason: PemError,
}

/// One of the two texts that make a certificate with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The certificate with its intermediates.
    Chain,
    /// The key.
    Key,
}

const UNREADABLE: &str = "what is in it is no X.509 certificate";

/// Everything of one kind, at least one.
pub fn all<T: PemObject>(text: &[u8]) -> Result<Vec<T>, PemError> {
    let found: Result<Vec<T>, _> = T::pem_slice_iter(text).collect();
    let found = found.map_err(|error| PemError::Broken(error.to_string()))?;
    if found.is_empty() { Err(PemError::Nothing) } else { Ok(found) }
}

/// Certificates, at least one.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    all(text)
}

/// A private key.
pub fn key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    let found = all(text).map(|mut all| all.swap_remove(0));
    found.map_err(|error| if is_encrypted(text) { PemError::Encrypted } else { error })
}

/// Authorities, at least one.
pub fn authorities(text: &[u8]) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(all::<CertificateDer<'_>>(text)?);
    if usable == 0 { Err(PemError::NoAuthority) } else { Ok(roots) }
}

/// A certificate with its intermediates, the first text, and its key, which has to be its own.
pub fn certified(chain: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<CertifiedKey, Fault> {
    let chain = all(chain).map_err(|reason| Fault { part: Part::Chain, reason })?;
    let key = self::key(key).map_err(|reason| Fault { part: Part::Key, reason })?;
    pair(chain, key, provider)
}

/// What the first certificate of a chain says of itself, if TLS can be made with it and the key.
pub fn facts(chain: &[u8], key: &[u8]) -> Result<Facts, Fault> {
    let own = certified(chain, key, &aws_lc_rs::default_provider())?;
    let facts = own.cert.first().and_then(Facts::of);
    facts.ok_or_else(|| Fault { part: Part::Chain, reason: PemError::Broken(UNREADABLE.into()) })
}

/// The same as [`certified`], of what was read before.
pub fn pair(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Fault> {
    let of_key = |reason| Fault { part: Part::Key, reason };
    let key = provider.key_provider.load_private_key(key).map_err(|_| of_key(PemError::UnknownKey))?;
    let mut own = CertifiedKey::new(chain, key);
    let Err(error) = fits(&own) else { return Ok(own) };
    if matches!(error, Error::InconsistentKeys(_)) {
        let chain = std::mem::take(&mut own.cert);
        let is_its =
            |certificate: CertificateDer<'static>| fits(&CertifiedKey::new(vec![certificate], own.key.clone()));
        let other = chain.into_iter().position(|certificate| is_its(certificate).is_ok());
        let belongs = other.map_or(Belongs::Elsewhere, |place| Belongs::To(place + 1));
        return Err(of_key(PemError::NotItsKey(belongs)));
    }
    let reason = own.cert.first().map_or(PemError::Nothing, |leaf| unreadable(leaf, &error));
    Err(Fault { part: Part::Chain, reason })
}

/// As rustls does it.
fn fits(own: &CertifiedKey) -> Result<(), Error> {
    match own.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Why rustls does not take a certificate.
fn unreadable(certificate: &CertificateDer<'_>, error: &Error) -> PemError {
    match X509Certificate::from_der(certificate) {
        Ok((_, parsed)) if parsed.version() != X509Version::V3 => {
            PemError::Version(parsed.version().0.saturating_add(1))
        }
        Ok(_) => {
            let error = error.to_string();
            let reason = error.strip_prefix("invalid peer certificate: ").unwrap_or(&error);
            PemError::Broken(format!("TLS can't be made with this certificate: {reason}"))
        }
        Err(_) => PemError::Broken(UNREADABLE.into()),
    }
}

/// Whether a key is encrypted, in PKCS #8 or in the older way of OpenSSL.
fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
}

// === impl Belongs ===

impl fmt::Display for Belongs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(place) => {
                write!(f, "it is the key of certificate {place} of the chain: put the one that it belongs to first")
            }
            Self::Elsewhere => f.write_str("it is not the key of the certificate"),
        }
    }
}

#[cfg(test)]
mod tests;
