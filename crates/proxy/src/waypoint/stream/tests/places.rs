//! Who is taken in, and how many are.

use super::*;
use crate::testing::hostile::{Flood, crooked, drowns, refused};

/// What hangs on nothing but the caller is said before a stream is taken, unless it carries requests, whose callers are told
/// so; but for that, nobody takes places of others.
#[test]
fn who_may_ask_for_nothing_is_told_so_and_takes_no_room() {
    run(async {
        let world = World::new().await;
        let from = vec![vec![condition(Attribute::Principal, "cluster.local/ns/ns/sa/caller")]];
        world.worker.change(attached(Action::Deny, Rule { from, ..Rule::default() }));
        assert_eq!(world.refused("240.240.0.7:3306").await, 401);
        world.worker.connections.tells("a rule of action DENY matches").await;
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        assert!(world.ask(&mut stream, "GET").await.starts_with("HTTP/1.1 403 "));
        world.worker.requests.tells("GET / HTTP/1.1 403").await;
        // Others of it.
        let refused = &world.worker.context.shared.crossings.refused;
        let own = || refused.take(&world.key.source, REFUSED_OF_ONE);
        let taken: Vec<_> = (1..REFUSED_OF_ONE).map_while(|_| own()).collect();
        assert_eq!((taken.len(), own().is_none()), (REFUSED_OF_ONE - 1, true));
        assert_eq!(world.refused("240.240.0.7:80").await, 401);
        drop((stream, taken));
        world.worker.change(caller_may_not("DELETE"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        assert!(world.ask(&mut stream, "DELETE").await.starts_with("HTTP/1.1 403 "));
    });
}

/// Nobody who is early keeps others from being served.
#[test]
fn a_few_may_wait_for_what_is_not_known_yet_and_strangers_may_not() {
    run(async {
        let world = World::new().await;
        let crossings = &world.worker.context.shared.crossings;
        let own: Vec<_> =
            (0..WAITING_OF_ONE).map_while(|_| crossings.waiting.take(&world.key.source, WAITING_OF_ONE)).collect();
        assert_eq!(own.len(), WAITING_OF_ONE);
        let at_once = |begun: tokio::time::Instant| assert!(begun.elapsed() < PATIENCE, "it was waited for");
        let begun = tokio::time::Instant::now();
        assert_eq!(world.refused("240.240.0.8:80").await, 400);
        at_once(begun);
        drop(own);
        let all: Vec<_> = (0..WAITING).map_while(|_| crossings.all_waiting.take(&(), WAITING)).collect();
        assert_eq!(all.len(), WAITING);
        let begun = tokio::time::Instant::now();
        assert_eq!(world.refused("240.240.0.8:80").await, 400);
        at_once(begun);
        drop(all);
        // Who is cut off is told so, not what is there.
        let quarantine = ripstop_model::Quarantine { rule: RuleId("Process/ns/waypoint/1".into()), peers: Vec::new() };
        let program = world.worker.context.shared.snapshot.load_full();
        let own = Workload::clone(world.workload.in_snapshot(&program).unwrap());
        let own = Workload { quarantine: Some(Arc::new(quarantine)), ..own };
        world.worker.change(Change::Workload(Arc::new(own)));
        let begun = tokio::time::Instant::now();
        assert_eq!(world.refused("240.240.0.8:80").await, 401);
        at_once(begun);
    });
}

#[test]
fn one_caller_does_not_take_all_places() {
    run(async {
        let world = World::new().await;
        let shares = &world.worker.context.shared.crossings.shares;
        let taken: Vec<_> = (0..PLACES).map_while(|_| shares.take(&world.key.source, PLACES)).collect();
        assert_eq!(taken.len(), PLACES);
        assert_eq!(world.refused("240.240.0.7:80").await, 503);
        world.worker.connections.tells("has 2500 connections through the waypoint already").await;
        drop(taken);
        let all = world.workload.places.clone().acquire_many_owned(4 * 2500).await.unwrap();
        assert_eq!(world.refused("240.240.0.7:80").await, 503);
        world.worker.connections.tells("has 10000 connections already").await;
        drop(all);
        world.open("240.240.0.7:80").await.unwrap();
    });
}

#[test]
fn hostile_callers_stay_within_its_limits() {
    run(async {
        let world = World::new().await;
        for one in crooked() {
            let mut stream = world.open("240.240.0.7:80").await.unwrap();
            let _ = stream.write_all(one.bytes.as_bytes()).await;
            tokio::select! {
                biased;
                () = refused(&mut stream, &one) => {}
                _ = world.server.accept() => panic!("{}: it was passed on", one.what),
            }
        }
        for flood in Flood::ALL {
            drowns(world.open("240.240.0.7:80").await.unwrap(), flood).await;
        }
    });
}
