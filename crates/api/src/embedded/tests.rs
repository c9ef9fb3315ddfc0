use proptest::prelude::*;

use super::Places;
use crate::{
    decode::{Decoder, Field},
    json,
    split::documents,
    tree::Node,
    yaml,
};

/// The paths and places of what stands in the text of `mesh`.
fn places(text: &str, is_json: bool) -> Vec<(String, (u32, u32))> {
    let document = if is_json { json::parse(text).remove(0) } else { yaml::parse(documents(text)[0]) };
    let root = document.root.expect("a tree");
    let mesh: &Node = root.get("mesh").expect("`mesh`");
    let mut decoder = Decoder { source: text, ..Decoder::new("a.yaml", None) };
    super::read(&mut decoder, &Field { node: mesh, path: "m".into() });
    let findings = decoder
        .findings
        .iter()
        .map(|finding| (finding.message.clone(), (finding.position.line, finding.position.column)));
    decoder.embedded.clone().into_iter().chain(findings).collect()
}

fn owned(places: &[(&str, (u32, u32))]) -> Vec<(String, (u32, u32))> {
    places.iter().map(|(path, place)| ((*path).to_owned(), *place)).collect()
}

#[test]
fn literal_blocks() {
    let expected = owned(&[("m.a", (4, 8)), ("m.b", (5, 8)), ("m.b[0]", (5, 9))]);
    assert_eq!(
        places("# é\nmesh: |\n\n    a: 1\n    b: \n     - é\n", false),
        owned(&[("m.a", (4, 8)), ("m.b", (6, 6)), ("m.b[0]", (6, 8))])
    );
    for header in ["|", "|-", "|+", "|4 # word", "&a |", "!!str |-"] {
        assert_eq!(
            places(&format!("---\nmesh: {header}\n\n    a: 1\n    b: [1]\n\n# end\nother: 1\n"), false),
            expected,
            "{header}"
        );
    }
    assert_eq!(places("---\r\nmesh: |\r\n\r\n    a: 1\r\n    b: [1]\r\n", false), expected);
}

#[test]
fn other_scalars() {
    let flow = owned(&[("m.a", (1, 12)), ("m.b", (2, 6))]);
    assert_eq!(places("mesh: \"{a: 1,\n  b: 2}\"\n", false), flow);
    assert_eq!(places("mesh: '{a: 1,\n  b: 2}'\n", false), flow);
    assert_eq!(places("mesh: >\n  {a: 1,\n  b: 2}\n", false), owned(&[("m.a", (2, 7)), ("m.b", (3, 6))]));
    assert_eq!(places("mesh: 'a: ''x'''\n", false), owned(&[("m.a", (1, 11))]));
    let escaped = owned(&[("m.a", (1, 11)), ("m.b", (1, 33))]);
    assert_eq!(
        places("{\"mesh\": \"a: \\u00e9\\ud83d\\ude00\\nb: 1\"}", true),
        owned(&[("m.a", (1, 14)), ("m.b", (1, 37))])
    );
    assert_eq!(places("mesh: \"a: \\xe9\\U0001f600   \\nb: 1\"\n", false), escaped);
}

#[test]
fn problems() {
    assert_eq!(places("mesh: |\n", false), []);
    assert_eq!(places("mesh: |\n  # nothing\n", false), []);
    let twice = "the key `a` is given a second time, first in line 2";
    assert_eq!(places("mesh: |\n  a: 1\n  a: 2\n", false), owned(&[("m.a", (3, 6)), (twice, (3, 3))]));
    let second = places("mesh: |\n  a: 1\n  ---\n  b: 2\n", false);
    assert_eq!(second, owned(&[("m.a", (2, 6)), ("a second document begins inside of the text", (3, 3))]));
    let broken = places("mesh: |\n  a: [1\n  b: 2\n", false);
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0].1.0, 3, "{broken:?}");
    assert_eq!(places("mesh: 5\n", false).len(), 1);
}

/// How many characters of the text have a place, and how many there are.
fn placed(text: &str, root: &Node) -> (usize, usize) {
    let mesh = root.get("mesh").expect("`mesh`");
    let inner = mesh.text().expect("text");
    (Places::new(mesh, text, inner).marks.len(), inner.chars().count())
}

proptest! {
    #[test]
    fn every_character_of_a_json_string_has_a_place(inner in "[ -~\\n\\té\u{1f600}\\\\\"]{0,24}|\\PC{0,24}") {
        let quoted = serde_json::to_string(&inner).expect("JSON");
        let text = format!("{{\"mesh\":\n{quoted}}}");
        let root = json::parse(&text).remove(0).root.expect("a tree");
        let (placed, all) = placed(&text, &root);
        prop_assert_eq!((placed, all), (all, inner.chars().count()), "{}", text);
    }

    #[test]
    fn every_character_of_a_yaml_scalar_has_a_place(
        lines in prop::collection::vec("[a-z#:'\"\\\\{}é -]{0,6}", 1..6),
        style in "[|>'\"][-+]?",
    ) {
        let style = if style.starts_with(['\'', '"']) { &style[..1] } else { &style };
        let body = lines.join("\n    ");
        let value = match style {
            "'" => format!("'{}'", body.replace('\'', "''")),
            "\"" => format!("\"{}\"", body.replace('\\', "\\\\").replace('"', "\\\"")),
            _ => format!("{style}\n    x\n    {body}"),
        };
        let text = format!("a: 1\nmesh: {value}\nb: 2\n");
        let Some(root) = yaml::parse(documents(&text)[0]).root else { return Ok(()) };
        let Some(_) = root.get("mesh").and_then(Node::text) else { return Ok(()) };
        let (placed, all) = placed(&text, &root);
        prop_assert_eq!(placed, all, "{}", text);
    }

    #[test]
    fn anything_is_read(inner in "\\PC{0,40}|([a-z]{1,3}(: |:\n  )?[\\[{&*!|>'\"-]?\n?){0,6}") {
        let quoted = serde_json::to_string(&inner).expect("JSON");
        places(&format!("{{\"mesh\": {quoted}}}"), true);
    }
}
