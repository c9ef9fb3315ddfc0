//! How TLS ends at a gateway's listeners.

mod clients;
mod suites;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use ripstop_decide::{Program, Speaks, authority_names, certificate_names, listening, terminates};
use ripstop_model::{
    Credential, Gateway, RuleId, Server, ServerHost, ServerProtocol, ServerTls, ServerTlsMode, Workload,
};
use rustls::{
    ProtocolVersion, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use self::clients::Clients;
use super::credentials::Credentials;

/// What the listeners of a gateway end TLS with. Followed for each commit, used for each connection.
#[derive(Debug, Default)]
pub struct Terminators {
    made: ArcSwap<HashMap<RuleId, Arc<Terminator>>>,
    /// One change after the other.
    turn: Mutex<()>,
}

/// How TLS ends at one listener.
#[derive(Debug)]
pub struct Terminator {
    tls: Arc<ServerTls>,
    hosts: Vec<ServerHost>,
    credentials: Vec<Arc<Credential>>,
    /// The configuration of its connections, or why there is none.
    pub config: Result<Arc<ServerConfig>, TlsError>,
    /// Fires when the listener asks for something else: connections that were let in before finish what they are about.
    /// New certificates are no reason for that.
    pub retired: CancellationToken,
}

/// Why a listener can't end TLS.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TlsError {
    /// It has no certificate.
    #[error(
        "there is no Secret {0} with certificate and key; create it in the namespace of the gateway or of the Gateway"
    )]
    NoSecret(Arc<str>),
    /// It names none.
    #[error("it names no credentialName, and certificates are taken from Secrets only")]
    NoCertificate,
    /// Clients have to prove themselves, and nobody says by whom.
    #[error("its mode asks clients for certificates, and no Secret has their authorities (ca.crt)")]
    NoAuthorities,
    /// A part of a `Secret` can't be read.
    #[error("{part} of Secret {secret}: {reason}")]
    Unusable {
        /// Which one.
        secret: Arc<str>,
        /// Which part.
        part: &'static str,
        /// Why.
        reason: String,
    },
    /// A hash of clients' keys or certificates is none.
    #[error("{0} is no SHA-256 hash: verifyCertificateSpki has them in base64, verifyCertificateHash in hexadecimal")]
    Pin(Arc<str>),
    /// Its versions exclude each other.
    #[error("no version of TLS is left between minProtocolVersion and maxProtocolVersion; 1.2 and 1.3 are spoken")]
    Versions,
    /// It speaks TLS 1.2 alone, and with no suite that is offered.
    #[error("none of its cipherSuites is offered, and maxProtocolVersion leaves no other version than TLS 1.2")]
    Suites,
}

/// Certificates of one listener, of which a client gets the first that it understands.
#[derive(Debug)]
struct Choice(Vec<Arc<CertifiedKey>>);

// === impl Terminators ===

impl Terminators {
    /// Takes over what `program` says of the gateway that `own` is. What stays the same goes on being used.
    pub fn follow(&self, program: &Program, own: &Workload, held: &Credentials) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.made.load();
        let mut next = HashMap::new();
        for port in listening(program, &own.labels).into_values().filter(|port| port.speaks == Speaks::Tls) {
            for (gateway, server) in port.servers {
                let Some(tls) = server.tls.as_ref().filter(|tls| terminates(tls.mode)) else { continue };
                let old = before.get(&server.id);
                let made = Terminator::follow(old, (gateway, server, tls), &own.namespace, held);
                next.insert(server.id.clone(), made);
            }
        }
        for (_, gone) in before.iter().filter(|(id, _)| !next.contains_key(*id)) {
            gone.retired.cancel();
        }
        self.made.store(Arc::new(next));
    }

    /// How TLS ends at a listener.
    pub fn get(&self, server: &Server) -> Option<Arc<Terminator>> {
        self.made.load().get(&server.id).cloned()
    }
}

// === impl Terminator ===

impl Terminator {
    fn follow(
        old: Option<&Arc<Self>>,
        (gateway, server, tls): (&Gateway, &Server, &Arc<ServerTls>),
        namespace: &str,
        held: &Credentials,
    ) -> Arc<Self> {
        let found = Found::of(namespace, gateway, tls, held);
        let credentials = found.as_ref().map(Found::all).unwrap_or_default();
        let asks_the_same = |old: &&Arc<Self>| *old.tls == **tls && old.hosts == server.hosts;
        let same = old.filter(asks_the_same);
        if let Some(old) = same
            && old.credentials == credentials
            && (old.config.is_ok() || found.is_ok() || old.config.as_ref().err() == found.as_ref().err())
        {
            return old.clone();
        }
        if let (Some(old), None) = (old, same) {
            old.retired.cancel();
        }
        let mut config = found.and_then(|found| make(server, tls, &found).map(Arc::new));
        if let (Err(error), Some(old)) = (&config, same)
            && !credentials.is_empty()
            && old.config.is_ok()
        {
            tracing::error!(server = %server.id, %error, "changed certificates can't be used; those before still hold");
            config.clone_from(&old.config);
        } else if let Err(error) = &config {
            tracing::error!(server = %server.id, %error, "a listener can't end TLS");
        } else {
            tracing::info!(server = %server.id, "certificates in use");
        }
        Arc::new(Self {
            tls: tls.clone(),
            hosts: server.hosts.clone(),
            credentials,
            config,
            retired: same.map_or_else(CancellationToken::new, |old| old.retired.clone()),
        })
    }
}

