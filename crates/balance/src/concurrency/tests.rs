use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::atomic::AtomicBool,
    thread,
};

use ripstop_model::{MinRtt, RuleId, Share};

use super::*;
use crate::dice::Dice;

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;

fn settings() -> AdaptiveConcurrency {
    AdaptiveConcurrency {
        id: RuleId("TrafficPolicy/ns/name/1/spec.adaptiveConcurrency".into()),
        percentile: Share::from_percent(50.0),
        update_interval: Duration::from_millis(100),
        min: 3,
        max: 1000,
        min_rtt: MinRtt::Measured {
            interval: Duration::from_secs(60),
            jitter: Share::from_percent(15.0),
            requests: 50,
        },
        buffer: Share::from_percent(25.0),
    }
}

/// What happens to an instance at some time.
#[derive(Clone, Copy)]
struct Weather {
    /// Requests that come in a second.
    arrivals: u64,
    /// Requests that it works on at the same time; the others wait for their turn.
    workers: usize,
    /// How long it works on one.
    work: u64,
}

/// An instance on a simulated clock.
struct Instance {
    now: u64,
    settings: AdaptiveConcurrency,
    concurrency: Arc<Concurrency>,
    dice: Dice,
    /// When what is worked on is done.
    working: BinaryHeap<Reverse<(u64, u64)>>,
    running: HashMap<u64, Running>,
    queue: VecDeque<u64>,
    count: u64,
}

/// What happened in some time.
#[derive(Debug, Default)]
struct Report {
    served: u64,
    refused: u64,
    /// Of each millisecond while nothing was measured.
    limits: Vec<u32>,
    latencies: Vec<u64>,
    /// Longest time in which nobody was admitted.
    longest_gap: u64,
    measured: u64,
}

impl Report {
    fn limit(&self) -> f64 {
        let many = u32::try_from(self.limits.len()).unwrap();
        self.limits.iter().map(|limit| f64::from(*limit)).sum::<f64>() / f64::from(many)
    }

    fn latency(&mut self, percent: usize) -> u64 {
        self.latencies.sort_unstable();
        self.latencies[(self.latencies.len() - 1) * percent / 100]
    }
}

impl Instance {
    fn new(settings: AdaptiveConcurrency) -> Self {
        Self {
            now: SECOND,
            concurrency: Concurrency::new(&settings),
            settings,
            dice: Dice::new(7),
            working: BinaryHeap::new(),
            running: HashMap::new(),
            queue: VecDeque::new(),
            count: 0,
        }
    }

    /// A time around `mean`, at most twice as long.
    fn about(&mut self, mean: u64) -> u64 {
        mean / 2 + self.dice.below(mean.max(1))
    }

    fn run(&mut self, seconds: u64, weather: Weather) -> Report {
        let mut report = Report::default();
        let end = self.now + seconds * SECOND;
        let mut admitted_last = self.now;
        let mut next_arrival = self.now;
        let mut next_look = self.now;
        loop {
            let done = self.working.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let next = done.min(next_arrival).min(next_look);
            if next >= end {
                self.now = end;
                return report;
            }
            self.now = next;
            if next == next_look {
                let status = self.concurrency.status();
                if status.is_measuring {
                    report.measured += 1;
                } else {
                    report.limits.push(status.limit);
                }
                assert!(status.limit >= self.settings.min && status.limit <= self.settings.max, "{status:?}");
                next_look += MILLI;
            } else if next == done {
                let Reverse((_, id)) = self.working.pop().unwrap();
                let running = self.running.remove(&id).unwrap();
                report.latencies.push(self.now - running.began);
                running.answered(self.now);
                report.served += 1;
            } else {
                next_arrival += self.about(SECOND / weather.arrivals);
                let random = self.dice.next();
                match self.concurrency.begin(&self.settings, self.now, random) {
                    Ok(running) => {
                        self.count += 1;
                        self.running.insert(self.count, running);
                        self.queue.push_back(self.count);
                        report.longest_gap = report.longest_gap.max(self.now - admitted_last);
                        admitted_last = self.now;
                    }
                    Err(crowded) => {
                        assert_eq!(crowded.limit, self.concurrency.status().limit);
                        report.refused += 1;
                    }
                }
            }
            while self.working.len() < weather.workers
                && let Some(id) = self.queue.pop_front()
            {
                let done = self.now + self.about(weather.work);
                self.working.push(Reverse((done, id)));
            }
        }
    }
}

