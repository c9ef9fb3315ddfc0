//! The state directory: where it is, who holds it, and which meshes run.
//!
//! One state directory belongs to one directory of configuration. It is 0700, locked by the outer
//! process for as long as the mesh runs, and survives it.

use std::{
    env,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

mod elsewhere;
mod others;

pub(crate) use elsewhere::Elsewhere;

/// What `mesh.json` says about the mesh of a state directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshFile {
    /// Directory of its configuration.
    pub dir: PathBuf,
    /// The outer process.
    pub pid: i32,
    /// Version of the binary.
    pub version: String,
    /// When it started, seconds since the epoch.
    pub started: u64,
    /// When the outer process started, clock ticks since boot: with `pid` this names one process
    /// for ever.
    #[serde(default)]
    pub started_ticks: u64,
    /// Address of the metrics listener on the host's loopback, once it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
}

/// A mesh that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshHandle {
    /// State directory.
    pub state: PathBuf,
    /// Directory of its configuration.
    pub dir: PathBuf,
    /// The outer process.
    pub pid: i32,
    /// Address of its metrics on the host's loopback.
    pub metrics: Option<String>,
}

/// A state directory held by this process; free again when this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: File,
}

/// Chooses the state directory of the mesh in `dir` (which must exist): `explicit`, else
/// `$XDG_STATE_HOME/ripstop/<hash>`, else `~/.local/state/ripstop/<hash>`; for root
/// `/var/lib/ripstop/<hash>`.
pub fn state_dir(dir: &Path, explicit: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = explicit {
        return std::path::absolute(path).map_err(Error::file("resolve", path));
    }
    let dir = canonical_dir(dir)?;
    Ok(state_root(&Environment::current())?.join(hash_of(&dir)))
}

/// Finds the running mesh that `selector` (a configuration or a state directory) names; without
/// one `$RIPSTOP_MESH` does, else the only mesh that runs is meant.
pub fn find_mesh(selector: Option<&Path>) -> Result<MeshHandle> {
    let from_env = env::var_os("RIPSTOP_MESH").filter(|value| !value.is_empty()).map(PathBuf::from);
    let selector = selector.map(Path::to_path_buf).or(from_env);
    find_in(state_root(&Environment::current()).ok().as_deref(), Path::new("/proc"), selector.as_deref())
}

/// The meshes of this user that run.
pub fn running_meshes() -> Vec<MeshHandle> {
    state_root(&Environment::current()).map(|root| running_in(&root)).unwrap_or_default()
}

/// What the choice of a state directory depends on.
struct Environment {
    root: bool,
    xdg: Option<PathBuf>,
    home: Option<PathBuf>,
}

// === impl Environment ===

impl Environment {
    fn current() -> Self {
        let absolute = |key| env::var_os(key).map(PathBuf::from).filter(|path| path.is_absolute());
        Self { root: rustix::process::geteuid().is_root(), xdg: absolute("XDG_STATE_HOME"), home: absolute("HOME") }
    }
}

// === impl StateDir ===

impl StateDir {
    /// Creates `path` (0700) if needed and locks it for this process.
    pub(crate) fn hold(path: &Path, dir: &Path) -> Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::file("create", path))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(Error::file("protect", path))?;
        let path = path.canonicalize().map_err(Error::file("resolve", path))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(Error::file("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let first = read_mesh_file(&path);
                let pid = first.as_ref().map_or(0, |mesh| mesh.pid);
                let dir = first.map_or_else(|| dir.to_path_buf(), |mesh| mesh.dir);
                return Err(Error::AlreadyRunning { dir, state: path, pid });
            }
            Err(TryLockError::Error(source)) => return Err(Error::File { what: "lock", path: lock_path, source }),
        }
        for child in ["supervisor", "nodes", "gateways", "logs", "control", "run"] {
            let child = path.join(child);
            make_private_dir(&child)?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// The directory, absolute and without symbolic links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Publishes who runs here.
    pub(crate) fn publish(&self, mesh: &MeshFile) -> Result<()> {
        let text = serde_json::to_vec_pretty(mesh).map_err(|error| Error::protocol("mesh.json", error))?;
        write_atomic(&self.path.join("mesh.json"), &text)
    }
}

/// Makes a directory of mode 0700, or makes an existing one 0700.
pub(crate) fn make_private_dir(path: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::file("create", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(Error::file("protect", path))
}

/// Replaces `path` (0600) as a whole: a reader sees the old or the new content.
pub(crate) fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(Error::file("create", &temporary))?;
    file.write_all(content).map_err(Error::file("write", &temporary))?;
    file.sync_data().map_err(Error::file("write", &temporary))?;
    fs::rename(&temporary, path).map_err(Error::file("replace", path))
}

