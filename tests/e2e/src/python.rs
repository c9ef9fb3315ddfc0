//! What Python imports.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};
use ripstop_world::World;

/// Where `scripts/prepare` puts it.
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/clients/python");

/// Copies it to `python` among the files of the world, for its user.
pub fn libraries(world: &World) -> Result<()> {
    ensure!(Path::new(CLIENTS).exists(), "{CLIENTS} is not there: scripts/prepare installs it");
    let copied = Command::new("cp").args(["-r", CLIENTS]).arg(world.path("python")).status()?;
    ensure!(copied.success(), "{CLIENTS} can't be copied");
    let readable = Command::new("chmod").args(["-R", "a+rX"]).arg(world.path("python")).status()?;
    ensure!(readable.success(), "what was copied can't be read by all");
    Ok(())
}
