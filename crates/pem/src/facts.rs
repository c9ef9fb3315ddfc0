//! What a certificate says of itself.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::CertificateDer;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
    time::ASN1Time,
};

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Hosts that it is for, in lower case: DNS names, `*.` at the beginning stands for one label. The common name of
    /// the subject is none (RFC 9525, section 2).
    pub hosts: BTreeSet<String>,
    /// When its life begins.
    pub not_before: SystemTime,
    /// When its life ends.
    pub not_after: SystemTime,
    /// Whether it is for vouching for others, and no end's own (RFC 5280, section 4.2.1.9).
    pub is_authority: bool,
}

// === impl Facts ===

impl Facts {
    /// Of a certificate; nothing, if it can't be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let names = parsed.subject_alternative_name().ok()?;
        let names = names.iter().flat_map(|extension| &extension.value.general_names);
        let hosts = names.filter_map(|name| match name {
            GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
            _ => None,
        });
        Some(Self {
            hosts: hosts.collect(),
            not_before: time(parsed.validity().not_before),
            not_after: time(parsed.validity().not_after),
            is_authority: parsed.is_ca(),
        })
    }

    /// Whether it is for `host`, or for every host that `host` stands for if it begins with `*.`.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let is_wider = |(_, parent): (&str, &str)| self.hosts.contains(&format!("*.{parent}"));
        self.hosts.contains(&host) || host.split_once('.').is_some_and(is_wider)
    }
}

fn time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds >= 0 { UNIX_EPOCH + distance } else { UNIX_EPOCH - distance }
}
