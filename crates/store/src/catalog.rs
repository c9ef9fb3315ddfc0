//! Which objects exist, which file each comes from, and since when.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use ripstop_api::{Finding, Level, Object, ObjectId};

use crate::{
    Error,
    finding::{DECLARED_TWICE, of_object},
    version::{Content, Version},
};

/// All objects at one moment.
#[derive(Clone, Debug, Default)]
pub struct StoreSnapshot {
    /// Grows with every change; starts from 1 in each process.
    pub revision: u64,
    /// The objects that act.
    pub objects: Arc<BTreeMap<ObjectId, Arc<StoredObject>>>,
    /// What is wrong with the files, in order of file and position.
    pub findings: Arc<Vec<Finding>>,
}

/// An object and its history.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredObject {
    /// The object; its position is where it last stood in a good state.
    pub object: Arc<Object>,
    /// When it was first seen, in milliseconds since the epoch; kept over restarts.
    pub created_ms: u64,
    /// Starts at 1 and grows by 1 with each change of what it says; kept over restarts.
    pub generation: u64,
    /// Set when the file holds something broken in its place: when the state that acts was
    /// accepted, in milliseconds since the epoch.
    pub last_good_from: Option<u64>,
}

// === impl StoreSnapshot ===

impl StoreSnapshot {
    /// Why the document of `id` can't be had, for which `error` was told: its file may be broken.
    pub(crate) fn why_unread(&self, id: &ObjectId, root: &Path, error: Error) -> Error {
        let Some(stored) = self.objects.get(id).filter(|stored| stored.last_good_from.is_some()) else { return error };
        let file = &stored.object.source.position.file;
        let is_it = |finding: &&Finding| finding.level == Level::Error && finding.position.file == *file;
        let finding = self.findings.iter().find(is_it).cloned().map(Box::new);
        Error::Broken { id: id.clone(), file: root.join(file), finding }
    }
}

/// Objects by file and by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    files: BTreeMap<String, File>,
    next_file: u64,
    entries: BTreeMap<ObjectId, Entry>,
    /// Ages of objects whose last good text was lost.
    ages: BTreeMap<String, Age>,
}

#[derive(Clone, Debug)]
struct File {
    /// Order in which files were first seen.
    order: u64,
    version: Version,
}

#[derive(Clone, Debug)]
struct Entry {
    stored: Arc<StoredObject>,
    file: String,
    /// The text in which it was last good.
    content: Arc<Content>,
    /// When that state was accepted.
    accepted_ms: u64,
}

/// What is remembered of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Age {
    pub(crate) created_ms: u64,
    pub(crate) generation: u64,
    pub(crate) accepted_ms: u64,
    /// File that it comes from.
    pub(crate) file: String,
    /// Hash of the text in which it was last good.
    pub(crate) text: Arc<str>,
}

/// What has to outlive the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    /// By name of the object.
    pub(crate) objects: BTreeMap<String, Age>,
    /// Texts by hash.
    pub(crate) texts: BTreeMap<Arc<str>, Arc<str>>,
}

// === impl Catalog ===

impl Catalog {
    /// Starts from what an earlier process saved. Nothing of it acts before [`Self::resolve`] has
    /// seen the files.
    pub(crate) fn restore(saved: Saved) -> Self {
        let mut catalog = Self { ages: saved.objects, ..Self::default() };
        let mut wanted: BTreeSet<(Arc<str>, String)> = BTreeSet::new();
        for age in catalog.ages.values() {
            wanted.insert((age.text.clone(), age.file.clone()));
        }
        for (hash, file) in wanted {
            let Some(text) = saved.texts.get(&hash) else { continue };
            let content = Arc::new(Content::new(&file, text));
            if content.hash != hash {
                continue; // damaged on disk
            }
            for object in &content.parsed.objects {
                let name = object.id.to_string();
                if catalog.ages.get(&name).is_some_and(|age| age.text == hash && age.file == file) {
                    // Just looked up: it is there.
                    let Some(age) = catalog.ages.remove(&name) else { continue };
                    let stored = StoredObject {
                        object: Arc::new(object.clone()),
                        created_ms: age.created_ms,
                        generation: age.generation,
                        last_good_from: None,
                    };
                    catalog.entries.insert(
                        object.id.clone(),
                        Entry {
                            stored: Arc::new(stored),
                            file: file.clone(),
                            content: content.clone(),
                            accepted_ms: age.accepted_ms,
                        },
                    );
                }
            }
        }
        catalog
    }

