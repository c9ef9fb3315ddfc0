use super::{Change, EditError, new_namespace, set_metadata};
use crate::{Kind, ObjectId, parse_file};

fn id(kind: Kind, namespace: &str, name: &str) -> ObjectId {
    ObjectId { kind, namespace: namespace.into(), name: name.into() }
}

fn shop() -> ObjectId {
    id(Kind::Namespace, "", "shop")
}

fn set(key: &str, value: &str) -> Change {
    (key.into(), Some(value.into()))
}

fn unset(key: &str) -> Change {
    (key.into(), None)
}

#[track_caller]
fn assert_edit(before: &str, id: &ObjectId, labels: &[Change], annotations: &[Change], after: &str) {
    let edited = set_metadata(before, id, labels, annotations).expect("edits");
    assert_eq!(edited, after, "\n{edited}");
    assert_eq!(
        set_metadata(&edited, id, labels, annotations).expect("edits again"),
        edited,
        "a second edit changes nothing"
    );
}

const COMMENTED: &str = "\
# The shop.
apiVersion: v1
kind: Namespace # of everything
metadata:
  # how it is called
  name: shop # short
  labels: # for the mesh
    # first
    team: blue   # aligned
    # second
    tier: front
    # end of labels
spec: {}   # nothing
";

#[test]
fn a_label_is_added_after_the_last_one() {
    let after = COMMENTED.replace("    tier: front\n", "    tier: front\n    istio.io/dataplane-mode: ambient\n");
    assert_edit(COMMENTED, &shop(), &[set("istio.io/dataplane-mode", "ambient")], &[], &after);
}

#[test]
fn a_value_is_replaced_and_its_comment_stays() {
    let after = COMMENTED.replace("team: blue   # aligned", "team: green   # aligned");
    assert_edit(COMMENTED, &shop(), &[set("team", "green")], &[], &after);
}

#[test]
fn a_label_is_removed_with_its_line() {
    let after = COMMENTED.replace("    tier: front\n", "");
    assert_edit(COMMENTED, &shop(), &[unset("tier")], &[], &after);
}

#[test]
fn several_changes_at_once() {
    let after = COMMENTED
        .replace("    team: blue   # aligned\n", "")
        .replace("tier: front", "tier: back")
        .replace("  name: shop # short\n", "  name: shop # short\n  annotations:\n    linkerd.io/inject: enabled\n");
    let labels = [unset("team"), set("tier", "back"), unset("not-there")];
    assert_edit(COMMENTED, &shop(), &labels, &[set("linkerd.io/inject", "enabled")], &after);
}

#[test]
fn the_last_label_takes_its_map_with_it() {
    let before = "apiVersion: v1\nkind: Namespace\nmetadata:\n  labels:\n    a: b\n  name: shop\n";
    assert_edit(before, &shop(), &[unset("a")], &[], "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n");
}

#[test]
fn a_map_that_has_a_comment_stays_when_it_is_empty() {
    let before = "apiVersion: v1\nkind: Namespace\nmetadata:\n  labels: # mine\n    a: b\n  name: shop\n";
    let after = "apiVersion: v1\nkind: Namespace\nmetadata:\n  labels: # mine\n  name: shop\n";
    assert_edit(before, &shop(), &[unset("a")], &[], after);
    let again = "apiVersion: v1\nkind: Namespace\nmetadata:\n  labels: # mine\n    c: d\n  name: shop\n";
    assert_edit(after, &shop(), &[set("c", "d")], &[], again);
}

#[test]
fn values_that_are_no_text_are_quoted() {
    let before = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop";
    for value in ["true", "1", "0.5", "yes", "null", "1e3", "2026-11-20", "", "0x1f", "off", "1.2.3"] {
        let after = format!("{before}\n  labels:\n    key: \"{value}\"");
        assert_edit(before, &shop(), &[set("key", value)], &[], &after);
    }
    let awkward = "a: b # c\n\t\"d\" \\ é \u{85}";
    let after = format!("{before}\n  annotations:\n    key: \"a: b # c\\n\\t\\\"d\\\" \\\\ é \\u0085\"");
    assert_edit(before, &shop(), &[], &[set("key", awkward)], &after);
}

