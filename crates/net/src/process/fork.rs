//! The first fork, out of a process with threads.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::child::{self, Reporter};
use super::handle::Child;
use super::reap::Forking;
use super::stages::{Reports, Stage};
use crate::Error;

/// Makes a child that dies with the calling thread and runs `body`, all its signals blocked and their actions default.
///
/// # Safety
/// `body` must keep to what `child` says: system calls on memory that is ready; no allocation, lock or panic.
pub(super) unsafe fn fork(
    program: &str,
    body: impl FnOnce(Reporter) -> NotReturned,
) -> Result<(Child, Reports), Error> {
    let (reports, reporter) = Reports::open(program)?;
    // SAFETY: getpid has no arguments and can't fail.
    let parent = unsafe { libc::getpid() };
    let mut pidfd = -1;
    let mut forking = Forking::begin();
    let mask = child::block_all_signals();
    // SAFETY: the child runs `body`, as the caller promises, and the few system calls here; no memory is shared.
    let pid = unsafe { child::fork(libc::CLONE_PIDFD, &raw mut pidfd) };
    if pid == 0 {
        let reporter = reporter.reporter();
        child::default_signal_handlers();
        child::die_with_parent(reporter);
        // SAFETY: getppid has no arguments and can't fail.
        if unsafe { libc::getppid() } != parent {
            child::exit(127);
        }
        body(reporter);
    }
    let error = io::Error::last_os_error();
    child::set_signal_mask(mask);
    if pid < 0 {
        return Err(reports.error(Stage::Fork, error));
    }
    forking.own(pid.cast_unsigned());
    drop(forking);
    drop(reporter);
    // SAFETY: the kernel made this descriptor for this fork, so nobody else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok((Child::new(pid.cast_unsigned(), 0, pidfd), reports))
}

/// What a child's body would return: it never does.
pub(super) enum NotReturned {}
