use std::sync::Arc;

use ripstop_model::{OutlierDetection, PortSettings, ServerProtocol};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::testing::{Edge, LONG, Leads, Played, forward, run};

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A field of HPACK that no table knows.
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// Waits for the head of the answer to stream 1.
async fn answered(client: &mut TcpStream) {
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.unwrap();
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        client.read_exact(&mut vec![0; length]).await.unwrap();
        if head[3] == 1 {
            return assert_eq!(head[8], 1);
        }
    }
}

/// Whoever does not know the protocol that it is asked to switch to may say so (RFC 9110 7.8), and is well.
#[test]
fn what_is_answered_instead_of_a_switch_ejects_nobody() {
    run(async {
        let server = Played::new().await;
        let outlier = OutlierDetection { consecutive_5xx: 1, max_ejection_percent: 100, ..OutlierDetection::default() };
        let settings = PortSettings { outlier: Some(Arc::new(outlier)), ..PortSettings::default() };
        let edge = Edge::new(ServerProtocol::Http, Leads::To(server.address()), settings, forward()).await;
        let request = [
            field(":method", "CONNECT"),
            field(":protocol", "websocket"),
            field(":scheme", "http"),
            field(":authority", "web.example"),
            field(":path", "/chat"),
            field("sec-websocket-version", "13"),
        ];
        let begun = [frame(4, 0, 0, &[]), frame(1, 4, 1, &request.concat())].concat();
        let mut client = edge.sent(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &begun[..]].concat()).await;
        let (mut far, head) = server.asked().await;
        assert!(head.to_lowercase().contains("\r\nupgrade: websocket\r\n"), "{head}");
        far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>").await.unwrap();
        timeout(LONG, answered(&mut client)).await.unwrap();
        edge.worker.requests.tells("CONNECT /chat HTTP/2 502 ").await;
        assert_eq!(edge.ejected(), Vec::<String>::new());
    });
}
