use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

use super::*;
use crate::{
    IncomingStream, Refusal,
    testing::{Client, LONG, Mesh, Server, echo, round_trip, until},
};

#[tokio::test(flavor = "local")]
async fn a_connection_goes_through() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let stream = client.open().await.unwrap();
    assert_eq!(round_trip(stream, b"hello").await.unwrap(), b"hello");
}

#[tokio::test(flavor = "local")]
async fn opens_of_one_key_share_a_dial() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let client = Rc::new(Client::new(&mesh, &server, TunnelPool::default()));
    let mut opens = JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        opens.spawn_local(async move { round_trip(client.open().await.unwrap(), b"x").await.unwrap() });
    }
    while let Some(answer) = opens.join_next().await {
        assert_eq!(answer.unwrap(), b"x");
    }
    assert_eq!(client.dials.load(Ordering::Relaxed), 1);
    assert_eq!(server.count(), 1);
}

#[tokio::test(flavor = "local")]
async fn other_keys_have_other_tunnels() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let pool = TunnelPool::default();
    let first = Client::new(&mesh, &server, pool.clone());
    let mut second = Client::new(&mesh, &server, pool.clone());
    second.key.source_ip = "127.0.0.2".parse().unwrap();
    let mut third = Client::new(&mesh, &server, pool.clone());
    third.key.source_uid = WorkloadUid::process("mesh", "test", "client-1");
    for client in [&first, &second, &third, &first] {
        round_trip(client.open().await.unwrap(), b"x").await.unwrap();
    }
    assert_eq!(server.count(), 3);
    assert_eq!(pool.tunnels(), 3);
}

#[tokio::test(flavor = "local")]
async fn tunnels_of_a_workload_that_is_gone_end() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let pool = TunnelPool::default();
    let first = Client::new(&mesh, &server, pool.clone());
    let mut second = Client::new(&mesh, &server, pool.clone());
    second.key.source_uid = WorkloadUid::process("mesh", "test", "client-1");
    round_trip(first.open().await.unwrap(), b"x").await.unwrap();
    let open = second.open().await.unwrap();
    pool.forget(&second.key.source_uid);
    assert_eq!(pool.tunnels(), 1);
    assert_eq!(round_trip(open, b"last").await.unwrap(), b"last");
    until(|| pool.shared().tasks.len() == 1).await;
    pool.forget(&first.key.source_uid);
    until(|| pool.shared().tasks.is_empty()).await;
}

/// 1,000 streams at once fill ten tunnels.
#[tokio::test(flavor = "local")]
async fn a_thousand_streams() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let client = Rc::new(Client::new(&mesh, &server, TunnelPool::default()));
    let mut opens = JoinSet::new();
    for _ in 0..1000 {
        let client = client.clone();
        opens.spawn_local(async move { client.open().await.unwrap() });
    }
    let streams = opens.join_all().await;
    assert_eq!(client.pool.streams(), 1000);
    assert_eq!(client.pool.tunnels(), 10);
    for stream in streams {
        assert_eq!(round_trip(stream, b"x").await.unwrap(), b"x");
    }
    until(|| client.pool.streams() == 0).await;
}

#[tokio::test(flavor = "local")]
async fn a_full_pool_hands_on_places_that_get_free() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let pool = TunnelPool::new(PoolConfig { max_tunnels: 1, ..PoolConfig::default() });
    let client = Rc::new(Client::new(&mesh, &server, pool));
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(client.open().await.unwrap());
    }
    let late = tokio::task::spawn_local({
        let client = client.clone();
        async move { client.open().await }
    });
    tokio::task::yield_now().await;
    assert!(!late.is_finished());
    round_trip(open.pop().unwrap(), b"x").await.unwrap();
    let late = timeout(LONG, late).await.unwrap().unwrap().unwrap();
    assert_eq!(round_trip(late, b"y").await.unwrap(), b"y");
    assert_eq!(client.dials.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "local")]
