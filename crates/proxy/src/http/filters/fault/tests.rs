use ripstop_model::Share;

use super::*;

const SEVEN: Duration = Duration::from_secs(7);
const LOW: u32 = 0;
const HIGH: u32 = u32::MAX;

#[test]
fn the_two_are_drawn_independently() {
    let half = Share::from_percent(50.0);
    let fault = Fault { delay: Some((SEVEN, half)), abort: Some((Abort::Http(503), half)) };
    let of = |delay, abort| injected(&fault, delay, abort);
    assert_eq!(of(LOW, LOW), Injected { delay: Some(SEVEN), abort: Some(Abort::Http(503)) });
    assert_eq!(of(LOW, HIGH), Injected { delay: Some(SEVEN), abort: None });
    assert_eq!(of(HIGH, LOW), Injected { delay: None, abort: Some(Abort::Http(503)) });
    assert_eq!(of(HIGH, HIGH), Injected::default());
}

#[test]
fn flags() {
    let both = Injected { delay: Some(SEVEN), abort: Some(Abort::Grpc(14)) };
    assert_eq!(both.flags().to_string(), "DI,FI");
    assert_eq!(Injected { abort: None, ..both.clone() }.flags().to_string(), "DI");
    assert_eq!(Injected { delay: None, ..both }.flags().to_string(), "FI");
    assert_eq!(Injected::default().flags().to_string(), "-");
}

#[test]
fn no_share_and_no_delay_do_nothing() {
    let never = Fault { delay: Some((SEVEN, Share::NONE)), abort: Some((Abort::Http(500), Share::NONE)) };
    assert_eq!(injected(&never, LOW, LOW), Injected::default());
    let none = Fault { delay: Some((Duration::ZERO, Share::ALL)), abort: None };
    assert_eq!(injected(&none, LOW, LOW), Injected::default());
}
