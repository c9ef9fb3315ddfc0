//! Prometheus' text format 0.0.4.

use std::{borrow::Cow, fmt::Write as _};

/// Content type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes labels one after the other.
#[derive(Debug, Default)]
pub(crate) struct LabelWriter {
    out: String,
}

/// Writes the `# HELP` and `# TYPE` lines of a metric.
pub fn header(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

/// Writes a metric without labels, with its header.
pub fn single(out: &mut String, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
    header(out, name, kind, help);
    let _ = writeln!(out, "{name} {value}");
}

/// Escapes a label value.
pub fn escape(value: &str) -> Cow<'_, str> {
    if value.contains(['\\', '"', '\n']) {
        Cow::Owned(value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
    } else {
        Cow::Borrowed(value)
    }
}

// === impl LabelWriter ===

impl LabelWriter {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes) }
    }

    pub fn label(&mut self, name: &str, value: &str) {
        let separator = if self.out.is_empty() { "" } else { "," };
        let _ = write!(self.out, "{separator}{name}=\"{}\"", escape(value));
    }

    pub fn labels<const N: usize>(&mut self, names: [&str; N], values: [&str; N]) {
        for (name, value) in names.into_iter().zip(values) {
            self.label(name, value);
        }
    }

    /// What was written, without braces.
    pub fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
pub(crate) mod check;
#[cfg(test)]
mod tests;
