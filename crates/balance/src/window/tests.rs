use super::*;

const MS: u64 = 1_000_000;

fn window() -> Window {
    let window = Window::default();
    window.set_interval(1_000 * MS);
    window
}

#[test]
fn what_happened_is_counted_for_an_interval() {
    let window = window();
    window.record(0);
    window.record(50 * MS);
    window.record(450 * MS);
    assert_eq!(window.count(450 * MS), 3);
    assert_eq!(window.count(999 * MS), 3);
    // A tenth expires as a whole.
    assert_eq!(window.count(1_000 * MS), 1);
    assert_eq!(window.count(1_399 * MS), 1);
    assert_eq!(window.count(1_400 * MS), 0);
}

#[test]
fn slots_are_used_again() {
    let window = window();
    (0..100).for_each(|tenth| window.record(tenth * 100 * MS));
    assert_eq!(window.count(9_900 * MS), 10);
    (0..7).for_each(|_| window.record(9_900 * MS));
    assert_eq!(window.count(9_900 * MS), 17);
    assert_eq!(window.count(1_000_000 * MS), 0);
}

#[test]
fn without_an_interval_nothing_is_kept() {
    let window = Window::default();
    window.record(1);
    assert_eq!(window.count(1), 0);
}

#[test]
fn another_interval_starts_from_nothing_and_the_same_does_not() {
    let window = window();
    window.record(0);
    window.set_interval(1_000 * MS);
    assert_eq!(window.count(0), 1);
    window.set_interval(500 * MS);
    assert_eq!(window.count(0), 0);
    window.record(0);
    assert_eq!([window.count(499 * MS), window.count(500 * MS)], [1, 0]);
    window.set_interval(0);
    assert_eq!(window.count(0), 0);
}

#[test]
fn numbers_of_tenths_may_wrap() {
    let window = window();
    let end = (u64::from(u32::MAX)) * 100 * MS;
    window.record(end);
    window.record(end + 100 * MS);
    assert_eq!(window.count(end + 200 * MS), 2);
    assert_eq!(window.count(end + 1_000 * MS), 1);
}

#[test]
fn an_interval_of_nanoseconds_is_kept_too() {
    let window = Window::default();
    window.set_interval(5);
    window.record(100);
    assert_eq!([window.count(100), window.count(109), window.count(110)], [1, 1, 0]);
}
