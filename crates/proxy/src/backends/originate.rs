//! TLS to endpoints outside of the mesh (Istio's `trafficPolicy.tls`, modes SIMPLE and MUTUAL).

mod files;
mod verify;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ripstop_exchange::TlsStream;
use ripstop_model::{ClientTls, ClientTlsMode};
use rustls::{
    ClientConfig,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::ServerName,
};
use thiserror::Error;
use tokio::{net::TcpStream, time::Instant};

pub(super) use self::files::TrustedFiles;
use self::{
    files::Stamp,
    verify::{Anybody, NamedVerifier},
};
use super::facts::HttpVersion;

/// How often files are looked at again.
const LOOK: Duration = Duration::from_secs(5);

/// How TLS to a backend's endpoints is made. What it reads from files is read again when they change.
#[derive(Debug)]
pub(super) struct Origination {
    tls: Arc<ClientTls>,
    /// Names of which the endpoint has to prove one; none: the server name.
    names: Arc<[Arc<str>]>,
    files: Arc<TrustedFiles>,
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
#[derive(Debug, Error)]
pub(super) enum TlsError {
    /// Secrets are not known here.
    #[error(
        "tls.credentialName {0}: secrets are not available to proxies of nodes; name files by tls.clientCertificate, tls.privateKey and tls.caCertificates instead"
    )]
    Credential(Arc<str>),
    /// A file is missing in the rule.
    #[error("tls.mode MUTUAL needs tls.{0}")]
    Missing(&'static str),
    /// A file can't be used.
    #[error("{path}: {reason}")]
    File {
        /// Which one.
        path: Arc<str>,
        /// Why.
        reason: String,
    },
    /// The name is none.
    #[error("{0} is no server name")]
    Name(Box<str>),
    /// What the files hold does not fit together.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

// === impl Origination ===

impl Origination {
    /// By `tls`, accepting endpoints that prove one of `names`.
    pub(super) fn new(tls: Arc<ClientTls>, names: Arc<[Arc<str>]>, files: Arc<TrustedFiles>) -> Self {
        Self { tls, names, files, made: Mutex::default() }
    }

    /// Whether one made of these would do the same.
    pub(super) fn is_for(&self, tls: &ClientTls, names: &[Arc<str>]) -> bool {
        *self.tls == *tls && *self.names == *names
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
        if let Some(credential) = &tls.credential {
            return Err(TlsError::Credential(credential.clone()));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = builder.dangerous().with_custom_certificate_verifier(self.verifier(&provider, stamps)?);
        let mut config = match tls.mode {
            ClientTlsMode::Mutual => {
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
        provider: &Arc<CryptoProvider>,
        stamps: &mut Vec<Stamp>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let tls = &*self.tls;
        if tls.insecure {
            return Ok(Arc::new(Anybody::new(provider)));
        }
        let (path, roots) = if tls.files.ca.is_empty() {
            self.files.system_roots(stamps)?
        } else {
            (tls.files.ca.clone(), self.files.roots(&tls.files.ca, stamps)?)
        };
        let mut chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        if !tls.files.crl.is_empty() {
            chain = chain.with_crls(self.files.revocations(&tls.files.crl, stamps)?);
        }
        let chain = chain.build().map_err(|error| TlsError::File { path, reason: error.to_string() })?;
        Ok(if self.names.is_empty() { chain } else { Arc::new(NamedVerifier::new(chain, &self.names)) })
    }
}

/// Makes TLS on `socket`.
pub(super) async fn connect(socket: TcpStream, config: Arc<ClientConfig>, name: &str) -> io::Result<TlsStream> {
    let server = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.into()));
    TlsStream::connect(socket, config, server.map_err(io::Error::other)?).await
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
