//! Putting objects into files and taking them out of them: all that is asked for, or nothing.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use ripstop_api::{
    Kind, Object, ObjectId,
    edit::{cut_document, documents_of, put_document},
    parse_file,
};

use crate::{
    Error,
    edit::{Done, added_error, failed, uneditable},
    state::{make_atomically, write_atomically},
};

/// Longest name of a file, in bytes.
const NAME_MAX: usize = 255;
/// Who may read a new file: everybody, or, of one with secrets, its owner.
const OPEN: u32 = 0o644;
const CLOSED: u32 = 0o600;

/// What shall become of an object: its document, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Which object.
    pub id: ObjectId,
    /// The document that declares it; none: it goes.
    pub document: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The file, below the store's directory; several if it was declared in several and goes from all.
    pub files: Vec<String>,
    /// What happened to the first one.
    pub done: Done,
}

/// What files shall be, before any is written.
pub(crate) struct Plan<'a> {
    root: &'a Path,
    /// Files that someone writes to at the moment.
    writing: HashSet<PathBuf>,
    files: BTreeMap<String, Planned>,
    placed: Vec<Placed>,
}

struct Planned {
    path: PathBuf,
    /// The file as it was read; none: there is none.
    found: Option<fs::Metadata>,
    text: String,
    /// What it shall hold; none: it goes.
    wanted: Option<String>,
    mode: u32,
}

// === impl Plan ===

impl<'a> Plan<'a> {
    pub(crate) fn new(root: &'a Path, writing: HashSet<PathBuf>) -> Self {
        Self { root, writing, files: BTreeMap::new(), placed: Vec::new() }
    }

    /// Adds a wish about an object that `files` declare, the one that acts in front.
    pub(crate) fn add(&mut self, wish: &Wish, files: &[String]) -> Result<(), Error> {
        let Wish { id, document } = wish;
        match (document, files) {
            (Some(document), [first, ..]) => self.put(id, first, document),
            (Some(document), []) => self.declare(id, document),
            (None, []) => Err(Error::NotFound(id.clone())),
            (None, files) => {
                for file in files {
                    self.cut(id, file)?;
                }
                self.placed.push(Placed { files: files.to_vec(), done: Done::Changed });
                Ok(())
            }
        }
    }

    fn put(&mut self, id: &ObjectId, file: &str, document: &str) -> Result<(), Error> {
        let planned = self.planned(file)?;
        let text = planned.wanted.clone().unwrap_or_default();
        let edited = put_document(&text, id, document).map_err(|source| uneditable(id, &planned.path, source))?;
        let done = if edited == text { Done::Nothing } else { Done::Changed };
        if done == Done::Changed {
            holds(&planned.path, file, id, &text, &edited, document)?;
        }
        planned.wanted = Some(edited);
        self.placed.push(Placed { files: vec![file.to_owned()], done });
        Ok(())
    }

    fn cut(&mut self, id: &ObjectId, file: &str) -> Result<(), Error> {
        let planned = self.planned(file)?;
        let text = planned.wanted.clone().unwrap_or_default();
        let edited = cut_document(&text, id).map_err(|source| uneditable(id, &planned.path, source))?;
        if let Some(finding) = edited.as_ref().and_then(|edited| added_error(file, None, &text, edited)) {
            return Err(Error::Invalid { id: id.clone(), file: planned.path.clone(), finding: Box::new(finding) });
        }
        planned.wanted = edited;
        Ok(())
    }

    /// Gives the object a file of its own.
    fn declare(&mut self, id: &ObjectId, document: &str) -> Result<(), Error> {
        let file = file_of(id);
        let path = self.root.join(&file);
        if file.len() > NAME_MAX {
            let source =
                io::Error::new(io::ErrorKind::InvalidFilename, "its name would be too long; give it a file by hand");
            return Err(failed(&path, "made", source));
        }
        if self.files.contains_key(&file) || path.symlink_metadata().is_ok() {
            let source = io::Error::new(io::ErrorKind::AlreadyExists, format!("it exists, but does not declare {id}"));
            return Err(failed(&path, "made", source));
        }
        holds(&path, &file, id, "", document, document)?;
        let mode = if id.kind == Kind::Secret { CLOSED } else { OPEN };
        let planned = Planned { path, found: None, text: String::new(), wanted: Some(document.to_owned()), mode };
        self.files.insert(file.clone(), planned);
        self.placed.push(Placed { files: vec![file], done: Done::Made });
        Ok(())
    }

