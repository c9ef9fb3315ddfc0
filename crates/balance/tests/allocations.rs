//! Between configurations and ejections, a request costs no allocation.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use ripstop_balance::{Backend, Criteria, Endpoint, Outcome, Resource, Settings, Tried, hash_of};
use ripstop_model::{
    Algorithm, HashKey, HashTable, Health, LoadBalancer, OutlierDetection, PeakEwma, RetryBudget, Share, Warmup,
};

fn algorithms() -> Vec<Algorithm> {
    let hash = |table| Algorithm::Hash { key: HashKey::SourceIp, table };
    vec![
        Algorithm::RoundRobin,
        Algorithm::LeastRequest,
        Algorithm::Random,
        Algorithm::PeakEwma(PeakEwma::default()),
        hash(HashTable::Ring(1024)),
        hash(HashTable::Maglev(1021)),
    ]
}

fn settings(algorithm: Algorithm) -> Settings {
    let warmup = Some(Warmup { duration: Duration::from_secs(5), minimum: Share::NONE, aggression: 2.0 });
    Settings {
        balancer: Arc::new(LoadBalancer { algorithm, warmup, locality: None }),
        outlier: Some(Arc::new(OutlierDetection { consecutive_5xx: 1_000_000, ..OutlierDetection::default() })),
        retry_budget: Some(RetryBudget {
            share: Share::from_percent(20.0),
            min_concurrency: 3,
            min_per_second: 1,
            interval: Duration::from_secs(10),
        }),
        ..Settings::default()
    }
}

/// Thirty endpoints in two priorities, some heavier, some not ready.
fn endpoints(weights: [u32; 3]) -> Vec<Endpoint<Arc<str>>> {
    let endpoint = |number: u32| {
        let name = format!("10.0.0.{number}:8080");
        let ready = !number.is_multiple_of(3) || number > 20;
        Endpoint::new(Arc::from(name.as_str()))
            .weighing(NonZeroU32::new(weights[number as usize % 3]).unwrap())
            .with_priority(number / 15)
            .with_health(if ready { Health::Healthy } else { Health::Unhealthy })
            .hashed_by(name)
    };
    (0..30).map(endpoint).collect()
}

#[test]
fn a_request_with_a_retry_allocates_nothing() {
    for algorithm in algorithms() {
        for weights in [[1, 1, 1], [1, 3, 7]] {
            let start = Instant::now();
            let backend = Backend::new(settings(algorithm.clone()), endpoints(weights), start);
            let mut worker = backend.worker();
            let mut request = |number: u64| {
                // Through the warm-up and beyond it.
                let now = start + Duration::from_millis(10 * number);
                let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let hash = Some(hash_of(&number.to_le_bytes()));
                let mut tried = Tried::new();
                let pending = worker.acquire(Resource::PendingRequest, now).unwrap();
                let first = worker.pick(&Criteria { hash, ..Criteria::default() }, random, now).unwrap();
                drop(pending);
                let active = worker.acquire(Resource::Request, now).unwrap();
                tried.note(&first);
                first.finish(Outcome::Status(503), now);
                let retry = worker.acquire(Resource::Retry, now).unwrap();
                let criteria = Criteria { hash, tried: &tried, ..Criteria::default() };
                worker.pick(&criteria, random, now).unwrap().finish(Outcome::Status(200), now);
                drop((active, retry));
            };
            // Schedules are made of what is there when they are first needed.
            (0..200).for_each(&mut request);
            let measured = allocation_counter::measure(|| (200..1_200).for_each(&mut request));
            assert_eq!(measured.count_total, 0, "{algorithm:?}");
        }
    }
}

#[test]
fn an_ejection_leaves_the_others_free_of_allocations() {
    let start = Instant::now();
    let outlier = OutlierDetection { max_ejection_percent: 50, ..OutlierDetection::default() };
    for algorithm in algorithms() {
        let settings = Settings { outlier: Some(Arc::new(outlier.clone())), ..settings(algorithm.clone()) };
        let backend = Backend::new(settings, endpoints([1, 1, 2]), start);
        let mut worker = backend.worker();
        let now = start + Duration::from_secs(60);
        let mut pick = |number: u64| worker.pick(&Criteria::default(), number, now).unwrap();
        (0..100).for_each(|number| drop(pick(number)));
        // Ejecting is noted, and notes take room.
        let key = Arc::clone(pick(2).key());
        for _ in 0..5 {
            backend.worker().pick_named(&key, now).unwrap().finish(Outcome::Status(500), now);
        }
        assert_eq!(backend.ejections().active, 1);
        // Turns are made anew, in the room that they have.
        let measured = allocation_counter::measure(|| {
            for number in 0..1_000 {
                let picked = pick(number);
                assert_ne!(*picked.key(), key);
                picked.finish(Outcome::Status(200), now);
            }
        });
        assert_eq!(measured.count_total, 0, "{algorithm:?}");
    }
}
