use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use http::{Method, Request, Uri};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::testing::{LONG, Mesh, Server, echo, tls_pair, until};

/// A client that may break every rule.
async fn raw(mesh: &Mesh, server: &Server) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("mesh.invalid").unwrap();
    let tls = TlsConnector::from(mesh.credentials(1).config).connect(name, tcp).await.unwrap();
    let (sender, connection) = h2::client::handshake(tls).await.unwrap();
    (sender, tokio::task::spawn_local(connection))
}

fn request(method: Method, uri: &str) -> Request<()> {
    Request::builder().method(method).uri(uri.parse::<Uri>().unwrap()).body(()).unwrap()
}

async fn status(sender: &mut SendRequest<Bytes>, request: Request<()>) -> u16 {
    let (answer, _send) = sender.send_request(request, false).unwrap();
    timeout(LONG, answer).await.unwrap().unwrap().status().as_u16()
}

#[tokio::test(flavor = "local")]
async fn only_connect_to_a_valid_authority_is_served() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let (mut sender, _task) = raw(&mesh, &server).await;
    for method in [Method::GET, Method::POST, Method::OPTIONS] {
        assert_eq!(status(&mut sender, request(method.clone(), "https://10.0.0.9:80/")).await, 400, "{method}");
    }
    for authority in ["10.0.0.9", "10.0.0.9:0", "[fd00::1]", "-a:80", "10.0.0.300:80"] {
        assert_eq!(status(&mut sender, request(Method::CONNECT, authority)).await, 400, "{authority}");
    }
    for authority in ["10.0.0.9:80", "[fd00::1]:80", "reviews.bookinfo:9080"] {
        assert_eq!(status(&mut sender, request(Method::CONNECT, authority)).await, 200, "{authority}");
    }
}

#[tokio::test(flavor = "local")]
async fn settings_are_those_documented() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let (mut sender, _task) = raw(&mesh, &server).await;
    let (answer, mut send) = sender.send_request(request(Method::CONNECT, "10.0.0.9:80"), false).unwrap();
    answer.await.unwrap();
    assert_eq!(sender.current_max_send_streams(), 100);
    // The stream window and not the connection window is what limits one stream.
    send.reserve_capacity(1_000_000);
    let capacity = std::future::poll_fn(|cx| send.poll_capacity(cx)).await.unwrap().unwrap();
    assert!(capacity <= settings::STREAM_WINDOW as usize, "{capacity}");
}

