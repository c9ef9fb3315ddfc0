//! JSON.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "JSON with a comma too many, after a good object",
        file: "a.json",
        text: r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
{"apiVersion": "v1",}
"#,
        good: &["Namespace/shop"],
        broken: &[],
        unreadable: true,
        findings: &["a.json:2:21: error RS101: not valid JSON: a key in double quotes is expected, `}` was found"],
    },
    Row {
        title: "JSON without quotes",
        file: "a.json",
        text: r#"{"apiVersion": v1}
"#,
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &["a.json:1:16: error RS101: not valid JSON: a value is expected, `v` was found"],
    },
    Row {
        title: "JSON that ends too early",
        file: "a.json",
        text: r#"[{"apiVersion": "v1", "kind": "Namespace""#,
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &["a.json:1:42: error RS101: not valid JSON: `,` or `}` is expected, the end of the file was found"],
    },
    Row {
        title: "JSON with a string over two lines",
        file: "a.json",
        text: r#"{"apiVersion": "v1
"}"#,
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &["a.json:1:16: error RS101: not valid JSON: a string is not closed on its line (close the quote)"],
    },
    Row {
        title: "an array of JSON objects, each with its own findings",
        file: "a.json",
        text: r#"[
  {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"tier": 1}}},
  {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "Bad_Name"}},
  {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "good"}}
]
"#,
        good: &["Namespace/good"],
        broken: &["Namespace/shop"],
        unreadable: true,
        findings: &[
            r#"a.json:2:93: error RS106 Namespace/shop metadata.labels.tier: text is expected, the number 1 was found (write "1" in quotes)"#,
            "a.json:3:66: error RS111 metadata.name: `Bad_Name` is not a DNS label: it must begin and end with a lower-case letter or digit (for example `bad-name`)",
        ],
    },
];
