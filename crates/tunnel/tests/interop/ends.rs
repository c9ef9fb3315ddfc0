//! How streams and tunnels end.

use std::{cell::RefCell, io, rc::Rc, sync::atomic::Ordering};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    frames::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, OK, RST_STREAM},
    peers::{Listener, raw},
};
use crate::{
    IncomingStream, TunnelStream,
    testing::{LONG, Mesh, Server, noise, until},
};

const NO_ERROR: u32 = 0x0;
const INTERNAL_ERROR: u32 = 0x2;
const STREAM_CLOSED: u32 = 0x5;
const CANCEL: u32 = 0x8;
const CONNECT_ERROR: u32 = 0xa;

async fn to_end(stream: &mut TunnelStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.map(|_| all)
}

/// Streams up to GOAWAY's last id finish; others, and new ones, go to another tunnel.
#[tokio::test(flavor = "local")]
async fn goaway_keeps_what_the_peer_has_looked_at() {
    let mesh = Mesh::new();
    let listener = Listener::new(&mesh).await;
    let client = listener.client(&mesh);
    let us = async {
        let (mut one, mut three) = (client.open().await.unwrap(), client.open().await.unwrap());
        // Opened as stream 5 at first.
        let mut elsewhere = client.open().await.unwrap();
        let mut after = client.open().await.unwrap();
        assert_eq!(client.pool.tunnels(), 1);
        for (stream, text) in [(&mut one, "1"), (&mut three, "3"), (&mut elsewhere, "new 1"), (&mut after, "new 3")] {
            stream.write_all(text.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            assert_eq!(to_end(stream).await.unwrap(), b"end");
        }
    };
    let peer = async {
        let mut old = listener.raw(&[]).await;
        for stream in [1, 3] {
            old.expect(HEADERS, stream).await;
            old.send(HEADERS, END_HEADERS, stream, OK).await;
        }
        old.expect(HEADERS, 5).await;
        // Twice, as a server in good order does.
        old.go_away(0x7fff_ffff, NO_ERROR).await;
        old.go_away(3, NO_ERROR).await;
        let mut new = listener.raw(&[]).await;
        for stream in [1, 3] {
            new.expect(HEADERS, stream).await;
            new.send(HEADERS, END_HEADERS, stream, OK).await;
        }
        for (stream, text) in [(1, b"1"), (3, b"3")] {
            assert_eq!(old.data(stream, 1).await, text);
            old.send(DATA, END_STREAM, stream, b"end").await;
        }
        for stream in [1, 3] {
            assert_eq!(new.data(stream, 5).await, format!("new {stream}").as_bytes());
            new.send(DATA, END_STREAM, stream, b"end").await;
        }
        // With its last stream the old tunnel ends, in good order.
        let rest = old.rest().await;
        assert_eq!(rest.last().map(|frame| (frame.kind, frame.code())), Some((GOAWAY, NO_ERROR)));
        new
    };
    let ((), _new) = timeout(LONG, async { tokio::join!(us, peer) }).await.unwrap();
    assert_eq!((client.dials.load(Ordering::Relaxed), client.pool.tunnels()), (2, 1));
}

/// A stream that was looked at may have had effects: it is not tried again.
#[tokio::test(flavor = "local")]
async fn goaway_after_a_stream_was_looked_at() {
    let mesh = Mesh::new();
    let listener = Listener::new(&mesh).await;
    let client = listener.client(&mesh);
    let peer = async {
        let mut peer = listener.raw(&[]).await;
        peer.expect(HEADERS, 1).await;
        peer.go_away(1, NO_ERROR).await;
        peer.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        peer
    };
    let (opened, _peer) = timeout(LONG, async { tokio::join!(client.open(), peer) }).await.unwrap();
    let error = opened.unwrap_err();
    assert!(matches!(error, crate::TunnelError::Reset { .. }), "{error}");
    assert_eq!(client.dials.load(Ordering::Relaxed), 1);
}

/// Ours says which streams it still looks at: those that come after are refused without a word, those before go on.
#[tokio::test(flavor = "local")]
async fn our_goaway() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let mut peer = raw(&mesh, &server, &[]).await;
    peer.connect(1, "10.0.0.9:80").await;
    peer.expect(HEADERS, 1).await;
    server.drain.cancel();
    let first = loop {
        let frame = peer.next().await.unwrap();
        if frame.kind == GOAWAY {
            break frame;
        }
    };
    assert_eq!((first.payload[..4].to_vec(), first.code()), (vec![0x7f, 0xff, 0xff, 0xff], NO_ERROR));
    // `next` answers the PING that comes behind it; then the last id is final.
    let second = loop {
        let frame = peer.next().await.unwrap();
        if frame.kind == GOAWAY {
            break frame;
        }
    };
    assert_eq!((second.payload[..4].to_vec(), second.code()), (vec![0, 0, 0, 1], NO_ERROR));
    peer.connect(3, "10.0.0.9:80").await;
    peer.send(DATA, END_STREAM, 1, b"still here").await;
    assert_eq!(peer.data(1, 10).await, b"still here");
    let rest = peer.rest().await;
    assert!(rest.iter().all(|frame| frame.stream != 3), "{rest:?}");
}