async fn goaway_moves_new_streams_to_a_new_tunnel() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut old = client.open().await.unwrap();
    old.write_all(b"before").await.unwrap();
    server.drain.cancel();
    let mut text = [0; 6];
    old.read_exact(&mut text).await.unwrap();

    // The stream that was open goes on while new ones go elsewhere.
    let second = Server::echo(&mesh).await;
    let address = second.address;
    let opened = loop {
        let dial = || TcpStream::connect(address);
        let request = ConnectRequest::new("10.0.0.9:80".parse().unwrap());
        let stream = client.pool.open(&client.key, &client.credentials, dial, &request).await.unwrap();
        if second.count() > 0 {
            break stream;
        }
        // GOAWAY was not there yet.
        drop(stream);
        tokio::task::yield_now().await;
    };
    assert_eq!(round_trip(opened, b"new").await.unwrap(), b"new");
    assert_eq!(round_trip(old, b"after").await.unwrap(), b"after");
}

#[tokio::test(flavor = "local")]
async fn who_keeps_a_stream_for_later_hears_that_its_tunnel_is_left() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut kept = client.open().await.unwrap();
    assert!(!kept.is_leaving());
    let heard = std::future::poll_fn(|cx| {
        let mut space = [0; 1];
        let mut space = tokio::io::ReadBuf::new(&mut space);
        // Nothing comes, and nothing else wakes it.
        let came = tokio::io::AsyncRead::poll_read(std::pin::Pin::new(&mut kept), cx, &mut space);
        assert!(came.is_pending());
        if kept.is_leaving() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    });
    let drain = server.drain.clone();
    let (heard, ()) = tokio::join!(timeout(LONG, heard), async move { drain.cancel() });
    heard.unwrap();
    // What is under way goes on.
    assert_eq!(round_trip(kept, b"after").await.unwrap(), b"after");
}

#[tokio::test(flavor = "local")]
async fn a_stream_lost_with_its_tunnel_is_tried_once_more() {
    let mesh = Mesh::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    // The first CONNECT never gets an answer.
    let mut dying = Server::start(mesh.server(), move |incoming| {
        seen.fetch_add(1, Ordering::Relaxed);
        async move {
            let _kept = incoming;
            std::future::pending::<()>().await;
        }
    })
    .await;
    let healthy = Server::echo(&mesh).await;
    let client = Client::new(&mesh, &dying, TunnelPool::default());
    let addresses = [dying.address, healthy.address];
    let dials = AtomicUsize::new(0);
    let dial = || TcpStream::connect(addresses[dials.fetch_add(1, Ordering::Relaxed).min(1)]);
    let request = ConnectRequest::new("10.0.0.9:80".parse().unwrap());
    let open = client.pool.open(&client.key, &client.credentials, dial, &request);
    let kill = async {
        until(|| calls.load(Ordering::Relaxed) == 1).await;
        dying.kill().await;
    };
    let (stream, ()) = tokio::join!(open, kill);
    assert_eq!(round_trip(stream.unwrap(), b"x").await.unwrap(), b"x");
    assert_eq!(dials.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "local")]
async fn a_killed_peer_is_an_error_not_an_end() {
    let mesh = Mesh::new();
    let mut server = Server::echo(&mesh).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut stream = client.open().await.unwrap();
    stream.write_all(b"x").await.unwrap();
    stream.read_u8().await.unwrap();
    server.kill().await;
    let error = timeout(LONG, stream.read_u8()).await.unwrap().unwrap_err();
    assert_ne!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
    until(|| client.pool.tunnels() == 0).await;
    let refused = client.open().await.unwrap_err();
    assert!(matches!(refused, TunnelError::Connect { .. }), "{refused}");
    assert!(refused.to_string().contains("firewall"), "{refused}");
}

/// A peer that is not ours: it allows `limit` streams a connection and refuses the first `refuse` altogether.
async fn foreign(mesh: &Mesh, limit: u32, refuse: usize) -> (SocketAddr, JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(mesh.server());
    let mut tasks = JoinSet::new();
    tasks.spawn_local(async move {
        let mut connections = JoinSet::new();
        let left = Arc::new(AtomicUsize::new(refuse));
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, left) = (acceptor.clone(), left.clone());
            connections.spawn_local(async move {
                let tls = acceptor.accept(tcp).await.unwrap();
                let mut builder = h2::server::Builder::new();
                let mut connection: h2::server::Connection<_, bytes::Bytes> =
                    builder.max_concurrent_streams(limit).handshake(tls).await.unwrap();
                let mut open = Vec::new();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                        respond.send_reset(h2::Reason::REFUSED_STREAM);
                    } else {
                        let send = respond.send_response(http::Response::new(()), false).unwrap();
                        open.push((request, send));
                    }
                }
            });
        }
    });
    (address, tasks)
}

