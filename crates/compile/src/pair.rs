//! What TLS can be made with of what `Secret`s hold.

use std::{sync::OnceLock, time::SystemTime};

use ripstop_api::{Object, Position, kubernetes::Secret};
use ripstop_pem::{Facts, Part, PemError};

/// Keys of a certificate with its private key.
const KEYS: [(&str, &str); 2] = [("tls.crt", "tls.key"), ("cert", "key")];
/// Keys of authorities.
const AUTHORITIES: [&str; 2] = ["ca.crt", "cacert"];

/// What was found about a `Secret`. It is looked at once, when a rule asks for the first time: commits don't wait for it,
/// and `Secret`s that nobody names cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pair: OnceLock<Result<Facts, Fault>>,
    authorities: OnceLock<Option<Fault>>,
}

/// Why TLS can't be made with it. It says nothing of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// These keys are not there, or empty.
    Missing(Vec<&'static str>),
    /// What this key has is of no use.
    Unusable(&'static str, PemError),
}

// === impl Judged ===

impl Judged {
    /// What its certificate says of itself, if TLS can be made with it and its key.
    pub(crate) fn pair(&self, secret: &Secret) -> Result<&Facts, &Fault> {
        self.pair.get_or_init(|| pair(secret)).as_ref()
    }

    /// Why its authorities can't be believed.
    pub(crate) fn authorities(&self, secret: &Secret) -> Option<&Fault> {
        self.authorities.get_or_init(|| authorities(secret)).as_ref()
    }

    /// What is known by now of its certificate.
    pub(crate) fn known(&self) -> Option<&Facts> {
        self.pair.get()?.as_ref().ok()
    }
}

/// Key of the certificate.
pub(crate) fn certificate_key(secret: &Secret) -> &'static str {
    keys(secret).0
}

/// Which of the two spellings it has.
fn keys(secret: &Secret) -> (&'static str, &'static str) {
    let has = |key: &&str| has(secret, key);
    let complete = KEYS.into_iter().find(|(certificate, key)| has(certificate) && has(key));
    let some = || KEYS.into_iter().rev().find(|(certificate, key)| has(certificate) || has(key));
    complete.or_else(some).unwrap_or(KEYS[0])
}

fn has(secret: &Secret, key: &str) -> bool {
    secret.data.get(key).is_some_and(|value| !value.is_empty())
}

fn pair(secret: &Secret) -> Result<Facts, Fault> {
    let (certificate, key) = keys(secret);
    let missing: Vec<&str> = [certificate, key].into_iter().filter(|key| !has(secret, key)).collect();
    let (Some(chain), Some(own), true) = (secret.data.get(certificate), secret.data.get(key), missing.is_empty())
    else {
        return Err(Fault::Missing(missing));
    };
    ripstop_pem::facts(chain, own).map_err(|fault| match fault.part {
        Part::Chain => Fault::Unusable(certificate, fault.reason),
        Part::Key => Fault::Unusable(key, fault.reason),
    })
}

fn authorities(secret: &Secret) -> Option<Fault> {
    let Some(key) = AUTHORITIES.into_iter().find(|key| has(secret, key)) else {
        return Some(Fault::Missing(vec![AUTHORITIES[0]]));
    };
    let text = secret.data.get(key).map(Vec::as_slice).unwrap_or_default();
    ripstop_pem::authorities(text).err().map(|reason| Fault::Unusable(key, reason))
}

// === impl Fault ===

impl Fault {
    /// What is told of it, about the `Secret`.
    pub(crate) fn told(&self, secret: &Object) -> String {
        let (namespace, name) = (&secret.id.namespace, &secret.id.name);
        match self {
            Self::Missing(keys) => format!("the Secret {namespace}/{name} has no {}", keys.join(" and no ")),
            Self::Unusable(key, reason) => format!("{} can't be used: {reason}", written_at(secret, key)),
        }
    }
}

/// A value of a `Secret`, with where it stands.
pub(crate) fn written_at(secret: &Object, key: &str) -> String {
    let of = |field: &str| format!("{field}.{key}");
    let path = if secret.source.fields.contains_key(&of("stringData")) { of("stringData") } else { of("data") };
    let Position { file, line, .. } = secret.source.at(&path);
    format!("{path} of the Secret {}/{} ({file}:{line})", secret.id.namespace, secret.id.name)
}

/// Moments at which what is told of a certificate changes.
pub(crate) fn turns(facts: &Facts) -> [SystemTime; 3] {
    [facts.not_before, crate::analyze::last_part(facts), facts.not_after]
}
