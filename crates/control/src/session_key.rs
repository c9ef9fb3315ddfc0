//! The secret by which proxies name endpoints in the cookies of sessions.

use std::path::Path;

use ripstop_model::SessionKey;

use crate::{Error, disk};

/// The key of a former life, from `path`, or else a new one: sessions outlive a restart.
pub(crate) fn open(path: &Path) -> Result<SessionKey, Error> {
    let known = disk::read(path).map_err(Error::state("read", path))?;
    if let Some(bytes) = known {
        if let Ok(bytes) = bytes.try_into() {
            return Ok(SessionKey::new(bytes));
        }
        tracing::error!(path = %path.display(), "the key of session cookies is damaged: clients are given new endpoints");
    }
    let mut bytes = [0; SessionKey::LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| Error::State {
        action: "read random bytes for",
        path: path.to_owned(),
        source: std::io::Error::other(error.to_string()),
    })?;
    disk::replace(path, &bytes).map_err(Error::state("write", path))?;
    Ok(SessionKey::new(bytes))
}

#[cfg(test)]
mod tests;
