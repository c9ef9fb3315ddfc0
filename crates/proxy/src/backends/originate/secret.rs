//! What a rule's `Secret` gives (Istio's `credentialName`).

use std::sync::Arc;

use ripstop_decide::{client_certificate_names, server_authority_names};
use ripstop_model::{ClientTls, ClientTlsMode, Credential, ObjectName};
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs,
    pki_types::CertificateRevocationListDer,
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::TlsError;
use crate::secrets::{self, Credentials};

/// What the `Secret`s that a rule names hold, as they were at one time, and what of that is used.
#[derive(Debug)]
pub(crate) struct Secret {
    held: Held,
    usable: Result<Arc<Usable>, TlsError>,
}

/// Where they are, and what they hold.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    certificate: Part,
    authorities: Part,
}

/// What of them is needed.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Nothing: the rule does not ask for it.
    Needless,
    /// It should be in this one.
    Missing(Arc<str>),
    /// It is there.
    Found(Arc<Credential>),
}

/// What TLS is made with.
#[derive(Debug)]
pub(super) struct Usable {
    certificate: Option<Arc<CertifiedKey>>,
    authorities: Option<Authorities>,
}

/// Where they are from, they themselves, and what they have revoked.
type Authorities = (Arc<str>, Arc<RootCertStore>, Vec<CertificateRevocationListDer<'static>>);

// === impl Secret ===

impl Secret {
    /// What `held` has for a caller in `namespace` by `tls`: the same as `before`, which was made for the same, if that
    /// did not change. What changed into something that can't be used leaves in use what was there; what is gone does
    /// not.
    pub(crate) fn follow(
        before: Option<&Arc<Self>>,
        namespace: &str,
        tls: &ClientTls,
        credentials: &Credentials,
    ) -> Arc<Self> {
        let held = Held::find(namespace, tls, credentials);
        if let Some(before) = before.filter(|before| before.held == held) {
            return before.clone();
        }
        let mut usable = held.usable();
        if let Err(error) = &usable {
            match before.map(|before| &before.usable) {
                Some(Ok(before)) if matches!(error, TlsError::Unusable(_)) => {
                    tracing::error!(%error, "a changed Secret can't be used; what it was before still holds");
                    usable = Ok(before.clone());
                }
                _ => tracing::error!(%error, "TLS can't be made"),
            }
        }
        Arc::new(Self { held, usable })
    }

    /// What TLS is made with.
    pub(super) fn usable(&self) -> Result<&Usable, TlsError> {
        self.usable.as_deref().map_err(Clone::clone)
    }
}

// === impl Held ===

impl Held {
    fn find(namespace: &str, tls: &ClientTls, credentials: &Credentials) -> Self {
        let part = |found: Option<&Arc<Credential>>, names: &[ObjectName]| match (found, names.last()) {
            (Some(found), _) => Part::Found(found.clone()),
            (None, Some((namespace, name))) => Part::Missing(format!("{namespace}/{name}").into()),
            // It is none that anybody here may have.
            (None, None) => Part::Missing(tls.credential.clone().unwrap_or_default()),
        };
        let (mut certificate, mut authorities) = (Part::Needless, Part::Needless);
        if tls.mode == ClientTlsMode::Mutual {
            let names = client_certificate_names(namespace, tls);
            certificate = part(credentials.certificate(&names), &names);
        }
        if !tls.insecure {
            let names = server_authority_names(namespace, tls);
            authorities = part(credentials.authorities(&names), &names);
        }
        Self { certificate, authorities }
    }

    fn usable(&self) -> Result<Arc<Usable>, TlsError> {
        let missing = |secret: &Arc<str>, part| Err(TlsError::NoSecret { secret: secret.clone(), part });
        let certificate = match &self.certificate {
            Part::Needless => None,
            Part::Missing(secret) => return missing(secret, "certificate and key (tls.crt, tls.key)"),
            Part::Found(held) => Some(secrets::certified(held, &aws_lc_rs::default_provider())?),
        };
        let authorities = match &self.authorities {
            Part::Needless => None,
            Part::Missing(secret) => return missing(secret, "the authorities of the endpoint (ca.crt)"),
            Part::Found(held) => {
                let place = format!("Secret {}/{}", held.namespace, held.name).into();
                Some((place, Arc::new(secrets::authorities(held)?), secrets::revocations(held)?))
            }
        };
        Ok(Arc::new(Usable { certificate, authorities }))
    }
}

// === impl Usable ===

impl Usable {
    /// What the caller shows.
    pub(super) fn certificate(&self) -> Result<Arc<SingleCertAndKey>, TlsError> {
        let certificate = self.certificate.as_deref().ok_or(TlsError::Missing("credentialName"))?;
        Ok(Arc::new(SingleCertAndKey::from(certificate.clone())))
    }

    /// Whom the caller believes. Without any it must not fall back to others.
    pub(super) fn authorities(&self) -> Result<Authorities, TlsError> {
        self.authorities.clone().ok_or(TlsError::Missing("credentialName"))
    }
}

#[cfg(test)]
mod tests;
