//! The record of what was done with the power of the admin socket.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use crate::{Error, admin::Caller};

/// `audit.log`: one JSON object a line, appended and synced before the answer is given.
#[derive(Debug)]
pub(crate) struct Audit {
    path: PathBuf,
    file: Mutex<File>,
}

impl Audit {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(Error::state("open", path))?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Records one act. What cannot be recorded must not be done: callers give up on an error.
    pub(crate) fn record(&self, caller: &Caller, action: &'static str, details: Value) -> Result<(), Error> {
        let mut entry = Map::new();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        entry.insert("time_ms".into(), json!(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)));
        entry.insert("pid".into(), json!(caller.pid));
        entry.insert("uid".into(), json!(caller.uid));
        entry.insert("action".into(), json!(action));
        if let Value::Object(details) = details {
            entry.extend(details);
        }
        let mut line = Value::Object(entry).to_string();
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(Error::state("write", &self.path))
    }
}
