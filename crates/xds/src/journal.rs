//! The last good configuration on disk.
//!
//! A file of records: `RIPSTOP1`, then per record its length (u32), the first 8
//! bytes of the SHA-256 of its body, and the body, a protobuf message. The first
//! record holds everything, each further one a commit's changes, so that a
//! commit costs what it changes. When the changes outgrow the whole, the file
//! is written anew beside the old one and renamed. A torn or damaged record ends
//! what is read: what stands before it is an older commit, complete in itself.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::{Buf, Bytes};
use prost::Message;
use ripstop_wire::{ResourceChange, type_url};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"RIPSTOP1";
const FRAME: usize = 12;
/// Below this the file is not worth writing anew.
const COMPACT_ABOVE: u64 = 256 * 1024;

/// Appends commits. Blocking.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Option<File>,
    /// Bytes up to the end of the last good record; 0: there is no file yet.
    good: u64,
    /// Bytes of the first record.
    base: u64,
    /// What could not be written yet, by type and name.
    unsaved: BTreeMap<(&'static str, Arc<str>), ResourceChange>,
    /// The file was damaged by others while it was in use: what is written now would not be whole.
    lost: bool,
}

/// What an earlier run left.
#[derive(Debug, PartialEq)]
pub(crate) struct Saved {
    pub(crate) version: u64,
    pub(crate) resources: Vec<ResourceChange>,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(uint64, tag = "1")]
    version: u64,
    #[prost(message, repeated, tag = "2")]
    resources: Vec<SavedResource>,
}

#[derive(Clone, PartialEq, Message)]
struct SavedResource {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    version: String,
    /// Nothing: removed.
    #[prost(bytes = "bytes", optional, tag = "4")]
    body: Option<Bytes>,
}

type Contents = BTreeMap<(&'static str, Arc<str>), (Arc<str>, Bytes)>;

struct Replayed {
    version: u64,
    contents: Contents,
    good: u64,
    base: u64,
}

// === impl Journal ===

impl Journal {
    /// Opens the file and reads what is good of it. A damaged file is a warning, not an error.
    pub(crate) fn open(path: PathBuf) -> io::Result<(Self, Option<Saved>)> {
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Bytes::new(),
            Err(error) => return Err(error),
        };
        let length = bytes.len() as u64;
        let replayed = replay(bytes);
        let good = replayed.as_ref().map_or(0, |replayed| replayed.good);
        if good != length {
            let path = path.display();
            if let Some(Replayed { version, .. }) = &replayed {
                tracing::warn!(%path, good, length, version, "end of the saved configuration is damaged; an older version is used");
            } else {
                tracing::warn!(%path, length, "saved configuration is damaged and not used");
            }
        }
        let base = replayed.as_ref().map_or(0, |replayed| replayed.base);
        let saved = replayed.map(|Replayed { version, contents, .. }| Saved {
            version,
            resources: contents
                .into_iter()
                .map(|((type_url, name), (version, body))| ResourceChange { type_url, name, version, body: Some(body) })
                .collect(),
        });
        Ok((Self { path, file: None, good, base, unsaved: BTreeMap::new(), lost: false }, saved))
    }

    /// Adds a commit. If that fails, its changes are written with the next one.
    pub(crate) fn append(&mut self, version: u64, changes: Vec<ResourceChange>) -> io::Result<()> {
        if self.lost {
            return Err(io::Error::other("the file was damaged while in use; a restart begins a new one"));
        }
        for change in changes {
            self.unsaved.insert((change.type_url, change.name.clone()), change);
        }
        let record = frame(&record(version, self.unsaved.values()))?;
        let grown = self.good.saturating_sub(self.base) + record.len() as u64;
        if self.good == 0 {
            self.write_whole(&record)?;
        } else if grown > self.base.max(COMPACT_ABOVE) {
            let whole = self.whole(version)?;
            self.write_whole(&frame(&whole)?)?;
        } else {
            self.write_end(&record)?;
        }
        self.unsaved.clear();
        Ok(())
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        (self.file, self.good, self.base, self.lost) = (None, 0, 0, false);
        self.unsaved.clear();
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn write_end(&mut self, record: &[u8]) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().append(true).open(&self.path)?,
        };
        // What an attempt before left half written goes.
        file.set_len(self.good)?;
        file.write_all(record)?;
        self.good += record.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    fn write_whole(&mut self, record: &[u8]) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(MAGIC)?;
        file.write_all(record)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        self.file = None;
        self.base = (MAGIC.len() + record.len()) as u64;
        self.good = self.base;
        Ok(())
    }

    /// Everything, read back, with what is not saved yet.
    fn whole(&mut self, version: u64) -> io::Result<Record> {
        let replayed = replay(Bytes::from(std::fs::read(&self.path)?)).filter(|replayed| replayed.good == self.good);
        let Some(Replayed { mut contents, .. }) = replayed else {
            self.lost = true;
            return Err(io::Error::other("the file was damaged while in use"));
        };
        for (key, change) in &self.unsaved {
            match &change.body {
                Some(body) => contents.insert(key.clone(), (change.version.clone(), body.clone())),
                None => contents.remove(key),
            };
        }
        Ok(record(
            version,
            contents
                .into_iter()
                .map(|((type_url, name), (version, body))| ResourceChange { type_url, name, version, body: Some(body) })
                .collect::<Vec<_>>()
                .iter(),
        ))
    }
}

