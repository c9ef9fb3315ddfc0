use super::*;
use crate::analyze::table::{check, object};

fn telemetry(spec: &str) -> String {
    object("Telemetry", "shop", "t", &format!("{{{spec}}}"))
}

fn mesh(config: &str) -> String {
    object("Mesh", "", "default", &format!("{{meshConfig: {{{config}}}}}"))
}

#[test]
fn tags() {
    let tag = |more: &str, tag: &str| {
        telemetry(&format!("metrics: [{{}}, {{overrides: [{{}}, {{{more}tagOverrides: {{it: {tag}}}}}]}}]"))
    };
    let value = |value: &str| tag("", &format!("{{value: \"{value}\"}}"));
    check(
        &[UNBOUNDED_TAG],
        &[
            (
                "header",
                value("request.headers['x-request-id'] | 'unknown'"),
                &["5:67: warning RS14 Telemetry/shop/t spec.metrics[1].overrides[1].tagOverrides.it.value: \
                every value of request.headers makes another series of tag \"it\" (use an attribute of few \
                values, such as response.code)"],
            ),
            (
                "path",
                value("string(request.url_path)"),
                &["5:67: warning RS14 Telemetry/shop/t spec.metrics[1].overrides[1].tagOverrides.it.value: \
                every value of request.url_path makes another series of tag \"it\" (use an attribute of few \
                values, such as response.code)"],
            ),
            ("status", value("response.code"), &[]),
            ("removed", tag("", "{operation: REMOVE}"), &[]),
            ("metric is off", tag("disabled: true, ", "{value: request.path}"), &[]),
        ],
    );
}

#[test]
fn expressions() {
    for (expression, expected) in [
        ("request.path", Some("request.path")),
        ("request.url_path", Some("request.url_path")),
        ("source.address", Some("source.address")),
        ("string(connection.id)", Some("connection.id")),
        ("has(request.headers['x']) ? request.headers['x'] : ''", Some("request.headers")),
        ("has(request.headers['x']) ? 'yes' : 'no'", None),
        ("request.path.startsWith('/api') ? 'api' : 'other'", None),
        ("request.headers['x-kind'] == 'a' ? 'a' : 'b'", None),
        ("request.headers['x-kind'] in ['a'] ? 'a' : 'b'", None),
        ("'request.path'", None),
        ("\"it\\\"s request.path\"", None),
        ("'a' + request.id", Some("request.id")),
        ("request.idle", None),
        ("my.request.path", None),
        ("response.code", None),
        ("destination.workload.name | 'unknown'", None),
        ("request.method", None),
        ("request.path + request.host", Some("request.path")),
        ("", None),
    ] {
        assert_eq!(cardinality::unbounded(expression), expected, "{expression}");
    }
}

#[test]
fn providers() {
    let spec = "tracing: [{providers: [{name: jaeger}]}], metrics: [{}, {providers: [{name: prometheus}, {name: graphs}]}], \
                accessLogging: [{providers: [{name: Envoy}]}, {providers: [{name: logs}]}]";
    let known = mesh(
        "extensionProviders: [{name: jaeger, zipkin: {service: jaeger.shop, port: 9411}}, {name: graphs, prometheus: {}}, \
         {name: logs, envoyFileAccessLog: {path: /dev/stdout}}], defaultProviders: {tracing: [jaeger], metrics: [none]}",
    );
    check(
        &[UNKNOWN_PROVIDER],
        &[
            (
                "unknown",
                telemetry(spec),
                &[
                    "5:38: warning RS15 Telemetry/shop/t spec.tracing[0].providers[0].name: the mesh has no \
                provider \"jaeger\" (declare it in extensionProviders of the mesh)",
                    "5:104: warning RS15 Telemetry/shop/t spec.metrics[1].providers[1].name: the mesh has no \
                provider \"graphs\" (declare it in extensionProviders of the mesh)",
                    "5:182: warning RS15 Telemetry/shop/t spec.accessLogging[1].providers[0].name: the mesh has \
                no provider \"logs\" (declare it in extensionProviders of the mesh)",
                ],
            ),
            (
                "known, but for a default",
                known + &telemetry(spec),
                &["5:238: warning RS15 Mesh/default spec.meshConfig.defaultProviders.metrics[0]: the mesh has \
                no provider \"none\" (declare it in extensionProviders of the mesh)"],
            ),
        ],
    );
}

#[test]
fn access_logs() {
    let named =
        |namespace: &str| object("Telemetry", namespace, "named", "{accessLogging: [{providers: [{name: envoy}]}]}");
    let logs = "accessLogging: [{providers: [{name: envoy}]}, {filter: {expression: 'true'}}, {disabled: true}]";
    let selecting = "selector: {matchLabels: {app: cart}}, accessLogging: [{}]";
    check(
        &[NO_PROVIDER],
        &[
            (
                "nowhere",
                telemetry(logs),
                &["5:54: warning IST0157 Telemetry/shop/t spec.accessLogging[1]: it names no provider, and the \
                mesh has none for access logs by default (write providers, such as envoy, or accessLogging \
                in defaultProviders of the mesh)"],
            ),
            ("by default", telemetry(logs) + &mesh("defaultProviders: {accessLogging: [envoy]}"), &[]),
            ("to a file", telemetry(logs) + &mesh("accessLogFile: /dev/stdout"), &[]),
            ("of the mesh", telemetry("accessLogging: [{}]") + &named("istio-system"), &[]),
            ("of the namespace", telemetry(selecting) + &named("shop"), &[]),
            (
                "of another namespace",
                telemetry(selecting) + &named("yard"),
                &["5:62: warning IST0157 Telemetry/shop/t spec.accessLogging[0]: it names no provider, and the \
                mesh has none for access logs by default (write providers, such as envoy, or accessLogging \
                in defaultProviders of the mesh)"],
            ),
        ],
    );
}
