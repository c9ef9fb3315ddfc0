//! How TLS ends at a gateway's listeners.

mod clients;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use ripstop_decide::{Program, Speaks, authority_names, certificate_names, listening, terminates};
use ripstop_model::{
    Credential, Gateway, ObjectName, RuleId, Server, ServerHost, ServerProtocol, ServerTls, ServerTlsMode,
    TlsParameters, Workload,
};
use ripstop_pem::PemError;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::CertificateRevocationListDer,
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
};
use thiserror::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::clients::Clients;
use crate::{
    certificates::Credential as Own,
    secrets::{self, Credentials, Unusable},
    tls_parameters::{self, ParameterError},
    trusted_files::{FileError, LOOK, Stamp, TrustedFiles},
};

/// Protocols of requests.
const ALPN: &[&[u8]] = &[b"h2", b"http/1.1"];

/// What the listeners of a gateway end TLS with. Followed for each commit, used for each connection.
#[derive(Debug)]
pub struct Terminators {
    made: ArcSwap<HashMap<RuleId, Arc<Terminator>>>,
    files: Arc<TrustedFiles>,
    /// One change after the other.
    turn: Mutex<()>,
}

/// How TLS ends at one listener. What it reads from files is read again when they change.
#[derive(Debug)]
pub struct Terminator {
    id: RuleId,
    position: Position,
    tls: Arc<ServerTls>,
    found: Result<Found, TlsError>,
    files: Arc<TrustedFiles>,
    made: Mutex<Made>,
    /// Of the gateway's own certificate, by its generation.
    of_mesh: Mutex<Option<(u64, Arc<ServerConfig>)>>,
    /// Fires when the listener asks for something else: connections that were let in before finish what they are about.
    /// New certificates are no reason for that.
    pub retired: CancellationToken,
}

/// What makes a listener the same one, whatever else its Gateway says by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The `Gateway`, or what else it is a part of.
    pub gateway: ObjectName,
    /// Its port.
    pub port: u16,
    /// What is spoken there.
    pub protocol: ServerProtocol,
    /// Whom it is for.
    pub hosts: Vec<ServerHost>,
}

/// What was made of what was there.
#[derive(Debug)]
struct Made {
    config: Result<Arc<ServerConfig>, TlsError>,
    /// When files were last looked at.
    looked: Instant,
    stamps: Vec<Stamp>,
}

/// Why a listener can't end TLS.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TlsError {
    /// It has no certificate.
    #[error(
        "there is no Secret {0} with certificate and key; create it in the namespace of the gateway or of the Gateway"
    )]
    NoSecret(Arc<str>),
    /// The gateway's own certificate is needed.
    #[error("the gateway has no valid certificate of the mesh; look for why in its log and in the control plane's")]
    NoIdentity,
    /// It names none.
    #[error("it names neither a credentialName nor a serverCertificate with its privateKey")]
    NoCertificate,
    /// Clients have to prove themselves, and nobody says by whom.
    #[error(
        "its mode asks clients for certificates, and neither a Secret (ca.crt) nor caCertificates has their authorities"
    )]
    NoAuthorities,
    /// A part of a `Secret` can't be read.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A hash of clients' keys or certificates is none.
    #[error("{0} is no SHA-256 hash: verifyCertificateSpki has them in base64, verifyCertificateHash in hexadecimal")]
    Pin(Arc<str>),
    /// Nothing is left to speak.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// What is spoken does not fit together.
    #[error("TLS can't be made: {0}")]
    Rustls(String),
}

/// Certificates of one listener, of which a client gets the first that it understands.
#[derive(Debug)]
struct Choice(Vec<Arc<CertifiedKey>>);

// === impl Terminators ===

impl Terminators {
    /// None yet. Files below `private`, where the mesh keeps its keys, are nobody's certificates.
    pub fn new(private: &Path) -> Self {
        Self { made: ArcSwap::default(), files: Arc::new(TrustedFiles::outside(private)), turn: Mutex::default() }
    }

