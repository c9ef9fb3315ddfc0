//! `ProxyConfig`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "negative concurrency",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: bad-concurrency}
spec:
  concurrency: -1
",
        good: &[],
        broken: &["ProxyConfig/default/bad-concurrency"],
        unreadable: false,
        findings: &[
            "a.yaml:5:16: error RS109 ProxyConfig/default/bad-concurrency spec.concurrency: -1 is out of range, 0 to 4294967295 is allowed",
        ],
    },
    Row {
        title: "a label without a key",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: empty-key-selector}
spec:
  selector:
    matchLabels:
      "": bar
"#,
        good: &[],
        broken: &["ProxyConfig/default/empty-key-selector"],
        unreadable: false,
        findings: &[
            r#"a.yaml:7:7: error RS112 ProxyConfig/default/empty-key-selector spec.selector.matchLabels.: "" is not the key of a label: it is empty"#,
        ],
    },
    Row {
        title: "values of the environment are text",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: env}
spec:
  concurrency: two
  environmentVariables:
    A: 1
    B: true
    C: "yes"
"#,
        good: &[],
        broken: &["ProxyConfig/default/env"],
        unreadable: false,
        findings: &[
            "a.yaml:5:16: error RS106 ProxyConfig/default/env spec.concurrency: a whole number is expected, the text `two` was found",
            "a.yaml:7:5: info RS120 ProxyConfig/default/env spec.environmentVariables: `environmentVariables` is read but has no effect (it is for proxies that are injected beside a workload)",
            r#"a.yaml:7:8: error RS106 ProxyConfig/default/env spec.environmentVariables.A: text is expected, the number 1 was found (write "1" in quotes)"#,
            r#"a.yaml:8:8: error RS106 ProxyConfig/default/env spec.environmentVariables.B: text is expected, the boolean `true` was found (write "true" in quotes)"#,
        ],
    },
    Row {
        title: "the image is known and has no effect",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: image}
spec:
  image: {imageType: distroless, tag: latest}
",
        good: &[],
        broken: &["ProxyConfig/default/image"],
        unreadable: false,
        findings: &[
            "a.yaml:5:10: info RS120 ProxyConfig/default/image spec.image: `image` is read but has no effect (proxies run without images)",
            "a.yaml:5:34: error RS107 ProxyConfig/default/image spec.image.tag: there is no field `tag` (its fields are `imageType`)",
        ],
    },
    Row {
        title: "fields of the mesh's proxies do not stand here",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: mesh}
spec:
  tracing: {sampling: 10}
  concurency: 2
  proxyMetadata: {A: b}
",
        good: &[],
        broken: &["ProxyConfig/default/mesh"],
        unreadable: false,
        findings: &[
            "a.yaml:5:3: error RS107 ProxyConfig/default/mesh spec.tracing: there is no field `tracing` (its fields are `selector`, `concurrency`, `environmentVariables`, `image`)",
            "a.yaml:6:3: error RS107 ProxyConfig/default/mesh spec.concurency: there is no field `concurency` (did you mean `concurrency`?)",
            "a.yaml:7:3: error RS107 ProxyConfig/default/mesh spec.proxyMetadata: there is no field `proxyMetadata` (its fields are `selector`, `concurrency`, `environmentVariables`, `image`)",
        ],
    },
    Row {
        title: "a version of another kind, and a selector that is none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ProxyConfig
metadata: {name: newer}
spec: {}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: selected}
spec:
  selector: {app: web}
  concurrency: 99999999999
  image: distroless
",
        good: &[],
        broken: &["ProxyConfig/default/newer", "ProxyConfig/default/selected"],
        unreadable: false,
        findings: &[
            "a.yaml:1:13: error RS104 ProxyConfig/default/newer apiVersion: `ProxyConfig` of `networking.istio.io` has no version `v1` (write `networking.istio.io/v1beta1`)",
            "a.yaml:10:14: error RS107 ProxyConfig/default/selected spec.selector.app: there is no field `app` (its fields are `matchLabels`)",
            "a.yaml:11:16: error RS109 ProxyConfig/default/selected spec.concurrency: 99999999999 is out of range, 0 to 4294967295 is allowed",
            "a.yaml:12:10: error RS106 ProxyConfig/default/selected spec.image: a mapping is expected, the text `distroless` was found (write `key: value`, one below the other and indented)",
            "a.yaml:12:10: info RS120 ProxyConfig/default/selected spec.image: `image` is read but has no effect (proxies run without images)",
        ],
    },
];
