use super::*;

#[test]
fn the_first_hit_is_told_at_once() {
    let mut counts = LinkCounts::default();
    assert!(!counts.take(100, 0));
    assert!(counts.take(60, 2));
    assert!(!counts.take(60, 1));
    assert_eq!(counts.line(), "{\"packets\":3,\"bytes\":220,\"marker_hits\":3,\"dropped\":0}\n");
}
