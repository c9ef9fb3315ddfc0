use ripstop_model::{DefaultProviders, PolicyTarget, Selector, TargetKind, TargetRef, Traffic, TrafficDefaults};

use super::*;
use crate::samples::{labels, objects, traffic, workload};

use Side::{Both, Client, Server};

/// Of `<namespace>/<name>`, for workloads of that app, if there is one.
fn object(name: &str, app: Option<&str>, created: u64) -> Telemetry {
    let (namespace, short) = name.split_once('/').unwrap();
    Telemetry {
        id: RuleId(short.into()),
        namespace: namespace.into(),
        name: short.into(),
        target: PolicyTarget::Workloads(Selector(app.map(|app| labels(&[("app", app)])).unwrap_or_default())),
        tracing: Vec::new(),
        metrics: Vec::new(),
        access_logs: Vec::new(),
        created,
    }
}

/// Blocks of the three layers' objects.
type Blocks<B> = [Vec<B>; 3];

/// Title, blocks, default providers, side, and what is told of it.
type TracingCase<'a> = (&'a str, Blocks<TracingSettings>, &'a [&'a str], Side, &'a str);

/// Objects of the three layers.
fn three() -> [Telemetry; 3] {
    [object("istio-system/root", None, 1), object("ns/wide", None, 1), object("ns/own", Some("app"), 1)]
}

fn texts(texts: &[&str]) -> Vec<Arc<str>> {
    texts.iter().map(|text| (*text).into()).collect()
}

/// What holds for `ns/app`, where `defaults` are the default providers of all signals.
fn of(given: impl IntoIterator<Item = Telemetry>, defaults: &[&str], side: Side) -> EffectiveTelemetry {
    let names = || texts(defaults);
    let default_providers = DefaultProviders { tracing: names(), metrics: names(), access_logging: names() };
    let telemetries = objects(given, |object| (object.namespace.clone(), object.name.clone()));
    let defaults = Arc::new(TrafficDefaults { default_providers, ..TrafficDefaults::default() });
    telemetry(&traffic(Traffic { telemetries, defaults, ..Traffic::default() }), &workload("ns", "app", 1), side)
}

fn by<T>(said: &Said<T>) -> String {
    said.by.as_ref().map_or_else(|| "default".to_owned(), ToString::to_string)
}

// === Layers ===

#[test]
fn layers_and_ages() {
    let with = |mut object: Telemetry, filter: &str| {
        object.access_logs = vec![AccessLogSettings { filter: Some(filter.into()), ..AccessLogSettings::default() }];
        object
    };
    let attached = |mut object: Telemetry| {
        object.target = PolicyTarget::Attached(vec![TargetRef { kind: TargetKind::Service, name: "app".into() }]);
        object
    };
    let [root, wide, own] = three();
    let (root, wide, own) = (with(root, "root"), with(wide, "wide"), with(own, "own"));
    for (title, given, expected) in [
        ("nothing", vec![], None),
        ("root", vec![root.clone()], Some("root")),
        ("namespace beats root", vec![root.clone(), wide.clone()], Some("wide")),
        ("workload beats namespace", vec![own, wide.clone(), root], Some("own")),
        ("others' selectors do not count", vec![with(object("ns/x", Some("db"), 1), "x")], None),
        ("selectors of the root do not reach out", vec![with(object("istio-system/x", Some("app"), 1), "x")], None),
        ("other namespaces do not count", vec![with(object("other/x", None, 1), "x")], None),
        ("what is attached does not count", vec![attached(with(object("ns/x", None, 1), "x"))], None),
        ("the oldest acts", vec![with(object("ns/a", None, 2), "a"), wide], Some("wide")),
        (
            "then the lower name",
            vec![with(object("ns/b", Some("app"), 1), "b"), with(object("ns/a", Some("app"), 1), "a")],
            Some("a"),
        ),
        (
            "the oldest acts even if it says nothing",
            vec![with(object("ns/a", None, 2), "a"), object("ns/b", None, 1)],
            None,
        ),
    ] {
        let effective = of(given, &["envoy"], Client);
        let filter = effective.access_logs[0].filter.as_ref();
        assert_eq!(filter.map(|filter| &*filter.value), expected, "{title}");
    }
}

