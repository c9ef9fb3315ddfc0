//! Requests that are counted, by whatever name they get to where they have a limit.

use super::*;

/// Two requests of each identity to that.
pub(super) fn two_of_each(kind: TrafficTargetKind, name: &str) -> Change {
    let limit = RateLimit {
        id: RuleId("TrafficPolicy/ns/web/1/spec.rateLimits[0]".into()),
        allowance: Allowance {
            requests: RequestMatch::default(),
            key: LimitKey::Identity,
            count: 2,
            interval: Duration::from_secs(3600),
            burst: 2,
        },
        status: 429,
        tells: true,
        dry_run: false,
    };
    let policy = TrafficPolicy {
        id: RuleId("TrafficPolicy/ns/web/1".into()),
        namespace: "ns".into(),
        name: "web".into(),
        targets: vec![TrafficTarget { kind, name: name.into(), section: None }],
        rate_limits: vec![Arc::new(limit)],
        balancing: None,
        retry_budget: None,
        session_affinity: None,
        global_rate_limits: Vec::new(),
        connection_rates: Vec::new(),
        connection_limits: Vec::new(),
        health_checks: None,
        adaptive_concurrency: None,
        hedging: None,
        created: 1,
    };
    Change::TrafficObject(TrafficChange::Policy(("ns".into(), "web".into()), Some(Arc::new(policy))))
}

#[test]
fn requests_are_counted_for_whoever_calls_after_policies() {
    run(async {
        let world = World::new().await;
        world.worker.change(caller_may_not("DELETE"));
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        for left in ["1", "0"] {
            let refused = world.ask(&mut stream, "DELETE").await;
            assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
            let mut body = vec![0; body_length(&refused)];
            stream.read_exact(&mut body).await.unwrap();
            let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            let head = head.to_ascii_lowercase();
            assert!(head.contains(&format!("x-ratelimit-remaining: {left}\r\n")), "{head}");
            stream.read_exact(&mut [0; 2]).await.unwrap();
        }
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
        world.worker.requests.tells("GET / HTTP/1.1 429").await;
    });
}

/// As a host that is called, and as one that it leads to: it is the same.
#[test]
fn requests_to_a_declared_host_are_counted_once() {
    run(async {
        let world = World::new().await;
        let out = HostEntry {
            addresses: vec!["240.240.9.9/32".parse().unwrap()],
            waypoint: Some(behind(&service("waypoint").key)),
            ..entry("out.example", Resolution::Static, HTTP, Vec::new())
        };
        let name = out.object.clone();
        world.worker.change(Change::TrafficObject(TrafficChange::Entries(name, Some(Arc::new(vec![out])))));
        world.worker.change(two_of_each(TrafficTargetKind::Entry, "out.example"));
        let mut stream = world.open("240.240.9.9:80").await.unwrap();
        // Nobody is behind it.
        for _ in 0..2 {
            let head = world.ask(&mut stream, "GET").await;
            assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
            let mut body = vec![0; body_length(&head)];
            stream.read_exact(&mut body).await.unwrap();
        }
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    });
}

#[test]
fn what_can_not_be_read_is_no_way_around_a_limit() {
    run(async {
        let world = World::new().await;
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let line = format!("{} / HTTP/1.1\r\nhost: web\r\n\r\n", "A".repeat(40));
        stream.write_all(line.as_bytes()).await.unwrap();
        tokio::select! {
            read = timeout(LONG, stream.read_u8()) => assert!(read.expect("an end").is_err()),
            _ = world.server.accept() => panic!("it went on"),
        }
        world.worker.connections.tells("requests to port 80 have a limit").await;
    });
}

/// `other`, behind the same waypoint, whose endpoint is `server`; its host.
fn has_other(world: &World, server: &Played) -> Arc<str> {
    let other = Service {
        addresses: vec!["240.240.0.17".parse().unwrap()],
        waypoint: Some(behind(&service("waypoint").key)),
        ..service("other")
    };
    let mut instance = workload("other", 3);
    instance.addresses = vec![server.address().ip()];
    let leads = PortMapping { service_port: 80, target_port: server.address().port() };
    instance.services.push((other.key.clone(), vec![leads]));
    let host = other.key.hostname.clone();
    world.worker.change(Change::Service(Arc::new(other)));
    world.worker.change(Change::Workload(Arc::new(instance)));
    host
}

/// Two requests to that address are answered, and no third one.
pub(super) async fn takes_two(world: &World, authority: &str) {
    let mut stream = world.open(authority).await.unwrap();
    for _ in 0..2 {
        let served = timeout(LONG, world.answers());
        let (head, served) = tokio::join!(world.ask(&mut stream, "GET"), served);
        assert!(head.starts_with("HTTP/1.1 200 "), "{authority}: {head}");
        stream.read_exact(&mut [0; 2]).await.unwrap();
        drop(served);
    }
    let head = tokio::select! {
        head = world.ask(&mut stream, "GET") => head,
        _ = world.server.accept() => panic!("{authority}: it went on"),
    };
    assert!(head.starts_with("HTTP/1.1 429 "), "{authority}: {head}");
}

#[test]
fn another_service_of_the_same_workloads_is_no_way_around_a_limit() {
    run(async {
        let world = World::new().await;
        has_sibling(&world, AppProtocol::Http11);
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        takes_two(&world, &format!("{SIBLING}:80")).await;
        // It is one limit by either name.
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    });
}