/// A reset of the source's side, as the handler sees it.
async fn after_reset(reason: Reason) -> io::Result<usize> {
    let mesh = Mesh::new();
    let (seen, sees) = tokio::sync::oneshot::channel();
    let seen = Arc::new(std::sync::Mutex::new(Some(seen)));
    let server = Server::start(mesh.server(), move |incoming: IncomingStream| {
        let seen = seen.lock().unwrap().take();
        async move {
            let mut stream = incoming.accept(None).unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'x');
            let rest = stream.read(&mut [0; 8]).await;
            let _ = seen.unwrap().send(rest);
        }
    })
    .await;
    let (mut sender, _task) = raw(&mesh, &server).await;
    let (answer, mut send) = sender.send_request(request(Method::CONNECT, "10.0.0.9:80"), false).unwrap();
    answer.await.unwrap();
    send.send_data(Bytes::from_static(b"x"), false).unwrap();
    // Sending the reset at once would drop the byte.
    tokio::time::timeout(LONG, async {
        send.reserve_capacity(1);
        while send.capacity() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    send.send_reset(reason);
    timeout(LONG, sees).await.unwrap().unwrap()
}

#[tokio::test(flavor = "local")]
async fn resets_in_order_read_as_the_end() {
    for reason in [Reason::NO_ERROR, Reason::CANCEL] {
        assert_eq!(after_reset(reason).await.unwrap(), 0, "{reason:?}");
    }
    for reason in [Reason::STREAM_CLOSED, Reason::CONNECT_ERROR, Reason::INTERNAL_ERROR] {
        assert_eq!(after_reset(reason).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe, "{reason:?}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_source_that_gives_up_is_noticed() {
    let mesh = Mesh::new();
    let noticed = Arc::new(AtomicUsize::new(0));
    let (waiting, gone) = (noticed.clone(), noticed.clone());
    let server = Server::start(mesh.server(), move |mut incoming: IncomingStream| {
        let waiting = waiting.clone();
        async move {
            waiting.fetch_add(1, Ordering::Relaxed);
            incoming.cancelled().await;
            waiting.fetch_add(1, Ordering::Relaxed);
        }
    })
    .await;
    let (mut sender, _task) = raw(&mesh, &server).await;
    let (answer, send) = sender.send_request(request(Method::CONNECT, "10.0.0.9:80"), false).unwrap();
    until(|| gone.load(Ordering::Relaxed) == 1).await;
    drop((answer, send));
    until(|| gone.load(Ordering::Relaxed) == 2).await;
}

/// Opening and resetting at once must cost neither tunnel nor unbounded handlers.
#[tokio::test(flavor = "local")]
async fn many_resets_at_once() {
    const BATCH: usize = 50;
    let mesh = Mesh::new();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let finish = Arc::new(tokio::sync::Semaphore::new(0));
    let (now, peak, may_finish) = (running.clone(), most.clone(), finish.clone());
    let server = Server::start(mesh.server(), move |incoming: IncomingStream| {
        let (now, peak, may_finish) = (now.clone(), peak.clone(), may_finish.clone());
        async move {
            if incoming.authority().port() == 80 {
                return echo(incoming).await;
            }
            peak.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            // It does not notice that its stream is gone.
            let _ = may_finish.acquire().await.unwrap();
            now.fetch_sub(1, Ordering::Relaxed);
        }
    })
    .await;
    let (mut sender, task) = raw(&mesh, &server).await;
    for batch in 1..=MAX_HANDLERS / BATCH {
        let opened: Vec<_> =
            (0..BATCH).map(|_| sender.send_request(request(Method::CONNECT, "10.0.0.9:81"), false).unwrap()).collect();
        until(|| running.load(Ordering::Relaxed) == batch * BATCH).await;
        drop(opened);
        sender = sender.ready().await.unwrap();
    }
    for port in [80, 81] {
        let (answer, _send) =
            sender.send_request(request(Method::CONNECT, &format!("10.0.0.9:{port}")), false).unwrap();
        let error = timeout(LONG, answer).await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM), "port {port}");
    }
    assert_eq!(most.load(Ordering::Relaxed), MAX_HANDLERS);
    finish.add_permits(1);
    until(|| running.load(Ordering::Relaxed) == 0).await;
    assert_eq!(status(&mut sender, request(Method::CONNECT, "10.0.0.9:80")).await, 200);
    assert!(!task.is_finished(), "the tunnel is still there");
}

#[tokio::test(flavor = "local")]
async fn drain_lets_streams_finish() {
    let mesh = Mesh::new();
    let server = Server::echo(&mesh).await;
    let (mut sender, task) = raw(&mesh, &server).await;
    let (answer, mut send) = sender.send_request(request(Method::CONNECT, "10.0.0.9:80"), false).unwrap();
    let mut recv = answer.await.unwrap().into_body();
    server.drain.cancel();
    // GOAWAY arrives: no new streams.
    let refused = async {
        while sender.send_request(request(Method::CONNECT, "10.0.0.9:80"), false).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, refused).await.unwrap();
    send.send_data(Bytes::from_static(b"last"), true).unwrap();
    let mut got = Vec::new();
    while let Some(bytes) = recv.data().await {
        got.extend_from_slice(&bytes.unwrap());
    }
    assert_eq!(got, b"last");
    timeout(LONG, task).await.unwrap().unwrap().unwrap();
}

/// A peer that never speaks HTTP/2 is given up, and one that vanishes is asked and given up.
#[tokio::test(flavor = "local")]
async fn silent_peers_are_given_up() {
    let mesh = Mesh::new();
    let (ours, theirs) = tls_pair(&mesh).await;
    tokio::time::pause();
    let start = Instant::now();
    let error = ours.serve(mesh.id("client"), echo, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, TunnelError::Serve { .. }), "{error}");
    let took = start.elapsed();
    assert!(took < settings::HANDSHAKE_DEADLINE + Duration::from_secs(1), "{took:?}");
    drop(theirs);
    tokio::time::resume();

    let (ours, mut theirs) = tls_pair(&mesh).await;
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    theirs.write_all(&preface).await.unwrap();
    tokio::time::pause();
    let start = Instant::now();
    let error = ours.serve(mesh.id("client"), echo, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, TunnelError::Silent), "{error}");
    let took = start.elapsed();
    let expected = settings::PING_AFTER + settings::PING_DEADLINE;
    assert!(took >= expected && took < expected + settings::PING_AFTER + Duration::from_secs(1), "{took:?}");
}

