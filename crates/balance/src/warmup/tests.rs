use ripstop_model::Share;

use super::*;

fn over_ten_seconds(aggression: f64) -> Warmup {
    Warmup { duration: Duration::from_secs(10), minimum: Share::from_percent(10.0), aggression }
}

fn assert_factor(warmup: &Warmup, millis: u64, expected: f64) {
    let factor = factor(warmup, Duration::from_millis(millis));
    assert!((factor - expected).abs() < 1e-9, "{factor} after {millis} ms, not {expected}");
}

#[test]
fn a_weight_grows_with_time_from_its_minimum() {
    let warmup = over_ten_seconds(1.0);
    let steps = [(0, 0.1), (500, 0.1), (1_000, 0.1), (1_500, 0.15), (5_000, 0.5), (9_999, 0.9999), (10_000, 1.0)];
    for (millis, expected) in steps {
        assert_factor(&warmup, millis, expected);
    }
    assert_factor(&warmup, 1_000_000, 1.0);
}

#[test]
fn aggression_bends_the_growth() {
    // Envoy: the time's part to the power of 1 / aggression.
    assert_factor(&over_ten_seconds(2.0), 2_500, 0.5);
    assert_factor(&over_ten_seconds(0.5), 5_000, 0.25);
}

#[test]
fn aggression_that_means_nothing_is_1() {
    for aggression in [0.0, -1.0, f64::NAN] {
        assert_factor(&over_ten_seconds(aggression), 5_000, 0.5);
    }
}

#[test]
fn without_a_minimum_a_new_endpoint_still_gets_something() {
    let warmup = Warmup { minimum: Share::NONE, ..over_ten_seconds(1.0) };
    assert_factor(&warmup, 0, 0.0001);
}
