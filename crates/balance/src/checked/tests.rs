//! Checks beside everything else that says who is called.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use ripstop_model::{Algorithm, HealthCheck, LoadBalancer, OutlierDetection, RuleId, Share, Warmup};

use super::*;
use crate::{
    Backend, Balancer, Criteria, Endpoint, Event, EventKind, Outcome, Refused, Selection, Settings,
    dice::Dice,
    testing::{SECOND, assert_about, balanced, ejecting, endpoints},
};

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
        Self { start: now, now, worker: backend.worker(), backend, dice: Dice::new(7) }
    }

    fn passes(&self, endpoint: u32) -> bool {
        self.backend.check(&endpoint, CheckResult::Passed, self.now)
    }

    fn fails(&self, endpoint: u32) -> bool {
        self.backend.check(&endpoint, CheckResult::Failed("no".into()), self.now)
    }

    /// It fails as often as it takes to be out.
    fn out(&self, endpoint: u32) {
        assert_eq!([(); 3].map(|()| self.fails(endpoint)), [false, false, true]);
    }

    fn pick(&mut self) -> Result<(u32, Selection), Refused> {
        let picked = self.worker.pick(&Criteria::default(), self.dice.next(), self.now)?;
        Ok((*picked.key(), picked.selection()))
    }

    fn used(&mut self) -> BTreeSet<u32> {
        (0..200).filter_map(|_| self.pick().ok()).map(|(key, _)| key).collect()
    }
}

/// Out after 3, back after 2.
fn checks() -> Arc<HealthChecks> {
    Arc::new(HealthChecks {
        id: RuleId("id".into()),
        check: HealthCheck::Grpc { service: "".into() },
        interval: SECOND,
        jitter: Duration::ZERO,
        timeout: SECOND,
        healthy_threshold: 2,
        unhealthy_threshold: 3,
    })
}

fn checked(settings: Settings) -> Settings {
    Settings { checks: Some(checks()), ..settings }
}

#[test]
fn so_many_in_a_row_take_an_endpoint_out_and_bring_it_back() {
    let mut scene = Scene::new(checked(balanced(Algorithm::RoundRobin)), endpoints(3));
    assert!(!scene.fails(1) && !scene.fails(1));
    // One that passes begins the row anew.
    assert!(!scene.passes(1));
    assert!(!scene.fails(1) && !scene.fails(1));
    assert_eq!(scene.used(), [0, 1, 2].into());
    assert!(scene.fails(1) && !scene.fails(1));
    assert_eq!(scene.used(), [0, 2].into());
    let status = &scene.backend.endpoints(scene.now)[1];
    assert_eq!((status.key, status.failing.as_deref()), (1, Some("no")));
    assert!(!scene.passes(1) && !scene.fails(1) && !scene.passes(1));
    assert_eq!(scene.used(), [0, 2].into());
    assert!(scene.passes(1) && !scene.passes(1));
    assert_eq!(scene.used(), [0, 1, 2].into());
    assert_eq!(scene.backend.endpoints(scene.now)[1].failing, None);
    let events = scene.backend.take_events().list;
    let kinds: Vec<_> = events.iter().map(|Event { endpoint, kind, .. }| (*endpoint, kind.clone())).collect();
    assert_eq!(kinds, [(1, EventKind::Failing { why: "no".into() }), (1, EventKind::Passing)]);
    // Of whom nobody knows, nothing is learnt.
    assert!(!scene.fails(9));
}

#[test]
fn whoever_was_ejected_must_be_well_in_both_ways() {
    let outlier = OutlierDetection { max_ejection_percent: 100, consecutive_5xx: 1, ..OutlierDetection::default() };
    let mut scene = Scene::new(checked(ejecting(outlier)), endpoints(3));
    let bad = |scene: &mut Scene, endpoint: u32| {
        scene.worker.pick_named(&endpoint, scene.now).unwrap().finish(Outcome::Status(500), scene.now);
    };
    // Ejected first, then out: its term ends before its checks pass.
    bad(&mut scene, 0);
    scene.out(0);
    scene.now = scene.start + 31 * SECOND;
    assert_eq!(scene.used(), [1, 2].into());
    assert!(!scene.passes(0) && scene.passes(0));
    assert_eq!(scene.used(), [0, 1, 2].into());
    // Out first, then ejected: its checks pass before its term ends.
    scene.out(1);
    bad(&mut scene, 1);
    assert!(!scene.passes(1) && scene.passes(1));
    assert_eq!(scene.used(), [0, 2].into());
    scene.now += 31 * SECOND;
    assert_eq!(scene.used(), [0, 1, 2].into());
    // Whoever is out takes nothing of what may be ejected.
    scene.out(0);
    bad(&mut scene, 1);
    assert_eq!((scene.used(), scene.backend.ejections().active), ([2].into(), 1));
}

