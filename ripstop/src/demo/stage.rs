//! The mesh that the story plays on: started, asked and ended by the commands a reader would type.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command as AsyncCommand},
    sync::watch,
    task::JoinHandle,
};

use super::files;

/// How long the mesh may take to come up.
const START: Duration = Duration::from_secs(60);
/// Pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);

/// How curl ends whose connection is reset: while it connects, while it sends, or while it reads.
const RESET: [i32; 3] = [7, 55, 56];

/// A running mesh of the story's own, in a directory of its own.
#[derive(Debug)]
pub struct Stage {
    root: PathBuf,
    binary: PathBuf,
    up: Option<Child>,
}

impl Stage {
    /// Writes the sample's files and starts the mesh.
    pub async fn build() -> Result<Self> {
        let root = std::env::temp_dir().join(format!("ripstop-demo-{}", std::process::id()));
        fs::create_dir_all(root.join("mesh")).with_context(|| format!("making {}", root.display()))?;
        for (name, text) in files::BOOKINFO {
            fs::write(root.join("mesh").join(name), text)?;
        }
        let binary = std::env::current_exe()?;
        let mut stage = Self { root, binary, up: None };
        stage.start().await?;
        Ok(stage)
    }

    async fn start(&mut self) -> Result<()> {
        let log = fs::File::create(self.root.join("up.log"))?;
        let up = AsyncCommand::new(&self.binary)
            .arg("up")
            .arg(self.dir())
            .arg("--state")
            .arg(self.state())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("starting `ripstop up`")?;
        self.up = Some(up);
        self.until("every process to be ready", START, |stage| {
            let ended = stage.up.as_mut().and_then(|up| up.try_wait().ok().flatten());
            if let Some(status) = ended {
                let log = fs::read_to_string(stage.root.join("up.log")).unwrap_or_default();
                bail!("`ripstop up` ended with {status}:\n{log}");
            }
            let list = stage.workloads("")?;
            Ok(list.len() >= files::WORKLOADS && list.iter().all(|workload| workload["ready"] == true))
        })
        .await
    }

    /// The mesh's configuration.
    pub fn dir(&self) -> PathBuf {
        self.root.join("mesh")
    }

