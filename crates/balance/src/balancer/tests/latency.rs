//! Peak EWMA under load, on a simulated clock.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn peak_ewma() -> Algorithm {
    Algorithm::PeakEwma(PeakEwma::default())
}

/// What an endpoint does with a request.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answers(u16, Duration),
    /// Its caller gives up after so long.
    Nothing(Duration),
}

/// Requests to endpoints that work on any number at once.
struct World {
    roller: Roller,
    start: Instant,
    running: BinaryHeap<Reverse<(Instant, usize)>>,
    requests: Vec<(Option<Picked<u32>>, Does)>,
    /// Sum of the times of those that were answered.
    waited: Duration,
}

impl World {
    fn new(settings: Settings, endpoints: Vec<Endpoint<u32>>) -> Self {
        let roller = Roller::new(settings, endpoints);
        Self { start: roller.now, roller, running: BinaryHeap::new(), requests: Vec::new(), waited: Duration::ZERO }
    }

    /// Sends a request each millisecond until `end` seconds after the start; how many each endpoint gets. `does` is
    /// asked with the endpoint, the second, and a number from 0 to 99 by chance.
    fn run(&mut self, end: u64, does: impl Fn(u32, u64, u64) -> Does) -> BTreeMap<u32, u32> {
        let mut got = BTreeMap::new();
        while self.roller.now < self.start + SECOND * u32::try_from(end).unwrap() {
            self.roller.now += MS;
            self.finish();
            let picked = self.roller.pick(&Criteria::default()).unwrap();
            *got.entry(*picked.key()).or_default() += 1;
            let second = (self.roller.now - self.start).as_secs();
            let does = does(*picked.key(), second, self.roller.dice.below(100));
            let (Does::Answers(_, takes) | Does::Nothing(takes)) = does;
            self.running.push(Reverse((self.roller.now + takes, self.requests.len())));
            self.requests.push((Some(picked), does));
        }
        got
    }

    fn finish(&mut self) {
        while let Some(Reverse((end, request))) =
            self.running.peek().copied().filter(|next| next.0.0 <= self.roller.now)
        {
            self.running.pop();
            let (picked, does) = &mut self.requests[request];
            let picked = picked.take().unwrap();
            match does {
                Does::Answers(status, takes) => {
                    self.waited += *takes;
                    picked.finish(Outcome::Status(*status), end);
                }
                Does::Nothing(_) => picked.tell_given_up(end),
            }
        }
    }
}

/// A well endpoint's answer: 8 to 12 ms.
fn well(chance: u64) -> Does {
    Does::Answers(200, MS * 8 + MS / 25 * u32::try_from(chance).unwrap())
}

fn share(got: &BTreeMap<u32, u32>, endpoint: u32) -> f64 {
    f64::from(got.get(&endpoint).copied().unwrap_or(0)) / f64::from(got.values().sum::<u32>())
}

/// Asserts that each gets its part, give or take so many per cent of it.
fn assert_shares(got: &BTreeMap<u32, u32>, parts: &[f64], percent: f64) {
    for (endpoint, part) in (0..).zip(parts) {
        let off = (share(got, endpoint) / part - 1.0).abs() * 100.0;
        assert!(off <= percent, "{endpoint} is off by {off:.1} %: {got:?}");
    }
}

#[test]
fn equal_endpoints_get_equal_shares() {
    let mut world = World::new(balanced(peak_ewma()), endpoints(10));
    let got = world.run(60, |_, _, chance| well(chance));
    assert_shares(&got, &[0.1; 10], 10.0);
}

/// Ten times as slow: it is tried from time to time. By requests alone, it would get a tenth of what others get.
#[test]
fn a_slow_endpoint_gets_hardly_any() {
    let does = |endpoint, _, chance| if endpoint == 3 { Does::Answers(200, MS * 100) } else { well(chance) };
    let mut world = World::new(balanced(peak_ewma()), endpoints(10));
    let got = world.run(120, does);
    assert!(got[&3] >= 3 && share(&got, 3) < 0.002, "{got:?}");
    let mut by_requests = World::new(balanced(Algorithm::LeastRequest), endpoints(10));
    let others = by_requests.run(120, does);
    assert!(share(&others, 3) > 0.008, "{others:?}");
    assert!(world.waited < by_requests.waited, "{:?}, {:?}", world.waited, by_requests.waited);
}

/// Of a service of two, too.
#[test]
fn of_two_the_slow_one_gets_hardly_any() {
    let mut world = World::new(balanced(peak_ewma()), endpoints(2));
    let does = |endpoint, _, chance| if endpoint == 1 { Does::Answers(200, MS * 200) } else { well(chance) };
    let got = world.run(120, does);
    assert!(got[&1] >= 3 && share(&got, 1) < 0.01, "{got:?}");
}

