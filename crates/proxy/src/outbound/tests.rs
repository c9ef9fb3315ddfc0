use ripstop_model::AppProtocol;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::sleep,
};

use crate::{
    http::detect::SILENCE,
    testing::{Caller, Played, head, run},
};

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

/// A pool that was opened before it is needed, or a client that is busy: its requests are routed all the same.
#[test]
fn who_calls_a_port_of_http_may_be_late() {
    run(async {
        let server = Played::new().await;
        let caller = Caller::new(AppProtocol::Http11, &server).await;
        let mut client = caller.sent(b"").await;
        sleep(3 * SILENCE).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n").await.unwrap();
        let (mut far, asked) = server.asked().await;
        assert!(asked.contains("x-request-id: "), "nobody read it: {asked}");
        far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
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
