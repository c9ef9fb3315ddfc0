//! Istio's mesh configuration, in `Mesh`, in ConfigMaps and in `IstioOperator`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "Mesh: names that are none, a mode that is none, two ways that contradict",
        file: "a.yaml",
        text: r#"apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata:
  name: default
spec:
  trustDomain: example.org
  rootNamespace: mesh-system
  meshConfig:
    trustDomain: other.example
    trustDomainAliases: [old.example, Old.Example, ""]
    rootNamespace: Mesh_System
    outboundTrafficPolicy:
      mode: REGISTRY
    pathNormalization:
      normalization: DECODE
    h2UpgradePolicy: DEFAULT
"#,
        good: &[],
        broken: &["Mesh/default"],
        unreadable: false,
        findings: &[
            "a.yaml:9:18: error RS124 Mesh/default spec.meshConfig.trustDomain: `other.example` contradicts `spec.trustDomain`, which is `example.org` (remove one of them)",
            "a.yaml:10:39: error RS111 Mesh/default spec.meshConfig.trustDomainAliases[1]: `Old.Example` is not a trust domain: `O` is not allowed, only lower-case letters, digits, `-`, `.` and `_`",
            r#"a.yaml:10:52: error RS111 Mesh/default spec.meshConfig.trustDomainAliases[2]: "" is not a trust domain: it is empty"#,
            "a.yaml:11:20: error RS111 Mesh/default spec.meshConfig.rootNamespace: `Mesh_System` is not a DNS label: it must begin and end with a lower-case letter or digit (for example `mesh-system`)",
            "a.yaml:11:20: error RS124 Mesh/default spec.meshConfig.rootNamespace: `Mesh_System` contradicts `spec.rootNamespace`, which is `mesh-system` (remove one of them)",
            "a.yaml:13:13: error RS110 Mesh/default spec.meshConfig.outboundTrafficPolicy.mode: `REGISTRY` is none of `REGISTRY_ONLY`, `ALLOW_ANY`, `ALLOW_ANY_DYNAMIC_DNS` (did you mean `REGISTRY_ONLY`?)",
            "a.yaml:15:22: error RS110 Mesh/default spec.meshConfig.pathNormalization.normalization: `DECODE` is none of `DEFAULT`, `NONE`, `BASE`, `MERGE_SLASHES`, `DECODE_AND_MERGE_SLASHES` (did you mean `DECODE_AND_MERGE_SLASHES`?)",
            "a.yaml:16:22: error RS110 Mesh/default spec.meshConfig.h2UpgradePolicy: `DEFAULT` is none of `DO_NOT_UPGRADE`, `UPGRADE`",
        ],
    },
    Row {
        title: "Mesh: fields of the wrong type, a field that is not there, a mapping that lost its indentation",
        file: "a.yaml",
        text: r#"apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  meshConfig:
    enableAutoMtls: "true"
    connectTimeout: 10
    defaultServiceExportTo: "*"
    acessLogFile: /dev/stdout
    defaultConfig:
    drainDuration: 45s
"#,
        good: &[],
        broken: &["Mesh/default"],
        unreadable: false,
        findings: &[
            "a.yaml:6:21: error RS106 Mesh/default spec.meshConfig.enableAutoMtls: `true` or `false` is expected, the text `true` was found (remove the quotes)",
            "a.yaml:7:21: error RS106 Mesh/default spec.meshConfig.connectTimeout: a duration is expected, the number 10 was found (add a unit: `10s`)",
            "a.yaml:8:29: error RS106 Mesh/default spec.meshConfig.defaultServiceExportTo: a list is expected, the text `*` was found (put `- ` before each item)",
            "a.yaml:9:5: error RS107 Mesh/default spec.meshConfig.acessLogFile: there is no field `acessLogFile` (did you mean `accessLogFile`?)",
            "a.yaml:11:5: error RS18 Mesh/default spec.meshConfig.drainDuration: the indentation is lost: `drainDuration` stands beside `defaultConfig`, which is empty, and not below it (indent it by two blanks, and what belongs below it by two more)",
        ],
    },
    Row {
        title: "Mesh: durations out of range or too fine",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  meshConfig:
    connectTimeout: 2h
    protocolDetectionTimeout: 100us
    dnsRefreshRate: 1d
    hboneIdleTimeout: soon
    defaultConfig:
      drainDuration: 1.5s
      concurrency: -1
      privateKeyProvider:
        cryptomb: {pollDelay: 0s}
",
        good: &[],
        broken: &["Mesh/default"],
        unreadable: false,
        findings: &[
            "a.yaml:6:21: error RS109 Mesh/default spec.meshConfig.connectTimeout: `connectTimeout` is out of range, 1ms to 3600s is allowed",
            "a.yaml:7:31: error RS114 Mesh/default spec.meshConfig.protocolDetectionTimeout: `protocolDetectionTimeout` has parts of a millisecond (write whole milliseconds)",
            "a.yaml:8:21: error RS114 Mesh/default spec.meshConfig.dnsRefreshRate: `1d` is not a duration (write it like `1.5s`, `250ms` or `1h30m`)",
            "a.yaml:9:23: error RS114 Mesh/default spec.meshConfig.hboneIdleTimeout: `soon` is not a duration (write it like `1.5s`, `250ms` or `1h30m`)",
            "a.yaml:11:22: error RS109 Mesh/default spec.meshConfig.defaultConfig.drainDuration: `drainDuration` is not a number of seconds from 1 (for example `45s`)",
            "a.yaml:12:20: error RS109 Mesh/default spec.meshConfig.defaultConfig.concurrency: -1 is out of range, 0 to 4294967295 is allowed",
            "a.yaml:14:9: info RS120 Mesh/default spec.meshConfig.defaultConfig.privateKeyProvider: `privateKeyProvider` is read but has no effect (keys are used by software)",
            "a.yaml:14:31: error RS109 Mesh/default spec.meshConfig.defaultConfig.privateKeyProvider.cryptomb.pollDelay: `pollDelay` is 0 (for example `10ms`)",
        ],
    },
    Row {
        title: "Mesh: cipher suites that nobody knows",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  meshConfig:
    meshMTLS: {cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256]}
    tlsDefaults: {cipherSuites: [ECDHE-RSA-AES128-GCM-SHA265], ecdhCurves: [X25519, P256, secp256r1, X25519]}
