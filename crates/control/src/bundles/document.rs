//! A SPIFFE bundle as it is written: a set of JSON web keys, of which those for X.509 carry authorities (SPIFFE Trust Domain
//! and Bundle, 4).

use std::{fmt::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ripstop_identity::Roots;
use serde::Deserialize;
use thiserror::Error;

/// What a bundle says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// The authorities, in PEM; empty: nobody is vouched for by now.
    pub(crate) pem: String,
    /// How often to look whether it has changed; nothing: it does not say.
    pub(crate) refresh: Option<Duration>,
}

/// Why it can't be used.
#[derive(Debug, Error)]
pub(crate) enum DocumentError {
    #[error("it is no bundle: {0}")]
    Json(#[from] serde_json::Error),
    #[error("keys[{0}] has {1} certificates in `x5c`, not one")]
    Certificates(usize, usize),
    #[error("keys[{0}] has an `x5c` that is not base64")]
    Base64(usize),
    #[error("keys[{0}] is no certificate of an authority")]
    NoAuthority(usize),
    #[error("its authorities take more than {} KiB of PEM", LARGEST / 1024)]
    TooLarge,
    #[error("its authorities can't be used: {0}")]
    Roots(#[from] ripstop_identity::Error),
}

#[derive(Deserialize)]
struct Written {
    keys: Vec<Key>,
    #[serde(default)]
    spiffe_refresh_hint: Option<u64>,
}

#[derive(Deserialize)]
struct Key {
    #[serde(default, rename = "use")]
    purpose: String,
    #[serde(default)]
    x5c: Vec<String>,
}

/// Bytes of PEM that the authorities of one domain may have: all proxies get them.
const LARGEST: usize = 64 * 1024;
/// Bytes of base64 in a line of PEM (RFC 7468 2).
const LINE: usize = 64;

// === impl Document ===

impl Document {
    /// Reads it. Keys for anything but X.509 are none of ours; one of those that is wrong makes all of it wrong.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, DocumentError> {
        let written: Written = serde_json::from_slice(text)?;
        let mut pem = String::new();
        for (index, key) in written.keys.iter().enumerate().filter(|(_, key)| key.purpose == "x509-svid") {
            let [certificate] = &key.x5c[..] else { return Err(DocumentError::Certificates(index, key.x5c.len())) };
            let certificate = STANDARD.decode(certificate).map_err(|_| DocumentError::Base64(index))?;
            if !is_authority(&certificate) {
                return Err(DocumentError::NoAuthority(index));
            }
            write_pem(&mut pem, &certificate);
        }
        if pem.len() > LARGEST {
            return Err(DocumentError::TooLarge);
        }
        if !pem.is_empty() {
            Roots::from_authorities(&pem)?;
        }
        Ok(Self { pem, refresh: written.spiffe_refresh_hint.map(Duration::from_secs) })
    }
}

fn is_authority(certificate: &[u8]) -> bool {
    let Ok((rest, certificate)) = x509_parser::parse_x509_certificate(certificate) else { return false };
    rest.is_empty() && certificate.is_ca()
}

fn write_pem(pem: &mut String, certificate: &[u8]) {
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    let base64 = STANDARD.encode(certificate);
    for line in base64.as_bytes().chunks(LINE) {
        // Base64 is ASCII, and a text can always be written.
        let _ = writeln!(pem, "{}", String::from_utf8_lossy(line));
    }
    pem.push_str("-----END CERTIFICATE-----\n");
}

#[cfg(test)]
mod tests;
