use super::*;

fn map(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

#[test]
fn whoever_may_have_a_sidecar_is_taken_for_one() {
    let nothing = map(&[]);
    assert!(may_have_sidecar(&nothing, &nothing, true) && !may_have_sidecar(&nothing, &nothing, false));
    for (key, values) in SIDECAR_KEYS {
        for value in values {
            let asks = map(&[(key, *value)]);
            assert!(
                may_have_sidecar(&asks, &nothing, false) && may_have_sidecar(&nothing, &asks, false),
                "{key}={value}"
            );
        }
        assert!(!may_have_sidecar(&map(&[(key, "no")]), &nothing, false));
        // Its namespace may ask in another way than this one.
        assert!(may_have_sidecar(&map(&[(key, "false")]), &nothing, true));
    }
    for mode in ["ambient", "none"] {
        let own = map(&[(AMBIENT_LABEL, mode), ("istio-injection", "enabled")]);
        assert!(!may_have_sidecar(&own, &nothing, true), "it beats all others");
    }
}
