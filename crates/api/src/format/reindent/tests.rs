//! Repairs by example, for each kind, and of any object that a kind's shape allows.

use std::{collections::BTreeSet, fmt::Write as _};

use proptest::prelude::*;

use super::{reindent, shapes};
use crate::{
    Kind,
    format::Formatted,
    kinds, parse_file,
    schema::{Message, Shape},
};

mod examples;

#[track_caller]
fn repaired(text: &str) -> Formatted {
    reindent("a.yaml", text).unwrap_or_else(|findings| panic!("{text}\n{findings:?}"))
}

#[track_caller]
fn assert_repaired(before: &str, after: &str) {
    assert_eq!(repaired(before).text, after, "from\n{before}");
}

#[track_caller]
fn assert_refused(text: &str, expected: &[&str]) {
    let findings = reindent("a.yaml", text).expect_err(text);
    assert_eq!(findings.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text}");
}

/// Every line flush left.
fn flat(text: &str) -> String {
    text.lines().fold(String::new(), |flat, line| flat + line.trim_start() + "\n")
}

fn notes(formatted: &Formatted) -> Vec<String> {
    let notes = formatted.findings.iter().filter(|finding| finding.code == "RS192");
    notes.map(ToString::to_string).collect()
}

#[test]
fn each_kind_by_example() {
    for example in examples::ALL {
        let kind = kind(example);
        if is_table_to_come(kind) {
            continue;
        }
        assert_ne!(flat(example), *example);
        let formatted = repaired(&flat(example));
        assert_eq!(formatted.text, *example);
        let doubtful: Vec<_> =
            notes(&formatted).iter().filter_map(|note| Some(note.split('`').nth(1)?.to_owned())).collect();
        let expected: &[&str] = match kind {
            Kind::VirtualService => &["method", "headers"],
            Kind::DestinationRule => &["tls"],
            Kind::Gateway => &["name", "name"],
            Kind::WorkloadEntry => &["serviceAccount"],
            _ => &[],
        };
        assert_eq!(doubtful, expected, "{example}");
        let others: Vec<_> = formatted.findings.iter().filter(|finding| finding.code != "RS192").cloned().collect();
        assert_eq!(others, parse_file("a.yaml", example).findings);
        assert!(formatted.findings.iter().all(|finding| finding.level != crate::Level::Error), "{formatted:?}");
    }
}

/// The kind that an example gives in its second line.
fn kind(example: &str) -> Kind {
    let value = |line: &str| line.split_once(": ").map(|(_, value)| value.to_owned()).expect(example);
    let mut lines = example.lines();
    let (version, kind) = (value(lines.next().expect(example)), value(lines.next().expect(example)));
    match kinds::look_up(&version, &kind) {
        kinds::Known::Served(kind) => kind,
        other => panic!("{version} {kind} is {other:?}"),
    }
}

/// Whether the kind has a table without fields.
fn is_table_to_come(kind: Kind) -> bool {
    let spec = shapes::object(kind).fields.iter().find(|(name, _)| *name == "spec");
    matches!(spec, Some((_, Shape::Message(message))) if message.fields.is_empty())
}

#[test]
fn a_canary_from_a_handbook() {
    let lost = "apiVersion: networking.istio.io/v1beta1\nkind: VirtualService\nmetadata:\nname: checkout-service\nspec:\nhosts:\n- checkout-service\nhttp:\n- route:\n- destination:\nhost: checkout-service\nsubset: v1\nweight: 90\n- destination:\nhost: checkout-service\nsubset: v2\nweight: 10\n";
    let formatted = repaired(lost);
    assert_eq!(
        formatted.text,
        "apiVersion: networking.istio.io/v1beta1\nkind: VirtualService\nmetadata:\n  name: checkout-service\nspec:\n  hosts:\n  - checkout-service\n  http:\n  - route:\n    - destination:\n        host: checkout-service\n        subset: v1\n      weight: 90\n    - destination:\n        host: checkout-service\n        subset: v2\n      weight: 10\n"
    );
    assert_eq!(formatted.findings, []);
}

