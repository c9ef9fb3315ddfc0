use super::*;

#[test]
fn short_and_long_texts_have_the_known_hashes() {
    assert_eq!(hash_of(b""), 0xef46_db37_51d8_e999);
    assert_eq!(hash_of(b"a"), 0xd24e_c4f1_a98c_6e5b);
    assert_eq!(hash_of(b"abc"), 0x44bc_2cf5_ad77_0999);
    assert_eq!(hash_of(b"Nobody inspects the spammish repetition"), 0xfbce_a83c_8a37_8bf1);
}

/// The sums are those of the reference implementation.
#[test]
fn every_length_up_to_200_is_hashed_as_the_reference_does() {
    let bytes: Vec<u8> = (0..200_u8).map(|index| index.wrapping_mul(7).wrapping_add(3)).collect();
    let sum =
        |seed| (0..=200).fold(0_u64, |sum, length| sum.wrapping_mul(31).wrapping_add(seeded(&bytes[..length], seed)));
    assert_eq!(sum(0), 0xa92c_646c_f714_b211);
    assert_eq!(sum(1), 0xf3a9_e793_722b_f54b);
    assert_eq!(sum((1 << 63) + 5), 0x34d0_8f2b_69d2_7fa1);
}
