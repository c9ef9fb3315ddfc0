//! Good mesh configurations, Telemetry, ProxyConfig, Secrets and ConfigMaps with every field, read right.

use ripstop_api::{Object, Spec, istio::MeshConfig, parse_file};

#[path = "config/data.rs"]
mod data;
#[path = "config/mesh.rs"]
mod mesh;
#[path = "config/providers.rs"]
mod providers;
#[path = "config/proxies.rs"]
mod proxies;
#[path = "config/sources.rs"]
mod sources;
#[path = "config/telemetry.rs"]
mod telemetry;

/// Objects of a file, and the paths of what it says about fields without effect and older spellings.
#[track_caller]
fn parse(text: &str) -> (Vec<Object>, Vec<String>) {
    let parsed = parse_file("a.yaml", text);
    assert!(parsed.broken.is_empty() && !parsed.unreadable, "{:#?}", parsed.findings);
    let said = parsed.findings.iter().map(|finding| {
        assert!(["RS120", "RS16"].contains(&finding.code), "{finding}");
        assert!(!finding.hint.is_empty(), "{finding}");
        assert!(!finding.to_string().contains("secret-text"), "{finding}");
        finding.path.clone()
    });
    (parsed.objects, said.collect())
}

/// The mesh's settings in an object.
#[track_caller]
fn config(object: &Object) -> &MeshConfig {
    let config = match &object.spec {
        Spec::Mesh(mesh) => &mesh.mesh_config,
        Spec::IstioOperator(operator) => &operator.mesh_config,
        Spec::ConfigMap(map) => &map.mesh,
        other => panic!("{other:?}"),
    };
    config.as_deref().expect("a mesh configuration")
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn pairs<K: Ord + From<&'static str>, V: From<&'static str>>(
    pairs: &[(&'static str, &'static str)],
) -> std::collections::BTreeMap<K, V> {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}