    /// Takes over what `program` says of the gateway that `own` is. What stays the same goes on being used.
    pub fn follow(&self, program: &Program, own: &Workload, held: &Credentials) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.made.load();
        let mut next = HashMap::new();
        let mut goes_on = HashSet::new();
        for port in listening(program, &own.labels).into_values().filter(|port| port.speaks == Speaks::Tls) {
            for (gateway, server) in port.servers {
                let Some(tls) = server.tls.as_ref().filter(|tls| terminates(tls.mode)) else { continue };
                // Ids are new with every edit of the Gateway, be it a label or another listener.
                let position = Position::of(gateway, server);
                let is_here = |old: &&Arc<Terminator>| old.position == position;
                let old = before.get(&server.id).or_else(|| before.values().find(is_here));
                goes_on.extend(old.map(Arc::as_ptr));
                let made = Terminator::follow(old, (gateway, server, tls), &own.namespace, held, &self.files);
                next.insert(server.id.clone(), made);
            }
        }
        for gone in before.values().filter(|old| !goes_on.contains(&Arc::as_ptr(old))) {
            gone.retired.cancel();
        }
        self.made.store(Arc::new(next));
    }

    /// How TLS ends at a listener.
    pub fn get(&self, server: &Server) -> Option<Arc<Terminator>> {
        self.made.load().get(&server.id).cloned()
    }
}

// === impl Position ===

impl Position {
    fn of(gateway: &Gateway, server: &Server) -> Self {
        Self {
            gateway: (gateway.namespace.clone(), gateway.name.clone()),
            port: server.port,
            protocol: server.protocol,
            hosts: server.hosts.clone(),
        }
    }
}

// === impl Terminator ===

impl Terminator {
    fn follow(
        old: Option<&Arc<Self>>,
        (gateway, server, tls): (&Gateway, &Server, &Arc<ServerTls>),
        namespace: &str,
        held: &Credentials,
        files: &Arc<TrustedFiles>,
    ) -> Arc<Self> {
        let found = Found::of(namespace, gateway, tls, held);
        let position = Position::of(gateway, server);
        let same = old.filter(|old| *old.tls == **tls && old.position == position);
        if let Some(old) = same.filter(|old| old.found == found) {
            return old.clone();
        }
        if let (Some(old), None) = (old, same) {
            old.retired.cancel();
        }
        Self::made(same, &server.id, position, tls, found, files)
    }

    /// At the listener of a workload, which has no `Secret`s; `old` is what was there before.
    pub(crate) fn of_files(
        old: Option<&Arc<Self>>,
        id: &RuleId,
        position: Position,
        tls: &Arc<ServerTls>,
        files: &Arc<TrustedFiles>,
    ) -> Arc<Self> {
        let same = old.filter(|old| *old.tls == **tls && old.position == position);
        if let Some(old) = same {
            return old.clone();
        }
        let found = if tls.files.iter().any(|files| !files.certificate.is_empty()) {
            Ok(Found { certificates: Vec::new(), authorities: None })
        } else {
            Err(TlsError::NoCertificate)
        };
        Self::made(None, id, position, tls, found, files)
    }

    /// With what was found; `same` is one that asked for the same, with what there was before.
    fn made(
        same: Option<&Arc<Self>>,
        id: &RuleId,
        position: Position,
        tls: &Arc<ServerTls>,
        found: Result<Found, TlsError>,
        files: &Arc<TrustedFiles>,
    ) -> Arc<Self> {
        // With the mesh's own certificates it is made once somebody comes.
        let mut made = Made { config: Err(TlsError::NoIdentity), looked: Instant::now(), stamps: Vec::new() };
        if tls.mode != ServerTlsMode::Mesh {
            made.config = found
                .clone()
                .and_then(|found| make(position.protocol, tls, &found, files, &mut made.stamps).map(Arc::new));
            let before = same.map(|old| old.lock().config.clone());
            if let (Err(error), Some(Ok(before)), Ok(_)) = (&made.config, before, &found) {
                tracing::error!(server = %id, %error, "changed certificates can't be used; those before still hold");
                made.config = Ok(before);
            } else if let Err(error) = &made.config {
                tracing::error!(server = %id, %error, "a listener can't end TLS");
            } else {
                tracing::info!(server = %id, "certificates in use");
            }
        }
        Arc::new(Self {
            id: id.clone(),
            position,
            tls: tls.clone(),
            found,
            files: files.clone(),
            made: Mutex::new(made),
            of_mesh: Mutex::default(),
            retired: same.map_or_else(CancellationToken::new, |old| old.retired.clone()),
        })
    }

