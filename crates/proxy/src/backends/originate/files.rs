//! Files that rules name for TLS.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
};

use super::TlsError;

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

/// Files of this machine that rules may name. Who writes rules must not use the proxy's own keys, which prove the
/// identities of others.
#[derive(Debug)]
pub(crate) struct TrustedFiles {
    private: PathBuf,
}

/// A file as it was when it was read.
#[derive(Debug)]
pub(super) struct Stamp {
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
    pub(super) fn certificates(
        &self,
        path: &Arc<str>,
        stamps: &mut Vec<Stamp>,
    ) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        self.all(path, stamps)
    }

    /// A private key.
    pub(super) fn key(&self, path: &Arc<str>, stamps: &mut Vec<Stamp>) -> Result<PrivateKeyDer<'static>, TlsError> {
        let text = self.read(path, stamps)?;
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| failed(path, &error))
    }

    /// Revocation lists.
    pub(super) fn revocations(
        &self,
        path: &Arc<str>,
        stamps: &mut Vec<Stamp>,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        self.all(path, stamps)
    }

    /// Authorities.
    pub(super) fn roots(&self, path: &Arc<str>, stamps: &mut Vec<Stamp>) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(self.certificates(path, stamps)?);
        if usable == 0 { Err(failed(path, "no certificate in it is one of an authority")) } else { Ok(roots) }
    }

    /// The authorities that this machine believes, and the file that names them.
    pub(super) fn system_roots(&self, stamps: &mut Vec<Stamp>) -> Result<(Arc<str>, RootCertStore), TlsError> {
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

    fn all<T: PemObject>(&self, path: &Arc<str>, stamps: &mut Vec<Stamp>) -> Result<Vec<T>, TlsError> {
        let text = self.read(path, stamps)?;
        let found: Result<Vec<T>, _> = T::pem_slice_iter(&text).collect();
        match found {
            Ok(found) if found.is_empty() => Err(failed(path, "nothing of that kind is in it, as PEM")),
            Ok(found) => Ok(found),
            Err(error) => Err(failed(path, &error)),
        }
    }

    fn read(&self, path: &Arc<str>, stamps: &mut Vec<Stamp>) -> Result<Vec<u8>, TlsError> {
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

fn failed(path: &Arc<str>, reason: impl std::fmt::Display) -> TlsError {
    TlsError::File { path: path.clone(), reason: format!("{reason}") }
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
    pub(super) fn holds(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| found.len() == self.length && found.modified().ok() == self.modified)
    }
}
