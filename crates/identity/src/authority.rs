//! The mesh's own certificate authority.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use ripstop_model::{SpiffeId, TrustDomain};
use rustls_pki_types::CertificateDer;

use crate::{
    Error, PrivateKey, Roots,
    certificate::{Leaf, read_pem},
    file,
    key::encode,
};

mod csr;

/// The longest life of a leaf that can be asked for, as istiod's default (`MAX_WORKLOAD_CERT_TTL`).
pub const MAX_TTL: Duration = days(90);

const ROOT_LIFE: Duration = days(3650);
const INTERMEDIATE_LIFE: Duration = days(365);
/// An intermediate with less left is replaced; no shorter than [`MAX_TTL`], or leaves would be cut short.
const INTERMEDIATE_MARGIN: Duration = days(90);
/// Certificates start a little in the past: clocks differ.
const BACKDATE: Duration = Duration::from_mins(1);

/// Certificate and key together, so that no crash can separate them.
const ROOT: &str = "root-ca.pem";
const INTERMEDIATE: &str = "intermediate-ca.pem";
/// The root's certificate alone, for everyone to read.
const PUBLISHED: &str = "root.pem";

/// A two-level P-256 certificate authority on disk.
///
/// `root-ca.pem` (10 years, path length 1) signs `intermediate-ca.pem` (1 year, path length 0), which signs leaves;
/// both files hold certificate and PKCS#8 key, mode 0600 in a 0700 directory. `root.pem` is the bundle to hand out.
/// The root is never replaced; the intermediate is, as soon as less than 90 days of it are left.
pub struct CertificateAuthority {
    dir: PathBuf,
    domain: TrustDomain,
    root: Authority,
    roots: Roots,
    intermediate: Mutex<Arc<Authority>>,
}

/// A freshly issued chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedChain {
    /// One PEM block each, leaf first, then the intermediate; without the root.
    pub certificates: Vec<String>,
    /// Start of the leaf's validity.
    pub not_before: SystemTime,
    /// End of the leaf's validity.
    pub not_after: SystemTime,
}

/// One signing certificate with its key.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    not_after: SystemTime,
    domain: Option<TrustDomain>,
}

// === impl CertificateAuthority ===

impl CertificateAuthority {
    /// Opens the authority in `dir`, or makes a new one for `domain` there, and publishes `root.pem`.
    ///
    /// Files that are there but broken are an error and stay as they are, except a broken intermediate, which is
    /// replaced. Of two processes that create at once, both use the root of the first.
    pub fn load_or_create(dir: &Path, domain: &TrustDomain) -> Result<Self, Error> {
        Self::load_or_create_at(dir, domain, SystemTime::now())
    }

    /// [`CertificateAuthority::load_or_create`] with the time as an argument.
    pub fn load_or_create_at(dir: &Path, domain: &TrustDomain, now: SystemTime) -> Result<Self, Error> {
        file::private_dir(dir)?;
        let path = dir.join(ROOT);
        let text = if let Some(text) = file::read(&path)? {
            text
        } else {
            let text = new_root(domain, now)?;
            file::create(&path, text.as_bytes(), file::SECRET)?;
            // Ours, or that of a process that was faster.
            file::read(&path)?.ok_or_else(|| Error::Authority { path: path.clone(), reason: "vanished".into() })?
        };
        let broken = |reason: String| Error::Authority { path: path.clone(), reason };
        let root = Authority::parse(&text).map_err(|error| broken(error.to_string()))?;
        if root.domain.as_ref() != Some(domain) {
            let found = root.domain.map(|domain| domain.to_string());
            return Err(Error::AuthorityDomain { path, found, expected: domain.clone() });
        }
        if root.not_after <= now {
            return Err(broken("the root certificate has expired".into()));
        }
        let root_pem = encode("CERTIFICATE", &root.certificate);
        let roots = Roots::from_pem(&root_pem).map_err(|error| broken(error.to_string()))?;
        file::replace(&dir.join(PUBLISHED), root_pem.as_bytes(), file::PUBLIC)?;
        let intermediate = match load_intermediate(dir, &roots, domain, now) {
            Some(intermediate) => intermediate,
            None => renew_intermediate(dir, &root, domain, now)?,
        };
        let (dir, domain) = (dir.to_owned(), domain.clone());
        Ok(Self { dir, domain, root, roots, intermediate: Mutex::new(Arc::new(intermediate)) })
    }

