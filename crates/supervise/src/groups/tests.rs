use std::time::Duration;

use ripstop_model::{ContainerPort, Probe, ProbeAction};

use super::*;

fn groups() -> Groups {
    let group = GroupSpec {
        namespace: "shop".into(),
        name: "vms".into(),
        service_account: "cart".into(),
        labels: [("app".into(), "cart".into())].into(),
        annotations: std::collections::BTreeMap::default(),
        ports: vec![ContainerPort { name: "http".into(), port: 8080, udp: false }],
        readiness: Some(Probe {
            action: ProbeAction::TcpSocket { port: 8080, host: None },
            initial_delay: Duration::ZERO,
            period: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            success_threshold: 1,
            failure_threshold: 1,
        }),
    };
    [("shop/vms".into(), Arc::new(group))].into()
}

fn asked(namespace: &str, group: Option<&str>, account: Option<&str>) -> RunRequest {
    RunRequest {
        namespace: namespace.into(),
        group: group.map(Into::into),
        service_account: account.map(Into::into),
        labels: [("app".into(), "own".into()), ("own".into(), "yes".into())].into(),
        ..RunRequest::default()
    }
}

#[test]
fn a_member_has_the_identity_of_its_group() {
    let found = |request: &RunRequest| wanted(&groups(), request);
    assert_eq!(found(&asked("shop", None, Some("any"))).unwrap(), None);
    for account in [None, Some(""), Some("cart")] {
        assert_eq!(&*found(&asked("shop", Some("vms"), account)).unwrap().unwrap().name, "vms");
    }
    let told = |request: &RunRequest| found(request).unwrap_err().to_string();
    let refused = told(&asked("shop", Some("vms"), Some("admin")));
    assert!(refused.contains("have the service account cart, not admin"), "{refused}");
    let unknown = told(&asked("shop", Some("vmz"), None));
    assert!(unknown.contains("namespace shop has no WorkloadGroup vmz; there are: vms"), "{unknown}");
    assert!(told(&asked("office", Some("vms"), None)).contains("there is none"));
}

#[test]
fn what_the_group_says_wins() {
    let (groups, mesh) = (groups(), MeshConfig::default());
    let member = live(&asked("shop", Some("vms"), None), Some(&groups["shop/vms"]), &mesh);
    let labels: Vec<String> = member.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(labels, ["app=cart", "own=yes"]);
    assert_eq!((member.ports.len(), member.readiness.is_some()), (1, true));
    let alone = live(&asked("shop", None, None), None, &mesh);
    assert_eq!((&*alone.labels["app"], alone.ports.len(), alone.readiness.is_some()), ("own", 0, false));
}

#[test]
fn who_may_have_a_sidecar_is_known_before_it_runs() {
    let injecting = MeshConfig { injecting: vec!["shop".into()], ..MeshConfig::default() };
    let has =
        |request: &RunRequest, group: Option<&GroupSpec>, mesh: &MeshConfig| live(request, group, mesh).has_sidecar;
    assert!(has(&asked("shop", None, None), None, &injecting));
    assert!(!has(&asked("front", None, None), None, &injecting));
    let ambient = [("istio.io/dataplane-mode".into(), "ambient".into())].into();
    assert!(!has(&RunRequest { labels: ambient, ..asked("shop", None, None) }, None, &injecting));
    let mut group = GroupSpec::clone(&groups()["shop/vms"]);
    assert!(!has(&asked("shop", Some("vms"), None), Some(&group), &MeshConfig::default()));
    group.annotations = [("sidecar.istio.io/inject".into(), "true".into())].into();
    assert!(has(&asked("shop", Some("vms"), None), Some(&group), &MeshConfig::default()));
}
