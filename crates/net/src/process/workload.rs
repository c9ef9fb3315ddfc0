//! Untrusted children of the world.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use super::child::{self, Inspectable, Reporter};
use super::exec::{ExecPlan, find_program, text};
use super::fork::{NotReturned, fork};
use super::idmap::IdMap;
use super::init::{run_init, run_outside};
use super::stages::Stage;
use super::{Child, Limit, caps};
use crate::{Error, NetNs};

/// What a workload does not share with the world, besides the mounts that cover files for it and its network.
const NAMESPACES: libc::c_int =
    libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// Standard input, output and error of a workload.
#[derive(Debug)]
pub enum Stdio {
    /// These.
    Fds([OwnedFd; 3]),
    /// All three are this terminal (see [`super::open_pty`]), which becomes the controlling one.
    Terminal(OwnedFd),
}

/// A workload to be started in the world: in its network namespace, and in new user, pid, mount, IPC and UTS
/// namespaces below the world's, with no capability in any set, `no_new_privs`, and a uid that is not 0.
#[derive(Debug)]
pub struct WorkloadSpawn {
    /// Program and arguments; a program without `/` is looked for in the `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where it starts; `/` if it can't be entered.
    pub cwd: PathBuf,
    /// Its network namespace.
    pub netns: NetNs,
    /// Its user inside. Where the world maps all users it is a real one, else the world's only user by this number.
    pub uid: u32,
    /// Its group inside, likewise.
    pub gid: u32,
    /// Directories that it sees empty.
    pub hide: Vec<PathBuf>,
    /// Files that it sees, read-only, in the place of others: (source, target). Targets are followed through
    /// symbolic links and must exist.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// Directories that it cannot change, with all that is mounted below; those that are not there are left out.
    pub read_only: Vec<PathBuf>,
    /// Its standard descriptors; it gets no other.
    pub stdio: Stdio,
    /// Its resource limits, soft and hard; at most what the caller has.
    pub limits: Vec<(Limit, u64)>,
    /// Its host name.
    pub hostname: String,
}

impl WorkloadSpawn {
    /// Starts it, from a thread of the world's root that lives as long as the workload should.
    ///
    /// Between the caller and the program there are two small processes (forks of the caller that can't be inspected
    /// from inside): one that waits outside of the pid namespace, [`Child::pid`], and its PID 1, which forwards
    /// `HUP INT QUIT USR1 USR2 TERM WINCH CONT TSTP` to the program, reaps orphans, and ends with the program, which
    /// ends everything in the namespace. [`Child::program_pid`] is the program itself. Its exit status, also a death by
    /// signal, is passed on. Signals are best sent to [`Child::signal`], which reaches the program; `KILL` ends all.
    pub fn spawn(self) -> Result<Child, Error> {
        let name = self.argv.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let plan = Plan::new(self, &name)?;
        // SAFETY: `outside` and what it goes on to keep to system calls on the plan, which was prepared above.
        let (child, reports) = unsafe { fork(&name, |reporter| outside(reporter, &plan)) }?;
        let pid = reports.await_exec()?;
        Ok(child.running(pid))
    }
}

/// A mount over something.
struct Cover {
    source: CString,
    target: CString,
}

/// Everything that the child needs, ready for use.
struct Plan {
    exec: ExecPlan,
    netns: NetNs,
    hide: Vec<CString>,
    binds: Vec<Cover>,
    read_only: Vec<CString>,
    limits: Vec<(libc::__rlimit_resource_t, libc::rlimit)>,
    hostname: CString,
    terminal: bool,
    /// The user and group to become in the world first, if it has others than its root.
    become_user: Option<(u32, u32)>,
    uid_map: String,
    gid_map: String,
    args: Option<ArgumentArea>,
}

