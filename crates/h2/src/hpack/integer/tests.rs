use proptest::prelude::*;

use super::*;

fn encoded(value: usize, bits: u32, flags: u8) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, bits, flags, &mut out);
    out
}

fn decoded(bytes: &[u8], bits: u32) -> Result<(u32, usize), Error> {
    let (&first, mut rest) = bytes.split_first().unwrap();
    decode(first, bits, &mut rest).map(|value| (value, rest.len()))
}

/// RFC 7541 appendix C.1.
#[test]
fn examples_of_the_rfc() {
    for (value, bits, bytes) in [(10, 5, [0x0a].as_slice()), (1337, 5, &[0x1f, 0x9a, 0x0a]), (42, 8, &[0x2a])] {
        assert_eq!(encoded(value, bits, 0), bytes);
        assert_eq!(decoded(bytes, bits), Ok((u32::try_from(value).unwrap(), 0)));
    }
}

#[test]
fn other_bits_of_the_first_octet_are_kept_and_ignored() {
    assert_eq!(encoded(3, 6, 0x40), [0x43]);
    assert_eq!(encoded(63, 6, 0x40), [0x7f, 0x00]);
    assert_eq!(decoded(&[0x43], 6), Ok((3, 0)));
    assert_eq!(decoded(&[0x7f, 0x00, 0xff], 6), Ok((63, 1)));
}

#[test]
fn the_largest_integer_is_u32_max() {
    let largest = encoded(u32::MAX as usize, 7, 0);
    assert_eq!(largest, [0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(decoded(&largest, 7), Ok((u32::MAX, 0)));
    assert_eq!(decoded(&encoded(u32::MAX as usize + 1, 7, 0), 7), Err(Error::IntegerTooLarge));
    assert_eq!(decoded(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f], 7), Err(Error::IntegerTooLarge));
}

#[test]
fn zeros_cannot_make_an_integer_long() {
    assert_eq!(decoded(&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00], 5), Ok((31, 0)));
    assert_eq!(decoded(&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 5), Err(Error::IntegerTooLarge));
}

#[test]
fn an_integer_must_end() {
    assert_eq!(decoded(&[0x1f], 5), Err(Error::Truncated));
    assert_eq!(decoded(&[0x1f, 0x80, 0x80], 5), Err(Error::Truncated));
}

proptest! {
    #[test]
    fn what_is_encoded_decodes(value: u32, bits in 1_u32..=8, behind in prop::collection::vec(any::<u8>(), 0..3)) {
        let mut bytes = encoded(value as usize, bits, 0);
        bytes.extend_from_slice(&behind);
        prop_assert_eq!(decoded(&bytes, bits), Ok((value, behind.len())));
    }
}
