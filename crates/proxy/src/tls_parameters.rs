//! With what TLS is made that is not the mesh's own, as listeners and the mesh name it.

use std::sync::Arc;

use ripstop_model::{CIPHER_SUITES, CURVES, TlsParameters};
use rustls::{
    ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        CryptoProvider, SupportedKxGroup,
        aws_lc_rs::{self, cipher_suite, kx_group},
    },
    version::{TLS12, TLS13},
};
use thiserror::Error;

/// Why no TLS is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParameterError {
    /// Its versions exclude each other.
    #[error("no version of TLS is left between minProtocolVersion and maxProtocolVersion; 1.2 and 1.3 are spoken")]
    Versions,
    /// TLS 1.2 alone is spoken, and with no suite that is offered.
    #[error("none of its cipherSuites is offered, and maxProtocolVersion leaves no other version than TLS 1.2")]
    Suites,
    /// No key can be agreed on.
    #[error("none of the ecdhCurves of the mesh's tlsDefaults is offered")]
    Curves,
}

/// What TLS is made with, and its versions, of which `most` is the greatest.
///
/// Suites that are named are those of TLS 1.2: of 1.3 all are on. Of suites and curves that nobody offers here none takes
/// the place.
pub fn provider(
    parameters: &TlsParameters,
    most: Option<&str>,
) -> Result<(Arc<CryptoProvider>, Vec<&'static SupportedProtocolVersion>), ParameterError> {
    let provider = offered(&parameters.cipher_suites, &parameters.curves);
    if provider.kx_groups.is_empty() {
        return Err(ParameterError::Curves);
    }
    let mut versions = versions(parameters.least.as_deref(), most)?;
    versions.retain(|version| version.version != ProtocolVersion::TLSv1_2 || has_tls12(&provider));
    if versions.is_empty() { Err(ParameterError::Suites) } else { Ok((Arc::new(provider), versions)) }
}

fn offered(suites: &[Arc<str>], curves: &[Arc<str>]) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if !suites.is_empty() && !suites.iter().any(|name| **name == *"ALL") {
        let wanted: Vec<SupportedCipherSuite> = suites.iter().filter_map(|name| suite(name)).collect();
        provider.cipher_suites.retain(|suite| suite.tls13().is_some() || wanted.contains(suite));
    }
    if !curves.is_empty() {
        provider.kx_groups = curves.iter().filter_map(|name| curve(name)).collect();
    }
    provider
}

/// The suite of that name.
fn suite(name: &str) -> Option<SupportedCipherSuite> {
    let suites = [
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    CIPHER_SUITES.iter().zip(suites).find(|(known, _)| ***known == *name).map(|(_, suite)| suite)
}

/// The group of that name.
fn curve(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    let groups = [kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    CURVES.iter().zip(groups).find(|(known, _)| ***known == *name).map(|(_, group)| group)
}

/// Whether TLS 1.2 can be spoken with them.
fn has_tls12(provider: &CryptoProvider) -> bool {
    let old = ProtocolVersion::TLSv1_2;
    provider.cipher_suites.iter().any(|suite| suite.tls13().is_none())
        && provider.kx_groups.iter().any(|group| group.usable_for_version(old))
}

/// Of what is spoken here, what lies between the two.
fn versions(least: Option<&str>, most: Option<&str>) -> Result<Vec<&'static SupportedProtocolVersion>, ParameterError> {
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
    if versions.is_empty() { Err(ParameterError::Versions) } else { Ok(versions) }
}

#[cfg(test)]
mod tests;