/// The configuration directory, absolute and without symbolic links.
pub(crate) fn canonical_dir(dir: &Path) -> Result<PathBuf> {
    match dir.canonicalize() {
        Ok(path) if path.is_dir() => Ok(path),
        _ => Err(Error::NotADirectory(dir.to_path_buf())),
    }
}

/// When process `pid` started, clock ticks since boot; nothing if it does not run.
pub(crate) fn start_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may hold spaces and brackets: fields count from behind its last bracket.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn hash_of(dir: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let digest = Sha256::digest(dir.as_os_str().as_bytes());
    let number = digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:016x}")
}

fn state_root(environment: &Environment) -> Result<PathBuf> {
    if environment.root {
        return Ok(PathBuf::from("/var/lib/ripstop"));
    }
    let base = environment.xdg.clone().or_else(|| Some(environment.home.as_ref()?.join(".local/state")));
    base.map(|base| base.join("ripstop")).ok_or(Error::NoStateRoot)
}

fn read_mesh_file(state: &Path) -> Option<MeshFile> {
    serde_json::from_slice(&fs::read(state.join("mesh.json")).ok()?).ok()
}

/// The mesh of `state`, if its outer process runs.
pub(crate) fn running_at(state: &Path) -> Option<MeshHandle> {
    let mesh = read_mesh_file(state)?;
    let ticks = start_ticks(mesh.pid)?;
    (ticks == mesh.started_ticks).then(|| MeshHandle {
        state: state.to_path_buf(),
        dir: mesh.dir,
        pid: mesh.pid,
        metrics: mesh.metrics,
    })
}

fn running_in(root: &Path) -> Vec<MeshHandle> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let place = |entry: fs::DirEntry| entry.path().canonicalize().ok();
    let mut found: Vec<_> = entries.flatten().filter_map(place).filter_map(|state| running_at(&state)).collect();
    found.sort_by(|a, b| (&a.dir, &a.state).cmp(&(&b.dir, &b.state)));
    found.dedup();
    found
}

/// Refuses `dir` (absolute, `selector` as it was named) if another user seems to run a mesh of it. Nothing of theirs is read:
/// a command line is no proof, and whoever asks hands over what is to be applied.
fn is_others(proc: &Path, selector: &Path, dir: &Path) -> Result<()> {
    let own = rustix::process::geteuid().as_raw();
    let Some(state) = others::states(proc, own, dir).into_iter().next() else { return Ok(()) };
    may_ask(selector, &state)?;
    Err(Error::OfAnother { dir: selector.to_path_buf(), state })
}

/// Refuses a state directory that this user may not read; what is none is left to others.
fn may_ask(selector: &Path, state: &Path) -> Result<()> {
    match fs::metadata(state.join("mesh.json")) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Error::MayNotAsk { dir: selector.to_path_buf(), path: state.to_path_buf() })
        }
        _ => Ok(()),
    }
}

fn find_in(root: Option<&Path>, proc: &Path, selector: Option<&Path>) -> Result<MeshHandle> {
    let running = root.map(running_in).unwrap_or_default();
    let list = || {
        if running.is_empty() {
            return "no mesh of this user runs: start one with `ripstop up DIR`".to_string();
        }
        let line =
            |mesh: &MeshHandle| format!("  {} (pid {}, state {})", mesh.dir.display(), mesh.pid, mesh.state.display());
        format!("running:\n{}", running.iter().map(line).collect::<Vec<_>>().join("\n"))
    };
    let Some(selector) = selector else {
        return match running.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Error::NoMesh(list())),
            _ => Err(Error::NoMesh(format!("several meshes run: name one by --mesh or RIPSTOP_MESH; {}", list()))),
        };
    };
    let absolute = selector.canonicalize().unwrap_or_else(|_| selector.to_path_buf());
    if let Some(mesh) = running_at(&absolute) {
        return Ok(mesh);
    }
    may_ask(selector, &absolute)?;
    let of_dir: Vec<&MeshHandle> = running.iter().filter(|mesh| mesh.dir == absolute).collect();
    match of_dir[..] {
        [only] => Ok(only.clone()),
        [] => {
            is_others(proc, selector, &absolute)?;
            Err(Error::NoMesh(format!("no mesh runs for {}; {}", selector.display(), list())))
        }
        _ => {
            let several = format!("several meshes run for {}: name one by its state", selector.display());
            Err(Error::NoMesh(format!("{several}; {}", list())))
        }
    }
}

#[cfg(test)]
mod tests;
