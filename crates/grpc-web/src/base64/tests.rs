use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::{collection::vec, prelude::*};

use super::*;

/// What pieces stand for.
fn decoded<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<Vec<u8>, Malformed> {
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    for piece in pieces {
        decoder.decode(piece, &mut out)?;
    }
    decoder.finish().map(|()| out)
}

#[test]
fn texts_may_stand_behind_each_other() {
    for (text, expected) in [("", ""), ("YQ==", "a"), ("YWI=", "ab"), ("YWJj", "abc"), ("YQ==YWI=YWJj", "aababc")] {
        assert_eq!(decoded([text.as_bytes()]).unwrap(), expected.as_bytes(), "{text}");
    }
}

#[test]
fn what_is_not_exactly_base64_is_refused() {
    for (text, expected) in [
        ("Y", Malformed::Cut),
        ("YQ", Malformed::Cut),
        ("YQ=", Malformed::Cut),
        ("YQ==YW", Malformed::Cut),
        ("=", Malformed::Byte(b'=')),
        ("Y===", Malformed::Byte(b'=')),
        ("YQ=a", Malformed::Byte(b'a')),
        ("YWJj====", Malformed::Byte(b'=')),
        ("YQ==\n", Malformed::Byte(b'\n')),
        ("YW Jj", Malformed::Byte(b' ')),
        ("YW-_", Malformed::Byte(b'-')),
        ("YR==", Malformed::Loose),
        ("YWJ=", Malformed::Loose),
        ("\u{e9}", Malformed::Byte(0xc3)),
    ] {
        assert_eq!(decoded([text.as_bytes()]), Err(expected), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What is written is what others write and read, however it is cut.
    #[test]
    fn it_is_the_same_as_others_write(bytes in vec(any::<u8>(), 0..200), size in 1..50_usize) {
        let mut text = Vec::new();
        encode(&bytes, &mut text);
        prop_assert_eq!(text.as_slice(), STANDARD.encode(&bytes).into_bytes());
        prop_assert_eq!(decoded(text.chunks(size)).unwrap(), bytes);
    }

    /// Whatever comes: it is read as others read it, or not at all.
    #[test]
    fn it_is_read_as_others_read_it(text in "[A-Da-d0-9+/=]{0,12}", size in 1..5_usize) {
        let whole = decoded(text.as_bytes().chunks(size));
        if let Ok(others) = STANDARD.decode(&text) {
            prop_assert_eq!(whole.unwrap(), others);
        } else if let Ok(bytes) = whole {
            // Several texts, which others read one by one.
            let each = text.as_bytes().chunks(4).map(|four| STANDARD.decode(four).unwrap());
            prop_assert_eq!(bytes, each.collect::<Vec<_>>().concat());
        }
    }
}
