use super::*;

/// A new field of these kinds needs a row, and the test that shows it.
#[test]
fn every_field_has_a_row() {
    let all =
        TOLD.iter().flat_map(|(kind, page, below)| of(*kind, page, below).into_iter().map(move |gap| (*page, gap)));
    let gaps: Vec<String> =
        all.filter(|(page, gap)| !is_elsewhere(page, gap)).map(|(page, gap)| format!("{page} {gap}")).collect();
    assert!(gaps.is_empty(), "no row of xtask/src/fields/table tells of:\n{}", gaps.join("\n"));
}

/// Nobody is kept from having a row, and every name is that of a field.
#[test]
fn what_is_told_elsewhere_is_a_field_without_row() {
    for (page, why, names) in ELSEWHERE {
        for name in names {
            assert!(is_missing(page, name), "{page} {name} ({why:?}) has a row, or is no field");
        }
    }
}

/// Whether the page lacks a row for a field of that name.
fn is_missing(page: &str, name: &str) -> bool {
    let (kind, _, below) = TOLD.iter().find(|(_, told, _)| *told == page).unwrap();
    of(*kind, page, below).iter().any(|gap| covers(name, gap))
}

#[test]
fn rows_name_paths_in_short() {
    assert!(alternatives("a.b.c, d").iter().any(|path| path == "a.b.d"));
    assert!(alternatives("a: B, C, d[]").iter().any(|path| path == "d[]"));
    for (told, field, expected) in [
        ("a.b", "a.b", true),
        ("a.b", "a.b.c", true),
        ("a.b", "a.b[].c", true),
        ("a.b[]", "a.b", true),
        ("a.b", "a.bc", false),
        ("a.b.c", "a.b", false),
    ] {
        assert_eq!(covers(told, field), expected, "{told} {field}");
    }
}
