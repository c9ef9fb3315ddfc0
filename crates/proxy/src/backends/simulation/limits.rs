//! `connectionPool`: however many workers, there is never more than a limit says, and never less is let in.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::Arc,
};

use ripstop_balance::{Overflow, Resource};
use ripstop_model::{BackendSettings, ConnectionPool, PortSettings};

use super::{
    proxy::{Attempt, CREWS, End, Proxy, Rules, Well, run},
    requests::{Load, Request},
};

fn limited(pool: ConnectionPool) -> BackendSettings {
    let general = PortSettings { pool: Some(Arc::new(pool)), ..PortSettings::default() };
    BackendSettings { general, ..BackendSettings::default() }
}

fn refused(ends: &[End], resource: Resource) -> usize {
    ends.iter().filter(|end| **end == End::Beyond(resource)).count()
}

/// All is well, and whatever is refused is beyond this limit of what is counted.
struct Exactly {
    resource: Resource,
    limit: usize,
}

impl Rules for Exactly {
    fn answer(&self, _: Attempt) -> u16 {
        200
    }

    fn refused(&self, proxy: &Proxy, overflow: Overflow) {
        assert_eq!(overflow, Overflow { resource: self.resource, limit: self.limit as u64 });
        let there = match self.resource {
            Resource::Request => proxy.seen.active.now(),
            _ => usize::try_from(proxy.usage().pending_requests).unwrap(),
        };
        assert_eq!(there, self.limit, "refused while there was room");
    }
}

/// `http2MaxRequests`: twice as many come as may be there.
#[test]
fn as_many_requests_are_let_in_at_once_as_may_be() {
    const LIMIT: usize = 20;
    let load = Load { seed: 1, count: 5_000, pause: 2.0, takes: (40, 120) };
    let requests = load.draw();
    let ends = CREWS.map(|workers| {
        run(async {
            let pool = ConnectionPool { max_requests: Some(20), ..ConnectionPool::default() };
            let proxy = Proxy::new(workers, &[1, 1, 1], limited(pool), 0);
            let ends = proxy.take(&requests, &Rc::new(Exactly { resource: Resource::Request, limit: LIMIT })).await;
            assert_eq!(proxy.seen.active.most(), LIMIT, "{workers} workers");
            assert!((0..workers as u64).all(|worker| requests.iter().any(|one| one.worker % workers as u64 == worker)));
            // Which endpoint answered is a matter of chance, and no matter of limits.
            ends.into_iter().map(|end| matches!(end, End::Answered { status: 200, .. })).collect::<Vec<_>>()
        })
    });
    let let_in = ends[0].iter().filter(|let_in| **let_in).count();
    // 20 of 80 ms each on average are at most 1,250 in 5 s, and 5,000 come in 10 s.
    assert!((2_000..2_700).contains(&let_in), "{let_in}");
    // Not as many: the very same.
    assert!(ends.iter().all(|other| *other == ends[0]));
}

/// Who gets in where so many are served at once and so many may wait, each for the same time: a queue on paper.
fn let_in(requests: &[Request], served: usize, waiting: usize) -> Vec<bool> {
    // When those who are there leave, in order.
    let mut leave: VecDeque<u64> = VecDeque::new();
    let comes = |request: &Request| {
        while leave.front().is_some_and(|leaves| *leaves <= request.at) {
            leave.pop_front();
        }
        if leave.len() >= served + waiting {
            return false;
        }
        let begins = if leave.len() < served { request.at } else { leave[leave.len() - served] };
        leave.push_back(begins + request.takes);
        true
    };
    requests.iter().map(comes).collect()
}

/// How many of those that come at each moment are let in: which of them is nobody's to say.
fn by_moment(requests: &[Request], let_in: impl IntoIterator<Item = bool>) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for (request, let_in) in requests.iter().zip(let_in) {
        *counts.entry(request.at).or_default() += usize::from(let_in);
    }
    counts
}

/// `maxConnections` and `http1MaxPendingRequests`: who is beyond the one waits, and who is beyond the other is refused.
/// Connections are a worker's own, but whoever waits at any worker gets the next one that ends or is free.
#[test]
fn as_many_connections_are_open_and_requests_wait_as_may() {
    const CONNECTIONS: usize = 6;
    const WAITING: usize = 10;
    // One every 6 ms, where one every 6.7 ms could be served.
    let load = Load { seed: 2, count: 5_000, pause: 6.0, takes: (40, 40) };
    let requests = load.draw();
    let queued = let_in(&requests, CONNECTIONS, WAITING);
    let beyond = queued.iter().filter(|let_in| !**let_in).count();
    let expected = by_moment(&requests, queued);
    assert!((500..1_000).contains(&beyond), "{beyond}");
    for workers in CREWS {
        run(async {
            let pool = ConnectionPool {
                max_connections: Some(6),
                max_pending_requests: Some(10),
                ..ConnectionPool::default()
            };
            let proxy = Proxy::new(workers, &[1, 1, 1, 1], limited(pool), 0);
            let rules = Exactly { resource: Resource::PendingRequest, limit: WAITING };
            let ends = proxy.take(&requests, &Rc::new(rules)).await;
            assert_eq!(proxy.seen.open.most(), CONNECTIONS, "{workers} workers");
            assert_eq!(proxy.seen.waiting.most(), WAITING, "{workers} workers");
            assert_eq!(refused(&ends, Resource::PendingRequest), beyond, "{workers} workers");
            let let_in = ends.iter().map(|end| matches!(end, End::Answered { .. }));
            let seen = by_moment(&requests, let_in);
            let others: Vec<_> = seen.iter().filter(|(at, count)| expected[*at] != **count).collect();
            assert!(others.is_empty(), "{workers} workers let in, unlike a single queue: {others:?}");
        });
    }
}

/// Without limits nobody waits, and nobody is refused.
#[test]
fn without_limits_all_are_let_in() {
    let load = Load { seed: 3, count: 2_000, pause: 1.0, takes: (40, 120) };
    let requests = load.draw();
    let most = CREWS.map(|workers| {
        run(async {
            let proxy = Proxy::new(workers, &[1, 1, 1], BackendSettings::default(), 0);
            let ends = proxy.take(&requests, &Rc::new(Well)).await;
            assert!(ends.iter().all(|end| matches!(end, End::Answered { attempts: 1, status: 200, .. })));
            assert_eq!(proxy.seen.attempts.get(), 2_000);
            proxy.seen.active.most()
        })
    });
    assert!(most[0] > 80 && most.iter().all(|other| *other == most[0]), "{most:?}");
}
