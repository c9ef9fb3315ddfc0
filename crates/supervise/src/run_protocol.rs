//! What `ripstop run` and the supervisor say to one another: `RUN\n`, then JSON lines both ways.
//! The client's stdin, stdout and stderr ride on the first bytes (SCM_RIGHTS).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// First bytes of a connection that asks for a run; anything else is HTTP.
pub(crate) const GREETING: &[u8; 4] = b"RUN\n";

/// What is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// Namespace.
    pub namespace: String,
    /// Service account; `default` if none is given.
    #[serde(default)]
    pub service_account: Option<String>,
    /// `WorkloadGroup` of the namespace that it is a member of.
    #[serde(default)]
    pub group: Option<String>,
    /// Node; the first of the mesh if none is given.
    #[serde(default)]
    pub node: Option<String>,
    /// Labels of the workload.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Executable and arguments.
    pub argv: Vec<String>,
    /// The client's environment.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// The client's working directory.
    pub cwd: String,
    /// Whether the descriptors that are passed are a terminal of the workload's own.
    #[serde(default)]
    pub tty: bool,
}

/// From the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FromClient {
    /// A signal for the workload.
    Signal(i32),
    /// Rows and columns of its terminal.
    Winsize(u16, u16),
}

/// To the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToClient {
    /// The workload runs.
    Started {
        /// Its name in the mesh.
        instance: String,
        /// Its process, as the mesh's world counts.
        pid: i32,
        /// Its IPv4 address.
        ip: String,
    },
    /// The workload ended. The last message.
    Exit(Exit),
    /// It could not be run. The last message.
    Error {
        /// Why.
        message: String,
    },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Cuts a stream of bytes into lines and reads them as JSON.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
}

/// Longest line: arguments and environment of a client.
const MAX_LINE: usize = 4 << 20;

// === impl Exit ===

impl Exit {
    /// The status a shell would show: 128 and more for signals.
    pub fn shell_status(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// Whether it ended by itself with 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

// === impl Lines ===

impl Lines {
    /// Takes what was read from the peer.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > MAX_LINE {
            return Err(Error::protocol("the peer of `ripstop run`", format!("a line of more than {MAX_LINE} bytes")));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole line, decoded.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        let message = serde_json::from_slice(&line[..end]);
        message.map(Some).map_err(|error| Error::protocol("the peer of `ripstop run`", error))
    }
}

/// One message as a line.
pub(crate) fn line<T: Serialize>(message: &T) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(message).map_err(|error| Error::protocol("ripstop run", error))?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
