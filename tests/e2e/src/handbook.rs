//! Configuration of the field's handbooks, as people find it.

use std::{
    fs,
    io::{Write as _, stderr},
    path::PathBuf,
};

use anyhow::{Context, Result};
use ripstop_world::{SOON, World, wait_for};

use crate::observe::applied;

/// The directory of the handbooks' files, which are no part of this project.
#[derive(Debug)]
pub struct Handbook(PathBuf);

// === impl Handbook ===

impl Handbook {
    /// Where `RIPSTOP_FIXTURES` says. Nothing, and a line that says so: it is not set.
    pub fn find() -> Option<Self> {
        let Some(fixtures) = std::env::var_os("RIPSTOP_FIXTURES") else {
            // Past the capture of output.
            let _ = writeln!(stderr(), "SKIPPED: RIPSTOP_FIXTURES is not set, so the handbooks' files are not read");
            return None;
        };
        Some(Self(PathBuf::from(fixtures).join("handbook")))
    }

    /// A file's text.
    pub fn text(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.0.join(name)).with_context(|| format!("reading {name}"))
    }

    /// Puts files, as they are, beside the mesh's own, and waits until all proxies act on them.
    pub fn paste(&self, world: &World, names: &[&str]) -> Result<()> {
        for name in names {
            world.write(name, &self.text(name)?)?;
        }
        // What was written before the mark has been read when the mark has.
        applied(world, "pasted.yaml", &format!("pasted-{}", &names[0][..2]), "")
    }
}

/// Waits until these findings, and no others, are told of a file: `LINE CODE`, in their order.
pub fn told(world: &World, file: &str, expected: &[&str]) -> Result<()> {
    let mut last = Vec::new();
    let waited = wait_for(&format!("{expected:?} of {file}"), SOON, || {
        let all = world.json(&["get", "findings"])?;
        let of_file = all.as_array().into_iter().flatten().filter(|finding| finding["file"] == *file);
        last = of_file
            .map(|finding| Ok(format!("{} {}", finding["line"], finding["code"].as_str().context("no code")?)))
            .collect::<Result<Vec<String>>>()?;
        Ok((last == expected).then_some(()))
    });
    waited.with_context(|| format!("told: {last:?}\n{}", world.story_so_far()))
}
