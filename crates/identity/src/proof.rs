//! What a peer has proven, kept to be judged again by those who are believed later.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use ripstop_model::SpiffeId;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::{
    Bundles, VerifyError, peer_id,
    verify::{Fault, Party, ServerVerifier, Side, Trust},
};

/// That a peer has proven its identity in a handshake, and by what.
///
/// Certificates are short-lived, connections are not: one that has expired since does not end them, as long as whoever
/// vouched for it is still believed. So all is judged as of the time of the handshake.
#[derive(Clone, Debug)]
pub struct Proof {
    own: SpiffeId,
    id: SpiffeId,
    chain: Box<[CertificateDer<'static>]>,
    /// Of a server: who it had to be.
    expected: Option<Arc<[SpiffeId]>>,
    at: UnixTime,
    /// By whom it was last found to hold; nothing: by nobody whom we know of.
    believed: Option<Bundles>,
}

// === impl Proof ===

impl Proof {
    /// That of a client, which showed `chain`, leaf first, to `own`, `at` this time. Its handshake was judged by `bundles`;
    /// nothing: who knows by which, so it is verified as soon as it is judged.
    ///
    /// # Errors
    ///
    /// If the leaf has not the shape of an SVID. Nothing else is looked at: the handshake has done that.
    pub fn of_client(
        own: &SpiffeId,
        chain: &[CertificateDer<'_>],
        bundles: Option<&Bundles>,
        at: SystemTime,
    ) -> Result<Self, VerifyError> {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Ok(Self {
            own: own.clone(),
            id: peer_id(chain)?,
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            expected: None,
            at: UnixTime::since_unix_epoch(since),
            believed: bundles.cloned(),
        })
    }

    /// That of a server, which had to be one of `expected`; else as [`Self::of_client`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn of_server(
        own: &SpiffeId,
        chain: &[CertificateDer<'_>],
        expected: Arc<[SpiffeId]>,
        bundles: Option<&Bundles>,
        at: SystemTime,
    ) -> Result<Self, VerifyError> {
        let proof = Self::of_client(own, chain, bundles, at)?;
        Ok(Self { expected: Some(expected), ..proof })
    }

    /// The identity.
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// To whom it was proven.
    pub fn own(&self) -> &SpiffeId {
        &self.own
    }

    /// Whether it still holds for somebody who believes `bundles`. Where nobody is missing who vouched before, that costs
    /// no look at a signature.
    ///
    /// # Errors
    ///
    /// Why the peer would not be accepted any more. It may be again, by other bundles.
    pub fn holds(&mut self, bundles: &Bundles) -> Result<(), VerifyError> {
        let domain = self.own.trust_domain();
        let vouch = |before: &Bundles| bundles.vouch_as(before, &domain, &self.id);
        if self.believed.as_ref().is_some_and(vouch) {
            let is_expected =
                |expected: &Arc<[SpiffeId]>| expected.iter().any(|one| bundles.is_expected(&domain, &self.id, one));
            if let Some(expected) = self.expected.as_ref().filter(|expected| !is_expected(expected)) {
                let (own, peer) = (Some(self.own.clone()), Party::Proven(self.id.clone()));
                return Err(VerifyError { own, peer, fault: Fault::Unexpected(expected.clone()) });
            }
        } else {
            self.verify(Trust { own: Some(self.own.clone()), domain, bundles: bundles.clone() })?;
        }
        self.believed = Some(bundles.clone());
        Ok(())
    }

    fn verify(&self, trust: Trust) -> Result<(), VerifyError> {
        // There is a leaf: its identity was read.
        let Some((leaf, intermediates)) = self.chain.split_first() else { return Ok(()) };
        match &self.expected {
            Some(expected) => {
                ServerVerifier { trust, expected: expected.clone() }.verify(leaf, intermediates, self.at)?
            }
            None => trust.verify(Side::Client, leaf, intermediates, self.at)?,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests;
