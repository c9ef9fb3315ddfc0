//! `ripstop analyze`: what is wrong with configuration.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::{
    mesh::{Mesh, Scope},
    nobody, offline,
    output::{BAD, GOOD, WARN, paint, print, print_prose},
    tables::{finding, text},
};

/// What to look at, and how to tell.
#[derive(Args)]
pub struct Analyze {
    /// Files; directories, of which every .yaml, .yml and .json file is meant; `-` is standard input.
    /// Without any, the running mesh is looked at.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    scope: Scope,
    /// `json` or nothing.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
    /// The least level that makes the command fail: with status 3 for errors, 4 for warnings, 5 for infos.
    #[arg(long, value_enum, default_value = "error", value_name = "LEVEL")]
    fail_on: Least,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// JSON.
    Json,
}

/// The least level of a finding that makes a command fail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Least {
    /// Worth knowing.
    Info,
    /// Probably not what was meant.
    Warning,
    /// Refused, or never does what it says.
    Error,
    /// Never fails.
    Never,
}

impl Analyze {
    /// Whether it is files that are looked at.
    pub fn is_offline(&self) -> bool {
        !self.paths.is_empty()
    }

    /// Tells what is wrong with the files.
    pub fn offline(self) -> Result<ExitCode> {
        let (_, findings) = offline::look(&self.paths)?;
        let rows = findings.all.iter().map(ripstop_api::Finding::to_json).collect();
        self.tell(rows, Some(findings.files))
    }

    /// Tells what is wrong with the running mesh.
    pub async fn live(self, mesh: &Mesh) -> Result<ExitCode> {
        nobody::namespace(mesh, self.scope.only()).await;
        let rows = mesh.get("/v1/findings").await?.as_array().cloned().unwrap_or_default();
        self.tell(rows, None)
    }

    /// What is wrong with so many files, or with a mesh.
    fn tell(self, mut rows: Vec<Value>, files: Option<usize>) -> Result<ExitCode> {
        // What has no namespace concerns everybody.
        rows.retain(|row| text(row, "namespace").is_empty() || self.scope.takes(text(row, "namespace")));
        let count = |level: &str| rows.iter().filter(|row| text(row, "level") == level).count();
        let (errors, warnings, infos) = (count("error"), count("warning"), count("info"));
        if self.output == Some(Output::Json) {
            print(&format!("{}\n", serde_json::to_string_pretty(&rows)?));
        } else {
            for row in &rows {
                print_prose(&finding(row));
            }
            print(&summary(&rows, (errors, warnings, infos), files));
        }
        Ok(self.fail_on.status(&rows))
    }
}

// === impl Least ===

impl Least {
    /// Whether a finding is of this level, or of a worse one.
    pub fn takes(self, row: &Value) -> bool {
        let level = match text(row, "level") {
            "error" => Self::Error,
            "warning" => Self::Warning,
            _ => Self::Info,
        };
        level >= self
    }

    /// What a command ends with that found these: 3 for errors, 4 for warnings, 5 for infos, if those are bad enough.
    pub fn status(self, rows: &[Value]) -> ExitCode {
        let worst = [("error", Self::Error, 3), ("warning", Self::Warning, 4), ("info", Self::Info, 5)];
        let is_there = |level: &str| rows.iter().any(|row| text(row, "level") == level);
        let fails = worst.iter().find(|(name, level, _)| *level >= self && is_there(name));
        fails.map_or(ExitCode::SUCCESS, |(_, _, status)| ExitCode::from(*status))
    }
}

fn summary(rows: &[Value], (errors, warnings, infos): (usize, usize, usize), read: Option<usize>) -> String {
    let number = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    if rows.is_empty() {
        let whole = read.map_or_else(String::new, |files| format!(" in {}", number(files, "file")));
        return format!("{}\n", paint(GOOD, &format!("No findings{whole}.")));
    }
    let styled = |count: usize, what: &str, style| {
        let text = number(count, what);
        if count > 0 { paint(style, &text) } else { text }
    };
    let files: BTreeSet<&str> = rows.iter().map(|row| text(row, "file")).filter(|file| !file.is_empty()).collect();
    format!(
        "\n{}, {}, {} in {}\n",
        styled(errors, "error", BAD),
        styled(warnings, "warning", WARN),
        number(infos, "info"),
        match read {
            Some(read) => format!("{} of {}", files.len(), number(read, "file")),
            None => number(files.len(), "file"),
        }
    )
}
