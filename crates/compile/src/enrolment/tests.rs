use proptest::prelude::*;
use ripstop_api::enrolment::{Place, unknown};

use super::*;

/// Labels, and annotations as `@key`.
fn meta(pairs: &[(&str, &str)]) -> Meta {
    let mut meta = Meta::default();
    for (key, value) in pairs {
        match key.strip_prefix('@') {
            Some(key) => meta.annotations.insert(key.into(), (*value).into()),
            None => meta.labels.insert((*key).into(), (*value).into()),
        };
    }
    meta
}

const AMBIENT: &str = "istio.io/dataplane-mode";
const INJECT: &str = "sidecar.istio.io/inject";
const INJECTION: &str = "istio-injection";
const LINKERD: &str = "@linkerd.io/inject";

#[test]
fn precedence() {
    type Pairs = &'static [(&'static str, &'static str)];
    use DataplaneMode::{Node, None, Sidecar};
    let table: &[(Pairs, Pairs, DataplaneMode, &str)] = &[
        (&[], &[], None, ""),
        // One way at a time.
        (&[], &[(AMBIENT, "ambient")], Node, "namespace istio.io/dataplane-mode=ambient"),
        (&[(AMBIENT, "ambient")], &[], Node, "workload istio.io/dataplane-mode=ambient"),
        (&[], &[(INJECTION, "enabled")], Sidecar, "namespace istio-injection=enabled"),
        (&[(INJECT, "true")], &[], Sidecar, "workload sidecar.istio.io/inject=true"),
        (&[("@sidecar.istio.io/inject", "true")], &[], Sidecar, "workload sidecar.istio.io/inject=true"),
        (&[], &[(LINKERD, "enabled")], Sidecar, "namespace linkerd.io/inject=enabled"),
        (&[], &[("linkerd.io/inject", "enabled")], Sidecar, "namespace linkerd.io/inject=enabled"),
        (&[], &[(LINKERD, "ingress")], Sidecar, "namespace linkerd.io/inject=ingress"),
        // The workload beats its namespace.
        (&[(AMBIENT, "none")], &[(AMBIENT, "ambient")], None, "workload istio.io/dataplane-mode=none"),
        (&[(AMBIENT, "ambient")], &[(AMBIENT, "none")], Node, "workload istio.io/dataplane-mode=ambient"),
        (&[(INJECT, "true")], &[(AMBIENT, "none")], Sidecar, "workload sidecar.istio.io/inject=true"),
        (&[(INJECT, "true")], &[(AMBIENT, "ambient")], Sidecar, "workload sidecar.istio.io/inject=true"),
        // `none` opts out of all.
        (
            &[(AMBIENT, "none"), (INJECT, "true")],
            &[(LINKERD, "enabled")],
            None,
            "workload istio.io/dataplane-mode=none",
        ),
        (&[], &[(AMBIENT, "none"), (INJECTION, "enabled")], None, "namespace istio.io/dataplane-mode=none"),
        // `false` and `disabled` only of their own way.
        (&[(INJECT, "false")], &[(INJECTION, "enabled")], None, "workload sidecar.istio.io/inject=false"),
        (&[(INJECT, "false")], &[(AMBIENT, "ambient")], Node, "namespace istio.io/dataplane-mode=ambient"),
        (&[(INJECT, "false")], &[(LINKERD, "enabled")], Sidecar, "namespace linkerd.io/inject=enabled"),
        (&[(LINKERD, "disabled")], &[(LINKERD, "enabled")], None, "workload linkerd.io/inject=disabled"),
        (&[(LINKERD, "disabled")], &[(INJECTION, "enabled")], Sidecar, "namespace istio-injection=enabled"),
        (&[(INJECT, "true")], &[(INJECTION, "disabled")], Sidecar, "workload sidecar.istio.io/inject=true"),
        // On one level: dataplane-mode, then Istio's sidecar, then Linkerd's.
        (&[], &[(AMBIENT, "ambient"), (INJECTION, "enabled")], Node, "namespace istio.io/dataplane-mode=ambient"),
        (&[], &[(INJECTION, "enabled"), (LINKERD, "enabled")], Sidecar, "namespace istio-injection=enabled"),
        (&[], &[(INJECTION, "disabled"), (LINKERD, "enabled")], Sidecar, "namespace linkerd.io/inject=enabled"),
        (&[], &[(LINKERD, "disabled"), ("linkerd.io/inject", "enabled")], None, "namespace linkerd.io/inject=disabled"),
        // Values that are not known do not count.
        (&[(AMBIENT, "None")], &[(AMBIENT, "ambient")], Node, "namespace istio.io/dataplane-mode=ambient"),
        (&[(INJECT, "yes")], &[], None, ""),
        (&[], &[("@istio.io/dataplane-mode", "ambient")], None, ""),
    ];
    for (workload, namespace, mode, decided) in table {
        let enrolment = enrolment(&meta(workload), Some(&meta(namespace)));
        let by = enrolment.decided_by.map(|(key, level)| format!("{level} {key}")).unwrap_or_default();
        assert_eq!((enrolment.mode, by.as_str()), (*mode, *decided), "{workload:?} in {namespace:?}");
    }
}

