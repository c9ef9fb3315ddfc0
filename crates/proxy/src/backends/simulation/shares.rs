//! Algorithms: however many workers, each endpoint gets its share.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use ripstop_balance::hash_of;
use ripstop_model::{
    Algorithm, BackendSettings, HashKey, HashTable, LoadBalancer, OutlierDetection, PeakEwma, PortSettings,
};

use super::{
    proxy::{Attempt, CREWS, End, Proxy, Rules, Well, run},
    requests::{Load, Request, assert_about},
};

/// Weights of the endpoints, ten together.
const WEIGHTS: [u32; 4] = [1, 2, 3, 4];
const COUNT: usize = 20_000;

fn balanced(algorithm: Algorithm) -> BackendSettings {
    let balancer = LoadBalancer { algorithm, ..LoadBalancer::default() };
    let general = PortSettings { balancer: Some(Arc::new(balancer)), ..PortSettings::default() };
    BackendSettings { general, ..BackendSettings::default() }
}

/// A proxy's picks for requests that come one after the other.
fn picks(workers: usize, weights: &[u32], algorithm: Algorithm, requests: &[Request]) -> Vec<usize> {
    run(async {
        let proxy = Proxy::new(workers, weights, balanced(algorithm), 0);
        let pick = |request: &Request| proxy.pick(request.worker, request.hash, request.random).unwrap();
        requests.iter().map(pick).collect()
    })
}

fn counts(picks: impl IntoIterator<Item = usize>) -> [usize; 4] {
    let mut counts = [0; 4];
    picks.into_iter().for_each(|at| counts[at] += 1);
    counts
}

fn one_by_one(seed: u64) -> Vec<Request> {
    Load { seed, count: COUNT, pause: 1.0, takes: (1, 1) }.draw()
}

#[test]
fn random_picks_are_by_weight_and_need_no_worker_of_their_own() {
    let requests = one_by_one(11);
    let picked = CREWS.map(|workers| picks(workers, &WEIGHTS, Algorithm::Random, &requests));
    for (count, weight) in counts(picked[0].iter().copied()).into_iter().zip(WEIGHTS) {
        assert_about(count, COUNT, f64::from(weight) / 10.0);
    }
    assert!(picked.iter().all(|other| *other == picked[0]));
}

/// Each worker has its own turns, so that a round is a little less even for each further worker.
#[test]
fn turns_are_by_weight() {
    let requests = one_by_one(12);
    for workers in CREWS {
        for algorithm in [Algorithm::RoundRobin, Algorithm::LeastRequest] {
            let picked = picks(workers, &WEIGHTS, algorithm.clone(), &requests);
            for (count, weight) in counts(picked).into_iter().zip(WEIGHTS) {
                assert_about(count, COUNT, f64::from(weight) / 10.0);
                let expected = COUNT / 10 * weight as usize;
                let off = count.abs_diff(expected);
                assert!(off <= 2 * workers, "{algorithm:?}: {count}, not {expected}, with {workers} workers");
            }
        }
    }
}

/// One endpoint is eight times as slow as the others.
struct Slow;

impl Rules for Slow {
    fn answer(&self, _: Attempt) -> u16 {
        200
    }

    fn slower(&self, endpoint: usize) -> u64 {
        if endpoint == 2 { 8 } else { 1 }
    }
}

/// Workers know of each other's requests.
#[test]
fn the_less_loaded_one_is_picked_whoever_loads_it() {
    let load = Load { seed: 13, count: 6_000, pause: 1.0, takes: (40, 60) };
    let requests = load.draw();
    let ends = CREWS.map(|workers| {
        run(async {
            let proxy = Proxy::new(workers, &[1; 4], balanced(Algorithm::LeastRequest), 0);
            proxy.take(&requests, &Rc::new(Slow)).await
        })
    });
    let by = |end: &End| match end {
        End::Answered { by, .. } => *by,
        other => panic!("{other:?}"),
    };
    let picked = counts(ends[0].iter().map(by));
    // At random, each would get a quarter. With equally many requests at once, it gets an eighth of what others get.
    assert!((picked[2] * 8).abs_diff(picked[0]) < picked[0] / 2, "{picked:?}");
    assert!(ends.iter().all(|other| *other == ends[0]), "workers make a difference");

    // At random it does not matter.
    let ends = run(async {
        let proxy = Proxy::new(4, &[1; 4], balanced(Algorithm::Random), 0);
        proxy.take(&requests, &Rc::new(Slow)).await
    });
    for count in counts(ends.iter().map(by)) {
        assert_about(count, 6_000, 0.25);
    }
}

