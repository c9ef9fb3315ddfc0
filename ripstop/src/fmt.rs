//! `ripstop fmt`: tidies configuration files, and repairs lost indentation.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use ripstop_api::{Finding, format};

use crate::output::{GOOD, paint, print};

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

/// Most bytes that are read of a file; what is too large is refused further on.
const LARGEST: u64 = 8 << 20;

/// Code of lost indentation.
const INDENTATION_LOST: &str = "RS18";

/// Where a text comes from.
enum Input {
    File(PathBuf),
    Stdin,
}

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
}

// === impl Fmt ===

impl Fmt {
    /// Formats every path; fails if one could not be, or if `--check` found something to do.
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
        let fails = tally.failed > 0 || (self.check && tally.changed > 0);
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
            eprintln!("{finding}");
        }
    }
}

// === impl Input ===

impl Input {
    /// The name that findings use, and the text.
    fn read(&self) -> Result<(String, String)> {
        let mut bytes = Vec::new();
        let name = match self {
            Self::File(path) => {
                let file = fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
                file.take(LARGEST)
                    .read_to_end(&mut bytes)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                path.display().to_string()
            }
            Self::Stdin => {
                io::stdin().take(LARGEST).read_to_end(&mut bytes).context("cannot read standard input")?;
                "<stdin>".to_owned()
            }
        };
        let Ok(text) = String::from_utf8(bytes) else { bail!("{name} is not UTF-8 text") };
        let json = matches!(self, Self::Stdin) && is_json(&text);
        Ok((if json { "<stdin>.json".to_owned() } else { name }, text))
    }
}

/// Whether a text without a name is JSON; YAML would be as valid, but would stay as it is.
fn is_json(text: &str) -> bool {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>().peekable();
    text.trim_start().starts_with(['{', '[']) && values.peek().is_some() && values.all(|value| value.is_ok())
}

/// Each text once, in the order of the paths.
fn inputs(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let mut seen = BTreeSet::new();
    let mut inputs = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            if seen.insert(path.clone()) {
                inputs.push(Input::Stdin);
            }
            continue;
        }
        let kind = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut files = Vec::new();
        if kind.is_dir() {
            walk(path, DEEPEST, &mut files)?;
            if files.is_empty() {
                bail!("{} has no .yaml, .yml or .json file", path.display());
            }
        } else if kind.is_file() {
            files.push(path.clone());
        } else {
            bail!("{} is no regular file; write `-` to read standard input", path.display());
        }
        for file in files {
            let real = fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
            if seen.insert(real) {
                inputs.push(Input::File(file));
            }
        }
    }
    Ok(inputs)
}

/// Most nested directories.
const DEEPEST: usize = 32;

/// The files below a directory, by name. Hidden ones, and links to directories, are left out.
fn walk(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let cannot = || format!("cannot read the directory {}", directory.display());
    let mut entries =
        fs::read_dir(directory).with_context(cannot)?.collect::<io::Result<Vec<_>>>().with_context(cannot)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let kind = entry.file_type().with_context(cannot)?;
        if kind.is_dir() {
            if depth == 0 {
                bail!("{} is nested too deeply: name it by itself", path.display());
            }
            walk(&path, depth - 1, files)?;
        } else if is_configuration(&path) && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn is_configuration(path: &Path) -> bool {
    let known = ["yaml", "yml", "json"];
    path.extension().is_some_and(|extension| known.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_without_a_name_is_told_from_yaml() {
        for (text, expected) in
            [("{\"a\": 1}", true), ("[1]\n{}\n", true), ("{a: 1}", false), ("", false), ("1", false), ("{} x", false)]
        {
            assert_eq!(is_json(text), expected, "{text:?}");
        }
    }
}
