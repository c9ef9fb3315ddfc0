use std::os::fd::AsFd;

use ripstop_net::{FdChannel, scm::seqpacket_pair};
use serde_json::{Value, json};

use super::*;

/// A broker that grants sockets to a resolver on loopback, and counts them; without TCP it grants
/// UDP for everything.
async fn start(tcp: bool) -> (Upstream, UdpSocket, TcpListener, tokio::sync::mpsc::Receiver<()>) {
    let (ours, theirs) = seqpacket_pair().unwrap();
    let (broker, line) = Broker::new(ours).unwrap();
    let other = FdChannel::new(theirs).unwrap();
    let udp_resolver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tcp_resolver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (udp, stream) = (udp_resolver.local_addr().unwrap(), tcp_resolver.local_addr().unwrap());
    let (granted, grants) = tokio::sync::mpsc::channel(16);
    tokio::spawn(line.run());
    tokio::spawn(async move {
        while let Ok(Some(message)) = other.recv().await {
            let question: Value = serde_json::from_slice(&message.data).unwrap();
            let ok = serde_json::to_vec(&json!({"id": question["id"], "ok": true})).unwrap();
            granted.send(()).await.unwrap();
            if tcp && question["proto"] == "tcp" {
                let stream = TcpStream::connect(stream).await.unwrap();
                other.send(&ok, &[stream.as_fd()]).await.unwrap();
            } else {
                let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                socket.connect(udp).await.unwrap();
                other.send(&ok, &[socket.as_fd()]).await.unwrap();
            }
        }
    });
    (Upstream::new(broker), udp_resolver, tcp_resolver, grants)
}

#[tokio::test]
async fn udp_sockets_are_used_again_and_late_answers_skipped() {
    let (upstream, resolver, _, mut grants) = start(true).await;
    let server = tokio::spawn(async move {
        let mut buffer = [0; 512];
        for round in 0..3u8 {
            let (length, client) = resolver.recv_from(&mut buffer).await.unwrap();
            if round == 1 {
                resolver.send_to(b"??late", client).await.unwrap();
            }
            buffer[length] = b'!';
            resolver.send_to(&buffer[..=length], client).await.unwrap();
        }
    });
    for query in [&b"abQuestion"[..], b"cdQuestion", b"efQuestion"] {
        let reply = upstream.forward(query, Transport::Udp).await.unwrap();
        assert_eq!(reply, [query, b"!"].concat());
    }
    server.await.unwrap();
    grants.recv().await.unwrap();
    assert!(grants.try_recv().is_err(), "one grant for all three");
}

#[tokio::test]
async fn tcp_goes_over_tcp_where_it_can() {
    let (upstream, _, resolver, _grants) = start(true).await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = resolver.accept().await.unwrap();
        let mut query = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut query).await.unwrap();
        let reply = vec![7; 40_000];
        stream.write_u16(40_000).await.unwrap();
        stream.write_all(&reply).await.unwrap();
        query
    });
    assert_eq!(upstream.forward(b"abLong", Transport::Tcp).await.unwrap(), vec![7; 40_000]);
    assert_eq!(server.await.unwrap(), b"abLong");
}

#[tokio::test]
async fn tcp_falls_back_to_udp() {
    let (upstream, resolver, _, _grants) = start(false).await;
    let server = tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (length, client) = resolver.recv_from(&mut buffer).await.unwrap();
        resolver.send_to(&buffer[..length], client).await.unwrap();
    });
    assert_eq!(upstream.forward(b"abLong", Transport::Tcp).await.unwrap(), b"abLong");
    server.await.unwrap();
}

#[test]
fn only_addresses_that_the_world_can_reach() {
    for (address, reachable) in
        [("127.0.0.1", false), ("::1", false), ("fe80::1", false), ("10.244.1.1", true), ("fd00:10:244:1::1", true)]
    {
        assert_eq!(is_reachable(address.parse().unwrap()), reachable, "{address}");
    }
}
