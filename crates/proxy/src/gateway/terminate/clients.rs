//! Which clients a listener takes, by the certificates that they show.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ripstop_model::{ServerTls, ServerTlsMode};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsError;
use crate::proven::Names;

/// Takes clients whose certificate is by an authority, proves one of some names, and is one of those that are pinned,
/// as far as the listener asks for each of that.
#[derive(Debug)]
pub(super) struct Clients {
    /// By the authorities; nothing: whoever made it (`insecureSkipVerify`).
    chain: Option<Arc<dyn ClientCertVerifier>>,
    /// Nothing: any name will do.
    names: Option<Names>,
    /// Nothing: any certificate will do.
    pins: Option<Pins>,
    is_mandatory: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

type Hash = [u8; SHA256_OUTPUT_LEN];

/// Certificates by their hashes (`verifyCertificateSpki`, `verifyCertificateHash`): one of either will do.
#[derive(Debug, Default)]
struct Pins {
    /// Of public keys.
    keys: Vec<Hash>,
    /// Of whole certificates.
    certificates: Vec<Hash>,
}

// === impl Clients ===

impl Clients {
    /// As `tls` asks for. Without `chain` nobody's word is needed, and names prove nothing: they are not looked at.
    pub(super) fn new(
        tls: &ServerTls,
        chain: Option<Arc<dyn ClientCertVerifier>>,
        provider: &CryptoProvider,
    ) -> Result<Self, TlsError> {
        let is_named = chain.is_some() && !tls.subject_alt_names.is_empty();
        Ok(Self {
            names: is_named.then(|| Names::new(&tls.subject_alt_names)),
            pins: if tls.pins.is_empty() { None } else { Some(Pins::new(&tls.pins)?) },
            is_mandatory: tls.mode != ServerTlsMode::OptionalMutual,
            algorithms: provider.signature_verification_algorithms,
            chain,
        })
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map(|chain| chain.root_hint_subjects()).unwrap_or_default()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.verify_client_cert(end_entity, intermediates, now)?;
        }
        if let Some(names) = &self.names
            && !names.are_proven_by(end_entity)?
        {
            return Err(Error::InvalidCertificate(CertificateError::NotValidForName));
        }
        if let Some(pins) = &self.pins
            && !pins.have(end_entity)?
        {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

// === impl Pins ===

impl Pins {
    /// Hashes of keys are base64, those of certificates hexadecimal: their lengths tell them apart.
    fn new(written: &[Arc<str>]) -> Result<Self, TlsError> {
        let mut pins = Self::default();
        for text in written {
            if let Some(hash) = in_hexadecimal(text) {
                pins.certificates.push(hash);
            } else if let Some(hash) = STANDARD.decode(&**text).ok().and_then(|bytes| bytes.try_into().ok()) {
                pins.keys.push(hash);
            } else {
                return Err(TlsError::Pin(text.clone()));
            }
        }
        Ok(pins)
    }

    fn have(&self, leaf: &CertificateDer<'_>) -> Result<bool, Error> {
        let has = |hashes: &[Hash], of: &[u8]| {
            let hash = digest(&SHA256, of);
            hashes.iter().any(|pinned| pinned == hash.as_ref())
        };
        if !self.certificates.is_empty() && has(&self.certificates, leaf) {
            return Ok(true);
        }
        let bad = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, certificate) = X509Certificate::from_der(leaf).map_err(bad)?;
        Ok(has(&self.keys, certificate.public_key().raw))
    }
}

/// 64 digits, or 32 pairs of them with `:` between.
fn in_hexadecimal(text: &str) -> Option<Hash> {
    let digits = text.replace(':', "");
    if digits.len() != 2 * SHA256_OUTPUT_LEN || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = Hash::default();
    for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests;
