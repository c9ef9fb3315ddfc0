//! Configuration that a command is given: files, directories, standard input.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// Most bytes that are read of a file; what is too large is refused further on.
const LARGEST: u64 = 8 << 20;

/// Where a text comes from.
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// A directory that can't be read, and why.
    Lost(PathBuf, String),
}

// === impl Input ===

impl Input {
    /// The name that findings use.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) | Self::Lost(path, _) => path.display().to_string(),
            Self::Stdin => "<stdin>".to_owned(),
        }
    }

    /// The name that findings use, and the text.
    pub fn read(&self) -> Result<(String, String)> {
        let mut bytes = Vec::new();
        let name = match self {
            Self::File(path) => {
                let file = fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
                file.take(LARGEST)
                    .read_to_end(&mut bytes)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                path.display().to_string()
            }
            Self::Lost(_, why) => bail!("{why}"),
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
pub fn inputs(paths: &[PathBuf]) -> Result<Vec<Input>> {
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
            let mut lost = Vec::new();
            walk(path, DEEPEST, &mut files, &mut lost)?;
            if files.is_empty() && lost.is_empty() {
                bail!("{} has no .yaml, .yml or .json file", path.display());
            }
            inputs.extend(lost.into_iter().map(|(path, why)| Input::Lost(path, why)));
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

/// The files below a directory, by name, and the directories below it that can't be read, with the reason. Hidden ones,
/// and links to directories, are left out.
fn walk(directory: &Path, depth: usize, files: &mut Vec<PathBuf>, lost: &mut Vec<(PathBuf, String)>) -> Result<()> {
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
            if let Err(error) = fs::read_dir(&path) {
                lost.push((path.clone(), format!("cannot read the directory {}: {error}", path.display())));
                continue;
            }
            walk(&path, depth - 1, files, lost)?;
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
