use super::*;

const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn silence_is_asked_then_given_up() {
    let start = Instant::now();
    let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, start);
    assert_eq!(keepalive.tick(start + Duration::from_secs(9), false), Action::Wait);
    assert_eq!(keepalive.tick(start + INTERVAL, false), Action::Ping);
    assert_eq!(keepalive.deadline(), start + INTERVAL + TIMEOUT);
    assert_eq!(keepalive.tick(start + Duration::from_secs(29), false), Action::Wait);
    assert_eq!(keepalive.tick(start + Duration::from_secs(30), false), Action::GiveUp);
}

#[test]
fn anything_heard_counts() {
    let start = Instant::now();
    let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, start);
    assert_eq!(keepalive.tick(start + INTERVAL, true), Action::Wait, "a busy connection is not pinged");
    assert_eq!(keepalive.tick(start + 2 * INTERVAL, false), Action::Ping);
    assert_eq!(keepalive.tick(start + 3 * INTERVAL, true), Action::Wait);
    assert_eq!(keepalive.tick(start + 4 * INTERVAL, false), Action::Ping, "an answer starts from anew");
}
