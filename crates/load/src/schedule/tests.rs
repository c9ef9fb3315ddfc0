use super::*;
use crate::plan::tests::plan;

fn schedule(pace: Pace, length: Length, warm_up: Duration) -> (Schedule, Instant) {
    let first = Instant::now();
    (Schedule::new(&Plan { pace, warm_up, length, ..plan() }, first), first)
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn turns_are_due_at_their_times_until_the_end() {
    let (schedule, first) = schedule(Pace::Open { rate: 10.0 }, Length::Time(SECOND), Duration::ZERO);
    for index in 0..10 {
        assert_eq!(schedule.take(first), Some(Turn::At(first + Duration::from_millis(100) * index)));
    }
    assert_eq!(schedule.take(first), None);
    assert_eq!(schedule.unsent(first + SECOND).count(), 0);
}

#[test]
fn what_nobody_took_in_time_is_known() {
    let (schedule, first) = schedule(Pace::Open { rate: 10.0 }, Length::Time(SECOND), Duration::ZERO);
    for _ in 0..4 {
        schedule.take(first).unwrap();
    }
    assert_eq!(schedule.take(first + SECOND), None, "it is over");
    let unsent: Vec<Duration> = schedule.unsent(first + 9 * SECOND).map(|due| due - first).collect();
    assert_eq!(unsent, (4..10).map(|index| Duration::from_millis(100) * index).collect::<Vec<_>>());
    // Stopped early.
    assert_eq!(schedule.unsent(first + Duration::from_millis(650)).count(), 3);
}

#[test]
fn as_many_as_were_asked_for_count() {
    for pace in [Pace::Closed, Pace::Open { rate: 10.0 }] {
        let (schedule, first) = schedule(pace, Length::Requests(5), Duration::ZERO);
        assert_eq!(std::iter::from_fn(|| schedule.take(first)).count(), 5, "{pace:?}");
    }
}

#[test]
fn a_warm_up_costs_none_of_them() {
    let (schedule, first) = schedule(Pace::Open { rate: 10.0 }, Length::Requests(5), SECOND);
    assert_eq!(std::iter::from_fn(|| schedule.take(first)).count(), 15);
    let (schedule, first) = self::schedule(Pace::Closed, Length::Requests(5), SECOND);
    assert_eq!((0..50).filter_map(|_| schedule.take(first)).count(), 50);
    assert_eq!(std::iter::from_fn(|| schedule.take(first + SECOND)).count(), 5);
}

#[test]
fn what_is_due_in_a_thousand_years_is_never_due() {
    let (schedule, first) = schedule(Pace::Open { rate: 1e-300 }, Length::Requests(5), Duration::ZERO);
    assert_eq!(schedule.take(first), Some(Turn::At(first)));
    assert_eq!(schedule.take(first), None);
}
