use super::*;

#[test]
fn bounds_are_written_and_hold() {
    let cases = [
        (Bound::Below(65.0), "< 65.0", 64.9, 65.0),
        (Bound::Above(33_000.0), "> 33.0k", 33_001.0, 33_000.0),
        (Bound::AtMost(24.0), "24.0", 24.0, 24.1),
        (Bound::AtLeast(52_000.0), "52.0k", 52_000.0, 51_999.0),
        (Bound::OverRelay(8.0), "relay + 8.00", 58.0, 58.1),
        (Bound::OfRelay(0.9), "0.9 × relay", 45.0, 44.9),
        (Bound::OverMesh(2.0), "mesh + 2.00", 42.0, 42.1),
    ];
    let beside = Beside { relay: Some(50.0), mesh: Some(40.0) };
    for (bound, text, good, bad) in cases {
        assert_eq!(bound.text(), text);
        assert_eq!(bound.holds(beside, good), Some(true), "{text}");
        assert_eq!(bound.holds(beside, bad), Some(false), "{text}");
    }
    for bound in [Bound::OverRelay(8.0), Bound::OfRelay(0.9), Bound::OverMesh(2.0)] {
        assert_eq!(bound.holds(Beside::default(), 1.0), None);
    }
}
