//! TLS to targets.

use std::{fs, path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error as RustlsError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use thiserror::Error;

/// Whom to believe, and who we are.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// A file of PEM with the authorities that servers are believed by; none: those of the system.
    pub authorities: Option<PathBuf>,
    /// Files of PEM with our certificate chain and its key, for servers that ask.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether any certificate is believed.
    pub anybody: bool,
}

/// Why TLS can't be made.
#[derive(Debug, Error)]
pub enum TrustError {
    /// A file can't be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The system has no authorities.
    #[error("this machine has no certificate authorities ({0}): name some by --cacert")]
    NoAuthorities(String),
    /// What the files hold does not fit together.
    #[error(transparent)]
    Rustls(#[from] RustlsError),
}

/// Believes everybody.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

// === impl Trust ===

impl Trust {
    /// What follows for TLS.
    pub fn config(&self) -> Result<ClientConfig, TrustError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = if self.anybody {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        let Some((chain, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let told = |path: &PathBuf, reason: String| TrustError::File { path: path.clone(), reason };
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| told(key, error.to_string()))?;
        Ok(builder.with_client_auth_cert(certificates(chain)?, private)?)
    }

    fn roots(&self) -> Result<RootCertStore, TrustError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.authorities {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
            return Ok(roots);
        }
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let reason = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
            return Err(TrustError::NoAuthorities(reason));
        }
        Ok(roots)
    }
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let told = |reason: String| TrustError::File { path: path.clone(), reason };
    let text = fs::read(path).map_err(|error| told(error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| told(error.to_string()))?;
    if found.is_empty() { Err(told("there is no certificate in it".to_owned())) } else { Ok(found) }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
