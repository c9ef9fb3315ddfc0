//! What outlives the process: ages and last good texts, in a directory of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::catalog::{Age, Saved};

/// `objects.json` with what is known of each object, and `texts/<hash>` with the texts in which
/// they were last good.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    /// Texts that are there.
    texts: BTreeSet<Arc<str>>,
    /// What was saved last.
    last: Option<Saved>,
}

#[derive(Serialize, Deserialize)]
struct Index {
    version: u32,
    objects: BTreeMap<String, Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    created_ms: u64,
    generation: u64,
    accepted_ms: u64,
    file: String,
    text: String,
}

const INDEX: &str = "objects.json";
const TEXTS: &str = "texts";
const VERSION: u32 = 1;

// === impl StateDir ===

impl StateDir {
    /// Makes the directory if need be, and reads what is in it. A damaged index counts as none:
    /// only ages and last good states are lost by it.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Saved)> {
        DirBuilder::new().recursive(true).mode(0o700).create(path.join(TEXTS))?;
        let mut saved = Saved::default();
        match fs::read(path.join(INDEX)) {
            Ok(bytes) => match serde_json::from_slice::<Index>(&bytes) {
                Ok(index) if index.version == VERSION => {
                    saved.objects = index.objects.into_iter().map(|(name, line)| (name, line.into())).collect();
                }
                Ok(_) => {
                    tracing::warn!(path = %path.display(), "ages of objects are of another version, starting anew");
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "ages of objects are damaged, starting anew");
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut texts = BTreeSet::new();
        for entry in fs::read_dir(path.join(TEXTS))? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(hash) = name.to_str() else { continue };
            texts.insert(Arc::from(hash));
            if saved.objects.values().any(|age| age.text.as_ref() == hash)
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                saved.texts.insert(hash.into(), text.into());
            }
        }
        Ok((Self { path: path.to_owned(), texts, last: None }, saved))
    }

    /// Saves, atomically, unless nothing changed: texts first, then the index, then texts that are
    /// not needed any more go.
    pub(crate) fn save(&mut self, saved: Saved) -> io::Result<()> {
        if self.last.as_ref() == Some(&saved) {
            return Ok(());
        }
        let texts = self.path.join(TEXTS);
        for (hash, text) in &saved.texts {
            if !self.texts.contains(hash) {
                write_atomically(&texts.join(&**hash), text.as_bytes(), 0o600)?;
                self.texts.insert(hash.clone());
            }
        }
        let objects = saved.objects.iter().map(|(name, age)| (name.clone(), age.into())).collect();
        let bytes = serde_json::to_vec_pretty(&Index { version: VERSION, objects }).map_err(io::Error::other)?;
        write_atomically(&self.path.join(INDEX), &bytes, 0o600)?;
        let needed: BTreeSet<_> = saved.objects.values().map(|age| age.text.clone()).collect();
        self.texts.retain(|hash| needed.contains(hash) || fs::remove_file(texts.join(&**hash)).is_err());
        self.last = Some(saved);
        Ok(())
    }
}

/// Writes a file so that it is there whole or not at all, also after a power cut.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    place(path, bytes, mode, |temporary| fs::rename(temporary, path))
}

/// As [`write_atomically`], but fails where there is something already.
pub(crate) fn make_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    place(path, bytes, mode, |temporary| {
        fs::hard_link(temporary, path)?;
        fs::remove_file(temporary)
    })
}

/// Writes a file beside `path`, which `publish` gives its name.
fn place(path: &Path, bytes: &[u8], mode: u32, publish: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}.ripstop", std::process::id()));
    let written = (|| {
        let _ = fs::remove_file(&temporary); // left over from a crash
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        publish(&temporary)?;
        File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary); // it may not be there
    }
    written
}

impl From<Line> for Age {
    fn from(line: Line) -> Self {
        let Line { created_ms, generation, accepted_ms, file, text } = line;
        Self { created_ms, generation, accepted_ms, file, text: text.into() }
    }
}

impl From<&Age> for Line {
    fn from(age: &Age) -> Self {
        Self {
            created_ms: age.created_ms,
            generation: age.generation,
            accepted_ms: age.accepted_ms,
            file: age.file.clone(),
            text: age.text.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
