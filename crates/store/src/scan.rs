//! Looking at a directory of files.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use ripstop_api::Finding;

use crate::{
    finding::{TOO_MANY, UNREADABLE, of_file},
    settle::{Inode, Seen, View},
    version::Version,
};

/// Bytes of a file that are read at most.
pub(crate) const MAX_FILE: u64 = 8 << 20;
/// Files that are read at most.
pub(crate) const MAX_FILES: usize = 10_000;
/// Directories below one another that are entered at most.
pub(crate) const MAX_DEPTH: usize = 32;

/// Reads a tree; files that did not change since the last time are not read again.
#[derive(Debug)]
pub(crate) struct Scanner {
    root: PathBuf,
    /// A directory that is not looked into, though it may lie in the tree.
    skip: PathBuf,
    cache: BTreeMap<String, Cached>,
}

#[derive(Clone, Debug)]
struct Cached {
    stamp: Stamp,
    version: Version,
}

/// Tells whether a file was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: Inode,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) view: View,
    /// What is wrong with the tree rather than with one file.
    pub(crate) findings: Vec<Finding>,
    /// Directories outside of the tree that hold files of it.
    pub(crate) outside: BTreeSet<PathBuf>,
}

/// A file that was found, before it is read.
struct Found {
    path: PathBuf,
    real: PathBuf,
    stamp: Stamp,
}

// === impl Scanner ===

impl Scanner {
    /// Will read `root` (canonical) but not `skip` (canonical).
    pub(crate) fn new(root: PathBuf, skip: PathBuf) -> Self {
        Self { root, skip, cache: BTreeMap::new() }
    }

    /// The whole tree as it is. `writing` are files (canonical) that someone holds open.
    pub(crate) fn scan(&mut self, writing: &HashSet<PathBuf>) -> Scan {
        let mut scan = Scan::default();
        let found = self.find(&mut scan);
        let mut cache = BTreeMap::new();
        for (file, Found { path, real, stamp }) in found {
            let cached = self.cache.remove(&file).filter(|cached| cached.stamp == stamp);
            let cached = cached.unwrap_or_else(|| read(&file, &path));
            if !real.starts_with(&self.root) {
                scan.outside.extend(real.parent().map(Path::to_path_buf));
            }
            let being_written = writing.contains(&real) || writing.contains(&path);
            let seen = Seen { version: cached.version.clone(), inode: cached.stamp.inode, being_written };
            scan.view.files.insert(file.clone(), seen);
            if matches!(cached.version, Version::Text(_)) {
                cache.insert(file, cached);
            }
        }
        self.cache = cache;
        scan
    }

    /// Files by their path below the root, each inode once.
    fn find(&self, scan: &mut Scan) -> BTreeMap<String, Found> {
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        let mut by_inode: BTreeMap<Inode, String> = BTreeMap::new();
        let mut entered: HashSet<Inode> = HashSet::new();
        let mut waiting = vec![(self.root.clone(), 0)];
        while let Some((directory, depth)) = waiting.pop() {
            let name = self.name_of(&directory);
            let listing = fs::metadata(&directory).and_then(|metadata| {
                if entered.insert((metadata.dev(), metadata.ino())) {
                    fs::read_dir(&directory).map(Some)
                } else {
                    Ok(None)
                }
            });
            let entries = match listing
                .and_then(|listing| listing.into_iter().flatten().collect::<io::Result<Vec<_>>>())
            {
                Ok(entries) => entries,
                Err(error) => {
                    let prefix = if name.is_empty() { String::new() } else { format!("{name}/") };
                    scan.view.blind.insert(prefix);
                    let shown = if name.is_empty() { "." } else { &name };
                    let message = format!("the directory cannot be listed: {error}");
                    scan.findings.push(of_file(UNREADABLE, shown, message, "the last good state of its objects stays"));
                    continue;
                }
            };
            for entry in entries {
                let path = entry.path();
                let file_name = entry.file_name();
                if is_hidden(&file_name.to_string_lossy()) || path == self.skip {
                    continue;
                }
                // Follows symbolic links; one that leads nowhere is as good as absent.
                let Ok(metadata) = fs::metadata(&path) else { continue };
                if metadata.is_dir() {
                    if depth < MAX_DEPTH {
                        waiting.push((path, depth + 1));
                    } else {
                        let message = format!("directories below {MAX_DEPTH} others are not read");
                        scan.findings.push(of_file(TOO_MANY, &self.name_of(&path), message, ""));
                    }
                    continue;
                }
                if !metadata.is_file() || !is_configuration(&path) {
                    continue;
                }
                if found.len() >= MAX_FILES {
                    let message = format!("only {MAX_FILES} files are read");
                    scan.findings.push(of_file(
                        TOO_MANY,
                        &self.name_of(&path),
                        message,
                        "split the mesh or join files",
                    ));
                    return found;
                }
                let real = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
                let stamp = Stamp::of(&metadata);
                let file = self.name_of(&path);
                if let Some(other) = by_inode.get(&stamp.inode) {
                    // Reached on two ways: the file itself goes before a link, then the lower name.
                    let keep = found.get(other).is_some_and(|found| {
                        (found.real != found.path, other.as_str()) <= (real != path, file.as_str())
                    });
                    if keep {
                        continue;
                    }
                    found.remove(other);
                }
                by_inode.insert(stamp.inode, file.clone());
                found.insert(file, Found { path, real, stamp });
            }
        }
        found
    }

    /// The path below the root, as findings show it.
    fn name_of(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }
}

/// Whether files of that name are read: YAML and JSON, no editor's backups.
pub(crate) fn is_configuration(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| is_hidden(&name.to_string_lossy()));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !hidden && extension.is_some_and(|extension| matches!(extension, "yaml" | "yml" | "json"))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '#']) || name.ends_with('~')
}

fn read(file: &str, path: &Path) -> Cached {
    let failed = |error: &dyn std::fmt::Display| {
        let message = format!("the file cannot be read: {error}");
        let hint = "the last good state of its objects stays";
        Version::Failed(Arc::new(of_file(UNREADABLE, file, message, hint)))
    };
    let nothing = Stamp { inode: (0, 0), size: 0, modified: (0, 0), changed: (0, 0) };
    let mut bytes = Vec::new();
    let stamp = File::open(path).and_then(|mut opened| {
        let before = Stamp::of(&opened.metadata()?);
        opened.by_ref().take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        // Written to meanwhile: the next look will read it again.
        Ok(if Stamp::of(&opened.metadata()?) == before { before } else { Stamp { size: u64::MAX, ..before } })
    });
    match stamp {
        Err(error) => Cached { stamp: nothing, version: failed(&error) },
        Ok(stamp) if bytes.len() as u64 > MAX_FILE => {
            Cached { stamp, version: failed(&format!("it is larger than {} MiB", MAX_FILE >> 20)) }
        }
        Ok(stamp) => match std::str::from_utf8(&bytes) {
            Ok(text) => Cached { stamp, version: Version::of_text(file, text) },
            Err(error) => Cached { stamp, version: failed(&format!("it is not UTF-8 text: {error}")) },
        },
    }
}

// === impl Stamp ===

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests;