    /// The configuration of its connections, or why there is none; `own` is the gateway's own certificate.
    pub fn config(&self, own: impl FnOnce() -> Option<Arc<Own>>) -> Result<Arc<ServerConfig>, TlsError> {
        if self.tls.mode == ServerTlsMode::Mesh {
            return self.of_mesh(&*own().ok_or(TlsError::NoIdentity)?);
        }
        let mut made = self.lock();
        if let Ok(found) = self.found.as_ref()
            && found.reads_files(&self.tls)
            && made.looked.elapsed() >= LOOK
        {
            made.looked = Instant::now();
            self.look_again(found, &mut made);
        }
        made.config.clone()
    }

    /// For clients of the mesh. Its TLS is 1.3 alone.
    fn of_mesh(&self, own: &Own) -> Result<Arc<ServerConfig>, TlsError> {
        let mut made = self.of_mesh.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, config)) = made.as_ref().filter(|(generation, _)| *generation == own.generation) {
            return Ok(config.clone());
        }
        if self.tls.versions.1.as_deref().is_some_and(|most| most != "TLSV1_3") {
            return Err(ParameterError::Versions.into());
        }
        let alpn = if self.position.protocol == ServerProtocol::Https { ALPN } else { &[] };
        let config = own.edge(alpn, |chain| {
            let clients = Clients::new(&self.tls, Some(chain), &aws_lc_rs::default_provider())?;
            Ok::<_, TlsError>(Arc::new(clients))
        })?;
        *made = Some((own.generation, config.clone()));
        Ok(config)
    }

    /// Takes over what files hold now, if that can be used.
    fn look_again(&self, found: &Found, made: &mut Made) {
        if made.config.is_ok() && made.stamps.iter().all(Stamp::holds) {
            return;
        }
        let mut stamps = Vec::new();
        match make(self.position.protocol, &self.tls, found, &self.files, &mut stamps) {
            Ok(config) => {
                tracing::info!(server = %self.id, "certificates in use");
                (made.config, made.stamps) = (Ok(Arc::new(config)), stamps);
            }
            // Files are replaced one after the other; until they fit, what they were before holds.
            Err(error) if made.config.is_ok() => {
                tracing::warn!(server = %self.id, %error, "changed files can't be used; what they were before still holds");
            }
            Err(error) => made.config = Err(error),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a listener needs of `Secret`s.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    /// None: certificates are those of files.
    certificates: Vec<Arc<Credential>>,
    /// Nothing: they are those of files, if there are to be any.
    authorities: Option<Arc<Credential>>,
}

// === impl Found ===

impl Found {
    fn of(namespace: &str, gateway: &Gateway, tls: &ServerTls, held: &Credentials) -> Result<Self, TlsError> {
        if tls.mode == ServerTlsMode::Mesh {
            return Ok(Self { certificates: Vec::new(), authorities: None });
        }
        let names = certificate_names(namespace, gateway, tls);
        if names.is_empty() && !tls.files.iter().any(|files| !files.certificate.is_empty()) {
            return Err(TlsError::NoCertificate);
        }
        let certificates = names.iter().zip(&tls.credentials).map(|(names, written)| {
            held.certificate(names).cloned().ok_or_else(|| TlsError::NoSecret(written.clone()))
        });
        let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
        let authorities = if needs_authorities(tls) && !believes_files(tls) {
            let found = held.authorities(&authority_names(namespace, gateway, tls));
            Some(found.cloned().ok_or(TlsError::NoAuthorities)?)
        } else {
            None
        };
        Ok(Self { certificates, authorities })
    }

    fn reads_files(&self, tls: &ServerTls) -> bool {
        self.certificates.is_empty() || needs_authorities(tls) && self.authorities.is_none()
    }
}

/// Whether authorities of clients are needed.
fn needs_authorities(tls: &ServerTls) -> bool {
    asks_clients(tls) && !tls.insecure
}

/// Whether authorities of clients are those of files: only where no `Secret` is named.
fn believes_files(tls: &ServerTls) -> bool {
    tls.credentials.is_empty() && tls.ca_credential.is_none()
}

/// Whether clients are asked for certificates.
fn asks_clients(tls: &ServerTls) -> bool {
    matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual)
}

