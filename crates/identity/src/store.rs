//! SVIDs and roots on disk, so that a restarted proxy serves without the control plane.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use ripstop_model::SpiffeId;
use sha2::{Digest, Sha256};

use crate::{Error, Roots, Svid, file};

/// A directory (mode 0700) with one file (0600) per identity, holding key and chain together, and the roots.
///
/// Writing is atomic; what can't be read or parsed is skipped with a warning, since the control plane can always
/// issue anew. I/O is blocking and small.
#[derive(Clone, Debug)]
pub struct SvidStore {
    dir: PathBuf,
}

const ROOTS: &str = "roots.pem";
const SUFFIX: &str = ".svid.pem";

impl SvidStore {
    /// Opens the directory, making it if needed.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        file::private_dir(&dir)?;
        Ok(Self { dir })
    }

    /// Saves an SVID, replacing the former one of the same identity.
    pub fn save(&self, svid: &Svid) -> Result<(), Error> {
        let text = format!("{}{}", svid.key().to_pem(), svid.chain_pem());
        file::replace(&self.path(&svid.id), text.as_bytes(), file::SECRET)
    }

    /// The saved SVID of an identity, if there is a readable one; it may have expired.
    pub fn load(&self, id: &SpiffeId) -> Option<Svid> {
        let path = self.path(id);
        let svid = read(&path)?;
        if svid.id == *id {
            return Some(svid);
        }
        tracing::warn!(path = %path.display(), expected = %id, found = %svid.id, "saved SVID is of another identity, skipped");
        None
    }

    /// All readable SVIDs; some may have expired.
    pub fn load_all(&self) -> Vec<Svid> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(dir = %self.dir.display(), %error, "saved SVIDs can't be listed");
                return Vec::new();
            }
        };
        let mut svids: Vec<_> = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().ends_with(SUFFIX))
            .filter_map(|entry| read(&entry.path()).filter(|svid| self.path(&svid.id) == entry.path()))
            .collect();
        svids.sort_by(|a, b| a.id.cmp(&b.id));
        svids
    }

    /// Forgets an identity; not an error if it is not there.
    pub fn remove(&self, id: &SpiffeId) -> Result<(), Error> {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file::at("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Saves the roots.
    pub fn save_roots(&self, roots: &Roots) -> Result<(), Error> {
        file::replace(&self.dir.join(ROOTS), roots.to_pem().as_bytes(), file::SECRET)
    }

    /// The saved roots, if they are readable.
    pub fn load_roots(&self) -> Option<Roots> {
        let path = self.dir.join(ROOTS);
        usable(&path, file::read(&path).transpose()?.and_then(|text| Roots::from_pem(&text)))
    }

    /// A fixed-length name that says nothing and fits every file system.
    fn path(&self, id: &SpiffeId) -> PathBuf {
        let mut name = String::with_capacity(48);
        for byte in &Sha256::digest(id.as_str().as_bytes())[..16] {
            // Writing to a String can't fail.
            let _ = write!(name, "{byte:02x}");
        }
        self.dir.join(name + SUFFIX)
    }
}

fn read(path: &Path) -> Option<Svid> {
    usable(path, file::read(path).transpose()?.and_then(|text| Svid::from_pem(&text, &text)))
}

fn usable<T>(path: &Path, result: Result<T, Error>) -> Option<T> {
    result
        .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "saved identity is not usable, skipped"))
        .ok()
}

#[cfg(test)]
mod tests;
