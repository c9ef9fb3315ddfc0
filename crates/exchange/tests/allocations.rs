//! What a request costs in allocations, once connections are made and storages are warm.

use std::rc::Rc;

use ripstop_exchange::{
    Downstream, HeadChanges, Http1Client, Http1Server, Http2Client, Http2Server, Next, Pump, Replay, Upstream,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nHost: shop\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
const ROUNDS: u64 = 100;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, client)
}

async fn pass(downstream: Downstream<'_>, upstream: Upstream<'_>) {
    let mut replay = Replay::none();
    let mut pump = Pump::new(downstream, upstream, &HeadChanges::NONE, &mut replay).unwrap();
    pump.answer().await.unwrap();
    pump.pass_on(&HeadChanges::NONE).unwrap();
    pump.through().await.unwrap();
}

/// A server's end that answers every request alike, of raw bytes.
async fn answer_all(mut socket: TcpStream) {
    let mut space = [0; 1024];
    let mut filled = 0;
    while let Ok(n @ 1..) = socket.read(&mut space[filled..]).await {
        filled += n;
        if space[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            socket.write_all(ANSWER).await.unwrap();
        }
    }
}

/// Runs rounds of `round`, and gives the allocations of each, on the whole thread, in hundredths.
fn allocations<R: AsyncFnMut()>(local: &LocalSet, runtime: &tokio::runtime::Runtime, mut round: R) -> u64 {
    local.block_on(runtime, async {
        for _ in 0..ROUNDS {
            round().await;
        }
    });
    let measured = allocation_counter::measure(|| {
        local.block_on(runtime, async {
            for _ in 0..ROUNDS {
                round().await;
            }
        });
    });
    measured.count_total * 100 / ROUNDS
}

#[test]
fn a_simple_request_allocates_nothing_between_connections_of_http_1_1() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    let mut client = local.block_on(&runtime, async {
        let ((front, client), (origin, back)) = (pair().await, pair().await);
        tokio::task::spawn_local(answer_all(origin));
        tokio::task::spawn_local(async move {
            let mut server = Http1Server::new(front, Rc::default());
            let mut upstream = Http1Client::new(back, Rc::default());
            while let Next::Request = server.next().await {
                assert!(upstream.is_reusable());
                pass(Downstream::Http1(&mut server), Upstream::Http1(&mut upstream)).await;
                Downstream::Http1(&mut server).finish().await.unwrap();
            }
        });
        client
    });
    let each = allocations(&local, &runtime, async || {
        client.write_all(REQUEST).await.unwrap();
        let mut answer = [0; ANSWER.len()];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, ANSWER);
    });
    println!("hundredths of an allocation each: {each}");
    // The timer wheel files a deadline now and then.
    assert!(each <= 5, "{each} hundredths of an allocation each");
}

/// Two proxies, one behind the other, so that both ends of HTTP/2 are ours: HTTP/1.1 to HTTP/2 to HTTP/1.1.
#[test]
fn a_simple_request_allocates_little_by_way_of_http_2() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    let mut client = local.block_on(&runtime, async {
        let ((front, client), (middle, between), (origin, back)) = (pair().await, pair().await, pair().await);
        tokio::task::spawn_local(answer_all(origin));
        let (http2, driver) = Http2Client::new(between, Rc::default());
        tokio::task::spawn_local(driver);
        tokio::task::spawn_local(async move {
            let mut server = Http1Server::new(front, Rc::default());
            while let Next::Request = server.next().await {
                let mut call = http2.call();
                pass(Downstream::Http1(&mut server), Upstream::Http2(&mut call)).await;
                Downstream::Http1(&mut server).finish().await.unwrap();
            }
        });
        let (mut http2, driver) = Http2Server::new(middle, Rc::default());
        tokio::task::spawn_local(driver);
        tokio::task::spawn_local(async move {
            let mut upstream = Http1Client::new(back, Rc::default());
            while let Some(mut request) = http2.next().await {
                pass(Downstream::Http2(&mut request), Upstream::Http1(&mut upstream)).await;
                Downstream::Http2(&mut request).finish().await.unwrap();
            }
        });
        client
    });
    let each = allocations(&local, &runtime, async || {
        client.write_all(REQUEST).await.unwrap();
        let mut answer = [0; 256];
        let mut filled = 0;
        while !answer[..filled].ends_with(b"hello") {
            filled += client.read(&mut answer[filled..]).await.unwrap();
        }
    });
    println!("hundredths of an allocation each: {each}");
    // Three for each of two ends of HTTP/2: the stream, and what waits for it both ways.
    assert!(each <= 605, "{each} hundredths of an allocation each");
}
