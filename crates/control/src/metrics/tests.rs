use super::*;

#[test]
fn the_histogram_is_cumulative() {
    let metrics = Metrics::default();
    for millis in [1, 40, 60, 40_000] {
        metrics.converged(Duration::from_millis(millis));
    }
    let text = metrics.exposition();
    for line in [
        "pilot_proxy_convergence_time_bucket{le=\"0.01\"} 1",
        "pilot_proxy_convergence_time_bucket{le=\"0.05\"} 2",
        "pilot_proxy_convergence_time_bucket{le=\"30\"} 3",
        "pilot_proxy_convergence_time_bucket{le=\"+Inf\"} 4",
        "pilot_proxy_convergence_time_sum 40.101",
        "pilot_proxy_convergence_time_count 4",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn pushes_are_counted_by_type_within_a_limit() {
    let metrics = Metrics::default();
    metrics.pushed("a");
    metrics.pushed("a");
    for i in 0..2 * TYPE_LIMIT {
        metrics.rejected(&format!("type-{i}"));
    }
    let text = metrics.exposition();
    assert!(text.contains("pilot_xds_pushes{type=\"a\"} 2\n"), "{text}");
    assert_eq!(text.matches("pilot_total_xds_rejects{").count(), TYPE_LIMIT);
}
