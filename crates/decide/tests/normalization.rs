//! What normalizing a path must never leave, against RFC 3986 word by word.

use proptest::{prelude::*, sample::select};
use ripstop_decide::{BadPath, normalized};
use ripstop_model::PathNormalization::{self, Base, DecodeAndMergeSlashes, MergeSlashes, None};

/// Paths of pieces that do something, and of anything.
fn paths() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "/", "/", "//", ".", "..", "a", "b", "%", "%2", "%2e", "%2E", "%2f", "%2F", "%5c", "%5C", "\\", "%25", "%61",
        "%65", "%32", "e", "2", "f", "é", "%e4", "%zz",
    ]);
    let of_pieces = prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => of_pieces.prop_map(|path| format!("/{path}")), 1 => "/\\PC{0,20}", 1 => "[./a%2e\\\\]{0,12}"]
}

fn is_dots(segment: &str) -> bool {
    segment == "." || segment == ".."
}

/// RFC 3986, 5.2.4, as it stands there.
fn remove_dot_segments(path: &str) -> String {
    let mut input = path.to_owned();
    let mut output = String::new();
    while !input.is_empty() {
        if input.starts_with("../") {
            input.drain(..3);
        } else if input.starts_with("./") || input.starts_with("/./") {
            input.drain(..2);
        } else if input == "/." {
            input.truncate(1);
        } else if input.starts_with("/../") || input == "/.." {
            input = format!("/{}", input.get(4..).unwrap_or(""));
            output.truncate(output.rfind('/').unwrap_or(0));
        } else if is_dots(&input) {
            input.clear();
        } else {
            let end = input[1..].find('/').map_or(input.len(), |at| at + 1);
            output.extend(input.drain(..end));
        }
    }
    output
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: Option::None, ..ProptestConfig::with_cases(5_000) })]

    /// What was normalized is normal: a second proxy on the way sees what the first one decided by.
    #[test]
    fn once_is_enough(path in paths()) {
        for how in [None, Base, MergeSlashes, DecodeAndMergeSlashes] {
            let Ok(once) = normalized(&path, how) else { continue };
            let twice = normalized(&once, how);
            prop_assert_eq!(twice.as_ref(), Ok(&once), "{:?}", how);
        }
    }

    /// No dot segment stays, in whatever disguise that the mode takes off, and what is absolute stays so:
    /// nothing climbs above the root.
    #[test]
    fn nothing_climbs(path in paths()) {
        for how in [Base, MergeSlashes, DecodeAndMergeSlashes] {
            let Ok(normal) = normalized(&path, how) else { continue };
            prop_assert!(!normal.split('/').any(is_dots), "{:?}: {}", how, normal);
            let disguised = normal.replace("%2e", ".").replace("%2E", ".");
            prop_assert!(!disguised.split('/').any(is_dots), "{:?}: {}", how, normal);
            prop_assert!(!normal.contains('\\'));
            prop_assert!(!path.starts_with('/') || normal.starts_with('/'));
            prop_assert!(how == Base || !normal.contains("//"));
            let escaped = normal.to_ascii_lowercase();
            prop_assert!(how != DecodeAndMergeSlashes || !escaped.contains("%2f") && !escaped.contains("%5c"));
        }
    }

    /// Without escapes and backslashes, `BASE` is the RFC's algorithm.
    #[test]
    fn base_is_the_rfc(path in "/(\\.|\\.\\.|a|/|bc){0,12}") {
        prop_assert_eq!(normalized(&path, Base), Ok(remove_dot_segments(&path).into()));
    }

    /// `NONE` touches nothing.
    #[test]
    fn none_is_none(path in "\\PC{0,20}") {
        let fragment = path.contains('#').then_some(BadPath::Fragment);
        prop_assert_eq!(normalized(&path, PathNormalization::None).err(), fragment);
    }
}