/// It gets its share again after `decay` times the logarithm of how much slower it was: ten times, 23 s. With some
/// more until its average is that of the others, in three times `decay`.
#[test]
fn a_slow_endpoint_that_recovers_gets_its_share_in_time() {
    let mut world = World::new(balanced(peak_ewma()), endpoints(10));
    let does = |endpoint, second, chance| {
        if endpoint == 3 && second < 60 { Does::Answers(200, MS * 100) } else { well(chance) }
    };
    world.run(90, does);
    let got = world.run(120, does);
    assert!(share(&got, 3) > 0.07, "{got:?}");
    let got = world.run(180, does);
    assert_shares(&got, &[0.1; 10], 15.0);
}

/// Failing in a millisecond, it would draw more than anybody by requests.
#[test]
fn an_endpoint_that_fails_fast_does_not_attract() {
    let does = |endpoint, _, chance| if endpoint == 3 { Does::Answers(503, MS) } else { well(chance) };
    let mut by_requests = World::new(balanced(Algorithm::LeastRequest), endpoints(10));
    let others = by_requests.run(60, does);
    assert!(share(&others, 3) > 0.12, "{others:?}");
    for status in [429, 500, 503] {
        let does = |endpoint, _, chance| if endpoint == 3 { Does::Answers(status, MS) } else { well(chance) };
        let mut world = World::new(balanced(peak_ewma()), endpoints(10));
        let got = world.run(60, does);
        assert!(got[&3] >= 1 && share(&got, 3) < 0.001, "{got:?}");
    }
    // What is not its failure does.
    let does = |endpoint, _, chance| if endpoint == 3 { Does::Answers(404, MS) } else { well(chance) };
    let got = World::new(balanced(peak_ewma()), endpoints(10)).run(60, does);
    assert!(share(&got, 3) > 0.12, "{got:?}");
}

/// While it fails, it is tried once in 5 s to 10 ms: `decay` times 6.2. After its last failure it is tried as late again,
/// and has its share a few times `decay` after that.
#[test]
fn an_endpoint_that_no_longer_fails_gets_its_share_in_time() {
    let mut world = World::new(balanced(peak_ewma()), endpoints(10));
    let does = |endpoint, second, chance| {
        if endpoint == 3 && second < 100 { Does::Answers(503, MS) } else { well(chance) }
    };
    let got = world.run(100, does);
    assert!((2..=6).contains(&got[&3]), "{got:?}");
    world.run(100 + 62, does);
    let got = world.run(100 + 92, does);
    assert!(share(&got, 3) > 0.05, "{got:?}");
    let got = world.run(100 + 152, does);
    assert_shares(&got, &[0.1; 10], 15.0);
}

/// Where all fail, or all fail sometimes, load is spread by requests.
#[test]
fn failures_of_all_are_nobodys_disadvantage() {
    let mut world = World::new(balanced(peak_ewma()), endpoints(10));
    let got = world.run(60, |_, _, _| Does::Answers(503, MS * 10));
    assert_shares(&got, &[0.1; 10], 20.0);
    let mut world = World::new(balanced(peak_ewma()), endpoints(10));
    let got = world.run(60, |_, _, chance| if chance == 0 { Does::Answers(503, MS) } else { well(chance) });
    assert_shares(&got, &[0.1; 10], 50.0);
}

/// It never answers, and callers give up before it can be seen to fail.
#[test]
fn an_endpoint_that_callers_give_up_on_is_slow() {
    let mut world = World::new(balanced(peak_ewma()), endpoints(10));
    let does = |endpoint, _, chance| if endpoint == 3 { Does::Nothing(MS * 500) } else { well(chance) };
    let got = world.run(120, does);
    assert!(share(&got, 3) < 0.002, "{got:?}");
}

/// A new endpoint is taken for a slow one, gets to know its share in three times `decay`, and never more than that.
#[test]
fn a_new_endpoint_is_not_flooded() {
    let settings = balanced(peak_ewma());
    let mut world = World::new(settings.clone(), endpoints(9));
    let does = |_, _, chance| well(chance);
    world.run(30, does);
    world.roller.worker.backend().replace(settings, endpoints(10), world.roller.now);
    let first = world.run(31, does);
    assert!(share(&first, 9) < 0.1, "{first:?}");
    world.run(60, does);
    let got = world.run(120, does);
    assert_shares(&got, &[0.1; 10], 15.0);
}

