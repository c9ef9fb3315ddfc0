use std::sync::Mutex;

use tokio::{net::TcpListener, task::JoinSet};

use super::*;
use crate::server;

#[tokio::test]
async fn calls_are_answered_and_begin_and_end_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let serving = async {
        let mut open = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            open.spawn(server::calls::serve(stream));
        }
    };
    let events = Mutex::new(Vec::new());
    let tell = |event: &Event| {
        events.lock().unwrap().push(event.clone());
        Ok(())
    };
    let outcome = tokio::select! {
        outcome = run(2, 4, target, Duration::from_millis(100), tell) => outcome.unwrap(),
        () = serving => unreachable!("it serves for ever"),
    };
    assert_eq!((outcome.errors, outcome.first_error), (0, None));
    assert!(outcome.count > 0 && outcome.p50_ns > 0 && outcome.p50_ns <= outcome.p99_ns);
    assert_eq!(*events.lock().unwrap(), [Event::Begin, Event::End]);
}

#[tokio::test]
async fn who_is_not_there_is_told() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = run(1, 1, target, Duration::from_millis(100), |_| Ok(())).await.unwrap_err();
    assert!(format!("{error:#}").starts_with("calling: no connection to any target"), "{error:#}");
}
