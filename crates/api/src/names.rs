//! How names, labels and ports must be spelled, and what a misspelled one was probably meant to be.

/// Longest DNS label (RFC 1123).
pub(crate) const LABEL: usize = 63;

/// A DNS label of at most `longest` characters, or why it is none.
pub(crate) fn dns_label(text: &str, longest: usize) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    length(text, longest)?;
    edges(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), "a lower-case letter or digit")?;
    characters(text, allowed, "lower-case letters, digits and `-`")
}

/// DNS labels joined by dots, at most 253 characters, or why it is not that.
pub(crate) fn dns_name(text: &str) -> Result<(), String> {
    length(text, 253)?;
    text.split('.').try_for_each(|label| dns_label(label, LABEL))
}

/// Name of a port (RFC 6335): at most 15 lower-case letters, digits and single `-`, with a letter.
pub(crate) fn port_name(text: &str) -> Result<(), String> {
    dns_label(text, 15)?;
    if !text.contains(|c: char| c.is_ascii_lowercase()) {
        return Err("it has no letter".into());
    }
    if text.contains("--") { Err("it has `--`".into()) } else { Ok(()) }
}

/// Key of a label or annotation: `[prefix/]name`.
pub(crate) fn qualified_name(text: &str) -> Result<(), String> {
    let name = match text.split_once('/') {
        Some((prefix, name)) => {
            dns_name(prefix).map_err(|why| format!("the part before `/`: {why}"))?;
            name
        }
        None => text,
    };
    label_text(name)
}

/// Value of a label; it may be empty.
pub(crate) fn label_value(text: &str) -> Result<(), String> {
    if text.is_empty() { Ok(()) } else { label_text(text) }
}

/// Name of an environment variable.
pub(crate) fn env_name(text: &str) -> Result<(), String> {
    length(text, 1024)?;
    characters(text, |c| c.is_ascii_graphic() && c != '=', "printable ASCII without blanks and `=`")
}

/// A SPIFFE trust domain (SPIFFE-ID, 2.1).
pub(crate) fn trust_domain(text: &str) -> Result<(), String> {
    length(text, 255)?;
    characters(
        text,
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c),
        "lower-case letters, digits, `-`, `.` and `_`",
    )
}

/// Segment of a workload uid.
pub(crate) fn cluster_id(text: &str) -> Result<(), String> {
    label_text(text)
}

/// The nearest of `candidates`, if one is near enough to have been meant.
pub fn nearest<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = simplified(text);
    let limit = 1 + plain.len() / 4;
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let simple = simplified(candidate);
            let begins =
                plain.len().min(simple.len()) > 2 && (plain.starts_with(&simple) || simple.starts_with(&plain));
            // So many letters have to be added or removed at least; to count all costs much more.
            if !begins && plain.len().abs_diff(simple.len()) > limit {
                return None;
            }
            let distance = distance(&plain, &simple);
            Some((if begins { distance.min(1) } else { distance }, distance, candidate))
        })
        .filter(|(score, _, candidate)| *score <= limit && *score < candidate.len())
        // Of two that are as likely, the one with fewer letters to change.
        .min_by_key(|(score, distance, _)| (*score, *distance))
        .map(|(.., candidate)| candidate)
}

/// A DNS label made of `text`.
pub(crate) fn as_dns_label(text: &str, longest: usize) -> Option<String> {
    let label: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(longest)
        .collect();
    let label = label.trim_matches('-');
    (!label.is_empty()).then(|| label.to_owned())
}

fn label_text(text: &str) -> Result<(), String> {
    length(text, LABEL)?;
    edges(text, |c| c.is_ascii_alphanumeric(), "a letter or digit")?;
    characters(text, |c| c.is_ascii_alphanumeric() || "-._".contains(c), "letters, digits, `-`, `_` and `.`")
}

fn length(text: &str, longest: usize) -> Result<(), String> {
    match text.chars().count() {
        0 => Err("it is empty".into()),
        n if n > longest => Err(format!("it has {n} characters, at most {longest} are allowed")),
        _ => Ok(()),
    }
}

fn edges(text: &str, allowed: impl Fn(char) -> bool, what: &str) -> Result<(), String> {
    if text.starts_with(&allowed) && text.ends_with(&allowed) {
        Ok(())
    } else {
        Err(format!("it must begin and end with {what}"))
    }
}

fn characters(text: &str, allowed: impl Fn(char) -> bool, what: &str) -> Result<(), String> {
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(format!("`{}` is not allowed, only {what}", c.escape_debug())),
        None => Ok(()),
    }
}

/// Lower case, without `_`, `-` and anything after 64 characters.
fn simplified(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '_' | '-')).take(64).map(|c| c.to_ascii_lowercase()).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
