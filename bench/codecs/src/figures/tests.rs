use super::*;

fn figures(costs: &[(&str, u64, f64)]) -> Figures {
    let cost = |&(case, instructions, allocations): &(&str, u64, f64)| {
        (case.to_owned(), Cost { instructions: Some(instructions), allocations })
    };
    Figures { arch: "x86_64".to_owned(), tools: "rustc".to_owned(), costs: costs.iter().map(cost).collect() }
}

fn verdicts(before: &Figures, now: &Figures) -> Vec<Verdict> {
    compare(before, now).lines.iter().map(|line| line.verdict).collect()
}

#[test]
fn figures_come_back_from_json() {
    let figures = figures(&[("a/b", 1234, 0.0), ("c", 5, 1.5)]);
    assert_eq!(Figures::from_json(&figures.to_json().to_string()).unwrap(), figures);
}

#[test]
fn a_baseline_must_be_whole() {
    for (text, message) in [
        (r#"{"tools": "t", "cases": {}}"#, "arch is missing"),
        (r#"{"arch": "a", "tools": "t"}"#, "cases are missing"),
        (r#"{"arch": "a", "tools": "t", "cases": {"c": {}}}"#, "c: allocations are missing"),
    ] {
        assert_eq!(Figures::from_json(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn five_in_a_hundred_more_is_not_too_much() {
    let before = figures(&[("a", 1000, 0.0)]);
    for (instructions, verdict) in [
        (1000, Verdict::Holds),
        (1050, Verdict::Holds),
        (1051, Verdict::MoreInstructions),
        (950, Verdict::Holds),
        (949, Verdict::Better),
    ] {
        assert_eq!(verdicts(&before, &figures(&[("a", instructions, 0.0)])), [verdict], "{instructions}");
    }
}

#[test]
fn not_one_allocation_more() {
    let before = figures(&[("a", 1000, 2.0)]);
    assert_eq!(verdicts(&before, &figures(&[("a", 1000, 2.01)])), [Verdict::MoreAllocations]);
    assert_eq!(verdicts(&before, &figures(&[("a", 1000, 1.0)])), [Verdict::Better]);
}

#[test]
fn cases_must_be_the_same() {
    let (one, two) = (figures(&[("a", 1, 0.0)]), figures(&[("a", 1, 0.0), ("b", 1, 0.0)]));
    assert_eq!(verdicts(&one, &two), [Verdict::Holds, Verdict::NotInBaseline]);
    assert_eq!(verdicts(&two, &one), [Verdict::Holds, Verdict::Gone]);
    assert!(!compare(&one, &two).holds());
    assert!(!compare(&two, &one).holds());
}

#[test]
fn instructions_that_mean_nothing_are_not_compared_and_that_is_said() {
    let before = figures(&[("a", 1000, 0.0)]);
    let mut other = figures(&[("a", 2000, 0.0)]);
    other.arch = "aarch64".to_owned();
    assert_eq!(verdicts(&before, &other), [Verdict::Holds]);
    assert!(compare(&before, &other).to_string().contains("SKIPPED: instructions are NOT checked"));

    let mut without = figures(&[("a", 0, 1.0)]);
    without.costs.values_mut().for_each(|cost| cost.instructions = None);
    assert_eq!(verdicts(&before, &without), [Verdict::MoreAllocations]);
    assert!(compare(&before, &without).to_string().contains("SKIPPED: instructions are NOT checked"));
}

#[test]
fn a_comparison_shows_both_figures_and_the_verdict() {
    let text = compare(&figures(&[("a", 1000, 0.0)]), &figures(&[("a", 2000, 0.0)])).to_string();
    let line = text.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(line, "a 2000 1000 0 0 FAILED: more than 5 % more instructions");
}