#[test]
fn what_is_not_broken_stays() {
    let good = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";
    let odd = "# odd\napiVersion:   v1  \nkind: Namespace\nmetadata:\n        name: b\n\n\n";
    let lost = "apiVersion: v1\nkind: Namespace\nmetadata:\nname: c\n";
    let found = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: c\n";
    assert_repaired(good, good);
    assert_repaired(odd, odd);
    assert_repaired("", "");
    assert_repaired("a: [1\n", "a: [1\n");
    assert_repaired(
        &format!("\u{feff}{odd}---\n{lost}...\n\n---\n{good}"),
        &format!("\u{feff}{odd}---\n{found}...\n\n---\n{good}"),
    );
    let json = "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":null,\"name\":\"a\"}";
    assert_eq!(reindent("a.json", json).map(|formatted| formatted.text), Ok(json.into()));
}

#[test]
fn comments_blank_lines_and_breaks_stay() {
    assert_repaired(
        "# top\n\napiVersion: v1\nkind: Service\nmetadata: # beside\n# of name\nname: a  \n\nspec:\nports:\n# of port\n-   port: 80\n\n# of selector\nselector:\napp: a\n# end\n",
        "# top\n\napiVersion: v1\nkind: Service\nmetadata: # beside\n  # of name\n  name: a\n\nspec:\n  ports:\n  # of port\n  - port: 80\n\n  # of selector\n  selector:\n    app: a\n# end\n",
    );
    assert_repaired(
        "apiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\nname: c",
        "apiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\n  name: c",
    );
}

#[test]
fn values_over_several_lines() {
    assert_repaired(
        "apiVersion: v1\nkind: Service\nmetadata:\nname: a\nannotations: {a: b,\nc: [d]}\nspec:\nselector:\n{a: b}\nports:\n-\nport:\n80\nname:\n\"a b\nc\"\n- port: 81\n",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  annotations: {a: b,\n    c: [d]}\nspec:\n  selector:\n    {a: b}\n  ports:\n  -\n    port:\n      80\n    name:\n      \"a b\n      c\"\n  - port: 81\n",
    );
}

#[test]
fn a_block_scalar_with_an_indentation_of_its_own() {
    assert_repaired(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\nname: a\ndata:\na: |\n  b: c\n    d\n\n  - e\n# of f\nf: g\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: |\n    b: c\n      d\n\n    - e\n  # of f\n  f: g\n",
    );
}

#[test]
fn labels_and_fields_beside_them() {
    // `name` may be a label; the object needs one.
    let formatted = repaired(
        "apiVersion: v1\nkind: Namespace\nmetadata:\nlabels:\napp: a\nname: b\nannotations:\nname: c\nd: e\nkind: f\n",
    );
    assert_eq!(
        formatted.text,
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  labels:\n    app: a\n  name: b\n  annotations:\n    name: c\n    d: e\n    kind: f\n"
    );
    assert_eq!(
        notes(&formatted),
        [
            "a.yaml:6:3: info RS192: `name` would suit several places; the likeliest was taken (check that it stands where it is meant to)"
        ]
    );
}

#[test]
fn a_choice_that_leads_nowhere_is_taken_back() {
    // `headers` of the match come first, but it is the route's that have `request`.
    assert_repaired(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\nname: a\nspec:\nhosts: [a]\nhttp:\n- match:\n- uri:\nprefix: /\nheaders:\nrequest:\nset:\na: b\n",
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: a\nspec:\n  hosts: [a]\n  http:\n  - match:\n    - uri:\n        prefix: /\n    headers:\n      request:\n        set:\n          a: b\n",
    );
    // Values of the wrong form go where their key belongs: the findings tell.
    let formatted = repaired("apiVersion: v1\nkind: Service\nmetadata:\nname: a\nspec:\nports: 80\nselector: a\n");
    assert_eq!(
        formatted.text,
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  ports: 80\n  selector: a\n"
    );
}

