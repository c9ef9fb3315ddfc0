use ripstop_explain::{ConnectionAnswer, FlipAnswer};

use super::*;

const REASON: &str = "denied: AuthorizationPolicy/a/b/1 allows what its rules list only";

fn denied() -> Explanation {
    serde_json::from_value(serde_json::json!({
        "verdict": "denied",
        "summary": format!("{REASON} at a/web-0"),
        "live": false,
        "question": "a connection from a/x-0 to web:80",
        "places": ["authorization: proxy of the callee's node"],
        "route": {"outcome": "it goes to web", "rule": null, "steps": [], "backends": [], "settings": []},
        "endpoints": [{
            "name": "a/web-0", "address": "port 80", "backend": "web", "transport": "plaintext", "alike": [],
            "authorization": {
                "verdict": "deny", "reason": REASON, "rule": null, "authorizer": null, "audit": [], "dryRun": null,
                "mtls": "PERMISSIVE", "policies": [],
            },
        }],
        "connection": {"verdict": "deny", "reason": REASON, "rule": null},
        "flip": null,
        "notes": [],
    }))
    .unwrap()
}

#[test]
fn a_reason_is_told_once_and_what_was_not_found_is_told() {
    let shown = explanation(&denied());
    assert_eq!(shown.matches(REASON).count(), 1, "{shown}");
    for line in [
        "\nEndpoint a/web-0 (port 80)\n",
        "  deny: for the reason above\n",
        "\nSmallest change that turns it\n  none found among",
    ] {
        assert!(shown.contains(line), "no {line:?}:\n{shown}");
    }
    assert!(!shown.contains("connection:"), "files have no traffic, and it is said above:\n{shown}");
    let live = explanation(&Explanation { live: true, ..denied() });
    assert!(live.contains("  its connection today: refused (for the same reason)\n"), "{live}");
}

#[test]
fn another_reason_is_told_too() {
    let mut other = denied();
    other.connection =
        Some(ConnectionAnswer { verdict: "allow".into(), reason: "nothing denies it".into(), rule: None });
    other.flip =
        Some(FlipAnswer { verdict: "ALLOWED".into(), changes: vec!["call port 1".into()], ..FlipAnswer::default() });
    let shown = explanation(&other);
    assert!(shown.contains("\n  its connection: let in (nothing denies it)\n"), "{shown}");
    assert!(shown.ends_with("Smallest change that turns it\n  call port 1 → ALLOWED\n"), "{shown}");
    other.flip = None;
    other.verdict = Verdict::Answered;
    assert!(!explanation(&other).contains("Smallest"), "nothing was looked for");
}

#[test]
fn no_sentence_is_told_twice() {
    let why = "reviews.shop:80/v1 has no ready endpoint (1 in quarantine, 0 not ready, 0 outside of the subset)";
    let mut lost = denied();
    (lost.summary, lost.notes) = (why.into(), vec![why.into(), "another".into(), "another".into()]);
    lost.route.outcome = why.into();
    lost.endpoints.clear();
    lost.connection = None;
    let shown = explanation(&lost);
    assert_eq!((shown.matches(why).count(), shown.matches("another").count()), (1, 1), "{shown}");
    assert!(shown.contains("\nRoute\n  as said above\n"), "{shown}");
}
