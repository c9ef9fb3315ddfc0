//! A mesh that only stands in files.

use std::{path::PathBuf, time::SystemTime};

use anyhow::Result;
use ripstop_api::{Finding, Level};
use ripstop_compile::{Declared, Objects};
use ripstop_explain::World;
use ripstop_store::unreadable;

use crate::texts::{Input, inputs};

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
    let texts = inputs(paths)?.iter().map(Input::read).collect::<Result<Vec<_>>>()?;
    Ok(of(texts, Vec::new()))
}

/// The same; what can't be read is a finding, and the others are looked at.
pub fn look(paths: &[PathBuf]) -> Result<(World, Findings)> {
    let (mut texts, mut unread) = (Vec::new(), Vec::new());
    for input in inputs(paths)? {
        match input.read() {
            Ok(text) => texts.push(text),
            Err(error) => unread.push(unreadable(&input.name(), &format!("{error:#}"))),
        }
    }
    Ok(of(texts, unread))
}

fn of(texts: Vec<(String, String)>, unread: Vec<Finding>) -> (World, Findings) {
    let files = texts.len() + unread.len();
    let snapshot = ripstop_store::read_texts(texts);
    let declared = snapshot.objects.iter().map(|(id, stored)| {
        let declared =
            Declared { object: stored.object.clone(), created: stored.created_ms, generation: stored.generation };
        (id.clone(), declared)
    });
    let objects: Objects = declared.collect();
    let (world, compiled) = ripstop_explain::offline::world(&objects);
    let mut all = compiled.findings(SystemTime::now());
    let refused = snapshot.findings.iter().filter(|finding| finding.level == Level::Error).cloned().collect();
    all.extend(snapshot.findings.iter().cloned());
    all.extend(unread);
    all.sort_by(|a, b| (&a.position, a.code, &a.path).cmp(&(&b.position, b.code, &b.path)));
    all.dedup();
    (world, Findings { all, refused, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_a_finding_beside_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let good = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: wrong}\n";
        std::fs::write(dir.path().join("a.yaml"), good).unwrap();
        std::fs::write(dir.path().join("b.yaml"), b"kind: \xff\n").unwrap();
        let paths = [dir.path().to_path_buf()];
        let (_, findings) = look(&paths).unwrap();
        assert_eq!(findings.files, 2);
        let lost: Vec<&Finding> = findings.all.iter().filter(|finding| finding.code == "RS302").collect();
        assert!(lost[0].position.file.ends_with("b.yaml") && lost[0].message.contains("not UTF-8"), "{lost:?}");
        assert_eq!((lost.len(), lost[0].level), (1, Level::Error));
        assert!(findings.all.iter().any(|finding| finding.position.file.ends_with("a.yaml")), "{:?}", findings.all);
        assert!(load(&paths).is_err());
    }
}
