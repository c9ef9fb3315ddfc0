//! With what TLS is made that is not the mesh's own.

use std::sync::Arc;

/// With what TLS is made (Istio's `tlsDefaults`). Of what is not said, everything is offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsParameters {
    /// The oldest version, `TLSV1_2` and so on.
    pub least: Option<Arc<str>>,
    /// Cipher suites of TLS 1.2, of which those of [`CIPHER_SUITES`] are offered; empty, or with `ALL`: all of these.
    pub cipher_suites: Vec<Arc<str>>,
    /// Groups of the key exchange, the best one first, of which those of [`CURVES`] are offered; empty: all of these.
    pub curves: Vec<Arc<str>>,
}

/// Cipher suites of TLS 1.2 that can be offered, by OpenSSL's names. Those of TLS 1.3 are always on.
pub const CIPHER_SUITES: [&str; 6] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

/// Groups of the key exchange that can be offered, by BoringSSL's names.
pub const CURVES: [&str; 4] = ["X25519MLKEM768", "X25519", "P-256", "P-384"];