fn any_meta() -> impl Strategy<Value = Meta> {
    let pair = |key: &'static str, values: &'static [&'static str]| {
        prop::option::of(prop::sample::select(values)).prop_map(move |value| value.map(|value| (key, value)))
    };
    (
        pair(AMBIENT, &["ambient", "none", "odd"]),
        pair(INJECT, &["true", "false", "odd"]),
        pair("@sidecar.istio.io/inject", &["true", "false", "odd"]),
        pair(INJECTION, &["enabled", "disabled", "odd"]),
        pair(LINKERD, &["enabled", "ingress", "disabled", "odd"]),
        pair("linkerd.io/inject", &["enabled", "disabled", "odd"]),
    )
        .prop_map(|(a, b, c, d, e, f)| meta(&[a, b, c, d, e, f].into_iter().flatten().collect::<Vec<_>>()))
}

fn without(mut meta: Meta, key: &str) -> Meta {
    meta.labels.remove(key);
    meta.annotations.remove(key);
    meta
}

proptest! {
    /// A workload's own `dataplane-mode` settles it, whatever else is said.
    #[test]
    fn the_workloads_dataplane_mode_settles_it(workload in any_meta(), namespace in any_meta()) {
        for (value, mode) in [("none", DataplaneMode::None), ("ambient", DataplaneMode::Node)] {
            let mut workload = workload.clone();
            workload.labels.insert(AMBIENT.into(), value.into());
            let enrolment = enrolment(&workload, Some(&namespace));
            prop_assert_eq!(enrolment.mode, mode);
            prop_assert_eq!(enrolment.decided_by.unwrap().1, EnrolmentLevel::Workload);
        }
    }

    /// Whoever is enrolled was asked to be: the deciding key is there and says yes.
    #[test]
    fn nobody_is_enrolled_unasked(workload in any_meta(), namespace in any_meta()) {
        let enrolment = enrolment(&workload, Some(&namespace));
        if enrolment.is_enrolled() {
            let (text, level) = enrolment.decided_by.unwrap();
            let meta = if level == EnrolmentLevel::Workload { &workload } else { &namespace };
            let (key, value) = text.split_once('=').unwrap();
            prop_assert!(["ambient", "true", "enabled", "ingress"].contains(&value));
            let found = [meta.labels.get(key), meta.annotations.get(key)];
            prop_assert!(found.contains(&Some(&value.to_owned())));
        }
    }

    /// Values that are not known change nothing.
    #[test]
    fn unknown_values_do_not_count(workload in any_meta(), namespace in any_meta()) {
        let cleaned = |meta: &Meta| unknown(meta).fold(meta.clone(), |mut meta, (key, _)| {
            match key.place {
                Place::Labels => meta.labels.remove(key.name),
                Place::Annotations => meta.annotations.remove(key.name),
            };
            meta
        });
        prop_assert_eq!(
            enrolment(&workload, Some(&namespace)),
            enrolment(&cleaned(&workload), Some(&cleaned(&namespace)))
        );
    }

    /// Opting out of sidecars never stops ambient, nor the other way round of Linkerd.
    #[test]
    fn disabled_counts_for_its_own_way_only(workload in any_meta(), namespace in any_meta()) {
        let workload = without(without(workload, INJECT), INJECTION);
        let before = enrolment(&workload, Some(&namespace));
        let mut refusing = workload;
        refusing.labels.insert(INJECT.into(), "false".into());
        let after = enrolment(&refusing, Some(&namespace));
        let by_istio_sidecar = before.decided_by.as_ref().is_some_and(|(text, _)| text.contains("inject") && !text.starts_with("linkerd"));
        if before.is_enrolled() && !by_istio_sidecar {
            prop_assert_eq!(after, before);
        }
    }

    /// A workload that says nothing follows its namespace.
    #[test]
    fn silence_follows_the_namespace(namespace in any_meta()) {
        let inherited = enrolment(&Meta::default(), Some(&namespace));
        let own = enrolment(&namespace, None);
        prop_assert_eq!(inherited.mode, own.mode);
    }
}

proptest! {
    /// Whoever starts a workload never takes one that is to have a sidecar for one that is not.
    #[test]
    fn nobody_with_a_sidecar_is_missed(workload in any_meta(), namespace in any_meta()) {
        let text = |map: &std::collections::BTreeMap<String, String>| crate::declare::labels(map);
        let injects = enrolment(&Meta::default(), Some(&namespace)).mode == DataplaneMode::Sidecar;
        let guess =
            ripstop_model::may_have_sidecar(&text(&workload.labels), &text(&workload.annotations), injects);
        let mode = enrolment(&workload, Some(&namespace)).mode;
        prop_assert!(guess || mode != DataplaneMode::Sidecar, "{workload:?} in {namespace:?}");
    }
}