/// A peer that ends TLS before there is any, and goes.
#[tokio::test(flavor = "local")]
async fn a_handshake_that_is_cut_is_over() {
    let mesh = Mesh::new();
    let (near, mut far) = crate::testing::tcp_pair().await;
    // close_notify, in the clear.
    far.write_all(&[21, 3, 3, 0, 2, 1, 0]).await.unwrap();
    drop(far);
    let error = timeout(LONG, accept(near, mesh.server())).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
}

/// close_notify ends a tunnel though its socket is still open: the peer may wait for ours.
#[tokio::test(flavor = "local")]
async fn the_end_of_tls_is_the_end() {
    let mesh = Mesh::new();
    let (ours, mut theirs) = tls_pair(&mesh).await;
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let mut records = Vec::new();
    let (socket, tls) = theirs.get_mut();
    std::io::Write::write_all(&mut tls.writer(), &preface).unwrap();
    tls.send_close_notify();
    while tls.wants_write() {
        tls.write_tls(&mut records).unwrap();
    }
    // In one piece.
    socket.write_all(&records).await.unwrap();
    let served = ours.serve(mesh.id("client"), echo, std::future::pending());
    let ended = async {
        // An end without close_notify would be an error.
        theirs.read_to_end(&mut Vec::new()).await.unwrap();
        drop(theirs);
    };
    let (served, ()) = timeout(LONG, async { tokio::join!(served, ended) }).await.unwrap();
    served.unwrap();
}

/// It hears GOAWAY, its streams are reset, and whoever carries them learns why.
#[tokio::test(flavor = "local")]
async fn a_peer_that_is_trusted_no_more_loses_its_tunnel() {
    let mesh = Mesh::new();
    let (accepted, theirs) = tls_pair(&mesh).await;
    let (distrust, distrusted) = tokio::sync::oneshot::channel::<String>();
    let (told, hears) = tokio::sync::oneshot::channel();
    let told = std::rc::Rc::new(std::cell::Cell::new(Some(told)));
    let handler = move |incoming: IncomingStream| {
        let told = told.clone();
        async move {
            let mut stream = incoming.accept(None).unwrap();
            let read = stream.read(&mut [0; 16]).await;
            let _ = told.take().unwrap().send(read.unwrap_err().to_string());
        }
    };
    let accepted = accepted.until(Vouched::new(async { distrusted.await.unwrap() }));
    let serving = tokio::task::spawn_local(accepted.serve(mesh.id("client"), handler, std::future::pending()));
    let (mut sender, connection) = h2::client::handshake(theirs).await.unwrap();
    let connection = tokio::task::spawn_local(connection);
    let (answer, _send) = sender.send_request(request(Method::CONNECT, "10.0.0.9:80"), false).unwrap();
    let mut body = timeout(LONG, answer).await.unwrap().unwrap().into_body();
    distrust.send("nobody vouches for it".into()).unwrap();
    let told = timeout(LONG, hears).await.unwrap().unwrap();
    assert!(told.contains("nobody vouches for it"), "{told}");
    assert!(timeout(LONG, body.data()).await.unwrap().unwrap().is_err());
    drop((sender, body));
    let _ = timeout(LONG, connection).await.unwrap();
    let ended = timeout(LONG, serving).await.unwrap().unwrap();
    assert!(matches!(ended, Err(TunnelError::Distrusted { .. })), "{ended:?}");
}
