//! Files that rules and listeners name for TLS.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use ripstop_pem::{self as pem, Fault, Part};
use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use thiserror::Error;

/// How often files are looked at again.
pub(crate) const LOOK: Duration = Duration::from_secs(5);

/// Where systems keep the certificates of public authorities.
const SYSTEM_ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Largest file that is read, in bytes.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Files of this machine that rules and listeners may name. Who writes those must not use the mesh's own keys, which prove the
/// identities of others.
#[derive(Debug)]
pub(crate) struct TrustedFiles {
    private: PathBuf,
}

/// A file that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}: {reason}")]
pub struct FileError {
    /// Which one.
    pub path: Arc<str>,
    /// Why.
    pub reason: String,
}

/// A file as it was when it was read.
#[derive(Debug)]
pub(crate) struct Stamp {
    path: PathBuf,
    modified: Option<SystemTime>,
    length: u64,
}

// === impl TrustedFiles ===

impl TrustedFiles {
    /// All files but those below `private`.
    pub(crate) fn outside(private: &Path) -> Self {
        Self { private: private.canonicalize().unwrap_or_else(|_| private.to_owned()) }
    }

    /// Certificates, the first one's own first.
    pub(crate) fn certificates(
        &self,
        path: &Arc<str>,
        stamps: &mut Vec<Stamp>,
    ) -> Result<Vec<CertificateDer<'static>>, FileError> {
        self.all(path, stamps)
    }

    /// A private key.
    pub(crate) fn key(&self, path: &Arc<str>, stamps: &mut Vec<Stamp>) -> Result<PrivateKeyDer<'static>, FileError> {
        let text = self.read(path, stamps)?;
        pem::key(&text).map_err(|error| failed(path, error))
    }

    /// A certificate with its intermediates, and its key.
    pub(crate) fn certified(
        &self,
        certificate: &Arc<str>,
        key: &Arc<str>,
        provider: &CryptoProvider,
        stamps: &mut Vec<Stamp>,
    ) -> Result<Arc<CertifiedKey>, FileError> {
        let chain = self.certificates(certificate, stamps)?;
        let own = self.key(key, stamps)?;
        let own = pem::pair(chain, own, provider).map_err(|Fault { part, reason }| match part {
            Part::Chain => failed(certificate, reason),
            Part::Key => failed(key, reason),
        })?;
        Ok(Arc::new(own))
    }

    /// Revocation lists.
    pub(crate) fn revocations(
        &self,
        path: &Arc<str>,
        stamps: &mut Vec<Stamp>,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, FileError> {
        self.all(path, stamps)
    }

    /// Authorities.
    pub(crate) fn roots(&self, path: &Arc<str>, stamps: &mut Vec<Stamp>) -> Result<RootCertStore, FileError> {
        let text = self.read(path, stamps)?;
        pem::authorities(&text).map_err(|error| failed(path, error))
    }

    /// The authorities that this machine believes, and the file that names them.
    pub(crate) fn system_roots(&self, stamps: &mut Vec<Stamp>) -> Result<(Arc<str>, RootCertStore), FileError> {
        let chosen = std::env::var("SSL_CERT_FILE").ok().filter(|path| Path::new(path).exists());
        let usual = || SYSTEM_ROOTS.iter().find(|path| Path::new(path).exists()).map(|path| (*path).to_owned());
        let Some(path) = chosen.or_else(usual) else {
            let reason =
                "this machine has no list of authorities (package ca-certificates); name one by tls.caCertificates";
            return Err(failed(&SYSTEM_ROOTS[0].into(), reason));
        };
        let path: Arc<str> = path.into();
        let roots = self.roots(&path, stamps)?;
        Ok((path, roots))
    }

    fn all<T: PemObject>(&self, path: &Arc<str>, stamps: &mut Vec<Stamp>) -> Result<Vec<T>, FileError> {
        let text = self.read(path, stamps)?;
        pem::all(&text).map_err(|error| failed(path, error))
    }

    fn read(&self, path: &Arc<str>, stamps: &mut Vec<Stamp>) -> Result<Vec<u8>, FileError> {
        let real = fs::canonicalize(&**path).map_err(|error| failed(path, &error))?;
        if real.starts_with(&self.private) {
            return Err(failed(path, "the proxy's own keys are not for rules to use"));
        }
        let stamp = Stamp::of(&real, Path::new(&**path)).map_err(|error| failed(path, &error))?;
        if stamp.length > LARGEST {
            return Err(failed(path, "it is too large"));
        }
        stamps.push(stamp);
        fs::read(&real).map_err(|error| failed(path, &error))
    }
}

fn failed(path: &Arc<str>, reason: impl std::fmt::Display) -> FileError {
    FileError { path: path.clone(), reason: format!("{reason}") }
}

// === impl Stamp ===

impl Stamp {
    /// `path` as it was named, which is `real` now.
    fn of(real: &Path, path: &Path) -> std::io::Result<Self> {
        let found = fs::metadata(real)?;
        if !found.is_file() {
            return Err(std::io::Error::other("it is no ordinary file"));
        }
        Ok(Self { path: path.to_owned(), modified: found.modified().ok(), length: found.len() })
    }

    /// Whether the file is still the same.
    pub(crate) fn holds(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| found.len() == self.length && found.modified().ok() == self.modified)
    }
}
