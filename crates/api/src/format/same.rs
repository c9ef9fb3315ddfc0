//! Whether two texts say the same.

use super::scan;
use crate::tree::{Document, Node, Value};

/// Whether two readings hold the same values, in the same order and spelling.
pub(super) fn documents(before: &[Document], after: &[Document]) -> bool {
    all(before, after, |before, after| {
        before.problem.is_none()
            && after.problem.is_none()
            && match (&before.root, &after.root) {
                (Some(before), Some(after)) => values(before, after),
                (before, after) => before.is_none() && after.is_none(),
            }
    })
}

/// Whether two texts differ in nothing but blanks and, at their end, blank lines: no line was lost, no comment moved.
pub(super) fn lines(before: &str, after: &str) -> bool {
    let rows = |text| {
        let rows: Vec<&str> = scan::lines(text).map(|(line, _)| line).collect();
        let used = rows.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
        (rows, used)
    };
    let ((before, used_before), (after, used_after)) = (rows(before), rows(after));
    let visible = |line: &'_ str| line.chars().filter(|c| !matches!(c, ' ' | '\t')).collect::<String>();
    all(&before[..used_before], &after[..used_after], |before, after| visible(before) == visible(after))
}

fn values(before: &Node, after: &Node) -> bool {
    match (&before.value, &after.value) {
        (Value::Scalar(before), Value::Scalar(after)) => before.text == after.text && before.style == after.style,
        (Value::Sequence(before), Value::Sequence(after)) => all(before, after, values),
        (Value::Mapping(before), Value::Mapping(after)) => {
            before.flow == after.flow
                && all(&before.entries, &after.entries, |before, after| {
                    before.key.text == after.key.text && values(&before.value, &after.value)
                })
        }
        _ => false,
    }
}

fn all<T>(before: &[T], after: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    before.len() == after.len() && before.iter().zip(after).all(|(before, after)| same(before, after))
}
