//! Expressions whose values nobody can count.

/// Attributes that differ from request to request, or that callers choose.
const UNBOUNDED: [&str; 16] = [
    "connection.id",
    "request.duration",
    "request.headers",
    "request.host",
    "request.id",
    "request.path",
    "request.query",
    "request.referer",
    "request.size",
    "request.time",
    "request.total_size",
    "request.url_path",
    "request.useragent",
    "response.headers",
    "source.address",
    "source.ip",
];

/// What is asked of an attribute that can only be true or false.
const QUESTIONS: [&str; 7] = [".startsWith(", ".endsWith(", ".contains(", ".matches(", "==", "!=", "in "];

/// The first attribute without bounds whose value may become that of `expression`: CEL, or an older
/// expression (`request.headers['x'] | 'unknown'`).
pub(super) fn unbounded(expression: &str) -> Option<&'static str> {
    let text = without_literals(expression);
    let mut found: Vec<(usize, &str)> = Vec::new();
    for attribute in UNBOUNDED {
        let places = text.match_indices(attribute).map(|(at, _)| at);
        found.extend(places.filter(|at| stands_alone(&text, *at, attribute)).map(|at| (at, attribute)));
    }
    found.into_iter().min().map(|(_, attribute)| attribute)
}

/// Whether the attribute is there as such, and its value is not just asked about.
fn stands_alone(text: &str, at: usize, attribute: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let before = text[..at].chars().next_back();
    let after = &text[at + attribute.len()..];
    if before.is_some_and(|c| is_name(c) || c == '.') || after.starts_with(is_name) {
        return false;
    }
    let mut rest = after.trim_start();
    if let Some((_, behind)) = rest.strip_prefix('[').and_then(|index| index.split_once(']')) {
        rest = behind.trim_start();
    }
    !QUESTIONS.iter().any(|question| rest.starts_with(question)) && !text[..at].trim_end().ends_with("has(")
}

/// The same text, with literals empty.
fn without_literals(expression: &str) -> String {
    let mut text = String::with_capacity(expression.len());
    let mut open = None;
    let mut escaped = false;
    for c in expression.chars() {
        match open {
            None => {
                text.push(c);
                open = (c == '\'' || c == '"').then_some(c);
            }
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(quote) if c == quote => {
                text.push(c);
                open = None;
            }
            Some(_) => {}
        }
    }
    text
}
