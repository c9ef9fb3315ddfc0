//! What tunnels hold in memory: nothing while they are idle, and bounded by windows while somebody stalls.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, atomic::AtomicU64},
};

use ripstop_tls::Buffer;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

use super::*;
use crate::{
    Counters, PoolConfig, TunnelPool, TunnelStream, relay,
    settings::STREAM_WINDOW,
    testing::{Client, LONG, Mesh, Server, echo, noise, tcp_pair, until},
};

thread_local! {
    /// Storages that are out.
    pub(super) static LENT: Cell<usize> = const { Cell::new(0) };
}

fn held() -> (usize, usize) {
    (LENT.get(), Buffer::storages())
}

#[test]
fn storages_are_lent_and_kept() {
    let storage = take();
    assert_eq!((LENT.get(), storage.len()), (1, SIZE));
    give(storage);
    assert_eq!(LENT.get(), 0);
    give(vec![0; 4096]);
    assert_eq!(POOL.with_borrow(Vec::len), 1, "only what is of the size is kept");
    let many: Vec<_> = (0..2 * KEPT).map(|_| take()).collect();
    assert_eq!((LENT.get(), POOL.with_borrow(Vec::len)), (2 * KEPT, 0));
    many.into_iter().for_each(give);
    assert_eq!((LENT.get(), POOL.with_borrow(Vec::len)), (0, KEPT));
}

/// 100 streams, directly and by way of relays and sockets, all busy both ways; then they are all there and silent.
#[tokio::test(flavor = "local")]
async fn idle_tunnels_hold_no_storage() {
    const SIZE: usize = 200_000;
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    // So much moves here that another tunnel would be opened for it.
    let pool = TunnelPool::new(PoolConfig { max_tunnels: 1, ..PoolConfig::default() });
    let client = Client::new(&mesh, &server, pool);
    assert_eq!(held(), (0, 0));
    let (mut streams, mut apps, mut relays) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
    for i in 0..100 {
        let stream = client.open().await.unwrap();
        if i % 4 == 0 {
            let (app, near) = tcp_pair().await;
            relays.spawn_local(async move {
                let (forward, backward) = (AtomicU64::new(0), AtomicU64::new(0));
                let _ = relay(near, stream, Counters { forward: &forward, backward: &backward }).await;
            });
            apps.spawn_local(exchange(app, SIZE, i));
        } else {
            streams.spawn_local(exchange(stream, SIZE, i));
        }
    }
    let open = timeout(LONG, async { (streams.join_all().await, apps.join_all().await) }).await.unwrap();
    assert_eq!((open.0.len(), open.1.len()), (75, 25));
    assert_eq!((client.pool.streams(), server.count()), (100, 1));
    until(|| held() == (0, 0)).await;
    drop((open, relays));
    until(|| client.pool.streams() == 0).await;
    until(|| held() == (0, 0)).await;
}

/// Sends and reads back `size` bytes; gives the stream back, open.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: S, size: usize, seed: u64) -> S {
    let (mut read, mut write) = tokio::io::split(stream);
    let sent = noise(size, seed);
    let mut back = vec![0; size];
    let (wrote, got) = tokio::join!(write.write_all(&sent), read.read_exact(&mut back));
    wrote.unwrap();
    got.unwrap();
    assert!(back == sent, "stream {seed} came back changed");
    read.unsplit(write)
}

/// Streams of a server that nobody reads, in order.
type Kept = Rc<RefCell<Vec<TunnelStream>>>;

/// Keeps every stream for port 81, unread.
async fn keeping_server(mesh: &Mesh) -> (Server, Kept) {
    let kept = Kept::default();
    let keep = kept.clone();
    let server = Server::start(mesh.server(), move |incoming| {
        let keep = keep.clone();
        async move {
            if incoming.authority().port() == 81 {
                keep.borrow_mut().push(incoming.accept(None).unwrap());
            } else {
                echo(incoming).await;
            }
        }
    })
    .await;
    (server, kept)
}

fn stalled() -> crate::ConnectRequest {
    crate::ConnectRequest::new("10.0.0.9:81".parse().unwrap())
}

/// Writes until nothing has moved while another stream made several round trips; gives what was taken.
async fn fill(stream: &mut TunnelStream, other: &mut TunnelStream, piece: usize) -> usize {
    let bytes = vec![7; piece];
    let (mut taken, mut still) = (0, 0);
    while still < 5 {
        let before = taken;
        let write = async {
            loop {
                taken += stream.write(&bytes).await.unwrap();
            }
        };
        let round_trip = async {
            other.write_all(b"x").await.unwrap();
            other.read_u8().await.unwrap()
        };
        tokio::select! {
            () = write => unreachable!("it never ends"),
            _ = round_trip => {}
        }
        still = if taken == before { still + 1 } else { 0 };
    }
    taken
}

#[tokio::test(flavor = "local")]
async fn a_stalled_reader_holds_one_window() {
    let mesh = Mesh::new();
    let (server, kept) = keeping_server(&mesh).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut other = client.open().await.unwrap();
    let mut open = Vec::new();
    for streams in 1..=3 {
        let mut stream = client.request(&stalled()).await.unwrap();
        assert_eq!(fill(&mut stream, &mut other, 10_000).await, STREAM_WINDOW as usize);
        assert_eq!(kept.borrow().len(), streams);
        // A piece that is kept where TLS put it is at least a quarter of its storage.
        let most = streams * 4 * (STREAM_WINDOW as usize).div_ceil(Buffer::SIZE);
        until(|| LENT.get() == 0 && Buffer::storages() <= most).await;
        open.push(stream);
    }
    // What nobody will read any more is not kept.
    kept.borrow_mut().clear();
    until(|| held() == (0, 0)).await;
    assert_eq!((client.pool.tunnels(), server.count()), (1, 1));
}

/// A stream that is dropped in the middle takes what came for it along, on either side.
#[tokio::test(flavor = "local")]
async fn dropped_streams_leave_nothing_behind() {
    let mesh = Mesh::new();
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let server = Server::start(mesh.server(), move |incoming| {
        let opened = opened.clone();
        async move {
            let mut stream = incoming.accept(None).unwrap();
            let _ = stream.write_all(&vec![1; 2 * STREAM_WINDOW as usize]).await;
            opened.add_permits(1);
        }
    })
    .await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = client.open().await.unwrap();
        stream.read_u8().await.unwrap();
        streams.push(stream);
    }
    until(|| Buffer::storages() > 0).await;
    streams.clear();
    // The servers' writers have failed.
    timeout(LONG, gate.acquire_many(20)).await.unwrap().unwrap().forget();
    until(|| held() == (0, 0)).await;
    assert_eq!((client.pool.tunnels(), client.pool.streams()), (1, 0));
}