    /// Takes in a file's new state; nothing: it is gone.
    pub(crate) fn accept(&mut self, file: &str, version: Option<Version>) {
        match (version, self.files.get_mut(file)) {
            (Some(version), Some(known)) => known.version = version,
            (Some(version), None) => {
                self.files.insert(file.to_owned(), File { order: self.next_file, version });
                self.next_file += 1;
            }
            (None, _) => {
                self.files.remove(file);
            }
        }
    }

    /// The objects that there are now, and what is wrong; of `is_blind` see [`Self::resolve`].
    pub(crate) fn into_snapshot(mut self, now_ms: u64, is_blind: impl Fn(&str) -> bool) -> StoreSnapshot {
        let declared_twice = self.resolve(now_ms, is_blind);
        let mut findings = self.findings();
        findings.extend(declared_twice);
        findings.sort_by(|a, b| a.position.cmp(&b.position));
        StoreSnapshot { revision: 1, objects: Arc::new(self.objects()), findings: Arc::new(findings) }
    }

    /// Works out which objects there are now; the findings about objects in two files come back.
    /// `blind` files are not known at the moment and keep their objects.
    pub(crate) fn resolve(&mut self, now_ms: u64, is_blind: impl Fn(&str) -> bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        let hides = |file: &str| match self.files.get(file) {
            Some(file) => file.version.hides_objects(),
            None => is_blind(file),
        };
        let claims = self.claims();
        let mut entries = BTreeMap::new();
        for (id, files) in &claims {
            let known = self.entries.get(id);
            let age = if self.ages.is_empty() { None } else { self.ages.get(&id.to_string()) };
            let home = known.map(|entry| &entry.file).or(age.map(|age| &age.file));
            let at_home = files.iter().find(|claim| Some(claim.file) == home.map(String::as_str));
            if let (None, Some(known)) = (at_home, known)
                && hides(&known.file)
            {
                // It may well still be in there.
                entries.insert(id.clone(), known.as_last_good());
                let others = files.iter().filter_map(|claim| claim.object);
                findings.extend(others.map(|object| declared_twice(object, &known.stored.object)));
                continue;
            }
            let owner = at_home.or_else(|| files.iter().find(|claim| claim.object.is_some())).or(files.first());
            let Some(owner) = owner else { continue };
            let entry = match (owner.object, known) {
                (Some(object), _) => good(object, owner, known, age, now_ms),
                (None, Some(known)) => known.as_last_good(),
                (None, None) => continue,
            };
            let others = files.iter().filter(|claim| claim.file != owner.file).filter_map(|claim| claim.object);
            findings.extend(others.map(|object| declared_twice(object, &entry.stored.object)));
            entries.insert(id.clone(), entry);
        }
        for (id, entry) in &self.entries {
            if !claims.contains_key(id) && hides(&entry.file) {
                entries.insert(id.clone(), entry.as_last_good());
            }
        }
        if !self.ages.is_empty() {
            let claimed: BTreeSet<String> = claims.keys().map(ToString::to_string).collect();
            let acting: BTreeSet<String> = entries.keys().map(ToString::to_string).collect();
            let kept = self
                .ages
                .iter()
                .filter(|(name, age)| (claimed.contains(*name) || hides(&age.file)) && !acting.contains(*name));
            self.ages = kept.map(|(name, age)| (name.clone(), age.clone())).collect();
        }
        self.entries = entries;
        findings
    }

    /// The file that `id` comes from.
    pub(crate) fn file_of(&self, id: &ObjectId) -> Option<&str> {
        self.entries.get(id).map(|entry| entry.file.as_str())
    }

    /// The file that declares `id`, though it has never been good.
    pub(crate) fn claimant_of(&self, id: &ObjectId) -> Option<&str> {
        self.files
            .iter()
            .find(|(_, file)| file.version.claims().any(|claimed| claimed == id))
            .map(|(name, _)| name.as_str())
    }

    /// All files that declare `id`, broken or good, the one that it comes from in front.
    pub(crate) fn files_of(&self, id: &ObjectId) -> Vec<String> {
        let claims = |(_, file): &(&String, &File)| file.version.claims().any(|claimed| claimed == id);
        let mut files: Vec<String> = self.files.iter().filter(claims).map(|(name, _)| name.clone()).collect();
        files.sort_by_key(|name| Some(name.as_str()) != self.file_of(id));
        files
    }