#[test]
fn the_root_namespace_is_a_namespace_too() {
    let mut root = object("istio-system/root", None, 1);
    root.tracing = vec![TracingSettings { providers: texts(&["a"]), ..TracingSettings::default() }];
    root.metrics = vec![measured(&["a"], vec![change(None, Both, Some(true), &[])])];
    let mut own = object("istio-system/own", Some("app"), 2);
    own.tracing = vec![TracingSettings { sampling: Some(Share::ALL), ..TracingSettings::default() }];
    let telemetries = objects([root, own], |object| (object.namespace.clone(), object.name.clone()));
    let program = traffic(Traffic { telemetries, ..Traffic::default() });
    let EffectiveTelemetry { tracing, metrics, .. } = telemetry(&program, &workload("istio-system", "app", 1), Client);
    assert_eq!(tracing.provider.as_ref().map(by).as_deref(), Some("root/spec.tracing[0]"));
    assert_eq!(tracing.sampling.as_ref().map(by).as_deref(), Some("own/spec.tracing[0]"));
    assert_eq!(metrics[0].overrides.len(), 1, "and its object counts once");
}

// === Tracing ===

/// `<provider> <sampling> <tags> <reports>`, each of the first three with its source.
fn traced(tracing: &EffectiveTracing) -> String {
    let provider = tracing.provider.as_ref().map(|said| format!("{} by {}", said.value, by(said)));
    let sampling = tracing.sampling.as_ref().map(|said| format!("{} by {}", said.value == Share::ALL, by(said)));
    let tags = tracing.tags.as_ref().map(|said| {
        let names: Vec<&str> = said.value.keys().map(|name| &**name).collect();
        format!("{} by {}", names.join("+"), by(said))
    });
    let told: Vec<String> = [provider, sampling, tags].into_iter().flatten().collect();
    format!("{}{}", told.join(", "), if tracing.reports() { "" } else { " (off)" })
}

#[test]
fn tracing() {
    let block = TracingSettings::default;
    let to = |names: &[&str]| TracingSettings { providers: texts(names), ..block() };
    let sampled = |share| TracingSettings { sampling: Some(share), ..block() };
    let off = |off| TracingSettings { disabled: Some(off), ..block() };
    let tagged =
        |name: &str| TracingSettings { tags: Some([(name.into(), TagSource::Literal("x".into()))].into()), ..block() };
    let at = |side, block| TracingSettings { side, ..block };
    let cases: Vec<TracingCase<'_>> = vec![
        ("nothing", [vec![], vec![], vec![]], &[], Client, " (off)"),
        ("a default provider", [vec![], vec![], vec![]], &["a", "b"], Client, "a by default"),
        (
            "sampling alone is off",
            [vec![sampled(Share::ALL)], vec![], vec![]],
            &[],
            Client,
            "true by root/spec.tracing[0] (off)",
        ),
        (
            "each value by itself",
            [vec![to(&["a"])], vec![sampled(Share::ALL)], vec![tagged("t")]],
            &["d"],
            Client,
            "a by root/spec.tracing[0], true by wide/spec.tracing[0], t by own/spec.tracing[0]",
        ),
        (
            "providers replace, the first counts",
            [vec![to(&["a"])], vec![to(&["b", "c"])], vec![]],
            &[],
            Client,
            "b by wide/spec.tracing[0]",
        ),
        (
            "tags replace as a whole",
            [vec![to(&["a"]), tagged("t")], vec![], vec![tagged("u")]],
            &[],
            Server,
            "a by root/spec.tracing[0], u by own/spec.tracing[0]",
        ),
        ("off", [vec![to(&["a"])], vec![off(true)], vec![]], &[], Client, "a by root/spec.tracing[0] (off)"),
        ("on again", [vec![to(&["a"])], vec![off(true)], vec![off(false)]], &[], Client, "a by root/spec.tracing[0]"),
        (
            "a later block of the same object wins",
            [vec![to(&["a"]), to(&["b"])], vec![], vec![]],
            &[],
            Client,
            "b by root/spec.tracing[1]",
        ),
        (
            "the other side's does not count",
            [vec![to(&["a"]), at(Server, to(&["b"]))], vec![at(Server, off(true))], vec![]],
            &[],
            Client,
            "a by root/spec.tracing[0]",
        ),
        (
            "one's own does",
            [vec![to(&["a"]), at(Server, to(&["b"]))], vec![at(Server, off(true))], vec![]],
            &[],
            Server,
            "b by root/spec.tracing[1] (off)",
        ),
        (
            "both sides get what is for both",
            [vec![to(&["a"]), at(Server, to(&["b"])), at(Client, to(&["c"]))], vec![], vec![]],
            &[],
            Both,
            "a by root/spec.tracing[0]",
        ),
    ];
    for (title, blocks, defaults, side, expected) in cases {
        let given = three().into_iter().zip(blocks).map(|(object, tracing)| Telemetry { tracing, ..object });
        assert_eq!(traced(&of(given, defaults, side).tracing), expected, "{title}");
    }
}

