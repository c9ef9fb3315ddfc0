//! Changing labels and annotations in the files themselves.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use ripstop_api::{Finding, Kind, Level, ObjectId, edit::EditError, parse_file};

use crate::{Error, state::write_atomically};

/// Pairs to set, or (nothing) to remove.
pub(crate) type Pairs = [(String, Option<String>)];

/// Tries against someone who writes the file at the same time.
const ATTEMPTS: usize = 3;

/// What became of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// Revision of the first snapshot that has it.
    pub revision: u64,
    /// What happened to the file; nothing: there was no file to change.
    pub file: Option<(String, Done)>,
    /// Keys that were as asked for before: set to that value, or not there.
    pub unchanged: Vec<String>,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Nothing: all was as asked for.
    Nothing,
    /// It was changed.
    Changed,
    /// It was made.
    Made,
    /// Nothing was left in it: it is gone.
    Removed,
}

/// Edits `id` in `file` (a path below `root`). Everything else in the file stays as it is. Gives back what became of
/// the file, and the keys that were as asked for.
pub(crate) fn edit(
    root: &Path,
    file: &str,
    id: &ObjectId,
    labels: &Pairs,
    annotations: &Pairs,
) -> Result<(Done, Vec<String>), Error> {
    // A symbolic link stays one; what it points to is edited.
    let path = root.join(file);
    let path = fs::canonicalize(&path).map_err(|source| failed(&path, "read", source))?;
    for _ in 0..ATTEMPTS {
        let before = fs::metadata(&path).map_err(|source| failed(&path, "read", source))?;
        let text = fs::read_to_string(&path).map_err(|source| failed(&path, "read", source))?;
        let set = |labels: &Pairs, annotations: &Pairs| {
            ripstop_api::edit::set_metadata(&text, id, labels, annotations)
                .map_err(|source| uneditable(id, &path, source))
        };
        let mut unchanged = Vec::new();
        for label in labels {
            if set(std::slice::from_ref(label), &[])? == text {
                unchanged.push(label.0.clone());
            }
        }
        for annotation in annotations {
            if set(&[], std::slice::from_ref(annotation))? == text {
                unchanged.push(annotation.0.clone());
            }
        }
        let edited = set(labels, annotations)?;
        if edited == text {
            return Ok((Done::Nothing, unchanged));
        }
        check(&path, file, id, &text, &edited)?;
        let now = fs::metadata(&path).map_err(|source| failed(&path, "read", source))?;
        let untouched = (now.ino(), now.size(), now.mtime(), now.mtime_nsec())
            == (before.ino(), before.size(), before.mtime(), before.mtime_nsec());
        if !untouched {
            continue;
        }
        if edited == ripstop_api::edit::new_namespace(&id.name, &[], &[]) {
            fs::remove_file(&path).map_err(|source| failed(&path, "removed", source))?;
            return Ok((Done::Removed, unchanged));
        }
        let mode = before.permissions().mode() & 0o7777;
        write_atomically(&path, edited.as_bytes(), mode).map_err(|source| failed(&path, "written", source))?;
        // The new file is this user's; as root it goes back to whom it belonged.
        let _ = chown(&path, Some(before.uid()), Some(before.gid()));
        let _ = fs::set_permissions(&path, before.permissions());
        return Ok((Done::Changed, unchanged));
    }
    Err(Error::Busy { file: path })
}

/// Declares the namespace `name` in a file of its own below `root`; the file's name comes back.
pub(crate) fn declare_namespace(root: &Path, name: &str, labels: &Pairs, annotations: &Pairs) -> Result<String, Error> {
    let file = format!("namespace-{name}.yaml");
    let path = root.join(&file);
    let id = ObjectId { kind: Kind::Namespace, namespace: String::new(), name: name.to_owned() };
    let text = ripstop_api::edit::new_namespace(name, labels, annotations);
    check(&path, &file, &id, "", &text)?; // also that the name is one, and no path
    if path.exists() {
        let source = io::Error::new(io::ErrorKind::AlreadyExists, format!("it exists, but does not declare {id}"));
        return Err(failed(&path, "written", source));
    }
    write_atomically(&path, text.as_bytes(), 0o644).map_err(|source| failed(&path, "written", source))?;
    if let Ok(owner) = fs::metadata(root) {
        let _ = chown(&path, Some(owner.uid()), Some(owner.gid())); // as root: to whom the directory belongs
    }
    Ok(file)
}

/// The edited text must hold the object, and nothing may be wrong with it that was not before.
fn check(path: &Path, file: &str, id: &ObjectId, before: &str, after: &str) -> Result<(), Error> {
    match added_error(file, Some(id), before, after) {
        Some(finding) => Err(Error::Invalid { id: id.clone(), file: path.to_owned(), finding: Box::new(finding) }),
        None if parse_file(file, after).objects.iter().any(|object| object.id == *id) => Ok(()),
        None => Err(Error::NotFound(id.clone())),
    }
}

/// An error of `after` that is new, or is of `id`.
pub(crate) fn added_error(file: &str, id: Option<&ObjectId>, before: &str, after: &str) -> Option<Finding> {
    let errors = |text: &str| {
        let mut findings = parse_file(file, text).findings;
        findings.retain(|finding| finding.level == Level::Error);
        findings
    };
    let old = errors(before);
    errors(after).into_iter().find(|finding| {
        let same = |known: &Finding| known.code == finding.code && known.object == finding.object;
        (id.is_some() && finding.object.as_ref() == id) || !old.iter().any(same)
    })
}

pub(crate) fn uneditable(id: &ObjectId, file: &Path, source: EditError) -> Error {
    Error::Edit { id: id.clone(), file: file.to_owned(), source: Box::new(source) }
}

pub(crate) fn failed(file: &Path, action: &'static str, source: io::Error) -> Error {
    Error::File { file: PathBuf::from(file), action, source }
}