#[test]
fn a_host_that_leads_to_the_same_workloads_is_no_way_around_a_limit() {
    run(async {
        let world = World::new().await;
        has_alias(&world);
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        takes_two(&world, &format!("{ALIAS}:80")).await;
    });
}

/// What is declared as something else, and carries requests to where they have a limit, is not passed on; nor is it once the
/// limit comes.
#[test]
fn a_port_of_other_bytes_that_leads_to_the_same_workloads_is_no_way_around_a_limit() {
    run(async {
        let world = World::new().await;
        has_sibling(&world, AppProtocol::Tcp);
        let authority = format!("{SIBLING}:80");
        let mut open = world.open(&authority).await.unwrap();
        let mut server = world.server.accept().await;
        server.write_all(b"pong").await.unwrap();
        open.read_exact(&mut [0; 4]).await.unwrap();
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        let ended = timeout(LONG, open.read_u8()).await.expect("it ends");
        assert!(ended.is_err(), "{ended:?}");
        tokio::select! {
            status = world.refused(&authority) => assert_eq!(status, 401),
            _ = world.server.accept() => panic!("it went on"),
        }
        world.worker.connections.tells("have a limit").await;
        // What nobody has said to be requests is read for as long as it takes.
        has_sibling(&world, AppProtocol::Unknown);
        takes_two(&world, &authority).await;
    });
}

/// What becomes of requests and connections to `web`.
fn ruled(rule: HttpRule) -> Change {
    let Change::TrafficObject(TrafficChange::Routes(name, Some(table))) = routes(Some(rule)) else { panic!("routes") };
    let table = RouteTable { gateways: vec![GatewayName::Mesh], ..RouteTable::clone(&table) };
    Change::TrafficObject(TrafficChange::Routes(name, Some(Arc::new(table))))
}

/// Endpoints take what comes by their waypoint for counted, so it counts wherever it leads.
#[test]
fn a_route_to_something_else_behind_the_waypoint_is_counted_for_that() {
    run(async {
        let world = World::new().await;
        let mut rule = forward();
        let HttpAction::Forward(backends) = &mut rule.action else { panic!("{rule:?}") };
        backends[0].backend.host = has_other(&world, &world.server);
        world.worker.change(ruled(rule));
        world.worker.change(two_of_each(TrafficTargetKind::Service, "other"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        for _ in 0..2 {
            let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            stream.read_exact(&mut [0; 2]).await.unwrap();
        }
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
        stream.read_exact(&mut vec![0; body_length(&head)]).await.unwrap();
        // What can't be counted does not go there either.
        let mut unread = world.open("240.240.0.7:80").await.unwrap();
        let line = format!("{} / HTTP/1.1\r\nhost: web\r\n\r\n", "A".repeat(40));
        unread.write_all(line.as_bytes()).await.unwrap();
        let ended = timeout(LONG, unread.read_u8()).await.expect("an end");
        assert!(ended.is_err(), "{ended:?}");
        world.worker.connections.tells("requests to port 80 have a limit").await;
    });
}

/// Nobody would count them there, either.
#[test]
fn copies_for_something_else_behind_the_waypoint_are_counted_for_that() {
    run(async {
        let world = World::new().await;
        let shadow = Played::new().await;
        let backend = BackendRef { host: has_other(&world, &shadow), subset: None, port: Some(80) };
        let mirror = Mirror { backend, share: ripstop_model::Share::ALL, path: "mirrors[0]".into() };
        world.worker.change(ruled(HttpRule { mirrors: vec![mirror], ..forward() }));
        world.worker.change(two_of_each(TrafficTargetKind::Service, "other"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let mut copies = Vec::new();
        for _ in 0..2 {
            let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            stream.read_exact(&mut [0; 2]).await.unwrap();
            copies.push(shadow.asked().await);
        }
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
        assert!(head.starts_with("HTTP/1.1 200 "), "nobody waits for a copy: {head}");
        let refused = |line: &str| line.contains("result=\"refused\"") && line.ends_with(" 1");
        let told = || world.worker.metrics().lines().any(refused);
        assert!(told(), "{}", world.worker.metrics());
    });
}

/// Each copy is one more request that endpoints get.
#[test]
fn copies_for_what_was_called_are_counted_beside_it() {
    run(async {
        let world = World::new().await;
        let backend = BackendRef { host: web(None).key.hostname.clone(), subset: None, port: Some(80) };
        let mirror = Mirror { backend, share: ripstop_model::Share::ALL, path: "mirrors[0]".into() };
        world.worker.change(ruled(HttpRule { mirrors: vec![mirror], ..forward() }));
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        stream.read_exact(&mut [0; 2]).await.unwrap();
        let _copy = world.answers().await;
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    });
}

/// A limit that comes later ends what can't be counted, as it does anywhere else.
#[test]
fn an_open_connection_that_can_not_be_read_ends_once_its_requests_have_a_limit() {
    run(async {
        let world = World::new().await;
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let line = format!("{} / HTTP/1.1\r\nhost: web\r\n\r\n", "A".repeat(40));
        stream.write_all(line.as_bytes()).await.unwrap();
        let mut server = world.server.accept().await;
        server.write_all(b"pong").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        // Elsewhere.
        world.worker.change(two_of_each(TrafficTargetKind::Service, "other"));
        server.write_all(b"pong").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        let ended = timeout(LONG, stream.read_u8()).await.expect("it ends");
        assert!(ended.is_err(), "{ended:?}");
        world.worker.connections.tells("requests to port 80 have a limit").await;
    });
}
