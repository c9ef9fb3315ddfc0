//! Traffic secrets, and the keys that are derived from them (RFC 8446, 7.2 and 7.3).

use std::fmt;

use aws_lc_rs::{
    aead::{self, LessSafeKey, UnboundKey},
    hkdf::{self, KeyType, Prk},
};
use rustls::{CipherSuite, ConnectionTrafficSecrets};
use zeroize::Zeroizing;

/// The cipher suites whose records this crate can seal and open itself: all of TLS 1.3 that rustls negotiates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    Aes128GcmSha256,
    Aes256GcmSha384,
    ChaCha20Poly1305Sha256,
}

/// A secret of one direction (`client_` or `server_application_traffic_secret_N`). It is wiped when dropped.
#[derive(Clone)]
pub(crate) struct TrafficSecret {
    suite: Suite,
    /// As long as the suite's hash; the rest is unused.
    bytes: Zeroizing<[u8; LONGEST]>,
}

/// What seals or opens the records of one generation of a secret.
pub(crate) struct Key {
    pub(crate) aead: LessSafeKey,
    /// Exclusive-or of this and the sequence number is the nonce.
    pub(crate) iv: [u8; aead::NONCE_LEN],
}

/// The output of SHA-384.
const LONGEST: usize = 48;

// === impl Suite ===

impl Suite {
    pub(crate) fn new(suite: CipherSuite) -> Option<Self> {
        match suite {
            CipherSuite::TLS13_AES_128_GCM_SHA256 => Some(Self::Aes128GcmSha256),
            CipherSuite::TLS13_AES_256_GCM_SHA384 => Some(Self::Aes256GcmSha384),
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => Some(Self::ChaCha20Poly1305Sha256),
            _ => None,
        }
    }

    /// Its number in the registry of TLS.
    pub(crate) fn code(self) -> u16 {
        u16::from(match self {
            Self::Aes128GcmSha256 => CipherSuite::TLS13_AES_128_GCM_SHA256,
            Self::Aes256GcmSha384 => CipherSuite::TLS13_AES_256_GCM_SHA384,
            Self::ChaCha20Poly1305Sha256 => CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        })
    }

    /// How many records one key may seal. RFC 8446, 5.5 allows some 2^24.5 of the largest size for AES-GCM; sequence
    /// numbers end before ChaCha20-Poly1305 wears out.
    pub(crate) fn confidentiality_limit(self) -> u64 {
        match self {
            Self::Aes128GcmSha256 | Self::Aes256GcmSha384 => 1 << 24,
            Self::ChaCha20Poly1305Sha256 => 1 << 62,
        }
    }

    pub(crate) fn secret_len(self) -> usize {
        self.hkdf().len()
    }

    fn aead(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128GcmSha256 => &aead::AES_128_GCM,
            Self::Aes256GcmSha384 => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305Sha256 => &aead::CHACHA20_POLY1305,
        }
    }

    fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Self::Aes128GcmSha256 | Self::ChaCha20Poly1305Sha256 => hkdf::HKDF_SHA256,
            Self::Aes256GcmSha384 => hkdf::HKDF_SHA384,
        }
    }
}

// === impl TrafficSecret ===

impl TrafficSecret {
    /// None if the length is not that of the suite's hash.
    pub(crate) fn new(suite: Suite, secret: &[u8]) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; LONGEST]);
        (secret.len() == suite.secret_len()).then(|| {
            bytes[..secret.len()].copy_from_slice(secret);
            Self { suite, bytes }
        })
    }

    pub(crate) fn suite(&self) -> Suite {
        self.suite
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.suite.secret_len()]
    }

    /// The secret after a key update.
    pub(crate) fn next(&self) -> Self {
        let mut bytes = Zeroizing::new([0; LONGEST]);
        self.expand(b"traffic upd", &mut bytes[..self.suite.secret_len()]);
        Self { suite: self.suite, bytes }
    }

    pub(crate) fn key(&self) -> Key {
        let algorithm = self.suite.aead();
        let (bytes, iv) = self.key_and_iv();
        let unbound =
            UnboundKey::new(algorithm, &bytes[..algorithm.key_len()]).expect("the key has the algorithm's length");
        Key { aead: LessSafeKey::new(unbound), iv }
    }

    /// Whether the key and nonce that rustls derived are those of this secret.
    pub(crate) fn has_key(&self, secrets: &ConnectionTrafficSecrets) -> bool {
        let (suite, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (Suite::Aes128GcmSha256, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (Suite::Aes256GcmSha384, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (Suite::ChaCha20Poly1305Sha256, key, iv),
            _ => return false,
        };
        let (own_key, own_iv) = self.key_and_iv();
        suite == self.suite && own_key.starts_with(key.as_ref()) && own_iv == iv.as_ref()
    }

    /// The key is as long as the suite's; the rest is unused.
    fn key_and_iv(&self) -> (Zeroizing<[u8; 32]>, [u8; aead::NONCE_LEN]) {
        let (mut key, mut iv) = (Zeroizing::new([0; 32]), [0; aead::NONCE_LEN]);
        self.expand(b"key", &mut key[..self.suite.aead().key_len()]);
        self.expand(b"iv", &mut iv);
        (key, iv)
    }

    /// `HKDF-Expand-Label` with an empty context.
    fn expand(&self, label: &[u8], out: &mut [u8]) {
        const PREFIX: &[u8] = b"tls13 ";
        let short = |n: usize| u8::try_from(n).expect("labels and outputs are shorter than 256 bytes");
        let info: [&[u8]; 4] =
            [&[0, short(out.len())], &[short(PREFIX.len() + label.len())], PREFIX, &[label, &[0]].concat()];
        Prk::new_less_safe(self.suite.hkdf(), self.as_bytes())
            .expand(&info, Length(out.len()))
            .and_then(|okm| okm.fill(out))
            .expect("an output is shorter than 255 hashes");
    }
}

impl fmt::Debug for TrafficSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrafficSecret").field("suite", &self.suite).finish_non_exhaustive()
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests;
