//! Writes `docs/findings.md` from the tables of codes in the crates that raise
//! findings, so that the page can neither forget a code nor keep one that is gone.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use ripstop_api::{Level, finding::Code};

/// Codes of one crate, and what they are about.
struct Group {
    heading: &'static str,
    about: &'static str,
    codes: &'static [Code],
}

const GROUPS: &[Group] = &[
    Group {
        heading: "Reading a file",
        about: "One file is enough to see these. Every finding of a file is told in one pass.",
        codes: ripstop_api::finding::CODES,
    },
    Group {
        heading: "Formatting a file",
        about: "`ripstop fmt` tells these; a mesh never does.",
        codes: ripstop_api::format::CODES,
    },
    Group {
        heading: "Objects that do not fit together",
        about: "These need all objects, and some of them what runs.",
        codes: ripstop_compile::CODES,
    },
    Group {
        heading: "Files and directories",
        about: "These are about the directory of configuration and the state that is kept of it.",
        codes: ripstop_store::CODES,
    },
    Group {
        heading: "The running mesh",
        about: "These are about settings that a running mesh cannot change, and about what it fetches.",
        codes: ripstop_control::CODES,
    },
];

const INTRODUCTION: &str = "\
<!-- Made by `cargo run -p xtask -- findings`; do not edit. -->

# Findings

`ripstop get findings` shows what is wrong with the configuration, with file, line and column.
`ripstop up` prints it once when the mesh is up. A code never changes its meaning.

| level | what happens |
| --- | --- |
| error | the object does not take effect, or not the part that is named; its last good state stays |
| warning | probably not what was meant; it takes effect all the same |
| info | worth knowing |

An error in one object never holds back its neighbours.
";

/// Writes the page.
pub(crate) fn write() -> Result<()> {
    let path = path();
    fs::write(&path, render()?).with_context(|| format!("write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// The page; fails if two tables have the same code.
fn render() -> Result<String> {
    let mut seen = BTreeMap::new();
    let mut page = INTRODUCTION.to_owned();
    for group in GROUPS {
        write!(page, "\n## {}\n\n{}\n\n| code | level | meaning |\n| --- | --- | --- |\n", group.heading, group.about)?;
        for Code { code, level, meaning } in group.codes {
            let former = seen.insert(*code, group.heading);
            ensure!(former.is_none(), "{code} is in two tables: {former:?} and {:?}", group.heading);
            writeln!(page, "| {code} | {} | {} |", shown(*level), cell(meaning))?;
        }
    }
    Ok(page)
}

fn shown(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "**error**",
    }
}

/// Text of a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md")
}

#[cfg(test)]
mod tests;
