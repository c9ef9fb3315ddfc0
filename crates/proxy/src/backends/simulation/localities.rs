//! Locality and the panic threshold: where requests go when some of the nearer endpoints are out, in shares.

use std::{rc::Rc, sync::Arc, time::Duration};

use ripstop_model::{Algorithm, BackendSettings, LoadBalancer, LocalityPolicy, OutlierDetection, PortSettings};

use super::{
    proxy::{CREWS, Proxy, run},
    requests::{Dice, assert_about},
};

const COUNT: usize = 10_000;
/// Endpoints of each place.
const EACH: usize = 10;
/// The caller's zone, its region, and somewhere else.
const PLACES: [&str; 3] = ["r1/z1", "r1/z2", "r2/z1"];

/// Picks at random, by locality, and ejects all that fail for an hour.
fn settings(locality: LocalityPolicy, panic_percent: u32) -> BackendSettings {
    let outlier = OutlierDetection {
        consecutive_5xx: 1,
        max_ejection_percent: 100,
        min_health_percent: panic_percent,
        base_ejection: Duration::from_secs(3600),
        ..OutlierDetection::default()
    };
    let balancer = LoadBalancer {
        algorithm: Algorithm::Random,
        locality: Some(LocalityPolicy { enabled: true, ..locality }),
        ..LoadBalancer::default()
    };
    let general = PortSettings {
        balancer: Some(Arc::new(balancer)),
        outlier: Some(Arc::new(outlier)),
        ..PortSettings::default()
    };
    BackendSettings { general, ..BackendSettings::default() }
}

fn proxy(workers: usize, settings: BackendSettings) -> Rc<Proxy> {
    let places: Vec<&str> = PLACES.iter().flat_map(|place| [*place; EACH]).collect();
    Proxy::placed(workers, "r1/z1", &places, settings)
}

/// How many of some requests go to each place.
fn shares(proxy: &Proxy, seed: u64) -> [usize; 3] {
    let mut dice = Dice::new(seed);
    let mut shares = [0; 3];
    for worker in 0..COUNT {
        let picked = proxy.pick(worker as u64, None, dice.next()).unwrap();
        shares[picked / EACH] += 1;
    }
    shares
}

/// As the documentation has it: a place takes 1.4 times the part of it that is well, the next one the rest.
#[test]
fn the_next_locality_gets_what_the_nearer_ones_can_not_take() {
    // How many of each place are out, and the shares of each.
    let steps = [
        ([0, 0, 0], [1.0, 0.0, 0.0]),
        ([2, 0, 0], [1.0, 0.0, 0.0]),
        ([3, 0, 0], [0.98, 0.02, 0.0]),
        ([5, 0, 0], [0.7, 0.3, 0.0]),
        ([8, 0, 0], [0.28, 0.72, 0.0]),
        ([8, 5, 0], [0.28, 0.7, 0.02]),
        ([10, 5, 0], [0.0, 0.7, 0.3]),
        ([10, 10, 0], [0.0, 0.0, 1.0]),
        // What all together can take is less than everything: 56 % by those who are left.
        ([10, 10, 6], [0.0, 0.0, 1.0]),
    ];
    for workers in CREWS {
        run(async {
            let proxy = proxy(workers, settings(LocalityPolicy::default(), 0));
            for (step, (out, expected)) in (0..).zip(steps) {
                for (place, out) in out.iter().enumerate() {
                    for endpoint in place * EACH..place * EACH + out {
                        if !proxy.ejected().contains(&endpoint) {
                            proxy.eject(endpoint);
                        }
                    }
                }
                for (share, expected) in shares(&proxy, 31 + step).into_iter().zip(expected) {
                    assert_about(share, COUNT, expected);
                }
            }
        });
    }
}

#[test]
fn shares_by_locality_are_what_they_say() {
    let to = [("r1/z1", 70), ("r1/z2", 20), ("r2/*", 10)];
    let to = to.into_iter().map(|(place, share)| (place.into(), share)).collect();
    let policy = LocalityPolicy { distribute: vec![("r1/z1".into(), to)], ..LocalityPolicy::default() };
    for workers in CREWS {
        run(async {
            let proxy = proxy(workers, settings(policy.clone(), 0));
            for (share, expected) in shares(&proxy, 5).into_iter().zip([0.7, 0.2, 0.1]) {
                assert_about(share, COUNT, expected);
            }
        });
    }
}

/// Below the threshold ejections are disregarded: the few that are left would be flooded.
#[test]
fn in_panic_each_gets_its_share_again() {
    let flat = LocalityPolicy { failover_priority: Vec::new(), ..LocalityPolicy::default() };
    for workers in CREWS {
        run(async {
            let place = ["r1/z1"; EACH];
            let proxy = Proxy::placed(workers, "r1/z1", &place, settings(flat.clone(), 50));
            let counts = |seed: u64| {
                let mut dice = Dice::new(seed);
                let mut counts = [0; EACH];
                for worker in 0..COUNT {
                    counts[proxy.pick(worker as u64, None, dice.next()).unwrap()] += 1;
                }
                counts
            };
            (0..5).for_each(|endpoint| proxy.eject(endpoint));
            // Half of them are well: that is not below the half.
            for (endpoint, count) in counts(17).into_iter().enumerate() {
                assert_about(count, COUNT, if endpoint < 5 { 0.0 } else { 0.2 });
            }
            proxy.eject(5);
            for count in counts(18) {
                assert_about(count, COUNT, 0.1);
            }
        });
    }
}