/// An instance that answers 1,000 requests in a second, ten at a time.
const CAPABLE: Weather = Weather { arrivals: 500, workers: 10, work: 10 * MILLI };

#[test]
fn the_limit_comes_to_be_near_what_the_instance_can_do() {
    for arrivals in [1_500, 3_000, 10_000] {
        let mut instance = Instance::new(settings());
        instance.run(10, Weather { arrivals, ..CAPABLE });
        let mut report = instance.run(40, Weather { arrivals, ..CAPABLE });
        // 1.25 times the ten that it works on, and the square root of that.
        assert!((10.0..25.0).contains(&report.limit()), "{arrivals}/s: {}", report.limit());
        assert!(report.served > 38_000, "{arrivals}/s: {} of 40,000 were served", report.served);
        let slow = report.latency(99);
        assert!(slow < 40 * MILLI, "{arrivals}/s: p99 of {} ms", slow / MILLI);
        assert!(report.refused > 40 * (arrivals - 1_000) * 8 / 10, "{arrivals}/s: {} refused", report.refused);
    }
}

#[test]
fn what_an_instance_can_do_is_not_refused() {
    let mut instance = Instance::new(settings());
    instance.run(10, CAPABLE);
    let report = instance.run(50, CAPABLE);
    assert!(report.refused * 200 < report.served, "{} of {} were refused", report.refused, report.served);
}

#[test]
fn an_instance_that_becomes_slow_gets_less_and_recovers() {
    let mut instance = Instance::new(settings());
    let busy = Weather { arrivals: 3_000, ..CAPABLE };
    instance.run(10, busy);
    let well = instance.run(5, busy).limit();
    // It has a fifth of its strength: each request takes as long as before, but two at a time.
    let slow = instance.run(10, Weather { workers: 2, ..busy });
    let weak = f64::from(*slow.limits.last().unwrap());
    assert!(weak < well / 2.0, "from {well} to {weak}");
    instance.run(5, busy);
    let again = instance.run(10, busy);
    assert!(again.limit() > well * 0.7, "from {well} to {weak} and back to {}", again.limit());
    assert!(again.served > 9_000, "{}", again.served);
}

#[test]
fn while_the_latency_without_load_is_measured_the_limit_is_low() {
    let mut instance = Instance::new(settings());
    let busy = Weather { arrivals: 3_000, ..CAPABLE };
    let first = instance.run(1, busy);
    // Fifty requests, three at a time, 10 ms each.
    assert!((100..400).contains(&first.measured), "{} ms", first.measured);
    let before = instance.run(50, busy).limit();
    let second = instance.run(25, busy);
    assert!((100..400).contains(&second.measured), "{} ms", second.measured);
    let status = instance.concurrency.status();
    let min_rtt = status.min_rtt.unwrap();
    assert!(min_rtt > Duration::from_millis(8) && min_rtt < Duration::from_millis(12), "{status:?}");
    // What there was before is there again.
    assert!((second.limit() - before).abs() < before / 4.0, "{before} and {}", second.limit());
}

#[test]
fn nobody_starves_however_long_answers_take() {
    let mut instance = Instance::new(settings());
    let report = instance.run(180, Weather { arrivals: 3_000, ..CAPABLE });
    assert!(report.longest_gap < SECOND / 4, "{} ms", report.longest_gap / MILLI);
    // Nothing is answered for a while, not even while it is measured; after that all is as before.
    instance.run(70, Weather { workers: 0, ..CAPABLE });
    instance.run(30, Weather { arrivals: 3_000, ..CAPABLE });
    let after = instance.run(20, Weather { arrivals: 3_000, ..CAPABLE });
    assert!(after.served > 18_000, "{} of 20,000 were served", after.served);
    // Some last for hours: they are nobody's to be waited for.
    let mut long = Vec::new();
    while long.len() < 3 {
        instance.run(1, CAPABLE);
        long.extend(instance.concurrency.begin(&instance.settings, instance.now, 0));
    }
    let report = instance.run(90, CAPABLE);
    assert!(report.measured > 0 && report.longest_gap < SECOND / 4, "{} ms", report.longest_gap / MILLI);
    drop(long);
    // An instance that takes two seconds, three at a time at least.
    let mut slow = Instance::new(settings());
    let report = slow.run(120, Weather { arrivals: 100, workers: 1_000, work: 2 * SECOND });
    assert!(report.longest_gap < 4 * SECOND, "{} ms", report.longest_gap / MILLI);
    assert!(report.served > 1_000, "{}", report.served);
}

