use std::time::Duration;

use ripstop_model::Share;

use super::*;

#[test]
fn what_is_not_said_is_as_unlimited_as_in_istio() {
    let limits = Settings::default().limits();
    let max = 4_294_967_295;
    let expected = Limits {
        connections: max,
        pending_requests: max,
        requests: max,
        retries: max,
        requests_per_connection: max,
        concurrent_streams: 2_147_483_647,
    };
    assert_eq!(limits, expected);
}

#[test]
fn limits_are_those_of_the_pool() {
    let pool = ConnectionPool {
        max_connections: Some(1),
        max_pending_requests: Some(2),
        max_requests: Some(3),
        max_retries: Some(4),
        max_requests_per_connection: Some(5),
        max_concurrent_streams: Some(6),
        ..ConnectionPool::default()
    };
    let expected = Limits {
        connections: 1,
        pending_requests: 2,
        requests: 3,
        retries: 4,
        requests_per_connection: 5,
        concurrent_streams: 6,
    };
    assert_eq!(Settings { pool: Arc::new(pool), ..Settings::default() }.limits(), expected);
}

#[test]
fn only_turns_and_loads_warm_up() {
    let warmup = Warmup { duration: Duration::from_secs(1), minimum: Share::ALL, aggression: 1.0 };
    let of = |algorithm, warmup| Settings {
        balancer: Arc::new(LoadBalancer { algorithm, warmup: Some(warmup), locality: None }),
        ..Settings::default()
    };
    assert_eq!(of(Algorithm::RoundRobin, warmup).warmup(), Some(&warmup));
    assert_eq!(of(Algorithm::LeastRequest, warmup).warmup(), Some(&warmup));
    assert_eq!(of(Algorithm::PeakEwma(PeakEwma::default()), warmup).warmup(), Some(&warmup));
    assert_eq!(of(Algorithm::Random, warmup).warmup(), None);
    assert_eq!(of(Algorithm::RoundRobin, Warmup { duration: Duration::ZERO, ..warmup }).warmup(), None);
}