    /// Issues a leaf for `id`, which must lie in the authority's trust domain, to the key of a PEM request.
    ///
    /// Only the key is taken from the request (it must be P-256), and its signature must prove possession of that
    /// key. The leaf has an empty subject, one URI SAN (critical), key usage digitalSignature (critical), extended key
    /// usage for both sides of TLS, and is no CA. It begins 60 s in the past and never outlives the intermediate.
    /// `ttl` counts from now: 1 s to [`MAX_TTL`].
    pub fn issue(&self, csr_pem: &str, id: &SpiffeId, ttl: Duration) -> Result<IssuedChain, Error> {
        self.issue_at(csr_pem, id, ttl, SystemTime::now())
    }

    /// [`CertificateAuthority::issue`] with the time as an argument.
    pub fn issue_at(&self, csr_pem: &str, id: &SpiffeId, ttl: Duration, now: SystemTime) -> Result<IssuedChain, Error> {
        if id.trust_domain() != self.domain || id.path().is_empty() {
            return Err(Error::Foreign { id: id.clone(), domain: self.domain.clone() });
        }
        if ttl < Duration::from_secs(1) || ttl > MAX_TTL {
            return Err(Error::Ttl { id: id.clone(), asked: ttl });
        }
        let key = csr::verified_key(csr_pem).map_err(|reason| Error::Csr { id: id.clone(), reason })?;
        let intermediate = self.intermediate(now)?;
        let (not_before, not_after) = (now - BACKDATE, (now + ttl).min(intermediate.not_after));
        let mut params = params(not_before, not_after)?;
        params.subject_alt_names = vec![uri(id.as_str())?];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let leaf = params.signed_by(&key, &intermediate.issuer)?;
        let certificates = vec![encode("CERTIFICATE", leaf.der()), encode("CERTIFICATE", &intermediate.certificate)];
        Ok(IssuedChain { certificates, not_before, not_after })
    }

    /// The trust domain it signs for.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The roots that verify what it issues.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// [`CertificateAuthority::roots`] as PEM.
    pub fn roots_pem(&self) -> String {
        self.roots.to_pem()
    }

    /// End of the root's validity.
    pub fn root_not_after(&self) -> SystemTime {
        self.root.not_after
    }

    /// End of the current intermediate's validity.
    pub fn intermediate_not_after(&self) -> SystemTime {
        self.intermediate.lock().unwrap_or_else(PoisonError::into_inner).not_after
    }

