use super::*;

const NOW: Duration = Duration::from_secs(7);

#[test]
fn a_workload_moves_and_what_it_had_is_finished() {
    let mut sides = Sides::default();
    assert_eq!((sides.now(), sides.is_handing(), sides.left_behind()), (Side::Node, false, 0));
    sides.hand(NOW);
    // Before it says so, it may serve what it accepted already.
    assert!(sides.is_handing() && sides.may_ask(Side::Sidecar) && !sides.may_ask(Side::Node));
    assert_eq!(sides.move_over(), Side::Node);
    sides.released(Side::Node);
    assert_eq!((sides.now(), sides.is_handing(), sides.left_behind()), (Side::Sidecar, false, 1));
    assert!(sides.may_ask(Side::Node), "what it has needs sockets, too");
    sides.finishes(Side::Node, 3);
    assert_eq!(sides.left_behind(), 3);
    sides.finishes(Side::Node, 0);
    assert_eq!((sides.left_behind(), sides.may_ask(Side::Node)), (0, false));
    // Counts of who serves say nothing of that.
    sides.counted(Side::Sidecar, 5);
    assert!(!sides.may_ask(Side::Sidecar));
}

#[test]
fn who_is_gone_has_nothing_left() {
    let mut sides = Sides::default();
    sides.hand(NOW);
    sides.gone(Side::Sidecar);
    assert!(!sides.is_handing() && sides.due().is_none());
    sides.hand(NOW);
    sides.move_over();
    sides.released(Side::Node);
    sides.gone(Side::Node);
    assert_eq!((sides.now(), sides.left_behind()), (Side::Sidecar, 0));
}

#[test]
fn who_could_not_take_it_is_asked_again_later() {
    let mut sides = Sides::default();
    sides.hand(NOW);
    sides.put_off(NOW);
    assert_eq!((sides.now(), sides.is_handing(), sides.due()), (Side::Node, false, Some(NOW + RETRY)));
    // One that says nothing does not hold it up for ever.
    sides.hand(NOW);
    assert!(!sides.is_overdue(NOW) && sides.is_overdue(NOW + ANSWER));
}

#[test]
fn an_agent_that_starts_anew_hears_what_the_other_one_finishes() {
    let mut sides = Sides::default();
    sides.finishes(Side::Sidecar, 2);
    assert!(sides.may_ask(Side::Sidecar));
    assert_eq!(sides.left_behind(), 2);
    sides.finishes(Side::Sidecar, 0);
    assert!(!sides.may_ask(Side::Sidecar));
    sides.counted(Side::Node, 2);
    assert!(!sides.may_ask(Side::Node), "it serves");
}