// === Metrics ===

fn change(metric: Option<&str>, side: Side, disabled: Option<bool>, tags: &[(&str, Option<&str>)]) -> MetricOverride {
    MetricOverride {
        metric: metric.map(Arc::from),
        side,
        disabled,
        tags: tags.iter().map(|(tag, value)| ((*tag).into(), value.map(Arc::from))).collect(),
    }
}

fn measured(providers: &[&str], overrides: Vec<MetricOverride>) -> MetricsSettings {
    MetricsSettings { providers: texts(providers), overrides }
}

#[test]
fn who_gets_metrics() {
    let off = || vec![change(None, Both, Some(true), &[])];
    let cases: Vec<(&str, Blocks<MetricsSettings>, &[&str], &str)> = vec![
        ("nobody: they are scraped", [vec![], vec![], vec![]], &[], "prometheus by default []"),
        ("the defaults", [vec![], vec![], vec![]], &["d", "e"], "d by default []; e by default []"),
        (
            "lists replace",
            [vec![measured(&["a"], vec![])], vec![measured(&["b", "b"], vec![])], vec![]],
            &["d"],
            "b by wide/spec.metrics[0] []",
        ),
        (
            "overrides are for inherited providers, too",
            [vec![measured(&["a"], vec![])], vec![measured(&[], off())], vec![]],
            &["d"],
            "a by root/spec.metrics[0] [wide/spec.metrics[0]]",
        ),
        (
            "and for default ones",
            [vec![], vec![measured(&[], off())], vec![measured(&[], off())]],
            &["d"],
            "d by default [wide/spec.metrics[0] own/spec.metrics[0]]",
        ),
        (
            "those of another provider do not count",
            [vec![measured(&["a"], off())], vec![measured(&["b"], off())], vec![measured(&["a", "c"], vec![])]],
            &[],
            "a by own/spec.metrics[0] [root/spec.metrics[0]]; c by own/spec.metrics[0] []",
        ),
    ];
    for (title, blocks, defaults, expected) in cases {
        let given = three().into_iter().zip(blocks).map(|(object, metrics)| Telemetry { metrics, ..object });
        let told: Vec<String> = of(given, defaults, Client)
            .metrics
            .iter()
            .map(|metrics| {
                let overrides: Vec<String> = metrics.overrides.iter().map(by).collect();
                format!("{} by {} [{}]", metrics.provider.value, by(&metrics.provider), overrides.join(" "))
            })
            .collect();
        assert_eq!(told.join("; "), expected, "{title}");
    }
}

#[test]
fn overrides_accumulate_in_order() {
    let [mut root, mut wide, mut own] = three();
    root.metrics = vec![measured(&["a"], vec![change(None, Both, Some(true), &[("x", Some("1")), ("y", Some("2"))])])];
    wide.metrics = vec![measured(
        &[],
        vec![
            change(Some("REQUEST_COUNT"), Client, Some(false), &[("x", None)]),
            change(Some("custom"), Server, Some(false), &[]),
        ],
    )];
    own.metrics = vec![measured(&[], vec![change(Some("REQUEST_COUNT"), Both, None, &[("z", Some("3"))])])];
    let given = [root, wide, own];
    for (side, metric, disabled, tags) in [
        (Client, "REQUEST_COUNT", false, &[("x", None), ("y", Some("2")), ("z", Some("3"))][..]),
        (Server, "REQUEST_COUNT", true, &[("x", Some("1")), ("y", Some("2")), ("z", Some("3"))]),
        (Client, "REQUEST_SIZE", true, &[("x", Some("1")), ("y", Some("2"))]),
        (Client, "custom", true, &[("x", Some("1")), ("y", Some("2"))]),
        (Server, "custom", false, &[("x", Some("1")), ("y", Some("2"))]),
    ] {
        let effective = of(given.clone(), &[], side);
        let expected = EffectiveMetric { disabled, tags: tags.iter().copied().collect() };
        assert_eq!(effective.metrics[0].metric(metric), expected, "{metric} {side:?}");
    }
}