#[tokio::test(flavor = "local")]
async fn a_refused_stream_is_tried_once_more_elsewhere() {
    let mesh = Mesh::new();
    for (refuse, succeeds) in [(1, true), (2, false)] {
        let (address, _tasks) = foreign(&mesh, 100, refuse).await;
        let server = Server::echo(&mesh).await;
        let mut client = Client::new(&mesh, &server, TunnelPool::default());
        client.key.destination = address;
        let result = client.open().await;
        assert_eq!(result.is_ok(), succeeds, "{result:?}");
        assert_eq!(client.dials.load(Ordering::Relaxed), 2);
    }
}

/// Its settings arrive only after the first streams were sent; what it refused for that finds its place.
#[tokio::test(flavor = "local")]
async fn the_limit_of_the_peer_is_respected() {
    let mesh = Mesh::new();
    let (address, _tasks) = foreign(&mesh, 2, 0).await;
    let server = Server::echo(&mesh).await;
    let mut client = Client::new(&mesh, &server, TunnelPool::default());
    client.key.destination = address;
    let client = Rc::new(client);
    let mut opens = JoinSet::new();
    for _ in 0..7 {
        let client = client.clone();
        opens.spawn_local(async move { client.open().await.unwrap() });
    }
    let streams = opens.join_all().await;
    assert_eq!(client.pool.streams(), 7);
    assert_eq!(client.pool.tunnels(), 4);
    drop(streams);
}

#[tokio::test(flavor = "local")]
async fn refusals_keep_their_status() {
    let mesh = Mesh::new();
    let statuses =
        [(Refusal::BadRequest, 400), (Refusal::Denied, 401), (Refusal::Limited, 429), (Refusal::Unavailable, 503)];
    for (refusal, expected) in statuses {
        let server = Server::start(mesh.server(), move |incoming: IncomingStream| async move {
            incoming.refuse(refusal);
        })
        .await;
        let client = Client::new(&mesh, &server, TunnelPool::default());
        let error = client.open().await.unwrap_err();
        assert!(matches!(error, TunnelError::Refused { status, .. } if status == expected), "{error}");
        assert_eq!(client.dials.load(Ordering::Relaxed), 1, "a refusal is final");
    }
}

#[tokio::test(flavor = "local")]
async fn headers_arrive() {
    let mesh = Mesh::new();
    let server = Server::start(mesh.server(), |incoming: IncomingStream| async move {
        let said = format!(
            "{} {} {:?} {:?} {:?} {:?}",
            incoming.peer(),
            incoming.authority(),
            incoming.baggage(),
            incoming.forwarded(),
            incoming.traceparent(),
            incoming.forwarded_network(),
        );
        let mut stream = incoming.accept(Some(&HeaderValue::from_static("service.name=reviews"))).unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    })
    .await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let request = ConnectRequest {
        authority: "[fd00::1]:8080".parse().unwrap(),
        baggage: Some(HeaderValue::from_static("service.name=productpage")),
        forwarded: Some(HeaderValue::from_static("for=\"10.0.0.1:1\"")),
        traceparent: Some(HeaderValue::from_static("00-1-2-00")),
        forwarded_network: None,
    };
    let stream = client.request(&request).await.unwrap();
    assert_eq!(stream.baggage(), Some("service.name=reviews"));
    let said = round_trip(stream, b"").await.unwrap();
    assert_eq!(
        String::from_utf8(said).unwrap(),
        "spiffe://cluster.local/ns/test/sa/client [fd00::1]:8080 Some(\"service.name=productpage\") \
         Some(\"for=\\\"10.0.0.1:1\\\"\") Some(\"00-1-2-00\") None"
    );
}