",
        good: &["Mesh/default"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:6:30: info RS120 Mesh/default spec.meshConfig.meshMTLS.cipherSuites: `cipherSuites` is read but has no effect (TLS of the mesh is 1.3 alone, whose suites are always on)",
            "a.yaml:7:34: info RS120 Mesh/default spec.meshConfig.tlsDefaults.cipherSuites[0]: `ECDHE-RSA-AES128-GCM-SHA265` is no cipher suite that is known and is left out (did you mean `ECDHE-RSA-AES128-GCM-SHA256`?)",
            "a.yaml:7:85: info RS120 Mesh/default spec.meshConfig.tlsDefaults.ecdhCurves[1]: `P256` is no curve that is known and is left out (did you mean `P-256`?)",
            "a.yaml:7:91: info RS120 Mesh/default spec.meshConfig.tlsDefaults.ecdhCurves[2]: `secp256r1` is no curve that is known and is left out (names are BoringSSL's, as `X25519` and `P-256`)",
            "a.yaml:7:102: info RS120 Mesh/default spec.meshConfig.tlsDefaults.ecdhCurves[3]: `X25519` is given twice and is left out",
        ],
    },
    Row {
        title: "ConfigMap: places in a literal block are the file's",
        file: "a.yaml",
        text: r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: istio
  namespace: istio-system
data:
  meshNetworks: "networks: {}"
  mesh: |
    # Settings
    trustDomain: Example.org

    extensionProviders:
    - name: authz
      envoyExtAuthzHttp:
        service: authz
        port: 70000
        pathPrefix: check
        statusOnError: "999"
    - name: Authz
      zipkin: {service: zipkin, port: 9411}
      datadog: {service: "b/datadog", port: 8126}
    - name: authz
    - prometheus: {}
"#,
        good: &[],
        broken: &["ConfigMap/istio-system/istio"],
        unreadable: false,
        findings: &[
            "a.yaml:7:17: info RS120 ConfigMap/istio-system/istio data.meshNetworks: `meshNetworks` is read but has no effect (this mesh has one network)",
            "a.yaml:10:18: error RS111 ConfigMap/istio-system/istio data.mesh.trustDomain: `Example.org` is not a trust domain: `E` is not allowed, only lower-case letters, digits, `-`, `.` and `_`",
            "a.yaml:16:15: error RS109 ConfigMap/istio-system/istio data.mesh.extensionProviders[0].envoyExtAuthzHttp.port: 70000 is out of range, 1 to 65535 is allowed",
            "a.yaml:17:21: error RS129 ConfigMap/istio-system/istio data.mesh.extensionProviders[0].envoyExtAuthzHttp.pathPrefix: `check` does not begin with `/` (write `/check`)",
            r#"a.yaml:18:24: error RS129 ConfigMap/istio-system/istio data.mesh.extensionProviders[0].envoyExtAuthzHttp.statusOnError: `999` is not an HTTP status (for example "403")"#,
            "a.yaml:19:13: error RS111 ConfigMap/istio-system/istio data.mesh.extensionProviders[1].name: `Authz` is not the name of a provider: it must begin and end with a lower-case letter or digit (for example `authz`)",
            "a.yaml:19:13: error RS117 ConfigMap/istio-system/istio data.mesh.extensionProviders[1].name: the provider `Authz` is given twice, first in line 13 (give each provider its own name)",
            "a.yaml:21:16: error RS124 ConfigMap/istio-system/istio data.mesh.extensionProviders[1].datadog: `datadog` excludes `zipkin` (keep one of them)",
            "a.yaml:21:26: error RS128 ConfigMap/istio-system/istio data.mesh.extensionProviders[1].datadog.service: `b/datadog` is not a service: the host after `/` has no domain (write `[namespace/]host`, for example `authz.tools.svc.cluster.local`)",
            "a.yaml:22:7: error RS108 ConfigMap/istio-system/istio data.mesh.extensionProviders[2]: `extensionProviders[2]` names no provider (write one of its kinds, for example `opentelemetry:`, or `prometheus: {}`)",
            "a.yaml:22:13: error RS117 ConfigMap/istio-system/istio data.mesh.extensionProviders[2].name: the provider `authz` is given twice, first in line 13 (give each provider its own name)",
            "a.yaml:23:7: error RS108 ConfigMap/istio-system/istio data.mesh.extensionProviders[3].name: `name` is missing",
        ],
    },
    Row {
        title: "ConfigMap: no YAML inside",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: ConfigMap
metadata:
  name: istio-canary
data:
  mesh: |-
    trustDomain: example.org
    defaultConfig: {concurrency: 2
    rootNamespace: mesh-system
",
        good: &[],
        broken: &["ConfigMap/default/istio-canary"],
        unreadable: false,
        findings: &[
            "a.yaml:9:18: error RS101 ConfigMap/default/istio-canary data.mesh: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}' (check that every bracket is closed and items have commas)",
        ],
    },
    Row {
        title: "ConfigMap: a key twice inside, a mapping that is none, numbers that must be text",
        file: "a.yaml",
        text: r#"apiVersion: v1
kind: ConfigMap
metadata: {name: istio}
data:
  mesh: "rootNamespace: a\naccessLogFile: 7\ntrustDomain: b\nrootNamespace: c\ndefaultProviders: [prometheus]\n"
"#,
        good: &[],
        broken: &["ConfigMap/default/istio"],
        unreadable: false,
        findings: &[
            r#"a.yaml:5:43: error RS106 ConfigMap/default/istio data.mesh.accessLogFile: text is expected, the number 7 was found (write "7" in quotes)"#,
            "a.yaml:5:62: error RS17 ConfigMap/default/istio data.mesh.rootNamespace: the key `rootNamespace` is given a second time, first in line 5 (keep one of them)",
            "a.yaml:5:98: error RS106 ConfigMap/default/istio data.mesh.defaultProviders: a mapping is expected, a list was found (write `key: value`, one below the other and indented)",
        ],
    },
    Row {
        title: "ConfigMap: several documents inside, the first one a list",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: ConfigMap
metadata: {name: istio}
data:
  mesh: |
    ---
    - trustDomain: a
    ---
    rootNamespace: x
",
        good: &[],
        broken: &["ConfigMap/default/istio"],
        unreadable: false,
        findings: &[
            "a.yaml:7:5: error RS106 ConfigMap/default/istio data.mesh: a mapping is expected, a list was found (write `key: value`, one below the other and indented)",
            "a.yaml:8:5: error RS129 ConfigMap/default/istio data.mesh: a second document begins inside of the text (keep one, without `---`)",
        ],
    },
    Row {
        title: "ConfigMap in JSON: the line is the string's",
        file: "a.json",
        text: r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"},
  "data": {
    "mesh": "outbound_traffic_policy:\n  mode: 2\nmeshMTLS:\n  minProtocolVersion: TLSV1_1\n  ecdhCurves: [\"P-256\"]\n"
  }}
"#,
        good: &[],
        broken: &["ConfigMap/istio-system/istio"],
        unreadable: false,
        findings: &[
            "a.json:3:14: info RS16 ConfigMap/istio-system/istio data.mesh.outbound_traffic_policy: `outbound_traffic_policy` is an older spelling (write `outboundTrafficPolicy`)",
            "a.json:3:48: error RS110 ConfigMap/istio-system/istio data.mesh.outboundTrafficPolicy.mode: `2` is none of `REGISTRY_ONLY`, `ALLOW_ANY`, `ALLOW_ANY_DYNAMIC_DNS`",
            "a.json:3:84: error RS110 ConfigMap/istio-system/istio data.mesh.meshMTLS.minProtocolVersion: `TLSV1_1` is none of `TLS_AUTO`, `TLSV1_2`, `TLSV1_3` (did you mean `TLSV1_2`?)",
            "a.json:3:107: error RS124 ConfigMap/istio-system/istio data.mesh.meshMTLS.ecdhCurves: `meshMTLS` takes no `ecdhCurves` (remove them, or write them below `tlsDefaults`)",
        ],
    },
    Row {
        title: "IstioOperator: only meshConfig acts",
        file: "a.yaml",
        text: r#"apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  profile: default
  hub: docker.io/istio
  tag: 1.31
  revision: canary
  namespace: istio-system
  components:
    pilot: {k8s: {replicaCount: 2}}
  values:
    global: {proxy: {privileged: true}}
    meshConfig: {trustDomain: lost.example}
  meshConfig:
    accessLogFile: /dev/stdout
    proxyListenPort: 15001
    ingressControllerMode: OFF
    defaultConfig:
      binaryPath: /usr/local/bin/envoy
      proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true"}
"#,
        good: &[],
        broken: &["IstioOperator/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:4:12: info RS120 IstioOperator/default/default spec.profile: `profile` is read but has no effect (it belongs to the installation of Istio, which this mesh does without)",
            "a.yaml:5:8: info RS120 IstioOperator/default/default spec.hub: `hub` is read but has no effect (it belongs to the installation of Istio, which this mesh does without)",
            "a.yaml:6:8: info RS120 IstioOperator/default/default spec.tag: `tag` is read but has no effect (it belongs to the installation of Istio, which this mesh does without)",
            "a.yaml:7:13: info RS120 IstioOperator/default/default spec.revision: `revision` is read but has no effect (it belongs to the installation of Istio, which this mesh does without)",
            "a.yaml:8:14: info RS120 IstioOperator/default/default spec.namespace: `namespace` is read but has no effect (it belongs to the installation of Istio, which this mesh does without)",
            "a.yaml:10:5: info RS120 IstioOperator/default/default spec.components: `components` is read but has no effect (it belongs to the installation of Istio, which this mesh does without)",
            "a.yaml:12:5: info RS120 IstioOperator/default/default spec.values: `values` is read but has no effect (it belongs to the installation of Istio, which this mesh does without)",
            "a.yaml:13:17: info RS120 IstioOperator/default/default spec.values.meshConfig: `meshConfig` is read but has no effect (move it to `spec.meshConfig`)",
            "a.yaml:16:22: info RS120 IstioOperator/default/default spec.meshConfig.proxyListenPort: `proxyListenPort` is read but has no effect (proxies choose their ports themselves)",
            r#"a.yaml:17:28: error RS106 IstioOperator/default/default spec.meshConfig.ingressControllerMode: text is expected, the boolean `OFF` was found (write "OFF" in quotes)"#,
            "a.yaml:17:28: info RS120 IstioOperator/default/default spec.meshConfig.ingressControllerMode: `ingressControllerMode` is read but has no effect (Kubernetes `Ingress` is not served: write a Gateway and a VirtualService)",
            "a.yaml:19:19: info RS120 IstioOperator/default/default spec.meshConfig.defaultConfig.binaryPath: `binaryPath` is read but has no effect (it is for Envoy, which this mesh does not use)",
            "a.yaml:20:22: info RS120 IstioOperator/default/default spec.meshConfig.defaultConfig.proxyMetadata: `proxyMetadata` is read but has no effect (it is for proxies that are injected beside a workload)",
        ],
    },
    Row {
        title: "IstioOperator: without spec's fields, with a name that is none",
        file: "a.yaml",
        text: r"apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata:
  name: Istio
  namespace: Istio-System
spec:
  meshconfig:
    trustDomain: a
  addonComponents: {}
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:4:9: error RS111 metadata.name: `Istio` is not a DNS name: it must begin and end with a lower-case letter or digit (for example `istio`)",
            "a.yaml:5:14: error RS111 metadata.namespace: `Istio-System` is not a DNS label: it must begin and end with a lower-case letter or digit (for example `istio-system`)",
            "a.yaml:7:3: error RS107 spec.meshconfig: there is no field `meshconfig` (did you mean `meshConfig`?)",
            "a.yaml:9:20: info RS120 spec.addonComponents: `addonComponents` is read but has no effect (it belongs to the installation of Istio, which this mesh does without)",
        ],
    },
    Row {
        title: "IstioOperator: it is given twice without a name, and metadata is no mapping",
        file: "a.yaml",
        text: r"apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec: {meshConfig: {trustDomain: one.example}}
---
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {namespace: default}
spec: {meshConfig: {trustDomain: two.example}}
---
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: istio
",
        good: &["IstioOperator/default/default"],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:5:1: error RS122 IstioOperator/default/default: this object is given twice, first in line 1 (the first one counts: rename or remove one of them)",
            "a.yaml:12:11: error RS106 metadata: a mapping is expected, the text `istio` was found (write `key: value`, one below the other and indented)",
        ],
    },
    Row {
        title: "an IstioOperator that cannot be read to its end may have had another name",
        file: "a.yaml",
        text: r"apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  meshConfig: {trustDomain: one.example
metadata: {name: istio}
",
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:5:9: error RS101: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}' (check that every bracket is closed and items have commas)",
        ],
    },
    Row {
        title: "providers: ports, services and headers",
        file: "a.yaml",
        text: r#"apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  meshConfig:
    extensionProviders:
    - name: Ext_Authz
      envoyExtAuthzGrpc:
        service: tools/authz
        port: 0
        statusOnError: forbidden
        includeRequestBodyInCheck: {maxRequestBytes: -1}
    - name: otel
      opentelemetry:
        service: ""
        port: 4317
        http: {timeout: 3}
        grpc: {initialMetadata: [{name: authorization, value: 12345}]}
    - name: zipkin
      zipkin:
        service: Tools/zipkin.tools.svc.cluster.local
        headers:
        - name: authorization
        - {name: x, value: a, envName: B}
        traceContextOption: B3
    - name: skywalking
      skywalking: {service: sky.tools.svc.cluster.local, port: 11800, accessToken: [a]}
    - name: log
      envoyFileAccessLog:
        logFormat: {text: "%PROTOCOL%", labels: {status: "%RESPONSE_CODE%", nested: {a: 1}}}
    - name: light
      lightstep: {service: light.example.com, port: 443}
"#,
        good: &[],
        broken: &["IstioOperator/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:6:13: error RS111 IstioOperator/default/default spec.meshConfig.extensionProviders[0].name: `Ext_Authz` is not the name of a provider: it must begin and end with a lower-case letter or digit (for example `ext-authz`)",
            "a.yaml:8:18: error RS128 IstioOperator/default/default spec.meshConfig.extensionProviders[0].envoyExtAuthzGrpc.service: `tools/authz` is not a service: the host after `/` has no domain (write `[namespace/]host`, for example `authz.tools.svc.cluster.local`)",
            "a.yaml:9:15: error RS109 IstioOperator/default/default spec.meshConfig.extensionProviders[0].envoyExtAuthzGrpc.port: 0 is out of range, 1 to 65535 is allowed",
            r#"a.yaml:10:24: error RS129 IstioOperator/default/default spec.meshConfig.extensionProviders[0].envoyExtAuthzGrpc.statusOnError: `forbidden` is not an HTTP status (for example "403")"#,
            "a.yaml:11:54: error RS109 IstioOperator/default/default spec.meshConfig.extensionProviders[0].envoyExtAuthzGrpc.includeRequestBodyInCheck.maxRequestBytes: -1 is out of range, 0 to 4294967295 is allowed",
            r#"a.yaml:14:18: error RS128 IstioOperator/default/default spec.meshConfig.extensionProviders[1].opentelemetry.service: "" is not a service: it is empty (write `[namespace/]host`, for example `authz.tools.svc.cluster.local`)"#,
            "a.yaml:16:15: error RS108 IstioOperator/default/default spec.meshConfig.extensionProviders[1].opentelemetry.http.path: `path` is missing",
            "a.yaml:16:25: error RS106 IstioOperator/default/default spec.meshConfig.extensionProviders[1].opentelemetry.http.timeout: a duration is expected, the number 3 was found (add a unit: `3s`)",
            "a.yaml:17:15: error RS124 IstioOperator/default/default spec.meshConfig.extensionProviders[1].opentelemetry.grpc: `grpc` excludes `http` (keep one of them)",
            "a.yaml:17:63: error RS106 IstioOperator/default/default spec.meshConfig.extensionProviders[1].opentelemetry.grpc.initialMetadata[0].value: text is expected, something else was found (write it in quotes)",
            "a.yaml:20:9: error RS108 IstioOperator/default/default spec.meshConfig.extensionProviders[2].zipkin.port: `port` is missing",
            "a.yaml:20:18: error RS128 IstioOperator/default/default spec.meshConfig.extensionProviders[2].zipkin.service: `Tools/zipkin.tools.svc.cluster.local` is not a service: the part before `/` is not a namespace (write `[namespace/]host`, for example `authz.tools.svc.cluster.local`)",
            "a.yaml:22:11: error RS108 IstioOperator/default/default spec.meshConfig.extensionProviders[2].zipkin.headers[0]: `headers[0]` has no value (write `value`, or `envName` for an environment variable)",
            "a.yaml:23:40: error RS124 IstioOperator/default/default spec.meshConfig.extensionProviders[2].zipkin.headers[1].envName: `envName` excludes `value` (keep one of them)",
            "a.yaml:24:29: error RS110 IstioOperator/default/default spec.meshConfig.extensionProviders[2].zipkin.traceContextOption: `B3` is none of `USE_B3`, `USE_B3_WITH_W3C_PROPAGATION`",
            "a.yaml:26:84: error RS106 IstioOperator/default/default spec.meshConfig.extensionProviders[3].skywalking.accessToken: text is expected, something else was found (write it in quotes)",
            "a.yaml:29:49: error RS124 IstioOperator/default/default spec.meshConfig.extensionProviders[4].envoyFileAccessLog.logFormat.labels: `labels` excludes `text` (keep one of them)",
            "a.yaml:31:18: error RS108 IstioOperator/default/default spec.meshConfig.extensionProviders[5].lightstep.accessToken: `accessToken` is missing",
            "a.yaml:31:18: info RS120 IstioOperator/default/default spec.meshConfig.extensionProviders[5].lightstep: `lightstep` is read but has no effect (write `opentelemetry`)",
        ],
    },
    Row {
        title: "selectors, hosts, defaults of DestinationRules",
        file: "a.yaml",
        text: r#"apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  meshConfig:
    defaultDestinationRuleExportTo: [".", shop]
    discoverySelectors:
    - matchLabels: {env: "prod*"}
    - matchExpressions:
      - {key: env, operator: In}
      - {key: env, operator: Exists, values: [a]}
      - {key: "a b", operator: in, values: ["x y"]}
      - {values: []}
    serviceSettings:
    - settings: {clusterLocal: true}
      hosts: ["*.foo.svc.cluster.local", "a.*.b", "*"]
    serviceScopeConfigs:
    - namespaceSelector: {matchLabels: {a: b}}
      scope: EVERYWHERE
    serviceEntryVisibility:
      defaultVisibility: PRIVATE
      policies: [{visibility: 9}]
    caCertificates:
    - {pem: x, spiffeBundleUrl: "https://a/b", trustDomains: ["A"]}
"#,
        good: &[],
        broken: &["IstioOperator/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:5:43: info RS120 IstioOperator/default/default spec.meshConfig.defaultDestinationRuleExportTo[1]: `defaultDestinationRuleExportTo[1]` is read but has no effect (for a DestinationRule the mesh's default is `.` or `*`)",
            "a.yaml:7:26: error RS112 IstioOperator/default/default spec.meshConfig.discoverySelectors[0].matchLabels.env: `prod*` is not the value of a label: selectors compare whole values, without wildcards",
            "a.yaml:9:9: error RS108 IstioOperator/default/default spec.meshConfig.discoverySelectors[1].matchExpressions[0]: `In` needs `values` (to ask for any value write `Exists`)",
            "a.yaml:10:46: error RS124 IstioOperator/default/default spec.meshConfig.discoverySelectors[1].matchExpressions[1].values: `Exists` takes no `values` (remove them, or write `In`)",
            "a.yaml:11:15: error RS112 IstioOperator/default/default spec.meshConfig.discoverySelectors[1].matchExpressions[2].key: `a b` is not the key of a label: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
            "a.yaml:11:32: error RS110 IstioOperator/default/default spec.meshConfig.discoverySelectors[1].matchExpressions[2].operator: `in` is none of `In`, `NotIn`, `Exists`, `DoesNotExist` (did you mean `In`?)",
            "a.yaml:11:45: error RS112 IstioOperator/default/default spec.meshConfig.discoverySelectors[1].matchExpressions[2].values[0]: `x y` is not the value of a label: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
            "a.yaml:12:9: error RS108 IstioOperator/default/default spec.meshConfig.discoverySelectors[1].matchExpressions[3].key: `key` is missing",
            "a.yaml:12:9: error RS108 IstioOperator/default/default spec.meshConfig.discoverySelectors[1].matchExpressions[3].operator: `operator` is missing",
            "a.yaml:14:7: info RS120 IstioOperator/default/default spec.meshConfig.serviceSettings: `serviceSettings` is read but has no effect (the mesh is one cluster: all endpoints of a service are its own, and nobody else sees any)",
            "a.yaml:15:42: error RS128 IstioOperator/default/default spec.meshConfig.serviceSettings[0].hosts[1]: `a.*.b` is not a host: it must begin and end with a lower-case letter or digit (write a DNS name, with `*.` at the beginning for all below it)",
            "a.yaml:17:7: info RS120 IstioOperator/default/default spec.meshConfig.serviceScopeConfigs: `serviceScopeConfigs` is read but has no effect (the mesh is one cluster: all endpoints of a service are its own, and nobody else sees any)",
            "a.yaml:18:14: error RS110 IstioOperator/default/default spec.meshConfig.serviceScopeConfigs[0].scope: `EVERYWHERE` is none of `LOCAL`, `GLOBAL`",
            "a.yaml:20:26: error RS110 IstioOperator/default/default spec.meshConfig.serviceEntryVisibility.defaultVisibility: `PRIVATE` is none of `UNSPECIFIED`, `NONE`, `NAMESPACE`, `PUBLIC`",
            "a.yaml:21:31: error RS110 IstioOperator/default/default spec.meshConfig.serviceEntryVisibility.policies[0].visibility: `9` is none of `UNSPECIFIED`, `NONE`, `NAMESPACE`, `PUBLIC`",
            "a.yaml:23:33: error RS124 IstioOperator/default/default spec.meshConfig.caCertificates[0].spiffeBundleUrl: `spiffeBundleUrl` excludes `pem` (keep one of them)",
            "a.yaml:23:63: error RS111 IstioOperator/default/default spec.meshConfig.caCertificates[0].trustDomains[0]: `A` is not a trust domain: `A` is not allowed, only lower-case letters, digits, `-`, `.` and `_` (for example `a`)",
        ],
    },
    Row {
        title: "the mesh's proxies: two tracers, addresses that are none, values that are none",
        file: "a.yaml",
        text: r#"apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  meshConfig:
    defaultConfig:
      serviceCluster: web
      tracingServiceName: APP
      tracing:
        zipkin: {address: zipkin}
        datadog: {address: "$(HOST_IP):8126"}
        sampling: "10"
        customTags:
          a: {literal: {value: ""}}
          b: {header: {name: x}, environment: {name: Y}}
          c:
      gatewayTopology: {numTrustedProxies: -1, forwardClientCertDetails: APPEND}
      proxyHeaders:
        server: istio-envoy
        metadataExchangeHeaders: {mode: ALWAYS}
      connectionSettings: {profile: edge, httpHeadersWithUnderscoresAction: REJECT_REQUEST}
      privateKeyProvider: {}
"#,
        good: &[],
        broken: &["IstioOperator/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:6:23: info RS120 IstioOperator/default/default spec.meshConfig.defaultConfig.serviceCluster: `serviceCluster` is read but has no effect (spans are named by `tracingServiceName`)",
            "a.yaml:7:27: error RS110 IstioOperator/default/default spec.meshConfig.defaultConfig.tracingServiceName: `APP` is none of `APP_LABEL_AND_NAMESPACE`, `CANONICAL_NAME_ONLY`, `CANONICAL_NAME_AND_NAMESPACE` (did you mean `APP_LABEL_AND_NAMESPACE`?)",
            "a.yaml:7:27: error RS124 IstioOperator/default/default spec.meshConfig.defaultConfig.tracingServiceName: `tracingServiceName` excludes `serviceCluster` (keep one of them)",
            "a.yaml:9:27: error RS113 IstioOperator/default/default spec.meshConfig.defaultConfig.tracing.zipkin.address: `zipkin` is not `host:port` (for example `zipkin.tools.svc.cluster.local:9411`)",
            "a.yaml:10:18: error RS124 IstioOperator/default/default spec.meshConfig.defaultConfig.tracing.datadog: `datadog` excludes `zipkin` (keep one of them)",
            "a.yaml:11:19: error RS106 IstioOperator/default/default spec.meshConfig.defaultConfig.tracing.sampling: a number is expected, the text `10` was found (remove the quotes)",
            "a.yaml:13:32: error RS108 IstioOperator/default/default spec.meshConfig.defaultConfig.tracing.customTags.a.literal.value: `value` is empty",
            "a.yaml:14:23: error RS124 IstioOperator/default/default spec.meshConfig.defaultConfig.tracing.customTags.b.header: `header` excludes `environment` (keep one of them)",
            r#"a.yaml:14:54: error RS106 IstioOperator/default/default spec.meshConfig.defaultConfig.tracing.customTags.b.environment.name: text is expected, the boolean `Y` was found (write "Y" in quotes)"#,
            "a.yaml:15:11: error RS106 IstioOperator/default/default spec.meshConfig.defaultConfig.tracing.customTags.c: a mapping is expected, nothing was found (write `key: value`, one below the other and indented)",
            "a.yaml:16:44: error RS109 IstioOperator/default/default spec.meshConfig.defaultConfig.gatewayTopology.numTrustedProxies: -1 is out of range, 0 to 4294967295 is allowed",
            "a.yaml:16:74: error RS110 IstioOperator/default/default spec.meshConfig.defaultConfig.gatewayTopology.forwardClientCertDetails: `APPEND` is none of `UNDEFINED`, `SANITIZE`, `FORWARD_ONLY`, `APPEND_FORWARD`, `SANITIZE_SET`, `ALWAYS_FORWARD_ONLY` (did you mean `APPEND_FORWARD`?)",
            "a.yaml:18:17: error RS106 IstioOperator/default/default spec.meshConfig.defaultConfig.proxyHeaders.server: a mapping is expected, the text `istio-envoy` was found (write `key: value`, one below the other and indented)",
            "a.yaml:19:34: info RS120 IstioOperator/default/default spec.meshConfig.defaultConfig.proxyHeaders.metadataExchangeHeaders: `metadataExchangeHeaders` is read but has no effect (proxies tell each other nothing by headers: identities are proven, and labels are known)",
            "a.yaml:19:41: error RS110 IstioOperator/default/default spec.meshConfig.defaultConfig.proxyHeaders.metadataExchangeHeaders.mode: `ALWAYS` is none of `UNDEFINED`, `IN_MESH`",
            "a.yaml:20:37: error RS110 IstioOperator/default/default spec.meshConfig.defaultConfig.connectionSettings.profile: `edge` is none of `UNSPECIFIED`, `SIDECAR`, `EDGE` (did you mean `EDGE`?)",
            "a.yaml:20:77: error RS110 IstioOperator/default/default spec.meshConfig.defaultConfig.connectionSettings.httpHeadersWithUnderscoresAction: `REJECT_REQUEST` is none of `HEADERS_WITH_UNDERSCORES_UNSPECIFIED`, `HEADERS_WITH_UNDERSCORES_ALLOW`, `HEADERS_WITH_UNDERSCORES_REJECT_REQUEST`, `HEADERS_WITH_UNDERSCORES_DROP_HEADER`",
            "a.yaml:21:27: error RS108 IstioOperator/default/default spec.meshConfig.defaultConfig.privateKeyProvider: `privateKeyProvider` names no provider (write `cryptomb` or `qat`, or remove it)",
            "a.yaml:21:27: info RS120 IstioOperator/default/default spec.meshConfig.defaultConfig.privateKeyProvider: `privateKeyProvider` is read but has no effect (keys are used by software)",
        ],
    },
];
