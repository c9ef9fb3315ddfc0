//! A running child.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::reap;

/// A child process; dropping the handle kills it.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    program_pid: u32,
    pidfd: OwnedFd,
    status: Option<ExitStatus>,
    detached: bool,
}

impl Child {
    pub(super) fn new(pid: u32, program_pid: u32, pidfd: OwnedFd) -> Self {
        Self { pid, program_pid, pidfd, status: None, detached: false }
    }

    /// Completes the handle once the program runs.
    pub(super) fn running(mut self, program_pid: u32) -> Self {
        self.program_pid = program_pid;
        self
    }

    /// The direct child: the one to wait for.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The process that runs the program, as the caller's pid namespace numbers it.
    pub fn program_pid(&self) -> u32 {
        self.program_pid
    }

    /// Sends a signal: workloads get it by way of their PID 1.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.pidfd, signal)?)
    }

    /// Ends the child and everything below it at once.
    pub fn kill(&self) -> io::Result<()> {
        match self.signal(Signal::KILL) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other,
        }
    }

    /// The exit status if it has ended.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            if let Some(status) = waitid(WaitId::PidFd(self.pidfd.as_fd()), options)? {
                reap::disown(self.pid);
                let raw = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => (code & 0xff) << 8,
                    (None, Some(signal)) => signal,
                    (None, None) => return Ok(None),
                };
                self.status = Some(ExitStatus::from_raw(raw));
            }
        }
        Ok(self.status)
    }

    /// Waits for the end; on tokio. Cancelling loses nothing.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let watched = crate::scm::watched(self.pidfd.try_clone()?)?;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            watched.readable().await?.clear_ready();
        }
    }

    /// Lets the child live on when the handle is dropped; it will be reaped by [`super::reap_orphans`].
    pub fn detach(mut self) {
        self.detached = true;
    }
}

impl AsFd for Child {
    /// The pidfd: readable when the child has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.status.is_some() {
            return;
        }
        if !self.detached && self.kill().is_ok() {
            // A killed process ends in bounded time; reaping it here leaves no zombie.
            let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
        }
        reap::disown(self.pid);
    }
}
