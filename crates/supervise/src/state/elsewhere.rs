//! Meshes whose state is not in its usual place: a link there leads to it.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, symlink},
    path::{Path, PathBuf},
};

use super::{Environment, hash_of, running_at, state_root};
use crate::{Error, Result};

/// A link to a state directory, for as long as its mesh runs.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    link: PathBuf,
}

/// Beginning of a link's name.
const PREFIX: &str = "at-";

// === impl Elsewhere ===

impl Elsewhere {
    /// Leaves a link to `state`, unless that is in its usual place. Without one the mesh runs all the same, and is
    /// found by its state directory alone.
    pub(crate) fn tell(state: &Path) -> Option<Self> {
        let told = state_root(&Environment::current()).and_then(|root| Self::tell_in(&root, state));
        told.unwrap_or_else(|error| {
            tracing::debug!(%error, "commands find this mesh by its state directory only");
            None
        })
    }

    pub(super) fn tell_in(root: &Path, state: &Path) -> Result<Option<Self>> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(Error::file("create", root))?;
        let root = root.canonicalize().map_err(Error::file("resolve", root))?;
        if state.parent() == Some(&root) {
            return Ok(None);
        }
        forget_dead(&root);
        let link = root.join(format!("{PREFIX}{}", hash_of(state)));
        symlink(state, &link).map_err(Error::file("link", &link))?;
        Ok(Some(Self { link }))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.link) {
            tracing::debug!(%error, link = %self.link.display(), "a link to the state directory stays");
        }
    }
}

/// Removes links that meshes left which were killed.
fn forget_dead(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_link && is_ours && running_at(&entry.path()).is_none() {
            // Somebody else may be faster.
            let _ = fs::remove_file(entry.path());
        }
    }
}
