use ripstop_model::ConnectionPool;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    select,
    time::{Instant, pause, resume},
};

use super::*;
use crate::testing::{Callee, LONG, head, run};

/// It takes the place of others, and its application hears nothing of it.
#[test]
fn who_says_nothing_at_first_is_sent_away() {
    run(async {
        let callee = Callee::new().await;
        let mut client = callee.sent("").await;
        pause();
        let came = Instant::now();
        select! {
            biased;
            read = client.read_u8() => assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset),
            accepted = callee.listener.accept() => panic!("the application got {accepted:?}"),
        }
        let lasted = came.elapsed();
        let near = Duration::from_secs(1);
        assert!(lasted + near > FIRST_BYTES && lasted < FIRST_BYTES + near, "{lasted:?}");
        resume();
        // Others are served.
        let mut client = callee.sent("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut application = callee.answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
        application.shutdown().await.unwrap();
    });
}

#[test]
fn what_is_no_http_lasts_as_long_as_the_listener_of_a_sidecar_lets_it() {
    run(async {
        let short = Some(Duration::from_millis(200));
        for pool in [
            ConnectionPool { idle_timeout: short, ..ConnectionPool::default() },
            ConnectionPool { max_connection_duration: short, ..ConnectionPool::default() },
        ] {
            let callee = Callee::looked_at(pool.clone()).await;
            let mut client = callee.sent("\u{1}\u{2} is no HTTP").await;
            let mut application = timeout(LONG, callee.listener.accept()).await.unwrap().unwrap().0;
            let mut heard = [0; 13];
            timeout(LONG, application.read_exact(&mut heard)).await.unwrap().unwrap();
            let ended = timeout(Duration::from_secs(30), client.read_u8()).await;
            assert!(ended.expect("it ends in time").is_err(), "{pool:?}");
        }
    });
}
