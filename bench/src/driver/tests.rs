use super::*;

fn span() -> Span {
    let begin = Instant::now();
    Span { begin, end: begin + Duration::from_secs(2) }
}

#[test]
fn late_answers_of_an_open_loop_are_in_the_percentiles_but_not_in_the_rate() {
    let (span, second) = (span(), Duration::from_secs(1));
    let mut tally = Tally::default();
    tally.record_due(span, span.begin + second, span.end + second);
    assert_eq!((tally.answered, tally.times.total()), (0, 1));
    assert!(tally.times.quantile(500).abs_diff(2_000_000_000) < 16_000_000);
}

#[test]
fn answers_to_the_warm_up_are_in_the_rate_but_not_in_the_percentiles() {
    let (span, milli) = (span(), Duration::from_millis(1));
    let mut tally = Tally::default();
    tally.record_due(span, span.begin.checked_sub(milli).unwrap(), span.begin + milli);
    assert_eq!((tally.answered, tally.times.total()), (1, 0));
}

#[test]
fn what_nobody_was_free_for_took_until_the_end() {
    let span = span();
    let mut tally = Tally::default();
    tally.miss(span, span.end.checked_sub(Duration::from_millis(500)).unwrap());
    assert_eq!((tally.answered, tally.unsent, tally.times.total()), (0, 1, 1));
    assert!(tally.times.quantile(500).abs_diff(500_000_000) < 4_000_000);
}