fn make(
    protocol: ServerProtocol,
    tls: &ServerTls,
    found: &Found,
    files: &TrustedFiles,
    stamps: &mut Vec<Stamp>,
) -> Result<ServerConfig, TlsError> {
    let (least, most) = (tls.versions.0.clone(), tls.versions.1.as_deref());
    let (cipher_suites, curves) = (tls.cipher_suites.clone(), tls.curves.clone());
    let (provider, versions) = tls_parameters::provider(&TlsParameters { least, cipher_suites, curves }, most)?;
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_protocol_versions(&versions).map_err(|error| TlsError::Rustls(error.to_string()))?;
    let builder = if asks_clients(tls) {
        let authorities = if needs_authorities(tls) { Some(authorities(tls, found, files, stamps)?) } else { None };
        let chain = authorities.map(|authorities| authorities.verifier(&provider)).transpose()?;
        builder.with_client_cert_verifier(Arc::new(Clients::new(tls, chain, &provider)?))
    } else {
        builder.with_no_client_auth()
    };
    let keys = if found.certificates.is_empty() {
        let pairs = tls.files.iter().filter(|pair| !pair.certificate.is_empty());
        pairs.map(|pair| files.certified(&pair.certificate, &pair.key, &provider, stamps)).collect::<Result<_, _>>()?
    } else {
        let held = found.certificates.iter();
        held.map(|held| secrets::certified(held, &provider)).collect::<Result<_, _>>()?
    };
    let mut config = builder.with_cert_resolver(Arc::new(Choice(keys)));
    if protocol == ServerProtocol::Https {
        config.alpn_protocols = ALPN.iter().map(|protocol| protocol.to_vec()).collect();
    }
    Ok(config)
}

/// Authorities of clients.
struct Authorities {
    /// Where they are from.
    place: Place,
    roots: RootCertStore,
    revoked: Vec<CertificateRevocationListDer<'static>>,
}

enum Place {
    Secret(Arc<Credential>),
    File(Arc<str>),
}

fn authorities(
    tls: &ServerTls,
    found: &Found,
    files: &TrustedFiles,
    stamps: &mut Vec<Stamp>,
) -> Result<Authorities, TlsError> {
    if let Some(held) = &found.authorities {
        let (roots, revoked) = (secrets::authorities(held)?, secrets::revocations(held)?);
        return Ok(Authorities { place: Place::Secret(held.clone()), roots, revoked });
    }
    // Those of several certificates are all believed.
    let mut all: Option<Authorities> = None;
    for named in tls.files.iter().filter(|named| !named.ca.is_empty()) {
        let roots = files.roots(&named.ca, stamps)?;
        let place = Place::File(named.ca.clone());
        let all = all.get_or_insert_with(|| Authorities { place, roots: RootCertStore::empty(), revoked: Vec::new() });
        all.roots.extend(roots.roots);
    }
    let mut all = all.ok_or(TlsError::NoAuthorities)?;
    for named in tls.files.iter().filter(|named| !named.crl.is_empty()) {
        all.revoked.extend(files.revocations(&named.crl, stamps)?);
    }
    Ok(all)
}

// === impl Authorities ===

impl Authorities {
    fn verifier(self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots), provider.clone());
        builder.with_crls(self.revoked).build().map_err(|error| {
            let reason = error.to_string();
            match self.place {
                Place::Secret(held) => secrets::unusable(&held, "ca.crt", PemError::Broken(reason)).into(),
                Place::File(path) => FileError { path, reason }.into(),
            }
        })
    }
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
