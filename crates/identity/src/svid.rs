//! A workload's certificate chain with its key.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ripstop_model::SpiffeId;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};

use crate::{
    Error, PrivateKey, Roots, VerifyError,
    certificate::{Leaf, read_pem},
    key::encode,
    tls::provider,
    verify::{Side, Trust},
};

/// An X.509 SVID: a certificate chain (leaf first, without the root) and the leaf's private key. Cheap to clone.
#[derive(Clone)]
pub struct Svid {
    /// Whose it is.
    pub id: SpiffeId,
    certified: Arc<CertifiedKey>,
    key: PrivateKey,
    not_before: SystemTime,
    not_after: SystemTime,
    renew_at: SystemTime,
}

impl Svid {
    /// Joins a PEM chain (leaf first; a root at its end does no harm) and the private key made for it.
    ///
    /// Checks that the leaf has the shape of an SVID and that the key is the leaf's; not the chain's signatures, for
    /// which see [`Svid::check`].
    pub fn new(chain_pem: &str, key: PrivateKey) -> Result<Self, Error> {
        let chain = read_pem("certificate chain", chain_pem)?;
        let leaf = Leaf::parse(&chain[0]);
        let fail = |(peer, fault)| VerifyError { own: None, peer, fault };
        let (leaf, id) = leaf.and_then(|leaf| leaf.svid_id().map(|id| (leaf, id))).map_err(fail)?;
        let renew_at = renew_at(&leaf, &chain[0]);
        let certified = CertifiedKey::from_der(chain, key.der(), provider())
            .map_err(|error| Error::Key { id: id.clone(), reason: error.to_string() })?;
        let (not_before, not_after) = (leaf.not_before, leaf.not_after);
        Ok(Self { id, certified: Arc::new(certified), key, not_before, not_after, renew_at })
    }

    /// [`Svid::new`] from two PEM texts.
    pub fn from_pem(chain_pem: &str, key_pem: &str) -> Result<Self, Error> {
        Self::new(chain_pem, PrivateKey::from_pem(key_pem)?)
    }

    /// The chain as PEM blocks, leaf first.
    pub fn chain_pem(&self) -> String {
        self.chain().iter().map(|certificate| encode("CERTIFICATE", certificate)).collect()
    }

    /// The private key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// The chain in DER form, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// Start of validity.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// End of validity.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// When to ask for the next one: half way through its life, ± 5 % of it. The shift is a function of the
    /// certificate, so it is the same at each call and after a restart, and differs between certificates.
    pub fn renew_at(&self) -> SystemTime {
        self.renew_at
    }

    /// Whether its validity is over at `now`.
    pub fn is_expired(&self, now: SystemTime) -> bool {
        now >= self.not_after
    }

    /// Whether it is time to ask for the next one.
    pub fn needs_renewal(&self, now: SystemTime) -> bool {
        now >= self.renew_at
    }

    /// Verifies the chain against `roots` as a peer would do at `now`, on both sides of TLS.
    pub fn check(&self, roots: &Roots, now: SystemTime) -> Result<(), VerifyError> {
        let trust = Trust { own: Some(self.id.clone()), domain: self.id.trust_domain(), bundles: roots.into() };
        let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
        for side in [Side::Server, Side::Client] {
            trust.verify(side, &self.chain()[0], &self.chain()[1..], now)?;
        }
        Ok(())
    }

    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }
}

impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Svid").field("id", &self.id).field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

fn renew_at(leaf: &Leaf, der: &CertificateDer<'_>) -> SystemTime {
    let life = leaf.not_after.duration_since(leaf.not_before).unwrap_or(Duration::ZERO);
    let hash = Sha256::digest(der.as_ref());
    // 0..=65535 spread over 45 % to 55 % of the life.
    let share = 0.45 + 0.1 * f64::from(u16::from_be_bytes([hash[0], hash[1]])) / f64::from(u16::MAX);
    leaf.not_before + life.mul_f64(share)
}

#[cfg(test)]
mod tests;
