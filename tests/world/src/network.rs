//! A network namespace that stands for the machine: a mesh that runs in it has a host whose
//! addresses, neighbours and resolvers a story chooses.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// The namespace, held by a process in it.
#[derive(Debug)]
pub struct HostNetwork {
    holder: Child,
    /// Whether it belongs to a user namespace of its own: an ordinary user has to make one.
    own_users: bool,
}

/// Brings the loopback device up, lets anybody take low ports, and waits for the end of its input.
const HOLD: &str =
    "ip link set lo up && echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start && echo ready && exec cat";

// === impl HostNetwork ===

impl HostNetwork {
    /// A namespace with nothing but a loopback device.
    pub fn create() -> Result<Self> {
        let own_users = !is_root()?;
        let mut command = Command::new("unshare");
        command.arg(if own_users { "-Urn" } else { "-n" });
        Self::hold(command, own_users)
    }

    /// One more namespace, joined to this one by a wire; `here` and `there` are the addresses
    /// (`192.0.2.1/24`) of its ends.
    pub fn neighbour(&self, here: &str, there: &str) -> Result<Self> {
        let neighbour = Self::hold(self.command(&["unshare", "-n"]), self.own_users)?;
        let pid = neighbour.holder.id();
        self.sh(&format!(
            "ip link add wire type veth peer name wire netns {pid} && ip addr add {here} dev wire && ip link set wire up"
        ))?;
        neighbour.sh(&format!("ip addr add {there} dev wire && ip link set wire up"))?;
        Ok(neighbour)
    }

    /// A command that runs in it, with all its rights.
    pub fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.holder.id().to_string(), "-n"]);
        if self.own_users {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.arg("--").args(argv);
        command
    }

    /// Runs a shell script in it, which must succeed.
    pub fn sh(&self, script: &str) -> Result<()> {
        let output = self.command(&["sh", "-c", script]).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        bail!("{script:?} failed with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
    }

    fn hold(mut command: Command, own_users: bool) -> Result<Self> {
        let mut holder = command.args(["sh", "-c", HOLD]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = holder.stdout.take().context("no standard output")?;
        let network = Self { holder, own_users };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.trim() == "ready" { Ok(network) } else { bail!("no network namespace can be made here") }
    }
}

impl Drop for HostNetwork {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn is_root() -> Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}
