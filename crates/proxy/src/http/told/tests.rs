use super::*;

#[test]
fn a_policy_is_named_as_in_the_logs_of_istio() {
    for (id, expected) in [
        (Some("AuthorizationPolicy/shop/secrets/3/spec.rules[1]"), "matched_policy[ns[shop]-policy[secrets]-rule[1]]"),
        (Some("PeerAuthentication/shop/default/1"), "matched_policy[ns[shop]-policy[default]]"),
        (Some("built-in"), "matched_policy[built-in]"),
        (None, "matched_policy[none]"),
    ] {
        assert_eq!(matched(id.map(|id| RuleId(id.into())).as_ref()), expected);
    }
}

#[test]
fn what_began_a_moment_ago_began_then() {
    let moment = std::time::Duration::from_secs(10);
    let Some(begun) = tokio::time::Instant::now().checked_sub(moment) else { return };
    let (started, now) = (Started::since(Some(begun)), Started::now());
    assert!(started.elapsed() >= moment);
    let ago = now.at().duration_since(started.at()).unwrap();
    assert!(ago + std::time::Duration::from_secs(1) >= moment, "{ago:?}");
}
