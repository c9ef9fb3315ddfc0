mod observed;

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use ripstop_tls::Buffer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use super::*;
use crate::{
    PoolConfig, TunnelPool, TunnelStream, pipes, settings,
    testing::{Client, LONG, Mesh, Server, noise, tcp_pair, until},
};

#[derive(Default)]
struct Counts {
    forward: AtomicU64,
    backward: AtomicU64,
}

impl Counts {
    fn counters(&self) -> Counters<'_> {
        Counters { forward: &self.forward, backward: &self.backward }
    }
}

/// An application whose connection is relayed into `stream`, with the relay running beside.
async fn attach(stream: TunnelStream, tasks: &mut JoinSet<Result<Totals, RelayError>>) -> TcpStream {
    let (app, near) = tcp_pair().await;
    tasks.spawn_local(async move { relay(near, stream, Counts::default().counters()).await });
    app
}

/// A server that relays each stream to a fresh connection of `backend`.
async fn relaying_server(mesh: &Mesh, backend: std::net::SocketAddr) -> Server {
    Server::start(mesh.server(), move |incoming| async move {
        let tcp = TcpStream::connect(backend).await.unwrap();
        let stream = incoming.accept(None).unwrap();
        let _ = relay(tcp, stream, Counts::default().counters()).await;
    })
    .await
}

/// A plain TCP server running `handler` for each connection.
async fn backend<F>(tasks: &mut JoinSet<()>, handler: impl Fn(TcpStream) -> F + 'static) -> std::net::SocketAddr
where
    F: Future<Output = ()> + 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn_local(async move {
        let mut running = JoinSet::new();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            running.spawn_local(handler(tcp));
        }
    });
    address
}

#[tokio::test(flavor = "local")]
async fn half_close_both_ways() {
    let mesh = Mesh::new();
    let (mut relays, mut backends) = (JoinSet::new(), JoinSet::new());
    // Answers only after the caller has ended, and again after that.
    let address = backend(&mut backends, |mut tcp| async move {
        let mut text = Vec::new();
        tcp.read_to_end(&mut text).await.unwrap();
        text.reverse();
        tcp.write_all(&text).await.unwrap();
        tcp.shutdown().await.unwrap();
    })
    .await;
    let server = relaying_server(&mesh, address).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut app = attach(client.open().await.unwrap(), &mut relays).await;
    app.write_all(b"abc").await.unwrap();
    app.shutdown().await.unwrap();
    let mut answer = Vec::new();
    app.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"cba");
    let totals = relays.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(totals, Totals { forward: 3, backward: 3 });

    // The other way round: the server ends first and goes on listening.
    let (heard, hears) = tokio::sync::oneshot::channel();
    let heard = Arc::new(std::sync::Mutex::new(Some(heard)));
    let address = backend(&mut backends, move |mut tcp| {
        let heard = heard.lock().unwrap().take();
        async move {
            tcp.write_all(b"greeting").await.unwrap();
            tcp.shutdown().await.unwrap();
            let mut text = Vec::new();
            tcp.read_to_end(&mut text).await.unwrap();
            heard.unwrap().send(text).unwrap();
        }
    })
    .await;
    let server = relaying_server(&mesh, address).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut app = attach(client.open().await.unwrap(), &mut relays).await;
    let mut greeting = Vec::new();
    app.read_to_end(&mut greeting).await.unwrap();
    assert_eq!(greeting, b"greeting");
    app.write_all(b"answer").await.unwrap();
    app.shutdown().await.unwrap();
    assert_eq!(timeout(LONG, hears).await.unwrap().unwrap(), b"answer");
    relays.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "local")]
