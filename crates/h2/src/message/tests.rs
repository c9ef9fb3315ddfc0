use super::*;

fn request(fields: &[(&[u8], &[u8])]) -> Fields {
    fields.iter().map(|(name, value)| Field::new(name, value)).collect()
}

#[test]
fn a_plain_request_is_one() {
    let fields = request(&[(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/x?y")]);
    let head = RequestHead::of(&fields, Extended::Off).unwrap();
    assert_eq!((head.method, head.path), (&b"GET"[..], Some(&b"/x?y"[..])));
}
