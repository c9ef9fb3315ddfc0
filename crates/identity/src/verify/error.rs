//! Why a peer was not believed.

use std::{error::Error as StdError, fmt, io, sync::Arc};

use ripstop_model::{IdentityError, SpiffeId, TrustDomain};
use rustls::{CertificateError, OtherError};
use thiserror::Error;

/// A peer's certificate was refused: by whom, whose, and why.
#[derive(Clone, Debug, Error)]
#[error("{peer} was refused by {}: {fault}", own.as_ref().map_or("this proxy (which has no identity yet)", SpiffeId::as_str))]
pub struct VerifyError {
    /// Who refused; none before the first certificate.
    pub own: Option<SpiffeId>,
    /// Who was refused.
    pub peer: Party,
    /// The rule that was broken.
    pub fault: Fault,
}

/// The peer of a failed verification, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// Its certificate names no SPIFFE id.
    Unnamed,
    /// The id its certificate claims; the chain was not proven.
    Claimed(SpiffeId),
    /// Its proven id.
    Proven(SpiffeId),
}

/// The rule of the SPIFFE X509-SVID verifier that a certificate broke.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The peer sent no certificate.
    #[error("it presented no certificate; check that it is enrolled in the mesh")]
    NoCertificate,
    /// Not an X.509 certificate.
    #[error("its certificate can't be parsed ({0}); check who answers on that address and port")]
    Unparsable(String),
    /// Zero or several URI SANs.
    #[error(
        "an X509-SVID has exactly one URI SAN, this certificate has {0}; check that it was issued by the mesh's authority"
    )]
    UriSans(usize),
    /// The URI SAN is not a SPIFFE id.
    #[error("its URI SAN is no SPIFFE id: {0}")]
    NotSpiffe(IdentityError),
    /// Only a trust domain, no path.
    #[error("its SPIFFE id has no path: a trust domain's own name can't authenticate a workload")]
    NoPath,
    /// The leaf is a CA.
    #[error("its leaf certificate is a certificate authority (CA bit set), which a workload must not be")]
    CaBit,
    /// The leaf's key may sign certificates or revocation lists.
    #[error("its leaf certificate has key usage keyCertSign or cRLSign, which a workload must not have")]
    KeyUsage,
    /// The chain leads to no root of ours.
    #[error(
        "its chain does not lead to a root of this mesh; check that both sides were set up by the same control plane, and whether a root rotation is under way"
    )]
    UnknownRoot,
    /// Expired.
    #[error(
        "a certificate of its chain has expired ({0}); check the peer's clock, and that it can reach the control plane to renew"
    )]
    Expired(String),
    /// Not valid yet.
    #[error("a certificate of its chain is not valid yet ({0}); check the clocks of both machines")]
    NotYetValid(String),
    /// Extended key usage does not allow this side of TLS.
    #[error("its certificate may not be used on this side of TLS (extended key usage): {0}")]
    Purpose(String),
    /// Any other fault of the chain.
    #[error("its chain is not valid: {0}")]
    Chain(String),
    /// Another trust domain.
    #[error(
        "its trust domain is neither {0} nor one that this mesh knows; check Mesh.trustDomain of both meshes, and trustDomainAliases and caCertificates of this one"
    )]
    TrustDomain(TrustDomain),
    /// Proven, but not whom we wanted.
    #[error(
        "expected {}; check whether the address was given to another workload, and the service account of the destination",
        Ids(.0)
    )]
    Unexpected(Arc<[SpiffeId]>),
}

/// The verification error inside an I/O error of a TLS stream, if that was the cause.
pub fn verify_error(error: &io::Error) -> Option<&VerifyError> {
    let mut cause: Option<&(dyn StdError + 'static)> = error.get_ref().map(|inner| inner as _);
    // Chains of errors are short; the bound guards against a cycle.
    for _ in 0..16 {
        let current = cause?;
        if let Some(found) = current.downcast_ref::<VerifyError>() {
            return Some(found);
        }
        if let Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other)))) =
            current.downcast_ref::<rustls::Error>()
        {
            return other.downcast_ref::<VerifyError>();
        }
        // An I/O error's source is the source of what it wraps, so what it wraps must be asked for.
        let shared = current.downcast_ref::<Arc<io::Error>>().map(|shared| &**shared);
        cause = match shared.or_else(|| current.downcast_ref::<io::Error>()) {
            Some(inner) => inner.get_ref().map(|inner| inner as _),
            None => current.source(),
        };
    }
    None
}

struct Ids<'a>(&'a [SpiffeId]);

// === impl Fault ===

impl Fault {
    pub(crate) fn from_chain(error: rustls::Error) -> Self {
        use CertificateError as E;
        match error {
            rustls::Error::InvalidCertificate(error) => match error {
                E::Expired | E::ExpiredContext { .. } => Self::Expired(error.to_string()),
                E::NotValidYet | E::NotValidYetContext { .. } => Self::NotYetValid(error.to_string()),
                E::UnknownIssuer | E::BadSignature => Self::UnknownRoot,
                E::InvalidPurpose | E::InvalidPurposeContext { .. } => Self::Purpose(error.to_string()),
                other => Self::Chain(other.to_string()),
            },
            other => Self::Chain(other.to_string()),
        }
    }
}

// === impl Party ===

impl Party {
    /// The id, claimed or proven.
    pub fn id(&self) -> Option<&SpiffeId> {
        match self {
            Self::Unnamed => None,
            Self::Claimed(id) | Self::Proven(id) => Some(id),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => f.write_str("a peer without a SPIFFE id"),
            Self::Claimed(id) => write!(f, "a peer claiming to be {id}"),
            Self::Proven(id) => write!(f, "peer {id}"),
        }
    }
}

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("nobody (no identity is known for the destination)"),
            [one] => one.fmt(f),
            several => {
                f.write_str("one of ")?;
                for (i, id) in several.iter().enumerate() {
                    write!(f, "{}{id}", if i > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}