#[test]
fn a_limit_that_nobody_uses_does_not_grow() {
    let mut instance = Instance::new(settings());
    instance.run(300, Weather { arrivals: 5, ..CAPABLE });
    let limit = instance.concurrency.status().limit;
    assert!(limit < 6, "{limit}");
    // And it grows once it is used.
    instance.run(5, Weather { arrivals: 3_000, ..CAPABLE });
    assert!(instance.concurrency.status().limit > 10);
}

#[test]
fn a_latency_without_load_that_is_known_is_not_measured() {
    let fixed = AdaptiveConcurrency { min_rtt: MinRtt::Fixed(Duration::from_millis(10)), ..settings() };
    let mut instance = Instance::new(fixed);
    let report = instance.run(200, Weather { arrivals: 3_000, ..CAPABLE });
    assert_eq!(report.measured, 0);
    assert!((10.0..25.0).contains(&report.limit()), "{}", report.limit());
    // From now on it is.
    instance.settings = settings();
    let report = instance.run(80, Weather { arrivals: 3_000, ..CAPABLE });
    assert!(report.measured > 50, "{}", report.measured);
    // And no more, with another limit at once.
    instance.settings = AdaptiveConcurrency { min_rtt: MinRtt::Fixed(Duration::from_millis(10)), max: 5, ..settings() };
    let now = instance.now;
    instance.concurrency.turn(&instance.settings.clone(), now, 0);
    let running: Vec<_> = (0..10).filter_map(|_| instance.concurrency.begin(&instance.settings, now, 0).ok()).collect();
    assert!(running.len() <= 5);
}

#[test]
fn whoever_gives_up_shows_that_it_takes_longer() {
    let one = AdaptiveConcurrency { min_rtt: MinRtt::Fixed(Duration::from_millis(10)), ..settings() };
    let concurrency = Concurrency::new(&one);
    let mut now = SECOND;
    let mut round = |concurrency: &Arc<Concurrency>, took: u64, ended: fn(Running, u64)| {
        for _ in 0..20 {
            let running: Vec<_> = (0..100).map_while(|_| concurrency.begin(&one, now, 0).ok()).collect();
            now += took;
            for running in running {
                ended(running, now);
            }
            now += 100 * MILLI;
        }
        concurrency.status().limit
    };
    let well = round(&concurrency, 10 * MILLI, Running::answered);
    assert!(well > 50, "{well}");
    // Whoever leaves at once says nothing.
    assert!(round(&concurrency, MILLI, Running::given_up) >= well);
    assert_eq!(round(&concurrency, 500 * MILLI, Running::given_up), 3);
    // What is merely dropped says nothing either.
    assert_eq!(round(&concurrency, 10 * MILLI, |running, _| drop(running)), 3);
}

#[test]
fn many_threads_never_have_more_at_once_than_the_limit() {
    let settings =
        AdaptiveConcurrency { min: 4, max: 4, min_rtt: MinRtt::Fixed(Duration::from_millis(10)), ..settings() };
    let concurrency = Concurrency::new(&settings);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (concurrency, settings, over) = (&concurrency, &settings, &over);
            scope.spawn(move || {
                let mut held = VecDeque::new();
                for turn in 0..20_000_u64 {
                    let now = turn * 10_000;
                    if let Ok(running) = concurrency.begin(settings, now, turn ^ thread) {
                        held.push_back(running);
                    }
                    if concurrency.status().running > 4 {
                        over.store(true, Relaxed);
                    }
                    if held.len() > 1 {
                        held.pop_front().unwrap().answered(now);
                    }
                }
            });
        }
    });
    assert!(!over.load(Relaxed));
    assert_eq!(concurrency.status().running, 0);
}

#[test]
fn it_is_forgotten_once_nobody_uses_it() {
    let concurrency = Concurrency::new(&settings());
    let running = concurrency.begin(&settings(), SECOND, 0).unwrap();
    let quiet = Duration::from_secs(600);
    assert!(!concurrency.is_idle(10_000 * SECOND, quiet));
    running.answered(2 * SECOND);
    assert!(!concurrency.is_idle(3 * SECOND, quiet));
    assert!(concurrency.is_idle(10_000 * SECOND, quiet));
}
