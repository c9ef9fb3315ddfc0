use super::*;

fn id(text: &str) -> RuleId {
    RuleId(text.into())
}

fn decision(verdict: Verdict) -> Decision {
    Decision { verdict, ask: None, audit: Vec::new(), dry_run: None }
}

#[test]
fn what_each_rule_said_is_counted_whatever_became_of_it_since() {
    let counts = PolicyCounts::default();
    let allow = |rule: &str| decision(Verdict::Allow { rule: Some(id(rule)) });
    counts.note(&decision(Verdict::Allow { rule: None }));
    assert_eq!(counts.inspect(), json!([]));
    counts.note(&allow("AuthorizationPolicy/shop/web/1/spec.rules[0]"));
    // Changed since.
    counts.note(&allow("AuthorizationPolicy/shop/web/2/spec.rules[0]"));
    counts.note(&allow("AuthorizationPolicy/shop/web/2/spec.rules[1]"));
    let deny = |reason, policy: Option<&str>| decision(Verdict::Deny { reason, policy: policy.map(id) });
    counts.note(&deny(DenyReason::Rule, Some("AuthorizationPolicy/shop/no/1/spec.rules[0]")));
    let nothing = DenyReason::NotAllowed { policy: id("AuthorizationPolicy/shop/web/2"), count: 1 };
    counts.note(&deny(nothing, None));
    counts.note(&deny(DenyReason::ProxyPort { port: 15001 }, None));
    let trial = |allowed, rule: Option<&str>| DryRun {
        allowed,
        rule: rule.map(id),
        policy: id("AuthorizationPolicy/shop/trial/7"),
    };
    for dry_run in
        [trial(true, Some("AuthorizationPolicy/shop/trial/7/spec.rules[2]")), trial(false, None), trial(false, None)]
    {
        let audit = vec![id("AuthorizationPolicy/shop/seen/1/spec.rules[0]")];
        counts.note(&Decision { audit, dry_run: Some(dry_run), ..decision(Verdict::Allow { rule: None }) });
    }
    let mut out = String::new();
    counts.render(&mut out);
    let lines: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix(NAME)).collect();
    assert_eq!(
        lines,
        [
            "{kind=\"\",policy=\"\",rule=\"\",result=\"denied\",reason=\"proxy_port\"} 1",
            "{kind=\"AuthorizationPolicy\",policy=\"shop/no\",rule=\"0\",result=\"denied\",reason=\"\"} 1",
            "{kind=\"AuthorizationPolicy\",policy=\"shop/seen\",rule=\"0\",result=\"audited\",reason=\"\"} 3",
            "{kind=\"AuthorizationPolicy\",policy=\"shop/trial\",rule=\"\",result=\"would_deny\",reason=\"\"} 2",
            "{kind=\"AuthorizationPolicy\",policy=\"shop/trial\",rule=\"2\",result=\"would_allow\",reason=\"\"} 1",
            "{kind=\"AuthorizationPolicy\",policy=\"shop/web\",rule=\"\",result=\"denied\",reason=\"\"} 1",
            "{kind=\"AuthorizationPolicy\",policy=\"shop/web\",rule=\"0\",result=\"allowed\",reason=\"\"} 2",
            "{kind=\"AuthorizationPolicy\",policy=\"shop/web\",rule=\"1\",result=\"allowed\",reason=\"\"} 1",
        ]
    );
}

/// However often a policy changes, nothing that it said is lost, and nothing grows.
#[test]
fn policies_that_change_are_bounded() {
    let counts = PolicyCounts::default();
    let many = 3 * MOST + 10;
    for generation in 0..many {
        let rule = id(&format!("AuthorizationPolicy/shop/web/{generation}/spec.rules[0]"));
        counts.note(&decision(Verdict::Allow { rule: Some(rule) }));
    }
    assert!(counts.counts.load().len() <= MOST);
    let rows = counts.inspect();
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["allowed"]), (1, &json!(many)));
}
