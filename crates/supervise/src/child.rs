//! Children of the supervisor: how they end, and the log that they write to.

use std::{
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use ripstop_net::process::{Child, Signal, reap_orphans};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    Error, Result,
    logs::{self, Log},
    run_protocol::Exit,
};

/// A killed process that is still there after this hangs in the kernel.
const KILL_DEADLINE: Duration = Duration::from_secs(3);

/// Waits for the end of a child. May be dropped and called again.
pub(crate) async fn exited(child: &mut Child) -> Exit {
    match child.wait().await {
        Ok(status) => exit_of(status),
        Err(error) => {
            tracing::error!(pid = child.pid(), %error, "cannot wait for a child: it counts as killed");
            let _gone = child.kill();
            Exit::Signal(Signal::KILL.as_raw())
        }
    }
}

/// Ends a child: SIGTERM, and SIGKILL after `grace`.
pub(crate) async fn terminate(child: &mut Child, grace: Duration) -> Exit {
    terminate_by(child, Signal::TERM, grace).await
}

/// Ends a child: `first`, and SIGKILL after `grace`.
pub(crate) async fn terminate_by(child: &mut Child, first: Signal, grace: Duration) -> Exit {
    let _gone = child.signal(first);
    if let Ok(exit) = tokio::time::timeout(grace, exited(child)).await {
        return exit;
    }
    let _gone = child.kill();
    if let Ok(exit) = tokio::time::timeout(KILL_DEADLINE, exited(child)).await {
        return exit;
    }
    tracing::error!(pid = child.pid(), "process does not end although it was killed");
    Exit::Signal(Signal::KILL.as_raw())
}

/// Sends a signal by its number; unknown numbers and dead children are told in the log.
pub(crate) fn send_signal(child: &Child, number: i32) {
    let sent = match Signal::from_named_raw(number) {
        // What a waiting process keeps for itself would end the wait, not the program.
        Some(Signal::KILL) => child.kill(),
        Some(signal) => child.signal(signal),
        None => Err(io::ErrorKind::InvalidInput.into()),
    };
    if let Err(error) = sent {
        tracing::debug!(pid = child.pid(), number, %error, "signal was not delivered");
    }
}

/// Its process id, as numbers are passed on.
pub(crate) fn pid_of(child: &Child) -> i32 {
    i32::try_from(child.program_pid()).unwrap_or_default()
}

/// A pipe whose writer goes to a child; what is written lands in `log`.
pub(crate) fn log_pipe(log: &Arc<Log>) -> Result<OwnedFd> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(Error::system("make a log pipe"))?;
    rustix::io::ioctl_fionbio(&reader, true).map_err(Error::system("make a log pipe"))?;
    logs::collect(Arc::clone(log), reader)?;
    Ok(writer)
}

/// Standard input of what has none.
pub(crate) fn null() -> Result<OwnedFd> {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null");
    null.map(OwnedFd::from).map_err(Error::file("open", "/dev/null"))
}

/// Reaps what becomes PID 1's child by the death of its parent, as long as the runtime lives.
pub(crate) async fn reap() -> io::Result<()> {
    let mut deaths = signal(SignalKind::child())?;
    loop {
        if let Err(error) = reap_orphans() {
            tracing::debug!(%error, "orphans could not be reaped");
        }
        if deaths.recv().await.is_none() {
            return Ok(());
        }
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}
