//! Tables for tests of rules: what users wrote, and what they are told.

use std::fmt::Write as _;

use ripstop_api::finding::Code;

use crate::tests::{World, now};

/// Title, objects, and what is told about them, without the name of the file.
pub(crate) type Row<'a> = (&'a str, String, &'a [&'a str]);

/// Compares every row with the findings that have one of `codes`.
pub(crate) fn check(codes: &[Code], rows: &[Row<'_>]) {
    for (title, text, expected) in rows {
        assert_eq!(told(&mut World::of(text), codes), *expected, "{title}");
    }
}

/// What is told about a mesh, of `codes`.
pub(crate) fn told(world: &mut World, codes: &[Code]) -> Vec<String> {
    let findings = world.compile().findings(now());
    let of_rule = findings.iter().filter(|finding| codes.iter().any(|code| code.code == finding.code));
    of_rule.map(|finding| finding.to_string().replace("dir/mesh.yaml:", "")).collect()
}

/// An object, in five lines; of `name`, what follows a blank is further metadata.
pub(crate) fn object(kind: &str, namespace: &str, name: &str, spec: &str) -> String {
    let version = match kind {
        "Process" | "Mesh" | "TrafficPolicy" => "ripstop.dev/v1alpha1",
        "AuthorizationPolicy" | "PeerAuthentication" | "RequestAuthentication" => "security.istio.io/v1",
        "Telemetry" => "telemetry.istio.io/v1",
        "IstioOperator" => "install.istio.io/v1alpha1",
        "ProxyConfig" => "networking.istio.io/v1beta1",
        "Namespace" | "Service" => "v1",
        _ => "networking.istio.io/v1",
    };
    let (name, more) = name.split_once(' ').unwrap_or((name, ""));
    let mut text = format!("---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}");
    if !namespace.is_empty() {
        let _ = write!(text, ", namespace: {namespace}");
    }
    if !more.is_empty() {
        let _ = write!(text, ", {more}");
    }
    text + "}\n" + &if spec.is_empty() { "\n".to_owned() } else { format!("spec: {spec}\n") }
}

/// An enrolled namespace with a process for each name, which is also its label `app`.
pub(crate) fn ground(namespace: &str, processes: &[&str]) -> String {
    let mut text = object("Namespace", "", &format!("{namespace} labels: {{istio.io/dataplane-mode: ambient}}"), "");
    for name in processes {
        text += &process(namespace, name, "");
    }
    text
}

/// A process; `more` is further metadata.
pub(crate) fn process(namespace: &str, name: &str, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    let spec = "{command: [serve], ports: [{name: web, containerPort: 8080}], \
                resources: {limits: {cpu: 1, memory: 64Mi}}}";
    object("Process", namespace, &format!("{name} labels: {{app: {name}, version: v1}}{more}"), spec)
}
