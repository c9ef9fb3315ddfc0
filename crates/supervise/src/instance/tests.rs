use super::*;

/// Whoever asks for a proxy of its own does not start without, whatever it asked for before.
#[test]
fn a_life_waits_for_its_sidecar_unless_that_was_there_ever_since() {
    let placing = Placing::default();
    assert!(placing.is_needed(false) && placing.is_needed(true));
    placing.done(false);
    assert!(!placing.is_needed(false) && placing.is_needed(true));
    placing.done(true);
    assert!(!placing.is_needed(true));
    // It did not ask for a while: its rules went.
    placing.asks_no_more();
    assert!(!placing.is_needed(false) && placing.is_needed(true));
}
