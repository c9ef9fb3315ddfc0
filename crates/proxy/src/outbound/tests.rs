use ripstop_model::AppProtocol;
use ripstop_telemetry::ResponseFlag;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::*;
use crate::testing::{Caller, Played, head, run};

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn a_connection_is_over_when_it_has_lasted_for_its_lifetime() {
    let error = timeout(LIMIT * 2, Lifetime::of(Some(LIMIT)).over()).await.unwrap();
    assert_eq!(error.flag(), ResponseFlag::DurationTimeout);
    assert!(error.to_string().contains("it was open for 5s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn it_is_not_over_before_and_without_one_it_never_is() {
    assert!(timeout(LIMIT / 2, Lifetime::of(Some(LIMIT)).over()).await.is_err());
    assert!(timeout(LIMIT * 1000, Lifetime::of(None).over()).await.is_err());
}

#[test]
fn a_connection_that_is_routed_keeps_no_configuration() {
    run(async {
        let server = Played::new().await;
        let caller = Caller::new(AppProtocol::Tcp, &server).await;
        let mut client = caller.sent(b"ping").await;
        let mut far = server.accept().await;
        let mut heard = [0; 4];
        far.read_exact(&mut heard).await.unwrap();
        caller.worker.forgets().await;
        far.write_all(b"pong").await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"pong");
    });
}

#[test]
fn requests_keep_no_configuration() {
    run(async {
        let server = Played::new().await;
        let caller = Caller::new(AppProtocol::Http11, &server).await;
        let mut client = caller.sent(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n").await;
        let (mut far, _) = server.asked().await;
        far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        // While it is answered, and between two of them.
        caller.worker.forgets().await;
        far.write_all(b"b").await.unwrap();
        let mut heard = [0; 2];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ab");
        caller.worker.forgets().await;
    });
}
