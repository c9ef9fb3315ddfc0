//! The hidden stage of `ripstop up`: PID 1 of the mesh's world.

use std::{ffi::OsString, os::fd::RawFd, path::PathBuf};

use anyhow::Result;
use clap::Args;
use ripstop_supervise::world::{self, WorldConfig};
use ripstop_telemetry::logging;

/// What the outer process tells PID 1.
#[derive(Args)]
pub struct Supervise {
    #[arg(long)]
    dir: PathBuf,
    #[arg(long)]
    state: PathBuf,
    #[arg(long)]
    binary: PathBuf,
    #[arg(long)]
    host_fd: RawFd,
    #[arg(long)]
    broker_fd: RawFd,
}

impl Supervise {
    /// Runs PID 1.
    pub fn run(self) -> Result<()> {
        let _level = logging::init("info");
        let Self { dir, state, binary, host_fd, broker_fd } = self;
        Ok(world::run(WorldConfig { dir, state, binary, host_fd, broker_fd })?)
    }
}

/// The arguments that lead to [`Supervise::run`].
pub fn argv(config: &WorldConfig) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec!["ripstop".into(), "supervise".into()];
    let mut flag = |name: &str, value: OsString| argv.extend([name.into(), value]);
    flag("--dir", config.dir.clone().into());
    flag("--state", config.state.clone().into());
    flag("--binary", config.binary.clone().into());
    flag("--host-fd", config.host_fd.to_string().into());
    flag("--broker-fd", config.broker_fd.to_string().into());
    argv
}
