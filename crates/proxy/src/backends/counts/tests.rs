use super::*;

#[test]
fn what_checks_and_second_attempts_come_to_is_counted() {
    let counts = Counts::default();
    counts.checked(Some(&CheckResult::Passed));
    counts.checked(Some(&CheckResult::Failed("no".into())));
    counts.checked(None);
    counts.checked(None);
    assert_eq!([&counts.passed, &counts.failed, &counts.unsaid].map(|count| count.load(Relaxed)), [1, 1, 2]);
    assert!(counts.hedges.get().is_none(), "there are none before somebody asks for them");
    counts.hedges().0.sent();
    assert_eq!(counts.hedges().0.counts().sent, 1);
}