#[tokio::test(flavor = "local")]
async fn an_unexpected_identity_is_refused_by_name() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let mut client = Client::new(&mesh, &server, TunnelPool::default());
    let other = vec![mesh.id("somebody-else")];
    client.credentials.config = ripstop_identity::client_config(&mesh.svid("client"), mesh.roots(), other, &[b"h2"]);
    let error = client.open().await.unwrap_err();
    let fault = ripstop_identity::verify_error(error.io().unwrap()).unwrap();
    assert!(matches!(fault.fault, ripstop_identity::Fault::Unexpected(_)), "{fault}");
    assert!(error.to_string().contains("spiffe://cluster.local/ns/test/sa/server"), "{error}");
    assert_eq!(client.pool.tunnels(), 0);
}

/// In TLS 1.3 a client learns only after its handshake that the server does not believe it.
#[tokio::test(flavor = "local")]
async fn a_client_of_another_mesh_is_refused() {
    let (mesh, other) = (Mesh::new(), Mesh::new());
    let server = Server::echo(&mesh).await;
    let mut client = Client::new(&mesh, &server, TunnelPool::default());
    client.credentials.config =
        ripstop_identity::client_config(&other.svid("client"), mesh.roots(), vec![mesh.id("server")], &[b"h2"]);
    let error = client.open().await.unwrap_err();
    assert!(matches!(error, TunnelError::Lost { .. } | TunnelError::Handshake { .. }), "{error}");
    assert!(error.to_string().contains("refused our certificate"), "{error}");
}

#[tokio::test(flavor = "local")]
async fn newer_credentials_get_a_new_tunnel() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let mut client = Client::new(&mesh, &server, TunnelPool::default());
    let old = client.open().await.unwrap();
    client.credentials = mesh.credentials(2);
    let new = client.open().await.unwrap();
    assert_eq!(server.count(), 2);
    assert_eq!(client.pool.tunnels(), 1, "the old tunnel takes no new streams");
    assert_eq!(round_trip(old, b"old").await.unwrap(), b"old", "but keeps those it has");
    assert_eq!(round_trip(new, b"new").await.unwrap(), b"new");
}

#[tokio::test(flavor = "local")]
async fn idle_tunnels_are_closed() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let pool = TunnelPool::new(PoolConfig { idle_after: Duration::from_millis(50), ..PoolConfig::default() });
    let client = Client::new(&mesh, &server, pool);
    let held = client.open().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(client.pool.tunnels(), 1, "a tunnel with a stream is not idle");
    drop(held);
    until(|| client.pool.tunnels() == 0).await;
    until(|| client.pool.shared().tasks.is_empty()).await;
    assert!(client.pool.shared().groups.borrow().is_empty(), "nothing is left of the key");
}

#[test]
fn how_long_idle_tunnels_are_kept_can_be_said_anew() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mesh = Mesh::new();
        let server = Server::echo(&mesh).await;
        let client = Client::new(&mesh, &server, TunnelPool::default());
        client.pool.keep_idle(Some(Duration::from_millis(50)));
        drop(client.open().await.unwrap());
        until(|| client.pool.tunnels() == 0).await;
        client.pool.keep_idle(None);
        assert_eq!(client.pool.shared().idle_after.get(), client.pool.shared().config.idle_after);
    });
}

#[tokio::test(flavor = "local")]
async fn draining_waits_for_streams_and_cuts_at_the_deadline() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let stream = client.open().await.unwrap();
    let finish = async {
        until(|| client.pool.shared().tasks.is_closed()).await;
        assert!(matches!(client.open().await, Err(TunnelError::Closed)));
        round_trip(stream, b"last").await.unwrap()
    };
    let (answer, ()) = tokio::join!(finish, client.pool.drain(Instant::now() + LONG));
    assert_eq!(answer, b"last");

    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut stream = client.open().await.unwrap();
    client.pool.drain(Instant::now() + Duration::from_millis(20)).await;
    stream.read_u8().await.unwrap_err();
}

#[tokio::test(flavor = "local")]
async fn dropping_the_pool_ends_its_tasks() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut stream = client.open().await.unwrap();
    let tasks = client.pool.shared().tasks.clone();
    drop(client);
    timeout(LONG, tasks.wait()).await.unwrap();
    stream.read_u8().await.unwrap_err();
}

