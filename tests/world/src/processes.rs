//! The processes of a mesh, as the mesh names them and as this machine sees them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{World, signal};

/// A role or workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process, as the mesh numbers it; nothing while it is down.
    pub pid: Option<u64>,
    /// `running`, `stopped`, `backoff`, …
    pub state: String,
}

/// A process of this machine, which another one of the same number is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostProcess {
    /// Its number.
    pub pid: u32,
    /// When it started, ticks since boot.
    started: u64,
}

// === impl World ===

impl World {
    /// Roles (`control`, `agent-NODE`, `node-NODE`) and workloads (`namespace/instance`).
    pub fn processes(&self) -> Result<BTreeMap<String, Running>> {
        let list = self.json(&["get", "processes"])?;
        let running = |row: &Value| {
            let name = row["name"].as_str().context("a process without a name")?;
            let name =
                row["namespace"].as_str().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
            let state = row["state"].as_str().unwrap_or_default().to_owned();
            Ok((name, Running { pid: row["pid"].as_u64(), state }))
        };
        list.as_array().context("processes are no list")?.iter().map(running).collect()
    }

    /// Kills a role or workload with SIGKILL; gives its pid in the mesh.
    pub fn kill(&self, name: &str) -> Result<u64> {
        let processes = self.processes()?;
        let process = processes.get(name).with_context(|| format!("no process {name} in {processes:?}"))?;
        let pid = process.pid.with_context(|| format!("{name} does not run"))?;
        signal(self.host_pid(pid)?, "KILL")?;
        Ok(pid)
    }

    /// The number that this machine has for process `pid` of the mesh.
    pub fn host_pid(&self, pid: u64) -> Result<u32> {
        let all = self.host_processes()?;
        let found = all.iter().find(|process| process.number_in_world() == Some(pid));
        Ok(found.with_context(|| format!("the mesh has no process {pid}"))?.pid)
    }

    /// All processes of this machine that `up` started, itself included.
    pub fn host_processes(&self) -> Result<Vec<HostProcess>> {
        let outer = self.outer_pid().context("the mesh does not run")?;
        let all = all_processes()?;
        let mut found = BTreeSet::from([outer]);
        loop {
            let before = found.len();
            found.extend(
                all.iter()
                    .filter(|(_, parent)| found.contains(parent))
                    .map(|(process, _)| process.pid)
                    .collect::<Vec<_>>(),
            );
            if found.len() == before {
                break;
            }
        }
        Ok(all.into_iter().map(|(process, _)| process).filter(|process| found.contains(&process.pid)).collect())
    }
}

// === impl HostProcess ===

impl HostProcess {
    /// Whether it still runs; one that waits for its parent does not.
    pub fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|(started, _, state)| started == self.started && state != "Z")
    }

    /// Inodes of its namespaces, as (kind, inode).
    pub fn namespaces(self) -> Vec<(String, String)> {
        let entries = fs::read_dir(format!("/proc/{}/ns", self.pid)).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let target = fs::read_link(entry.path()).ok()?;
                Some((entry.file_name().to_string_lossy().into_owned(), target.to_string_lossy().into_owned()))
            })
            .collect()
    }

    /// Its number in the outermost pid namespace below this one.
    fn number_in_world(self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        numbers.split_whitespace().nth(1)?.parse().ok()
    }
}

/// Every process of this machine with its parent.
pub fn all_processes() -> Result<Vec<(HostProcess, u32)>> {
    let pids = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids
        .filter_map(|pid| {
            let (started, parent, _) = stat(pid)?;
            Some((HostProcess { pid, started }, parent))
        })
        .collect())
}

/// Start, parent and state of a process.
fn stat(pid: u32) -> Option<(u64, u32, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may hold spaces and brackets: fields count from behind its last bracket.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(19)?.parse().ok()?, fields.get(1)?.parse().ok()?, (*fields.first()?).to_owned()))
}