    /// The file as it is planned so far.
    fn planned(&mut self, file: &str) -> Result<&mut Planned, Error> {
        if !self.files.contains_key(file) {
            let path = self.root.join(file);
            let by_hand = |why| Error::ByHand { file: path.clone(), why };
            if fs::canonicalize(&path).map_err(|source| failed(&path, "read", source))? != path {
                return Err(by_hand("it is a symbolic link, or below one"));
            }
            if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
                return Err(by_hand("it is JSON"));
            }
            if self.writing.contains(&path) {
                return Err(Error::Busy { file: path });
            }
            let found = fs::metadata(&path).map_err(|source| failed(&path, "read", source))?;
            let text = fs::read_to_string(&path).map_err(|source| failed(&path, "read", source))?;
            let mode = found.permissions().mode() & 0o7777;
            let planned = Planned { path, found: Some(found), wanted: Some(text.clone()), text, mode };
            self.files.insert(file.to_owned(), planned);
        }
        self.files.get_mut(file).ok_or(Error::Closed)
    }

    /// Writes all files; what became of each wish, in order. An error is of the first file that could not be written:
    /// those before it are.
    pub(crate) fn carry_out(self) -> Result<Vec<Placed>, Error> {
        for planned in self.files.values() {
            planned.check_untouched()?;
        }
        for planned in self.files.values() {
            planned.write(self.root)?;
        }
        Ok(self.placed())
    }

    /// What the files that are touched would hold; nothing: they would go.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.files.iter().map(|(file, planned)| (&**file, planned.wanted.as_deref()))
    }

    /// What becomes of each wish, in order.
    pub(crate) fn placed(mut self) -> Vec<Placed> {
        for placed in &mut self.placed {
            let is_gone = |file: &String| self.files.get(file).is_some_and(|planned| planned.wanted.is_none());
            if placed.done == Done::Changed && placed.files.first().is_some_and(is_gone) {
                placed.done = Done::Removed;
            }
        }
        self.placed
    }
}

// === impl Planned ===

impl Planned {
    fn check_untouched(&self) -> Result<(), Error> {
        let Some(found) = &self.found else { return Ok(()) };
        let now = fs::symlink_metadata(&self.path).map_err(|source| failed(&self.path, "read", source))?;
        let of = |it: &fs::Metadata| (it.ino(), it.size(), it.mtime(), it.mtime_nsec());
        if of(&now) == of(found) { Ok(()) } else { Err(Error::Busy { file: self.path.clone() }) }
    }

    fn write(&self, root: &Path) -> Result<(), Error> {
        let Self { path, found, text, wanted, mode } = self;
        let owner = match (wanted, found) {
            (Some(wanted), _) if wanted == text && found.is_some() => return Ok(()),
            (None, _) => return fs::remove_file(path).map_err(|source| failed(path, "removed", source)),
            (Some(wanted), Some(found)) => {
                write_atomically(path, wanted.as_bytes(), *mode).map_err(|source| failed(path, "written", source))?;
                Ok(found.clone())
            }
            (Some(wanted), None) => {
                make_atomically(path, wanted.as_bytes(), *mode).map_err(|source| failed(path, "made", source))?;
                fs::metadata(root)
            }
        };
        // The new file is this user's; as root it goes back to whom the old one, or the directory, belongs.
        if let Ok(owner) = owner {
            let _ = chown(path, Some(owner.uid()), Some(owner.gid()));
        }
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(*mode));
        Ok(())
    }
}

/// The file for an object that has none: kind, namespace if it has one, and name. Neither kinds nor namespaces have dots.
fn file_of(id: &ObjectId) -> String {
    let kind = id.kind.to_string().to_ascii_lowercase();
    let namespace = if id.namespace.is_empty() { String::new() } else { format!("{}.", id.namespace) };
    format!("{kind}.{namespace}{}.yaml", id.name)
}

/// The edited text must hold the object as `document` declares it, and nothing may be wrong that was not before.
fn holds(path: &Path, file: &str, id: &ObjectId, before: &str, after: &str, document: &str) -> Result<(), Error> {
    if let Some(finding) = added_error(file, Some(id), before, after) {
        return Err(Error::Invalid { id: id.clone(), file: path.to_owned(), finding: Box::new(finding) });
    }
    let declared =
        |text: &str| -> Option<Object> { parse_file(file, text).objects.into_iter().find(|object| object.id == *id) };
    match (declared(after), declared(document)) {
        (Some(after), Some(given)) if after.meta == given.meta && after.spec == given.spec => Ok(()),
        (_, None) => Err(Error::NotFound(id.clone())),
        _ => Err(uneditable(id, path, ripstop_api::edit::EditError::Unsafe(id.clone()))),
    }
}

/// The documents that declare `ids` in `file`.
pub(crate) fn documents(root: &Path, file: &str, ids: &[ObjectId]) -> Vec<Result<String, Error>> {
    let path = root.join(file);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let found = documents_of(&text, ids).into_iter().zip(ids);
            found.map(|(document, id)| document.map_err(|source| uneditable(id, &path, source))).collect()
        }
        Err(source) => {
            let (kind, message) = (source.kind(), source.to_string());
            ids.iter().map(|_| Err(failed(&path, "read", io::Error::new(kind, message.clone())))).collect()
        }
    }
}
