//! One file into objects and findings.

use std::collections::BTreeMap;

use crate::{
    Finding, Object, ObjectId,
    decode::Decoder,
    document::{self, Outcome},
    finding::code,
    json, shape, split,
    tree::{Document, Mark, Node, Problem, limit},
    yaml,
};

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// Objects without an error, in the order of the text.
    pub objects: Vec<Object>,
    /// Objects that have an error and whose id could be read: their last good state must stay.
    pub broken: Vec<ObjectId>,
    /// Some document's id could not be read, so any object of the file may be meant: the last good state of all
    /// that the file held before must stay.
    pub unreadable: bool,
    /// Everything that is wrong or noteworthy, in the order of the text.
    pub findings: Vec<Finding>,
}

/// Reads a file's text: JSON if `file` ends in `.json`, else YAML. `file` is what positions name.
///
/// Never fails: what cannot be read is a finding, and an error in one document never loses another one.
pub fn parse_file(file: &str, text: &str) -> Parsed {
    if text.len() > limit::FILE {
        let mut decoder = Decoder::new(file, None);
        let message = format!("the file has {} bytes, at most {} are read", text.len(), limit::FILE);
        decoder.report_at(code::TOO_LARGE, "", Mark { line: 1, column: 1 }, message, "split it into several files");
        return Parsed { unreadable: true, findings: decoder.findings, ..Parsed::default() };
    }
    let mut parsed = Collector::new(file, text);
    if is_json(file) {
        for document in json::parse(text) {
            parsed.add(&document);
        }
    } else {
        for chunk in split::documents(text) {
            parsed.add(&yaml::parse(chunk));
            if parsed.is_full() {
                break;
            }
        }
    }
    parsed.finish()
}

/// Whether `file` is read as JSON.
pub(crate) fn is_json(file: &str) -> bool {
    file.len() >= 5 && file.get(file.len() - 5..).is_some_and(|end| end.eq_ignore_ascii_case(".json"))
}

struct Collector<'f> {
    file: &'f str,
    text: &'f str,
    parsed: Parsed,
    /// Line of every id so far, good or broken.
    lines: BTreeMap<ObjectId, u32>,
    /// The object of the document before, if it has no `spec`.
    without_spec: Option<ObjectId>,
}

// === impl Collector ===

impl<'f> Collector<'f> {
    fn new(file: &'f str, text: &'f str) -> Self {
        Self { file, text, parsed: Parsed::default(), lines: BTreeMap::new(), without_spec: None }
    }

    fn add(&mut self, document: &Document) {
        let without_spec = self.without_spec.take();
        let mut outcome = match (&document.problem, &document.root) {
            (Some(problem), root) => incomplete(self.file, problem, root.as_ref(), document.open.as_deref()),
            (None, Some(root)) => document::read(self.file, self.text, root),
            (None, None) => Outcome::default(),
        };
        if let Some(root) = &document.root {
            if let Some(before) = without_spec
                && is_rest(root)
            {
                self.hold_back(&before, &mut outcome);
            }
            if let [object] = outcome.objects.as_slice()
                && root.get("spec").is_none()
            {
                self.without_spec = Some(object.id.clone());
            }
        }
        // Of two objects of one name in a list the first counts, even if it is broken.
        for (id, line) in &outcome.broken {
            let before = |object: &Object| object.id == *id && object.source.position.line < *line;
            if !outcome.objects.iter().any(before) {
                self.lines.entry(id.clone()).or_insert(*line);
            }
        }
        for object in std::mem::take(&mut outcome.objects) {
            self.object(object);
        }
        for (id, line) in outcome.broken {
            self.lines.entry(id.clone()).or_insert(line);
            if !self.parsed.broken.contains(&id) && !self.parsed.objects.iter().any(|object| object.id == id) {
                self.parsed.broken.push(id);
            }
        }
        self.parsed.unreadable |= outcome.unreadable;
        self.parsed.findings.append(&mut outcome.findings);
    }

