//! Kinds, names, labels and fields that any object has.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "a kind with a typing error",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentcation
metadata:
  name: default
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:2:7: error RS103 kind: the kind `PeerAuthentcation` of `security.istio.io` is unknown (did you mean `PeerAuthentication`?)",
        ],
    },
    Row {
        title: "a kind in the wrong group",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:2:7: error RS103 kind: the kind `PeerAuthentication` of `networking.istio.io` is unknown (write `apiVersion: security.istio.io/v1`)",
        ],
    },
    Row {
        title: "a kind that nobody knows keeps nothing from loading",
        file: "a.yaml",
        text: r"apiVersion: example.com/v1
kind: Widget
metadata:
  name: w
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
",
        good: &["Namespace/shop"],
        broken: &[],
        unreadable: false,
        findings: &["a.yaml:2:7: error RS103 kind: the kind `Widget` of `example.com` is unknown"],
    },
    Row {
        title: "a version that is not served",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v2
kind: PeerAuthentication
metadata:
  name: default
  namespace: shop
",
        good: &[],
        broken: &["PeerAuthentication/shop/default"],
        unreadable: false,
        findings: &[
            "a.yaml:1:13: error RS104 PeerAuthentication/shop/default apiVersion: `PeerAuthentication` of `security.istio.io` has no version `v2` (write `security.istio.io/v1`)",
        ],
    },
    Row {
        title: "kinds of the field that are not served are warnings",
        file: "a.yaml",
        text: r"apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: web
---
apiVersion: v1
kind: Node
metadata:
  name: n1
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
",
        good: &["Namespace/shop"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:2:7: warning RS105 kind: `Deployment` `web` of `apps` is known but not served, it has no effect (what runs is declared as a `Process` of ripstop.dev/v1alpha1)",
            "a.yaml:7:7: warning RS105 kind: `HTTPRoute` `web` of `gateway.networking.k8s.io` is known but not served, it has no effect (write a `VirtualService` of networking.istio.io/v1, and a `Gateway` for what comes from outside)",
            "a.yaml:12:7: warning RS105 kind: `Node` `n1` of the core group is known but not served, it has no effect",
        ],
    },
    Row {
        title: "kind is a number",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: 5
metadata:
  name: shop
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[r#"a.yaml:2:7: error RS106 kind: text is expected, the number 5 was found (write "5" in quotes)"#],
    },
    Row {
        title: "a boolean as name, numbers as labels",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  name: true
  labels:
    version: 1
    canary: yes
    ratio: 0.5
    empty:
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            r#"a.yaml:4:9: error RS106 metadata.name: text is expected, the boolean `true` was found (write "true" in quotes)"#,
            r#"a.yaml:6:14: error RS106 metadata.labels.version: text is expected, the number 1 was found (write "1" in quotes)"#,
            r#"a.yaml:7:13: error RS106 metadata.labels.canary: text is expected, the boolean `yes` was found (write "yes" in quotes)"#,
            r#"a.yaml:8:12: error RS106 metadata.labels.ratio: text is expected, the number 0.5 was found (write "0.5" in quotes)"#,
            r#"a.yaml:9:5: error RS106 metadata.labels.empty: text is expected, nothing was found (write "" if it is meant to be empty)"#,
        ],
    },
    Row {
        title: "no name",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  labels:
    a: b
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &["a.yaml:4:3: error RS108 metadata.name: `name` is missing"],
    },
    Row {
        title: "no metadata",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: ServiceAccount
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:1:1: error RS108 metadata: `metadata` is missing (an object needs at least `metadata.name`)",
        ],
    },
    Row {
        title: "a generated name",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  generateName: shop-
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:4:3: error RS107 metadata.generateName: there is no field `generateName` (names are not generated: write `name`)",
            "a.yaml:4:3: error RS108 metadata.name: `name` is missing",
        ],
    },
    Row {
        title: "names that are no DNS labels",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: Default_Policy
  namespace: My.Namespace
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:4:9: error RS111 metadata.name: `Default_Policy` is not a DNS name: it must begin and end with a lower-case letter or digit (for example `default-policy`)",
            "a.yaml:5:14: error RS111 metadata.namespace: `My.Namespace` is not a DNS label: it must begin and end with a lower-case letter or digit",
        ],
    },
    Row {
        title: "a name that is too long for a process",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
spec:
  command: [sleep]
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:4:9: error RS111 metadata.name: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is not a DNS label of at most 50 characters: it has 51 characters, at most 50 are allowed",
        ],
    },
    Row {
        title: "a namespace for a kind that has none",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata:
  name: n1
  namespace: shop
",
        good: &[],
        broken: &["Node/n1"],
        unreadable: false,
        findings: &[
            "a.yaml:5:14: error RS116 Node/n1 metadata.namespace: a Node lives in no namespace (remove `namespace`)",
        ],
    },
    Row {
        title: "labels that are no labels",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels:
    -app: web
    Example.com/app: web
    app: two words
    long: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
  annotations:
    bad key: any value is fine here
",
        good: &[],
        broken: &["Namespace/shop"],
        unreadable: false,
        findings: &[
            "a.yaml:6:5: error RS112 Namespace/shop metadata.labels.-app: `-app` is not the key of a label: it must begin and end with a letter or digit",
            "a.yaml:7:5: error RS112 Namespace/shop metadata.labels.Example.com/app: `Example.com/app` is not the key of a label: the part before `/`: it must begin and end with a lower-case letter or digit",
            "a.yaml:8:10: error RS112 Namespace/shop metadata.labels.app: `two words` is not the value of a label: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
            "a.yaml:9:11: error RS112 Namespace/shop metadata.labels.long: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` is not the value of a label: it has 64 characters, at most 63 are allowed",
            "a.yaml:11:5: error RS112 Namespace/shop metadata.annotations.bad key: `bad key` is not the key of an annotation: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
        ],
    },
    Row {
        title: "labels as a list",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels:
    - app: web
",
        good: &[],
        broken: &["Namespace/shop"],
        unreadable: false,
        findings: &[
            "a.yaml:6:5: error RS106 Namespace/shop metadata.labels: a mapping is expected, a list was found (write `key: value`, one below the other and indented)",
        ],
    },
    Row {
        title: "metadata as text",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata: shop
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:3:11: error RS106 metadata: a mapping is expected, the text `shop` was found (write `key: value`, one below the other and indented)",
        ],
    },
    Row {
        title: "unknown fields at every level",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  lables:
    app: web
spec:
  mtl:
    mode: STRICT
  selector:
    matchLabel:
      app: web
statsu: {}
",
        good: &[],
        broken: &["PeerAuthentication/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:5:3: error RS107 PeerAuthentication/default/default metadata.lables: there is no field `lables` (did you mean `labels`?)",
            "a.yaml:8:3: error RS107 PeerAuthentication/default/default spec.mtl: there is no field `mtl` (did you mean `mtls`?)",
            "a.yaml:11:5: error RS107 PeerAuthentication/default/default spec.selector.matchLabel: there is no field `matchLabel` (did you mean `matchLabels`?)",
            "a.yaml:13:1: error RS107 PeerAuthentication/default/default statsu: there is no field `statsu` (did you mean `status`?)",
        ],
    },
    Row {
        title: "one id twice, and a third object that survives",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  name: shop
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels:
    a: b
---
apiVersion: v1
kind: Namespace
metadata:
  name: other
",
        good: &["Namespace/shop", "Namespace/other"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:6:1: error RS122 Namespace/shop: this object is given twice, first in line 1 (the first one counts: rename or remove one of them)",
        ],
    },
    Row {
        title: "a list whose items are judged one by one",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata:
    name: good
- apiVersion: v1
  kind: Namespace
  metadata:
    name: bad
    label: {}
- metadata:
    name: fragment
",
        good: &["Namespace/good"],
        broken: &["Namespace/bad"],
        unreadable: true,
        findings: &[
            "a.yaml:12:5: error RS107 Namespace/bad metadata.label: there is no field `label` (did you mean `labels`?)",
            "a.yaml:13:3: error RS19: this document has neither `apiVersion` nor `kind` (add both; if this is the rest of the document above, remove the `---` between them)",
        ],
    },
    Row {
        title: "a list whose items are none",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: List
items: none
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &["a.yaml:3:8: error RS106 items: a list is expected, the text `none` was found"],
    },
    Row {
        title: "a list with `items` twice",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: List
items: []
items: []
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:4:1: error RS17 items: the key `items` is given a second time, first in line 3 (is a `---` missing before it? Nothing of this document is applied)",
        ],
    },
    Row {
        title: "the first object broken, the second of the same id good: neither acts",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata:
  name: shop
  lables: {}
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
",
        good: &[],
        broken: &["Namespace/shop"],
        unreadable: false,
        findings: &[
            "a.yaml:5:3: error RS107 Namespace/shop metadata.lables: there is no field `lables` (did you mean `labels`?)",
            "a.yaml:7:1: error RS122 Namespace/shop: this object is given twice, first in line 1 (the first one counts: rename or remove one of them)",
        ],
    },
    Row {
        title: "the same object twice in a list, the first one broken",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: shop, labels: {tier: 1}}
