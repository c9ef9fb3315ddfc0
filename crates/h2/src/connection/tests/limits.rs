//! Each limit: nothing happens below it, ENHANCE_YOUR_CALM at it, and time makes it good again.

mod frames;
mod headers;
mod streams;
mod unread;

use super::*;
use wire::ping;

/// Does `step` as often as `rate` allows and once more. `expected` is what comes of each step below the limit.
fn holds(
    rate: Rate,
    bench: impl Fn() -> Bench,
    mut step: impl FnMut(&mut Bench, u32) -> String,
    expected: impl Fn(u32) -> String,
) {
    let mut hasty = bench();
    for n in 0..rate.burst {
        assert_eq!(step(&mut hasty, n), expected(n), "step {n} of {}", rate.burst);
    }
    ends_calmly(&mut hasty, |bench| step(bench, rate.burst));

    // Half of the burst is earned again in time, and no more than that.
    let mut patient = bench();
    for n in 0..rate.burst {
        assert_eq!(step(&mut patient, n), expected(n));
    }
    let earned = rate.burst / 2;
    patient.now += Duration::from_secs(1) * earned / rate.per_second;
    for n in rate.burst..rate.burst + earned {
        assert_eq!(step(&mut patient, n), expected(n), "step {n} after a while");
    }
    ends_calmly(&mut patient, |bench| step(bench, rate.burst + earned));
}

fn ends_calmly(bench: &mut Bench, step: impl FnOnce(&mut Bench) -> String) {
    let outcome = step(bench);
    let last = outcome.rsplit_once(", ").map_or(&*outcome, |(_, last)| last);
    assert!(outcome.contains("error ENHANCE_YOUR_CALM |"), "{outcome}");
    assert!(last.contains("GOAWAY") && last.ends_with("ENHANCE_YOUR_CALM"), "{outcome}");
    assert_eq!(bench.connection.error().map(|error| error.code), Some(Code::ENHANCE_YOUR_CALM));
    // Nothing is taken any more.
    let (mut rest, now) = (&ping([0; 8])[..], bench.now);
    assert!(bench.connection.receive(now, &mut rest).is_err());
    assert_eq!(bench.said(), [""; 0]);
}

/// The id of the n-th stream.
fn id(n: u32) -> u32 {
    2 * n + 1
}

fn limits() -> Limits {
    Limits::default()
}

fn server_with(limits: Limits) -> Bench {
    Bench::new(Role::Server, Config { limits, ..Config::default() })
}

/// Feeds without consuming; what is given back of DATA for nobody is left out.
fn feed_unread(bench: &mut Bench, bytes: &[u8]) -> String {
    let events = bench.events(bytes, false);
    let said: Vec<_> = bench.said().into_iter().filter(|frame| !frame.starts_with("WINDOW_UPDATE 0")).collect();
    format!("{} | {}", events.join(", "), said.join(", ")).trim().to_owned()
}
