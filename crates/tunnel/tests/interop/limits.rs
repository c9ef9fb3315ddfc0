//! Frames, streams and windows within what the peer allows; signs of life at any time.

use std::time::Duration;

use ripstop_tunnel::{PoolConfig, settings};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    frames::{
        ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS,
        MAX_FRAME_SIZE, OK, PING, RST_STREAM, Raw, SETTINGS,
    },
    peers::{Listener, raw},
};
use crate::{
    IncomingStream, TunnelPool,
    testing::{LONG, Mesh, Server, noise, round_trip},
};

const PONG: &[u8] = b"12345678";
const FRAME_SIZE_ERROR: u32 = 0x6;
const REFUSED_STREAM: u32 = 0x7;

#[tokio::test(flavor = "local")]
async fn frames_are_never_larger_than_the_peer_allows() {
    let mesh = Mesh::new();
    let sent = noise(3_000_000, 1);
    for (allowed, least) in [(16 * 1024, 16 * 1024), (1024 * 1024, 64 * 1024)] {
        let listener = Listener::new(&mesh).await;
        let client = listener.client(&mesh);
        let us = async {
            let mut stream = client.open().await.unwrap();
            stream.write_all(&sent).await.unwrap();
            stream.shutdown().await.unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        };
        let peer = async {
            let settings = [(MAX_FRAME_SIZE, allowed), (INITIAL_WINDOW_SIZE, 4 * 1024 * 1024)];
            let mut peer = listener.raw(&settings).await;
            peer.window(0, 16 * 1024 * 1024).await;
            peer.expect(HEADERS, 1).await;
            peer.send(HEADERS, END_HEADERS, 1, OK).await;
            let (mut heard, mut largest, mut ended) = (Vec::new(), 0, false);
            while !ended {
                let frame = peer.expect(DATA, 1).await;
                ended = frame.has(END_STREAM);
                largest = largest.max(frame.payload.len());
                heard.extend(frame.payload);
            }
            peer.send(DATA, END_STREAM, 1, &[]).await;
            (heard, largest)
        };
        let ((), (heard, largest)) = tokio::join!(us, peer);
        assert!(heard == sent, "changed on the way");
        assert!((least..=allowed as usize).contains(&largest), "frames of up to {largest}, allowed {allowed}");
    }
}

#[tokio::test(flavor = "local")]
async fn frames_up_to_what_we_allow_are_taken() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let mut peer = raw(&mesh, &server, &[(INITIAL_WINDOW_SIZE, 1024 * 1024)]).await;
    peer.window(0, 1024 * 1024).await;
    peer.connect(1, "10.0.0.9:80").await;
    let largest = noise(settings::MAX_FRAME as usize, 3);
    peer.send(DATA, 0, 1, &largest).await;
    assert!(peer.data(1, largest.len()).await == largest);
    peer.send(DATA, END_STREAM, 1, b"").await;
    peer.connect(3, "10.0.0.9:80").await;
    // Refused for its head, so that the rest need not be read.
    let _ = peer.try_send(DATA, 0, 3, &noise(settings::MAX_FRAME as usize + 1, 3)).await;
    let rest = peer.rest().await;
    let goaway = rest.iter().find(|frame| frame.kind == GOAWAY).unwrap();
    assert_eq!(goaway.code(), FRAME_SIZE_ERROR);
}

/// What `peer` has been sent when everything before a PING has arrived.
async fn sync<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(peer: &mut Raw<S>) -> Vec<u8> {
    peer.send(PING, 0, 0, PONG).await;
    let mut kinds = Vec::new();
    loop {
        let frame = peer.next().await.unwrap();
        if frame.kind == PING && frame.has(ACK) {
            assert_eq!(frame.payload, PONG);
            return kinds;
        }
        kinds.push(frame.kind);
    }
}