#[test]
fn weights_are_shares_of_equal_endpoints() {
    let mut world = World::new(balanced(peak_ewma()), weighing(&[1, 2, 3, 4]));
    let got = world.run(60, |_, _, chance| well(chance));
    assert_shares(&got, &[0.1, 0.2, 0.3, 0.4], 10.0);
}

/// However slow, an endpoint of a tenth of the weight gets a hundredth, and however quick, nineteen of them.
#[test]
fn weights_are_bounds_of_unequal_ones() {
    let share_of_light = |light: Does| {
        let mut world = World::new(balanced(peak_ewma()), weighing(&[1, 9]));
        let got = world.run(120, |endpoint, _, chance| if endpoint == 0 { light } else { well(chance) });
        share(&got, 0)
    };
    let slow = share_of_light(Does::Answers(200, MS * 500));
    assert!((0.008..0.015).contains(&slow), "{slow}");
    let quick = share_of_light(Does::Answers(200, MS));
    assert!((0.15..0.2).contains(&quick), "{quick}");
}

#[test]
fn a_new_endpoint_warms_up() {
    let warmup = Warmup { duration: SECOND * 100, minimum: Share::NONE, aggression: 1.0 };
    let balancer = LoadBalancer { algorithm: peak_ewma(), warmup: Some(warmup), ..LoadBalancer::default() };
    let settings = Settings { balancer: Arc::new(balancer), ..Settings::default() };
    let mut world = World::new(settings.clone(), endpoints(9));
    let does = |_, _, chance| well(chance);
    world.run(100, does);
    world.roller.worker.backend().replace(settings, endpoints(10), world.roller.now);
    world.run(140, does);
    // From 40 to 60 per cent of its weight.
    let got = world.run(160, does);
    let expected = 0.5 / 9.5;
    assert!((share(&got, 9) / expected - 1.0).abs() < 0.25, "{got:?}");
    world.run(205, does);
    assert_shares(&world.run(265, does), &[0.1; 10], 15.0);
}

#[test]
fn the_ejected_are_passed_over_and_priorities_hold() {
    let far = endpoints(6).into_iter().map(|endpoint| {
        let priority = endpoint.key / 3;
        endpoint.with_priority(priority)
    });
    let mut world = World::new(frail(balanced(peak_ewma())), far.collect());
    // Near ones are slow, and still they are near.
    let does = |endpoint, _, chance| if endpoint < 3 { Does::Answers(200, MS * 100) } else { well(chance) };
    let got = world.run(10, does);
    assert!(got.keys().all(|endpoint| *endpoint < 3), "{got:?}");
    world.roller.eject(1);
    let got = world.run(11, does);
    assert!(!got.contains_key(&1) && got[&0] > 100 && got[&2] > 100, "{got:?}");
    // 1.4 times two thirds are near.
    assert!((share(&got, 0) + share(&got, 2) - 0.93).abs() < 0.04, "{got:?}");
}

/// What is known of an endpoint is known to all workers, and outlives a configuration.
#[test]
fn latencies_are_everybodys() {
    let settings = balanced(peak_ewma());
    let now = Instant::now();
    let backend = Backend::new(settings.clone(), endpoints(2), now);
    let (mut one, mut other) = (backend.worker(), backend.worker());
    one.pick_named(&0, now).unwrap().finish(Outcome::Status(200), now + SECOND);
    let now = now + SECOND;
    (0..100).for_each(|random| assert_eq!(*other.pick(&Criteria::default(), random, now).unwrap().key(), 1));
    backend.replace(settings, endpoints(2), now);
    (0..100).for_each(|random| assert_eq!(*other.pick(&Criteria::default(), random, now).unwrap().key(), 1));
}

/// A call that lasts says at its end how it went, and not how long it took to answer.
#[test]
fn a_long_answer_is_not_a_slow_one() {
    let now = Instant::now();
    let backend = Backend::new(balanced(peak_ewma()), endpoints(2), now);
    let mut worker = backend.worker();
    let long = worker.pick_named(&0, now).unwrap();
    let now = now + MS * 40;
    long.tell_answered(now);
    worker.pick_named(&1, now).unwrap().finish(Outcome::Status(200), now + MS * 80);
    let now = now + SECOND * 20;
    long.tell_end(Outcome::Status(200), now);
    drop(long);
    let mut picks = |now| (0..100).all(|random| *worker.pick(&Criteria::default(), random, now).unwrap().key() == 0);
    assert!(picks(now));
    // If it failed, it counts.
    let long = backend.worker().pick_named(&0, now).unwrap();
    long.tell_answered(now);
    long.tell_end(Outcome::Status(500), now + MS);
    drop(long);
    assert!(!picks(now + MS));
}
