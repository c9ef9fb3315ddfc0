use super::*;

#[test]
fn two_versions_at_once_keep_what_they_found() {
    let mut found: PerVersion<&str, u32> = PerVersion::default();
    found.of(7).insert("a", 1);
    found.of(8).insert("a", 2);
    for _ in 0..3 {
        assert_eq!(found.of(7).get("a"), Some(&1));
        assert_eq!(found.of(8).get("a"), Some(&2));
    }
    // The one goes that was not asked for last.
    assert_eq!(found.of(9).get("a"), None);
    assert_eq!(found.of(8).get("a"), Some(&2));
    assert_eq!(found.of(7).get("a"), None);
}