#[test]
fn what_they_say_outlives_configurations_and_ends_with_the_checks() {
    let settings = checked(balanced(Algorithm::RoundRobin));
    let mut scene = Scene::new(settings.clone(), endpoints(3));
    scene.out(2);
    scene.backend.replace(settings.clone(), endpoints(4), scene.now);
    assert_eq!(scene.used(), [0, 1, 3].into());
    assert!(!scene.passes(2) && scene.passes(2));
    assert_eq!(scene.used(), [0, 1, 2, 3].into());
    scene.out(2);
    scene.backend.replace(Settings { checks: None, ..settings.clone() }, endpoints(3), scene.now);
    assert_eq!(scene.used(), [0, 1, 2].into());
    assert!(!scene.fails(2), "nobody asks for checks");
    scene.backend.replace(settings, endpoints(3), scene.now);
    assert_eq!(scene.used(), [0, 1, 2].into());
}

#[test]
fn below_the_panic_threshold_checks_are_disregarded() {
    let outlier = OutlierDetection { min_health_percent: 50, consecutive_5xx: 0, ..OutlierDetection::default() };
    let mut scene = Scene::new(checked(ejecting(outlier)), endpoints(4));
    scene.out(0);
    scene.out(1);
    // Half of them: not below.
    assert_eq!(scene.used(), [2, 3].into());
    scene.out(2);
    assert_eq!(scene.used(), [0, 1, 2, 3].into());
    assert_eq!(scene.pick().unwrap().1, Selection::Panic);
    // Without a threshold there is none.
    let mut scene = Scene::new(checked(balanced(Algorithm::RoundRobin)), endpoints(2));
    scene.out(0);
    scene.out(1);
    let nobody = Refused::NoneUsable { endpoints: 2, unready: 0, ejected: 0, failing: 2 };
    assert_eq!(scene.pick(), Err(nobody));
}

/// As Envoy: a priority takes 1.4 times the part of it that is well, the next one the rest.
#[test]
fn the_next_priority_gets_what_those_that_fail_leave() {
    const TRIALS: u32 = 20_000;
    let ranked = |key| Endpoint::new(key).with_priority(key / 10);
    let all: Vec<_> = (0..10).chain(10..20).map(ranked).collect();
    let mut scene = Scene::new(checked(balanced(Algorithm::Random)), all);
    for (failing, share) in [(0, 1.0), (2, 1.0), (3, 0.98), (5, 0.7), (7, 0.42), (9, 0.14)] {
        for endpoint in 0..failing {
            if scene.backend.endpoints(scene.now)[endpoint as usize].failing.is_none() {
                scene.out(endpoint);
            }
        }
        let first = (0..TRIALS).filter(|_| scene.pick().unwrap().0 < 10).count();
        assert_about(u32::try_from(first).unwrap(), TRIALS, share);
    }
}

#[test]
fn whoever_comes_back_warms_up_again() {
    let warmup = Warmup { duration: 100 * SECOND, minimum: Share::from_millionths(100_000).unwrap(), aggression: 1.0 };
    let balancer = LoadBalancer { algorithm: Algorithm::RoundRobin, warmup: Some(warmup), ..LoadBalancer::default() };
    let settings = Settings { balancer: Arc::new(balancer), ..Settings::default() };
    let mut scene = Scene::new(checked(settings), endpoints(2));
    let of_first = |scene: &mut Scene| (0..1000).filter(|_| scene.pick().unwrap().0 == 0).count();
    scene.now = scene.start + 200 * SECOND;
    assert_eq!(of_first(&mut scene), 500);
    scene.out(0);
    assert_eq!(of_first(&mut scene), 0);
    assert!(!scene.passes(0) && scene.passes(0));
    let at_first = of_first(&mut scene);
    assert!((60..130).contains(&at_first), "{at_first} of 1000 at a tenth of the weight");
    scene.now += 101 * SECOND;
    assert_eq!(of_first(&mut scene), 500);
}
