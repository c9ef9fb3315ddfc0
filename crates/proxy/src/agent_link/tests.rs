use super::*;

#[test]
fn what_was_only_being_prepared_is_told_to_be_nothing_once() {
    let (own, other) = (WorkloadUid::new("own"), WorkloadUid::new("other"));
    let mut state = State::default();
    assert!(!state.anyone_leaves());
    state.without.extend([own.clone(), other.clone()]);
    // It was given to it again.
    state.preparing.insert(other, CancellationToken::new());
    assert!(state.anyone_leaves());
    let told = state.counts().counts;
    assert_eq!(told, [ConnectionCount { uid: own.to_string(), captured: 0 }]);
    assert!(!state.anyone_leaves() && state.counts().counts.is_empty());
    // Another agent was told nothing that has to be answered.
    state.without.insert(own);
    state.begin();
    assert!(!state.anyone_leaves());
}
