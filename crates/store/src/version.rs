//! One state of one file.

use std::{fmt::Write as _, sync::Arc};

use ripstop_api::{Finding, Level, ObjectId, Parsed};
use sha2::{Digest as _, Sha256};

/// What a file holds at some moment.
#[derive(Clone, Debug)]
pub(crate) enum Version {
    /// It could be read.
    Text(Arc<Content>),
    /// It could not be read.
    Failed(Arc<Finding>),
}

/// A text and what it says.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) text: Arc<str>,
    /// Hash of the text, in hexadecimal.
    pub(crate) hash: Arc<str>,
    pub(crate) parsed: Parsed,
}

// === impl Version ===

impl Version {
    pub(crate) fn of_text(file: &str, text: &str) -> Self {
        Self::Text(Arc::new(Content::new(file, text)))
    }

    /// Whether both hold the same.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.hash == b.hash,
            (Self::Failed(a), Self::Failed(b)) => a == b,
            _ => false,
        }
    }

    /// Whether everything in it is good.
    pub(crate) fn is_clean(&self) -> bool {
        match self {
            Self::Text(content) => content.error_free(),
            Self::Failed(_) => false,
        }
    }

    /// Length of the text in bytes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(content) => content.text.len(),
            Self::Failed(_) => 0,
        }
    }

    pub(crate) fn content(&self) -> Option<&Arc<Content>> {
        match self {
            Self::Text(content) => Some(content),
            Self::Failed(_) => None,
        }
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        match self {
            Self::Text(content) => &content.parsed.findings,
            Self::Failed(finding) => std::slice::from_ref(finding),
        }
    }

    /// Whether it may hold objects whose names cannot be told.
    pub(crate) fn hides_objects(&self) -> bool {
        match self {
            Self::Text(content) => {
                let nameless = |finding: &Finding| finding.level == Level::Error && finding.object.is_none();
                content.parsed.unreadable || content.parsed.findings.iter().any(nameless)
            }
            Self::Failed(_) => true,
        }
    }

    /// Objects in it, good or broken.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &ObjectId> {
        let parsed = self.content().map(|content| &content.parsed);
        let good = parsed.into_iter().flat_map(|parsed| parsed.objects.iter().map(|object| &object.id));
        let broken = parsed.into_iter().flat_map(|parsed| parsed.broken.iter());
        good.chain(broken)
    }
}

// === impl Content ===

impl Content {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        let parsed = ripstop_api::parse_file(file, text);
        Self { text: text.into(), hash: hash(text).into(), parsed }
    }

    fn error_free(&self) -> bool {
        !self.parsed.unreadable
            && self.parsed.broken.is_empty()
            && !self.parsed.findings.iter().any(|finding| finding.level == Level::Error)
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
        hex
    })
}
