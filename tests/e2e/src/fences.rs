//! The fenced blocks of documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// A fenced block of a document.
#[derive(Clone, Debug)]
pub struct Block {
    /// The document, from the root of the repository.
    pub file: String,
    /// Line of its first line, from 1.
    pub line: usize,
    /// What is said behind the fence.
    pub language: String,
    /// Its lines.
    pub text: String,
}

/// Every fenced block of README.md and docs/.
pub fn all() -> Result<Vec<Block>> {
    let root = root();
    let mut files = vec![root.join("README.md")];
    for entry in fs::read_dir(root.join("docs"))? {
        files.push(entry?.path());
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    let mut blocks = Vec::new();
    for path in files {
        blocks.extend(of(&path.strip_prefix(&root)?.display().to_string())?);
    }
    Ok(blocks)
}

/// Every fenced block of one document.
pub fn of(file: &str) -> Result<Vec<Block>> {
    let text = fs::read_to_string(root().join(file)).with_context(|| file.to_owned())?;
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                let language = language.trim().to_owned();
                open = Some(Block { file: file.to_owned(), line: index + 2, language, text: String::new() });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text += line;
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    ensure!(open.is_none(), "{file}: a block is not closed");
    Ok(blocks)
}

/// Of the repository.
pub fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).to_owned()
}
