//! Commit versions: they only grow, also over restarts.

use std::{path::PathBuf, time::SystemTime};

use crate::{Error, disk, plane::seconds};

/// How many versions one write to disk reserves; a restart skips at most so many.
const RESERVE: u64 = 1024;

/// Hands out commit versions. What is on disk is the highest version that may
/// have been handed out, so a restart starts above it.
#[derive(Debug)]
pub(crate) struct Versions {
    path: PathBuf,
    last: u64,
    reserved: u64,
}

impl Versions {
    /// Continues above everything that was handed out with the same file.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let reserved = match disk::read(&path).map_err(Error::state("read", &path))? {
            None => 0,
            Some(bytes) => String::from_utf8_lossy(&bytes).trim().parse().unwrap_or_else(|_| {
                // One commit a second on average never got there.
                let above = seconds(SystemTime::now());
                tracing::error!(path = %path.display(), above, "the commit version is damaged; versions go on above the time");
                above
            }),
        };
        Ok(Self { path, last: reserved, reserved })
    }

    /// What [`Self::next`] will give.
    pub(crate) fn peek(&self) -> u64 {
        self.last + 1
    }

    /// The next version. Fails only if the disk does; nothing is handed out then.
    pub(crate) fn next(&mut self) -> Result<u64, Error> {
        let next = self.peek();
        if next > self.reserved {
            let reserved = self.last + RESERVE;
            disk::replace(&self.path, format!("{reserved}\n").as_bytes()).map_err(Error::state("write", &self.path))?;
            self.reserved = reserved;
        }
        self.last = next;
        Ok(next)
    }
}

#[cfg(test)]
mod tests;
