//! SPIFFE verification of a peer's certificate chain inside the handshake.

mod error;

use std::sync::Arc;

use ripstop_model::{SpiffeId, TrustDomain};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    client::verify_server_cert_signed_by_trust_anchor,
    crypto::{verify_tls12_signature, verify_tls13_signature},
    server::{
        ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

pub use self::error::{Fault, Party, VerifyError, verify_error};
use crate::{Bundles, Roots, certificate::Leaf, tls::provider};

/// Accepts servers of trust domains that we believe, whose identity is one of those expected.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    pub(crate) trust: Trust,
    /// The identities that may answer; empty accepts nobody.
    pub(crate) expected: Arc<[SpiffeId]>,
}

/// Accepts clients of trust domains that we believe.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    pub(crate) trust: Trust,
    /// Whether a client without a certificate is refused.
    pub(crate) mandatory: bool,
}

/// Whom we believe, and who we are while asking.
#[derive(Debug)]
pub(crate) struct Trust {
    /// Our own identity, if we have one already.
    pub(crate) own: Option<SpiffeId>,
    pub(crate) domain: TrustDomain,
    pub(crate) bundles: Bundles,
}

/// Which end of the handshake the certificate speaks for; decides the extended key usage asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Server,
    Client,
}

impl Trust {
    /// SPIFFE X509-SVID validation: the leaf's shape, its trust domain, its chain, which has to lead to a root of that domain.
    /// All must hold.
    pub(crate) fn verify(
        &self,
        side: Side,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<SpiffeId, VerifyError> {
        let fail = |peer, fault| VerifyError { own: self.own.clone(), peer, fault };
        let id = Leaf::parse(leaf).and_then(|leaf| leaf.svid_id()).map_err(|(peer, fault)| fail(peer, fault))?;
        let vouching = self.bundles.vouching(&self.domain, &id);
        // Of a foreign one it is known at least whether the mesh's own authority was misled.
        verify_chain(vouching.unwrap_or(self.bundles.own()), side, leaf, intermediates, now)
            .map_err(|error| fail(Party::Claimed(id.clone()), Fault::from_chain(error)))?;
        if vouching.is_none() {
            return Err(fail(Party::Proven(id), Fault::TrustDomain(self.domain.clone())));
        }
        Ok(id)
    }
}

fn verify_chain(
    roots: &Roots,
    side: Side,
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), rustls::Error> {
    match side {
        Side::Server => verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(leaf)?,
            roots.store(),
            intermediates,
            now,
            provider().signature_verification_algorithms.all,
        ),
        Side::Client => roots.client_chain().verify_client_cert(leaf, intermediates, now).map(|_| ()),
    }
}

impl ServerVerifier {
    pub(crate) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<SpiffeId, VerifyError> {
        let id = self.trust.verify(Side::Server, leaf, intermediates, now)?;
        let Trust { domain, bundles, .. } = &self.trust;
        if self.expected.iter().any(|expected| bundles.is_expected(domain, &id, expected)) {
            return Ok(id);
        }
        let fault = Fault::Unexpected(self.expected.clone());
        Err(VerifyError { own: self.trust.own.clone(), peer: Party::Proven(id), fault })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates, now).map_err(into_rustls)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A SPIFFE client has one certificate a connection; hints would only cost bytes.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.trust.verify(Side::Client, end_entity, intermediates, now).map_err(into_rustls)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

fn into_rustls(error: VerifyError) -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

#[cfg(test)]
mod tests;
