use super::*;
use Cause::{Consecutive5xx, ConsecutiveGatewayFailure, ConsecutiveLocalOriginFailure};
use Outcome::{ConnectFailure, Reset, Status, Success, Timeout};

/// Three of each in a row, failures on our side apart.
fn split() -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: 3,
        consecutive_gateway: 3,
        consecutive_local: Some(3),
        ..OutlierDetection::default()
    }
}

/// Three 5xx, or two gateway errors.
fn together() -> OutlierDetection {
    OutlierDetection { consecutive_5xx: 3, consecutive_gateway: 2, ..OutlierDetection::default() }
}

/// The cause that each of these outcomes makes, one after another.
fn causes(settings: &OutlierDetection, outcomes: &[Outcome]) -> Vec<Option<Cause>> {
    let streaks = Streaks::default();
    outcomes.iter().map(|outcome| streaks.note(*outcome, settings)).collect()
}

/// The cause that the last of these outcomes makes; those before must make none.
#[track_caller]
fn last(settings: &OutlierDetection, outcomes: &[Outcome]) -> Option<Cause> {
    let causes = causes(settings, outcomes);
    let (last, before) = causes.split_last().unwrap();
    assert!(before.iter().all(Option::is_none), "{causes:?}");
    *last
}

#[test]
fn five_5xx_in_a_row_are_a_cause_by_default() {
    let default = OutlierDetection::default();
    assert_eq!(last(&default, &[Status(500); 4]), None);
    assert_eq!(
        last(&default, &[Status(500), Status(502), Status(599), Status(501), Status(503)]),
        Some(Consecutive5xx)
    );
    // Gateway errors alone are no cause unless they are asked for.
    assert_eq!(last(&default, &[Status(503); 5]), Some(Consecutive5xx));
}

#[test]
fn any_other_answer_ends_the_row() {
    let default = OutlierDetection::default();
    for good in [Status(200), Status(404), Status(499), Status(600), Success] {
        let outcomes = [&[Status(500); 4][..], &[good], &[Status(500); 4]].concat();
        assert_eq!(last(&default, &outcomes), None, "{good:?}");
    }
}

#[test]
fn gateway_errors_are_502_503_and_504() {
    for gateway in [502, 503, 504] {
        assert_eq!(last(&together(), &[Status(gateway); 2]), Some(ConsecutiveGatewayFailure));
    }
    // Another 5xx ends their row, but not its own.
    assert_eq!(last(&together(), &[Status(503), Status(500), Status(503)]), Some(Consecutive5xx));
    for other in [500, 501, 505] {
        assert_eq!(last(&together(), &[Status(other); 2]), None);
    }
}

#[test]
fn gateway_errors_come_first_where_both_are_reached() {
    let settings = OutlierDetection { consecutive_5xx: 2, ..together() };
    assert_eq!(last(&settings, &[Status(503); 2]), Some(ConsecutiveGatewayFailure));
}

#[test]
fn failures_on_our_side_are_gateway_errors_unless_split() {
    for failure in [ConnectFailure, Timeout, Reset] {
        assert_eq!(last(&together(), &[failure; 2]), Some(ConsecutiveGatewayFailure));
        let only_5xx = OutlierDetection { consecutive_gateway: 0, ..together() };
        assert_eq!(last(&only_5xx, &[failure, Status(500), failure]), Some(Consecutive5xx));
    }
}

#[test]
fn split_they_count_apart() {
    assert_eq!(last(&split(), &[ConnectFailure, Timeout, Reset]), Some(ConsecutiveLocalOriginFailure));
    // Any answer proves that the endpoint is reached, and failures on our side say nothing of answers.
    let mixed = [ConnectFailure, Timeout, Status(500), ConnectFailure, Timeout, Status(500), Reset, Status(500)];
    assert_eq!(last(&split(), &mixed), Some(Consecutive5xx));
    assert_eq!(last(&split(), &[Timeout, Timeout, Success, Timeout, Timeout]), None);
}

#[test]
fn zero_is_off() {
    let off = OutlierDetection { consecutive_5xx: 0, consecutive_local: Some(0), ..OutlierDetection::default() };
    assert_eq!(last(&off, &[Status(503); 100]), None);
    assert_eq!(last(&off, &[Reset; 100]), None);
}

#[test]
fn codes_replace_5xx() {
    let settings = OutlierDetection { error_codes: vec![429, 503], ..together() };
    assert_eq!(last(&settings, &[Status(429); 3]), Some(Consecutive5xx));
    assert_eq!(last(&settings, &[Status(503); 2]), Some(ConsecutiveGatewayFailure));
    // What is not among them is good.
    assert_eq!(last(&settings, &[Status(429), Status(429), Status(500), Status(429), Status(429)]), None);
    // They say nothing of failures on our side.
    assert_eq!(last(&settings, &[Reset; 2]), Some(ConsecutiveGatewayFailure));
}

#[test]
fn a_streak_beyond_its_end_is_still_a_cause() {
    let settings = OutlierDetection { consecutive_5xx: 2, ..OutlierDetection::default() };
    let expected = [None, Some(Consecutive5xx), Some(Consecutive5xx)];
    assert_eq!(causes(&settings, &[Status(500); 3]), expected);
}

#[test]
fn streaks_end_singly_or_all() {
    let streaks = Streaks::default();
    let settings = split();
    let causes: Vec<_> = (0..3).filter_map(|_| streaks.note(Status(503), &settings)).collect();
    assert_eq!(causes, [ConsecutiveGatewayFailure]);
    streaks.end(ConsecutiveGatewayFailure);
    assert!(!streaks.is_cause(ConsecutiveGatewayFailure, &settings));
    assert!(streaks.is_cause(Consecutive5xx, &settings));
    streaks.end_all();
    assert!(!streaks.is_cause(Consecutive5xx, &settings));
}
