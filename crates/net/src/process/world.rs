//! The world: its launcher in the host's namespaces, and PID 1 inside.

use std::ffi::{CStr, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::PathBuf;

use super::Child;
use super::child::{self, Inspectable, Reporter};
use super::exec::{ExecPlan, text};
use super::fork::{NotReturned, fork};
use super::idmap::IdMap;
use super::init::run_outside;
use super::stages::{Reports, Stage};
use crate::Error;

/// What a world does not share with the host, besides users.
const NAMESPACES: libc::c_int =
    libc::CLONE_NEWNET | libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// A world to be made: new user, network, pid, mount, IPC and UTS namespaces, whose PID 1 runs a program.
///
/// As root the world maps all ids to themselves (so that workloads can have real users); as anybody else it maps its
/// uid 0 to the caller. Mounts are private, `/proc` is fresh, the loopback device is down.
#[derive(Debug)]
pub struct WorldSpawn {
    /// The program of PID 1.
    pub program: PathBuf,
    /// Its arguments, the name first.
    pub argv: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its host name, which is only seen inside.
    pub hostname: String,
    /// Standard input, output, error; `None` inherits the caller's.
    pub stdio: Option<[OwnedFd; 3]>,
    /// Descriptors that it gets, with their numbers there (3 and up).
    pub pass_fds: Vec<(OwnedFd, RawFd)>,
}

impl WorldSpawn {
    /// Starts it, from a thread that lives as long as the world should.
    ///
    /// The handle's [`Child::pid`] is the launcher, a fork of the caller that waits for PID 1, is in a session of its
    /// own (a terminal's Ctrl-C does not reach it) and passes the exit status on; [`Child::program_pid`] is PID 1 as
    /// the caller's pid namespace numbers it. PID 1 dies with the launcher, the launcher with the calling thread.
    pub fn spawn(self) -> Result<Child, Error> {
        let name = self.program.display().to_string();
        let stdio = match self.stdio {
            Some(stdio) => stdio,
            None => inherited_stdio().map_err(|error| Error::io("copy the standard descriptors", error))?,
        };
        let fds = stdio.into_iter().zip(0..).chain(self.pass_fds).collect();
        let plan = ExecPlan::new(&self.program, &self.argv, &self.env, None, fds)?;
        let hostname = text(OsStr::new(&self.hostname))?;
        let maps = Maps::of_world().map_err(|error| Error::io("read the id maps", error))?;
        // SAFETY: `launcher` keeps to system calls on what was prepared above.
        let (child, reports) = unsafe { fork(&name, |reporter| launcher(reporter, &plan, &hostname)) }?;
        let started = (|| {
            reports.await_stage(Stage::NewUserNamespace)?;
            maps.write(child.pid()).map_err(|error| reports.error(Stage::MapUsers, error))?;
            reports.proceed()?;
            reports.await_exec()
        })();
        match started {
            Ok(pid) => Ok(child.running(pid)),
            Err(error) => Err(explain(error)),
        }
    }
}

/// Tries to make a user namespace, and says what forbids it.
pub fn check_user_namespaces() -> Result<(), Error> {
    // SAFETY: the child makes system calls only.
    let (_child, reports) = unsafe {
        fork("a user namespace", |reporter| {
            let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNET;
            reporter.check(Stage::NewUserNamespace, libc::unshare(flags));
            reporter.reached(Stage::NewUserNamespace);
            child::exit(0)
        })
    }?;
    reports.await_stage(Stage::NewUserNamespace).map(drop).map_err(explain)
}

/// The launcher's way to PID 1. Runs in a fork.
fn launcher(reporter: Reporter, plan: &ExecPlan, hostname: &CStr) -> NotReturned {
    child::set_name(c"ripstop-launch");
    // SAFETY: no arguments. Fails only for leaders of a group, which a fresh fork is not.
    unsafe { libc::setsid() };
    // SAFETY: integers; this process has one thread.
    reporter.check(Stage::NewUserNamespace, unsafe { libc::unshare(libc::CLONE_NEWUSER) });
    reporter.reached(Stage::NewUserNamespace);
    reporter.await_parent();
    // SAFETY: integers; this process has one thread.
    reporter.check(Stage::NewNamespaces, unsafe { libc::unshare(NAMESPACES) });
    child::set_inspectable(reporter, Inspectable::No);
    child::die_with_parent(reporter);
    let (alive, keep) = child::pipe(reporter);
    // SAFETY: the child goes on with system calls only.
    let pid = unsafe { child::fork(0, std::ptr::null_mut()) };
    reporter.check(Stage::Fork, pid);
    if pid != 0 {
        run_outside(pid, keep, None)
    }
    child::close(keep);
    child::die_with_parent(reporter);
    child::exit_if_orphaned(alive);
    child::mounts_private(reporter);
    child::mount_proc(reporter);
    child::set_hostname(reporter, hostname);
    plan.run(reporter)
}

/// The id maps of the world to be.
struct Maps {
    users: String,
    groups: String,
    all: bool,
}

impl Maps {
    fn of_world() -> io::Result<Self> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        let (users, groups) = (IdMap::users()?, IdMap::groups()?);
        if uid.is_root() && users.has_many() {
            return Ok(Self { users: users.identity(), groups: groups.identity(), all: true });
        }
        Ok(Self { users: format!("0 {} 1\n", uid.as_raw()), groups: format!("0 {} 1\n", gid.as_raw()), all: false })
    }

    fn write(&self, pid: u32) -> io::Result<()> {
        if !self.all {
            fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
        }
        fs::write(format!("/proc/{pid}/uid_map"), &self.users)?;
        fs::write(format!("/proc/{pid}/gid_map"), &self.groups)
    }
}

