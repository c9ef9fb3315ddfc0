//! Formatting by example, and for any tree in odd styles.

use proptest::prelude::*;

use super::{Formatted, format, reindent};

mod odd;

#[track_caller]
fn formatted(file: &str, text: &str) -> Formatted {
    format(file, text).unwrap_or_else(|findings| panic!("{text:?}: {findings:?}"))
}

#[track_caller]
fn assert_yaml(before: &str, after: &str) {
    let once = formatted("a.yaml", before);
    assert_eq!(once.text, after, "from {before:?}");
    assert_eq!(once.findings, [], "from {before:?}");
    assert_eq!(formatted("a.yaml", after).text, after, "twice, from {before:?}");
}

#[track_caller]
fn assert_refused(file: &str, text: &str, expected: &[&str]) {
    let findings = format(file, text).expect_err(text);
    assert_eq!(findings.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text:?}");
}

#[test]
fn levels_are_two_blanks() {
    assert_yaml("a:\n    b:\n          c: 1\n    d: 2\n", "a:\n  b:\n    c: 1\n  d: 2\n");
    assert_yaml("  a: 1\n  b: 2\n", "a: 1\nb: 2\n");
    assert_yaml("-   a: 1\n    b: 2\n-\n   c: 3\n", "- a: 1\n  b: 2\n-\n  c: 3\n");
    assert_yaml("-    - a\n     -   b: 1\n         c: 2\n", "- - a\n  - b: 1\n    c: 2\n");
    assert_yaml("\"a b\":\n    'it''s: so':\n        1\n", "\"a b\":\n  'it''s: so':\n    1\n");
    assert_yaml("a: &x\n    b: 1\nc: !!map\n   d: *x\n", "a: &x\n  b: 1\nc: !!map\n  d: *x\n");
    assert_yaml("a:\n    &x b: 1\nc:\n    &y\n    d: 2\n", "a:\n  &x b: 1\nc:\n  &y\n  d: 2\n");
}

#[test]
fn lists_stand_as_most_do() {
    assert_yaml("a:\n- 1\nb:\n- 2\nc:\n    - 3\n", "a:\n- 1\nb:\n- 2\nc:\n- 3\n");
    assert_yaml("a:\n- 1\nb:\n      - 2\nc:\n    - 3\n", "a:\n  - 1\nb:\n  - 2\nc:\n  - 3\n");
    // As many of both: as Kubernetes writes them.
    assert_yaml("a:\n- b:\n      - 2\n", "a:\n- b:\n  - 2\n");
    // Each document for itself.
    assert_yaml("a:\n- 1\n---\na:\n    - 1\n", "a:\n- 1\n---\na:\n  - 1\n");
}

#[test]
fn comments_stay_with_their_lines() {
    assert_yaml(
        "# top\na:\n    # of b\n    b: 1   # beside\n\n    # last of a\n# of c\nc:\n        # in c\n        - 1\n   # end\n",
        "# top\na:\n  # of b\n  b: 1   # beside\n\n  # last of a\n# of c\nc:\n  # in c\n  - 1\n# end\n",
    );
    assert_yaml("a:\n      # deep\n   b: 1\n", "a:\n  # deep\n  b: 1\n");
    assert_yaml("  # alone\n", "# alone\n");
    assert_yaml("a:\n-   # beside\n    b: 1\n", "a:\n- # beside\n  b: 1\n");
    assert_yaml("a:\n    - 1\n    # between\n    - 2\n", "a:\n  - 1\n  # between\n  - 2\n");
}