// === Access logs ===

fn logged(providers: &[&str], disabled: Option<bool>, filter: Option<&str>) -> AccessLogSettings {
    AccessLogSettings { side: Both, providers: texts(providers), disabled, filter: filter.map(Arc::from) }
}

fn on_side(side: Side, settings: AccessLogSettings) -> AccessLogSettings {
    AccessLogSettings { side, ..settings }
}

#[test]
fn access_logs() {
    let off = || logged(&[], Some(true), None);
    let cases: Vec<(&str, Blocks<AccessLogSettings>, &[&str], &str)> = vec![
        ("nobody", [vec![], vec![], vec![]], &[], ""),
        ("the defaults", [vec![], vec![], vec![]], &["d", "e"], "d by default; e by default"),
        (
            "lists replace, those of one object add up",
            [
                vec![logged(&["a"], None, None)],
                vec![logged(&["b"], None, None), logged(&["c", "b"], None, Some("f"))],
                vec![],
            ],
            &["d"],
            "b by wide/spec.accessLogging[1] if f by wide/spec.accessLogging[1]; \
             c by wide/spec.accessLogging[1] if f by wide/spec.accessLogging[1]",
        ),
        ("off", [vec![], vec![off()], vec![]], &["d"], "not d by wide/spec.accessLogging[0]"),
        (
            "on again",
            [vec![logged(&["a"], None, Some("f"))], vec![off()], vec![logged(&[], Some(false), None)]],
            &[],
            "a by own/spec.accessLogging[0] if f by root/spec.accessLogging[0]",
        ),
        (
            "whoever is named is on",
            [vec![logged(&["a"], Some(true), None)], vec![logged(&["a"], None, None)], vec![]],
            &[],
            "a by wide/spec.accessLogging[0]",
        ),
        (
            "a filter for inherited providers",
            [vec![logged(&["a"], None, None)], vec![logged(&[], None, Some("f"))], vec![]],
            &[],
            "a by wide/spec.accessLogging[0] if f by wide/spec.accessLogging[0]",
        ),
        (
            "who names a provider replaces its filter",
            [vec![logged(&["a"], None, Some("f"))], vec![logged(&["a"], None, None)], vec![]],
            &[],
            "a by wide/spec.accessLogging[0]",
        ),
        (
            "what another provider's block says does not count",
            [vec![logged(&["a"], Some(true), None)], vec![logged(&["b"], None, None)], vec![]],
            &[],
            "b by wide/spec.accessLogging[0]",
        ),
        (
            "the other side's does not count, and the default stays",
            [vec![on_side(Server, off())], vec![on_side(Server, logged(&["b"], None, None))], vec![]],
            &["d"],
            "d by default",
        ),
        (
            "one's own does",
            [vec![on_side(Client, off())], vec![], vec![]],
            &["d"],
            "not d by root/spec.accessLogging[0]",
        ),
    ];
    for (title, blocks, defaults, expected) in cases {
        let given = three().into_iter().zip(blocks).map(|(object, access_logs)| Telemetry { access_logs, ..object });
        let effective = of(given, defaults, Client);
        let on = effective.access_logs.iter().map(|log| {
            let filter = log.filter.as_ref().map(|filter| format!(" if {} by {}", filter.value, by(filter)));
            format!("{} by {}{}", log.provider.value, by(&log.provider), filter.unwrap_or_default())
        });
        let off = effective.silenced.iter().map(|said| format!("not {} by {}", said.value, by(said)));
        assert_eq!(on.chain(off).collect::<Vec<_>>().join("; "), expected, "{title}");
    }
}
