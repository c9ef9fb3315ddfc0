//! Cipher suites, as listeners name them.

use std::sync::Arc;

use ripstop_model::CIPHER_SUITES;
use rustls::{
    SupportedCipherSuite,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, cipher_suite},
    },
};

/// What TLS is made with where a listener names these suites. They are those of TLS 1.2: of 1.3 all are on. Of those that
/// nobody offers here none takes the place.
pub(super) fn provider(named: &[Arc<str>]) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if !named.is_empty() && !named.iter().any(|name| **name == *"ALL") {
        let wanted: Vec<SupportedCipherSuite> = named.iter().filter_map(|name| suite(name)).collect();
        provider.cipher_suites.retain(|suite| suite.tls13().is_some() || wanted.contains(suite));
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

/// Whether TLS 1.2 can be spoken with them.
pub(super) fn has_tls12(provider: &CryptoProvider) -> bool {
    provider.cipher_suites.iter().any(|suite| suite.tls13().is_none())
}

#[cfg(test)]
mod tests;
