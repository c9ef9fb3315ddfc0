use super::*;

fn answered(status: u16, grpc: Option<u32>) -> Ended {
    Ended::Answered { status, grpc, received: 10, value: None }
}

#[test]
fn each_request_is_counted_once() {
    let (mut tally, mut other) = (Tally::default(), Tally::default());
    tally.record(Duration::from_millis(1), answered(200, None));
    tally.record(Duration::from_millis(2), answered(503, None));
    other.record(Duration::from_millis(3), answered(200, Some(14)));
    other.record(Duration::from_millis(4), Ended::Failed(Failure::Timeout, "late".into()));
    tally.merge(&other);
    assert_eq!((tally.total(), tally.good, tally.received), (4, 1, 30));
    assert_eq!(tally.statuses, BTreeMap::from([(200, 2), (503, 1)]));
    assert_eq!(tally.grpc, BTreeMap::from([(14, 1)]));
    assert_eq!(
        tally.failures[&Failure::Timeout],
        Failures { count: 1, ..Failures::new(Failure::Timeout, "late".into()) }
    );
}

#[test]
fn values_are_told_apart_up_to_a_limit() {
    let mut tally = Tally::default();
    for index in 0..VALUES + 10 {
        let value = Some(index.to_string().into());
        let ended = Ended::Answered { status: 200, grpc: None, received: 0, value };
        tally.record(Duration::ZERO, ended.clone());
        tally.record(Duration::ZERO, ended);
    }
    assert_eq!((tally.values.len(), tally.values["7"], tally.values[OTHERS]), (VALUES + 1, 2, 20));
    let mut all = Tally::default();
    all.merge(&tally);
    assert_eq!(all.values.values().sum::<u64>(), 2 * (VALUES as u64 + 10));
}

#[test]
fn durations_are_kept_to_three_digits() {
    let mut tally = Tally::default();
    for micros in [10, 1_234, 9_876_543] {
        tally.record(Duration::from_micros(micros), answered(200, None));
    }
    let largest = tally.latency.max();
    assert!(largest.abs_diff(9_876_543_000) < 10_000_000, "{largest}");
}
