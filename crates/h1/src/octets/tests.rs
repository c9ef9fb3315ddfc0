use proptest::{collection::vec, prelude::*};

use super::*;

#[test]
fn classes_are_those_of_the_grammar() {
    let of = |class| (0..=255_u8).filter(|byte| is(class, *byte)).collect::<Vec<_>>();
    let mut token = b"!#$%&'*+-.^_`|~".to_vec();
    token.extend((b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z'));
    token.sort_unstable();
    assert_eq!(of(TOKEN), token);
    assert_eq!(of(VALUE), [b'\t'].into_iter().chain(0x20..=0x7e).chain(0x80..=0xff).collect::<Vec<_>>());
    assert_eq!(of(TARGET), (0x21..=0x7e).filter(|byte| *byte != b'#').collect::<Vec<_>>());
    let mut host = b"-._~".to_vec();
    host.extend((b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z'));
    host.sort_unstable();
    assert_eq!(of(HOST), host);
    assert!(!is(QUOTED, b'"') && !is(QUOTED, b'\\') && is(QUOTED, b';') && !is(QUOTED, b'\r'));
}

#[test]
fn a_single_bad_byte_is_found_at_every_place() {
    for length in 0..40 {
        for place in 0..length {
            for byte in 0..=255 {
                let mut bytes = vec![b'a'; length];
                bytes[place] = byte;
                assert_eq!(run_of_token(&bytes), run(TOKEN, &bytes));
                assert_eq!(run_of_value(&bytes), run(VALUE, &bytes));
                assert_eq!(run_of_target(&bytes), run(TARGET, &bytes));
            }
        }
    }
}

proptest! {
    #[test]
    fn fast_runs_are_slow_runs(bytes in vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(run_of_token(&bytes), run(TOKEN, &bytes));
        prop_assert_eq!(run_of_value(&bytes), run(VALUE, &bytes));
        prop_assert_eq!(run_of_target(&bytes), run(TARGET, &bytes));
    }
}

#[test]
fn trimming_is_of_spaces_and_tabs_only() {
    assert_eq!(trimmed(b" \ta b\t "), b"a b");
    assert_eq!(trimmed(b" \t "), b"");
    assert_eq!(trimmed(b"\xa0a\x85"), b"\xa0a\x85");
}