/// Latencies that one worker sees count for all of them: the slow one is tried now and then, by one of them.
#[test]
fn the_quicker_one_is_picked_whoever_saw_it() {
    let load = Load { seed: 17, count: 6_000, pause: 5.0, takes: (40, 60) };
    let requests = load.draw();
    let ends = CREWS.map(|workers| {
        run(async {
            let algorithm = Algorithm::PeakEwma(PeakEwma::default());
            let proxy = Proxy::new(workers, &[1; 4], balanced(algorithm), 0);
            proxy.take(&requests, &Rc::new(Slow)).await
        })
    });
    let picked = counts(ends[0].iter().map(|end| match end {
        End::Answered { by, .. } => *by,
        other => panic!("{other:?}"),
    }));
    // It would get an eighth of what others get by requests alone. In 30 s, it is forgotten a time or two.
    assert!(picked[2] > 0 && picked[2] * 50 < picked[0], "{picked:?}");
    assert!(ends.iter().all(|other| *other == ends[0]), "workers make a difference");
}

/// A thousand users, who come back again and again, to any worker.
fn users(seed: u64) -> Vec<Request> {
    let of_user = |request: Request| {
        let user = request.random % 1_000;
        Request { hash: Some(hash_of(format!("user-{user}").as_bytes())), ..request }
    };
    Load { seed, count: COUNT, pause: 1.0, takes: (1, 1) }.draw().into_iter().map(of_user).collect()
}

#[test]
fn a_user_gets_the_same_endpoint_at_every_worker() {
    let requests = users(14);
    for table in [HashTable::Ring(1024), HashTable::Maglev(65_537)] {
        let algorithm = Algorithm::Hash { key: HashKey::SourceIp, table };
        let picked = CREWS.map(|workers| picks(workers, &[1; 4], algorithm.clone(), &requests));
        assert!(picked.iter().all(|other| *other == picked[0]));
        let mut homes: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
        for (request, at) in requests.iter().zip(&picked[0]) {
            homes.entry(request.hash.unwrap()).or_default().insert(*at);
        }
        assert!(homes.len() > 990 && homes.values().all(|homes| homes.len() == 1));
        // So many users are a sample of a table whose shares are equal to some hundredths.
        for count in counts(homes.values().flatten().copied()) {
            assert!(count > 150, "{count} of {} users", homes.len());
        }
    }
}

/// Ejections are known to all workers at once, and move nobody but those who were there.
#[test]
fn an_ejection_moves_the_same_users_at_every_worker() {
    let requests = users(15);
    let outlier = OutlierDetection { max_ejection_percent: 50, ..OutlierDetection::default() };
    let algorithm = Algorithm::Hash { key: HashKey::SourceIp, table: HashTable::Maglev(65_537) };
    let mut settings = balanced(algorithm);
    settings.general.outlier = Some(Arc::new(outlier));
    let moved = CREWS.map(|workers| {
        run(async {
            let proxy = Proxy::new(workers, &[1; 4], settings.clone(), 0);
            let pick = |request: &Request| proxy.pick(request.worker, request.hash, request.random).unwrap();
            let before: Vec<usize> = requests.iter().map(pick).collect();
            proxy.eject(1);
            let after: Vec<usize> = requests.iter().map(pick).collect();
            for (before, after) in before.iter().zip(&after) {
                assert!(*after != 1 && (before == after || *before == 1), "{before} to {after}, {workers} workers");
            }
            after
        })
    });
    assert!(moved.iter().all(|other| *other == moved[0]));
}

/// All workers together give each endpoint the same number of requests at once, if they last.
#[test]
fn requests_that_last_are_spread_over_all() {
    let requests = Load { seed: 16, count: 1_000, pause: 1.0, takes: (10_000, 10_000) }.draw();
    for workers in CREWS {
        run(async {
            let proxy = Proxy::new(workers, &[1; 4], balanced(Algorithm::LeastRequest), 0);
            let ends = proxy.take(&requests, &Rc::new(Well)).await;
            assert_eq!(proxy.seen.active.most(), 1_000);
            let counts = counts(ends.iter().map(|end| match end {
                End::Answered { by, .. } => *by,
                other => panic!("{other:?}"),
            }));
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 8, "{counts:?} with {workers} workers");
        });
    }
}