#[test]
fn indentation_that_is_left_counts() {
    // All the same, it would be the object's namespace.
    assert_repaired(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n    name: c\n    labels:\n        app: a\n        namespace: b\nspec:\n    http:\n    - match:\n      - uri:\n        prefix: /\n      redirect:\n        port: 80\n    hosts: [a]\n",
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: c\n  labels:\n    app: a\n    namespace: b\nspec:\n  http:\n  - match:\n    - uri:\n        prefix: /\n    redirect:\n      port: 80\n  hosts: [a]\n",
    );
}

#[test]
fn lines_that_fit_nowhere() {
    let head = "apiVersion: v1\nkind: Service\nmetadata:\nname: a\nspec:\nports:\n- port: 80\n";
    let refused = |text: &str, expected: &str| assert_refused(&format!("{head}{text}"), &[expected]);
    refused(
        "targetprt: 80\n",
        "a.yaml:8:1: error RS190: `targetprt` fits nowhere in this Service (did you mean `targetPort`?)",
    );
    refused(
        "  # x\n  bogus: 80\n",
        "a.yaml:9:3: error RS190: `bogus` fits nowhere in this Service (indent this document by hand)",
    );
    refused(
        "port: 80\n",
        "a.yaml:8:1: error RS190: `port` fits nowhere in this Service (it is there already: is a `- ` missing before it?)",
    );
    refused(
        "apiVersion: v1\n",
        "a.yaml:8:1: error RS190: `apiVersion` fits nowhere in this Service (is a `---` missing before it?)",
    );
    refused(
        "- bogus: 80\n",
        "a.yaml:8:1: error RS190: `bogus` fits nowhere in this Service (indent this document by hand)",
    );
    refused(
        "- 80\n",
        "a.yaml:8:1: error RS190: this item fits into no list of this Service (indent this document by hand)",
    );
    refused(
        "- - port: 80\n",
        "a.yaml:8:1: error RS190: this item fits into no list of this Service (indent this document by hand)",
    );
    refused(
        "secret words\n",
        "a.yaml:8:1: error RS190: this line has no key and belongs to none before it (check the `:` after the key)",
    );
    refused("name: \"x\n", "a.yaml:8:1: error RS190: a quote or bracket is not closed (close it)");
    refused("name: {a: b,\n---\n", "a.yaml:8:1: error RS190: a quote or bracket is not closed (close it)");
    refused(
        "name: |\nx\n",
        "a.yaml:8:1: error RS190: the indentation of the text below this line is lost, too (indent the text below it by two blanks more than this line)",
    );
}

#[test]
fn documents_of_which_nothing_is_known() {
    let text = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\nname: a\n---\napiVersion: v1\nkind: Namespace\nmetadata:\nname: b\nbogus: 1\n";
    assert_refused(
        text,
        &[
            "a.yaml:3:1: error RS190: it is not known what a `Deployment` looks like (indent this document by hand)",
            "a.yaml:11:1: error RS190: `bogus` fits nowhere in this Namespace (indent this document by hand)",
        ],
    );
    assert_refused(
        "metadata:\nname: a\n",
        &["a.yaml:1:1: error RS190: the document names no `kind` (indent this document by hand)"],
    );
}

/// Kinds whose shape is written by hand.
const BY_HAND: [(Kind, &str); 9] = [
    (Kind::Namespace, "v1"),
    (Kind::ServiceAccount, "v1"),
    (Kind::Service, "v1"),
    (Kind::Secret, "v1"),
    (Kind::ConfigMap, "v1"),
    (Kind::PeerAuthentication, "security.istio.io/v1"),
    (Kind::Node, "ripstop.dev/v1alpha1"),
    (Kind::Process, "ripstop.dev/v1alpha1"),
    (Kind::Mesh, "ripstop.dev/v1alpha1"),
];

/// A field that no kind has.
const STRANGE: &str = "zzzzzzzzzzzzzzzz";

