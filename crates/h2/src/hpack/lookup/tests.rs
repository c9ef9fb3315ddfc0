use super::*;

fn place(set: u64, rest: u64) -> u64 {
    rest << 32 | set
}

#[test]
fn nothing_is_found_before_the_first_entry() {
    assert_eq!(Lookup::default().find(7, 1, |_| true), None);
}

#[test]
fn an_entry_is_found_by_its_age_if_confirmed() {
    let mut lookup = Lookup::default();
    lookup.insert(place(3, 9), 1, 4096);
    lookup.insert(place(3, 9), 2, 4096);
    assert_eq!(lookup.find(place(3, 9), 5, |_| true), Some(3));
    assert_eq!(lookup.find(place(3, 9), 5, |age| age != 3), Some(4));
    assert_eq!(lookup.find(place(3, 9), 5, |_| false), None);
    assert_eq!(lookup.find(place(3, 8), 5, |_| true), None);
    assert_eq!(lookup.find(place(4, 9), 5, |_| true), None);
}

#[test]
fn the_oldest_of_a_set_is_forgotten() {
    let mut lookup = Lookup::default();
    for number in 1..=5 {
        lookup.insert(place(0, number.into()), number, 4096);
    }
    assert_eq!(lookup.find(place(0, 1), 5, |_| true), None);
    assert_eq!(
        (2..=5).map(|rest| lookup.find(place(0, rest), 5, |_| true)).collect::<Vec<_>>(),
        [Some(3), Some(2), Some(1), Some(0)]
    );
}

#[test]
fn numbers_may_start_over() {
    let mut lookup = Lookup::default();
    lookup.insert(place(0, 1), u32::MAX, 4096);
    assert_eq!(lookup.find(place(0, 1), 1, |_| true), Some(2));
}

#[test]
fn room_follows_the_table() {
    let mut lookup = Lookup::default();
    lookup.insert(0, 1, 4096);
    assert_eq!(lookup.sets.len(), 32);
    let mut lookup = Lookup::default();
    lookup.insert(0, 1, 40);
    assert_eq!(lookup.sets.len(), 1);
}
