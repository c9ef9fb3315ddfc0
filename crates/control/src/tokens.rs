//! One-time tokens, by which a new part of the mesh gets its first certificate.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{Error, disk, peer::Role};

/// How long a token may wait for its use.
pub(crate) const LIFETIME: Duration = Duration::from_hours(1);
/// Tokens that may wait for their use at once; the oldest goes first.
const LIMIT: usize = 4096;

/// All tokens that still matter. Only hashes are kept, in memory as on disk.
#[derive(Debug)]
pub(crate) struct Tokens {
    path: PathBuf,
    known: Vec<Token>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Token {
    /// SHA-256 of the token, hexadecimal.
    hash: String,
    role: String,
    name: String,
    /// Milliseconds since the epoch.
    expires: u64,
    /// SHA-256 of the certificate request it was used for: the same request may be repeated,
    /// so that an answer that got lost costs nothing.
    used_for: Option<String>,
}

/// Why a token does not admit.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Refusal {
    #[error("the token is not known, or older than an hour; ask for a new one")]
    Unknown,
    #[error("the token was used before for another key; ask for a new one")]
    Used,
    #[error("the token could not be marked as used")]
    Disk,
}

impl Tokens {
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let known = match disk::read(&path).map_err(Error::state("read", &path))? {
            None => Vec::new(),
            Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "the tokens are damaged: those not used yet are lost; ask for new ones");
                Vec::new()
            }),
        };
        Ok(Self { path, known })
    }

    /// A new token for the part `role`/`name`: 256 random bits in URL-safe base64.
    pub(crate) fn create(&mut self, role: Role, name: &str, now: SystemTime) -> Result<String, Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| Error::State {
            action: "read random bytes for",
            path: self.path.clone(),
            source: std::io::Error::other(error.to_string()),
        })?;
        let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random);
        let mut known = self.alive(now);
        if known.len() >= LIMIT {
            known.remove(0);
        }
        known.push(Token {
            hash: hash(&token),
            role: role.as_str().into(),
            name: name.into(),
            expires: millis(now + LIFETIME),
            used_for: None,
        });
        self.save(known)?;
        Ok(token)
    }

    /// Uses a token for one certificate request and says whom it admits. The use is on disk
    /// before this returns, so a crash cannot make a token good again.
    pub(crate) fn redeem(&mut self, token: &str, csr: &str, now: SystemTime) -> Result<(Role, String), Refusal> {
        let (wanted, request) = (hash(token), hash(csr));
        let mut known = self.alive(now);
        // Comparing hashes of 256-bit secrets byte by byte tells an attacker nothing of use.
        let found = known.iter_mut().find(|token| token.hash == wanted).ok_or(Refusal::Unknown)?;
        let role = found.role.parse().map_err(|()| Refusal::Unknown)?;
        let name = found.name.clone();
        match &found.used_for {
            Some(used) if *used == request => Ok((role, name)),
            Some(_) => Err(Refusal::Used),
            None => {
                found.used_for = Some(request);
                self.save(known).map_err(|error| {
                    tracing::error!(%error, "a token was not accepted");
                    Refusal::Disk
                })?;
                Ok((role, name))
            }
        }
    }

    fn alive(&self, now: SystemTime) -> Vec<Token> {
        let now = millis(now);
        self.known.iter().filter(|token| token.expires > now).cloned().collect()
    }

    fn save(&mut self, known: Vec<Token>) -> Result<(), Error> {
        let text = serde_json::to_vec(&known).unwrap_or_default();
        disk::replace(&self.path, &text).map_err(Error::state("write", &self.path))?;
        self.known = known;
        Ok(())
    }
}

fn millis(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut out, byte| {
        use std::fmt::Write as _;
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests;
