//! `outlierDetection`: failures in a row are counted as all workers see them together, and a verdict is everybody's.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use ripstop_model::{Algorithm, BackendSettings, LoadBalancer, OutlierDetection, PortSettings};
use tokio::time::{Instant, advance};

use super::{
    proxy::{Attempt, CREWS, Proxy, Rules, run},
    requests::Load,
};

/// How many failures in a row eject.
const ENOUGH: u32 = 5;

/// Picks at random, which is the same at every worker, and ejects for an hour.
fn watched(percent: u32, base: Duration) -> BackendSettings {
    let outlier = OutlierDetection {
        consecutive_5xx: ENOUGH,
        max_ejection_percent: percent,
        base_ejection: base,
        ..OutlierDetection::default()
    };
    let balancer = LoadBalancer { algorithm: Algorithm::Random, ..LoadBalancer::default() };
    let general = PortSettings {
        balancer: Some(Arc::new(balancer)),
        outlier: Some(Arc::new(outlier)),
        ..PortSettings::default()
    };
    BackendSettings { general, ..BackendSettings::default() }
}

/// Endpoints that fail by chance, and outlier detection on paper.
struct Outliers {
    /// Of a hundred answers of each endpoint, how many are failures.
    failing: Vec<u64>,
    /// How many may be ejected.
    most: usize,
    /// Failures in a row.
    streaks: Vec<Cell<u32>>,
    ejected: RefCell<BTreeSet<usize>>,
    /// When an endpoint was ejected, and how many answers had been told of by then.
    verdicts: RefCell<Vec<(u128, usize, usize)>>,
    told: Cell<usize>,
    started: Instant,
}

impl Outliers {
    fn new(failing: &[u64], most: usize) -> Self {
        Self {
            failing: failing.to_vec(),
            most,
            streaks: failing.iter().map(|_| Cell::new(0)).collect(),
            ejected: RefCell::default(),
            verdicts: RefCell::default(),
            told: Cell::new(0),
            started: Instant::now(),
        }
    }
}

impl Rules for Outliers {
    fn answer(&self, Attempt { endpoint, random, .. }: Attempt) -> u16 {
        if random % 100 < self.failing[endpoint] { 500 } else { 200 }
    }

    /// What is ejected by now is what should be, after each single answer.
    fn told(&self, proxy: &Proxy, endpoint: usize, status: u16) {
        self.told.set(self.told.get() + 1);
        let mut ejected = self.ejected.borrow_mut();
        let streak = &self.streaks[endpoint];
        if !ejected.contains(&endpoint) {
            streak.set(if status < 500 { 0 } else { streak.get() + 1 });
            if streak.get() >= ENOUGH {
                streak.set(0);
                // Beyond the percentage it is spared, and begins anew.
                if ejected.len() < self.most {
                    ejected.insert(endpoint);
                    let now = self.started.elapsed().as_millis();
                    self.verdicts.borrow_mut().push((now, endpoint, self.told.get()));
                }
            }
        }
        assert_eq!(proxy.ejected(), *ejected, "after {} answers", self.told.get());
    }
}

/// Ten endpoints, of which some fail always, some often, some rarely. The verdicts of proxies of all crews.
fn verdicts(percent: u32, most: usize) -> Vec<(u128, usize, usize)> {
    let failing = [100, 0, 60, 10, 100, 30, 100, 0, 70, 100];
    let requests = Load { seed: 21, count: 3_000, pause: 3.0, takes: (20, 100) }.draw();
    let [one, two, four] = CREWS.map(|workers| {
        run(async {
            let proxy = Proxy::new(workers, &[1; 10], watched(percent, Duration::from_secs(3600)), 0);
            let outliers = Rc::new(Outliers::new(&failing, most));
            proxy.take(&requests, &outliers).await;
            let verdicts = outliers.verdicts.borrow().clone();
            (verdicts, proxy.ejected())
        })
    });
    assert!(one == two && one == four, "{one:?}\n{two:?}\n{four:?}");
    assert_eq!(one.1, one.0.iter().map(|(_, endpoint, _)| *endpoint).collect());
    one.0
}

/// The same endpoints, at the same moments, after exactly so many failures.
#[test]
fn every_crew_ejects_the_same_endpoints_by_the_same_answers() {
    let ejected: BTreeSet<_> = verdicts(100, 10).into_iter().map(|(_, endpoint, _)| endpoint).collect();
    assert!(ejected.is_superset(&[0, 2, 4, 6, 8, 9].into()), "{ejected:?}");
    assert!(!ejected.contains(&1) && !ejected.contains(&7), "{ejected:?}");
}

/// `maxEjectionPercent` is of all endpoints, and not of a worker's.
#[test]
fn no_crew_ejects_more_than_may_be() {
    assert_eq!(verdicts(40, 4).len(), 4);
    assert_eq!(verdicts(10, 1).len(), 1);
}

/// Failures that workers see one each make a row together, and what one worker's request ejects no other one picks,
/// until its time has come.
#[test]
fn a_row_is_a_row_whoever_sees_its_failures() {
    for workers in CREWS {
        run(async {
            let proxy = Proxy::new(workers, &[1; 3], watched(100, Duration::from_secs(30)), 0);
            let picked_by = |worker: u64| -> BTreeSet<usize> {
                (0..200)
                    .filter_map(|random: u64| proxy.pick(worker, None, random.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
                    .collect()
            };
            let crew = 0..workers as u64;
            for turn in 0..u64::from(ENOUGH) {
                assert!(crew.clone().all(|worker| picked_by(worker) == [0, 1, 2].into()), "after {turn} failures");
                proxy.fail(turn, 1);
            }
            assert!(crew.clone().all(|worker| picked_by(worker) == [0, 2].into()));
            advance(Duration::from_millis(29_999)).await;
            assert!(crew.clone().all(|worker| picked_by(worker) == [0, 2].into()));
            advance(Duration::from_millis(1)).await;
            assert!(crew.clone().all(|worker| picked_by(worker) == [0, 1, 2].into()));
            // It begins anew, and one success ends a row that four workers began.
            for turn in 0..u64::from(ENOUGH) - 1 {
                proxy.fail(turn, 1);
            }
            proxy.succeed(0, 1);
            for turn in 0..u64::from(ENOUGH) - 1 {
                proxy.fail(turn, 1);
            }
            assert_eq!(proxy.ejected(), BTreeSet::new());
            proxy.fail(3, 1);
            assert_eq!(proxy.ejected(), [1].into());
        });
    }
}