#[test]
fn quoted_and_block_values_are_replaced_whole() {
    let before = r#"
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  annotations:
    one: "a
      b"
    two: |
      some
      # text

      lines

    # a comment
    three: 'it''s' # kept
    four: "a \" b" # too
    "five" : 'x'
"#;
    let after = r#"
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  annotations:
    one: x
    two: v

    # a comment
    three: z # kept
    four: u # too
    "five" : t
"#;
    let all = [set("one", "x"), set("two", "v"), set("three", "z"), set("four", "u"), set("five", "t")];
    assert_edit(before, &shop(), &[], &all, after);
    let removed = before.replace("    two: |\n      some\n      # text\n\n      lines\n", "");
    assert_edit(before, &shop(), &[], &[unset("two")], &removed);
}

#[test]
fn a_map_that_ends_in_a_block_value_grows_at_its_head() {
    let before = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  annotations:\n    two: |\n      some\n      lines\n";
    let after = before.replace("    two: |", "    one: x\n    two: |");
    assert_edit(before, &shop(), &[], &[set("one", "x")], &after);
}

#[test]
fn flow_style_stays_flow_style() {
    let before = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}} # flow\n";
    let one = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {a: b}}} # flow\n";
    let two = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {a: b, c: \"1\"}}} # flow\n";
    assert_edit(before, &shop(), &[set("a", "b")], &[], one);
    assert_edit(one, &shop(), &[set("c", "1")], &[], two);
    assert_edit(two, &shop(), &[unset("c")], &[], one);
    assert_edit(
        two,
        &shop(),
        &[unset("a")],
        &[],
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {c: \"1\"}}} # flow\n",
    );
    let none = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {}}} # flow\n";
    assert_edit(one, &shop(), &[unset("a")], &[], none);
    assert_edit(none, &shop(), &[set("a", "b")], &[], one);
}

#[test]
fn a_flow_map_in_a_block_mapping() {
    let before = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {a: b} # short\n";
    assert_edit(before, &shop(), &[set("a", "c"), set("d", "e")], &[], &before.replace("{a: b}", "{a: c, d: e}"));
    assert_edit(before, &shop(), &[unset("a")], &[], &before.replace("{a: b}", "{}"));
    let null = before.replace("{a: b}", "~");
    assert_edit(&null, &shop(), &[set("a", "b")], &[], before);
}

#[test]
fn json_stays_json() {
    let before = r#"{
  "apiVersion": "v1",
  "kind": "Namespace",
  "metadata": {
    "name": "shop",
    "labels": {
      "team": "blue"
    }
  }
}
"#;
    let after = r#"{
  "apiVersion": "v1",
  "kind": "Namespace",
  "metadata": {
    "name": "shop",
    "labels": {
      "team": "blue",
      "tier": "front"
    },
    "annotations": {"note": "a \"b\""}
  }
}
"#;
    assert_edit(before, &shop(), &[set("tier", "front")], &[set("note", "a \"b\"")], after);
    assert_edit(after, &shop(), &[unset("team")], &[], &after.replace("\"team\": \"blue\",\n      ", ""));
    let array = r#"[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}]"#;
    let edited = r#"[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop", "labels": {"a": "b"}}}]"#;
    assert_edit(array, &shop(), &[set("a", "b")], &[], edited);
}

#[test]
fn only_the_object_meant_is_edited() {
    let before = "\
# one
apiVersion: v1
kind: Namespace
metadata:
  name: shop
--- # two: not even YAML
a: b: c
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata:
    name: web
    namespace: shop
  spec:
    ports:
    - port: 80
- apiVersion: v1
  kind: Service
  metadata:
    name: web
  spec:
    ports:
    - port: 80
";
    let label = [set("a", "b")];
    let after = before.replace("    name: web\n  spec", "    name: web\n    labels:\n      a: b\n  spec");
    assert_edit(before, &id(Kind::Service, "default", "web"), &label, &[], &after);
    let after = before.replace("    namespace: shop\n", "    namespace: shop\n    labels:\n      a: b\n");
    assert_edit(before, &id(Kind::Service, "shop", "web"), &label, &[], &after);
    let missing = id(Kind::Service, "other", "web");
    assert_eq!(set_metadata(before, &missing, &label, &[]), Err(EditError::NotFound(missing)));
}

