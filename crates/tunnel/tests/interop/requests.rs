//! CONNECT in all its forms, and what HPACK may make of it.

use http::HeaderValue;
use ripstop_h2::{
    Fields,
    hpack::{Decoded, Decoder},
};
use tokio::time::timeout;

use super::{
    frames::{
        CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADER_TABLE_SIZE, HEADERS, RST_STREAM, Raw, connect, field,
        string,
    },
    peers::{Listener, raw, telling},
};
use crate::{
    ConnectRequest,
    testing::{LONG, Mesh},
};

const NO_ERROR: u32 = 0;
const COMPRESSION_ERROR: u32 = 0x9;

type Peer = Raw<tokio_rustls::client::TlsStream<tokio::net::TcpStream>>;

/// What the server said it understood.
async fn told(peer: &mut Peer, stream: u32) -> String {
    assert_eq!(peer.expect(HEADERS, stream).await.payload.first(), Some(&0x88), "status 200");
    let data = peer.expect(super::frames::DATA, stream).await;
    String::from_utf8(data.payload).unwrap()
}

/// A field that is in one of the tables.
fn indexed(index: u8) -> u8 {
    0x80 | index
}

#[tokio::test(flavor = "local")]
async fn references_to_the_dynamic_table() {
    let mesh = Mesh::new();
    let server = telling(&mesh).await;
    let mut peer = raw(&mesh, &server, &[]).await;
    let expected = "10.0.0.9:80 Some(\"service.name=a\")";

    // All three are added to the table, the last one as 62.
    let mut block = vec![0x42];
    string(&mut block, "CONNECT");
    block.push(0x41);
    string(&mut block, "10.0.0.9:80");
    block.push(0x40);
    string(&mut block, "baggage");
    string(&mut block, "service.name=a");
    peer.send(HEADERS, END_HEADERS, 1, &block).await;
    assert_eq!(told(&mut peer, 1).await, expected);
    for stream in [3, 5] {
        peer.send(HEADERS, END_HEADERS, stream, &[indexed(64), indexed(63), indexed(62)]).await;
        assert_eq!(told(&mut peer, stream).await, expected);
    }

    // A name from the table with another value; in two frames, cut within the value.
    let mut block = vec![indexed(64), indexed(63), 0x0f, 62 - 15];
    string(&mut block, "service.name=b");
    let (first, second) = block.split_at(block.len() - 5);
    peer.send(HEADERS, 0, 7, first).await;
    peer.send(CONTINUATION, END_HEADERS, 7, second).await;
    assert_eq!(told(&mut peer, 7).await, "10.0.0.9:80 Some(\"service.name=b\")");

    // The table is emptied, and used again.
    let mut block = vec![0x20, 0x3f, 0xe1, 0x1f];
    block.extend(connect("10.0.0.9:80"));
    block.push(0x40);
    string(&mut block, "baggage");
    string(&mut block, "service.name=c");
    peer.send(HEADERS, END_HEADERS, 9, &block).await;
    assert_eq!(told(&mut peer, 9).await, "10.0.0.9:80 Some(\"service.name=c\")");
    let mut block = connect("10.0.0.9:80");
    block.push(indexed(62));
    peer.send(HEADERS, END_HEADERS, 11, &block).await;
    assert_eq!(told(&mut peer, 11).await, "10.0.0.9:80 Some(\"service.name=c\")");

    // There is no 63 any more.
    block.push(indexed(63));
    peer.send(HEADERS, END_HEADERS, 13, &block).await;
    let rest = peer.rest().await;
    assert_eq!(rest.iter().find(|frame| frame.kind == GOAWAY).unwrap().code(), COMPRESSION_ERROR);
}

/// A CONNECT with unknown headers whose list has exactly `size` bytes as RFC 9113 6.5.2 counts.
fn large(size: usize) -> Vec<u8> {
    let authority = "10.0.0.9:80";
    let mut block = connect(authority);
    let mut left = size - (":method".len() + "CONNECT".len() + 32) - (":authority".len() + authority.len() + 32);
    let name = "x-unknown";
    while left > 0 {
        let own = name.len() + 32;
        let value = if left < 2_000 { left - own } else { 1_000 };
        field(&mut block, name, &"v".repeat(value));
        left -= own + value;
    }
    block
}

async fn send_block(peer: &mut Peer, stream: u32, block: &[u8]) {
    let mut pieces = block.chunks(16 * 1024).peekable();
    let mut kind = HEADERS;
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        peer.send(kind, flags, stream, piece).await;
        kind = CONTINUATION;
    }
}

#[tokio::test(flavor = "local")]
async fn header_lists_up_to_64_kib() {
    let mesh = Mesh::new();
    let server = telling(&mesh).await;
    let mut peer = raw(&mesh, &server, &[]).await;
    send_block(&mut peer, 1, &large(64 * 1024)).await;
    assert_eq!(told(&mut peer, 1).await, "10.0.0.9:80 None");
    send_block(&mut peer, 3, &large(64 * 1024 + 1)).await;
    let answer = peer.expect(HEADERS, 3).await;
    let mut fields = Fields::new();
    Decoder::new(4096).decode(&answer.payload, &mut fields, 1_000, 1_000).unwrap();
    assert_eq!((fields.get(b":status"), answer.flags & END_STREAM), (Some(&b"431"[..]), END_STREAM));
    assert_eq!(peer.expect(RST_STREAM, 3).await.code(), NO_ERROR);
    // It has cost the stream, not the tunnel.
    peer.connect(5, "10.0.0.9:80").await;
    assert_eq!(told(&mut peer, 5).await, "10.0.0.9:80 None");
}