#[tokio::test(flavor = "local")]
async fn a_dial_that_fails_fails_all_who_wait_for_it() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let client = Rc::new(Client::new(&mesh, &server, TunnelPool::default()));
    let gate = Arc::new(Semaphore::new(0));
    let mut opens = JoinSet::new();
    for _ in 0..20 {
        let (client, gate) = (client.clone(), gate.clone());
        opens.spawn_local(async move {
            let dial = || {
                client.dials.fetch_add(1, Ordering::Relaxed);
                let gate = gate.clone();
                async move {
                    let _ = gate.acquire().await;
                    Err::<TcpStream, _>(io::ErrorKind::HostUnreachable.into())
                }
            };
            let request = ConnectRequest::new("10.0.0.9:80".parse().unwrap());
            client.pool.open(&client.key, &client.credentials, dial, &request).await.unwrap_err()
        });
    }
    tokio::task::yield_now().await;
    gate.close();
    while let Some(error) = opens.join_next().await {
        assert!(matches!(error.unwrap(), TunnelError::Connect { .. }));
    }
    assert_eq!(client.dials.load(Ordering::Relaxed), 1);
    assert!(client.pool.shared().groups.borrow().is_empty(), "nothing is left of the key");
    // The failure is not remembered.
    let stream = client.open().await.unwrap();
    round_trip(stream, b"x").await.unwrap();
}

/// A further tunnel can't be had; who waits for a place still gets the next one that is free.
#[tokio::test(flavor = "local")]
async fn a_further_dial_that_fails_fails_nobody_who_can_wait_for_a_place() {
    let mesh = Mesh::new();
    let (address, _tasks) = foreign(&mesh, 1, 0).await;
    let server = Server::echo(&mesh).await;
    let mut client = Client::new(&mesh, &server, TunnelPool::default());
    client.key.destination = address;
    let client = Rc::new(client);
    let first = client.open().await.unwrap();
    let dials = Rc::new(Cell::new(0));
    let mut opens = JoinSet::new();
    for _ in 0..3 {
        let (client, dials) = (client.clone(), dials.clone());
        opens.spawn_local(async move {
            let dial = || {
                dials.set(dials.get() + 1);
                async { Err::<TcpStream, _>(io::ErrorKind::ConnectionRefused.into()) }
            };
            let request = ConnectRequest::new("10.0.0.9:80".parse().unwrap());
            client.pool.open(&client.key, &client.credentials, dial, &request).await.map(drop)
        });
    }
    until(|| dials.get() > 0).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(dials.get() <= 3, "nobody dials again and again: {}", dials.get());
    assert!(opens.try_join_next().is_none(), "all wait");
    drop(first);
    while let Some(opened) = timeout(LONG, opens.join_next()).await.unwrap() {
        opened.unwrap().unwrap();
    }
    assert!(dials.get() <= 3);
}

/// Giving up an open must neither hurt others nor leak its place.
#[tokio::test(flavor = "local")]
async fn an_open_that_is_given_up_leaves_no_trace() {
    let mesh = Mesh::new();
    let server = Server::start(mesh.server(), |mut incoming: IncomingStream| async move {
        if incoming.authority().port() == 81 {
            incoming.cancelled().await;
        } else {
            echo(incoming).await;
        }
    })
    .await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let silent = ConnectRequest::new("10.0.0.9:81".parse().unwrap());
    for _ in 0..200 {
        assert!(timeout(Duration::from_millis(5), client.request(&silent)).await.is_err());
    }
    until(|| client.pool.streams() == 0).await;
    assert_eq!(round_trip(client.open().await.unwrap(), b"x").await.unwrap(), b"x");
    assert_eq!(server.count(), 1);
}

