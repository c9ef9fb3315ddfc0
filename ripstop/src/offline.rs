//! A mesh that only stands in files.

use std::path::PathBuf;

use anyhow::Result;
use ripstop_api::Finding;
use ripstop_compile::{Declared, Objects};
use ripstop_explain::World;

use crate::texts::inputs;

/// The mesh that the files and directories declare, and everything that is wrong with it.
pub fn load(paths: &[PathBuf]) -> Result<(World, Vec<Finding>)> {
    let texts = inputs(paths)?.iter().map(crate::texts::Input::read).collect::<Result<Vec<_>>>()?;
    let snapshot = ripstop_store::read_texts(texts);
    let declared = snapshot.objects.iter().map(|(id, stored)| {
        let declared =
            Declared { object: stored.object.clone(), created: stored.created_ms, generation: stored.generation };
        (id.clone(), declared)
    });
    let objects: Objects = declared.collect();
    let (world, mut findings) = ripstop_explain::offline::world(&objects);
    findings.extend(snapshot.findings.iter().cloned());
    findings.sort_by(|a, b| (&a.position, a.code, &a.path).cmp(&(&b.position, b.code, &b.path)));
    findings.dedup();
    Ok((world, findings))
}
