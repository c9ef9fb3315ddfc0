//! Documents whose structure is not what their author sees.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "three objects without a `---` between them",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: shop
spec:
  mtls:
    mode: STRICT

# one application is not ready yet
spec:
  selector:
    matchLabels:
      app: old
  mtls:
    mode: PERMISSIVE

# everywhere
metadata:
  name: default
  namespace: istio-system
spec:
  mtls:
    mode: STRICT
",
        good: &[],
        broken: &["PeerAuthentication/istio-system/default", "PeerAuthentication/shop/default"],
        unreadable: true,
        findings: &[
            "a.yaml:11:1: error RS17 PeerAuthentication/shop/default spec: the key `spec` is given a second time, first in line 6; so are `metadata` in line 19, `spec` in line 22 (is a `---` missing before it? Nothing of this document is applied)",
        ],
    },
    Row {
        title: "a whole object appended without `---`, beside a good neighbour",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  name: shop
apiVersion: v1
kind: ServiceAccount
metadata:
  name: web
  namespace: shop
---
apiVersion: v1
kind: Namespace
metadata:
  name: other
",
        good: &["Namespace/other"],
        broken: &["Namespace/shop", "Namespace/web", "ServiceAccount/default/shop", "ServiceAccount/shop/web"],
        unreadable: true,
        findings: &[
            "a.yaml:5:1: error RS17 Namespace/shop apiVersion: the key `apiVersion` is given a second time, first in line 1; so are `kind` in line 6, `metadata` in line 7 (is a `---` missing before it? Nothing of this document is applied)",
        ],
    },
    Row {
        title: "keys given twice deep inside",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
spec:
  selector:
    matchLabels:
      app: web
      app: api
  mtls:
    mode: STRICT
    mode: PERMISSIVE
",
        good: &[],
        broken: &["PeerAuthentication/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:9:7: error RS17 PeerAuthentication/default/default spec.selector.matchLabels.app: the key `app` is given a second time, first in line 8 (keep one of them)",
            "a.yaml:12:5: error RS17 PeerAuthentication/default/default spec.mtls.mode: the key `mode` is given a second time, first in line 11 (keep one of them)",
        ],
    },
    Row {
        title: "indentation lost everywhere",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
name: default
namespace: shop
spec:
mtls:
mode: STRICT
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:4:1: error RS18 name: the indentation is lost: `name` stands beside `metadata`, which is empty, and not below it (indent it by two blanks, and what belongs below it by two more)",
        ],
    },
    Row {
        title: "indentation lost below spec only",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
spec:
mtls:
  mode: STRICT
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:6:1: error RS18 PeerAuthentication/default/default mtls: the indentation is lost: `mtls` stands beside `spec`, which is empty, and not below it (indent it by two blanks, and what belongs below it by two more)",
        ],
    },
    Row {
        title: "indentation lost so that it is no YAML any more",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
name: shop
spec:
http:
- route:
- destination:
host: shop
weight: 90
- destination:
host: other
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:4:1: error RS18 name: the indentation is lost: `name` stands beside `metadata`, which is empty, and not below it (indent it by two blanks, and what belongs below it by two more)",
        ],
    },
    Row {
        title: "indentation lost one level deeper",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
spec:
  mtls:
  mode: STRICT
",
        good: &[],
        broken: &["PeerAuthentication/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:7:3: error RS18 PeerAuthentication/default/default spec.mode: the indentation is lost: `mode` stands beside `mtls`, which is empty, and not below it (indent it by two blanks, and what belongs below it by two more)",
        ],
    },
    Row {
        title: "a fragment without apiVersion and kind",
        file: "a.yaml",
        text: r"metadata:
  name: default
spec:
  mtls:
    mode: STRICT
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:1:1: error RS19: this document has neither `apiVersion` nor `kind` (add both; if this is the rest of the document above, remove the `---` between them)",
        ],
    },
    Row {
        title: "an object cut in two by a `---`: neither half acts",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: shop
---
spec:
  mtls:
    mode: STRICT
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
",
        good: &["Namespace/shop"],
        broken: &["PeerAuthentication/shop/default"],
        unreadable: true,
        findings: &[
            "a.yaml:7:1: error RS19: this document has neither `apiVersion` nor `kind` (PeerAuthentication/shop/default above has no `spec` and is held back: remove the `---` between them)",
        ],
    },
    Row {
        title: "no kind",
        file: "a.yaml",
        text: r"apiVersion: v1
metadata:
  name: shop
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:1:1: error RS19: this document has no `kind` (add it; if this is the rest of the document above, remove the `---` between them)",
        ],
    },
    Row {
        title: "no apiVersion",
        file: "a.yaml",
        text: r"kind: Namespace
metadata:
  name: shop
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:1:1: error RS19: this document has no `apiVersion` (add it; if this is the rest of the document above, remove the `---` between them)",
        ],
    },
    Row {
        title: "text instead of an object",
        file: "a.yaml",
        text: r"just some words
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:1:1: error RS19: an object is expected, the text `just some words` was found (an object begins with `apiVersion:` and `kind:`)",
        ],
    },
    Row {
        title: "a bare list",
        file: "a.yaml",
        text: r"- alert: Errors
  expr: up == 0
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:1:1: error RS19: an object is expected, a list was found (an object begins with `apiVersion:` and `kind:`)",
        ],
    },
];
