//! Connections that are counted, by whatever name they get to where they have a limit.

use ripstop_model::{ConnectionKey, ConnectionLimit, MostConnections};

use super::*;

/// One open connection of each identity to `web`.
fn one_of_each() -> Change {
    let limit = ConnectionLimit {
        id: RuleId("TrafficPolicy/ns/web/1/spec.connectionLimits[0]".into()),
        key: ConnectionKey::Identity,
        most: MostConnections::Open(1),
        dry_run: false,
    };
    let policy = TrafficPolicy {
        id: RuleId("TrafficPolicy/ns/web/1".into()),
        namespace: "ns".into(),
        name: "web".into(),
        targets: vec![TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: None }],
        rate_limits: Vec::new(),
        balancing: None,
        retry_budget: None,
        session_affinity: None,
        global_rate_limits: Vec::new(),
        connection_rates: Vec::new(),
        connection_limits: vec![Arc::new(limit)],
        health_checks: None,
        adaptive_concurrency: None,
        hedging: None,
        created: 1,
    };
    Change::TrafficObject(TrafficChange::Policy(("ns".into(), "web".into()), Some(Arc::new(policy))))
}

async fn is_answered(world: &World, stream: &mut TunnelStream) {
    let (head, _served) = tokio::join!(world.ask(stream, "GET"), world.answers());
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    stream.read_exact(&mut [0; 2]).await.unwrap();
}

#[test]
fn no_name_of_the_same_workload_is_a_way_around_a_limit() {
    run(async {
        let world = World::new().await;
        has_sibling(&world, AppProtocol::Http11);
        has_alias(&world);
        let own = names_it(&world);
        world.worker.change(one_of_each());
        let names = [format!("{SIBLING}:80"), format!("{ALIAS}:80"), own, "240.240.0.7:80".to_owned()];
        for first in &names {
            let mut stream = world.open(first).await.unwrap();
            // It is one connection, however many requests come by it.
            is_answered(&world, &mut stream).await;
            is_answered(&world, &mut stream).await;
            for second in &names {
                let mut another = world.open(second).await.unwrap();
                another.write_all(b"GET / HTTP/1.1\r\nhost: web\r\n\r\n").await.unwrap();
                // By the name that has the limit, it is known before there are requests.
                let heard = timeout(LONG, another.read_u8()).await.expect("an end or an answer");
                assert_eq!(heard.ok(), (*second != names[3]).then_some(b'H'), "{first}, {second}");
            }
            drop(stream);
            // There is room again once the end was seen.
            let counts = || world.worker.context.shared.connection_limits.inspect()[0]["open"].clone();
            while counts() != 0 {
                tokio::task::yield_now().await;
            }
        }
        world.worker.requests.tells("GET / HTTP/1.1 503").await;
    });
}
