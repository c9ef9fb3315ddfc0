//! Chapters of the demo hold, each for itself, and so does the tour.

use std::process::Stdio;

use anyhow::{Result, ensure};
use ripstop_world::World;

#[test]
fn chapters_hold_by_themselves() -> Result<()> {
    let world = World::prepare(&[])?;
    for (story, held) in [
        (&["--chapter", "4"][..], "of 1 chapter held"),
        (&["--chapter", "10"], "of 1 chapter held"),
        (&["--chapter", "13"], "of 1 chapter held"),
        (&["--tour"], "of 5 chapters held"),
    ] {
        let mut demo = world.as_user(&world.path("bin/ripstop"));
        demo.arg("demo").args(story).env("TMPDIR", world.path("")).stdin(Stdio::null());
        let told = demo.output()?;
        let text = String::from_utf8_lossy(&told.stdout);
        ensure!(told.status.success() && text.contains(held), "{story:?}: {told:?}\n{text}");
    }
    Ok(())
}
