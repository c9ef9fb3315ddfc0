use super::*;

fn selector(labels: &[(&str, &str)]) -> Selector {
    Selector(labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect())
}

fn labelled<'a>(namespace: &'a str, labels: &[(&'a str, &'a str)]) -> Labelled<'a> {
    Labelled { namespace, labels: labels.iter().copied().collect(), gateway: false, default_gateway: false }
}

#[test]
fn each_is_there_once_and_found_by_namespace_and_labels() {
    let (cart, till) = ([("app", "cart"), ("tier", "web")], [("app", "till"), ("tier", "web")]);
    let workloads: Workloads<'_> =
        [labelled("shop", &till), labelled("shop", &cart), labelled("bank", &till), labelled("shop", &cart)]
            .into_iter()
            .collect();
    assert_eq!(workloads.places(&selector(&[])).len(), 3);
    assert_eq!(workloads.selected_in("shop", &selector(&[("app", "cart")])), [&labelled("shop", &cart)]);
    for (namespace, labels, expected) in [
        (Some("shop"), &[][..], true),
        (Some("none"), &[], false),
        (None, &[("app", "cart")], true),
        (Some("bank"), &[("app", "cart")], false),
        (Some("shop"), &[("app", "cart"), ("tier", "web")], true),
        (Some("shop"), &[("app", "cart"), ("tier", "db")], false),
    ] {
        assert_eq!(workloads.hits(namespace, &selector(labels)), expected, "{namespace:?} {labels:?}");
    }
}

/// What one selector costs does not grow with the mesh, but with those that share its rarest label.
#[test]
fn only_those_with_the_rarest_label_are_looked_at() {
    let names: Vec<String> = (0..500).map(|n| format!("s{n}")).collect();
    let everybody: Workloads<'_> =
        names.iter().map(|name| labelled("shop", &[("tier", "web"), ("app", name)])).collect();
    let looked_at = |labels: &[(&str, &str)]| everybody.candidates(&selector(labels), everybody.of("shop")).count();
    let all: usize = names.iter().map(|name| looked_at(&[("app", name), ("tier", "web")])).sum();
    assert_eq!(all, names.len());
    assert_eq!(looked_at(&[("app", "s7"), ("tier", "none")]), 0);
    assert_eq!(looked_at(&[("tier", "web")]), names.len());
}