#[tokio::test(flavor = "local")]
async fn authorities_of_all_forms() {
    let mesh = Mesh::new();
    let server = telling(&mesh).await;
    let mut peer = raw(&mesh, &server, &[]).await;
    let forms = [
        ("10.0.0.9:80", "10.0.0.9:80"),
        ("[fd00::1]:8080", "[fd00::1]:8080"),
        ("[FD00:0:0::1]:8080", "[fd00::1]:8080"),
        ("[::ffff:10.0.0.9]:80", "10.0.0.9:80"),
        ("[::ffff:a00:9]:80", "10.0.0.9:80"),
        ("Reviews.bookinfo.svc.cluster.local:9080", "reviews.bookinfo.svc.cluster.local:9080"),
    ];
    for (stream, (sent, understood)) in (1..).step_by(2).zip(forms) {
        peer.connect(stream, sent).await;
        assert_eq!(told(&mut peer, stream).await, format!("{understood} None"));
    }
}

/// What we send is understood by the library, whatever table it allows; nothing but pseudo-headers and what is asked
/// for goes along.
#[tokio::test(flavor = "local")]
async fn our_requests_at_the_library() {
    let mesh = Mesh::new();
    let authorities = ["10.0.0.9:80", "[fd00::1]:8080", "reviews.bookinfo.svc.cluster.local:9080", "10.0.0.9:80"];
    for table in [0, 64, 4096, 65_536] {
        let listener = Listener::new(&mesh).await;
        let client = listener.client(&mesh);
        let us = async {
            let mut open = Vec::new();
            for authority in authorities {
                let request = ConnectRequest {
                    authority: authority.parse().unwrap(),
                    baggage: Some(HeaderValue::from_static("service.name=a")),
                    forwarded: Some(HeaderValue::from_static("for=\"10.0.0.1:1\"")),
                    traceparent: Some(HeaderValue::from_static("00-1-2-00")),
                    forwarded_network: Some(HeaderValue::from_static("n1")),
                };
                let stream = client.request(&request).await.unwrap();
                assert_eq!(stream.baggage(), Some("k8s.namespace.name=b"));
                open.push(stream);
            }
        };
        let peer = async {
            let mut builder = h2::server::Builder::new();
            builder.header_table_size(table);
            let mut connection: h2::server::Connection<_, bytes::Bytes> =
                builder.handshake(listener.tls().await).await.unwrap();
            let mut answered = Vec::new();
            while let Some(request) = connection.accept().await {
                let (request, mut respond) = request.unwrap();
                let said: Vec<_> = request.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
                let expected = [
                    ("baggage", "service.name=a"),
                    ("forwarded", "for=\"10.0.0.1:1\""),
                    ("traceparent", "00-1-2-00"),
                    ("x-forwarded-network", "n1"),
                ];
                assert_eq!(said, expected.map(|(name, value)| format!("{name}: {value:?}")));
                let (uri, index) = (request.uri(), answered.len());
                assert_eq!(request.method(), http::Method::CONNECT);
                assert_eq!(uri.authority().map(http::uri::Authority::as_str), Some(authorities[index]));
                assert_eq!((uri.scheme(), uri.path_and_query()), (None, None));
                let answer = http::Response::builder().header("baggage", "k8s.namespace.name=b").body(()).unwrap();
                answered.push(respond.send_response(answer, false).unwrap());
            }
        };
        tokio::select! {
            () = us => {}
            () = peer => panic!("the peer has ended"),
        }
    }
}

/// From the moment that the peer's table of size 0 is known, nothing refers to one.
#[tokio::test(flavor = "local")]
async fn without_a_dynamic_table() {
    let mesh = Mesh::new();
    let listener = Listener::new(&mesh).await;
    let client = listener.client(&mesh);
    let mut request = ConnectRequest::new("10.0.0.9:80".parse().unwrap());
    request.baggage = Some(HeaderValue::from_static("service.name=a"));
    let us = async {
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(client.request(&request).await.unwrap());
        }
        open
    };
    let peer = async {
        let mut peer = listener.raw(&[(HEADER_TABLE_SIZE, 0)]).await;
        let mut blocks = Vec::new();
        for stream in [1, 3, 5] {
            blocks.push(peer.expect(HEADERS, stream).await.payload);
            peer.send(HEADERS, END_HEADERS, stream, super::frames::OK).await;
        }
        (blocks, peer)
    };
    let (_open, (blocks, _peer)) = timeout(LONG, async { tokio::join!(us, peer) }).await.unwrap();
    assert_eq!(blocks[1].first(), Some(&0x20), "the new size is said first");
    assert_eq!(blocks[2], blocks[1][1..], "and no block depends on another");
    let mut fields = Fields::new();
    let decoded = Decoder::new(0).decode(&blocks[2], &mut fields, usize::MAX, usize::MAX).unwrap();
    assert_eq!((decoded, fields.get(b":authority")), (Decoded::Whole, Some(&b"10.0.0.9:80"[..])));
    assert_eq!(fields.get(b"baggage"), Some(&b"service.name=a"[..]));
}