    /// The intermediate to sign with at `now`, replaced first if it is old. If that fails while the old one is still
    /// valid, the old one goes on.
    fn intermediate(&self, now: SystemTime) -> Result<Arc<Authority>, Error> {
        let mut current = self.intermediate.lock().unwrap_or_else(PoisonError::into_inner);
        if current.not_after < now + INTERMEDIATE_MARGIN {
            match renew_intermediate(&self.dir, &self.root, &self.domain, now) {
                Ok(new) => *current = Arc::new(new),
                Err(error) if current.not_after > now => {
                    tracing::warn!(%error, "intermediate certificate can't be renewed, the old one goes on");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(current.clone())
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("dir", &self.dir)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

// === impl IssuedChain ===

impl IssuedChain {
    /// The chain as one PEM text, leaf first.
    pub fn pem(&self) -> String {
        self.certificates.concat()
    }
}

// === impl Authority ===

impl Authority {
    /// Reads a file with one certificate and its key, and checks that they belong together.
    fn parse(text: &str) -> Result<Self, Error> {
        let certificate = read_pem("certificate of the authority", text)?.remove(0);
        let key = PrivateKey::from_pem(text)?.to_key_pair()?;
        let facts = Leaf::parse(&certificate).map_err(|(_, fault)| Error::Certificate(fault.to_string()))?;
        if !facts.is_authority() {
            return Err(Error::Certificate("it is not a certificate authority".into()));
        }
        let spki = rustls::server::ParsedCertificate::try_from(&certificate)
            .map_err(|error| Error::Certificate(error.to_string()))?
            .subject_public_key_info();
        if *spki != *rcgen::PublicKeyData::subject_public_key_info(&key) {
            return Err(Error::Certificate("its private key belongs to another certificate".into()));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { issuer, not_after: facts.not_after, domain: facts.domain(), certificate })
    }
}

fn new_root(domain: &TrustDomain, now: SystemTime) -> Result<String, Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let params = authority_params(domain, "Ripstop root CA", 1, now - BACKDATE, now + ROOT_LIFE)?;
    let certificate = params.self_signed(&key)?;
    Ok(together(&key, certificate.der()))
}

fn renew_intermediate(dir: &Path, root: &Authority, domain: &TrustDomain, now: SystemTime) -> Result<Authority, Error> {
    let path = dir.join(INTERMEDIATE);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let not_after = (now + INTERMEDIATE_LIFE).min(root.not_after);
    let mut params = authority_params(domain, "Ripstop intermediate CA", 0, now - BACKDATE, not_after)?;
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &root.issuer)?;
    let text = together(&key, certificate.der());
    let intermediate = Authority::parse(&text)?;
    file::replace(&path, text.as_bytes(), file::SECRET)?;
    tracing::info!(path = %path.display(), "new intermediate certificate");
    Ok(intermediate)
}

/// The intermediate on disk, unless it is missing, broken, old, or not the root's.
fn load_intermediate(dir: &Path, roots: &Roots, domain: &TrustDomain, now: SystemTime) -> Option<Authority> {
    let path = dir.join(INTERMEDIATE);
    let usable = |text: String| {
        let intermediate = Authority::parse(&text)?;
        if intermediate.domain.as_ref() != Some(domain) {
            return Err(Error::Certificate("it belongs to another trust domain".into()));
        }
        csr::signed_by_root(&intermediate.certificate, roots).map_err(Error::Certificate)?;
        Ok(intermediate)
    };
    match file::read(&path).transpose()?.and_then(usable) {
        Ok(intermediate) => Some(intermediate).filter(|it| it.not_after >= now + INTERMEDIATE_MARGIN),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "intermediate certificate is not usable, making a new one");
            None
        }
    }
}

fn authority_params(
    domain: &TrustDomain,
    name: &str,
    path_length: u8,
    not_before: SystemTime,
    not_after: SystemTime,
) -> Result<CertificateParams, Error> {
    let mut params = params(not_before, not_after)?;
    params.distinguished_name.push(DnType::OrganizationName, domain.as_str());
    params.distinguished_name.push(DnType::CommonName, name);
    // X509-SVID 4.1: a signing certificate should carry the id of its trust domain.
    params.subject_alt_names = vec![uri(&format!("spiffe://{domain}"))?];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = false;
    Ok(params)
}

/// Empty subject, random 127-bit serial number, the validity given.
fn params(not_before: SystemTime, not_after: SystemTime) -> Result<CertificateParams, Error> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|error| Error::Crypto(error.to_string()))?;
    // Positive (RFC 5280 4.1.2.2) and never shortened by a leading zero.
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    (params.not_before, params.not_after) = (not_before.into(), not_after.into());
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn uri(text: &str) -> Result<SanType, Error> {
    Ok(SanType::URI(text.try_into()?))
}

fn together(key: &KeyPair, certificate: &CertificateDer<'_>) -> String {
    format!("{}{}", PrivateKey::from_pkcs8(key.serialize_der()).to_pem(), encode("CERTIFICATE", certificate))
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

#[cfg(test)]
mod tests;
