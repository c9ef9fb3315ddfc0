//! The binaries under test, where any user can read them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// Links or copies `ripstop` and `bookinfo` into `dir`.
pub fn install(dir: &Path) -> Result<()> {
    fs::create_dir(dir)?;
    let built = built()?;
    for name in ["ripstop", "bookinfo"] {
        let from = built.join(name);
        if !from.exists() {
            bail!("{} is not there: run `scripts/build debug` first (make test does)", from.display());
        }
        let to = dir.join(name);
        // A hard link needs no room, but both have to be on one file system.
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
        }
    }
    Ok(())
}

/// `RIPSTOP_TEST_BIN`, else the directory that test binaries of this build lie below.
fn built() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("RIPSTOP_TEST_BIN") {
        return Ok(dir.into());
    }
    let own = std::env::current_exe()?;
    let profile = own.ancestors().find(|path| path.join("deps").is_dir()).context("where was this test built?")?;
    Ok(profile.to_owned())
}