/// Tunnels that move much get help, one at a time, and new streams go to one that moves little.
#[tokio::test(flavor = "local")]
async fn busy_tunnels_get_help() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let links = || {
        let groups = client.pool.shared().groups.borrow();
        groups[&client.key].tunnels().iter().map(|tunnel| tunnel.link().clone()).collect::<Vec<_>>()
    };
    let loads = || links().iter().map(crate::link::Link::active).collect::<Vec<_>>();
    let mut open = vec![client.open().await.unwrap(), client.open().await.unwrap()];
    assert_eq!(loads(), [2], "one is enough as long as it is not busy");
    links()[0].keep_busy();
    open.push(client.open().await.unwrap());
    until(|| client.pool.tunnels() == 2).await;
    assert_eq!(loads(), [3, 0], "nobody waits for help");
    for expected in [[3, 1], [3, 2]] {
        open.push(client.open().await.unwrap());
        assert_eq!(loads(), expected);
    }
    for tunnels in 3..=settings::MAX_TUNNELS_FOR_LOAD {
        links().iter().for_each(crate::link::Link::keep_busy);
        open.push(client.open().await.unwrap());
        until(|| client.pool.tunnels() == tunnels).await;
    }
    assert_eq!(loads(), [5, 2, 0, 0]);
    links().iter().for_each(crate::link::Link::keep_busy);
    for _ in 0..5 {
        open.push(client.open().await.unwrap());
    }
    let dials = client.dials.load(Ordering::Relaxed);
    assert_eq!((dials, loads()), (settings::MAX_TUNNELS_FOR_LOAD, vec![10, 2, 0, 0]), "load alone leads to no more");
}

#[tokio::test(flavor = "local")]
async fn writing_after_the_end_fails() {
    let mesh = Mesh::new();
    let server = Server::start(mesh.server(), |incoming: IncomingStream| async move {
        let _stream = incoming.accept(None).unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let mut stream = client.open().await.unwrap();
    stream.write_all(b"x").await.unwrap();
    stream.shutdown().await.unwrap();
    let error = timeout(LONG, stream.write_all(b"y")).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

/// What one connection costs while it opens; a growth is a decision.
#[tokio::test(flavor = "local")]
async fn sizes() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let client = Client::new(&mesh, &server, TunnelPool::default());
    let request = ConnectRequest::new("10.0.0.9:80".parse().unwrap());
    let dial = || TcpStream::connect(server.address);
    let open = client.pool.open(&client.key, &client.credentials, dial, &request);
    assert!(size_of_val(&open) <= 2048, "opening takes {} bytes", size_of_val(&open));
    assert!(size_of::<TunnelStream>() <= 192, "a stream takes {} bytes", size_of::<TunnelStream>());
    let (socket, _other) = crate::testing::tcp_pair().await;
    let accepting = crate::accept(socket, mesh.server());
    assert!(size_of_val(&accepting) <= 2048, "accepting takes {} bytes", size_of_val(&accepting));
    let (ours, _theirs) = crate::testing::tls_pair(&mesh).await;
    let serving = ours.serve(mesh.id("client"), echo, std::future::pending());
    assert!(size_of_val(&serving) <= 6144, "serving takes {} bytes", size_of_val(&serving));
}

/// Its streams end, also one of a tunnel that took no new ones any more; whoever comes next gets another tunnel.
#[tokio::test(flavor = "local")]
async fn a_server_that_is_trusted_no_more_loses_its_tunnels() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let mut client = Client::new(&mesh, &server, TunnelPool::default());
    let (distrust, _) = tokio::sync::broadcast::channel::<()>(1);
    let open = async |client: &Client| {
        let dial = || {
            let mut distrusted = distrust.subscribe();
            async move {
                let stream = TcpStream::connect(server.address).await?;
                let watch: crate::Watch = Box::new(move |chain| {
                    assert_eq!(ripstop_identity::peer_id(chain).unwrap().path(), "ns/test/sa/server");
                    crate::Vouched::new(async move {
                        distrusted.recv().await.unwrap();
                        "its root is gone".into()
                    })
                });
                Ok(Dialled { stream, watch: Some(watch) })
            }
        };
        let request = ConnectRequest::new("10.0.0.9:80".parse().unwrap());
        client.pool.open(&client.key, &client.credentials, dial, &request).await.unwrap()
    };
    let mut streams = vec![open(&client).await];
    // A newer certificate: the tunnel before has its stream still.
    client.credentials = mesh.credentials(2);
    streams.push(open(&client).await);
    assert_eq!(server.count(), 2);
    distrust.send(()).unwrap();
    for mut stream in streams {
        let error = timeout(LONG, stream.read(&mut [0; 1])).await.unwrap().unwrap_err();
        assert!(error.to_string().contains("not trusted any more: its root is gone"), "{error}");
    }
    until(|| client.pool.tunnels() == 0).await;
    assert_eq!(round_trip(open(&client).await, b"x").await.unwrap(), b"x");
    assert_eq!(server.count(), 3);
}
