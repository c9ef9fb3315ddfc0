use super::*;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

const SETTINGS: &PeakEwma = &PeakEwma {
    decay: Duration::from_secs(10),
    default_rtt: Duration::from_millis(30),
    penalty: Duration::from_secs(5),
};

fn at(now: u64) -> Course<'static> {
    Course { settings: SETTINGS, since: 0, now }
}

/// What it would cost an idle endpoint, in milliseconds.
fn millis(latency: &Latency, now: u64) -> f64 {
    (latency.cost(&at(now), 0, 1.0) - LEAST) / 1e6
}

/// Within a hundredth, since ticks are a millisecond long.
fn assert_millis(latency: &Latency, now: u64, expected: f64) {
    let millis = millis(latency, now);
    assert!((millis - expected).abs() <= expected / 100.0, "{millis} ms, not {expected}");
}

#[test]
fn a_new_endpoint_begins_with_the_default_and_is_forgotten_little_by_little() {
    let latency = Latency::default();
    assert_millis(&latency, 0, 30.0);
    assert_millis(&latency, 10 * SECOND, 30.0 / std::f64::consts::E);
    // From when it became ready.
    let course = Course { since: 10 * SECOND, ..at(10 * SECOND) };
    assert!((latency.cost(&course, 0, 1.0) - LEAST - 30e6).abs() < 1.0);
}

#[test]
fn a_sample_above_counts_at_once() {
    let latency = Latency::default();
    latency.add(200 * MS, &at(0));
    assert_millis(&latency, 0, 200.0);
    latency.add(300 * MS, &at(5 * SECOND));
    assert_millis(&latency, 5 * SECOND, 300.0);
}

#[test]
fn a_sample_below_counts_by_the_time_since_the_last_one() {
    let latency = Latency::default();
    latency.add(200 * MS, &at(0));
    // At the same time, not at all.
    latency.add(MS, &at(0));
    assert_millis(&latency, 0, 200.0);
    let remains = (-0.1_f64).exp();
    latency.add(10 * MS, &at(SECOND));
    assert_millis(&latency, SECOND, 200.0 * remains + 10.0 * (1.0 - remains));
    latency.add(10 * MS, &at(1_000 * SECOND));
    assert_millis(&latency, 1_000 * SECOND, 10.0);
}

/// Steady samples, a thousand a second or one, give the same.
#[test]
fn how_many_samples_there_are_makes_no_difference() {
    for every in [MS / 3, MS, 100 * MS, SECOND] {
        let latency = Latency::default();
        latency.add(500 * MS, &at(0));
        let mut now = 0;
        while now < 20 * SECOND {
            now += every;
            latency.add(10 * MS, &at(now));
        }
        let remains = (-2.0_f64).exp();
        let expected = 500.0 * remains + 10.0 * (1.0 - remains);
        let found = millis(&latency, now);
        assert!((found - expected).abs() < expected / 20.0, "{found}, not {expected}, one every {every} ns");
    }
}

#[test]
fn it_halves_in_seven_seconds_without_samples() {
    let latency = Latency::default();
    latency.add(800 * MS, &at(0));
    let half = SECOND * 6_931 / 1_000;
    (0..6).for_each(|halves| assert_millis(&latency, half * halves, 800.0 / f64::from(1 << halves)));
    // Nothing is left in the end.
    assert!(millis(&latency, 1_000 * SECOND) < 1e-6);
    assert!((latency.cost(&at(1_000 * SECOND), 1, 1.0) - 2.0 * LEAST).abs() < 1.0);
}

#[test]
fn what_is_active_multiplies_it_by_weight() {
    let latency = Latency::default();
    latency.add(10 * MS, &at(0));
    let cost = |active, share| latency.cost(&at(0), active, share) / latency.cost(&at(0), 0, 1.0);
    for (active, share, expected) in [(0, 0.1, 1.0), (1, 1.0, 2.0), (9, 1.0, 10.0), (3, 0.5, 7.0)] {
        assert!((cost(active, share) - expected).abs() < 1e-9);
    }
}

#[test]
fn what_lasts_longer_than_known_raises_and_never_lowers() {
    let latency = Latency::default();
    latency.add_at_least(20 * MS, &at(0));
    assert_millis(&latency, 0, 30.0);
    latency.add_at_least(50 * MS, &at(0));
    assert_millis(&latency, 0, 50.0);
    latency.add_at_least(20 * MS, &at(SECOND));
    assert_millis(&latency, SECOND, 50.0 * (-0.1_f64).exp());
    latency.add_at_least(30 * MS, &at(10 * SECOND));
    assert_millis(&latency, 10 * SECOND, 30.0);
}

#[test]
fn a_worker_whose_clock_is_behind_changes_no_time() {
    let latency = Latency::default();
    latency.add(100 * MS, &at(20 * SECOND));
    latency.add(10 * MS, &at(19 * SECOND));
    assert_millis(&latency, 20 * SECOND, 100.0);
    assert_millis(&latency, 19 * SECOND, 100.0);
}

#[test]
fn ticks_start_again_after_52_days() {
    let wrap = 1_u64 << 52;
    let latency = Latency::default();
    latency.add(40 * MS, &at(wrap / 2));
    latency.add(100 * MS, &at(wrap - 5 * SECOND));
    assert_millis(&latency, wrap + 5 * SECOND, 100.0 / std::f64::consts::E);
    latency.add(10 * MS, &at(wrap + 200 * SECOND));
    assert_millis(&latency, wrap + 200 * SECOND, 10.0);
}

#[test]
fn extremes_stay_numbers() {
    let latency = Latency::default();
    latency.add(0, &at(100 * SECOND));
    latency.add(u64::MAX, &at(200 * SECOND));
    assert!(millis(&latency, 200 * SECOND).is_finite());
    let settings = &PeakEwma { decay: Duration::ZERO, default_rtt: Duration::MAX, penalty: Duration::MAX };
    for now in [0, 1, u64::MAX] {
        let course = Course { settings, since: 0, now };
        assert!(Latency::default().cost(&course, u32::MAX, 1e-9).is_finite());
    }
}

/// Of samples that come from all sides at once, the highest is there in the end.
#[test]
fn threads_lose_no_peak() {
    let latency = Latency::default();
    std::thread::scope(|scope| {
        for thread in 1..=4 {
            let latency = &latency;
            scope.spawn(move || (0..10_000).for_each(|turn| latency.add((turn + thread) * MS, &at(0))));
        }
    });
    assert_millis(&latency, 0, 10_003.0);
}
