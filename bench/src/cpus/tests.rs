use super::*;

#[test]
fn the_first_ones_of_a_list() {
    assert_eq!(Cpus::One.first_of("0-1").as_deref(), Some("0"));
    assert_eq!(Cpus::Two.first_of("0-1").as_deref(), Some("0,1"));
    assert_eq!(Cpus::Two.first_of("3,8-9\n").as_deref(), Some("3,8"));
    assert_eq!(Cpus::Two.first_of("5"), None);
    assert_eq!(Cpus::One.first_of("none"), None);
}