/// What a listener needs of `Secret`s.
struct Found {
    certificates: Vec<Arc<Credential>>,
    authorities: Option<Arc<Credential>>,
}

// === impl Found ===

impl Found {
    fn of(namespace: &str, gateway: &Gateway, tls: &ServerTls, held: &Credentials) -> Result<Self, TlsError> {
        let names = certificate_names(namespace, gateway, tls);
        if names.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let certificates = names.iter().zip(&tls.credentials).map(|(names, written)| {
            held.certificate(names).cloned().ok_or_else(|| TlsError::NoSecret(written.clone()))
        });
        let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
        let authorities = if asks_clients(tls) && !tls.insecure {
            let found = held.authorities(&authority_names(namespace, gateway, tls));
            Some(found.cloned().ok_or(TlsError::NoAuthorities)?)
        } else {
            None
        };
        Ok(Self { certificates, authorities })
    }

    fn all(&self) -> Vec<Arc<Credential>> {
        self.certificates.iter().chain(&self.authorities).cloned().collect()
    }
}

/// Whether clients are asked for certificates.
fn asks_clients(tls: &ServerTls) -> bool {
    matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual)
}

fn make(server: &Server, tls: &ServerTls, found: &Found) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(suites::provider(&tls.cipher_suites));
    let mut versions = versions_of(tls)?;
    versions.retain(|version| version.version != ProtocolVersion::TLSv1_2 || suites::has_tls12(&provider));
    if versions.is_empty() {
        return Err(TlsError::Suites);
    }
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_protocol_versions(&versions).map_err(|_| TlsError::Versions)?;
    let builder = if asks_clients(tls) {
        let chain = found.authorities.as_ref().map(|held| verifier(held, &provider)).transpose()?;
        builder.with_client_cert_verifier(Arc::new(Clients::new(tls, chain, &provider)?))
    } else {
        builder.with_no_client_auth()
    };
    let keys = found.certificates.iter().map(|held| certified(held, &provider)).collect::<Result<_, _>>()?;
    let mut config = builder.with_cert_resolver(Arc::new(Choice(keys)));
    if server.protocol == ServerProtocol::Https {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    Ok(config)
}

fn verifier(
    held: &Credential,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(all::<CertificateDer<'_>>(held, "ca.crt", &held.authorities)?);
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    if !held.revocations.is_empty() {
        verifier = verifier.with_crls(all::<CertificateRevocationListDer<'_>>(held, "ca.crl", &held.revocations)?);
    }
    verifier.build().map_err(|error| unusable(held, "ca.crt", &error))
}

fn certified(held: &Credential, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = all(held, "tls.crt", &held.chain)?;
    let key = PrivateKeyDer::from_pem_slice(&held.key).map_err(|error| unusable(held, "tls.key", &error))?;
    CertifiedKey::from_der(chain, key, provider).map(Arc::new).map_err(|error| unusable(held, "tls.key", &error))
}

/// Everything of one kind in a PEM text.
fn all<T: PemObject>(held: &Credential, part: &'static str, text: &[u8]) -> Result<Vec<T>, TlsError> {
    let found: Result<Vec<T>, _> = T::pem_slice_iter(text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(unusable(held, part, &"nothing of that kind is in it, as PEM")),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(held, part, &error)),
    }
}

/// What it says holds nothing of the content.
fn unusable(held: &Credential, part: &'static str, reason: &dyn std::fmt::Display) -> TlsError {
    let secret = format!("{}/{}", held.namespace, held.name).into();
    TlsError::Unusable { secret, part, reason: reason.to_string() }
}

/// Of what is spoken here, what lies between the two that the listener names.
fn versions_of(tls: &ServerTls) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let (least, most) = (tls.versions.0.as_deref(), tls.versions.1.as_deref());
    let mut versions: Vec<&'static SupportedProtocolVersion> = Vec::new();
    if least != Some("TLSV1_3") {
        versions.push(&TLS12);
    }
    if most.is_none() || most == Some("TLSV1_3") {
        versions.push(&TLS13);
    }
    if matches!(most, Some("TLSV1_0" | "TLSV1_1")) {
        versions.clear();
    }
    if versions.is_empty() { Err(TlsError::Versions) } else { Ok(versions) }
}

// === impl Choice ===

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let understood = |held: &&Arc<CertifiedKey>| held.key.choose_scheme(hello.signature_schemes()).is_some();
        self.0.iter().find(understood).or(self.0.first()).cloned()
    }
}

#[cfg(test)]
mod tests;
