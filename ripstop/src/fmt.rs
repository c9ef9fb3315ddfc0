//! `ripstop fmt`: tidies configuration files, and repairs lost indentation.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use ripstop_api::{Finding, Level, format};

use crate::{
    output::{GOOD, paint, print},
    texts::{Input, inputs},
};

mod diff;
mod replace;

/// What to format, and where to.
#[derive(Args)]
pub struct Fmt {
    /// Files; directories, of which every .yaml, .yml and .json file is meant; `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Writes the files instead of printing them.
    #[arg(short, long, conflicts_with = "check")]
    write: bool,
    /// Writes nothing, lists the files that are not as they should be, and fails if there are any.
    #[arg(long)]
    check: bool,
    /// Repairs documents whose indentation was lost (finding RS18), by what their kind looks like.
    /// All other documents stay as they are.
    #[arg(long)]
    reindent: bool,
}

/// Code of lost indentation.
const INDENTATION_LOST: &str = "RS18";

/// What becomes of the texts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outlet {
    /// The text itself.
    Text,
    Diff,
    List,
    File,
}

/// What was found out on the way.
#[derive(Default)]
struct Tally {
    changed: usize,
    failed: usize,
    lost: bool,
    wrong: bool,
}

// === impl Fmt ===

impl Fmt {
    /// Formats every path; fails if one could not be, or if `--check` found something to do or an error.
    pub fn run(self) -> Result<ExitCode> {
        let inputs = inputs(&self.paths)?;
        let outlet = match (self.write, self.check, self.paths.as_slice()) {
            (true, ..) if inputs.iter().any(|input| matches!(input, Input::Stdin)) => {
                bail!("standard input cannot be written to: leave out --write, and the text is printed")
            }
            (true, ..) => Outlet::File,
            (_, true, _) => Outlet::List,
            (_, _, [path]) if !path.is_dir() => Outlet::Text,
            _ => Outlet::Diff,
        };
        let mut tally = Tally::default();
        for input in &inputs {
            if let Err(error) = self.one(input, outlet, &mut tally) {
                tally.failed += 1;
                eprintln!("{} {error:#}", crate::output::paint_error("error:"));
            }
        }
        if tally.lost && !self.reindent {
            eprintln!("`ripstop fmt --reindent` repairs lost indentation");
        }
        if outlet == Outlet::File && tally.changed == 0 && tally.failed == 0 {
            let files = if inputs.len() == 1 { "file" } else { "files" };
            print(&format!("nothing to do in {} {files}\n", inputs.len()));
        }
        let fails = tally.failed > 0 || (self.check && (tally.changed > 0 || tally.wrong));
        Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn one(&self, input: &Input, outlet: Outlet, tally: &mut Tally) -> Result<()> {
        let (name, text) = input.read()?;
        let formatted = if self.reindent { format::reindent(&name, &text) } else { format::format(&name, &text) };
        let formatted = match formatted {
            Ok(formatted) => formatted,
            Err(findings) => {
                tally.tell(&findings);
                bail!("{name} stays as it is");
            }
        };
        tally.tell(&formatted.findings);
        let changed = formatted.text != text;
        tally.changed += usize::from(changed);
        match (outlet, input) {
            (Outlet::Text, _) => print(&formatted.text),
            _ if !changed => {}
            (Outlet::Diff, _) => print(&diff::unified(&name, &text, &formatted.text)),
            (Outlet::File, Input::File(path)) => {
                replace::replace(path, formatted.text.as_bytes())?;
                print(&format!("{} {name}\n", paint(GOOD, "formatted")));
            }
            (Outlet::List | Outlet::File, _) => print(&format!("{name}\n")),
        }
        Ok(())
    }
}

// === impl Tally ===

impl Tally {
    fn tell(&mut self, findings: &[Finding]) {
        for finding in findings {
            self.lost |= finding.code == INDENTATION_LOST;
            self.wrong |= finding.level == Level::Error;
            eprintln!("{finding}");
        }
    }
}
