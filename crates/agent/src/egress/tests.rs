use std::os::fd::AsFd;

use ripstop_net::{FdChannel, scm::seqpacket_pair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// An egress whose broker connects everything to one listener, or refuses it.
async fn start(target: Option<SocketAddr>) -> SocketAddr {
    let (ours, theirs) = seqpacket_pair().unwrap();
    let (broker, line) = Broker::new(ours).unwrap();
    let other = FdChannel::new(theirs).unwrap();
    tokio::spawn(line.run());
    tokio::spawn(async move {
        while let Ok(Some(message)) = other.recv().await {
            let question: Value = serde_json::from_slice(&message.data).unwrap();
            let id = &question["id"];
            assert_eq!(question["connect"]["workload"], "unknown/127.0.0.1");
            if let Some(target) = target {
                let stream = TcpStream::connect(target).await.unwrap();
                let granted = serde_json::to_vec(&json!({"id": id, "ok": true})).unwrap();
                other.send(&granted, &[stream.as_fd()]).await.unwrap();
            } else {
                let refused = serde_json::to_vec(&json!({"id": id, "error": "not allowed"})).unwrap();
                other.send(&refused, &[]).await.unwrap();
            }
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, snapshots) = watch::channel(Arc::default());
    tokio::spawn(async move {
        let _sender = sender;
        serve(listener, broker, snapshots).await;
    });
    address
}

#[tokio::test]
async fn carries_both_ways_with_half_close() {
    let outside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let egress = start(Some(outside.local_addr().unwrap())).await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = outside.accept().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        stream.write_all(&all).await.unwrap();
        stream.write_all(b" and more after the client's end").await.unwrap();
    });
    let mut client = TcpStream::connect(egress).await.unwrap();
    let payload = vec![b'x'; 300_000];
    client.write_all(&payload).await.unwrap();
    client.shutdown().await.unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.unwrap();
    assert_eq!(back.len(), payload.len() + 32);
    server.await.unwrap();
}

#[tokio::test]
async fn what_the_broker_refuses_is_reset() {
    let egress = start(None).await;
    let mut client = TcpStream::connect(egress).await.unwrap();
    let error = client.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reset_passes_through() {
    let outside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let egress = start(Some(outside.local_addr().unwrap())).await;
    let mut client = TcpStream::connect(egress).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    let (mut stream, _) = outside.accept().await.unwrap();
    stream.read_exact(&mut [0; 5]).await.unwrap();
    reset_on_close(&stream).unwrap();
    drop(stream);
    let error = client.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn other_ports_of_the_gate_lead_nowhere() {
    for (called, course) in [
        (SocketAddr::V4(GATE), Course::Gate),
        (SocketAddr::new(GATE.ip().to_ipv6_mapped().into(), GATE.port()), Course::Gate),
        (SocketAddr::new((*GATE.ip()).into(), 80), Course::Nowhere),
        (SocketAddr::new(GATE.ip().to_ipv6_mapped().into(), 80), Course::Nowhere),
        ("192.0.2.1:80".parse().unwrap(), Course::Out),
        (SocketAddr::new("192.0.2.1".parse().unwrap(), GATE.port()), Course::Out),
    ] {
        assert_eq!(Course::of(called), course, "{called}");
    }
}
