use std::time::Duration;

use ripstop_model::{RequestMatch, TrafficTargetKind};

use super::*;

fn key(policy: &str, allowance: Allowance) -> CounterKey {
    CounterKey {
        policy: ("shop".into(), policy.into()),
        target: TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: None },
        instance: None,
        allowance,
        nth: 0,
    }
}

fn allowance(count: u32) -> Allowance {
    Allowance {
        requests: RequestMatch::default(),
        key: LimitKey::All,
        count,
        interval: Duration::from_secs(10),
        burst: count,
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_counted_outlives_whoever_counts_until_it_is_forgotten() {
    let limits = RateLimits::default();
    let counter = limits.counter(key("a", allowance(1)));
    assert!(counter.take(0, limits.now()).is_ok());
    drop(counter);
    // Nobody uses it, and others come.
    let _other = limits.counter(key("b", allowance(1)));
    assert!(limits.counter(key("a", allowance(1))).take(0, limits.now()).is_err(), "what it was is remembered");
    assert!(limits.counter(key("a", allowance(2))).take(0, limits.now()).is_ok(), "another limit begins anew");
    tokio::time::advance(Duration::from_secs(60)).await;
    let _third = limits.counter(key("c", allowance(1)));
    let known = limits.lock().counters.len();
    assert_eq!(known, 2, "those that are full and unused are gone");
}

#[tokio::test(start_paused = true)]
async fn metrics_do_not_fall_when_counters_go() {
    let limits = RateLimits::default();
    let told = || {
        let mut text = String::new();
        limits.render(&mut text);
        text.lines()
            .filter(|line| line.contains("shop/a") && line.contains("passed"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let counter = limits.counter(key("a", allowance(1)));
    counter.note(Counted::Passed);
    drop(counter);
    let before = told();
    assert!(before[0].ends_with(" 1"), "{before:?}");
    let _other = limits.counter(key("b", allowance(1)));
    assert_eq!(limits.lock().counters.len(), 1, "the first one is gone");
    assert_eq!(told(), before);
    limits.counter(key("a", allowance(1))).note(Counted::Passed);
    assert!(told()[0].ends_with(" 2"));
}

#[tokio::test]
async fn metrics_tell_of_each_policy_and_what_it_is_attached_to() {
    let limits = RateLimits::default();
    let mut text = String::new();
    limits.render(&mut text);
    assert_eq!(text, "", "who has no limits is told nothing");
    let counter = limits.counter(key("a", allowance(1)));
    let other = limits.counter(key("a", allowance(2)));
    for counted in [Counted::Passed, Counted::Passed, Counted::Refused] {
        counter.note(counted);
    }
    for counted in [Counted::Spared, Counted::Passed] {
        other.note(counted);
    }
    limits.render(&mut text);
    for (result, count) in [("passed", 3), ("refused", 1), ("dry_run", 1)] {
        let line = format!(
            "ripstop_rate_limit_requests_total{{policy=\"shop/a\",target_kind=\"Service\",target=\"web\",section=\"\",result=\"{result}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line}{text}");
    }
}
