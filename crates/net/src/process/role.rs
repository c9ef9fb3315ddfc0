//! Trusted children of the world.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use super::child::{self, Reporter};
use super::exec::ExecPlan;
use super::fork::{NotReturned, fork};
use super::stages::Stage;
use super::{Child, caps};
use crate::{Error, NetNs};

/// Whether a role keeps the privileges that it has in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capabilities {
    /// It does: an agent.
    Keep,
    /// All sets are emptied for good, and `no_new_privs` is set: a node proxy.
    Drop,
}

/// A part of Ripstop to be started in the world.
#[derive(Debug)]
pub struct RoleSpawn {
    /// The program.
    pub program: PathBuf,
    /// Its arguments, the name first.
    pub argv: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// The network namespace that it lives in; `None` is the caller's.
    pub netns: Option<NetNs>,
    /// What it may do.
    pub capabilities: Capabilities,
    /// Where its standard output and error go; standard input is empty.
    pub log: OwnedFd,
    /// Descriptors that it gets, with their numbers there (3 and up).
    pub pass_fds: Vec<(OwnedFd, RawFd)>,
}

impl RoleSpawn {
    /// Starts it, from a thread that lives as long as the role should.
    ///
    /// It is in a session of its own, its signals are reset, it dies with the calling thread.
    pub fn spawn(self) -> Result<Child, Error> {
        let name = self.argv.iter().map(|word| word.to_string_lossy()).take(2).collect::<Vec<_>>().join(" ");
        let input = File::open("/dev/null").map_err(|error| Error::io("open /dev/null", error))?;
        let error = self.log.try_clone().map_err(|error| Error::io("copy the log's descriptor", error))?;
        let stdio = [(input.into(), 0), (self.log, 1), (error, 2)];
        let fds = stdio.into_iter().chain(self.pass_fds).collect();
        let plan = ExecPlan::new(&self.program, &self.argv, &self.env, None, fds)?;
        let netns = self.netns.as_ref().map(|netns| netns.as_fd().as_raw_fd());
        let capabilities = self.capabilities;
        // SAFETY: `role` keeps to system calls on what was prepared above; `self.netns` stays open over the fork.
        let (child, reports) = unsafe { fork(&name, |reporter| role(reporter, &plan, netns, capabilities)) }?;
        let pid = reports.await_exec()?;
        Ok(child.running(pid))
    }
}

/// A role's way to its program. Runs in a fork.
fn role(reporter: Reporter, plan: &ExecPlan, netns: Option<RawFd>, capabilities: Capabilities) -> NotReturned {
    // SAFETY: no arguments. Fails only for leaders of a group, which a fresh fork is not.
    unsafe { libc::setsid() };
    if let Some(netns) = netns {
        // SAFETY: integers; this process has one thread.
        reporter.check(Stage::EnterNetwork, unsafe { libc::setns(netns, libc::CLONE_NEWNET) });
    }
    if capabilities == Capabilities::Drop {
        let failed = caps::drop_here();
        if failed != 0 {
            reporter.fail(Stage::DropCapabilities, failed);
        }
        // Fewer capabilities are a change of credentials, for which the kernel may have forgotten.
        child::die_with_parent(reporter);
    }
    plan.run(reporter)
}
