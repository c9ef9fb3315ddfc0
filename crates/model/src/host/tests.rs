use std::cmp::Ordering;

use super::HostPattern;

fn host(text: &str) -> HostPattern {
    HostPattern::new(text)
}

#[test]
fn wildcards_match_subdomains_only() {
    assert!(host("*.a.com").contains("x.a.com") && host("*.a.com").contains("y.x.a.com"));
    assert!(!host("*.a.com").contains("a.com") && !host("*.a.com").contains(".a.com"));
    assert!(host("A.com.").contains("a.com") && host("*").contains("anything"));
}

#[test]
fn two_relations() {
    for (a, b, within, overlaps) in [
        ("*.a.com", "*.com", true, true),
        ("*.com", "*.a.com", false, true),
        ("x.a.com", "*.com", true, true),
        ("*.com", "x.a.com", false, true),
        ("*", "x.a.com", false, true),
        ("x.a.com", "*", true, true),
        ("*.a.com", "*.b.com", false, false),
        ("*.a.com", "a.com", false, false),
        ("*.aa.com", "*.a.com", false, false),
    ] {
        assert_eq!(host(a).is_within(&host(b)), within, "{a} within {b}");
        assert_eq!(host(a).overlaps(&host(b)), overlaps, "{a} overlaps {b}");
    }
}

#[test]
fn specificity() {
    let sorted = ["aaaa.com", "a.com", "b.com", "*.a.com", "*.com", "*"];
    for pair in sorted.windows(2) {
        assert_eq!(host(pair[0]).by_specificity(&host(pair[1])), Ordering::Less, "{pair:?}");
    }
}