fn inherited_stdio() -> io::Result<[OwnedFd; 3]> {
    Ok([
        io::stdin().as_fd().try_clone_to_owned()?,
        io::stdout().as_fd().try_clone_to_owned()?,
        io::stderr().as_fd().try_clone_to_owned()?,
    ])
}

/// Says which switch of the system is behind a refusal of namespaces.
fn explain(error: Error) -> Error {
    let namespaces = [Stage::NewUserNamespace, Stage::MapUsers, Stage::NewNamespaces];
    let Error::Spawn { stage, source, .. } = &error else { return error };
    if !namespaces.iter().any(|known| Reports::is_stage(*known, stage)) {
        return error;
    }
    let setting = |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned());
    let (reason, remedy) = match source.raw_os_error() {
        Some(libc::ENOSPC) => {
            let limit = setting("user/max_user_namespaces").unwrap_or_else(|| "?".to_owned());
            (
                format!("no more may be made (user.max_user_namespaces = {limit})"),
                "as root: sysctl -w user.max_user_namespaces=15000".to_owned(),
            )
        }
        Some(libc::EPERM | libc::EACCES) => refused(&setting),
        Some(libc::EINVAL | libc::ENOSYS) => (
            "the kernel knows none".to_owned(),
            "run a kernel with CONFIG_USER_NS, CONFIG_NET_NS and CONFIG_PID_NS".to_owned(),
        ),
        Some(libc::EUSERS) => ("they are nested too deep".to_owned(), "start outside of so many containers".to_owned()),
        _ => return error,
    };
    Error::UserNamespaces { reason: format!("{stage} failed: {source}; {reason}"), remedy }
}

fn refused(setting: &dyn Fn(&str) -> Option<String>) -> (String, String) {
    let says = |name: &str, value: &str| setting(name).as_deref() == Some(value);
    if says("kernel/unprivileged_userns_clone", "0") {
        return (
            "kernel.unprivileged_userns_clone is 0".to_owned(),
            "as root: sysctl -w kernel.unprivileged_userns_clone=1".to_owned(),
        );
    }
    if says("kernel/apparmor_restrict_unprivileged_userns", "1") {
        return (
            "AppArmor restricts them (kernel.apparmor_restrict_unprivileged_userns is 1)".to_owned(),
            "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give this program a profile with \
             `userns,`"
                .to_owned(),
        );
    }
    let filtered = fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"])));
    if filtered {
        return (
            "a seccomp filter is active (a container's?)".to_owned(),
            "for Docker and Podman: --security-opt seccomp=unconfined --security-opt systempaths=unconfined".to_owned(),
        );
    }
    (
        "a security module or a chroot forbids them".to_owned(),
        "look for a denial in the kernel's log, and start outside of a chroot".to_owned(),
    )
}