#[test]
fn scalars_stay_as_they_are() {
    assert_yaml(
        "a:\n    b: |\n         x  \n           y\n\n         z\n    c: 1\n",
        "a:\n  b: |\n    x  \n      y\n\n    z\n  c: 1\n",
    );
    assert_yaml("a:\n    b: |2\n        x\n      y\n", "a:\n  b: |2\n      x\n    y\n");
    assert_yaml("-    >-\n       x\n       y\n- |+\n  z\n\n", "- >-\n  x\n  y\n- |+\n  z\n\n");
    assert_yaml(
        "a:\n    b: |\n          x\n      # no content\n    c: 1\n",
        "a:\n  b: |\n    x\n  # no content\n  c: 1\n",
    );
    assert_yaml("a:\n    b: \"x  \n      y \\\n       \\ z\"   \n", "a:\n  b: \"x  \n    y \\\n     \\ z\"\n");
    assert_yaml("a:\n     b: one\n        two # and\n", "a:\n  b: one\n     two # and\n");
    assert_yaml("a:\n        one\n    two\n", "a:\n  one\n  two\n");
    assert_yaml("a: 'x: [y'\nb: it's {not} [flow]\n", "a: 'x: [y'\nb: it's {not} [flow]\n");
    assert_yaml("http://a: b:c # d: e\n", "http://a: b:c # d: e\n");
}

#[test]
fn flow_collections_move_as_a_whole() {
    assert_yaml(
        "a:\n    b: {c: [1, # one: {\n            2], d: \"}\",\n        e: it's}\n    f:\n        g: h\n",
        "a:\n  b: {c: [1, # one: {\n          2], d: \"}\",\n      e: it's}\n  f:\n    g: h\n",
    );
    assert_yaml("a: [\n  b,\n]\n", "a: [\n  b,\n]\n");
    assert_yaml("{\"a\":\"b\",\n \"c\":[1,2]}", "{\"a\":\"b\",\n \"c\":[1,2]}\n");
}

#[test]
fn the_end_is_one_line_break() {
    assert_yaml("a: 1", "a: 1\n");
    assert_yaml("a: 1  \n\n  \n\n", "a: 1\n");
    assert_yaml("", "");
    assert_yaml(" \n\n", "");
    assert_yaml("a: |\n  x\n\n\n", "a: |\n  x\n");
    assert_yaml("a: |-\n  x", "a: |-\n  x\n");
    // Here a line break would be content.
    assert_yaml("a: |\n    x", "a: |\n  x");
    assert_yaml("a: |+\n    x\n\n\n", "a: |+\n  x\n\n\n");
}

#[test]
fn marks_breaks_and_byte_order_marks_stay() {
    assert_yaml(
        "%YAML 1.2\n---  # first\n   a: 1\n...\n\n---\n- 1\n--- {a: b}\n--- >\n text\n",
        "%YAML 1.2\n---  # first\na: 1\n...\n\n---\n- 1\n--- {a: b}\n--- >\n text\n",
    );
    assert_yaml("a:\r\n    b: 1  \r\n\r\nc: 2\r\n", "a:\r\n  b: 1\r\n\r\nc: 2\r\n");
    assert_yaml("\u{feff}a:\n    b: 1", "\u{feff}a:\n  b: 1\n");
}

#[test]
fn tabs_are_told() {
    let Formatted { text, findings } = formatted("a.yaml", "a:\tb\nc:   [1]\t# d\ne: 'x\ty'\t\nf: g\th\n");
    assert_eq!(text, "a:\tb\nc:   [1]\t# d\ne: 'x\ty'\nf: g\th\n");
    let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        [
            "a.yaml:1:3: info RS191: a tab stands where a blank belongs (write a blank instead)",
            "a.yaml:2:9: info RS191: a tab stands where a blank belongs (write a blank instead)",
        ]
    );
    assert_refused(
        "a.yaml",
        "a:\n\tb: 1\n",
        &[
            "a.yaml:2:2: error RS101: not valid YAML: tabs disallowed within this context (block indentation) (indent with spaces, not with tabs)",
        ],
    );
}

#[test]
fn what_cannot_be_read_stays() {
    assert_refused(
        "a.yaml",
        "a:\n    b: [1\n",
        &[
            "a.yaml:2:8: error RS101: not valid YAML: unclosed bracket '[' (check that every bracket is closed and items have commas)",
        ],
    );
    assert_refused(
        "a.json",
        "{\"a\": }",
        &["a.json:1:7: error RS101: not valid JSON: a value is expected, `}` was found"],
    );
}

