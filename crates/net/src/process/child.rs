//! Life between fork and exec: plain system calls, no allocation, no lock, no unwinding.
//!
//! Every function here and in `init` may run in the child of a process with other threads, whose heap and locks are in
//! an unknown state. They work on integers and on memory that was prepared before the fork.

use std::os::fd::RawFd;

use super::stages::{Report, Stage};

/// The calling thread's last error.
pub(super) fn errno() -> libc::c_int {
    // SAFETY: the C library gives a valid pointer to the calling thread's errno.
    unsafe { *libc::__errno_location() }
}

/// Where a child tells its parent what it reached and what failed.
#[derive(Clone, Copy)]
pub(super) struct Reporter {
    pub(super) fd: RawFd,
}

impl Reporter {
    /// Tells that a stage was reached.
    pub(super) fn reached(self, stage: Stage) {
        self.send(&Report::encode(stage, 0));
    }

    /// Tells that a stage failed, and ends the child.
    pub(super) fn fail(self, stage: Stage, errno: libc::c_int) -> ! {
        self.send(&Report::encode(stage, errno));
        exit(127)
    }

    /// Ends the child if a system call failed.
    pub(super) fn check(self, stage: Stage, result: libc::c_int) {
        if result < 0 {
            self.fail(stage, errno());
        }
    }

    /// Waits until the parent answers; ends the child if it never will.
    pub(super) fn await_parent(self) {
        let mut byte = 0_u8;
        // SAFETY: one byte of room, which lives over the call.
        let received = unsafe { libc::recv(self.fd, (&raw mut byte).cast(), 1, 0) };
        if received != 1 {
            exit(127);
        }
    }

    fn send(self, record: &[u8; Report::LENGTH]) {
        // SAFETY: the record is readable for its length. If the parent is gone nobody needs to know.
        unsafe { libc::send(self.fd, record.as_ptr().cast(), record.len(), libc::MSG_NOSIGNAL) };
    }
}

/// Ends the process without running anything of the parent's.
pub(super) fn exit(code: libc::c_int) -> ! {
    // SAFETY: _exit runs no handlers and touches no memory.
    unsafe { libc::_exit(code) }
}

/// Makes a child as `fork` does, without the C library's hooks; `flags` are those of `clone`.
///
/// # Safety
/// The child must only run code of this kind until it execs or exits. `flags` must not share memory with the parent
/// (`CLONE_VM`), and `pidfd` must be valid if they hold `CLONE_PIDFD`.
pub(super) unsafe fn fork(flags: libc::c_int, pidfd: *mut RawFd) -> libc::c_int {
    let none: libc::c_long = 0;
    let flags = libc::c_long::from(flags | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child has a copy of everything, so a null stack (keep this one) is right. The third
    // argument is where a pidfd is stored on every architecture.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, pidfd, none, none) };
    // A process id fits an int.
    #[allow(clippy::cast_possible_truncation)]
    let pid = pid as libc::c_int;
    pid
}

/// Blocks every signal of the calling thread; gives the mask that was.
pub(super) fn block_all_signals() -> u64 {
    set_signal_mask(u64::MAX)
}

/// Sets the calling thread's signal mask; gives the one that was.
pub(super) fn set_signal_mask(mask: u64) -> u64 {
    let mut old = 0_u64;
    // SAFETY: the kernel's signal set is 8 bytes; both live over the call.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut old, 8_usize) };
    old
}

/// Gives every signal its default action: handlers of the parent must not run here, and what it ignored is not
/// ignored.
pub(super) fn default_signal_handlers() {
    // All fields of the kernel's record are 0 then; it is smaller than this on every architecture.
    let default = [0_u64; 8];
    let none: *mut u8 = std::ptr::null_mut();
    for signal in 1..=64 {
        // SAFETY: the record is readable; the old one is not asked for. By the system call, as the C library hides two
        // signals. Those that can't be changed answer with an error that does not matter.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, 8_usize) };
    }
}

/// Asks to be killed when the thread that forked this process ends. Forgotten by the kernel at each change of user.
pub(super) fn die_with_parent(reporter: Reporter) {
    let (kill, zero): (libc::c_ulong, libc::c_ulong) = (9, 0);
    // SAFETY: prctl with integer arguments; 9 is SIGKILL.
    reporter.check(Stage::DieWithParent, unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, kill, zero, zero, zero) });
}

/// Ends this process if its parent, the only holder of the write end of `alive`, ended before it could be asked for
/// more.
pub(super) fn exit_if_orphaned(alive: RawFd) {
    let mut watch = libc::pollfd { fd: alive, events: 0, revents: 0 };
    // SAFETY: one record, which lives over the call.
    if unsafe { libc::poll(&raw mut watch, 1, 0) } != 0 {
        exit(127);
    }
}

/// Whether this process may be inspected by others of its user. (Its memory is a copy of its parent's.)
pub(super) fn set_inspectable(reporter: Reporter, inspectable: Inspectable) {
    let zero: libc::c_ulong = 0;
    // SAFETY: prctl with integer arguments.
    let result = unsafe { libc::prctl(libc::PR_SET_DUMPABLE, inspectable as libc::c_ulong, zero, zero, zero) };
    reporter.check(Stage::Isolate, result);
}

/// See [`set_inspectable`].
#[derive(Clone, Copy)]
pub(super) enum Inspectable {
    No = 0,
    Yes = 1,
}

/// A pipe; (read end, write end), close-on-exec.
pub(super) fn pipe(reporter: Reporter) -> (RawFd, RawFd) {
    let mut ends = [-1; 2];
    // SAFETY: room for both ends.
    reporter.check(Stage::Isolate, unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) });
    (ends[0], ends[1])
}

/// Closes one descriptor.
pub(super) fn close(fd: RawFd) {
    // SAFETY: the descriptor table is this process's own; nothing here uses `fd` again.
    unsafe { libc::close(fd) };
}

/// Mounts a fresh `/proc` for the pid namespace of the caller.
pub(super) fn mount_proc(reporter: Reporter) {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: constant strings; no data.
    let result = unsafe { libc::mount(c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), flags, std::ptr::null()) };
    reporter.check(Stage::MountProc, result);
}

/// Makes all mounts private.
pub(super) fn mounts_private(reporter: Reporter) {
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: constant strings; no type, no data.
    let result = unsafe { libc::mount(c"none".as_ptr(), c"/".as_ptr(), std::ptr::null(), flags, std::ptr::null()) };
    reporter.check(Stage::MakeMountsPrivate, result);
}

/// Writes a short text to a file below `/proc/self`.
pub(super) fn write_file(reporter: Reporter, stage: Stage, path: &std::ffi::CStr, text: &[u8]) {
    // SAFETY: a string that ends in NUL.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    reporter.check(stage, fd);
    // SAFETY: the text is readable for its length.
    let written = unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) };
    if written < 0 {
        reporter.fail(stage, errno());
    }
    close(fd);
}

/// Names the process, for people who look at it.
pub(super) fn set_name(name: &std::ffi::CStr) {
    // SAFETY: a string that ends in NUL; the kernel copies at most 16 bytes up to it.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// Sets the host name.
pub(super) fn set_hostname(reporter: Reporter, name: &std::ffi::CStr) {
    let length = name.count_bytes();
    // SAFETY: readable for its length.
    reporter.check(Stage::SetHostname, unsafe { libc::sethostname(name.as_ptr(), length) });
}
