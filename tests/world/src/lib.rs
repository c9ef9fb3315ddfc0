//! The world of the end-to-end stories: a real mesh of real processes, made by the real binary.
//!
//! [`World::start`] writes a directory of YAML, runs `ripstop up` on it, as root or as the
//! ordinary user named by `RIPSTOP_TEST_UID`, and waits until it serves. Dropping it ends the
//! mesh. Nothing here sleeps to synchronise: [`wait_for`] polls a condition up to a deadline.

mod binaries;
mod client;
mod console;
mod network;
mod processes;
mod wait;

use std::{
    ffi::OsString,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

pub use client::{Client, Line};
pub use console::{Console, interpreter};
pub use network::HostNetwork;
pub use processes::{HostProcess, Running, all_processes};
pub use wait::wait_for;

/// How long a mesh may take to start on a loaded machine.
const START: Duration = Duration::from_secs(60);
/// How long a condition may take unless a story says otherwise.
pub const SOON: Duration = Duration::from_secs(30);

/// A running mesh.
#[derive(Debug)]
pub struct World {
    /// Its files: `mesh/` is the configuration, `state/` the state, `bin/` the binaries.
    root: TempDir,
    state: PathBuf,
    up: Option<Child>,
    uid: Option<u32>,
    host: Option<HostNetwork>,
    /// Of the environment of `ripstop up`.
    variables: Vec<(String, String)>,
}

impl World {
    /// Starts a mesh on `files` (name, text) and waits until all its processes are ready.
    pub fn start(files: &[(&str, &str)]) -> Result<Self> {
        let mut world = Self::prepare(files)?;
        world.up()?;
        Ok(world)
    }

    /// As [`Self::start`], with `host` as the network of the machine.
    pub fn start_in(host: HostNetwork, files: &[(&str, &str)]) -> Result<Self> {
        let mut world = Self::prepare(files)?;
        world.host = Some(host);
        world.up()?;
        Ok(world)
    }

    /// Everything [`Self::start`] does but starting.
    pub fn prepare(files: &[(&str, &str)]) -> Result<Self> {
        let uid = std::env::var("RIPSTOP_TEST_UID").ok().map(|uid| uid.parse()).transpose()?;
        let root = tempfile::Builder::new().prefix("ripstop-world-").tempdir()?;
        let state = root.path().join("state");
        let world = Self { root, state, up: None, uid, host: None, variables: Vec::new() };
        fs::create_dir(world.dir())?;
        binaries::install(&world.root.path().join("bin"))?;
        for (name, text) in files {
            world.write(name, text)?;
        }
        // Readable by the user that the mesh runs as.
        open_up(world.root.path())?;
        if let Some(uid) = uid {
            for path in [world.root.path(), &world.dir()] {
                std::os::unix::fs::chown(path, Some(uid), Some(uid))?;
            }
        }
        Ok(world)
    }

    /// The directory of configuration.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("mesh")
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.state.clone()
    }

    /// Moves the state directory, before the mesh is started, to `place` below the world's own.
    pub fn move_state(&mut self, place: &Path) -> Result<()> {
        self.state = self.root.path().to_owned();
        for part in place {
            self.state.push(part);
            fs::create_dir(&self.state)?;
            std::os::unix::fs::chown(&self.state, self.uid, self.uid)?;
        }
        Ok(())
    }

    /// Makes `host` the network of the machine that the mesh will be started on.
    pub fn set_host(&mut self, host: HostNetwork) {
        self.host = Some(host);
    }

    /// Sets a variable of the environment that the mesh will be started in.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// A file beside configuration and state, e.g. for results.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a configuration file, as an editor does: a new file in place of the old.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.dir().join(name);
        let fresh = self.dir().join(format!(".{name}.new"));
        fs::write(&fresh, text)?;
        if let Some(uid) = self.uid {
            std::os::unix::fs::chown(&fresh, Some(uid), Some(uid))?;
        }
        fs::rename(fresh, path)?;
        Ok(())
    }

    /// Removes a configuration file.
    pub fn remove(&self, name: &str) -> Result<()> {
        Ok(fs::remove_file(self.dir().join(name))?)
    }

    /// Runs `ripstop up` and waits until all declared processes are ready.
    pub fn up(&mut self) -> Result<()> {
        let log = fs::File::create(self.root.path().join("up.log"))?;
        let mut command = self.up_command();
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.up = Some(command.spawn().context("starting ripstop up")?);
        let waited = wait_for("the mesh to be ready", START, || {
            if let Some(status) = self.up.as_mut().and_then(|up| up.try_wait().ok().flatten()) {
                return Ok(Some(Err(anyhow!("ripstop up ended with {status}"))));
            }
            // It says so once, when all that is declared has come up or failed.
            if !self.output()?.contains("workloads ready") {
                return Ok(None);
            }
            Ok(self.are_reported()?.then_some(Ok(())))
        });
        waited.and_then(|started| started).with_context(|| self.story_so_far())
    }

    /// Whether the control plane knows all workloads as the supervisor runs them, and all are ready.
    fn are_reported(&self) -> Result<bool> {
        let (known, running) = (self.json(&["get", "workloads", "-A"])?, self.json(&["get", "processes"])?);
        let known = known.as_array().context("workloads are no list")?;
        let mut running = running.as_array().context("processes are no list")?.iter();
        let all_are_known = running.all(|process| {
            let is_it = |workload: &&serde_json::Value| {
                ["namespace", "name", "addresses", "pid"].iter().all(|field| workload[*field] == process[*field])
            };
            process["kind"] != "workload" || known.iter().any(|workload| is_it(&workload))
        });
        Ok(all_are_known && known.iter().all(|workload| workload["ready"] == true))
    }

    /// The `ripstop up` of this mesh.
    pub fn up_command(&self) -> Command {
        let (dir, state) = (self.dir(), self.state());
        let mut command = self.command(&["up"]);
        command.arg(dir).arg("--state").arg(state).args(["--metrics-port", "0"]).env_remove("RIPSTOP_MESH");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// `ripstop ARGS` for this mesh.
    pub fn command(&self, args: &[&str]) -> Command {
        let binary = self.root.path().join("bin/ripstop");
        let mut command = self.as_user(&binary);
        command.args(args).env("RIPSTOP_MESH", self.state()).current_dir(self.root.path());
        command
    }

    /// The user that the mesh runs as: nothing means the one that runs the tests.
    pub fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// A command that runs `program` as the mesh's user, in the network of the mesh's machine.
    pub fn as_user(&self, program: &Path) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(uid) = self.uid {
            let id = uid.to_string();
            words.extend(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", "--"].map(Into::into));
        }
        words.push(program.into());
        let mut command = match &self.host {
            Some(host) => host.command(&[]),
            None => Command::new(words.remove(0)),
        };
        command.args(words);
        if self.uid.is_some() {
            command.env("HOME", self.root.path());
        }
        command
    }

    /// Runs `ripstop ARGS` to its end.
    pub fn try_cli(&self, args: &[&str]) -> Result<Output> {
        Ok(self.command(args).stdin(Stdio::null()).output()?)
    }

    /// Runs `ripstop ARGS`, which must succeed; gives what it printed.
    pub fn cli(&self, args: &[&str]) -> Result<String> {
        let output = self.try_cli(args)?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let err = String::from_utf8_lossy(&output.stderr);
            bail!("ripstop {} failed with {}:\n{out}{err}\n{}", args.join(" "), output.status, self.story_so_far());
        }
        Ok(out)
    }

    /// What `ripstop ARGS -o json` tells.
    pub fn json(&self, args: &[&str]) -> Result<serde_json::Value> {
        let text = self.cli(&[args, &["-o", "json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("ripstop {} printed no JSON: {text}", args.join(" ")))
    }

    /// Runs a shell script as a workload of namespace `namespace`; gives its status and output.
    pub fn run(&self, namespace: &str, labels: &[&str], script: &str) -> Result<Output> {
        let mut command = self.workload(namespace, labels, &["sh", "-c", script]);
        Ok(command.stdin(Stdio::null()).output()?)
    }

    /// As [`Self::run`], and it must succeed; gives what it printed.
    pub fn shell(&self, namespace: &str, script: &str) -> Result<String> {
        let output = self.run(namespace, &[], script)?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let err = String::from_utf8_lossy(&output.stderr);
            bail!("{script:?} in {namespace} failed with {}:\n{out}{err}\n{}", output.status, self.story_so_far());
        }
        Ok(out)
    }

    /// A command that runs `argv` as a workload.
    pub fn workload(&self, namespace: &str, labels: &[&str], argv: &[&str]) -> Command {
        let mut command = self.command(&["run", "-n", namespace]);
        for label in labels {
            command.args(["--label", label]);
        }
        command.arg("--").args(argv);
        command
    }

    /// Starts `argv` as a workload whose standard output is read line by line.
    pub fn client(&self, namespace: &str, labels: &[&str], argv: &[&str]) -> Result<Client> {
        Client::start(self.workload(namespace, labels, argv))
    }

    /// The workload of that instance name, as `ripstop get workloads` shows it.
    pub fn get(&self, namespace: &str, name: &str) -> Result<serde_json::Value> {
        let list = self.json(&["get", "workloads", "-n", namespace])?;
        let found = list.as_array().and_then(|list| list.iter().find(|workload| workload["name"] == name));
        found.cloned().with_context(|| format!("no workload {namespace}/{name} in {list}"))
    }

    /// Labels a namespace and waits until each of its workloads is captured, or is not.
    pub fn enrol(&self, namespace: &str, enrolled: bool) -> Result<()> {
        let label = if enrolled { "istio.io/dataplane-mode=ambient" } else { "istio.io/dataplane-mode-" };
        self.cli(&["label", "namespace", namespace, label])?;
        let state = if enrolled { "CAPTURED" } else { "NONE" };
        wait_for(&format!("{namespace} to be {state}"), SOON, || {
            let list = self.json(&["get", "workloads", "-n", namespace])?;
            let all = list.as_array().context("no list")?;
            Ok(all.iter().all(|workload| workload["mesh"]["state"] == state).then_some(()))
        })
        .with_context(|| self.story_so_far())
    }

    /// Waits until every proxy has acknowledged the newest configuration.
    pub fn settle(&self) -> Result<()> {
        wait_for("all proxies to acknowledge", SOON, || {
            let status = self.json(&["status"])?;
            let proxies = status["proxies"].as_array().context("no proxies")?;
            let settled = proxies.iter().all(|proxy| proxy["acked"] == status["version"] && proxy["connected"] == true);
            Ok((settled && !proxies.is_empty()).then_some(()))
        })
        .with_context(|| self.story_so_far())
    }

    /// Pid, as this process sees it, of `up` itself.
    pub fn outer_pid(&self) -> Option<u32> {
        self.up.as_ref().map(Child::id)
    }

    /// Ends the mesh with the signal `name` (`TERM`, `KILL`) and waits for it.
    pub fn end(&mut self, name: &str) -> Result<()> {
        let Some(mut up) = self.up.take() else { return Ok(()) };
        // Signals go to ripstop itself, which `setpriv` has become.
        signal(up.id(), name)?;
        wait_for("ripstop up to end", Duration::from_secs(30), || Ok(up.try_wait()?.map(|_| ())))
    }

    /// Waits until `up` has ended by itself; gives how.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        let mut up = self.up.take().context("the mesh does not run")?;
        let ended = wait_for("ripstop up to end", SOON, || Ok(up.try_wait()?));
        if ended.is_err() {
            self.up = Some(up);
        }
        ended
    }

    /// Tells a story of this world; the last lines of all logs come behind a failure.
    pub fn tell(mut self, story: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        story(&mut self).map_err(|error| anyhow!("{error:#}\n{}", self.story_so_far()))
    }

    /// What `up` has printed.
    pub fn output(&self) -> Result<String> {
        Ok(fs::read_to_string(self.root.path().join("up.log"))?)
    }

    /// The last lines of all logs, for failures.
    pub fn story_so_far(&self) -> String {
        let mut story = tail(&self.root.path().join("up.log"), 40);
        let mut logs: Vec<PathBuf> =
            fs::read_dir(self.state().join("logs")).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        logs.sort();
        for log in logs {
            story.push_str(&tail(&log, 25));
        }
        story
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.story_so_far());
        }
        if let Err(error) = self.end("TERM") {
            eprintln!("the mesh did not end: {error:#}");
            if let Some(up) = &mut self.up {
                let _ = up.kill();
            }
        }
    }
}

/// Sends a signal.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status()?;
    if status.success() { Ok(()) } else { bail!("kill -{name} {pid} failed") }
}

fn tail(path: &Path, lines: usize) -> String {
    let mut text = String::new();
    if let Ok(mut file) = fs::File::open(path) {
        let _ = file.read_to_string(&mut text);
    }
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    format!("--- {} (last {} lines)\n{}\n", path.display(), all.len() - from, all[from..].join("\n"))
}

fn open_up(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}
