//! Calls of a workload's own address.

use super::{
    limits::{takes_two, two_of_each},
    *,
};

#[test]
fn requests_to_its_address_are_judged_by_policies_of_the_waypoint() {
    run(async {
        let world = World::new().await;
        let address = world.server.address().to_string();
        assert_eq!(world.refused(&address).await, 400, "it names no waypoint yet");
        assert_eq!(names_it(&world), address);
        // What is attached to a service is for calls of that.
        world.worker.change(caller_may_not("GET"));
        let mut stream = world.open(&address).await.unwrap();
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        stream.read_exact(&mut [0; 2]).await.unwrap();
        world.worker.change(attached_to(TargetKind::Gateway, "waypoint", Action::Deny, of_caller("GET")));
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        world.worker.requests.tells("GET / HTTP/1.1 403").await;
    });
}

#[test]
fn its_address_is_no_way_around_a_limit_of_a_service_behind_the_same_waypoint() {
    run(async {
        let world = World::new().await;
        let address = names_it(&world);
        world.worker.change(two_of_each(TrafficTargetKind::Service, "web"));
        takes_two(&world, &address).await;
        let mut stream = world.open("240.240.0.7:80").await.unwrap();
        let head = world.ask(&mut stream, "GET").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    });
}

/// As with services, what is open goes on, and nothing new comes.
#[test]
fn one_that_names_it_no_more_is_served_until_what_is_open_ends() {
    run(async {
        let world = World::new().await;
        let address = names_it(&world);
        let mut stream = world.open(&address).await.unwrap();
        let program = world.worker.context.shared.snapshot.load_full();
        let own = program.endpoints(&web(None).key).next().unwrap();
        let bare = Workload { waypoint: None, ..Workload::clone(own) };
        world.worker.change(Change::Workload(Arc::new(bare)));
        let (head, _served) = tokio::join!(world.ask(&mut stream, "GET"), world.answers());
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(world.refused(&address).await, 400);
    });
}

/// It is the workload that is called, not whoever has its address next.
#[test]
fn another_workload_at_its_address_gets_nothing_of_what_is_open() {
    run(async {
        let world = World::new().await;
        let address = names_it(&world);
        let mut stream = world.open(&address).await.unwrap();
        let program = world.worker.context.shared.snapshot.load_full();
        let own = program.endpoints(&web(None).key).next().unwrap();
        let heir = Workload { uid: WorkloadUid::new("another"), ..Workload::clone(own) };
        world.worker.change(Change::WorkloadGone(own.uid.clone()));
        world.worker.change(Change::Workload(Arc::new(heir)));
        let head = tokio::select! {
            head = world.ask(&mut stream, "GET") => head,
            _ = world.server.accept() => panic!("the other one was called"),
        };
        assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    });
}
