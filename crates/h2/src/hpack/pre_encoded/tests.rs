use super::*;
use crate::Fields;
use crate::hpack::testing::bytes;
use crate::hpack::{Decoded, Decoder};

const FIELDS: [Field<'static>; 6] = [
    Field::new(b":status", b"200"),
    Field::new(b":status", b"401"),
    Field::new(b"server", b"a"),
    Field::new(b"authorization", b"b"),
    Field::sensitive(b"x", b"y"),
    Field::new(b"z", b"2"),
];

#[test]
fn it_refers_to_the_static_table_only() {
    let block = PreEncoded::new(FIELDS);
    // "401" and "z: 2" go without indexing, the credentials and the sensitive field as never indexed.
    assert_eq!(block.as_bytes(), bytes("88  08 82 6801  0f27 01 61  1f08 01 62  10 01 78 01 79  00 01 7a 01 32"));
}

#[test]
fn it_decodes_alike_on_any_connection() {
    let block = PreEncoded::new(FIELDS);
    let mut decoder = Decoder::new(4096);
    let mut fields = Fields::new();
    let mut expected: Fields = FIELDS[..3].iter().copied().collect();
    expected.push_sensitive(b"authorization", b"b");
    expected.extend(FIELDS[4..].iter().copied());
    for _ in 0..2 {
        assert_eq!(decoder.decode(block.as_bytes(), &mut fields, 1000, 1000), Ok(Decoded::Whole));
        assert_eq!(fields, expected);
        // Something in the table makes no difference.
        decoder.decode(&bytes("40 01 61 01 62"), &mut fields, 1000, 1000).unwrap();
    }
}
