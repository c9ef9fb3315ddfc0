use ripstop_model::{MinRtt, RuleId, Share, TrafficTargetKind};

use super::*;

fn key(port: u16) -> ConcurrencyKey {
    ConcurrencyKey {
        policy: ("shop".into(), "a".into()),
        target: TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: None },
        instance: None,
        port,
    }
}

fn settings(max: u32) -> AdaptiveConcurrency {
    AdaptiveConcurrency {
        id: RuleId("TrafficPolicy/shop/a/1/spec.adaptiveConcurrency".into()),
        percentile: Share::from_percent(50.0),
        update_interval: Duration::from_millis(100),
        min: 1,
        max,
        min_rtt: MinRtt::Fixed(Duration::from_millis(2)),
        buffer: Share::NONE,
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_outlives_policies_and_is_forgotten_when_nobody_calls() {
    let all = Concurrencies::default();
    let held = all.get(key(80), &settings(1));
    let running = held.begin(&settings(1), all.now(), 0).unwrap();
    // By another configuration it is the same, with its requests.
    let again = all.get(key(80), &settings(5));
    assert_eq!(again.status().running, 1);
    assert!(again.begin(&settings(1), all.now(), 0).is_err());
    assert_eq!(all.get(key(81), &settings(1)).status().running, 0);
    let mut text = String::new();
    all.render(&mut text);
    let labels = "{policy=\"shop/a\",target_kind=\"Service\",target=\"web\",section=\"\",workload=\"\",port=\"80\"}";
    for line in ["refused_total", "requests", "limit", "min_rtt_calculation_active"] {
        assert!(text.contains(&format!("ripstop_adaptive_concurrency_{line}{labels} ")), "{text}");
    }
    assert!(text.contains(&format!("refused_total{labels} 1\n")), "{text}");
    assert!(text.contains(&format!("min_rtt_seconds{labels} 0.002\n")), "{text}");
    assert_eq!(all.inspect()[0]["refused"], 1);

    running.answered(all.now());
    drop((held, again));
    tokio::time::advance(2 * KEPT).await;
    assert_eq!(all.inspect().as_array().map(Vec::len), Some(0));
}
