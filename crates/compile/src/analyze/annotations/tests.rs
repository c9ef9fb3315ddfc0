use super::*;
use crate::analyze::table::{check, object, process};

#[test]
fn keys() {
    let of_process = |annotations: &str| process("shop", "cart", &format!("annotations: {{{annotations}}}"));
    let of = |kind: &str, annotations: &str| {
        let namespace = if kind == "Namespace" { "" } else { "shop" };
        let spec = if kind == "Service" { "{selector: {app: cart}, ports: [{name: tcp, port: 80}]}" } else { "" };
        object(kind, namespace, &format!("cart annotations: {{{annotations}}}"), spec)
    };
    check(
        CODES,
        &[
            (
                "at its place",
                of_process("sidecar.istio.io/logLevel: debug, linkerd.io/inject: enabled, a.example/b: c"),
                &[],
            ),
            (
                "of services",
                of("Service", "networking.istio.io/exportTo: '.', galley.istio.io/analyze-suppress: RS1"),
                &[],
            ),
            ("of namespaces", of("Namespace", "networking.istio.io/traffic-distribution: PreferClose"), &[]),
            (
                "misplaced",
                of("Namespace", "sidecar.istio.io/inject: 'true'"),
                &[
                    "4:63: warning IST0107 Namespace/cart metadata.annotations.sidecar.istio.io/inject: \
                annotation sidecar.istio.io/inject belongs to Process, not to Namespace (move it there, or \
                remove it)",
                    "4:63: info IST0135 Namespace/cart metadata.annotations.sidecar.istio.io/inject: annotation \
                sidecar.istio.io/inject is deprecated (write it as a label)",
                ],
            ),
            (
                "misplaced at a service",
                of("Service", "proxy.istio.io/config: '{}'"),
                &["4:78: warning IST0107 Service/shop/cart metadata.annotations.proxy.istio.io/config: \
                annotation proxy.istio.io/config belongs to Process, not to Service (move it there, or \
                remove it)"],
            ),
            (
                "several places",
                of_process("istio.io/use-waypoint-canary-weight: '1'"),
                &["4:126: warning IST0107 Process/shop/cart \
                metadata.annotations.istio.io/use-waypoint-canary-weight: annotation \
                istio.io/use-waypoint-canary-weight belongs to Service or ServiceEntry or Namespace, not to \
                Process (move it there, or remove it)"],
            ),
            (
                "unknown",
                of_process("sidecar.istio.io/injct: 'true', istio.io/a: b"),
                &[
                    "4:113: warning IST0108 Process/shop/cart metadata.annotations.sidecar.istio.io/injct: there \
                is no annotation sidecar.istio.io/injct (is it misspelt?)",
                    "4:133: warning IST0108 Process/shop/cart metadata.annotations.istio.io/a: there is no \
                annotation istio.io/a (is it misspelt?)",
                ],
            ),
            (
                "a label",
                of("Namespace", "istio.io/dataplane-mode: ambient"),
                &["4:63: warning IST0108 Namespace/cart metadata.annotations.istio.io/dataplane-mode: there is \
                no annotation istio.io/dataplane-mode (it is a label)"],
            ),
            ("not Istio's", of_process("notistio.io/a: b, istio.io: b"), &[]),
            (
                "deprecated",
                of_process("sidecar.istio.io/inject: 'true', sidecar.istio.io/statsCompression: 'true'"),
                &[
                    "4:114: info IST0135 Process/shop/cart metadata.annotations.sidecar.istio.io/inject: \
                annotation sidecar.istio.io/inject is deprecated (write it as a label)",
                    "4:157: info IST0135 Process/shop/cart \
                metadata.annotations.sidecar.istio.io/statsCompression: annotation \
                sidecar.istio.io/statsCompression is deprecated (write statsCompression in \
                proxy.istio.io/config)",
                ],
            ),
            (
                "beside the label",
                object(
                    "Process",
                    "shop",
                    "cart labels: {sidecar.istio.io/inject: 'true'}, annotations: {sidecar.istio.io/inject: 'true'}",
                    "{command: [a]}",
                ),
                &[],
            ),
        ],
    );
}

#[test]
fn trials() {
    let policy =
        |kind: &str, annotations: &str| object(kind, "shop", &format!("a annotations: {{{annotations}}}"), "{}");
    check(
        CODES,
        &[
            ("true", policy("AuthorizationPolicy", "istio.io/dry-run: 'true'"), &[]),
            ("false", policy("AuthorizationPolicy", "istio.io/dry-run: 'false', istio.io/other: a"), &[]),
            (
                "neither",
                policy("AuthorizationPolicy", "istio.io/dry-run: 'yes'"),
                &["4:70: warning IST0125 AuthorizationPolicy/shop/a metadata.annotations.istio.io/dry-run: \
                annotation istio.io/dry-run=yes is not valid: it must be true or false"],
            ),
            (
                "another kind",
                policy("PeerAuthentication", "istio.io/dry-run: 'true'"),
                &["4:70: warning IST0107 PeerAuthentication/shop/a metadata.annotations.istio.io/dry-run: \
                annotation istio.io/dry-run belongs to AuthorizationPolicy, not to PeerAuthentication (move \
                it there, or remove it)"],
            ),
            (
                "of a process",
                process("shop", "cart", "annotations: {istio.io/dry-run: 'true'}"),
                &["4:107: warning IST0107 Process/shop/cart metadata.annotations.istio.io/dry-run: annotation \
                istio.io/dry-run belongs to AuthorizationPolicy, not to Process (move it there, or remove \
                it)"],
            ),
        ],
    );
}

