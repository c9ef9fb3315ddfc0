//! Files that a crash leaves either old or new.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
    path::Path,
};

use anyhow::{Context, Result};

/// Replaces the file that `path` names, or links to: written beside it, synced, renamed over it. Its mode stays, and
/// its owner as far as that is allowed.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let real = fs::canonicalize(path).with_context(cannot)?;
    let before = fs::metadata(&real).with_context(cannot)?;
    // Renaming would replace a file that is write-protected, too.
    OpenOptions::new().write(true).open(&real).with_context(cannot)?;
    let mut name = OsString::from(".");
    name.push(real.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    let beside = real.with_file_name(name);
    let written = write(&beside, &before, bytes).and_then(|()| fs::rename(&beside, &real));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("cannot write {} by way of {}", path.display(), beside.display()))?;
    if let Some(directory) = real.parent() {
        File::open(directory).and_then(|directory| directory.sync_all()).with_context(cannot)?;
    }
    Ok(())
}

fn write(beside: &Path, before: &fs::Metadata, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    file.write_all(bytes)?;
    // Only root may give files away; others own what they edit.
    let _ = fchown(&file, Some(before.uid()), Some(before.gid()));
    file.set_permissions(before.permissions())?;
    file.sync_all()
}
