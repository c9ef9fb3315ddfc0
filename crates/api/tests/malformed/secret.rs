//! `Secret`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "base64 that is none, without its value",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Secret
metadata: {name: tokens, namespace: shop}
type: Opaque
data:
  plain: hunter2!
  short: YWJj=
  blank: YW Jj
  good: YWJj
",
        good: &[],
        broken: &["Secret/shop/tokens"],
        unreadable: false,
        findings: &[
            "a.yaml:6:10: error RS129 Secret/shop/tokens data.plain: the value of `plain` is not base64 (encode it, or write it below `stringData` as it is)",
            "a.yaml:7:10: error RS129 Secret/shop/tokens data.short: the value of `short` is not base64 (encode it, or write it below `stringData` as it is)",
            "a.yaml:8:10: error RS129 Secret/shop/tokens data.blank: the value of `blank` is not base64 (encode it, or write it below `stringData` as it is)",
        ],
    },
    Row {
        title: "kubernetes.io/tls needs both",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Secret
metadata: {name: cert}
type: kubernetes.io/tls
data:
  tls.crt: YWJj
",
        good: &[],
        broken: &["Secret/default/cert"],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: error RS108 Secret/default/cert data.tls.key: `tls.key` is missing, a Secret of type `kubernetes.io/tls` must have it",
        ],
    },
    Row {
        title: "kubernetes.io/tls without any data",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Secret
metadata: {name: cert}
type: kubernetes.io/tls
",
        good: &[],
        broken: &["Secret/default/cert"],
        unreadable: false,
        findings: &[
            "a.yaml:1:1: error RS108 Secret/default/cert data.tls.crt: `tls.crt` is missing, a Secret of type `kubernetes.io/tls` must have it",
            "a.yaml:1:1: error RS108 Secret/default/cert data.tls.key: `tls.key` is missing, a Secret of type `kubernetes.io/tls` must have it",
        ],
    },
    Row {
        title: "keys that are none",
        file: "a.yaml",
        text: r#"apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData:
  "a/b": x
  "": x
  ..: x
  "with blank": x
  .ok-_1: x
"#,
        good: &[],
        broken: &["Secret/default/keys"],
        unreadable: false,
        findings: &[
            "a.yaml:5:3: error RS111 Secret/default/keys stringData.a/b: `a/b` is not a key: `/` is not allowed, only letters, digits, `-`, `_` and `.`",
            r#"a.yaml:6:3: error RS111 Secret/default/keys stringData.: "" is not a key: it is empty"#,
            "a.yaml:7:3: error RS111 Secret/default/keys stringData...: `..` is not a key: it may not be `.` or begin with `..`",
            "a.yaml:8:3: error RS111 Secret/default/keys stringData.with blank: `with blank` is not a key: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
        ],
    },
    Row {
        title: "values that are no text are not shown",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Secret
metadata: {name: types}
stringData:
  pin: 1234
  flag: yes
  nested: {password: hunter2}
  empty:
data:
- hunter2
",
        good: &[],
        broken: &["Secret/default/types"],
        unreadable: false,
        findings: &[
            "a.yaml:5:8: error RS106 Secret/default/types stringData.pin: text is expected, a number was found (write it in quotes)",
            "a.yaml:6:9: error RS106 Secret/default/types stringData.flag: text is expected, a boolean was found (write it in quotes)",
            "a.yaml:7:11: error RS106 Secret/default/types stringData.nested: text is expected, a mapping was found (write it as a text, for example with `|`)",
            r#"a.yaml:8:3: error RS106 Secret/default/types stringData.empty: text is expected, nothing was found (write "" if it is meant to be empty)"#,
            "a.yaml:10:3: error RS106 Secret/default/types data: a mapping is expected, a list was found (write `key: value`, one below the other and indented)",
        ],
    },
    Row {
        title: "data as a text is not shown either",
        file: "a.yaml",
        text: r#"apiVersion: v1
kind: Secret
metadata: {name: text}
data: aHVudGVyMg==
immutable: "true"
type: 5
"#,
        good: &[],
        broken: &["Secret/default/text"],
        unreadable: false,
        findings: &[
            "a.yaml:4:7: error RS106 Secret/default/text data: a mapping is expected, a text was found (write `key: value`, one below the other and indented)",
            "a.yaml:5:12: error RS106 Secret/default/text immutable: `true` or `false` is expected, the text `true` was found (remove the quotes)",
            r#"a.yaml:6:7: error RS106 Secret/default/text type: text is expected, the number 5 was found (write "5" in quotes)"#,
        ],
    },
    Row {
        title: "fields of other kinds, and a key twice",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Secret
metadata: {name: fields}
spec: {}
binaryData: {}
data:
  a: YQ==
  a: Yg==
",
        good: &[],
        broken: &["Secret/default/fields"],
        unreadable: false,
        findings: &[
            "a.yaml:4:1: error RS107 Secret/default/fields spec: there is no field `spec` (its fields are `apiVersion`, `kind`, `status`, `metadata`, `data`, `stringData`, `immutable`, `type`)",
            "a.yaml:5:1: error RS107 Secret/default/fields binaryData: there is no field `binaryData` (its fields are `apiVersion`, `kind`, `status`, `metadata`, `data`, `stringData`, `immutable`, `type`)",
            "a.yaml:8:3: error RS17 Secret/default/fields data.a: the key `a` is given a second time, first in line 7 (keep one of them)",
        ],
    },
    Row {
        title: "other types with keys that they need, and lost indentation",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Secret
metadata: {name: ssh}
type: kubernetes.io/ssh-auth
stringData: {ssh-publickey: x}
---
apiVersion: v1
kind: Secret
metadata: {name: lost}
data:
password: aHVudGVyMg==
",
        good: &[],
        broken: &["Secret/default/ssh", "Secret/default/lost"],
        unreadable: false,
        findings: &[
            "a.yaml:5:13: error RS108 Secret/default/ssh stringData.ssh-privatekey: `ssh-privatekey` is missing, a Secret of type `kubernetes.io/ssh-auth` must have it",
            "a.yaml:11:1: error RS18 Secret/default/lost password: the indentation is lost: `password` stands beside `data`, which is empty, and not below it (indent it by two blanks, and what belongs below it by two more)",
        ],
    },
];
