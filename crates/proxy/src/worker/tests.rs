use super::*;
use crate::testing::{Worker, run};

const SUPPLY: Supply = Supply::Own { control: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), gate: None };

/// The number of the worker that gets the next connection.
fn next(crew: &Crew) -> usize {
    let next = crew.least_loaded();
    crew.workers.load().iter().position(|worker| Arc::ptr_eq(&worker.load, &next.load)).unwrap()
}

#[test]
fn there_may_be_more_workers_and_less() {
    run(async {
        let worker = Worker::new([], |state| Backends::of_node(state, Arc::default())).await;
        let shared = &worker.context.shared;
        let crew = Crew::start(2, shared, &SUPPLY).unwrap();
        let load = |index: usize, load| crew.workers.load()[index].load.store(load, Relaxed);
        load(0, 3);
        load(1, 2);
        assert_eq!((next(&crew), crew.open()), (1, 5));
        // A new one has nothing to do.
        crew.resize(3, shared, &SUPPLY).unwrap();
        load(2, 1);
        assert_eq!((next(&crew), crew.open()), (2, 6));
        // What those that are too many have is theirs, and counts; they get nothing more.
        crew.resize(1, shared, &SUPPLY).unwrap();
        assert_eq!((next(&crew), crew.open()), (0, 6));
        // They are there again before there are further ones.
        crew.resize(2, shared, &SUPPLY).unwrap();
        assert_eq!(next(&crew), 1);
        assert_eq!(crew.workers.load().len(), 3);
        crew.resize(MOST + 1, shared, &SUPPLY).unwrap();
        assert_eq!(crew.workers.load().len(), MOST);
        shared.shutdown.cancel();
        crew.join();
        assert!(crew.threads.lock().unwrap().is_empty());
    });
}
