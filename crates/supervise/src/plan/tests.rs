use super::*;

fn instance(ordinal: u32, current: bool, ready: bool) -> Existing {
    Existing { ordinal, current, ready, stopped: false }
}

/// Plays the plan to its end; instances become ready when they are awaited.
fn play(replicas: u32, existing: &mut Vec<Existing>) -> (Vec<Step>, usize) {
    let mut steps = Vec::new();
    let mut least_ready = usize::MAX;
    loop {
        let step = next_step(replicas, existing);
        match step {
            Step::Create(ordinal) => existing.push(instance(ordinal, true, false)),
            Step::Remove(ordinal) => existing.retain(|instance| instance.ordinal != ordinal),
            Step::ReplaceStopped(ordinal) => {
                let old = existing.iter_mut().find(|instance| instance.ordinal == ordinal).unwrap();
                *old = Existing { current: true, ..*old };
            }
            Step::Await => existing.iter_mut().filter(|instance| !instance.stopped).for_each(|i| i.ready = true),
            Step::Done => return (steps, least_ready),
        }
        least_ready = least_ready.min(existing.iter().filter(|instance| instance.ready).count());
        steps.push(step);
        assert!(steps.len() < 100, "{steps:?}");
    }
}

#[test]
fn the_first_instances_start_at_once() {
    let mut existing = Vec::new();
    assert_eq!(play(3, &mut existing).0, [Step::Create(0), Step::Create(1), Step::Create(2)]);
}

#[test]
fn scaling_down_takes_the_highest() {
    let mut existing = vec![instance(0, true, true), instance(1, true, true), instance(2, true, true)];
    assert_eq!(play(1, &mut existing).0, [Step::Remove(2), Step::Remove(1)]);
    assert_eq!(play(0, &mut existing).0, [Step::Remove(0)]);
}

#[test]
fn a_new_one_is_ready_before_an_old_one_ends() {
    let mut existing = vec![instance(0, false, true), instance(1, false, true)];
    let (steps, least_ready) = play(2, &mut existing);
    assert_eq!(steps, [Step::Create(2), Step::Await, Step::Remove(0), Step::Create(0), Step::Await, Step::Remove(1)]);
    assert_eq!(least_ready, 2);
    assert!(existing.iter().all(|instance| instance.current));
}

#[test]
fn a_replacement_that_fails_is_waited_for_and_the_old_one_serves() {
    let existing = [instance(0, false, true), instance(1, true, false)];
    assert_eq!(next_step(1, &existing), Step::Await);
}

#[test]
fn a_third_specification_does_not_wait_for_the_second() {
    // 0 is from the first, 1 (never ready) from the second specification.
    let mut existing = vec![instance(0, false, true), instance(1, false, false)];
    let (steps, least_ready) = play(1, &mut existing);
    assert_eq!(steps, [Step::Remove(1), Step::Create(1), Step::Await, Step::Remove(0)]);
    assert_eq!(least_ready, 1);
}

#[test]
fn stopped_instances_stay_down() {
    let stopped = Existing { stopped: true, ..instance(0, false, false) };
    let mut existing = vec![stopped, instance(1, false, true)];
    let (steps, _) = play(2, &mut existing);
    assert_eq!(steps, [Step::ReplaceStopped(0), Step::Create(2), Step::Await, Step::Remove(1)]);
    assert!(existing.iter().find(|instance| instance.ordinal == 0).unwrap().stopped);
}

#[test]
fn a_gone_process_loses_all_at_once() {
    let mut existing = vec![instance(0, false, true), instance(1, false, true)];
    assert_eq!(play(0, &mut existing).0, [Step::Remove(0), Step::Remove(1)]);
}