    /// Takes a good object, unless its id was there before.
    fn object(&mut self, object: Object) {
        let Some(first) = self.lines.get(&object.id) else {
            self.lines.insert(object.id.clone(), object.source.position.line);
            self.parsed.objects.push(object);
            return;
        };
        let mut decoder = Decoder::new(self.file, Some(object.id.clone()));
        let position = &object.source.position;
        let mark = Mark { line: position.line, column: position.column };
        let message = format!("this object is given twice, first in line {first}");
        decoder.report_at(
            code::REPEATED_OBJECT,
            "",
            mark,
            message,
            "the first one counts: rename or remove one of them",
        );
        self.parsed.findings.append(&mut decoder.findings);
    }

    /// A fragment that holds the `spec` of the object before it: that object is not what its author wrote.
    fn hold_back(&mut self, before: &ObjectId, outcome: &mut Outcome) {
        let Some(at) = self.parsed.objects.iter().position(|object| object.id == *before) else { return };
        self.parsed.objects.remove(at);
        self.parsed.broken.push(before.clone());
        if let Some(finding) = outcome.findings.iter_mut().find(|finding| finding.code == code::FRAGMENT.code) {
            finding.hint = format!("{before} above has no `spec` and is held back: remove the `---` between them");
        }
    }

    fn is_full(&mut self) -> bool {
        if self.parsed.findings.len() < limit::FINDINGS {
            return false;
        }
        let mut decoder = Decoder::new(self.file, None);
        let line = self.parsed.findings.last().map_or(1, |finding| finding.position.line);
        let message = "too many findings, the rest of the file is not read";
        decoder.report_at(code::TOO_LARGE, "", Mark { line, column: 1 }, message, "");
        self.parsed.findings.append(&mut decoder.findings);
        self.parsed.unreadable = true;
        true
    }

    fn finish(mut self) -> Parsed {
        self.parsed.findings.sort_by(|a, b| a.position.cmp(&b.position).then_with(|| a.code.cmp(b.code)));
        self.parsed
    }
}

/// A document whose text ends in an error: what is sure is only what was complete before.
fn incomplete(file: &str, problem: &Problem, root: Option<&Node>, open: Option<&str>) -> Outcome {
    let mut outcome = Outcome::default();
    let is_list = root.is_none_or(|root| root.mapping().is_none() || document::list_items(root).is_some());
    let id = root.filter(|_| !is_list).and_then(document::id).filter(|id| {
        // A namespace, or a name that may be left out, may still have followed.
        if root.is_none_or(|root| root.get("metadata").is_none()) {
            return false;
        }
        let named = root.and_then(|root| root.get("metadata")).is_some_and(|meta| meta.get("namespace").is_some());
        open != Some("metadata") || named || !id.kind.is_namespaced()
    });
    let mut decoder = Decoder::new(file, id);
    if let Some(mapping) = root.and_then(Node::mapping)
        && shape::lost_indentation(&mut decoder, mapping)
    {
        return Outcome { unreadable: true, findings: decoder.findings, ..outcome };
    }
    if let Some(repeated) = root.and_then(|root| shape::repeated_keys(&mut decoder, root)) {
        outcome.unreadable = true;
        outcome.broken.extend(repeated.into_iter().map(|id| (id, problem.mark.line)));
    }
    let code = if problem.too_large { code::TOO_LARGE } else { code::SYNTAX };
    decoder.report_at(code, "", problem.mark, &problem.message, &problem.hint);
    match decoder.object.take() {
        Some(id) => {
            let line = root.map_or(problem.mark.line, |root| root.mark.line);
            outcome.broken.push((id, line));
        }
        None => outcome.unreadable = true,
    }
    outcome.findings = decoder.findings;
    outcome
}

/// Whether a document is the rest of the one before it.
fn is_rest(root: &Node) -> bool {
    root.get("spec").is_some() && root.get("apiVersion").is_none() && root.get("kind").is_none()
}