#[test]
fn values() {
    for (name, right, wrong) in [
        ("sidecar.istio.io/interceptionMode", &["REDIRECT", "TPROXY", "NONE"][..], &["redirect", ""][..]),
        ("sidecar.istio.io/proxyCPU", &["1", "500m", "0.5", "1e3", "+1", ".5"], &["", "a", "1x", "1.2.3", "m"]),
        ("sidecar.istio.io/proxyMemoryLimit", &["64Mi", "1G"], &["64 Mi", "64MiB"]),
        ("status.sidecar.istio.io/port", &["0", "15020"], &["65536", "-1", "http"]),
        ("readiness.status.sidecar.istio.io/periodSeconds", &["2"], &["2s", "-2"]),
        (
            "traffic.sidecar.istio.io/includeOutboundIPRanges",
            &["*", "", "10.0.0.0/8, fd00::/8"],
            &["10.0.0.1", "*,10.0.0.0/8"],
        ),
        ("traffic.sidecar.istio.io/excludeOutboundIPRanges", &["10.0.0.0/8"], &["*"]),
        ("traffic.sidecar.istio.io/includeInboundPorts", &["*", "80,443", ""], &["http", "80,"]),
        ("traffic.sidecar.istio.io/excludeInboundPorts", &["80"], &["*"]),
        ("traffic.sidecar.istio.io/excludeInterfaces", &["eth1, net0"], &["a b", "a-name-that-is-too-long"]),
        ("prometheus.istio.io/merge-metrics", &["true", "F"], &["yes"]),
        ("istio.io/dry-run", &["true", "false"], &["True", "1"]),
    ] {
        let check = known::annotation(name).and_then(|known| known.check).expect(name);
        for value in right {
            assert_eq!(check(value), Ok(()), "{name}: {value:?}");
        }
        for value in wrong {
            assert!(check(value).is_err(), "{name}: {value:?}");
        }
    }
    for right in ["", "concurrency: 2\ntracing:\n  sampling: 10\n", "{\"concurrency\": 2}"] {
        assert_eq!(process_proxy::wrong(right).count(), 0, "{right:?}");
    }
    for wrong in ["concurency: 2", "[", "text"] {
        assert!(process_proxy::wrong(wrong).next().is_some(), "{wrong:?}");
    }
    let process = |annotation: &str| process("shop", "cart", &format!("annotations: {{{annotation}}}"));
    check(
        CODES,
        &[
            (
                "mode",
                process("sidecar.istio.io/interceptionMode: redirect"),
                &["4:124: warning IST0125 Process/shop/cart \
                metadata.annotations.sidecar.istio.io/interceptionMode: annotation \
                sidecar.istio.io/interceptionMode=redirect is not valid: it must be REDIRECT or TPROXY or \
                NONE"],
            ),
            (
                "ports",
                process("traffic.sidecar.istio.io/excludeInboundPorts: '80, http'"),
                &["4:135: warning IST0125 Process/shop/cart \
                metadata.annotations.traffic.sidecar.istio.io/excludeInboundPorts: annotation \
                traffic.sidecar.istio.io/excludeInboundPorts=80, http is not valid: \"http\" is no port"],
            ),
            (
                "configuration",
                process("proxy.istio.io/config: 'concurency: 2'"),
                &["4:112: warning IST0125 Process/shop/cart metadata.annotations.proxy.istio.io/config: \
                annotation proxy.istio.io/config is not valid: concurency: there is no field `concurency` (did you mean \
                `concurrency`?)"],
            ),
            (
                "all of it",
                process(
                    "proxy.istio.io/config: \"concurrency: 1\\nconnectionSettings:\\n  httpIdleTimout: 5s\\n  httpHeadersWithUnderscoresAction: REJECT\"",
                ),
                &[
                    "4:112: warning IST0125 Process/shop/cart metadata.annotations.proxy.istio.io/config: annotation proxy.istio.io/config is not valid: line 3 of it: connectionSettings.httpIdleTimout: there is no field `httpIdleTimout` (did you mean `httpIdleTimeout`?)",
                    "4:112: warning IST0125 Process/shop/cart metadata.annotations.proxy.istio.io/config: annotation proxy.istio.io/config is not valid: line 4 of it: connectionSettings.httpHeadersWithUnderscoresAction: `REJECT` is none of `HEADERS_WITH_UNDERSCORES_UNSPECIFIED`, `HEADERS_WITH_UNDERSCORES_ALLOW`, `HEADERS_WITH_UNDERSCORES_REJECT_REQUEST`, `HEADERS_WITH_UNDERSCORES_DROP_HEADER`",
                ],
            ),
        ],
    );
}

#[test]
fn several_labels() {
    let namespace = |labels: &str| object("Namespace", "", &format!("shop labels: {{{labels}}}"), "");
    check(
        CODES,
        &[
            ("one", namespace("istio.io/dataplane-mode: ambient"), &[]),
            (
                "two",
                namespace("istio-injection: enabled, istio.io/rev: a"),
                &["4:73: warning IST0123 Namespace/shop metadata.labels.istio.io/rev: the namespace is \
                enrolled in several ways: istio-injection, istio.io/rev (keep one of these labels)"],
            ),
            (
                "revision and mode",
                namespace("istio.io/dataplane-mode: ambient, istio.io/rev: a"),
                &["4:58: warning IST0123 Namespace/shop metadata.labels.istio.io/dataplane-mode: the namespace \
                is enrolled in several ways: istio.io/rev, istio.io/dataplane-mode (keep one of these \
                labels)"],
            ),
            ("settled", namespace("istio-injection: disabled, istio.io/dataplane-mode: ambient"), &[]),
        ],
    );
}

#[test]
fn the_table_is_in_order() {
    let names = known::names();
    assert!(names.is_sorted_by_key(|name| name.to_ascii_lowercase()));
    assert!(names.iter().all(|name| is_istio(name) && !known::is_label(name)));
}
