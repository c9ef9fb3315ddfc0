use super::*;

#[test]
fn the_callers_side_is_told_as_ztunnel_tells_it() {
    let peer = "[fd00::1]:4000".parse().unwrap();
    assert_eq!(forwarded(peer, None), "for=\"[fd00::1]:4000\"");
    let trace = traceparent();
    let parts: Vec<&str> = trace.split('-').collect();
    assert_eq!((parts[0], parts[1].len(), parts[2].len(), parts[3]), ("00", 32, 16, "00"));
    assert!(parts[1] != "0".repeat(32) && parts[2] != "0".repeat(16));
    assert_ne!(trace, traceparent());
}

#[test]
fn a_futures_size_is_a_budget() {
    // One relay a connection: this is what an open connection costs besides its buffers.
    assert!(size_of::<FarEnd>() <= 256, "{}", size_of::<FarEnd>());
}
