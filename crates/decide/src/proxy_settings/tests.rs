use ripstop_model::{ProcessProxy, ProxyDefaults, ProxySettings, RuleId, Selector, Topology, Traffic, TrafficDefaults};

use super::*;
use crate::samples::{labels, objects, traffic, workload};

/// Of `<namespace>/<name>`, for workloads of that app, if there is one.
fn settings(
    name: &str,
    app: Option<&str>,
    created: u64,
    concurrency: Option<u32>,
    env: &[(&str, &str)],
) -> ProxySettings {
    let (namespace, short) = name.split_once('/').unwrap();
    ProxySettings {
        id: RuleId(name.into()),
        namespace: namespace.into(),
        name: short.into(),
        selector: Selector(app.map(|app| labels(&[("app", app)])).unwrap_or_default()),
        concurrency,
        environment: labels(env),
        created,
    }
}

/// `<concurrency> by <whom>, <name>=<value> by <whom>`
fn told(given: Vec<ProxySettings>, namespace: &str) -> String {
    let settings = objects(given, |object| (object.namespace.clone(), object.name.clone()));
    let program = traffic(Traffic { proxy_settings: settings, ..Traffic::default() });
    let effective = proxy_settings(&program, &workload(namespace, "app", 1));
    let concurrency = effective.concurrency.map(|said| format!("{} by {}", said.value, said.by.unwrap()));
    let environment = effective.environment.into_iter();
    let environment = environment.map(|(name, said)| format!("{name}={} by {}", said.value, said.by.unwrap()));
    concurrency.into_iter().chain(environment).collect::<Vec<_>>().join(", ")
}

#[test]
fn layers() {
    let root = || settings("istio-system/root", None, 1, Some(1), &[("A", "root"), ("B", "root")]);
    let wide = || settings("ns/wide", None, 1, Some(2), &[("B", "wide"), ("C", "wide")]);
    let own = || settings("ns/own", Some("app"), 1, Some(0), &[("C", "own")]);
    for (title, given, expected) in [
        ("nothing", vec![], ""),
        ("root", vec![root()], "1 by istio-system/root, A=root by istio-system/root, B=root by istio-system/root"),
        (
            "environments merge, scalars replace, 0 is a value",
            vec![own(), wide(), root()],
            "0 by ns/own, A=root by istio-system/root, B=wide by ns/wide, C=own by ns/own",
        ),
        (
            "what a layer does not say is inherited",
            vec![root(), settings("ns/own", Some("app"), 1, None, &[("A", "own")])],
            "1 by istio-system/root, A=own by ns/own, B=root by istio-system/root",
        ),
        ("selectors must match", vec![settings("ns/own", Some("db"), 1, Some(4), &[])], ""),
        ("selectors of the root do not reach out", vec![settings("istio-system/x", Some("app"), 1, Some(4), &[])], ""),
        ("other namespaces do not count", vec![settings("other/x", None, 1, Some(4), &[])], ""),
        (
            "the oldest of a layer acts alone",
            vec![settings("ns/a", None, 2, Some(4), &[("X", "a")]), settings("ns/b", None, 1, None, &[("Y", "b")])],
            "Y=b by ns/b",
        ),
        (
            "then the lower name",
            vec![settings("ns/b", None, 1, Some(4), &[]), settings("ns/a", None, 1, Some(3), &[])],
            "3 by ns/a",
        ),
    ] {
        assert_eq!(told(given, "ns"), expected, "{title}");
    }
}

#[test]
fn the_root_namespace_is_a_namespace_too() {
    let given = vec![
        settings("istio-system/root", None, 1, Some(1), &[]),
        settings("istio-system/own", Some("app"), 2, Some(2), &[]),
    ];
    assert_eq!(told(given, "istio-system"), "2 by istio-system/own");
}

/// A node's proxy is no workload's own.
#[test]
fn threads_of_proxies() {
    let settings = vec![
        settings("istio-system/root", None, 1, Some(1), &[]),
        settings("istio-system/own", Some("app"), 1, Some(9), &[]),
        settings("ns/own", Some("app"), 1, Some(2), &[]),
    ];
    let mesh = |settings: Vec<ProxySettings>, concurrency| {
        let proxies = Arc::new(ProxyDefaults { concurrency, ..ProxyDefaults::default() });
        traffic(Traffic {
            proxy_settings: objects(settings, |object| (object.namespace.clone(), object.name.clone())),
            defaults: Arc::new(TrafficDefaults { proxies, ..TrafficDefaults::default() }),
            ..Traffic::default()
        })
    };
    let (own, other) = (workload("ns", "app", 1), workload("ns", "db", 1));
    let told = |program: Program| [Some(&own), Some(&other), None].map(|own| concurrency(&program, own));
    assert_eq!(told(mesh(settings.clone(), Some(4))), [Some(2), Some(1), Some(1)]);
    assert_eq!(told(mesh(settings[1..].to_vec(), Some(4))), [Some(2), Some(4), Some(4)]);
    assert_eq!(told(mesh(Vec::new(), None)), [None; 3]);
}

#[test]
fn an_annotation_stands_between_what_selects_its_process_and_what_is_for_all() {
    let told = |given: Vec<ProxySettings>| {
        let proxy = ProcessProxy {
            id: RuleId("annotation".into()),
            namespace: "ns".into(),
            name: "app".into(),
            topology: Topology::default(),
            settings: Arc::new(ProxyDefaults { concurrency: Some(7), ..ProxyDefaults::default() }),
        };
        let program = traffic(Traffic {
            proxy_settings: objects(given, |object| (object.namespace.clone(), object.name.clone())),
            process_proxies: objects(vec![proxy], |proxy| (proxy.namespace.clone(), proxy.name.clone())),
            ..Traffic::default()
        });
        concurrency(&program, Some(&workload("ns", "app", 1)))
    };
    let wide = || settings("ns/wide", None, 1, Some(2), &[]);
    assert_eq!(told(vec![]), Some(7));
    assert_eq!(told(vec![wide()]), Some(7));
    assert_eq!(told(vec![wide(), settings("ns/own", Some("app"), 1, Some(3), &[])]), Some(3));
    assert_eq!(told(vec![wide(), settings("ns/own", Some("app"), 1, None, &[])]), Some(7));
}
