use super::*;
use crate::Error;

fn known(asks: bool, has_sidecar: bool, is_served: bool) -> Known {
    Known { asks, has_sidecar, is_served }
}

fn said(placed: bool) -> Placed {
    Placed { placed, has_sidecar: false }
}

fn gone() -> Result<Placed> {
    Err(Error::Unavailable("the control plane is gone".into()))
}

fn waits(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Waits(_))
}

#[test]
fn who_asks_for_a_sidecar_waits_until_somebody_says_that_it_serves() {
    // The control plane is away and has said nothing of it yet, or does not know it yet.
    for answer in [gone(), Ok(said(false))] {
        assert!(waits(&verdict(answer, known(true, false, false))));
    }
    // Its label came after it.
    assert!(waits(&verdict(gone(), known(false, true, false))));
    // It is captured: the agent knows, also without a control plane, or while others keep that waiting.
    for answer in [gone(), Ok(said(false)), Ok(said(true))] {
        for has_sidecar in [true, false] {
            assert_eq!(verdict(answer_again(&answer), known(true, has_sidecar, true)), Verdict::Starts);
        }
    }
    // The control plane knows one that had its name before.
    assert!(waits(&verdict(Ok(said(true)), known(true, true, false))));
    let answer = Placed { placed: true, has_sidecar: true };
    assert!(waits(&verdict(Ok(answer), known(true, false, false))));
    // It asks for none any more, or it was not sure whether it does.
    assert_eq!(verdict(Ok(said(true)), known(true, false, false)), Verdict::Starts);
}

#[test]
fn all_others_start_after_a_while() {
    assert_eq!(verdict(Ok(said(true)), Known::default()), Verdict::Starts);
    for answer in [gone(), Ok(said(false))] {
        assert!(matches!(verdict(answer, Known::default()), Verdict::StartsAllTheSame(_)));
    }
}

fn answer_again(answer: &Result<Placed>) -> Result<Placed> {
    match answer {
        Ok(answer) => Ok(*answer),
        Err(_) => gone(),
    }
}
