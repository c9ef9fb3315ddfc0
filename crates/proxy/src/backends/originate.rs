//! TLS that endpoints themselves end, outside of the mesh or inside of its tunnels (Istio's `trafficPolicy.tls`, modes SIMPLE and MUTUAL).

mod secret;
mod verify;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use ripstop_exchange::{Carrier, TlsStream};
use ripstop_model::{ClientTls, ClientTlsMode};
use rustls::{
    ClientConfig,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::ServerName,
};
use thiserror::Error;
use tokio::time::Instant;

pub(super) use self::secret::Secret;
use self::{
    secret::Usable,
    verify::{Anybody, NamedVerifier},
};
use super::facts::HttpVersion;
use crate::{
    secrets::Unusable,
    tls_parameters::{self, ParameterError},
    trusted_files::{FileError, LOOK, Stamp, TrustedFiles},
};

/// How TLS to a backend's endpoints is made. What it reads from files is read again when they change; of other Secrets
/// another one is made.
#[derive(Debug)]
pub(super) struct Origination {
    tls: Arc<ClientTls>,
    /// Names of which the endpoint has to prove one; none: the server name.
    names: Arc<[Arc<str>]>,
    files: Arc<TrustedFiles>,
    /// What the rule's `credentialName` stands for; nothing: it names none, or nobody here is given any.
    secret: Option<Arc<Secret>>,
    /// For each version of HTTP, and for bytes of any protocol.
    made: Mutex<[Option<Made>; 3]>,
}

#[derive(Debug)]
struct Made {
    config: Arc<ClientConfig>,
    looked: Instant,
    stamps: Vec<Stamp>,
}

