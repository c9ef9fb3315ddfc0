//! What PID 1 owes to the dead: orphans become its children and must be waited for.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, WaitOptions, waitpid};

/// The children that somebody holds a handle of, and waits for.
static OWNED: Mutex<Option<HashSet<u32>>> = Mutex::new(None);

/// Held from before a fork until the child is in the set, so that no reaping comes between.
pub(super) struct Forking(MutexGuard<'static, Option<HashSet<u32>>>);

impl Forking {
    pub(super) fn begin() -> Self {
        // A poisoned set is still a set.
        Self(OWNED.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn own(&mut self, pid: u32) {
        self.0.get_or_insert_default().insert(pid);
    }
}

/// Forgets a child that has been waited for, or whose handle is gone.
pub(super) fn disown(pid: u32) {
    if let Some(owned) = OWNED.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        owned.remove(&pid);
    }
}

/// Waits for every dead child that no [`super::Child`] stands for; to be called by PID 1 at each `SIGCHLD`. Gives how
/// many there were. Children of other means of spawning in this process (`std::process`) would be reaped too.
pub fn reap_orphans() -> io::Result<usize> {
    let own = std::process::id();
    let guard = Forking::begin();
    let mut reaped = 0;
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if guard.0.as_ref().is_some_and(|owned| owned.contains(&pid)) || zombie_parent(pid) != Some(own) {
            continue;
        }
        let Some(pid) = Pid::from_raw(pid.cast_signed()) else { continue };
        if waitpid(Some(pid), WaitOptions::NOHANG).is_ok_and(|status| status.is_some()) {
            reaped += 1;
        }
    }
    Ok(reaped)
}

/// The parent of a process, if that process is dead and not waited for.
fn zombie_parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // "pid (name, which may hold anything) state ppid …"
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    if fields.next()? != "Z" {
        return None;
    }
    fields.next()?.parse().ok()
}
