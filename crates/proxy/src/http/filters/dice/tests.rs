use super::*;

#[test]
fn nothing_and_all() {
    for random in [0, 1, u32::MAX / 2, u32::MAX] {
        assert!(!falls(Share::NONE, random));
        assert!(falls(Share::ALL, random));
    }
}

#[test]
fn a_share_is_met_exactly_at_its_edge() {
    let half = Share::from_percent(50.0);
    assert!(falls(half, u32::MAX / 2));
    assert!(!falls(half, u32::MAX / 2 + 1));
    // 2^32 / 10^6 = 4294.97: the first millionth ends there.
    let least = Share::from_millionths(1).unwrap();
    assert!(falls(least, 4294));
    assert!(!falls(least, 4295));
}
