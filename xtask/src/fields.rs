//! Writes `docs/fields.md`: what the fields that shape requests do, and which test shows it.

#[cfg(test)]
mod acts;
#[cfg(test)]
mod gaps;
mod table;

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};

use self::table::KINDS;

/// The fields of one kind.
struct KindOf {
    kind: &'static str,
    /// What is to be said of all of them.
    about: &'static str,
    fields: &'static [Field],
}

/// One field, or some that do one thing together.
struct Field {
    /// Below `spec`.
    path: &'static str,
    does: &'static str,
    tests: &'static [Test],
}

/// A test that shows it: its file, and its name.
type Test = (&'static str, &'static str);

const INTRODUCTION: &str = "\
<!-- Made by `cargo run -p xtask -- fields`; do not edit. -->

# Fields that shape requests

What the fields of Istio's kinds, and of ours, do to requests and connections here, and the test that shows it. Tests below
`tests/e2e` have real traffic through a mesh of real processes. Fields that are not named here are in
[configuration.md](configuration.md), with what they do, or are told by [RS224](findings.md) when they are used.
";

/// Writes the page.
pub(crate) fn write() -> Result<()> {
    let path = root().join("docs/fields.md");
    fs::write(&path, render()?).with_context(|| format!("write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// The page; fails if a test is named that there is not, or that nobody runs.
fn render() -> Result<String> {
    let mut page = INTRODUCTION.to_owned();
    for KindOf { kind, about, fields } in KINDS {
        write!(page, "\n## {kind}\n\n{about}\n\n| field | what it does | test |\n| --- | --- | --- |\n")?;
        for Field { path, does, tests } in *fields {
            ensure!(!tests.is_empty(), "{kind} {path}: no test shows it");
            let shown: Result<Vec<String>> = tests.iter().map(|test| link(*test)).collect();
            let shown = shown.with_context(|| format!("{kind} {path}"))?;
            writeln!(page, "| `{path}` | {} | {} |", does.replace('|', "\\|"), shown.join("<br>"))?;
        }
    }
    Ok(page)
}

/// A link to a test, which must be there, and run.
fn link((file, name): Test) -> Result<String> {
    let text = fs::read_to_string(root().join(file)).with_context(|| format!("there is no {file}"))?;
    match find(&text, name) {
        None => bail!("{file} has no test {name}"),
        Some(Found::Ignored) => bail!("{file}: {name} is ignored, so that it shows nothing"),
        Some(Found::Runs) => Ok(format!("[{name}](../{file})")),
    }
}

/// A test of a file.
#[derive(Debug, PartialEq)]
enum Found {
    Runs,
    /// Nobody runs it who does not ask for it.
    Ignored,
}

fn find(text: &str, name: &str) -> Option<Found> {
    let function = format!("fn {name}(");
    let (mut is_test, mut is_ignored) = (false, false);
    for line in text.lines().map(str::trim) {
        if line.strip_prefix("async ").unwrap_or(line).starts_with(&function) && is_test {
            return Some(if is_ignored { Found::Ignored } else { Found::Runs });
        }
        // Between the attribute and the function there may be others, and comments.
        let goes_on = line.starts_with("#[") || line.starts_with("//");
        is_test = goes_on && (is_test || line == "#[test]" || line.starts_with("#[tokio::test"));
        let ignores = line.starts_with("#[ignore") || line.starts_with("#[cfg_attr(") && line.contains("ignore");
        is_ignored = goes_on && (is_ignored || ignores);
    }
    None
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[cfg(test)]
mod tests;
