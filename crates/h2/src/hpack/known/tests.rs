use super::*;

#[test]
fn every_static_entry_is_found() {
    for (place, (name, value)) in STATIC.iter().enumerate() {
        let first = STATIC.iter().position(|(other, _)| other == name).unwrap();
        let known = Name::of(name.as_bytes());
        assert_eq!(known.index(), first + 1, "{name}");
        assert_eq!(known.index_with(value.as_bytes()), place + 1, "{name}: {value}");
        assert_eq!(known.index_with(b"no such value"), 0, "{name}");
    }
}

#[test]
fn other_names_are_not_found() {
    for name in ["", ":", ":Path", "dat", "date ", "x-unheard-of", "traceparent"] {
        let known = Name::of(name.as_bytes());
        assert_eq!((known.index(), known.index_with(b"")), (0, 0), "{name}");
    }
}

#[test]
fn habits_are_by_name_and_length() {
    let short = b"a=1".as_slice();
    let long = b"session=0123456789abcdef".as_slice();
    for (name, of_short, of_long) in [
        (":authority", Habit::Repeats, Habit::Repeats),
        (":path", Habit::Varies, Habit::Varies),
        ("traceparent", Habit::Varies, Habit::Varies),
        ("x-unheard-of", Habit::Repeats, Habit::Repeats),
        ("authorization", Habit::Secret, Habit::Secret),
        ("x-api-key", Habit::Secret, Habit::Secret),
        ("cookie", Habit::Secret, Habit::Repeats),
        ("set-cookie", Habit::Secret, Habit::Varies),
    ] {
        let known = Name::of(name.as_bytes());
        assert_eq!((known.habit(short), known.habit(long)), (of_short, of_long), "{name}");
    }
    for name in VARYING.iter().filter(|name| **name != "set-cookie") {
        assert_eq!(Name::of(name.as_bytes()).habit(short), Habit::Varies, "{name}");
    }
    for name in SECRET {
        assert_eq!(Name::of(name.as_bytes()).habit(short), Habit::Secret, "{name}");
    }
}

#[test]
fn no_name_is_far_from_its_place() {
    let distance =
        |place: usize, known: &Known| (place + PLACES - first_place(hash(0, known.name.as_bytes()))) % PLACES;
    let distances =
        NAMES.iter().enumerate().filter_map(|(place, known)| known.as_ref().map(|known| distance(place, known)));
    assert_eq!(distances.max(), Some(1));
}
