//! Where a `MeshConfig` comes from, and where its fields stand.

use ripstop_api::{
    Spec,
    istio::{MeshConfig, MeshOutboundMode},
    parse_file,
};

use super::{config, parse};

fn mode(config: &MeshConfig) -> Option<MeshOutboundMode> {
    config.outbound_traffic_policy.as_ref().map(|policy| policy.mode)
}

#[test]
fn a_config_map_by_its_name() {
    let text = "apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  meshNetworks: \"\"
  mesh: |
    # Settings of the mesh
    rootNamespace: istio-system

    outboundTrafficPolicy:
      mode: REGISTRY_ONLY
  note: hello
";
    for name in ["istio", "istio-canary", "istio-1-30"] {
        let (objects, said) = parse(&text.replace("name: istio,", &format!("name: {name},")));
        assert_eq!(said.len(), 0);
        let object = &objects[0];
        assert_eq!(mode(config(object)), Some(MeshOutboundMode::RegistryOnly));
        let place = |path: &str| (object.source.at(path).line, object.source.at(path).column);
        assert_eq!(place("data.mesh.rootNamespace"), (8, 20));
        assert_eq!(place("data.mesh.outboundTrafficPolicy.mode"), (11, 13));
        assert_eq!(place("data.mesh.trustDomain"), place("data.mesh"), "the nearest parent");
        assert_eq!(place("data.note"), (12, 9));
        let Spec::ConfigMap(map) = &object.spec else { panic!("{object:#?}") };
        assert!(map.data["mesh"].starts_with("# Settings") && map.data.len() == 3);
    }
    let (objects, _) = parse(&text.replace("name: istio,", "name: other,"));
    let Spec::ConfigMap(map) = &objects[0].spec else { panic!("{objects:#?}") };
    assert_eq!((map.mesh.as_ref(), map.data.len()), (None, 3));
}

#[test]
fn an_older_spelling_inside_keeps_its_place() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata:\n  mesh: |\n    trust_domain: a\n";
    let (objects, said) = parse_lenient(text);
    assert_eq!(said, ["a.yaml:6:5 data.mesh.trust_domain"]);
    assert_eq!(objects[0].source.fields["data.mesh.trustDomain"], (6, 19));
}

fn parse_lenient(text: &str) -> (Vec<ripstop_api::Object>, Vec<String>) {
    let parsed = parse_file("a.yaml", text);
    let said = parsed.findings.iter().map(|finding| format!("{} {}", finding.position, finding.path));
    (parsed.objects, said.collect())
}

#[test]
fn empty_settings_are_none() {
    for mesh in ["\"\"", "|\n    # nothing", "\"---\\n\""] {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio}}\ndata:\n  mesh: {mesh}\n");
        let (objects, said) = parse(&text);
        let Spec::ConfigMap(map) = &objects[0].spec else { panic!("{objects:#?}") };
        assert_eq!((map.mesh.as_ref(), said.len()), (None, 0), "{mesh}");
    }
}

#[test]
fn an_operator_needs_no_metadata() {
    let ids = |metadata: &str| {
        let text = format!("apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n{metadata}spec: {{}}\n");
        parse(&text).0.into_iter().map(|object| object.id.to_string()).collect::<Vec<_>>()
    };
    for metadata in ["", "metadata: {}\n", "metadata:\n", "metadata: {name: }\n", "metadata: {labels: {a: b}}\n"] {
        assert_eq!(ids(metadata), ["IstioOperator/default/default"], "{metadata:?}");
    }
    assert_eq!(ids("metadata: {namespace: istio-system}\n"), ["IstioOperator/istio-system/default"]);
    assert_eq!(ids("metadata: {name: demo}\n"), ["IstioOperator/default/demo"]);
}

#[test]
fn the_handbook_of_registry_only_is_read() {
    let text = "# Block all external traffic except explicit ServiceEntries:
# Set outboundTrafficPolicy: REGISTRY_ONLY in MeshConfig
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  meshConfig:
    outboundTrafficPolicy:
      mode: REGISTRY_ONLY           # default: ALLOW_ANY
";
    let (objects, said) = parse(text);
    assert_eq!((mode(config(&objects[0])), said.len()), (Some(MeshOutboundMode::RegistryOnly), 0));
}