#[tokio::test(flavor = "local")]
async fn one_stream_at_a_time() {
    let mesh = Mesh::new();
    let listener = Listener::new(&mesh).await;
    let mut client = listener.client(&mesh);
    client.pool = TunnelPool::new(PoolConfig { max_tunnels: 1, ..PoolConfig::default() });
    let first = async {
        let stream = client.open().await.unwrap();
        let others = async {
            let opens = [client.open(), client.open(), client.open()].map(|open| async {
                let stream = open.await.unwrap();
                round_trip(stream, b"later").await.unwrap()
            });
            let [a, b, c] = opens;
            tokio::join!(a, b, c)
        };
        let (first, others) = tokio::join!(round_trip(stream, b"first"), others);
        assert_eq!(first.unwrap(), b"x");
        assert_eq!(others, (b"x".to_vec(), b"x".to_vec(), b"x".to_vec()));
    };
    let peer = async {
        let mut peer = listener.raw(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        for stream in [1, 3, 5, 7] {
            peer.expect(HEADERS, stream).await;
            peer.send(HEADERS, END_HEADERS, stream, OK).await;
            while !peer.expect(DATA, stream).await.has(END_STREAM) {}
            assert!(!sync(&mut peer).await.contains(&HEADERS), "more than one at a time");
            peer.send(DATA, END_STREAM, stream, b"x").await;
        }
    };
    timeout(LONG, Box::pin(async { tokio::join!(first, peer) })).await.unwrap();
    assert_eq!(client.dials.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// A peer may allow no streams for a while. Then others wait, open no tunnels in vain, and go on when they may.
#[tokio::test(flavor = "local")]
async fn no_streams_and_then_more() {
    let mesh = Mesh::new();
    let listener = Listener::new(&mesh).await;
    let client = listener.client(&mesh);
    let us = async {
        let held = client.open().await.unwrap();
        let opens = tokio::join!(client.open(), client.open());
        (held, opens.0.unwrap(), opens.1.unwrap())
    };
    let peer = async {
        let mut peer = listener.raw(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        peer.expect(HEADERS, 1).await;
        peer.settings(&[(MAX_CONCURRENT_STREAMS, 0)]).await;
        peer.expect(SETTINGS, 0).await;
        peer.send(HEADERS, END_HEADERS, 1, OK).await;
        for _ in 0..10 {
            assert!(!sync(&mut peer).await.contains(&HEADERS));
        }
        peer.settings(&[(MAX_CONCURRENT_STREAMS, 3)]).await;
        for stream in [3, 5] {
            peer.expect(HEADERS, stream).await;
            peer.send(HEADERS, END_HEADERS, stream, OK).await;
        }
        peer
    };
    let (streams, _peer) = timeout(Duration::from_secs(60), async { tokio::join!(us, peer) }).await.unwrap();
    assert_eq!(client.dials.load(std::sync::atomic::Ordering::Relaxed), 1);
    drop(streams);
}

/// The first CONNECT is sent before it is known that none is allowed. It is refused, and finds its place all the same.
#[tokio::test(flavor = "local")]
async fn no_streams_from_the_beginning() {
    let mesh = Mesh::new();
    let listener = Listener::new(&mesh).await;
    let client = listener.client(&mesh);
    let peer = async {
        let mut first = listener.raw(&[(MAX_CONCURRENT_STREAMS, 0)]).await;
        first.expect(HEADERS, 1).await;
        first.send(RST_STREAM, 0, 1, &REFUSED_STREAM.to_be_bytes()).await;
        let mut second = listener.raw(&[(MAX_CONCURRENT_STREAMS, 0)]).await;
        for _ in 0..10 {
            assert!(!sync(&mut second).await.contains(&HEADERS), "its limit is known by now");
        }
        second.settings(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        second.expect(HEADERS, 1).await;
        second.send(HEADERS, END_HEADERS, 1, OK).await;
        (first, second)
    };
    let (stream, _peers) = timeout(LONG, async { tokio::join!(client.open(), peer) }).await.unwrap();
    stream.unwrap();
    assert_eq!(client.dials.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "local")]
async fn windows_of_any_size() {
    let mesh = Mesh::new();
    let listener = Listener::new(&mesh).await;
    let client = listener.client(&mesh);
    let sent = noise(5_000, 9);
    let us = async {
        let mut stream = client.open().await.unwrap();
        stream.write_all(&sent).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    };
    let peer = async {
        let mut peer = listener.raw(&[(INITIAL_WINDOW_SIZE, 0)]).await;
        peer.expect(HEADERS, 1).await;
        peer.send(HEADERS, END_HEADERS, 1, OK).await;
        assert!(!sync(&mut peer).await.contains(&DATA));
        let mut heard = Vec::new();
        let mut take = async |peer: &mut Raw<_>, n: usize| {
            let data = peer.data(1, n).await;
            assert_eq!(data.len(), n, "the window is used up and no more");
            assert!(!sync(peer).await.contains(&DATA));
            heard.extend(data);
        };
        peer.settings(&[(INITIAL_WINDOW_SIZE, 10)]).await;
        take(&mut peer, 10).await;
        // The window is at -6 now.
        peer.settings(&[(INITIAL_WINDOW_SIZE, 4)]).await;
        assert!(!sync(&mut peer).await.contains(&DATA));
        peer.window(1, 6).await;
        assert!(!sync(&mut peer).await.contains(&DATA));
        for n in [1, 1, 2, 100, 1, 300] {
            peer.window(1, n).await;
            take(&mut peer, n as usize).await;
        }
        peer.settings(&[(INITIAL_WINDOW_SIZE, 65_535)]).await;
        let left = 5_000 - 10 - 405;
        heard.extend(peer.data(1, left).await);
        assert!(peer.expect(DATA, 1).await.has(END_STREAM));
        peer.send(DATA, END_STREAM, 1, &[]).await;
        heard
    };
    let ((), heard) = timeout(LONG, async { tokio::join!(us, peer) }).await.unwrap();
    assert!(heard == sent);
}

/// Streams wait for the connection's window and go on with it.
#[tokio::test(flavor = "local")]
async fn the_window_of_the_connection() {
    const DEFAULT: usize = 65_535;
    let mesh = Mesh::new();
    let listener = Listener::new(&mesh).await;
    let client = listener.client(&mesh);
    let us = async {
        let (mut first, mut second) = (client.open().await.unwrap(), client.open().await.unwrap());
        let bytes = noise(DEFAULT + 1_000, 5);
        let (a, b) = tokio::join!(first.write_all(&bytes), async {
            assert_eq!(first_byte(&mut second).await, b'!');
            second.write_all(b"second").await
        });
        a.and(b).unwrap();
        (first, second)
    };
    let peer = async {
        let mut peer = listener.raw(&[(INITIAL_WINDOW_SIZE, 1024 * 1024)]).await;
        for stream in [1, 3] {
            peer.expect(HEADERS, stream).await;
            peer.send(HEADERS, END_HEADERS, stream, OK).await;
        }
        assert_eq!(peer.data(1, DEFAULT).await.len(), DEFAULT);
        peer.send(DATA, 0, 3, b"!").await;
        assert!(!sync(&mut peer).await.contains(&DATA));
        peer.window(0, 1_006).await;
        let mut heard = [0, 0];
        while heard.iter().sum::<usize>() < 1_006 {
            let frame = peer.next().await.unwrap();
            if frame.kind == DATA {
                heard[frame.stream as usize / 2] += frame.payload.len();
            }
        }
        assert_eq!(heard, [1_000, 6]);
        peer
    };
    let _ = timeout(LONG, async { tokio::join!(us, peer) }).await.unwrap();
}

async fn first_byte(stream: &mut crate::TunnelStream) -> u8 {
    stream.read_u8().await.unwrap()
}

/// Nobody reads at either end of any stream, and everybody wants to say more: PINGs are answered all the same.
#[tokio::test(flavor = "local")]
async fn pings_are_answered_under_back_pressure() {
    let mesh = Mesh::new();
    let server = Server::start(mesh.server(), |incoming: IncomingStream| async move {
        let mut stream = incoming.accept(None).unwrap();
        let _ = stream.write_all(&noise(1_000_000, 1)).await;
    })
    .await;
    let mut peer = raw(&mesh, &server, &[]).await;
    let window = settings::STREAM_WINDOW as usize;
    for stream in (0..5).map(|i| 2 * i + 1) {
        peer.connect(stream, "10.0.0.9:80").await;
        for piece in noise(window, 2).chunks(16 * 1024) {
            peer.send(DATA, 0, stream, piece).await;
        }
    }
    // Until both sides' windows are used up.
    while !sync(&mut peer).await.is_empty() {}
    for _ in 0..5 {
        assert_eq!(sync(&mut peer).await, [] as [u8; 0]);
    }
}