    /// The mesh's state.
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The log of a role or workload (`node-west`, `bookinfo.details-v1-0`).
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.state().join("logs").join(format!("{name}.log"))).unwrap_or_default()
    }

    /// Runs `ripstop ARGS`, which must succeed.
    pub fn cli(&self, args: &[&str]) -> Result<String> {
        let output = self.try_cli(args)?;
        if !output.status.success() {
            bail!("ripstop {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs `ripstop ARGS`.
    pub fn try_cli(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.binary);
        command.args(args).env("RIPSTOP_MESH", self.state()).stdin(Stdio::null());
        command.output().with_context(|| format!("running ripstop {}", args.join(" ")))
    }

    /// Starts `ripstop ARGS`, whose output somebody will wait for.
    pub fn begin(&self, args: &[&str]) -> Result<Child> {
        let mut command = AsyncCommand::new(&self.binary);
        command.args(args).env("RIPSTOP_MESH", self.state()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).process_group(0);
        command.spawn().with_context(|| format!("running ripstop {}", args.join(" ")))
    }

    /// What `ripstop ARGS -o json` tells.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let text = self.cli(&[args, &["-o", "json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("ripstop {} printed no JSON", args.join(" ")))
    }

    /// The workloads of a namespace, or of all.
    pub fn workloads(&self, namespace: &str) -> Result<Vec<Value>> {
        let list = match namespace {
            "" => self.json(&["get", "workloads", "-A"])?,
            namespace => self.json(&["get", "workloads", "-n", namespace])?,
        };
        list.as_array().cloned().ok_or_else(|| anyhow!("no list of workloads"))
    }

    /// Writes a file of configuration as an editor does.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let fresh = self.dir().join(format!(".{name}.new"));
        fs::write(&fresh, text)?;
        Ok(fs::rename(fresh, self.dir().join(name))?)
    }

    /// Removes a file of configuration.
    pub fn remove(&self, name: &str) -> Result<()> {
        fs::remove_file(self.dir().join(name)).with_context(|| format!("removing {name}"))
    }

    /// Waits until `condition` holds.
    pub async fn until(
        &mut self,
        what: &str,
        deadline: Duration,
        mut condition: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let end = Instant::now() + deadline;
        loop {
            let last = match condition(self) {
                Ok(true) => return Ok(()),
                Ok(false) => None,
                Err(error) => Some(error),
            };
            if Instant::now() >= end {
                return Err(last.unwrap_or_else(|| anyhow!("it did not happen in {deadline:?}")))
                    .with_context(|| format!("waiting for {what}"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts a workload of this mesh whose lines are followed.
    pub fn client(&self, namespace: &str, node: &str, labels: &[&str], argv: &[&str]) -> Result<Client> {
        let mut command = AsyncCommand::new(&self.binary);
        command.args(["run", "-n", namespace, "--node", node]);
        for label in labels {
            command.args(["--label", label]);
        }
        command.arg("--").args(argv).env("RIPSTOP_MESH", self.state());
        Client::start(command)
    }

    /// Follows the link of a node, looking for `marker` in what crosses it.
    pub fn watch_link(&self, node: &str, marker: &str) -> Result<Client> {
        let mut command = AsyncCommand::new(&self.binary);
        command.args(["link", "watch", node, "--marker", marker]).env("RIPSTOP_MESH", self.state());
        Client::start(command)
    }

    /// Kills a role or a workload (`namespace/name`) with -9, wherever it runs.
    pub fn kill(&self, role: &str) -> Result<()> {
        let pid = self.host_pid(role).with_context(|| format!("{role} does not run"))?;
        let pid = rustix::process::Pid::from_raw(pid).context("no process id")?;
        Ok(rustix::process::kill_process(pid, rustix::process::Signal::KILL)?)
    }

    /// Whether a role or a workload runs.
    pub fn runs(&self, role: &str) -> bool {
        self.host_pid(role).is_some()
    }

    /// CPU time that a role has used, in milliseconds.
    pub fn cpu_ms(&self, role: &str) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.host_pid(role)?)).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // utime and stime, in ticks of 10 ms.
        Some((fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?) * 10)
    }

    /// The process id of a workload (`namespace/name`) as the host sees it: of the processes that `ripstop up` started
    /// that which has, in the world inside, the id that the mesh tells.
    fn host_pid_of_workload(&self, name: &str) -> Option<i32> {
        let (namespace, name) = name.split_once('/')?;
        let rows = self.json(&["get", "processes"]).ok()?;
        let is_it = |row: &&Value| row["namespace"] == namespace && row["name"] == name;
        let inside = rows.as_array()?.iter().find(is_it)?["pid"].as_u64()?.to_string();
        let up = self.up.as_ref()?.id()?.cast_signed();
        let field = |pid: i32, name: &str| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
        };
        let parent = |pid: &i32| field(*pid, "PPid:")?.parse::<i32>().ok().filter(|pid| *pid > 0);
        fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let is_named = field(pid, "NSpid:")?.split_whitespace().nth(1) == Some(&inside);
            let is_ours = || std::iter::successors(Some(pid), parent).any(|pid| pid == up);
            (is_named && is_ours()).then_some(pid)
        })
    }

    /// The process id of a role, or of a workload (`namespace/name`), as the host sees it: roles are told apart by their
    /// command line.
    fn host_pid(&self, role: &str) -> Option<i32> {
        if role.contains('/') {
            return self.host_pid_of_workload(role);
        }
        let state = self.state();
        let words = match role.split_once('-') {
            Some((kind, node)) => vec![kind.to_owned(), node.to_owned()],
            None => vec![role.to_owned()],
        };
        fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let args: Vec<&str> =
                line.split(|byte| *byte == 0).filter_map(|arg| std::str::from_utf8(arg).ok()).collect();
            let ours = args.iter().any(|arg| Path::new(arg).starts_with(&state));
            let named = args.get(1) == Some(&words[0].as_str())
                && words.get(1).is_none_or(|node| args.contains(&node.as_str()));
            (ours && named).then_some(pid)
        })
    }

    /// Ends the mesh and removes its files.
    pub async fn end(self) -> Result<()> {
        let root = self.root.clone();
        self.leave().await?;
        fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))
    }

    /// Ends the mesh; its files stay.
    pub async fn leave(mut self) -> Result<()> {
        if let Some(mut up) = self.up.take() {
            if let Some(pid) = up.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
                rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
            }
            tokio::time::timeout(Duration::from_secs(20), up.wait()).await.context("ending the mesh")??;
        }
        Ok(())
    }

    /// Leaves the mesh's directory, e.g. because something has to be looked at.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// A process whose last line of JSON is known at any time.
#[derive(Debug)]
pub struct Client {
    child: Child,
    newest: watch::Receiver<Value>,
    reader: JoinHandle<()>,
}

impl Client {
    fn start(mut command: AsyncCommand) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).process_group(0);
        let mut child = command.spawn().context("starting a client")?;
        let out = child.stdout.take().context("no standard output")?;
        let (lines, newest) = watch::channel(Value::Null);
        let reader = tokio::spawn(async move {
            let mut out = BufReader::new(out).lines();
            while let Ok(Some(line)) = out.next_line().await {
                if let Ok(value) = serde_json::from_str(&line) {
                    lines.send_replace(value);
                }
            }
        });
        Ok(Self { child, newest, reader })
    }

    /// The newest line.
    pub fn newest(&self) -> Value {
        self.newest.borrow().clone()
    }

    /// Waits for a line that `holds`.
    pub async fn until(
        &mut self,
        what: &str,
        deadline: Duration,
        mut holds: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        let found = tokio::time::timeout(deadline, self.newest.wait_for(|value| holds(value))).await;
        let found = found.map(|found| found.map(|value| value.clone()));
        match found {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => bail!("the client ended while waiting for {what}; its last line: {}", self.newest()),
            Err(_) => bail!("{what} did not happen in {deadline:?}; last line: {}", self.newest()),
        }
    }

    /// Lets it run for a time.
    pub async fn go_on(&mut self, time: Duration) -> Value {
        tokio::time::sleep(time).await;
        self.newest()
    }

    /// Ends it; gives its last line.
    pub async fn stop(mut self) -> Result<Value> {
        if let Some(pid) = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        tokio::time::timeout(Duration::from_secs(15), self.child.wait()).await.context("ending a client")??;
        self.reader.await?;
        Ok(self.newest.borrow().clone())
    }
}

/// Whether that is how curl ends whose connection is reset.
pub fn is_reset(curl: &Output) -> bool {
    curl.status.code().is_some_and(|code| RESET.contains(&code))
}
