//! What tests share.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use ripstop_model::{Algorithm, HashKey, HashTable, LoadBalancer, OutlierDetection};

use crate::{Endpoint, Settings};

/// `count` ready endpoints of weight 1 and priority 0, with their numbers as keys.
pub(crate) fn endpoints(count: u32) -> Vec<Endpoint<u32>> {
    (0..count).map(Endpoint::new).collect()
}

/// Endpoints of these weights, with their numbers as keys.
pub(crate) fn weighing(weights: &[u32]) -> Vec<Endpoint<u32>> {
    (0..).zip(weights).map(|(key, weight)| Endpoint::new(key).weighing(NonZeroU32::new(*weight).unwrap())).collect()
}

/// Endpoints that are hashed as Envoy's tests do it: `127.0.0.1:90` and on, with the ports as keys.
pub(crate) fn hosts(count: u32) -> Vec<Endpoint<u32>> {
    (90..90 + count).map(|port| Endpoint::new(port).hashed_by(format!("127.0.0.1:{port}"))).collect()
}

/// Settings with this algorithm.
pub(crate) fn balanced(algorithm: Algorithm) -> Settings {
    Settings { balancer: Arc::new(LoadBalancer { algorithm, ..LoadBalancer::default() }), ..Settings::default() }
}

/// Settings with outlier detection, that pick in turn.
pub(crate) fn ejecting(outlier: OutlierDetection) -> Settings {
    Settings { outlier: Some(Arc::new(outlier)), ..balanced(Algorithm::RoundRobin) }
}

/// An algorithm that hashes.
pub(crate) fn hashing(table: HashTable) -> Algorithm {
    Algorithm::Hash { key: HashKey::SourceIp, table }
}

/// Asserts that something of this probability happened about as often as it should: within 4.5 standard deviations.
pub(crate) fn assert_about(happened: u32, trials: u32, probability: f64) {
    let expected = f64::from(trials) * probability;
    let sigma = (expected * (1.0 - probability)).sqrt();
    let off = (f64::from(happened) - expected).abs();
    assert!(off <= 4.5 * sigma, "{happened} of {trials}, where {expected:.1} ± {sigma:.1} are expected");
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