/// What the peer has not yet received of the last stream outlives the tunnel, though the peer goes on talking to it.
#[tokio::test(flavor = "local")]
async fn the_last_words_arrive() {
    const SIZE: usize = 2_000_000;
    let mesh = Mesh::new();
    let server = Server::start(mesh.server(), |incoming: IncomingStream| async move {
        let mut stream = incoming.accept(None).unwrap();
        to_end(&mut stream).await.unwrap();
        stream.write_all(&noise(SIZE, 6)).await.unwrap();
        stream.shutdown().await.unwrap();
    })
    .await;
    let large = 16 * 1024 * 1024;
    let mut peer = raw(&mesh, &server, &[(INITIAL_WINDOW_SIZE, large)]).await;
    peer.window(0, large).await;
    peer.connect(1, "10.0.0.9:80").await;
    peer.expect(HEADERS, 1).await;
    server.drain.cancel();
    let mut goaways = 0;
    while goaways < 2 {
        goaways += usize::from(peer.next().await.unwrap().kind == GOAWAY);
    }
    peer.send(DATA, END_STREAM, 1, b"").await;
    let (mut heard, mut ended) = (Vec::new(), false);
    while !ended {
        // Far more is on its way than the tunnel holds back, so that the last of these find it over.
        peer.window(0, 2_000).await;
        let frame = peer.expect(DATA, 1).await;
        ended = frame.has(END_STREAM);
        heard.extend(frame.payload);
    }
    assert!(heard == noise(SIZE, 6));
    assert_eq!(peer.next().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

/// Either side ends first and goes on listening.
#[tokio::test(flavor = "local")]
async fn half_closed_streams() {
    let mesh = Mesh::new();
    let listener = Listener::new(&mesh).await;
    let client = listener.client(&mesh);
    let us = async {
        let mut stream = client.open().await.unwrap();
        assert_eq!(to_end(&mut stream).await.unwrap(), b"the peer was first");
        stream.write_all(b"and we").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut stream = client.open().await.unwrap();
        stream.write_all(b"we were first").await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(to_end(&mut stream).await.unwrap(), b"and the peer");
        assert_eq!(client.pool.streams(), 0);
    };
    let peer = async {
        let mut peer = listener.raw(&[]).await;
        peer.expect(HEADERS, 1).await;
        peer.send(HEADERS, END_HEADERS, 1, OK).await;
        peer.send(DATA, END_STREAM, 1, b"the peer was first").await;
        assert_eq!(peer.data(1, 6).await, b"and we");
        assert!(peer.expect(DATA, 1).await.has(END_STREAM));
        peer.expect(HEADERS, 3).await;
        peer.send(HEADERS, END_HEADERS, 3, OK).await;
        assert_eq!(peer.data(3, 13).await, b"we were first");
        assert!(peer.expect(DATA, 3).await.has(END_STREAM));
        peer.send(DATA, END_STREAM, 3, b"and the peer").await;
        peer
    };
    let _ = timeout(LONG, async { tokio::join!(us, peer) }).await.unwrap();

    let heard = Rc::new(RefCell::new(Vec::new()));
    let hears = heard.clone();
    let server = Server::start(mesh.server(), move |incoming: IncomingStream| {
        let hears = hears.clone();
        async move {
            let mut stream = incoming.accept(None).unwrap();
            stream.write_all(b"before").await.unwrap();
            stream.shutdown().await.unwrap();
            let rest = to_end(&mut stream).await.unwrap();
            hears.borrow_mut().push(rest);
        }
    })
    .await;
    let mut peer = raw(&mesh, &server, &[]).await;
    peer.connect(1, "10.0.0.9:80").await;
    assert_eq!(peer.data(1, 6).await, b"before");
    assert!(peer.expect(DATA, 1).await.has(END_STREAM));
    peer.send(DATA, END_STREAM, 1, b"after").await;
    until(|| !heard.borrow().is_empty()).await;
    assert_eq!(*heard.borrow(), [b"after"]);
}

/// RST_STREAM with NO_ERROR or CANCEL reads as the end behind all that came before it; others are errors, behind it, too.
#[tokio::test(flavor = "local")]
async fn resets_at_the_client() {
    let mesh = Mesh::new();
    let in_order = [NO_ERROR, CANCEL];
    for code in [NO_ERROR, CANCEL, INTERNAL_ERROR, STREAM_CLOSED, CONNECT_ERROR] {
        let listener = Listener::new(&mesh).await;
        let client = listener.client(&mesh);
        let us = async {
            let mut stream = client.open().await.unwrap();
            // Until the reset is there, what it comes behind is not read.
            let gone = async {
                while stream.write(&[0; 1000]).await.is_ok() {
                    tokio::task::yield_now().await;
                }
            };
            gone.await;
            let mut text = [0; 6];
            stream.read_exact(&mut text).await.unwrap();
            assert_eq!(&text, b"before");
            match stream.read(&mut text).await {
                Ok(n) => assert!(n == 0 && in_order.contains(&code), "{n} bytes after code {code}"),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
                    assert!(!in_order.contains(&code), "code {code}: {error}");
                }
            }
            assert_eq!(stream.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(stream.shutdown().await.is_ok(), in_order.contains(&code));
        };
        let peer = async {
            let mut peer = listener.raw(&[]).await;
            peer.expect(HEADERS, 1).await;
            peer.send(HEADERS, END_HEADERS, 1, OK).await;
            peer.send(DATA, 0, 1, b"before").await;
            peer.send(RST_STREAM, 0, 1, &code.to_be_bytes()).await;
            peer
        };
        let ((), _peer) = timeout(LONG, async { tokio::join!(us, peer) }).await.unwrap();
        assert_eq!((client.pool.tunnels(), client.pool.streams()), (1, 0), "it cost the stream only");
    }
}

/// What we say: END_STREAM for an end, CANCEL for giving up, NO_ERROR from a server that was done, CONNECT_ERROR for a
/// TCP reset.
#[tokio::test(flavor = "local")]
async fn our_resets() {
    let mesh = Mesh::new();
    let listener = Listener::new(&mesh).await;
    let client = listener.client(&mesh);
    let us = async {
        drop(client.open().await.unwrap());
        client.open().await.unwrap().abort();
    };
    let peer = async {
        let mut peer = listener.raw(&[]).await;
        for (stream, code) in [(1, CANCEL), (3, CONNECT_ERROR)] {
            peer.expect(HEADERS, stream).await;
            peer.send(HEADERS, END_HEADERS, stream, OK).await;
            let reset = peer.next().await;
            let mut reset = reset.unwrap();
            while reset.kind != RST_STREAM {
                reset = peer.next().await.unwrap();
            }
            assert_eq!((reset.stream, reset.code()), (stream, code));
        }
        peer
    };
    let ((), _peer) = timeout(LONG, async { tokio::join!(us, peer) }).await.unwrap();

    let server = Server::start(mesh.server(), |incoming: IncomingStream| async move {
        let port = incoming.authority().port();
        if port == 1 {
            return;
        }
        let mut stream = incoming.accept(None).unwrap();
        match port {
            2 => {}
            3 => stream.shutdown().await.unwrap(),
            _ => stream.abort(),
        }
    })
    .await;
    let mut peer = raw(&mesh, &server, &[]).await;
    for (port, code) in [(1, CANCEL), (2, CANCEL), (3, NO_ERROR), (4, CONNECT_ERROR)] {
        let stream = 2 * port - 1;
        peer.connect(stream, &format!("10.0.0.9:{port}")).await;
        let mut reset = peer.next().await.unwrap();
        while reset.kind != RST_STREAM {
            reset = peer.next().await.unwrap();
        }
        assert_eq!((reset.stream, reset.code()), (stream, code), "port {port}");
    }
}

/// A tunnel that is cut is an error for all its streams, even for one that has nothing more to say.
#[tokio::test(flavor = "local")]
async fn a_cut_is_no_end() {
    let mesh = Mesh::new();
    let listener = Listener::new(&mesh).await;
    let client = listener.client(&mesh);
    let us = async {
        let mut streams = [client.open().await.unwrap(), client.open().await.unwrap()];
        streams[1].shutdown().await.unwrap();
        for stream in &mut streams {
            let error = to_end(stream).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
        }
    };
    let peer = async {
        let mut peer = listener.raw(&[]).await;
        for stream in [1, 3] {
            peer.expect(HEADERS, stream).await;
            peer.send(HEADERS, END_HEADERS, stream, OK).await;
            peer.send(DATA, 0, stream, b"part").await;
        }
        assert!(peer.expect(DATA, 3).await.has(END_STREAM));
        drop(peer);
    };
    timeout(LONG, async { tokio::join!(us, peer) }).await.unwrap();
    until(|| client.pool.tunnels() == 0).await;
}
