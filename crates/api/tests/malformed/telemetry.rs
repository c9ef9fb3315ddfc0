//! `Telemetry`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "tracing: a share that is none, modes that are none",
        file: "a.yaml",
        text: r#"apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata:
  name: default
  namespace: istio-system
spec:
  tracing:
  - randomSamplingPercentage: 100.5
    match:
      mode: BOTH
    providers:
    - name: ""
    - name: otel
  - randomSamplingPercentage: -1
    providers:
    - otel
"#,
        good: &[],
        broken: &["Telemetry/istio-system/default"],
        unreadable: false,
        findings: &[
            "a.yaml:8:31: error RS109 Telemetry/istio-system/default spec.tracing[0].randomSamplingPercentage: 100.5 is out of range, 0 to 100 is allowed (it is a share in per cent)",
            "a.yaml:10:13: error RS110 Telemetry/istio-system/default spec.tracing[0].match.mode: `BOTH` is none of `CLIENT_AND_SERVER`, `CLIENT`, `SERVER`",
            "a.yaml:12:13: error RS108 Telemetry/istio-system/default spec.tracing[0].providers[0].name: `name` is empty",
            "a.yaml:13:7: info RS120 Telemetry/istio-system/default spec.tracing[0].providers[1]: `providers[1]` is read but has no effect (spans are sent to the first provider only)",
            "a.yaml:14:31: error RS109 Telemetry/istio-system/default spec.tracing[1].randomSamplingPercentage: -1 is out of range, 0 to 100 is allowed (it is a share in per cent)",
            "a.yaml:16:7: error RS106 Telemetry/istio-system/default spec.tracing[1].providers[0]: a mapping is expected, the text `otel` was found (write `key: value`, one below the other and indented)",
        ],
    },
    Row {
        title: "tags of spans without a source, with several, or empty",
        file: "a.yaml",
        text: r#"apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: tags}
spec:
  tracing:
  - customTags:
      none: {}
      nothing:
      "": {literal: {value: x}}
      empty: {literal: {value: ""}}
      unnamed: {header: {name: ""}}
      missing: {environment: {defaultValue: a}}
      several: {literal: {value: a}, formatter: {value: "%PROTOCOL%"}}
"#,
        good: &[],
        broken: &["Telemetry/default/tags"],
        unreadable: false,
        findings: &[
            "a.yaml:8:7: error RS106 Telemetry/default/tags spec.tracing[0].customTags.nothing: a mapping is expected, nothing was found (write `key: value`, one below the other and indented)",
            "a.yaml:9:7: error RS111 Telemetry/default/tags spec.tracing[0].customTags: the name of a tag is empty",
            "a.yaml:10:32: error RS108 Telemetry/default/tags spec.tracing[0].customTags.empty.literal.value: `value` is empty",
            "a.yaml:11:32: error RS108 Telemetry/default/tags spec.tracing[0].customTags.unnamed.header.name: `name` is empty",
            "a.yaml:12:30: error RS108 Telemetry/default/tags spec.tracing[0].customTags.missing.environment.name: `name` is missing",
            "a.yaml:13:49: error RS124 Telemetry/default/tags spec.tracing[0].customTags.several.formatter: `formatter` excludes `literal` (keep one of them)",
        ],
    },
    Row {
        title: "tags of metrics: UPSERT needs a value, REMOVE takes none",
        file: "a.yaml",
        text: r#"apiVersion: telemetry.istio.io/v1alpha1
kind: Telemetry
metadata: {name: metrics}
spec:
  metrics:
  - overrides:
    - tagOverrides:
        foo: {operation: UPSERT}
        bar: {value: ""}
        baz: {operation: REMOVE, value: oops}
        qux: {operation: DELETE}
        "": {operation: REMOVE}
"#,
        good: &[],
        broken: &["Telemetry/default/metrics"],
        unreadable: false,
        findings: &[
            "a.yaml:8:14: error RS108 Telemetry/default/metrics spec.metrics[0].overrides[0].tagOverrides.foo: `value` is missing (write a CEL expression, or `operation: REMOVE`)",
            "a.yaml:9:22: error RS108 Telemetry/default/metrics spec.metrics[0].overrides[0].tagOverrides.bar.value: `value` is empty",
            "a.yaml:10:41: error RS124 Telemetry/default/metrics spec.metrics[0].overrides[0].tagOverrides.baz.value: `REMOVE` takes no `value` (remove it, or write `operation: UPSERT`)",
            "a.yaml:11:14: error RS108 Telemetry/default/metrics spec.metrics[0].overrides[0].tagOverrides.qux: `value` is missing (write a CEL expression, or `operation: REMOVE`)",
            "a.yaml:11:26: error RS110 Telemetry/default/metrics spec.metrics[0].overrides[0].tagOverrides.qux.operation: `DELETE` is none of `UPSERT`, `REMOVE`",
            "a.yaml:12:9: error RS111 Telemetry/default/metrics spec.metrics[0].overrides[0].tagOverrides: the name of a tag is empty",
        ],
    },
    Row {
        title: "metrics: selection",
        file: "a.yaml",
        text: r#"apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: metrics}
spec:
  metrics:
  - reportingInterval: 0s
    overrides:
    - match: {metric: REQUESTS_COUNT}
    - match: {customMetric: ""}
    - match: {metric: REQUEST_COUNT, customMetric: mine}
    - match: {metric: 11}
      disabled: "yes"
"#,
        good: &[],
        broken: &["Telemetry/default/metrics"],
        unreadable: false,
        findings: &[
            "a.yaml:6:24: error RS109 Telemetry/default/metrics spec.metrics[0].reportingInterval: `reportingInterval` is too short, at least 1ms is needed",
            "a.yaml:8:23: error RS110 Telemetry/default/metrics spec.metrics[0].overrides[0].match.metric: `REQUESTS_COUNT` is none of `ALL_METRICS`, `REQUEST_COUNT`, `REQUEST_DURATION`, `REQUEST_SIZE`, `RESPONSE_SIZE`, `TCP_OPENED_CONNECTIONS`, `TCP_CLOSED_CONNECTIONS`, `TCP_SENT_BYTES`, `TCP_RECEIVED_BYTES`, `GRPC_REQUEST_MESSAGES`, `GRPC_RESPONSE_MESSAGES` (did you mean `REQUEST_COUNT`?)",
            "a.yaml:9:29: error RS108 Telemetry/default/metrics spec.metrics[0].overrides[1].match.customMetric: `customMetric` is empty",
            "a.yaml:10:52: error RS124 Telemetry/default/metrics spec.metrics[0].overrides[2].match.customMetric: `customMetric` excludes `metric` (keep one of them)",
            "a.yaml:11:23: error RS110 Telemetry/default/metrics spec.metrics[0].overrides[3].match.metric: `11` is none of `ALL_METRICS`, `REQUEST_COUNT`, `REQUEST_DURATION`, `REQUEST_SIZE`, `RESPONSE_SIZE`, `TCP_OPENED_CONNECTIONS`, `TCP_CLOSED_CONNECTIONS`, `TCP_SENT_BYTES`, `TCP_RECEIVED_BYTES`, `GRPC_REQUEST_MESSAGES`, `GRPC_RESPONSE_MESSAGES`",
            "a.yaml:12:17: error RS106 Telemetry/default/metrics spec.metrics[0].overrides[3].disabled: `true` or `false` is expected, the text `yes` was found",
        ],
    },
    Row {
        title: "attachment: one of selector, targetRef and targetRefs",
        file: "a.yaml",
        text: r"apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: waypoint, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  targetRef: {kind: Gateway, group: gateway.networking.k8s.io, name: waypoint}
  targetRefs:
  - {kind: Deployment, group: apps, name: web}
  - {kind: Service, name: web, namespace: other}
",
        good: &[],
        broken: &["Telemetry/shop/waypoint"],
        unreadable: false,
        findings: &[
            "a.yaml:6:14: error RS124 Telemetry/shop/waypoint spec.targetRef: `targetRef` excludes `selector` (keep one of them)",
            "a.yaml:6:14: info RS16 Telemetry/shop/waypoint spec.targetRef: `targetRef` is an older spelling (write `targetRefs`)",
            "a.yaml:8:12: error RS110 Telemetry/shop/waypoint spec.targetRefs[0].kind: a policy cannot be attached to `Deployment` of `apps` (attach it to a Gateway or GatewayClass (gateway.networking.k8s.io), a Service, or a ServiceEntry (networking.istio.io))",
            "a.yaml:9:43: error RS124 Telemetry/shop/waypoint spec.targetRefs[1].namespace: a policy is attached within its own namespace, not to one of `other` (move the policy there, and remove `namespace`)",
        ],
    },
    Row {
        title: "access logs: fields that Telemetry does not have",
        file: "a.yaml",
        text: r#"apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs}
spec:
  accessLogging:
  - providers: {name: envoy}
    disabled: off
    filter: "response.code >= 400"
    logFormat: {}
  accesslogging: []
"#,
        good: &[],
        broken: &["Telemetry/default/logs"],
        unreadable: false,
        findings: &[
            "a.yaml:6:16: error RS106 Telemetry/default/logs spec.accessLogging[0].providers: a list is expected, a mapping was found (put `- ` before each item)",
            "a.yaml:8:13: error RS106 Telemetry/default/logs spec.accessLogging[0].filter: a mapping is expected, the text `response.code >= 400` was found (write `key: value`, one below the other and indented)",
            "a.yaml:9:5: error RS107 Telemetry/default/logs spec.accessLogging[0].logFormat: there is no field `logFormat` (its fields are `match`, `providers`, `disabled`, `filter`)",
            "a.yaml:10:3: error RS107 Telemetry/default/logs spec.accesslogging: there is no field `accesslogging` (did you mean `accessLogging`?)",
        ],
    },
    Row {
        title: "spec as lists that are none",
        file: "a.yaml",
        text: r"apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs}
spec:
  tracing: {}
  metrics:
    providers: [{name: prometheus}]
  accessLogging: true
",
        good: &[],
        broken: &["Telemetry/default/logs"],
        unreadable: false,
        findings: &[
            "a.yaml:5:12: error RS106 Telemetry/default/logs spec.tracing: a list is expected, a mapping was found (put `- ` before each item)",
            "a.yaml:7:5: error RS106 Telemetry/default/logs spec.metrics: a list is expected, a mapping was found (put `- ` before each item)",
            "a.yaml:8:18: error RS106 Telemetry/default/logs spec.accessLogging: a list is expected, the boolean `true` was found (put `- ` before each item)",
        ],
    },
    Row {
        title: "indentation lost below a list",
        file: "a.yaml",
        text: r"apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs}
spec:
  accessLogging:
  -
  providers:
  - name: envoy
",
        good: &[],
        broken: &["Telemetry/default/logs"],
        unreadable: false,
        findings: &[
            "a.yaml:6:4: error RS106 Telemetry/default/logs spec.accessLogging[0]: a mapping is expected, nothing was found (write `key: value`, one below the other and indented)",
            "a.yaml:7:3: error RS107 Telemetry/default/logs spec.providers: there is no field `providers` (its fields are `selector`, `targetRef`, `targetRefs`, `tracing`, `metrics`, `accessLogging`)",
        ],
    },
    Row {
        title: "numbers and snake_case act, with the present spelling named",
        file: "a.yaml",
        text: r"apiVersion: telemetry.istio.io/v1alpha1
kind: Telemetry
metadata: {name: old}
spec:
  access_logging:
  - match: {mode: 1}
  metrics:
  - overrides:
    - match: {metric: 5}
      tag_overrides:
        a: {operation: 1}
",
        good: &["Telemetry/default/old"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:5:3: info RS16 Telemetry/default/old spec.access_logging: `access_logging` is an older spelling (write `accessLogging`)",
            "a.yaml:6:19: info RS16 Telemetry/default/old spec.accessLogging[0].match.mode: `mode` is given by its number 1 (write `CLIENT`)",
            "a.yaml:9:23: info RS16 Telemetry/default/old spec.metrics[0].overrides[0].match.metric: `metric` is given by its number 5 (write `TCP_OPENED_CONNECTIONS`)",
            "a.yaml:10:7: info RS16 Telemetry/default/old spec.metrics[0].overrides[0].tag_overrides: `tag_overrides` is an older spelling (write `tagOverrides`)",
            "a.yaml:11:24: info RS16 Telemetry/default/old spec.metrics[0].overrides[0].tagOverrides.a.operation: `operation` is given by its number 1 (write `REMOVE`)",
        ],
    },
    Row {
        title: "a selector with a wildcard or with expressions",
        file: "a.yaml",
        text: r#"apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: selected}
spec:
  selector:
    matchLabels: {app: "*"}
    matchExpressions: []
"#,
        good: &[],
        broken: &["Telemetry/default/selected"],
        unreadable: false,
        findings: &[
            "a.yaml:6:24: error RS112 Telemetry/default/selected spec.selector.matchLabels.app: `*` is not the value of a label: selectors compare whole values, without wildcards",
            "a.yaml:7:5: error RS107 Telemetry/default/selected spec.selector.matchExpressions: there is no field `matchExpressions` (its fields are `matchLabels`)",
        ],
    },
    Row {
        title: "a version that is not served, a kind that is misspelled",
        file: "a.yaml",
        text: r"apiVersion: telemetry.istio.io/v1beta1
kind: Telemetry
metadata: {name: a}
spec: {}
---
apiVersion: telemetry.istio.io/v1
kind: Telemtry
metadata: {name: b}
spec: {}
",
        good: &[],
        broken: &["Telemetry/default/a"],
        unreadable: true,
        findings: &[
            "a.yaml:1:13: error RS104 Telemetry/default/a apiVersion: `Telemetry` of `telemetry.istio.io` has no version `v1beta1` (write `telemetry.istio.io/v1`)",
            "a.yaml:7:7: error RS103 kind: the kind `Telemtry` of `telemetry.istio.io` is unknown (did you mean `Telemetry`?)",
        ],
    },
    Row {
        title: "booleans and numbers in quotes, everything at once",
        file: "a.yaml",
        text: r#"apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: all}
spec:
  tracing:
  - randomSamplingPercentage: "50"
    disableSpanReporting: "true"
    useRequestIdForTraceSampling: 1
    enableIstioTags: []
    disableContextPropagation: nope
    sampling: 10
  metrics:
  - providers: [{}]
    reportingInterval: 5
  accessLogging:
  - filter: {expression: true, expr: x}
    match: CLIENT
"#,
        good: &[],
        broken: &["Telemetry/default/all"],
        unreadable: false,
        findings: &[
            "a.yaml:6:31: error RS106 Telemetry/default/all spec.tracing[0].randomSamplingPercentage: a number is expected, the text `50` was found (remove the quotes)",
            "a.yaml:7:27: error RS106 Telemetry/default/all spec.tracing[0].disableSpanReporting: `true` or `false` is expected, the text `true` was found (remove the quotes)",
            "a.yaml:8:35: error RS106 Telemetry/default/all spec.tracing[0].useRequestIdForTraceSampling: `true` or `false` is expected, the number 1 was found",
            "a.yaml:9:22: error RS106 Telemetry/default/all spec.tracing[0].enableIstioTags: `true` or `false` is expected, a list was found",
            "a.yaml:10:32: error RS106 Telemetry/default/all spec.tracing[0].disableContextPropagation: `true` or `false` is expected, the text `nope` was found",
            "a.yaml:11:5: error RS107 Telemetry/default/all spec.tracing[0].sampling: there is no field `sampling` (its fields are `match`, `providers`, `randomSamplingPercentage`, `disableSpanReporting`, `customTags`, `useRequestIdForTraceSampling`, `enableIstioTags`, `disableContextPropagation`)",
            "a.yaml:13:17: error RS108 Telemetry/default/all spec.metrics[0].providers[0].name: `name` is missing",
            "a.yaml:14:24: error RS106 Telemetry/default/all spec.metrics[0].reportingInterval: a duration is expected, the number 5 was found (add a unit: `5s`)",
            r#"a.yaml:16:26: error RS106 Telemetry/default/all spec.accessLogging[0].filter.expression: text is expected, the boolean `true` was found (write "true" in quotes)"#,
            "a.yaml:16:32: error RS107 Telemetry/default/all spec.accessLogging[0].filter.expr: there is no field `expr` (did you mean `expression`?)",
            "a.yaml:17:12: error RS106 Telemetry/default/all spec.accessLogging[0].match: a mapping is expected, the text `CLIENT` was found (write `key: value`, one below the other and indented)",
        ],
    },
];
