use super::*;

#[test]
fn places_share_a_rate() {
    let begin = Instant::now();
    let mut due = Vec::new();
    for place in 0..4 {
        let mut turns = Turns::new(Pace::Open { rate: 100.0 }, place, 4, begin);
        for _ in 0..3 {
            let Turn::At(at) = turns.next() else { panic!("it has a time") };
            due.push(at - begin);
        }
    }
    due.sort();
    let expected: Vec<Duration> = (0..12).map(|turn| Duration::from_millis(10) * turn).collect();
    assert_eq!(due, expected);
}

#[test]
fn a_closed_loop_has_no_times() {
    let mut turns = Turns::new(Pace::Closed, 0, 1, Instant::now());
    assert_eq!(turns.next(), Turn::Now);
}
