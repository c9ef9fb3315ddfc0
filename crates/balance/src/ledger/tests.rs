//! Ejections step by step, on a clock of the test's.

use std::sync::Arc;

use ripstop_model::Health;

use super::*;
use crate::{
    Backend, Balancer, Criteria, Outcome, Refused, Settings,
    dice::Dice,
    endpoint::Endpoint,
    testing::{ejecting, endpoints},
};

/// A backend, a worker, and the time since its beginning.
struct Scene {
    start: Instant,
    now: Instant,
    backend: Arc<Backend<u32>>,
    worker: Balancer<u32>,
    dice: Dice,
}

impl Scene {
    fn new(settings: Settings, endpoints: Vec<Endpoint<u32>>) -> Self {
        let now = Instant::now();
        let backend = Backend::new(settings, endpoints, now);
        Self { start: now, now, worker: backend.worker(), backend, dice: Dice::new(5) }
    }

    /// Moves the clock to so many milliseconds after the beginning.
    fn at(&mut self, millis: u64) {
        self.now = self.start + Duration::from_millis(millis);
    }

    /// Lets a request to this endpoint end so, `times` times.
    fn ends(&mut self, endpoint: u32, outcome: Outcome, times: u32) {
        for _ in 0..times {
            self.worker.pick_named(&endpoint, self.now).unwrap().finish(outcome, self.now);
        }
    }

