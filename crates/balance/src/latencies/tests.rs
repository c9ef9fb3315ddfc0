use super::*;

#[test]
fn a_latency_is_known_to_a_few_per_cent() {
    for exponent in 0..34 {
        for part in 0..37 {
            let nanos = (1_u64 << (10 + exponent)) + part * (1 << (10 + exponent)) / 37;
            let latencies = Latencies::default();
            latencies.add(nanos);
            let found = latencies.quantile(Share::ALL).unwrap();
            let off = found.abs_diff(nanos);
            assert!(off <= nanos / 30 + 512, "{nanos} is told as {found}");
        }
    }
    // Whatever is out of range counts as the nearest that is not.
    let latencies = Latencies::default();
    latencies.add(u64::MAX);
    latencies.add(0);
    assert_eq!(latencies.len(), 2);
    assert!(latencies.quantile(Share::ALL).unwrap() > 3600 * 1_000_000_000);
    assert!(latencies.quantile(Share::NONE).unwrap() < 1024);
}

#[test]
fn quantiles_are_those_of_what_was_counted() {
    let latencies = Latencies::default();
    assert_eq!(latencies.quantile(Share::from_percent(50.0)), None);
    (1..=1000_u64).for_each(|number| latencies.add(number * 1_000_000));
    for (percent, expected) in [(50.0, 500), (90.0, 900), (99.0, 990), (100.0, 1000)] {
        let found = latencies.quantile(Share::from_percent(percent)).unwrap() / 1_000_000;
        assert!(found.abs_diff(expected) <= expected / 25, "p{percent} is {found}, {expected} was expected");
    }
    latencies.clear();
    assert_eq!((latencies.len(), latencies.quantile(Share::ALL)), (0, None));
}
