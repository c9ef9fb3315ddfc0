use proptest::prelude::*;

use super::*;

/// The same as plain pairs, newest first.
#[derive(Default)]
struct Model {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    max: usize,
}

impl Model {
    fn fit(&mut self) {
        while self.entries.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>() > self.max {
            self.entries.pop();
        }
    }
}

fn field(table: &Table, place: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut out = Vec::new();
    let name = table.append_field(place, &mut out)?;
    let value = out.split_off(name);
    Some((out, value))
}

#[test]
fn entries_are_found_newest_first() {
    let mut table = Table::new(200);
    table.insert(b"a", b"1");
    table.insert(b"bb", b"22");
    assert_eq!(field(&table, 0), Some((b"bb".to_vec(), b"22".to_vec())));
    assert_eq!(field(&table, 1), Some((b"a".to_vec(), b"1".to_vec())));
    assert_eq!(field(&table, 2), None);
    assert_eq!((table.size_of(0), table.size_of(1), table.size_of(2)), (Some(36), Some(34), None));
    assert_eq!(table.size(), 70);
    let mut name = Vec::new();
    assert!(table.append_name(1, &mut name));
    assert!(!table.append_name(2, &mut name));
    assert_eq!(name, b"a");
}

#[test]
fn the_oldest_make_room() {
    let mut table = Table::new(100);
    for name in [b"a", b"b", b"c"] {
        table.insert(name, b"1");
    }
    assert_eq!(table.size(), 68);
    assert!(table.has_name(0, b"c") && table.has_name(1, b"b") && !table.has_name(2, b"a"));
    table.set_max(67);
    assert_eq!(table.size(), 34);
    assert!(table.has_name(0, b"c"));
}

#[test]
fn an_entry_that_does_not_fit_empties_the_table() {
    let mut table = Table::new(100);
    table.insert(b"a", b"1");
    table.insert(b"name", &[b'x'; 65]);
    assert_eq!(table.size(), 0);
    table.insert(b"name", &[b'x'; 64]);
    assert_eq!(table.size(), 100);
}

#[test]
fn a_table_of_no_size_holds_nothing() {
    let mut table = Table::new(0);
    table.insert(b"", b"");
    assert_eq!((table.size(), field(&table, 0)), (0, None));
}

#[test]
fn the_buffer_never_grows_beyond_the_table() {
    let mut table = Table::new(4096);
    assert_eq!(table.ring.capacity(), 0);
    table.insert(b"a", b"1");
    assert_eq!(table.ring.capacity(), LEAST_ROOM);
    for len in 0..4000 {
        table.insert(b"name", &vec![b'x'; len]);
    }
    assert_eq!(table.ring.capacity(), 4096);
}

proptest! {
    #[test]
    fn it_behaves_like_a_list_of_pairs(
        max in 0_usize..400,
        steps in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 0..120), 0_usize..4000),
            0..80,
        ),
    ) {
        let mut model = Model { max, ..Model::default() };
        let mut table = Table::new(max);
        for (name, value, new_max) in steps {
            // One in ten changes the size.
            if new_max < 400 {
                model.max = new_max;
                table.set_max(new_max);
                model.fit();
            }
            table.insert(&name, &value);
            model.entries.insert(0, (name, value));
            model.fit();
            for (place, (name, value)) in model.entries.iter().enumerate() {
                prop_assert_eq!(field(&table, place), Some((name.clone(), value.clone())));
                prop_assert!(table.has_name(place, name) && table.has_field(place, name, value));
                let mut other = value.clone();
                other.push(0);
                prop_assert!(!table.has_field(place, name, &other));
                if let Some(last) = other.pop().and(other.last_mut()) {
                    *last ^= 1;
                    prop_assert!(!table.has_field(place, name, &other));
                }
            }
            prop_assert_eq!(field(&table, model.entries.len()), None);
        }
    }
}