    /// The endpoints that requests go to, in order.
    fn used(&mut self) -> Vec<u32> {
        let picks = (0..200).filter_map(|_| self.worker.pick(&Criteria::default(), self.dice.next(), self.now).ok());
        let mut used: Vec<_> = picks.map(|picked| *picked.key()).collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// The events since they were asked for last: millisecond, endpoint, what.
    fn events(&self) -> Vec<(u128, u32, EventKind)> {
        let events = self.backend.take_events();
        assert_eq!(events.missed, 0);
        let told = |event: Event<u32>| (event.at.duration_since(self.start).as_millis(), event.endpoint, event.kind);
        events.list.into_iter().map(told).collect()
    }
}

const BAD: Outcome = Outcome::Status(500);
const GOOD: Outcome = Outcome::Status(200);

fn default() -> OutlierDetection {
    OutlierDetection { max_ejection_percent: 100, ..OutlierDetection::default() }
}

fn ejected(seconds: u64, times: u32) -> EventKind {
    EventKind::Ejected { cause: Cause::Consecutive5xx, lasts: Duration::from_secs(seconds), times }
}

const SPARED: EventKind = EventKind::Spared { cause: Cause::Consecutive5xx };

#[test]
fn an_endpoint_is_ejected_after_five_errors_and_comes_back_after_the_base_time() {
    let mut scene = Scene::new(ejecting(default()), endpoints(3));
    scene.ends(1, BAD, 4);
    assert_eq!(scene.used(), [0, 1, 2]);
    scene.at(1_000);
    scene.ends(1, BAD, 1);
    assert_eq!(scene.used(), [0, 2]);
    assert_eq!(scene.events(), [(1_000, 1, ejected(30, 1))]);
    assert_eq!(scene.backend.next_return(), Some(scene.start + Duration::from_secs(31)));

    scene.at(30_999);
    assert_eq!(scene.used(), [0, 2]);
    scene.at(31_000);
    assert_eq!(scene.used(), [0, 1, 2]);
    assert_eq!(scene.events(), [(31_000, 1, EventKind::Returned)]);
    assert_eq!(scene.backend.next_return(), None);
    // It begins with no errors.
    scene.ends(1, BAD, 4);
    assert_eq!(scene.used(), [0, 1, 2]);
}

#[test]
fn each_ejection_is_longer_by_the_base_time_up_to_five_minutes() {
    let mut scene = Scene::new(ejecting(default()), endpoints(3));
    let mut now = 0;
    for times in 1..=15 {
        scene.at(now);
        scene.ends(0, BAD, 5);
        let seconds = u64::from(times * 30).min(300);
        assert_eq!(scene.events(), [(u128::from(now), 0, ejected(seconds, times))]);
        now += seconds * 1_000;
        scene.at(now);
        assert_eq!(scene.backend.sweep(scene.now), 1);
        assert_eq!(scene.events(), [(u128::from(now), 0, EventKind::Returned)]);
    }
}

#[test]
fn a_base_beyond_five_minutes_is_the_longest() {
    let settings = OutlierDetection { base_ejection: Duration::from_secs(400), ..default() };
    let mut scene = Scene::new(ejecting(settings), endpoints(3));
    scene.ends(0, BAD, 5);
    scene.at(400_000);
    scene.ends(0, BAD, 5);
    let expected = [(0, 0, ejected(400, 1)), (400_000, 0, EventKind::Returned), (400_000, 0, ejected(400, 2))];
    assert_eq!(scene.events(), expected);
}

#[test]
fn each_interval_of_health_takes_one_off() {
    let mut scene = Scene::new(ejecting(default()), endpoints(3));
    // Four times at once: the next would be the fifth.
    let mut now = 0;
    for times in 1..=4 {
        scene.at(now);
        scene.ends(0, BAD, 5);
        now += times * 30_000;
    }
    scene.events();
    // It is back for two intervals and a half: two off, one on.
    scene.at(now);
    assert_eq!(scene.backend.sweep(scene.now), 1);
    now += 25_000;
    scene.at(now);
    scene.ends(0, BAD, 5);
    assert_eq!(scene.events()[1], (u128::from(now), 0, ejected(90, 5)));
    // After many, it is as if it never was.
    now += 90_000;
    scene.at(now);
    scene.backend.sweep(scene.now);
    now += 3_600_000;
    scene.at(now);
    scene.ends(0, BAD, 5);
    assert_eq!(scene.events()[1], (u128::from(now), 0, ejected(30, 6)));
}

#[test]
fn not_more_than_the_percentage_is_ejected() {
    let mut scene = Scene::new(ejecting(OutlierDetection { max_ejection_percent: 40, ..default() }), endpoints(5));
    for endpoint in 0..5 {
        scene.ends(endpoint, BAD, 5);
    }
    let expected = [(0, 0, ejected(30, 1)), (0, 1, ejected(30, 1)), (0, 2, SPARED), (0, 3, SPARED), (0, 4, SPARED)];
    assert_eq!(scene.events(), expected);
    assert_eq!(scene.used(), [2, 3, 4]);
    let counts = Ejections { active: 2, consecutive_5xx: 2, spared: 3, ..Ejections::default() };
    assert_eq!(scene.backend.ejections(), counts);

    // One that was spared needs as many errors again.
    scene.at(30_000);
    scene.ends(2, BAD, 4);
    assert_eq!(scene.used(), [0, 1, 2, 3, 4]);
    scene.ends(2, BAD, 1);
    assert_eq!(scene.used(), [0, 1, 3, 4]);
}

#[test]
fn one_of_several_may_always_be_ejected() {
    // A tenth of three is less than one.
    let mut scene = Scene::new(ejecting(OutlierDetection::default()), endpoints(3));
    scene.ends(0, BAD, 5);
    scene.ends(1, BAD, 5);
    assert_eq!(scene.events(), [(0, 0, ejected(30, 1)), (0, 1, SPARED)]);
}

#[test]
fn the_floor_may_be_zero() {
    let settings = Settings { floor: EjectionFloor::Zero, ..ejecting(OutlierDetection::default()) };
    let mut scene = Scene::new(settings.clone(), endpoints(9));
    scene.ends(0, BAD, 5);
    assert_eq!(scene.events(), [(0, 0, SPARED)]);
    let mut scene = Scene::new(settings, endpoints(10));
    scene.ends(0, BAD, 5);
    assert_eq!(scene.events(), [(0, 0, ejected(30, 1))]);
}

#[test]
fn zero_per_cent_ejects_nobody() {
    let mut scene = Scene::new(ejecting(OutlierDetection { max_ejection_percent: 0, ..default() }), endpoints(3));
    scene.ends(0, BAD, 5);
    assert_eq!(scene.events(), [(0, 0, SPARED)]);
}

#[test]
fn the_only_endpoint_is_ejected_only_by_100_per_cent() {
    let mut scene = Scene::new(ejecting(OutlierDetection { max_ejection_percent: 99, ..default() }), endpoints(1));
    scene.ends(0, BAD, 5);
    assert_eq!(scene.used(), [0]);

    let mut scene = Scene::new(ejecting(default()), endpoints(1));
    scene.ends(0, BAD, 5);
    let refused = scene.worker.pick(&Criteria::default(), 1, scene.now).unwrap_err();
    assert_eq!(refused, Refused::NoneUsable { endpoints: 1, unready: 0, ejected: 1, failing: 0 });
    let text = "none of 1 endpoints is usable: 0 not ready, 1 ejected, 0 fail their checks; look at the workloads' readiness and errors";
    assert_eq!(refused.to_string(), text);
}

#[test]
fn below_the_minimum_of_health_ejections_are_disregarded() {
    let settings = OutlierDetection { min_health_percent: 50, ..default() };
    let mut scene = Scene::new(ejecting(settings), endpoints(4));
    scene.ends(0, BAD, 5);
    scene.ends(1, BAD, 5);
    assert_eq!(scene.used(), [2, 3]);
    let picked = scene.worker.pick(&Criteria::default(), 1, scene.now).unwrap();
    assert_eq!(picked.selection(), crate::Selection::Usable);
    drop(picked);
    scene.ends(2, BAD, 5);
    assert_eq!(scene.used(), [0, 1, 2, 3]);
    let picked = scene.worker.pick(&Criteria::default(), 1, scene.now).unwrap();
    assert_eq!(picked.selection(), crate::Selection::Panic);
    // They are ejected all the same, and come back.
    assert_eq!(scene.backend.ejections().active, 3);
    scene.at(30_000);
    assert_eq!(scene.backend.sweep(scene.now), 3);
}

#[test]
fn panic_does_not_use_what_is_not_ready() {
    let settings = OutlierDetection { min_health_percent: 100, ..default() };
    let mut members = endpoints(3);
    members[2].health = Health::Unhealthy;
    let mut scene = Scene::new(ejecting(settings), members);
    scene.ends(0, BAD, 5);
    scene.ends(1, BAD, 5);
    assert_eq!(scene.used(), [0, 1]);
}

#[test]
fn results_of_the_ejected_are_not_counted() {
    let mut scene = Scene::new(ejecting(default()), endpoints(3));
    let late: Vec<_> = (0..10).map(|_| scene.worker.pick_named(&0, scene.now).unwrap()).collect();
    scene.ends(0, BAD, 5);
    for picked in late {
        picked.finish(BAD, scene.now);
    }
    scene.at(30_000);
    scene.ends(0, BAD, 4);
    assert_eq!(scene.events(), [(0, 0, ejected(30, 1)), (30_000, 0, EventKind::Returned)]);
}

#[test]
fn success_between_errors_ends_their_row() {
    let mut scene = Scene::new(ejecting(default()), endpoints(3));
    for _ in 0..10 {
        scene.ends(0, BAD, 4);
        scene.ends(0, GOOD, 1);
    }
    assert_eq!(scene.events(), []);
}

#[test]
fn a_request_that_is_dropped_says_nothing() {
    let mut scene = Scene::new(ejecting(default()), endpoints(3));
    scene.ends(0, BAD, 4);
    drop(scene.worker.pick_named(&0, scene.now).unwrap());
    scene.ends(0, BAD, 1);
    assert_eq!(scene.events(), [(0, 0, ejected(30, 1))]);
}

#[test]
fn causes_are_counted_apart() {
    let settings = OutlierDetection { consecutive_gateway: 2, consecutive_local: Some(3), ..default() };
    let mut scene = Scene::new(ejecting(settings), endpoints(4));
    scene.ends(0, Outcome::Status(503), 2);
    scene.ends(1, Outcome::ConnectFailure, 3);
    scene.ends(2, BAD, 5);
    let expected = Ejections {
        active: 3,
        consecutive_5xx: 1,
        consecutive_gateway_failure: 1,
        consecutive_local_origin_failure: 1,
        spared: 0,
    };
    assert_eq!(scene.backend.ejections(), expected);
}

#[test]
fn without_outlier_detection_nobody_is_ejected() {
    let mut scene = Scene::new(Settings::default(), endpoints(2));
    scene.ends(0, BAD, 1_000);
    assert_eq!(scene.backend.ejections(), Ejections::default());
    assert_eq!(scene.used(), [0, 1]);
}

#[test]
fn a_sweep_lets_those_return_whose_time_has_come() {
    let mut scene = Scene::new(ejecting(default()), endpoints(3));
    scene.ends(0, BAD, 5);
    scene.at(10_000);
    scene.ends(1, BAD, 5);
    scene.events();
    for (millis, returned, next) in
        [(29_999, 0, Some(30)), (30_000, 1, Some(40)), (30_000, 0, Some(40)), (60_000, 1, None)]
    {
        scene.at(millis);
        assert_eq!(scene.backend.sweep(scene.now), returned);
        assert_eq!(scene.backend.next_return(), next.map(|seconds| scene.start + Duration::from_secs(seconds)));
    }
    assert_eq!(scene.events(), [(30_000, 0, EventKind::Returned), (60_000, 1, EventKind::Returned)]);
}

#[test]
fn of_events_that_nobody_takes_the_latest_are_kept() {
    let settings = OutlierDetection { consecutive_5xx: 1, max_ejection_percent: 0, ..default() };
    let mut scene = Scene::new(ejecting(settings), endpoints(300));
    (0..300).for_each(|endpoint| scene.ends(endpoint, BAD, 1));
    let events = scene.backend.take_events();
    assert_eq!(events.missed, 44);
    let endpoints: Vec<_> = events.list.iter().map(|event| event.endpoint).collect();
    assert_eq!(endpoints, (44..300).collect::<Vec<_>>());
    assert_eq!(scene.backend.take_events(), Events { list: Vec::new(), missed: 0 });
}

#[test]
fn without_an_interval_nothing_is_remembered_of_earlier_ejections() {
    let mut scene = Scene::new(ejecting(OutlierDetection { interval: Duration::ZERO, ..default() }), endpoints(3));
    scene.ends(0, BAD, 5);
    scene.at(30_000);
    scene.ends(0, BAD, 5);
    assert_eq!(scene.events()[2], (30_000, 0, ejected(30, 2)));
}