async fn a_hundred_megabytes_both_ways() {
    const SIZE: usize = 100_000_000;
    let mesh = Mesh::new();
    let (mut relays, mut backends) = (JoinSet::new(), JoinSet::new());
    let down = Arc::new(noise(SIZE, 7));
    let up = Arc::new(noise(SIZE, 8));
    let (send, expect) = (down.clone(), up.clone());
    let address = backend(&mut backends, move |tcp| {
        let (send, expect) = (send.clone(), expect.clone());
        async move { exchange(tcp, send, expect).await }
    })
    .await;
    let server = relaying_server(&mesh, address).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let app = attach(client.open().await.unwrap(), &mut relays).await;
    timeout(LONG, exchange(app, up, down)).await.unwrap();
    let totals = relays.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(totals, Totals { forward: SIZE as u64, backward: SIZE as u64 });
}

/// Sends one text while receiving another, and compares.
async fn exchange(tcp: TcpStream, send: Arc<Vec<u8>>, expect: Arc<Vec<u8>>) {
    let (mut read, mut write) = tcp.into_split();
    let writing = async {
        write.write_all(&send).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let reading = async {
        let mut got = Vec::with_capacity(expect.len());
        read.read_to_end(&mut got).await.unwrap();
        assert!(got == *expect, "received bytes are those sent ({} of {})", got.len(), expect.len());
    };
    tokio::join!(writing, reading);
}

/// One reader stalls, with its sender going on until nothing moves; fifty others on the same tunnel do not notice.
#[tokio::test(flavor = "local")]
async fn a_stalled_stream_blocks_nobody() {
    const SIZE: usize = 1_000_000;
    let mesh = Mesh::new();
    let (mut relays, mut backends) = (JoinSet::new(), JoinSet::new());
    let text = Arc::new(noise(SIZE, 3));
    let send = text.clone();
    let address = backend(&mut backends, move |mut tcp| {
        let send = send.clone();
        async move {
            // One byte asks for the text over and over, anything else for one copy.
            if tcp.read_u8().await.unwrap() == b'*' {
                while tcp.write_all(&send).await.is_ok() {}
            } else {
                let _ = tcp.write_all(&send).await;
            }
        }
    })
    .await;
    let server = relaying_server(&mesh, address).await;
    let client = Client::new(&mesh, &server, TunnelPool::new(PoolConfig { max_tunnels: 1, ..PoolConfig::default() }));
    let mut stalled = Vec::new();
    for _ in 0..10 {
        let mut app = attach(client.open().await.unwrap(), &mut relays).await;
        app.write_all(b"*").await.unwrap();
        // It has begun; from here on nobody reads.
        app.read_u8().await.unwrap();
        stalled.push(app);
    }
    let mut readers = JoinSet::new();
    for _ in 0..50 {
        let mut app = attach(client.open().await.unwrap(), &mut relays).await;
        let text = text.clone();
        readers.spawn_local(async move {
            app.write_all(b"1").await.unwrap();
            let mut got = Vec::new();
            app.read_to_end(&mut got).await.unwrap();
            assert!(got == *text);
        });
    }
    let all = async {
        while let Some(done) = readers.join_next().await {
            done.unwrap();
        }
    };
    timeout(LONG, all).await.expect("fast readers finish beside stalled ones");
    assert_eq!(server.count(), 1, "all of it in one tunnel");
}

/// The same with one-byte writes, whose frames cost far more than their bytes.
#[tokio::test(flavor = "local")]
async fn a_stalled_reader_of_tiny_frames_does_not_cost_the_tunnel() {
    let mesh = Mesh::new();
    let stalled = Arc::new(tokio::sync::Notify::new());
    let stall = stalled.clone();
    let server = Server::start(mesh.server(), move |incoming| {
        let stall = stall.clone();
        async move {
            let mut stream = incoming.accept(None).unwrap();
            if stream.read_u8().await.unwrap() == b'*' {
                // A write that takes so long is one that flow control holds.
                while timeout(Duration::from_secs(1), stream.write_all(&[b'x'; 16]))
                    .await
                    .is_ok_and(|sent| sent.is_ok())
                {
                    tokio::task::yield_now().await;
                }
                stall.notify_one();
                let _ = stream.write_all(b"x").await;
            } else {
                stream.write_all(b"done").await.unwrap();
                stream.shutdown().await.unwrap();
                let _ = stream.read_u8().await;
            }
        }
    })
    .await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut relays = JoinSet::new();
    // Small socket buffers, so that little of it is in the kernel.
    let listener = tokio::net::TcpSocket::new_v4().unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    listener.set_send_buffer_size(4096).unwrap();
    let listener = listener.listen(1).unwrap();
    let app = tokio::net::TcpSocket::new_v4().unwrap();
    app.set_recv_buffer_size(4096).unwrap();
    let (app, near) = tokio::join!(app.connect(listener.local_addr().unwrap()), listener.accept());
    let (mut app, near) = (app.unwrap(), near.unwrap().0);
    let stream = client.open().await.unwrap();
    relays.spawn_local(async move { relay(near, stream, Counts::default().counters()).await });
    app.write_all(b"*").await.unwrap();
    timeout(LONG, stalled.notified()).await.unwrap();
    for _ in 0..50 {
        let mut app = attach(client.open().await.unwrap(), &mut relays).await;
        app.write_all(b"1").await.unwrap();
        let mut answer = [0; 4];
        timeout(LONG, app.read_exact(&mut answer)).await.unwrap().unwrap();
    }
    assert_eq!(server.count(), 1);
    let mut rest = vec![0; 256 * 1024];
    timeout(LONG, app.read_exact(&mut rest)).await.unwrap().unwrap();
    assert!(rest.iter().all(|byte| *byte == b'x'), "and nothing of it is lost");
}

#[tokio::test(flavor = "local")]
async fn a_reset_is_a_reset_on_the_other_side() {
    let mesh = Mesh::new();
    let (mut relays, mut backends) = (JoinSet::new(), JoinSet::new());
    let address = backend(&mut backends, |mut tcp| async move {
        tcp.read_u8().await.unwrap();
        tcp.set_zero_linger().unwrap();
    })
    .await;
    let server = relaying_server(&mesh, address).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut app = attach(client.open().await.unwrap(), &mut relays).await;
    app.write_all(b"x").await.unwrap();
    let error = app.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    let error = relays.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(
        matches!(error.cause, RelayFault::Broken { side: Side::Second, operation: Operation::Reading, .. }),
        "{error}"
    );
}

#[tokio::test(flavor = "local")]
async fn a_stopped_relay_resets_and_says_what_it_moved() {
    let (mut app, near) = tcp_pair().await;
    let (far, mut server) = tcp_pair().await;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let counts = Arc::new(Counts::default());
    let counted = counts.clone();
    let relaying = tokio::task::spawn_local(async move {
        relay_until(near, far, counted.counters(), async { stopped.await.unwrap() }).await
    });
    app.write_all(b"12345").await.unwrap();
    let mut text = [0; 5];
    server.read_exact(&mut text).await.unwrap();
    assert_eq!(counts.forward.load(Ordering::Relaxed), 5, "counted as it moves");
    stop.send(()).unwrap();
    let error = relaying.await.unwrap().unwrap_err();
    assert!(matches!(error.cause, RelayFault::Stopped));
    assert_eq!(error.totals, Totals { forward: 5, backward: 0 });
    for tcp in [&mut app, &mut server] {
        assert_eq!(tcp.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
}

/// A relay that is dropped in the middle must not pass for one that ended.
#[tokio::test(flavor = "local")]
async fn a_dropped_relay_resets() {
    let mesh = Mesh::new();
    let server = Server::start(mesh.server(), |incoming| async move {
        let (mut app, near) = tcp_pair().await;
        let stream = incoming.accept(None).unwrap();
        app.write_all(b"x").await.unwrap();
        let counts = Counts::default();
        tokio::select! {
            _ = relay(near, stream, counts.counters()) => {}
            _ = app.read_u8() => {}
        }
    })
    .await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut stream = client.open().await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
    stream.write_all(b"end").await.unwrap();
    let error = stream.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{error}");
}

#[tokio::test(flavor = "local")]
async fn plain_sockets_are_relayed_too() {
    let (app, near) = tcp_pair().await;
    let (far, server) = tcp_pair().await;
    let relaying = tokio::task::spawn_local(async move { relay(near, far, Counts::default().counters()).await });
    let text = Arc::new(noise(5_000_000, 1));
    let reply = Arc::new(noise(3_000_000, 2));
    let serving = tokio::task::spawn_local(exchange(server, reply.clone(), text.clone()));
    app.set_nodelay(true).unwrap();
    exchange(app, text, reply).await;
    serving.await.unwrap();
    assert_eq!(relaying.await.unwrap().unwrap(), Totals { forward: 5_000_000, backward: 3_000_000 });
}

/// A caller that is refused in the middle of its upload still gets the answer.
#[tokio::test(flavor = "local")]
async fn an_answer_before_the_end_of_the_upload_arrives() {
    let (mut app, near) = tcp_pair().await;
    let (far, mut server) = tcp_pair().await;
    let relaying = tokio::task::spawn_local(async move { relay(near, far, Counts::default().counters()).await });
    app.write_all(b"upload").await.unwrap();
    let mut text = [0; 6];
    server.read_exact(&mut text).await.unwrap();
    server.write_all(b"413").await.unwrap();
    drop(server);
    let mut answer = Vec::new();
    app.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"413");
    drop(app);
    let _ = timeout(LONG, relaying).await.unwrap().unwrap();
}

/// Not even after a long transfer, for which there was a pipe each way.
#[tokio::test(flavor = "local")]
async fn an_idle_relay_holds_no_buffer_and_no_pipe() {
    let before = (Buffer::storages(), pipes::lent());
    let (mut app, near) = tcp_pair().await;
    let (far, mut server) = tcp_pair().await;
    let counts = Counts::default();
    let never = std::future::pending();
    let relaying = async { relay_observed(near, far, counts.counters(), None, never).await.map(|_| ()) };
    let mut relaying = Box::pin(relaying);
    assert!(size_of_val(&*relaying) <= 1024, "a relay takes {} bytes", size_of_val(&*relaying));
    let text = noise(1_000_000, 4);
    for _ in 0..3 {
        for size in [4, text.len()] {
            for way in [Way::Forward, Way::Backward] {
                let (from, to) = match way {
                    Way::Forward => (&mut app, &mut server),
                    Way::Backward => (&mut server, &mut app),
                };
                let mut got = vec![0; size];
                let exchange = async { tokio::join!(from.write_all(&text[..size]), to.read_exact(&mut got)) };
                tokio::select! {
                    _ = &mut relaying => panic!("relay ended"),
                    (sent, received) = exchange => { sent.and(received).unwrap(); }
                }
                assert!(got == text[..size]);
            }
            // It has handed everything on; once it is polled again it has noticed that there is no more.
            assert!(std::future::poll_fn(|cx| Poll::Ready(relaying.as_mut().poll(cx).is_pending())).await);
            assert_eq!((Buffer::storages(), pipes::lent()), before);
        }
    }
    // Nobody reads: what is on its way is held, and no more.
    let upload = async {
        loop {
            app.write_all(&text).await.unwrap();
        }
    };
    tokio::select! {
        _ = &mut relaying => panic!("relay ended"),
        () = upload => {}
        () = until(|| pipes::lent() > before.1) => {}
    }
    assert_eq!((Buffer::storages(), pipes::lent()), (before.0, before.1 + 1));
    drop(relaying);
    assert_eq!((Buffer::storages(), pipes::lent()), before);
}

/// A server that keeps the stream `open` and reads nothing of it.
async fn silent_server(mesh: &Mesh) -> Server {
    Server::start(mesh.server(), |incoming| async move {
        let _stream = incoming.accept(None).unwrap();
        std::future::pending::<()>().await;
    })
    .await
}

/// The peer has no window left for what the caller says when it resets its connection.
#[tokio::test(flavor = "local")]
async fn a_reset_is_noticed_while_flow_control_holds_the_upload() {
    // The kernel calls the reset of a connection otherwise whose caller has already ended its side, if that end has come
    // before it: it may still wait behind what the caller said.
    let (reset, after_end) = (io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe);
    for (ended, kinds) in [(false, &[reset][..]), (true, &[reset, after_end])] {
        let mesh = Mesh::new();
        let server = silent_server(&mesh).await;
        let client = Client::new(&mesh, &server, TunnelPool::default());
        let mut relays = JoinSet::new();
        let (mut app, near) = tcp_pair().await;
        let counts = Arc::new(Counts::default());
        let (stream, counted) = (client.open().await.unwrap(), counts.clone());
        relays.spawn_local(async move { relay(near, stream, counted.counters()).await });
        // More than the stream's window, and less than that and the sockets' buffers.
        app.write_all(&noise(settings::STREAM_WINDOW as usize + 32 * 1024, 1)).await.unwrap();
        if ended {
            app.shutdown().await.unwrap();
        }
        until(|| counts.forward.load(Ordering::Relaxed) == u64::from(settings::STREAM_WINDOW)).await;
        app.set_zero_linger().unwrap();
        drop(app);
        let error = timeout(LONG, relays.join_next()).await.unwrap().unwrap().unwrap().unwrap_err();
        let RelayFault::Broken { side: Side::First, operation: Operation::Reading, source } = error.cause else {
            panic!("{error}")
        };
        assert!(kinds.contains(&source.kind()), "{source}");
        until(|| client.pool.streams() == 0).await;
    }
}

/// The peer gives the whole stream up while the application has nothing to say.
#[tokio::test(flavor = "local")]
async fn a_stream_that_is_given_up_ends_the_relay_of_an_idle_application() {
    let mesh = Mesh::new();
    // Dropped before its end, the stream is reset with CANCEL.
    let server = Server::start(mesh.server(), |incoming| async move { drop(incoming.accept(None).unwrap()) }).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut relays = JoinSet::new();
    let mut app = attach(client.open().await.unwrap(), &mut relays).await;
    let error = timeout(LONG, relays.join_next()).await.unwrap().unwrap().unwrap().unwrap_err();
    let fault = matches!(error.cause, RelayFault::Broken { side: Side::Second, operation: Operation::Writing, .. });
    assert!(fault, "{error}");
    assert_eq!(app.read(&mut [0; 8]).await.unwrap(), 0, "CANCEL is an end");
}

/// Two connections, one of which is reset while the other has nothing to say.
struct Idle {
    over: Way,
    reset: Rc<Cell<bool>>,
}

impl Pair for Idle {
    type Socket = ();

    fn poll(&mut self, way: Way, _: &mut Context<'_>, _: &mut Account<'_>) -> Poll<Result<(), Fault>> {
        if way == self.over && self.reset.get() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_gone(&mut self, way: Way, _: &mut Context<'_>) -> Poll<io::Error> {
        if way != self.over && self.reset.get() { Poll::Ready(io::ErrorKind::BrokenPipe.into()) } else { Poll::Pending }
    }

    fn part(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn is_empty(&self) -> bool {
        true
    }

    fn let_go(self, _: Side) -> Option<Remainder<()>> {
        None
    }

    fn close(self) {}
}

/// There is one wake-up for the reset, not one for each direction.
#[test]
fn a_reset_ends_both_directions_at_once() {
    for (over, expected) in [(Way::Backward, Side::Second), (Way::Forward, Side::First)] {
        let (reset, counts) = (Rc::new(Cell::new(false)), Counts::default());
        let mut running =
            pin!(run(Idle { over, reset: reset.clone() }, counts.counters(), None, std::future::pending()));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(running.as_mut().poll(&mut cx).is_pending());
        reset.set(true);
        let Poll::Ready(Err(error)) = running.as_mut().poll(&mut cx) else { panic!("{over:?}: it goes on") };
        let RelayFault::Broken { side, operation: Operation::Writing, .. } = error.cause else { panic!("{error}") };
        assert_eq!(side, expected);
    }
}
