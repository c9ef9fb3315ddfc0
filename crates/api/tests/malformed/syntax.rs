//! Text that is no YAML, or too much of it.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "a value that opens a quote and never closes it",
        file: "a.yaml",
        text: r#"apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels:
    team: "blue
"#,
        good: &[],
        broken: &["Namespace/shop"],
        unreadable: false,
        findings: &[
            "a.yaml:7:1: error RS101 Namespace/shop: not valid YAML: invalid indentation in multiline quoted scalar",
        ],
    },
    Row {
        title: "a tab as indentation",
        file: "a.yaml",
        text: "apiVersion: v1\nkind: Namespace\nmetadata:\n\tname: shop\n",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:4:2: error RS101: not valid YAML: tabs disallowed within this context (block indentation) (indent with spaces, not with tabs)",
        ],
    },
    Row {
        title: "a colon in a plain value",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  name: shop
  annotations:
    note: see: below
",
        good: &[],
        broken: &["Namespace/shop"],
        unreadable: false,
        findings: &[
            "a.yaml:6:14: error RS101 Namespace/shop: not valid YAML: mapping values are not allowed in this context (quote a value that contains `: `, or check the indentation)",
        ],
    },
    Row {
        title: "a bracket that is never closed",
        file: "a.yaml",
        text: r#"apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: web, namespace: shop}
spec:
  command: ["/bin/web", "--port"
"#,
        good: &[],
        broken: &["Process/shop/web"],
        unreadable: false,
        findings: &[
            "a.yaml:5:12: error RS101 Process/shop/web: not valid YAML: unclosed bracket '[' (check that every bracket is closed and items have commas)",
        ],
    },
    Row {
        title: "a syntax error between two good neighbours, which both survive",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  name: first
---
apiVersion: v1
kind: Namespace
metadata:
  name: second
   labels: {}
---
apiVersion: v1
kind: Namespace
metadata:
  name: third
",
        good: &["Namespace/first", "Namespace/third"],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:10:10: error RS101: not valid YAML: mapping values are not allowed in this context (quote a value that contains `: `, or check the indentation)",
        ],
    },
    Row {
        title: "an error after the metadata leaves the id readable",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: shop
spec:
  mtls:
    mode: STRICT
   selector: {}
",
        good: &[],
        broken: &["PeerAuthentication/shop/default"],
        unreadable: false,
        findings: &[
            "a.yaml:9:4: error RS101 PeerAuthentication/shop/default: not valid YAML: while parsing a block mapping, did not find expected key (check the indentation of this line and the `:` after the key)",
        ],
    },
    Row {
        title: "an error in the metadata before a namespace may have followed",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  labels: {a: b
  namespace: shop
spec: {}
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:6:12: error RS101: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}' (check that every bracket is closed and items have commas)",
        ],
    },
    Row {
        title: "an alias without its anchor",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: *common
",
        good: &[],
        broken: &["Namespace/shop"],
        unreadable: false,
        findings: &[
            "a.yaml:5:11: error RS101 Namespace/shop: not valid YAML: while parsing node, found unknown anchor (anchors live in one document: define it above with `&`, or quote a leading `*`)",
        ],
    },
    Row {
        title: "an alias inside what it names",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata: &loop
  name: shop
  labels: *loop
",
        good: &[],
        broken: &["Namespace/shop"],
        unreadable: false,
        findings: &[
            "a.yaml:5:11: error RS101 Namespace/shop: an alias stands inside the value that it names (write the value out)",
        ],
    },
    Row {
        title: "aliases that expand without end",
        file: "a.yaml",
        text: r"a: &a [x, x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:5:7: error RS102: the aliases of this document expand to too much (split it into smaller documents)",
        ],
    },
    Row {
        title: "nesting without end",
        file: "a.yaml",
        text: "a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &["a.yaml:1:68: error RS102: more than 64 nested collections (split it into smaller documents)"],
    },
    Row {
        title: "a list as a key",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels:
    [a, b]: c
",
        good: &[],
        broken: &["Namespace/shop"],
        unreadable: false,
        findings: &[
            "a.yaml:6:5: error RS101 Namespace/shop: a list or mapping stands where a key is expected (a key is text; quote text that begins with `{` or `[`)",
        ],
    },
    Row {
        title: "a tag of somebody's own",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  name: !secret shop
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &["a.yaml:4:17: error RS101: the tag `!secret` has no meaning here (remove the tag)"],
    },
];