impl Plan {
    fn new(request: WorkloadSpawn, name: &str) -> Result<Self, Error> {
        let WorkloadSpawn { argv, env, cwd, netns, uid, gid, hide, binds, read_only, stdio, limits, hostname } =
            request;
        if uid == 0 || gid == 0 {
            return Err(Error::Invalid(format!("{name}: a workload can't be user or group 0")));
        }
        let at = |stage: &str| {
            let (program, stage) = (name.to_owned(), stage.to_owned());
            move |source: io::Error| Error::Spawn { program, stage, source, hint: "" }
        };
        let program = find_program(OsStr::new(name), &env, &cwd).map_err(at("finding the program"))?;
        let (terminal, stdio) = match stdio {
            Stdio::Fds(fds) => (false, fds),
            Stdio::Terminal(fd) => {
                let copy = || -> io::Result<_> { Ok([fd.try_clone()?, fd.try_clone()?]) };
                let [output, error] = copy().map_err(at("copying the terminal's descriptor"))?;
                (true, [fd, output, error])
            }
        };
        let fds = stdio.into_iter().zip(0..).collect();
        let exec = ExecPlan::new(&program, &argv, &env, Some(&cwd), fds)?;
        let real =
            |path: &Path, stage| fs::canonicalize(path).map_err(at(stage)).and_then(|path| text(path.as_os_str()));
        let hide = hide.iter().map(|path| real(path, "finding a directory to hide")).collect::<Result<_, _>>()?;
        let binds = binds
            .iter()
            .map(|(source, target)| {
                let source = real(source, "finding a file to mount")?;
                let target = real(target, "finding a file to mount another over")?;
                Ok(Cover { source, target })
            })
            .collect::<Result<_, Error>>()?;
        let read_only = read_only.iter().filter(|path| path.exists());
        let read_only =
            read_only.map(|path| real(path, "finding a directory to protect")).collect::<Result<_, Error>>()?;
        let (users, groups) =
            IdMap::users().and_then(|users| Ok((users, IdMap::groups()?))).map_err(at("reading the id maps"))?;
        let become_user = (users.has_many() && users.holds(uid) && groups.holds(gid)).then_some((uid, gid));
        let (outer_uid, outer_gid) =
            become_user.unwrap_or_else(|| (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
        Ok(Self {
            exec,
            netns,
            hide,
            binds,
            read_only,
            limits: limits.into_iter().map(|(limit, value)| limited(limit, value)).collect(),
            hostname: text(OsStr::new(&hostname))?,
            terminal,
            become_user,
            uid_map: format!("{uid} {outer_uid} 1\n"),
            gid_map: format!("{gid} {outer_gid} 1\n"),
            args: ArgumentArea::find(),
        })
    }
}

/// The first fork: still in the world's user and pid namespaces.
fn outside(reporter: Reporter, plan: &Plan) -> NotReturned {
    child::set_name(c"ripstop-outside");
    // SAFETY: no arguments. Fails only for leaders of a group, which a fresh fork is not.
    unsafe { libc::setsid() };
    // SAFETY: integers; this process has one thread.
    reporter.check(Stage::EnterNetwork, unsafe { libc::setns(plan.netns.as_fd().as_raw_fd(), libc::CLONE_NEWNET) });
    // Mounts are made with the world's rights, in a copy of its mount namespace. The workload's own is a copy of that
    // one by a lesser user namespace: there they are locked.
    // SAFETY: integers; this process has one thread.
    reporter.check(Stage::NewNamespaces, unsafe { libc::unshare(libc::CLONE_NEWNS) });
    child::mounts_private(reporter);
    // First, so that what covers something below stays on top.
    for directory in &plan.read_only {
        protect(reporter, directory);
    }
    // Then files: their sources may lie below a directory to hide.
    for bind in &plan.binds {
        mount_file(reporter, bind);
    }
    for directory in &plan.hide {
        mount_nothing(reporter, directory);
    }
    if let Some((uid, gid)) = plan.become_user {
        become_user(reporter, uid, gid);
    }
    // SAFETY: integers; this process has one thread.
    reporter.check(Stage::NewNamespaces, unsafe { libc::unshare(NAMESPACES) });
    child::write_file(reporter, Stage::MapUsers, c"/proc/self/setgroups", b"deny");
    child::write_file(reporter, Stage::MapUsers, c"/proc/self/uid_map", plan.uid_map.as_bytes());
    child::write_file(reporter, Stage::MapUsers, c"/proc/self/gid_map", plan.gid_map.as_bytes());
    child::set_hostname(reporter, &plan.hostname);
    child::set_inspectable(reporter, Inspectable::No);
    child::die_with_parent(reporter);
    let (alive, keep) = child::pipe(reporter);
    let (status, ended) = child::pipe(reporter);
    // SAFETY: the child goes on with system calls only.
    let pid = unsafe { child::fork(0, std::ptr::null_mut()) };
    reporter.check(Stage::Fork, pid);
    if pid != 0 {
        child::close(ended);
        run_outside(pid, keep, Some(status))
    }
    child::close(keep);
    child::close(status);
    child::die_with_parent(reporter);
    child::exit_if_orphaned(alive);
    inside(reporter, plan, ended)
}

/// PID 1 of the workload, and its program.
fn inside(reporter: Reporter, plan: &Plan, ended: RawFd) -> NotReturned {
    child::mount_proc(reporter);
    if let Some(args) = &plan.args {
        args.overwrite(b"ripstop-init");
    }
    let failed = caps::drop_here();
    if failed != 0 {
        reporter.fail(Stage::DropCapabilities, failed);
    }
    child::set_inspectable(reporter, Inspectable::No);
    child::die_with_parent(reporter);
    // SAFETY: the child goes on with system calls only.
    let pid = unsafe { child::fork(0, std::ptr::null_mut()) };
    reporter.check(Stage::Fork, pid);
    if pid != 0 {
        run_init(pid, ended)
    }
    // SAFETY: no arguments. Fails only for leaders of a group, which a fresh fork is not.
    unsafe { libc::setsid() };
    if plan.terminal {
        let fd = plan.exec.standard_input();
        // SAFETY: an integer argument: do not steal it from another session.
        reporter.check(Stage::Terminal, unsafe { libc::ioctl(fd, libc::TIOCSCTTY, 0) });
    }
    for (resource, limit) in &plan.limits {
        // SAFETY: the record lives over the call.
        reporter.check(Stage::SetLimits, unsafe { libc::setrlimit(*resource, limit) });
    }
    plan.exec.run(reporter)
}

fn become_user(reporter: Reporter, uid: u32, gid: u32) {
    // SAFETY: integers; an empty list. Raw calls, because the C library's would try to move other threads along.
    unsafe {
        let none: *const libc::gid_t = std::ptr::null();
        if libc::syscall(libc::SYS_setgroups, 0_usize, none) != 0
            || libc::syscall(libc::SYS_setresgid, gid, gid, gid) != 0
            || libc::syscall(libc::SYS_setresuid, uid, uid, uid) != 0
        {
            reporter.fail(Stage::SetUser, child::errno());
        }
    }
    // Own files below /proc belong to the user again, to write the id maps.
    child::set_inspectable(reporter, Inspectable::Yes);
    child::die_with_parent(reporter);
}

fn mount_file(reporter: Reporter, bind: &Cover) {
    let none = std::ptr::null();
    // SAFETY: NUL-terminated strings; no type, no data.
    let result = unsafe { libc::mount(bind.source.as_ptr(), bind.target.as_ptr(), none, libc::MS_BIND, none.cast()) };
    reporter.check(Stage::BindFile, result);
    make_read_only(reporter, Stage::BindFile, &bind.target, 0);
}

/// Makes a directory read-only by a mount of itself over itself, with all that is mounted below.
fn protect(reporter: Reporter, directory: &CStr) {
    let (path, none) = (directory.as_ptr(), std::ptr::null());
    // SAFETY: NUL-terminated strings; no type, no data.
    let result = unsafe { libc::mount(path, path, none, libc::MS_BIND | libc::MS_REC, none.cast()) };
    reporter.check(Stage::Protect, result);
    make_read_only(reporter, Stage::Protect, directory, libc::AT_RECURSIVE);
}

/// By `mount_setattr`, which leaves the flags alone that a remount would have to repeat.
fn make_read_only(reporter: Reporter, stage: Stage, target: &CStr, flags: libc::c_int) {
    let attributes: [u64; 4] = [libc::MOUNT_ATTR_RDONLY, 0, 0, 0];
    // SAFETY: a path, and the four fields of struct mount_attr (set, clear, propagation, userns_fd).
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            target.as_ptr(),
            flags,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    };
    if result != 0 {
        reporter.fail(stage, child::errno());
    }
}

fn mount_nothing(reporter: Reporter, directory: &CStr) {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC | libc::MS_RDONLY;
    let data = c"mode=0555,size=4k";
    // SAFETY: NUL-terminated strings.
    let result =
        unsafe { libc::mount(c"tmpfs".as_ptr(), directory.as_ptr(), c"tmpfs".as_ptr(), flags, data.as_ptr().cast()) };
    reporter.check(Stage::Hide, result);
}

/// At most what the caller may have itself.
fn limited(limit: Limit, value: u64) -> (libc::__rlimit_resource_t, libc::rlimit) {
    let mut own = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: room for the record.
    let known = unsafe { libc::getrlimit(limit.number(), &raw mut own) } == 0;
    let value = if known { value.min(own.rlim_max) } else { value };
    (limit.number(), libc::rlimit { rlim_cur: value, rlim_max: value })
}

/// Where the kernel keeps a process's arguments, for everybody to read in `/proc/PID/cmdline`.
struct ArgumentArea {
    start: usize,
    length: usize,
}

impl ArgumentArea {
    fn find() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // Fields 48 and 49, counted from 1; the first after the name is the third.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(48 - 3);
        let start: usize = fields.next()?.trim().parse().ok()?;
        let end: usize = fields.next()?.trim().parse().ok()?;
        let length = end.checked_sub(start)?;
        (start != 0).then_some(Self { start, length })
    }

    /// Replaces what is there in this process, a fork that runs nothing of the parent's any more.
    fn overwrite(&self, text: &[u8]) {
        let area = std::ptr::with_exposed_provenance_mut::<u8>(self.start);
        for offset in 0..self.length {
            let byte = text.get(offset).copied().unwrap_or(0);
            // SAFETY: the kernel put the arguments on the stack of the first thread at exec, writable, and says how
            // long they are; this fork has a copy of that stack, and nothing in it reads the arguments.
            unsafe { area.add(offset).write_volatile(byte) };
        }
    }
}