fn record<'a>(version: u64, changes: impl Iterator<Item = &'a ResourceChange>) -> Record {
    let saved = |change: &ResourceChange| SavedResource {
        type_url: change.type_url.to_owned(),
        name: change.name.to_string(),
        version: change.version.to_string(),
        body: change.body.clone(),
    };
    Record { version, resources: changes.map(saved).collect() }
}

fn frame(record: &Record) -> io::Result<Vec<u8>> {
    let body = record.encode_to_vec();
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("more than 4 GiB of configuration"))?;
    let mut framed = Vec::with_capacity(FRAME + body.len());
    framed.extend_from_slice(&length.to_le_bytes());
    framed.extend_from_slice(&checksum(&body));
    framed.extend_from_slice(&body);
    Ok(framed)
}

fn checksum(body: &[u8]) -> [u8; 8] {
    let digest = Sha256::digest(body);
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest[..8]);
    sum
}

/// Reads records up to the first that is not good; nothing if not even the first is.
fn replay(mut bytes: Bytes) -> Option<Replayed> {
    if bytes.get(..MAGIC.len())? != MAGIC {
        return None;
    }
    bytes.advance(MAGIC.len());
    let mut replayed: Option<Replayed> = None;
    while let Some((record, length)) = next_record(&mut bytes) {
        let so_far = replayed.get_or_insert_with(|| {
            let base = MAGIC.len() as u64 + length;
            Replayed { version: 0, contents: Contents::new(), good: MAGIC.len() as u64, base }
        });
        so_far.version = record.version;
        so_far.good += length;
        for SavedResource { type_url, name, version, body } in record.resources {
            // A type of another release is nothing to this one.
            let Some(type_url) = type_url::known(&type_url) else { continue };
            match body {
                Some(body) => so_far.contents.insert((type_url, name.into()), (version.into(), body)),
                None => so_far.contents.remove(&(type_url, name.into())),
            };
        }
    }
    replayed
}

/// The next record and its length with frame.
fn next_record(bytes: &mut Bytes) -> Option<(Record, u64)> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let sum: [u8; 8] = bytes.get(4..FRAME)?.try_into().ok()?;
    let end = FRAME.checked_add(usize::try_from(length).ok()?)?;
    let body = bytes.get(FRAME..end)?;
    if checksum(body) != sum {
        return None;
    }
    let record = Record::decode(bytes.slice(FRAME..end)).ok()?;
    bytes.advance(end);
    Some((record, end as u64))
}

#[cfg(test)]
mod tests;
