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

#[test]
fn a_limit_of_the_callee_is_told_apart_from_its_failures() {
    let destination: SocketAddr = "10.0.0.1:15008".parse().unwrap();
    let flag = |status| {
        let authority = tunnel::Authority::Ip(destination);
        failed(destination, &TunnelError::Refused { destination, authority, status }).flag()
    };
    assert_eq!(flag(429), ResponseFlag::RateLimited);
    assert_eq!(flag(401), ResponseFlag::Deny);
    assert_eq!(flag(503), ResponseFlag::Connect);
}
