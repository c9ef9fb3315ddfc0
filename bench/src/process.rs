//! What the host's kernel tells of processes that run inside the mesh.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};

/// Ticks of CPU time a second in `/proc/PID/stat` (`USER_HZ`, the same on every Linux we know).
const TICKS: f64 = 100.0;

/// A process, by its id on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pid: u32,
    name: String,
}

// === impl Process ===

impl Process {
    /// The one process that has all of `words` among its arguments.
    pub fn find(name: &str, words: &[&str]) -> Result<Self> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").context("reading /proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse().ok()) else { continue };
            // Processes end while we look.
            let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
            let arguments: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            if words.iter().all(|word| arguments.contains(&word.as_bytes())) {
                found.push(pid);
            }
        }
        match found.as_slice() {
            [pid] => Ok(Self { pid: *pid, name: name.to_owned() }),
            _ => bail!("{name}: {} processes have the arguments {words:?}, one was expected", found.len()),
        }
    }

    /// CPU time it has used, in seconds, with a resolution of 10 ms.
    pub fn cpu(&self) -> Result<f64> {
        let stat = self.read("stat")?;
        // Behind the command's name, which may hold anything: utime and stime are fields 14 and 15.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect::<Vec<_>>();
        let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<u32>().ok());
        let (user, system) =
            ticks(11).zip(ticks(12)).with_context(|| format!("{}: no CPU time in {stat}", self.name))?;
        Ok((f64::from(user) + f64::from(system)) / TICKS)
    }

    /// Memory resident now, in MiB.
    pub fn resident(&self) -> Result<f64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibi = line.and_then(|rest| rest.trim().strip_suffix("kB")).and_then(|n| n.trim().parse::<u32>().ok());
        Ok(f64::from(kibi.with_context(|| format!("{}: no VmRSS", self.name))?) / 1024.0)
    }

    /// Keeps all its threads on the CPUs of `list` (`0-1`).
    pub fn keep_on(&self, list: &str) -> Result<()> {
        let output = Command::new("taskset").args(["-a", "-p", "-c", list, &self.pid.to_string()]).output();
        let output = output.context("running taskset (package util-linux)")?;
        if !output.status.success() {
            bail!("{}: taskset failed: {}", self.name, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    fn read(&self, file: &str) -> Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid)).with_context(|| format!("{} is gone", self.name))
    }
}

/// CPU time of all of them, in seconds.
pub fn cpu<'p>(processes: impl IntoIterator<Item = &'p Process>) -> Result<f64> {
    processes.into_iter().map(Process::cpu).sum()
}

/// The CPUs that we may use, as a list.
pub fn cpus() -> Result<String> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).context("no CPU list")?;
    Ok(list.trim().to_owned())
}
