//! Two small processes that live as long as a workload: the one outside of its pid namespace, and PID 1 inside.
//!
//! Both are forks of the spawning process that never exec. They run on system calls alone (see `child`), with all
//! signals blocked: they take them one by one with `sigtimedwait`. For PID 1 that also matters because the kernel drops
//! signals to it that have their default action, unless they are blocked.

use std::os::fd::RawFd;

use super::child::{close, errno, exit, set_name, set_signal_mask};

/// Passed on to the program.
const FORWARDED: [libc::c_int; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTERM,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGTSTP,
];

/// PID 1: looks after `program` and every orphan until the program ends; writes its wait status to `status`.
pub(super) fn run_init(program: libc::pid_t, status: RawFd) -> ! {
    set_name(c"ripstop-init");
    let status = keep_only([status])[0];
    loop {
        match next_signal() {
            libc::SIGCHLD => {
                while let Some((pid, ended)) = reap(-1) {
                    if pid == program {
                        let record = ended.to_ne_bytes();
                        // SAFETY: readable for its length.
                        unsafe { libc::write(status, record.as_ptr().cast(), record.len()) };
                        exit(0);
                    }
                }
            }
            signal => forward(program, signal),
        }
    }
}

/// The process outside: waits for PID 1 `child`, and ends as the program did, whose wait status comes by `status`; or,
/// if nothing comes, as `child` did. The write end `alive` stays open until then.
pub(super) fn run_outside(child: libc::pid_t, alive: RawFd, status: Option<RawFd>) -> ! {
    let kept = keep_only([alive, status.unwrap_or(alive)]);
    loop {
        match next_signal() {
            libc::SIGCHLD => {
                let Some((_, own)) = reap(child) else { continue };
                let mut record = [0; 4];
                let mut ended = own;
                if status.is_some() {
                    // SAFETY: room for four bytes. The other end is closed, so this does not wait.
                    let read = unsafe { libc::read(kept[1], record.as_mut_ptr().cast(), record.len()) };
                    if read == 4 {
                        ended = libc::c_int::from_ne_bytes(record);
                    }
                }
                end_as(ended)
            }
            signal => forward(child, signal),
        }
    }
}

/// Ends this process with the wait status of another.
fn end_as(status: libc::c_int) -> ! {
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: a record that lives over the call, and integers. No core file: the memory is the parent's.
        unsafe {
            libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
            libc::kill(libc::getpid(), signal);
        }
        // The default action of that signal takes this process here.
        set_signal_mask(0);
        exit(128 + signal);
    }
    exit(libc::WEXITSTATUS(status))
}

fn next_signal() -> libc::c_int {
    let all = u64::MAX;
    let none: *const u8 = std::ptr::null();
    loop {
        // SAFETY: the kernel's signal set is 8 bytes; no information and no timeout asked for.
        let signal = unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &raw const all, none, none, 8_usize) };
        if let Ok(signal) = libc::c_int::try_from(signal)
            && signal > 0
        {
            return signal;
        }
        if errno() != libc::EINTR {
            exit(127);
        }
    }
}

fn reap(pid: libc::pid_t) -> Option<(libc::pid_t, libc::c_int)> {
    let mut status = 0;
    // SAFETY: room for the status.
    let ended = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
    (ended > 0).then_some((ended, status))
}

fn forward(child: libc::pid_t, signal: libc::c_int) {
    if FORWARDED.contains(&signal) {
        // SAFETY: integers. The child is not reaped yet, so the number is its own.
        unsafe { libc::kill(child, signal) };
    }
}

/// Moves the given descriptors to 0, 1, … and closes all others; gives the new numbers.
fn keep_only<const N: usize>(fds: [RawFd; N]) -> [RawFd; N] {
    const FIRST_FREE: libc::c_int = 64;
    let mut moved = [-1; N];
    for (to, from) in moved.iter_mut().zip(fds) {
        // SAFETY: fcntl with integer arguments.
        *to = unsafe { libc::fcntl(from, libc::F_DUPFD_CLOEXEC, FIRST_FREE) };
        if *to < 0 {
            exit(127);
        }
    }
    let mut number = 0;
    for fd in &mut moved {
        // SAFETY: integers; what had that number is not used any more.
        unsafe { libc::dup2(*fd, number) };
        *fd = number;
        number += 1;
    }
    // SAFETY: nothing beyond the kept ones is used any more.
    if unsafe { libc::syscall(libc::SYS_close_range, number, u32::MAX, 0_u32) } != 0 {
        for fd in number..1024 {
            close(fd);
        }
    }
    moved
}