#[test]
fn shapes_by_hand_are_what_is_read() {
    let mut compared = 0;
    for (kind, version) in BY_HAND {
        let mut text = String::new();
        full(shapes::object(kind), 0, &mut text);
        let text = text.replace("apiVersion: x", &format!("apiVersion: {version}")).replacen(
            "kind: x",
            &format!("kind: {kind}"),
            1,
        );
        for finding in parse_file("a.yaml", &text).findings {
            // `generateName` is known, and refused.
            if finding.code != "RS107" || finding.path.ends_with("generateName") {
                continue;
            }
            let parent = finding.path.strip_suffix(STRANGE).unwrap_or_else(|| panic!("{finding}\n{text}"));
            let read: BTreeSet<&str> = finding.hint.split('`').skip(1).step_by(2).collect();
            let names = at(shapes::object(kind), parent).fields.iter().map(|(name, _)| *name);
            let shape: BTreeSet<&str> = names.filter(|name| *name != "generateName").collect();
            // At their top, the readers of these two may still take each other's fields.
            if matches!(kind, Kind::Secret | Kind::ConfigMap) && parent.is_empty() {
                assert!(shape.is_subset(&read), "{kind} {shape:?} {read:?}");
            } else {
                assert_eq!(shape, read, "{kind} {parent}");
            }
            compared += 1;
        }
    }
    assert!(compared > 30, "only {compared}");
}

/// Every field once, and a strange one in each message.
fn full(message: &Message, column: usize, out: &mut String) {
    for (name, shape) in message.fields {
        let _ = write!(out, "{:column$}{name}:", "");
        filled(shape, column, out);
    }
    let _ = writeln!(out, "{:column$}{STRANGE}: x", "");
}

fn filled(shape: &Shape, column: usize, out: &mut String) {
    match shape {
        Shape::Scalar => out.push_str(" x\n"),
        Shape::Any => out.push_str(" {}\n"),
        Shape::List(Shape::Message(message)) => {
            let mut item = String::new();
            full(message, column + 2, &mut item);
            let _ = write!(out, "\n{:column$}- {}", "", item.trim_start());
        }
        Shape::List(_) => out.push_str(" []\n"),
        Shape::Map(value) => {
            let column = column + 2;
            let _ = write!(out, "\n{:column$}\"1\":", "");
            filled(value, column, out);
        }
        Shape::Message(message) => {
            out.push('\n');
            full(message, column + 2, out);
        }
    }
}

