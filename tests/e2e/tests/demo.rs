//! Chapters of the demo hold, each for itself.

use std::process::Stdio;

use anyhow::{Result, ensure};
use ripstop_world::World;

#[test]
fn chapters_hold_by_themselves() -> Result<()> {
    let world = World::prepare(&[])?;
    for chapter in ["4", "10", "13"] {
        let mut demo = world.as_user(&world.path("bin/ripstop"));
        demo.args(["demo", "--chapter", chapter]).env("TMPDIR", world.path("")).stdin(Stdio::null());
        let told = demo.output()?;
        let text = String::from_utf8_lossy(&told.stdout);
        ensure!(told.status.success() && text.contains("of 1 chapter held"), "chapter {chapter}: {told:?}\n{text}");
    }
    Ok(())
}
