//! Two texts compared line by line.

use std::fmt::Write as _;

/// Lines around a change.
const CONTEXT: usize = 3;
/// Pairs of lines to compare; beyond that, all lines between the first and the last change count as changed.
const LARGEST: usize = 4 << 20;

/// The differences as `diff -u` shows them; empty if there are none.
pub(super) fn unified(name: &str, before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let edits = edits(&before, &after);
    let mut out = String::new();
    let mut shown = 0;
    while let Some(first) = edits.iter().skip(shown).position(|edit| !matches!(edit, Edit::Keep(..))) {
        let start = (shown + first).saturating_sub(CONTEXT).max(shown);
        let mut end = shown + first;
        let mut kept = 0;
        for (at, edit) in edits.iter().enumerate().skip(end) {
            kept = if matches!(edit, Edit::Keep(..)) { kept + 1 } else { 0 };
            if kept == 0 {
                end = at + 1;
            } else if kept > 2 * CONTEXT {
                break;
            }
        }
        let end = (end + CONTEXT).min(edits.len());
        if out.is_empty() {
            let _ = write!(out, "--- {name}\n+++ {name} (formatted)\n");
        }
        hunk(&edits[start..end], [&edits[..start], &edits[start..end]], &mut out);
        shown = end;
    }
    out
}

enum Edit<'t> {
    Keep(&'t str),
    Remove(&'t str),
    Add(&'t str),
}

fn hunk(edits: &[Edit<'_>], [above, inside]: [&[Edit<'_>]; 2], out: &mut String) {
    let old = |edits: &[Edit<'_>]| edits.iter().filter(|edit| !matches!(edit, Edit::Add(_))).count();
    let new = |edits: &[Edit<'_>]| edits.iter().filter(|edit| !matches!(edit, Edit::Remove(_))).count();
    // A side without lines names the line before.
    let start = |above: usize, inside: usize| if inside == 0 { above } else { above + 1 };
    let (old_start, new_start) = (start(old(above), old(inside)), start(new(above), new(inside)));
    let _ = writeln!(out, "@@ -{old_start},{} +{new_start},{} @@", old(inside), new(inside));
    for edit in edits {
        let (sign, line) = match edit {
            Edit::Keep(line) => (' ', line),
            Edit::Remove(line) => ('-', line),
            Edit::Add(line) => ('+', line),
        };
        let _ = write!(out, "{sign}{line}");
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// The fewest edits, by the longest common subsequence.
fn edits<'t>(before: &[&'t str], after: &[&'t str]) -> Vec<Edit<'t>> {
    let head = before.iter().zip(after).take_while(|(before, after)| before == after).count();
    let (old, new) = (&before[head..], &after[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(before, after)| before == after).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let mut edits: Vec<Edit<'t>> = before[..head].iter().map(|line| Edit::Keep(line)).collect();
    if old.len().saturating_mul(new.len()) > LARGEST {
        edits.extend(old.iter().map(|line| Edit::Remove(line)));
        edits.extend(new.iter().map(|line| Edit::Add(line)));
    } else {
        between(old, new, &mut edits);
    }
    edits.extend(before[before.len() - tail..].iter().map(|line| Edit::Keep(line)));
    edits
}

fn between<'t>(old: &[&'t str], new: &[&'t str], edits: &mut Vec<Edit<'t>>) {
    let width = new.len() + 1;
    // Of each pair of ends, the length of what is common.
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            edits.push(Edit::Keep(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            edits.push(Edit::Remove(old[i]));
            i += 1;
        } else {
            edits.push(Edit::Add(new[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn changes_have_lines_around_them() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15";
        let after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n";
        assert_eq!(
            unified("a", before, after),
            "--- a\n+++ a (formatted)\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -12,4 +12,4 @@\n 12\n 13\n 14\n-15\n\\ No newline at end of file\n+15\n"
        );
        assert_eq!(unified("a", "", "b\n"), "--- a\n+++ a (formatted)\n@@ -0,0 +1,1 @@\n+b\n");
        assert_eq!(unified("a", "b\n\n\n", "b\n"), "--- a\n+++ a (formatted)\n@@ -1,3 +1,1 @@\n b\n-\n-\n");
        assert_eq!(unified("a", "b\n", "b\n"), "");
    }

    #[test]
    fn near_changes_share_a_hunk() {
        let diff = unified("a", "a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n");
        assert_eq!(diff.matches("@@ -").count(), 1, "{diff}");
        let diff = unified("a", "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n");
        assert_eq!(diff.matches("@@ -").count(), 2, "{diff}");
    }

    #[test]
    fn many_lines_are_compared_in_bounded_time() {
        let (before, after) = ("a\n".repeat(10_000), "b\n".repeat(10_000));
        assert_eq!(unified("a", &before, &after).lines().count(), 20_003);
    }
}
