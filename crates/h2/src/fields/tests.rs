use super::*;

fn sample() -> Fields {
    let mut fields = Fields::new();
    fields.push(b":status", b"200");
    fields.push(b"via", b"");
    fields.push_sensitive(b"set-cookie", b"a=1");
    fields.push(b"set-cookie", b"b=2");
    fields
}

#[test]
fn fields_come_back_in_order() {
    let fields = sample();
    let expected = [
        Field::new(b":status", b"200"),
        Field::new(b"via", b""),
        Field::sensitive(b"set-cookie", b"a=1"),
        Field::new(b"set-cookie", b"b=2"),
    ];
    assert_eq!(fields.iter().collect::<Vec<_>>(), expected);
    assert_eq!(fields, expected.into_iter().collect());
    assert_eq!((fields.len(), fields.is_empty()), (4, false));
}

#[test]
fn get_finds_the_first_of_a_name() {
    let fields = sample();
    assert_eq!(fields.get(b"set-cookie"), Some(b"a=1".as_slice()));
    assert_eq!(fields.get(b"via"), Some(b"".as_slice()));
    assert_eq!(fields.get(b"Via"), None);
}

#[test]
fn each_field_counts_thirty_two_octets_more() {
    assert_eq!(sample().list_size(), (7 + 3) + 3 + (10 + 3) * 2 + 4 * 32);
    assert_eq!(Fields::new().list_size(), 0);
}

#[test]
fn cleared_fields_are_gone() {
    let mut fields = sample();
    fields.clear();
    assert!(fields.is_empty());
    assert_eq!(fields.iter().count(), 0);
    fields.push(b"a", b"b");
    assert_eq!(fields.iter().collect::<Vec<_>>(), [Field::new(b"a", b"b")]);
}

#[test]
fn what_is_discarded_leaves_the_fields_before() {
    let mut fields = sample();
    fields.open().extend_from_slice(b"half a field");
    fields.discard();
    assert_eq!(fields, sample());
    assert_eq!(fields.list_size(), sample().list_size());
}

#[test]
fn what_is_removed_leaves_the_others_in_order() {
    let mut fields = sample();
    fields.remove(b"Set-Cookie", 3);
    let left = [Field::new(b":status", b"200"), Field::new(b"via", b""), Field::new(b"set-cookie", b"b=2")];
    assert_eq!(fields.iter().collect::<Vec<_>>(), left);
    fields.push(b"x", b"y");
    fields.remove(b":status", 4);
    fields.remove(b"via", 0);
    let left = [Field::new(b"via", b""), Field::new(b"set-cookie", b"b=2"), Field::new(b"x", b"y")];
    assert_eq!(fields, left.into_iter().collect());
    for name in [&b"via"[..], b"set-cookie", b"x", b"y"] {
        fields.remove(name, 9);
    }
    assert_eq!((fields.len(), fields.list_size()), (0, 0));
}

#[test]
fn only_storage_that_is_large_is_given_up() {
    let mut fields = sample();
    fields.shrink(1_000);
    assert!(fields.is_empty() && fields.storage() > 0);
    fields.push(b"x", &[b'x'; 5_000]);
    fields.shrink(1_000);
    assert_eq!((fields.len(), fields.storage()), (0, 0));
}

#[test]
fn sensitive_values_do_not_show_in_debug_output() {
    assert_eq!(
        format!("{:?}", sample()),
        r#"{":status": "200", "via": "", "set-cookie": "(sensitive)", "set-cookie": "b=2"}"#
    );
}