#[test]
fn line_breaks_of_windows_stay() {
    let before = COMMENTED.replace('\n', "\r\n");
    let after = before.replace("    tier: front\r\n", "    tier: front\r\n    a: b\r\n");
    assert_edit(&before, &shop(), &[set("a", "b")], &[], &after);
}

#[test]
fn a_byte_order_mark_and_wide_characters_do_not_shift_the_place() {
    let before = "\u{feff}# größer ☃\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, annotations: {é: ☃}}\n";
    let before = before.replace("é: ☃", "e: \"☃é\"");
    let after = before.replace("\"☃é\"", "\"☃é\", f: g");
    assert_edit(&before, &shop(), &[], &[set("f", "g")], &after);
}

#[test]
fn what_is_shared_is_not_touched() {
    let shared = "\
apiVersion: v1
kind: Service
metadata:
  name: web
  labels: &labels
    app: web
spec:
  selector: *labels
  ports:
  - port: 80
";
    let web = id(Kind::Service, "default", "web");
    assert_eq!(set_metadata(shared, &web, &[set("a", "b")], &[]), Err(EditError::Unsafe(web.clone())));
    let alias = "\
apiVersion: v1
kind: Service
spec:
  selector: &labels
    app: web
  ports:
  - port: 80
metadata:
  name: web
  labels: *labels
";
    let error = set_metadata(alias, &web, &[set("a", "b")], &[]).expect_err("shared");
    assert_eq!(
        error.to_string(),
        "the metadata of Service/default/web in line 5 cannot be edited in place: it is shared by an anchor; edit the \
         file by hand"
    );
}

#[test]
fn what_cannot_be_edited_says_why() {
    let twice = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n".repeat(2);
    assert_eq!(set_metadata(&twice, &shop(), &[], &[set("a", "b")]), Err(EditError::Repeated(shop())));
    let key_twice = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {}\n  labels: {}\n";
    assert!(matches!(
        set_metadata(key_twice, &shop(), &[set("a", "b")], &[]),
        Err(EditError::Unsupported { why: "a key is given twice", .. })
    ));
    let list = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: [a]\n";
    assert!(matches!(
        set_metadata(list, &shop(), &[set("a", "b")], &[]),
        Err(EditError::Unsupported { line: 5, why: "a mapping is expected", .. })
    ));
    let error = set_metadata("", &shop(), &[set("a b", "c")], &[]).expect_err("invalid");
    assert!(error.to_string().starts_with("`a b` is not the key of a label: ` ` is not allowed"), "{error}");
    let error = set_metadata("", &shop(), &[set("a", "b c")], &[]).expect_err("invalid");
    assert!(error.to_string().starts_with("`b c` is not the value of a label"), "{error}");
}

#[test]
fn a_new_namespace_reads_back() {
    let labels = [set("istio.io/dataplane-mode", "ambient"), set("on", "true"), unset("gone")];
    let text = new_namespace("n1", &labels, &[set("note", "a: b")]);
    assert_eq!(
        text,
        "# Made by `ripstop label` or `ripstop annotate`; it goes with the last of both.\napiVersion: v1\n\
         kind: Namespace\nmetadata:\n  name: n1\n  labels:\n    istio.io/dataplane-mode: ambient\n    \
         \"on\": \"true\"\n  annotations:\n    note: \"a: b\"\n"
    );
    let parsed = parse_file("a.yaml", &text);
    assert_eq!(parsed.findings, []);
    assert_eq!(parsed.objects[0].id, id(Kind::Namespace, "", "n1"));
    assert_eq!(parsed.objects[0].meta.labels["on"], "true");
    let numeric = new_namespace("42", &[], &[]);
    assert!(numeric.ends_with("\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: \"42\"\n"), "{numeric}");
    assert_eq!(parse_file("a.yaml", &numeric).findings, []);
    let all = [unset("istio.io/dataplane-mode"), unset("on")];
    let bare = set_metadata(&text, &id(Kind::Namespace, "", "n1"), &all, &[unset("note")]).expect("edits");
    assert_eq!(bare, new_namespace("n1", &[], &[]), "what was added is all gone");
}
