use super::*;
use crate::Kind;

const TWO: &str = "\
# Of the shop.
---
# Both.
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}  # here
spec: {ports: [{port: 80}]}

# About what follows.
--- # second
# The other one.
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {ports: [{port: 81}]}
# The end.
";

fn document_of(text: &str, name: &str) -> String {
    documents_of(text, &[service(name)]).remove(0).unwrap()
}

const NEW: &str = "\
# A new one.
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 8080}]}";

fn service(name: &str) -> ObjectId {
    ObjectId { kind: Kind::Service, namespace: "shop".into(), name: name.into() }
}

#[test]
fn documents_keep_their_comments() {
    let found = documents(TWO).unwrap();
    assert_eq!(found.iter().map(|it| it.id.clone()).collect::<Vec<_>>(), [service("web"), service("cart")]);
    assert!(found[0].text.starts_with("# Both.\n") && found[0].text.ends_with("# About what follows.\n"), "{found:?}");
    assert!(found[1].text.starts_with("# The other one.\n") && found[1].text.ends_with("# The end.\n"), "{found:?}");
    assert_eq!(document_of(TWO, "web"), found[0].text.replace("# About what follows.\n", ""));
}

#[test]
fn kinds_that_are_not_served_are_passed_over() {
    let text = format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\n---\n{NEW}\n");
    assert_eq!(documents(&text).unwrap(), [Written { id: service("web"), text: format!("{NEW}\n") }]);
}

#[test]
fn one_takes_the_place_of_another() {
    let replaced = put_document(TWO, &service("web"), NEW).unwrap();
    let (before, rest) = TWO.split_once("# Both.").unwrap();
    let (_, after) = rest.split_once("# About").unwrap();
    assert_eq!(replaced, format!("{before}{NEW}\n# About{after}"));
    let other = NEW.replace("name: web", "name: cart");
    let (before, _) = TWO.split_once("# The other one.").unwrap();
    assert_eq!(put_document(TWO, &service("cart"), &other).unwrap(), format!("{before}{other}\n# The end.\n"));
    for same in [document_of(TWO, "web"), documents(TWO).unwrap()[0].text.clone()] {
        assert_eq!(put_document(TWO, &service("web"), &same).unwrap(), TWO, "nothing changes");
    }
}

#[test]
fn blank_lines_that_say_something_stay() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata:\n  x: |+\n    text\n\n\n";
    let id = ObjectId { kind: Kind::ConfigMap, namespace: "shop".into(), name: "a".into() };
    assert_eq!(documents(text).unwrap()[0].text, text);
    let before = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: shop}}\n---\n{NEW}\n");
    assert_eq!(put_document(&before, &id, text).unwrap(), format!("{text}---\n{NEW}\n"));
}

#[test]
fn one_is_taken_out() {
    let (before, rest) = TWO.split_once("---\n# Both.").unwrap();
    let (_, after) = rest.split_once("# About").unwrap();
    assert_eq!(cut_document(TWO, &service("web")).unwrap().unwrap(), format!("{before}# About{after}"));
    let (before, _) = TWO.split_once("--- # second").unwrap();
    let without = cut_document(TWO, &service("cart")).unwrap().unwrap();
    assert_eq!(without, format!("{before}# The end.\n"));
    let comments = cut_document(&without, &service("web")).unwrap().unwrap();
    assert_eq!(comments, "# Of the shop.\n# About what follows.\n# The end.\n");
    assert_eq!(cut_document(&format!("---\n{NEW}\n---\n"), &service("web")).unwrap(), None);
}

#[test]
fn what_can_not_be_edited_safely_is_left_alone() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: web, namespace: shop}\n";
    let twice = format!("{TWO}---\n{NEW}\n");
    let two_in_one = format!("{NEW}\n---\n{NEW}\n");
    let broken = format!("{NEW}\n---\na: [\n");
    let on_its_mark = "--- {apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}}\n";
    let directive = format!("%YAML 1.2\n---\n{NEW}\n");
    for (said, result) in [
        ("is not in this file", put_document(TWO, &service("none"), NEW)),
        ("line 1", put_document(list, &service("web"), NEW)),
        ("given twice", put_document(&twice, &service("web"), NEW)),
        ("more than was asked for", put_document(TWO, &service("web"), &two_in_one)),
        ("more than was asked for", put_document(TWO, &service("cart"), NEW)),
        ("cannot be read; mend it", cut_document(&broken, &service("web")).map(Option::unwrap_or_default)),
        ("line of its mark", put_document(on_its_mark, &service("web"), NEW)),
        ("a directive", put_document(&directive, &service("web"), NEW)),
    ] {
        let told = result.unwrap_err().to_string();
        assert!(told.contains(said), "{said}: {told}");
    }
    assert!(documents("a: b\n").unwrap().is_empty());
}

