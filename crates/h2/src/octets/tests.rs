use super::*;

#[test]
fn fast_and_slow_agree_on_every_byte_at_every_place() {
    for byte in 0..=u8::MAX {
        for length in 0..=25 {
            for place in 0..length {
                let mut bytes = vec![b'x'; length];
                bytes[place] = byte;
                assert_eq!(all_of_value(&bytes), is(VALUE, byte), "{byte:#x} at {place} of {length}");
                assert_eq!(all_of_path(&bytes), is(PATH, byte), "{byte:#x} at {place} of {length}");
            }
        }
    }
}

#[test]
fn a_tab_does_not_hide_what_comes_after_it() {
    for (value, good) in [(&b"\ta\tb\t\xff\t c"[..], true), (b"\t\t\t\t\t\t\t\0", false), (b"\tabc\ndefghijkl", false)]
    {
        assert_eq!(all_of_value(value), good, "{value:?}");
    }
}

#[test]
fn names_are_tokens_without_capitals() {
    for byte in 0..=u8::MAX {
        assert_eq!(is(NAME, byte), is(TOKEN, byte) && !byte.is_ascii_uppercase());
    }
    let tokens: Vec<u8> = (0..=u8::MAX).filter(|&byte| is(TOKEN, byte)).collect();
    assert_eq!(tokens, b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~");
    let hosts: Vec<u8> = (0..=u8::MAX).filter(|&byte| is(HOST, byte)).collect();
    assert_eq!(hosts, b"-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~");
    assert_eq!([&b""[..], b"a", b"a b"].map(is_token), [false, true, false]);
}

#[test]
fn trimmed_of_spaces_and_tabs() {
    for (text, expected) in [(" \ta b\t ", "a b"), ("a", "a"), (" \t ", ""), ("", "")] {
        assert_eq!(trimmed(text.as_bytes()), expected.as_bytes());
    }
}
