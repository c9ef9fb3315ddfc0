//! A mesh that only stands in files.

use std::path::PathBuf;

use anyhow::Result;
use ripstop_api::{Finding, Level};
use ripstop_compile::{Declared, Objects};
use ripstop_explain::World;

use crate::texts::inputs;

/// What is wrong with a mesh.
pub struct Findings {
    /// Everything.
    pub all: Vec<Finding>,
    /// Why objects were refused on reading: they do not act.
    pub refused: Vec<Finding>,
    /// How many files were read.
    pub files: usize,
}

/// The mesh that the files and directories declare, and what is wrong with it.
pub fn load(paths: &[PathBuf]) -> Result<(World, Findings)> {
    let texts = inputs(paths)?.iter().map(crate::texts::Input::read).collect::<Result<Vec<_>>>()?;
    let files = texts.len();
    let snapshot = ripstop_store::read_texts(texts);
    let declared = snapshot.objects.iter().map(|(id, stored)| {
        let declared =
            Declared { object: stored.object.clone(), created: stored.created_ms, generation: stored.generation };
        (id.clone(), declared)
    });
    let objects: Objects = declared.collect();
    let (world, mut all) = ripstop_explain::offline::world(&objects);
    let refused = snapshot.findings.iter().filter(|finding| finding.level == Level::Error).cloned().collect();
    all.extend(snapshot.findings.iter().cloned());
    all.sort_by(|a, b| (&a.position, a.code, &a.path).cmp(&(&b.position, b.code, &b.path)));
    all.dedup();
    Ok((world, Findings { all, refused, files }))
}
