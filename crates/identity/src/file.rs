//! Files that are there whole or not at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::Error;

/// Permissions of files that hold keys.
pub(crate) const SECRET: u32 = 0o600;
/// Permissions of files that hold none.
pub(crate) const PUBLIC: u32 = 0o644;

const TEMPORARY: &str = ".tmp-";
/// Nobody takes so long to write a file.
const ABANDONED: Duration = Duration::from_mins(1);
/// No file of ours comes near this size.
const MAX_FILE: u64 = 1 << 20;

/// Makes `path` a directory of ours with mode 0700 and removes what interrupted writers left in it.
pub(crate) fn private_dir(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at("create directory", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(at("restrict directory", path))?;
    for entry in fs::read_dir(path).map_err(at("read directory", path))?.flatten() {
        let left = entry.file_name().to_string_lossy().starts_with(TEMPORARY)
            && entry.metadata().and_then(|metadata| metadata.modified()).is_ok_and(|modified| {
                // A younger one may belong to somebody who is writing now.
                modified.elapsed().is_ok_and(|age| age > ABANDONED)
            });
        if left {
            // Another process may have cleared it away just now.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Replaces `path` in one step: readers see the old bytes or the new ones, also after a crash.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let temporary = write_temporary(path, bytes, mode)?;
    fs::rename(&temporary, path).map_err(|source| {
        let _ = fs::remove_file(&temporary);
        at("write", path)(source)
    })?;
    sync_parent(path)
}

/// Creates `path` in one step; false if it was there already, which is left alone.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, Error> {
    let temporary = write_temporary(path, bytes, mode)?;
    let linked = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    match linked {
        Ok(()) => sync_parent(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(at("create", path)(error)),
    }
}

/// The text of a file; none if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Error> {
    let size = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at("read", path)(error)),
    };
    if size > MAX_FILE {
        return Err(at("read", path)(io::Error::new(io::ErrorKind::InvalidData, "file is larger than 1 MiB")));
    }
    fs::read_to_string(path).map(Some).map_err(at("read", path))
}

pub(crate) fn at(what: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { what, path: path.clone(), source }
}

fn write_temporary(path: &Path, bytes: &[u8], mode: u32) -> Result<PathBuf, Error> {
    let random = getrandom::u64().map_err(|error| Error::Crypto(error.to_string()))?;
    let temporary = path.with_file_name(format!("{TEMPORARY}{random:016x}"));
    let fail = at("write", path);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    match written {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(fail(error))
        }
    }
}

fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(at("sync directory", parent))
}