/// The message at a path that ends in a dot, or at the top.
fn at(root: &'static Message, path: &str) -> &'static Message {
    path.split('.').filter(|name| !name.is_empty()).fold(root, |message, name| {
        let name = name.trim_end_matches("[0]");
        let mut shape = message.fields.iter().find(|(field, _)| *field == name).map(|(_, shape)| *shape);
        // A free key stands for itself.
        while let Some(Shape::List(inner) | Shape::Map(inner)) = shape {
            shape = Some(inner);
        }
        match shape {
            Some(Shape::Message(message)) => message,
            None if name == "1" => message,
            other => panic!("{path}: {name} is {other:?}"),
        }
    })
}

/// Kinds whose shape follows from their table.
const TABLES: [(Kind, &str); 13] = [
    (Kind::RequestAuthentication, "security.istio.io/v1"),
    (Kind::AuthorizationPolicy, "security.istio.io/v1"),
    (Kind::VirtualService, "networking.istio.io/v1"),
    (Kind::DestinationRule, "networking.istio.io/v1"),
    (Kind::Gateway, "networking.istio.io/v1"),
    (Kind::ServiceEntry, "networking.istio.io/v1"),
    (Kind::WorkloadEntry, "networking.istio.io/v1"),
    (Kind::WorkloadGroup, "networking.istio.io/v1"),
    (Kind::Sidecar, "networking.istio.io/v1"),
    (Kind::ProxyConfig, "networking.istio.io/v1beta1"),
    (Kind::Telemetry, "telemetry.istio.io/v1"),
    (Kind::IstioOperator, "install.istio.io/v1alpha1"),
    (Kind::TrafficPolicy, "ripstop.dev/v1alpha1"),
];

/// An object as its shape allows, two blanks a level.
fn object() -> impl Strategy<Value = String> {
    let kinds: Vec<_> = BY_HAND.into_iter().chain(TABLES).collect();
    (prop::sample::select(kinds), prop::collection::vec(any::<u8>(), 0..120)).prop_map(|((kind, version), dice)| {
        let mut pen = Pen { dice, ..Pen::default() };
        pen.out = format!("apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: x\n");
        let mut root = shapes::object(kind).fields.to_vec();
        root.retain(|(name, _)| !matches!(*name, "apiVersion" | "kind" | "metadata" | "status"));
        let metadata = shapes::object(kind).fields.iter().find(|(name, _)| *name == "metadata");
        if let Some((_, Shape::Message(metadata))) = metadata {
            let mut fields = metadata.fields.to_vec();
            fields.retain(|(name, _)| *name != "name");
            pen.fields(&fields, 2, "  ");
        }
        pen.fields(&root, 0, "");
        pen.out
    })
}

#[derive(Default)]
struct Pen {
    out: String,
    dice: Vec<u8>,
    at: usize,
    depth: usize,
}

impl Pen {
    fn roll(&mut self, sides: usize) -> usize {
        let die = self.dice.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        usize::from(die) % sides
    }

    fn indent(&mut self, column: usize) {
        let _ = write!(self.out, "{:column$}", "");
    }

    /// Some of the fields, in any order; `first` stands before the first key.
    fn fields(&mut self, fields: &[(&'static str, &'static Shape)], column: usize, first: &str) {
        let mut left = fields.to_vec();
        let mut before = first.to_owned();
        for _ in 0..=self.roll(4) {
            if left.is_empty() {
                break;
            }
            let (name, shape) = left.swap_remove(self.roll(left.len()));
            if self.roll(8) == 1 && before.len() == column {
                let _ = writeln!(self.out, "{before}# of {name}");
            }
            self.out.push_str(&before);
            self.out.push_str(name);
            self.out.push(':');
            self.value(shape, column);
            before = " ".repeat(column);
        }
    }

    /// What follows a key at `column`.
    fn value(&mut self, shape: &'static Shape, column: usize) {
        self.depth += 1;
        let deep = self.depth > 7 || self.roll(8) == 1;
        match shape {
            Shape::Scalar => self.scalar(),
            Shape::Any => {
                let text = [" {}\n", " x\n", " [a, {b: c}]\n", "\n"][self.roll(4)];
                self.out.push_str(text);
                if text == "\n" {
                    self.indent(column + 2);
                    self.out.push_str("x-any: 1\n");
                }
            }
            Shape::List(_) if deep => self.out.push_str(" []\n"),
            Shape::Map(_) | Shape::Message(_) if deep => self.out.push_str(" {}\n"),
            Shape::List(item) => {
                self.out.push('\n');
                for _ in 0..=self.roll(2) {
                    self.indent(column);
                    self.out.push('-');
                    match item {
                        Shape::Message(message) if !message.fields.is_empty() => {
                            self.fields(message.fields, column + 2, " ");
                        }
                        Shape::Scalar => self.scalar(),
                        _ => self.out.push_str(" {}\n"),
                    }
                }
            }
            Shape::Map(value) => {
                self.out.push('\n');
                for key in ["x-a", "\"1\"", "x/b.c"].iter().take(1 + self.roll(3)) {
                    self.indent(column + 2);
                    self.out.push_str(key);
                    self.out.push(':');
                    self.value(value, column + 2);
                }
            }
            Shape::Message(message) if message.fields.is_empty() => self.out.push_str(" {}\n"),
            Shape::Message(message) => {
                self.out.push('\n');
                let first = " ".repeat(column + 2);
                self.fields(message.fields, column + 2, &first);
            }
        }
        self.depth -= 1;
    }

    fn scalar(&mut self) {
        let text = [" x\n", " 80\n", " \"a: b\" # beside\n", " http://a.b:80/c\n", " '*'\n", " null\n"][self.roll(6)];
        self.out.push_str(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_object_is_found_again(text in object()) {
        let lost = flat(&text);
        let found = reindent("a.yaml", &lost).map_err(|findings| TestCaseError::fail(format!("{text}\n{findings:?}")))?;
        prop_assert_eq!(flat(&found.text), lost);
        if notes(&found).is_empty() {
            prop_assert_eq!(found.text, text);
        }
    }
}
