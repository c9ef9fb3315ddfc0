//! Waypoints and nodes do not know of a change at the same moment.

use tokio::task::yield_now;

use super::*;

#[test]
fn what_has_gone_to_its_endpoints_by_itself_finishes_what_it_is_about() {
    run(async {
        let world = World::new().await;
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let asked = async {
            let (mut server, _head) = world.server.asked().await;
            world.worker.change(Change::Service(Arc::new(web(None))));
            server.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            server
        };
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), asked);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut body = [0; 2];
        stream.read_exact(&mut body).await.unwrap();
        // So does its connection: nodes lead theirs another way by themselves, and nothing is cut short before.
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(world.refused("240.240.0.7:80").await, 400);
    });
}

/// A node may know of a waypoint before the waypoint knows of what it serves.
#[test]
fn who_comes_a_little_early_is_waited_for() {
    run(async {
        let world = World::new().await;
        let front = service("waypoint");
        world.worker.change(Change::Service(Arc::new(web(None))));
        let crossings = &world.worker.context.shared.crossings;
        let waits = || crossings.waiting.take(&world.key.source, 1).is_none();
        let learns = async {
            while !waits() {
                yield_now().await;
            }
            // Something else comes first, and has been seen once nobody else may wait and is told so.
            world.worker.change(Change::Workload(Arc::new(workload("newcomer", 99))));
            let others: Vec<_> = (1..WAITING).map_while(|_| crossings.all_waiting.take(&(), WAITING)).collect();
            assert_eq!((world.refused("240.240.0.8:80").await, others.len()), (400, WAITING - 1));
            assert!(waits(), "it gave up");
            world.worker.change(Change::Service(Arc::new(web(Some(&front)))));
        };
        let (opened, ()) = tokio::join!(world.open("240.240.0.7:80"), learns);
        let mut stream = opened.unwrap();
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    });
}

/// Nor does it know of its end at the same moment. What is served so long is judged as before.
#[test]
fn what_was_served_until_lately_is_served_and_judged_as_before() {
    run(async {
        let world = World::new().await;
        let follow = || {
            let Shared { snapshot, crossings, .. } = &*world.worker.context.shared;
            let program = snapshot.load();
            crossings.lately.follow(world.workload.in_snapshot(&program).unwrap(), &program);
        };
        follow();
        world.worker.change(Change::Service(Arc::new(web(None))));
        follow();
        for authority in ["240.240.0.7:80", "web.ns.svc.cluster.local:80"] {
            let mut stream = world.open(authority).await.unwrap();
            let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
            assert!(head.starts_with("HTTP/1.1 200 "), "{authority}: {head}");
        }
        let mut stream = world.open("240.240.0.7:3306").await.unwrap();
        let mut server = world.server.accept().await;
        server.write_all(b"pong").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        world.worker.change(attached(Action::Deny, Rule::default()));
        let ended = timeout(LONG, stream.read_u8()).await.expect("it ends");
        assert!(ended.is_err(), "{ended:?}");
        assert_eq!(world.refused("240.240.0.7:3306").await, 401);
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        assert!(world.ask(&mut stream, "GET").await.starts_with("HTTP/1.1 403 "));
        // Nor is anything left to whom the waypoint refuses.
        let mut refused = web(Some(&service("waypoint")));
        refused.waypoint.as_mut().unwrap().admission = Admission::Refused;
        world.worker.change(Change::Service(Arc::new(refused)));
        follow();
        assert_eq!(world.refused("240.240.0.7:80").await, 400);
        // What is gone altogether is nobody's.
        world.worker.change(Change::ServiceGone(web(None).key));
        follow();
        assert_eq!(world.refused("240.240.0.7:80").await, 400);
    });
}
