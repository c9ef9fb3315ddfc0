//! What tests of Istio's kinds have in common.

use ripstop_api::{Object, Spec, istio::Labels, parse_file};

/// The only object of a text without findings.
#[track_caller]
pub fn one(text: &str) -> Object {
    let mut parsed = parse_file("a.yaml", text);
    assert_eq!(parsed.findings, []);
    assert!(parsed.broken.is_empty() && !parsed.unreadable);
    assert_eq!(parsed.objects.len(), 1);
    parsed.objects.remove(0)
}

/// Reads a text that lacks its `apiVersion` in each version of `networking.istio.io`, and with the names of its fields
/// in snake_case, `respelled` of which differ: that is said, and changes nothing.
#[track_caller]
pub fn each_version_and_spelling(text: &str, respelled: usize, expected: &Spec) {
    for version in ["v1", "v1beta1", "v1alpha3"] {
        let text = format!("apiVersion: networking.istio.io/{version}{text}");
        assert_eq!(one(&text).spec, *expected, "{version}");
    }
    let older = format!("apiVersion: networking.istio.io/v1{}", snake_case(text));
    let parsed = parse_file("a.yaml", &older);
    assert!(parsed.findings.iter().all(|finding| finding.code == "RS16"), "{:#?}", parsed.findings);
    assert_eq!(parsed.findings.len(), respelled, "{:#?}", parsed.findings);
    assert_eq!(parsed.objects.iter().map(|object| &object.spec).collect::<Vec<_>>(), [expected]);
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

/// Words before `: ` or a line's end that begin in lower case and go on in camelCase, in snake_case.
fn snake_case(text: &str) -> String {
    let mut snake = String::new();
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || "-_./".contains(c) {
            word.push(c);
            continue;
        }
        if c == ':'
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_alphabetic())
        {
            for c in word.drain(..) {
                if c.is_ascii_uppercase() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
            }
        }
        snake.push_str(&word);
        snake.push(c);
        word.clear();
    }
    snake + &word
}