#[test]
fn lost_indentation_is_told() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata:\nname: shop\n";
    let Formatted { text: after, findings } = formatted("a.yaml", text);
    assert_eq!(after, text);
    assert_eq!(findings.iter().map(|finding| (finding.code, finding.position.line)).collect::<Vec<_>>(), [("RS18", 4)]);
}

#[test]
fn json_has_one_member_a_line() {
    let text = "\u{feff}{\"b\":1.50,\"a\":[true,{\"x\":\"\\u00e9\\n\"},[],{ }],\n\n\"c\":null}{\"d\" : -0e5} \"x\"";
    let after = "\u{feff}{\n  \"b\": 1.50,\n  \"a\": [\n    true,\n    {\n      \"x\": \"\\u00e9\\n\"\n    },\n    [],\n    {}\n  ],\n  \"c\": null\n}\n{\n  \"d\": -0e5\n}\n\"x\"\n";
    assert_eq!(formatted("a.json", text).text, after);
    assert_eq!(formatted("a.json", after).text, after);
    assert_eq!(formatted("a.JSON", " ").text, "");
}

/// Pieces that, put together, are often almost a document.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("apiVersion: v1\nkind: Service\n".to_owned()),
        Just("metadata:\nname: a\n".to_owned()),
        Just("metadata:\n    name: a\n".to_owned()),
        Just("spec:\nports:\n- port: 80\nname: x\n".to_owned()),
        Just("    - a: |\n        b\n   c\n".to_owned()),
        Just("- 'it''s\n   so'\n".to_owned()),
        Just("  ? x\n  : y\n".to_owned()),
        Just("---\n".to_owned()),
        Just("...\n".to_owned()),
        Just("%TAG ! x\n".to_owned()),
        Just("labels: &a {x: y,\n z: \"q\n\"}\n".to_owned()),
        Just("<<: *a\n".to_owned()),
        "[-?:,\\[\\]{}#&*!|>'\"%@` \n\t\ra-c]{0,12}",
        "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_ends_well(text in pieces()) {
        for file in ["a.yaml", "a.json"] {
            if let Ok(once) = format(file, &text) {
                let twice = format(file, &once.text).map_err(|findings| TestCaseError::fail(format!("{findings:?}")))?;
                prop_assert_eq!(&twice.text, &once.text, "from {:?}", text);
            }
            if let Ok(once) = reindent(file, &text) {
                prop_assert!(once.findings.iter().all(|finding| finding.code != "RS18"), "{:?}", once);
                let twice = reindent(file, &once.text).map(|twice| twice.text);
                prop_assert_eq!(twice, Ok(once.text));
            }
        }
    }

    #[test]
    fn any_layout_becomes_the_plain_one(tree in odd::tree(), indented in prop::bool::ANY, dice in odd::dice()) {
        let plain = odd::plain(&tree, indented);
        let text = odd::layout(&tree, indented, dice);
        let once = format("a.yaml", &text).map_err(|findings| TestCaseError::fail(format!("{text}\n{findings:?}")))?;
        prop_assert_eq!(&once.text, &plain, "from\n{}", text);
        prop_assert_eq!(format("a.yaml", &plain).map(|twice| twice.text), Ok(plain));
    }

    #[test]
    fn any_style_keeps_its_meaning(trees in prop::collection::vec(odd::tree(), 1..3), dice in odd::dice()) {
        let text = odd::style(&trees, dice);
        let once = format("a.yaml", &text).map_err(|findings| TestCaseError::fail(format!("{text}\n{findings:?}")))?;
        prop_assert_eq!(odd::read(&once.text), odd::read(&text), "{}\nfrom\n{}", once.text, text);
        prop_assert_eq!(odd::comments(&once.text), odd::comments(&text));
        let twice = format("a.yaml", &once.text).map_err(|findings| TestCaseError::fail(format!("{findings:?}")))?;
        prop_assert_eq!(&twice.text, &once.text, "from\n{}", text);
    }
}
