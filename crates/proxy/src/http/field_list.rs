//! Fields of a head, kept while a request is served.

use std::{cell::RefCell, ops::Range};

use ripstop_telemetry::Headers;

use super::filters::Fields;

/// Lists whose storage is kept for the next requests of a thread.
const KEPT: usize = 64;
/// What a list may have grown to and still be kept, in bytes.
const LARGEST: usize = 16 * 1024;

/// Fields in order, and what else belongs to their head, in one text. Names are lower case; what is no UTF-8 is there as
/// U+FFFD.
#[derive(Clone, Debug)]
pub struct FieldList {
    text: String,
    fields: Vec<(Span, Span)>,
}

/// A part of a list's text.
pub type Span = Range<usize>;

/// Text and fields of a list, empty.
type Storage = (String, Vec<(Span, Span)>);

thread_local! {
    static POOL: RefCell<Vec<Storage>> = const { RefCell::new(Vec::new()) };
}

// === impl FieldList ===

impl FieldList {
    /// With nothing in it.
    pub fn new() -> Self {
        let (text, fields) = POOL.with(|pool| pool.borrow_mut().pop()).unwrap_or_default();
        Self { text, fields }
    }

    /// With these fields.
    pub fn of<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Self {
        let mut list = Self::new();
        list.extend(fields);
        list
    }

    /// Adds fields.
    pub fn extend<'f>(&mut self, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) {
        for (name, value) in fields {
            let name = self.push(name);
            self.text[name.clone()].make_ascii_lowercase();
            let value = self.push(value);
            self.fields.push((name, value));
        }
    }

    /// Adds something that is no field.
    pub fn push(&mut self, bytes: &[u8]) -> Span {
        let begin = self.text.len();
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(text),
            Err(_) => self.text.push_str(&String::from_utf8_lossy(bytes)),
        }
        begin..self.text.len()
    }

    /// What was added.
    pub fn text(&self, span: &Span) -> &str {
        &self.text[span.clone()]
    }

    /// Fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (self.text(name), self.text(value)))
    }
}

impl Headers for FieldList {
    fn visit<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        for (_, value) in self.iter().filter(|(own, _)| *own == name) {
            visit(value.as_bytes());
        }
    }
}

impl Fields for FieldList {
    fn each<'s>(&'s self, visit: &mut dyn FnMut(&'s [u8], &'s [u8])) {
        self.iter().for_each(|(name, value)| visit(name.as_bytes(), value.as_bytes()));
    }
}

impl Drop for FieldList {
    fn drop(&mut self) {
        let (mut text, mut fields) = (std::mem::take(&mut self.text), std::mem::take(&mut self.fields));
        if text.capacity() > LARGEST {
            return;
        }
        text.clear();
        fields.clear();
        // A thread that is ending has no pool any more.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < KEPT {
                pool.push((text, fields));
            }
        });
    }
}
