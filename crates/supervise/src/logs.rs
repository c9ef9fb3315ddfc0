//! Logs of roles and workloads: files of bounded size, and whoever follows them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::{io::AsyncReadExt, net::unix::pipe, sync::broadcast};

use crate::{Error, Result, paths::Paths};

mod access;

use access::AccessLines;

/// The log of one role or workload: `PATH` and, once that is full, `PATH.1`.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    limit: u64,
    file: Mutex<Option<(File, u64)>>,
    live: broadcast::Sender<Bytes>,
}

/// Writes whole lines into a log: for events of a process that nobody collects from.
#[derive(Debug)]
pub struct LogWriter(Arc<Log>);

/// Which lines of a log are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// All.
    All,
    /// Those of a node proxy's access log.
    Access,
}

/// What is left of the chunks of a log when only some lines are meant.
#[derive(Debug)]
pub(crate) enum Passing {
    /// All of it.
    All,
    /// Whole lines of the access log.
    Access(AccessLines),
}

/// A log that another process writes: what comes is looked for in the file.
#[derive(Debug)]
pub(crate) struct Growing {
    path: PathBuf,
    at: u64,
}

/// Size at which a log is turned over.
const LIMIT: u64 = 10 << 20;
/// Chunks that a slow follower may lag behind before it loses some.
const LIVE_CHUNKS: usize = 256;

// === impl Log ===

impl Log {
    /// The log in `path`; what is there is appended to.
    pub(crate) fn new(path: PathBuf) -> Arc<Self> {
        Self::with_limit(path, LIMIT)
    }

    fn with_limit(path: PathBuf, limit: u64) -> Arc<Self> {
        Arc::new(Self { path, limit, file: Mutex::new(None), live: broadcast::channel(LIVE_CHUNKS).0 })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends. A log that cannot be written (full disk) loses the chunk; followers still see it.
    pub(crate) fn append(&self, chunk: &[u8]) {
        if let Err(error) = self.try_append(chunk) {
            tracing::debug!(log = %self.path.display(), %error, "log could not be written");
        }
    }

    fn try_append(&self, chunk: &[u8]) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _no_follower = self.live.send(Bytes::copy_from_slice(chunk));
        self.write(&mut file, chunk).inspect_err(|_| *file = None)
    }

    /// The last `tail` lines (all: nothing) of those that `passing` lets through, and then everything that is
    /// appended.
    pub(crate) fn follow(
        &self,
        tail: Option<usize>,
        passing: &mut Passing,
    ) -> Result<(Vec<u8>, broadcast::Receiver<Bytes>)> {
        let _no_append = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live.subscribe();
        Ok((self.read(tail, passing)?.0, live))
    }

    /// As [`Self::follow`], where another process writes.
    pub(crate) fn follow_file(&self, tail: Option<usize>) -> Result<(Vec<u8>, Growing)> {
        let (past, at) = self.read(tail, &mut Passing::All)?;
        Ok((past, Growing { path: self.path.clone(), at }))
    }

    fn write(&self, file: &mut Option<(File, u64)>, chunk: &[u8]) -> io::Result<()> {
        if file.as_ref().is_some_and(|(_, size)| size + chunk.len() as u64 > self.limit) {
            *file = None;
            fs::rename(&self.path, self.older())?;
        }
        if file.is_none() {
            let new = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            let size = new.metadata()?.len();
            *file = Some((new, size));
        }
        let Some((file, size)) = file else { return Ok(()) };
        file.write_all(chunk)?;
        *size += chunk.len() as u64;
        Ok(())
    }

    /// The last lines, and the size of the file that they end in.
    fn read(&self, tail: Option<usize>, passing: &mut Passing) -> Result<(Vec<u8>, u64)> {
        let (mut text, size) = read_end(&self.path, self.limit)?;
        let older = self.older();
        let enough =
            |text: &[u8]| matches!(passing, Passing::All) && tail.is_some_and(|tail| count_lines(text) >= tail);
        if !enough(&text) && older.exists() {
            let (mut all, _) = read_end(&older, self.limit)?;
            all.append(&mut text);
            text = all;
        }
        let text = passing.push(text);
        let text = match tail {
            Some(tail) => last_lines(text, tail),
            None => text,
        };
        Ok((text, size))
    }

    fn older(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_os_string();
        name.push(".1");
        name.into()
    }
}

// === impl Passing ===

impl Passing {
    pub(crate) fn new(lines: Lines) -> Self {
        match lines {
            Lines::All => Self::All,
            Lines::Access => Self::Access(AccessLines::default()),
        }
    }

    /// What is let through of `chunk`, and of what was kept before.
    pub(crate) fn push(&mut self, chunk: Vec<u8>) -> Vec<u8> {
        match self {
            Self::All => chunk,
            Self::Access(lines) => lines.push(&chunk),
        }
    }
}

// === impl Growing ===

impl Growing {
    /// What has come since the last time; a log that was turned over begins again.
    pub(crate) fn more(&mut self) -> Result<Vec<u8>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::File { what: "open", path: self.path.clone(), source }),
        };
        let mut read = || {
            if file.metadata()?.len() < self.at {
                self.at = 0;
            }
            file.seek(SeekFrom::Start(self.at))?;
            let mut text = Vec::new();
            self.at += (&mut file).take(LIMIT).read_to_end(&mut text)? as u64;
            Ok(text)
        };
        read().map_err(Error::file("read", &self.path))
    }
}

// === impl LogWriter ===

impl LogWriter {
    /// The log of the broker of the mesh in state directory `state`; `ripstop logs broker` shows it.
    pub fn of_broker(state: &Path) -> Self {
        Self(Log::new(Paths::new(state.to_path_buf()).role_log("broker")))
    }
}

impl Write for LogWriter {
    /// Says nothing of a failure itself: it may be called to say something.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.try_append(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies what a process writes into its log, until the last writer is gone. Owned by the
/// runtime: it ends with the process and its children.
pub(crate) fn collect(log: Arc<Log>, output: OwnedFd) -> Result<()> {
    let mut output = pipe::Receiver::from_owned_fd(output).map_err(Error::system("read a log pipe"))?;
    tokio::spawn(async move {
        let mut buffer = vec![0; 16 << 10];
        loop {
            match output.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(length) => log.append(&buffer[..length]),
            }
        }
    });
    Ok(())
}

/// The last `limit` bytes of a file, and where they end; nothing if there is none.
fn read_end(path: &Path, limit: u64) -> Result<(Vec<u8>, u64)> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(source) => return Err(Error::File { what: "open", path: path.to_path_buf(), source }),
    };
    let mut read = || {
        let start = file.metadata()?.len().saturating_sub(limit);
        file.seek(SeekFrom::Start(start))?;
        let mut text = Vec::new();
        let length = (&mut file).take(limit).read_to_end(&mut text)?;
        Ok((text, start + length as u64))
    };
    read().map_err(Error::file("read", path))
}

fn count_lines(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').count() - 1
}

fn last_lines(mut text: Vec<u8>, lines: usize) -> Vec<u8> {
    if lines == 0 {
        return Vec::new();
    }
    let body = text.strip_suffix(b"\n").unwrap_or(&text);
    let cut = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').nth(lines - 1);
    match cut.map(|(at, _)| at + 1) {
        Some(start) => text.split_off(start),
        None => text,
    }
}

#[cfg(test)]
mod tests;