    /// What is wrong with the file that `id` comes from, if that does not say any more that it declares it.
    pub(crate) fn broken(&self, root: &Path, id: &ObjectId) -> Option<Error> {
        let file = self.file_of(id).filter(|_| self.claimant_of(id).is_none())?;
        let mut findings = self.files.get(file).into_iter().flat_map(|file| file.version.findings());
        let finding = findings.find(|finding| finding.level == Level::Error).cloned().map(Box::new);
        Some(Error::Broken { id: id.clone(), file: root.join(file), finding })
    }

    /// All objects that act.
    pub(crate) fn objects(&self) -> BTreeMap<ObjectId, Arc<StoredObject>> {
        self.entries.iter().map(|(id, entry)| (id.clone(), entry.stored.clone())).collect()
    }

    /// Findings of all files as they are.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.files.values().flat_map(|file| file.version.findings()).cloned().collect()
    }

    /// What has to outlive this process.
    pub(crate) fn saved(&self) -> Saved {
        let mut saved = Saved { objects: self.ages.clone(), texts: BTreeMap::new() };
        for (id, entry) in &self.entries {
            saved.texts.insert(entry.content.hash.clone(), entry.content.text.clone());
            saved.objects.insert(
                id.to_string(),
                Age {
                    created_ms: entry.stored.created_ms,
                    generation: entry.stored.generation,
                    accepted_ms: entry.accepted_ms,
                    file: entry.file.clone(),
                    text: entry.content.hash.clone(),
                },
            );
        }
        saved
    }

    /// Who declares what, the file that was seen first in front.
    fn claims(&self) -> BTreeMap<ObjectId, Vec<Claim<'_>>> {
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by_key(|(_, file)| file.order);
        let mut claims: BTreeMap<ObjectId, Vec<Claim<'_>>> = BTreeMap::new();
        for (name, file) in files {
            let Some(content) = file.version.content() else { continue };
            for object in &content.parsed.objects {
                let claim = Claim { file: name, object: Some(object), content };
                claims.entry(object.id.clone()).or_default().push(claim);
            }
            for id in &content.parsed.broken {
                claims.entry(id.clone()).or_default().push(Claim { file: name, object: None, content });
            }
        }
        claims
    }
}

/// The objects that texts (each with the name of its file) declare, all first seen at once: of two of
/// one name the first stays.
pub fn read_texts(texts: impl IntoIterator<Item = (String, String)>) -> StoreSnapshot {
    let mut catalog = Catalog::default();
    for (file, text) in texts {
        catalog.accept(&file, Some(Version::of_text(&file, &text)));
    }
    catalog.into_snapshot(1, |_| false)
}

/// A file that holds an object, good or (nothing) broken.
struct Claim<'a> {
    file: &'a str,
    object: Option<&'a Object>,
    content: &'a Arc<Content>,
}

/// The entry of an object that is good now.
fn good(object: &Object, claim: &Claim<'_>, known: Option<&Entry>, age: Option<&Age>, now_ms: u64) -> Entry {
    let (created_ms, generation, accepted_ms) = match (known, age) {
        (Some(known), _) => {
            let StoredObject { object: old, created_ms, generation, .. } = &*known.stored;
            if old.meta == object.meta && old.spec == object.spec {
                (*created_ms, *generation, known.accepted_ms)
            } else {
                (*created_ms, generation + 1, now_ms)
            }
        }
        (None, Some(age)) => (age.created_ms, age.generation + 1, now_ms),
        (None, None) => (now_ms, 1, now_ms),
    };
    let stored = StoredObject { object: Arc::new(object.clone()), created_ms, generation, last_good_from: None };
    let stored = match known {
        Some(known) if *known.stored == stored => known.stored.clone(),
        _ => Arc::new(stored),
    };
    Entry { stored, file: claim.file.to_owned(), content: claim.content.clone(), accepted_ms }
}

fn declared_twice(object: &Object, first: &Object) -> Finding {
    let message = format!("{} is already declared at {}, which stays in effect", object.id, first.source.position);
    of_object(DECLARED_TWICE, &object.id, object.source.position.clone(), message, "remove one of the two")
}

// === impl Entry ===

impl Entry {
    fn as_last_good(&self) -> Self {
        let last_good_from = Some(self.accepted_ms);
        if self.stored.last_good_from == last_good_from {
            return self.clone();
        }
        Self { stored: Arc::new(StoredObject { last_good_from, ..(*self.stored).clone() }), ..self.clone() }
    }
}

#[cfg(test)]
mod tests;