/// Why TLS can't be made.
#[derive(Clone, Debug, Error)]
pub(super) enum TlsError {
    /// Secrets are not known here.
    #[error(
        "tls.credentialName {0}: workloads are given Secrets only by rules with a workloadSelector; write one, or name files by tls.clientCertificate, tls.privateKey and tls.caCertificates"
    )]
    Credential(Arc<str>),
    /// There is no such Secret.
    #[error("tls.credentialName: there is no Secret {secret} with {part}; create it in the namespace of the caller")]
    NoSecret {
        /// Which one.
        secret: Arc<str>,
        /// What it has to hold.
        part: &'static str,
    },
    /// It holds nothing that can be used.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// A file is missing in the rule.
    #[error("tls.mode MUTUAL needs tls.{0}")]
    Missing(&'static str),
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The name is none.
    #[error("{0} is no server name")]
    Name(Box<str>),
    /// Nothing is left to speak.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// What the files hold does not fit together.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

// === impl Origination ===

impl Origination {
    /// By `tls`, accepting endpoints that prove one of `names`.
    pub(super) fn new(
        tls: Arc<ClientTls>,
        names: Arc<[Arc<str>]>,
        files: Arc<TrustedFiles>,
        secret: Option<Arc<Secret>>,
    ) -> Self {
        Self { tls, names, files, secret, made: Mutex::default() }
    }

    /// Whether one made of these would do the same, with the same Secrets.
    pub(super) fn is_for(&self, tls: &ClientTls, names: &[Arc<str>]) -> bool {
        *self.tls == *tls && *self.names == *names
    }

    /// What the rule's `credentialName` stands for.
    pub(super) fn secret(&self) -> Option<&Arc<Secret>> {
        self.secret.as_ref()
    }

    /// Whether it uses that very one.
    pub(super) fn has(&self, secret: Option<&Arc<Secret>>) -> bool {
        self.secret.as_ref().map(Arc::as_ptr) == secret.map(Arc::as_ptr)
    }

    /// The server name of a request to `authority`, of a backend called `host`.
    ///
    /// As in Istio, it is the host of the request where the rule names none. Where the rule names one and nothing that
    /// the endpoint has to prove, the endpoint has to prove that name; Envoy would believe any certificate of the CA.
    pub(super) fn server_name(&self, authority: Option<&str>, host: &str) -> Arc<str> {
        if let Some(sni) = &self.tls.sni {
            return sni.clone();
        }
        let asked = authority.map(host_of).filter(|asked| !asked.is_empty());
        asked.unwrap_or(host).into()
    }

    /// The configuration for that version of HTTP, or for bytes of any protocol: the same one as long as nothing changes.
    pub(super) fn config(&self, version: Option<HttpVersion>) -> Result<Arc<ClientConfig>, TlsError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let made = &mut made[match version {
            None => 0,
            Some(HttpVersion::Http1) => 1,
            Some(HttpVersion::Http2) => 2,
        }];
        let now = Instant::now();
        if let Some(made) = made {
            if now.duration_since(made.looked) < LOOK {
                return Ok(Arc::clone(&made.config));
            }
            made.looked = now;
            if made.stamps.iter().all(Stamp::holds) {
                return Ok(Arc::clone(&made.config));
            }
        }
        let mut stamps = Vec::new();
        match self.make(version, &mut stamps) {
            Ok(config) => {
                let config = Arc::new(config);
                *made = Some(Made { config: Arc::clone(&config), looked: now, stamps });
                Ok(config)
            }
            Err(error) => match made {
                // Files are replaced one after the other; until they fit, what they were before holds.
                Some(made) => {
                    tracing::warn!(%error, "changed files of TLS can't be used; what they were before still holds");
                    Ok(Arc::clone(&made.config))
                }
                None => Err(error),
            },
        }
    }

    fn make(&self, version: Option<HttpVersion>, stamps: &mut Vec<Stamp>) -> Result<ClientConfig, TlsError> {
        let tls = &*self.tls;
        let secret = match (&tls.credential, &self.secret) {
            (None, _) => None,
            (Some(_), Some(secret)) => Some(secret.usable()?),
            (Some(credential), None) => return Err(TlsError::Credential(credential.clone())),
        };
        let (provider, versions) = tls_parameters::provider(&tls.parameters, None)?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(self.verifier(secret, &provider, stamps)?);
        let mut config = match (tls.mode, secret) {
            (ClientTlsMode::Mutual, Some(secret)) => builder.with_client_cert_resolver(secret.certificate()?),
            (ClientTlsMode::Mutual, None) => {
                let needed =
                    |path: &Arc<str>, field| if path.is_empty() { Err(TlsError::Missing(field)) } else { Ok(()) };
                needed(&tls.files.certificate, "clientCertificate")?;
                needed(&tls.files.key, "privateKey")?;
                let chain = self.files.certificates(&tls.files.certificate, stamps)?;
                let key = self.files.key(&tls.files.key, stamps)?;
                builder.with_client_auth_cert(chain, key)?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = match version {
            Some(HttpVersion::Http1) => vec![b"http/1.1".to_vec()],
            Some(HttpVersion::Http2) => vec![b"h2".to_vec()],
            None => Vec::new(),
        };
        Ok(config)
    }

    fn verifier(
        &self,
        secret: Option<&Usable>,
        provider: &Arc<CryptoProvider>,
        stamps: &mut Vec<Stamp>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let tls = &*self.tls;
        if tls.insecure {
            return Ok(Arc::new(Anybody::new(provider)));
        }
        let (place, roots, revoked) = if let Some(secret) = secret {
            secret.authorities()?
        } else {
            let (path, roots) = if tls.files.ca.is_empty() {
                self.files.system_roots(stamps)?
            } else {
                (tls.files.ca.clone(), self.files.roots(&tls.files.ca, stamps)?)
            };
            let crl = Some(&tls.files.crl).filter(|crl| !crl.is_empty());
            let revoked = crl.map(|crl| self.files.revocations(crl, stamps)).transpose()?;
            (path, Arc::new(roots), revoked.unwrap_or_default())
        };
        let chain = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).with_crls(revoked);
        let chain = chain.build().map_err(|error| FileError { path: place, reason: error.to_string() })?;
        Ok(if self.names.is_empty() { chain } else { Arc::new(NamedVerifier::new(chain, &self.names)) })
    }
}

/// Makes TLS on `carrier`.
pub(super) async fn connect(carrier: Carrier, config: Arc<ClientConfig>, name: &str) -> io::Result<TlsStream> {
    let server = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.into()));
    TlsStream::connect(carrier, config, server.map_err(io::Error::other)?).await
}

/// The host of an authority, without its port.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