#[test]
fn a_namespace_is_given_to_who_names_none() {
    for (before, after) in [
        ("metadata: {name: web}", Some("metadata: {name: web, namespace: shop}")),
        ("metadata:\n  name: web # here", Some("metadata:\n  name: web # here\n  namespace: shop")),
        ("metadata:\n  namespace:\n  name: web", Some("metadata:\n  namespace: shop\n  name: web")),
        ("metadata: {name: web, namespace: shop}", Some("metadata: {name: web, namespace: shop}")),
        ("metadata: {name: web, namespace: other}", None),
    ] {
        let text = |metadata: &str| {
            format!("# It.\napiVersion: v1\nkind: Service\n{metadata}\nspec: {{ports: [{{port: 80}}]}}\n")
        };
        assert_eq!(in_namespace(&text(before), "shop").ok(), after.map(text), "{before}");
    }
    let node = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";
    assert_eq!(in_namespace(node, "shop").unwrap(), node);
}

#[test]
fn objects_of_a_list_are_documents_of_their_own() {
    let block = "\
apiVersion: v1
# Of three.
items:
# The shop's.
- apiVersion: v1
  kind: Service
  metadata:
    name: web   # the front
    namespace: shop
    annotations:
      note: |
        two

        lines

  spec:
    ports:
    - port: 80
  # its last
- {apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {ports: [{port: 80, name: \"8\"}, {}], x: []}}
- apiVersion: v1
  kind: Elsewhere
  metadata: {name: a}
kind: List
";
    let found = documents(block).unwrap();
    let [web, cart] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&web.id, &cart.id), (&service("web"), &service("cart")));
    let text = "# The shop's.\napiVersion: v1\nkind: Service\nmetadata:\n  name: web   # the front\n  namespace: shop\n  annotations:\n    note: |\n      two\n\n      lines\n\nspec:\n  ports:\n  - port: 80\n# its last\n";
    assert_eq!(web.text, text);
    assert_eq!(
        cart.text,
        "{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {ports: [{port: 80, name: \"8\"}, {}], x: []}}\n"
    );
    let json = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop", "labels": {"a.b/c": "yes", "d": ""}},
         "spec": {"ports": [{"port": 80, "name": "a\nb"}, {}], "x": [], "y": null}}]}"#;
    let found = documents(json).unwrap();
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: shop\n  labels:\n    a.b/c: \"yes\"\n    d: \"\"\nspec:\n  ports:\n    - port: 80\n      name: \"a\\nb\"\n    - {}\n  x: []\n  \"y\": null\n";
    assert_eq!(found, [Written { id: service("web"), text: text.into() }]);
    // What is shared with others is written out.
    let shared = "- &a {apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}}\n- {<<: *a, metadata: {name: cart, namespace: shop}}\n";
    let found = documents(shared).unwrap();
    assert_eq!(found.iter().map(|found| found.id.clone()).collect::<Vec<_>>(), [service("web"), service("cart")]);
    assert!(found.iter().all(|found| documents(&found.text).unwrap()[0].id == found.id), "{found:?}");
    assert!(!found[1].text.contains('*'), "{found:?}");
}

#[test]
fn nothing_of_what_can_not_be_read_is_left_out_in_silence() {
    let service = |name: &str| {
        format!(r#"{{"apiVersion": "v1", "kind": "Service", "metadata": {{"name": "{name}", "namespace": "shop"}}}}"#)
    };
    let list = |a: &str, b: &str| {
        format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{}, {}]}}"#, service(a), service(b))
    };
    let several = [list("a", "b"), list("c", "d"), service("e")].join("\n");
    let names = |text: &str| documents(text).map(|found| found.into_iter().map(|own| own.id.name).collect::<Vec<_>>());
    assert_eq!(names(&several).unwrap(), ["a", "b", "c", "d", "e"]);
    let broken = format!("{}\n---\na: [\n", list("a", "b"));
    assert!(names(&broken).unwrap_err().to_string().contains("cannot be read"));
    // A plain scalar over several lines, in a list on one line.
    let folded = "[{apiVersion: v1, kind: Service, metadata: {name: a, namespace: shop, annotations: {note: first\n\n  second}}}]";
    let found = documents(folded).unwrap();
    assert_eq!(found[0].text.lines().last(), Some("    note: \"first\\nsecond\""));
}
