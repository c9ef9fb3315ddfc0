use super::*;

/// A new field of these kinds needs a row, and the test that shows it.
#[test]
fn every_field_has_a_row() {
    let all =
        TOLD.iter().flat_map(|(kind, page, below)| of(*kind, page, below).into_iter().map(move |gap| (*page, gap)));
    let gaps: Vec<String> =
        all.filter(|(page, gap)| !is_open(page, gap)).map(|(page, gap)| format!("{page} {gap}")).collect();
    assert!(gaps.is_empty(), "no row of xtask/src/fields/table tells of:\n{}", gaps.join("\n"));
}

/// What has its row is not open any more.
#[test]
fn what_is_open_is_missing() {
    for (page, name) in OPEN {
        let (kind, _, below) = TOLD.iter().find(|(_, told, _)| *told == page).unwrap();
        let missing = of(*kind, page, below).into_iter().any(|gap| is_open(page, &gap));
        assert!(missing, "{page} {name} has a row now: take it off the list OPEN");
    }
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