- apiVersion: v1
  kind: Namespace
  metadata: {name: shop}
",
        good: &[],
        broken: &["Namespace/shop"],
        unreadable: false,
        findings: &[
            "a.yaml:6:41: error RS106 Namespace/shop metadata.labels.tier: text is expected, the number 1 was found (write \"1\" in quotes)",
            "a.yaml:7:3: error RS122 Namespace/shop: this object is given twice, first in line 4 (the first one counts: rename or remove one of them)",
        ],
    },
    Row {
        title: "values that decide about enrolment and are not known",
        file: "a.yaml",
        text: r#"apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels:
    istio.io/dataplane-mode: ambiant
    istio-injection: ""
  annotations:
    linkerd.io/inject: "on"
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: cart, namespace: shop, labels: {sidecar.istio.io/inject: "no"}}
spec: {command: [cart]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop, labels: {istio.io/dataplane-mode: ambiant}}
spec: {ports: [{port: 80}]}
"#,
        good: &["Service/shop/cart"],
        broken: &["Namespace/shop", "Process/shop/cart"],
        unreadable: false,
        findings: &[
            "a.yaml:6:30: error RS110 Namespace/shop metadata.labels.istio.io/dataplane-mode: `ambiant` is none of `ambient`, `none` (did you mean `ambient`?)",
            "a.yaml:7:22: error RS110 Namespace/shop metadata.labels.istio-injection: \"\" is none of `enabled`, `disabled`",
            "a.yaml:9:24: error RS110 Namespace/shop metadata.annotations.linkerd.io/inject: `on` is none of `enabled`, `ingress`, `disabled`",
            "a.yaml:13:75: error RS110 Process/shop/cart metadata.labels.sidecar.istio.io/inject: `no` is none of `true`, `false`",
        ],
    },
];
