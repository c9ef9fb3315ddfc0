//! HTTP/1.1 through a stream of a tunnel, in TLS or not.

use std::{future::pending, rc::Rc, time::Duration};

use ripstop_exchange::{
    Body, Downstream, Fault, HeadChanges, Heard, Http1Client, Http1Server, Io, Liveness, Next, Outcome, Pump, Replay,
    TlsStream, Upstream,
};
use ripstop_identity::{CertificateAuthority, ClientAuth, Svid, client_config, new_csr, peer_id, server_config};
use ripstop_model::{SpiffeId, TrustDomain, WorkloadUid};
use ripstop_tunnel::{ConnectRequest, Credentials, IncomingStream, PoolConfig, TunnelKey, TunnelPool, TunnelStream};
use tokio::net::{TcpListener, TcpStream};

use crate::{bed::run, secure::configs};

/// A stream through a tunnel to a node where `serve` has the other end, and the pool that keeps it.
async fn tunnel<F: Future<Output = ()> + 'static>(
    serve: impl Fn(TunnelStream) -> F + Clone + 'static,
) -> (TunnelStream, TunnelPool) {
    let directory = tempfile::tempdir().unwrap();
    let domain = TrustDomain::default();
    let authority = CertificateAuthority::load_or_create(directory.path(), &domain).unwrap();
    let id = |account: &str| SpiffeId::service_account(&domain, "test", account).unwrap();
    let svid = |account: &str| {
        let (key, csr) = new_csr().unwrap();
        let chain = authority.issue(&csr, &id(account), Duration::from_hours(1)).unwrap();
        Svid::new(&chain.pem(), key).unwrap()
    };
    let tls = server_config(&svid("server"), authority.roots(), ClientAuth::Required, &[b"h2"]);
    let expected = vec![id("server")];
    let config = client_config(&svid("client"), authority.roots(), expected.clone(), &[b"h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let destination = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        let accepted = ripstop_tunnel::accept(listener.accept().await.unwrap().0, tls).await.unwrap();
        let peer = peer_id(accepted.peer_certificates().unwrap()).unwrap();
        let handler = move |incoming: IncomingStream| serve(incoming.accept(None).unwrap());
        let _ = accepted.serve(peer, handler, pending()).await;
    });
    let key = TunnelKey {
        source: id("client"),
        source_uid: WorkloadUid::process("mesh", "test", "client-0"),
        source_ip: "127.0.0.1".parse().unwrap(),
        destination,
        expected: expected.into(),
    };
    let pool = TunnelPool::new(PoolConfig { idle_after: Duration::from_mins(5), max_tunnels: 1 });
    let request = ConnectRequest::new("10.0.0.9:80".parse().unwrap());
    let dial = || TcpStream::connect(destination);
    let stream = pool.open(&key, &Credentials { config, generation: 1 }, dial, &request).await.unwrap();
    (stream, pool)
}

async fn poll<T>(what: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<T>) -> T {
    std::future::poll_fn(what).await
}

/// Answers each request with its body.
async fn echo(stream: TunnelStream) {
    let mut server = Http1Server::new(stream, Rc::default());
    while let Next::Request = server.next().await {
        let mut body = Vec::new();
        while let Body::Data = poll(|cx| server.poll_body(cx)).await.unwrap() {
            let data = server.data();
            let n = data.len();
            data.as_slice().iter().for_each(|slice| body.extend_from_slice(slice));
            server.consume(n);
        }
        server.reply(200, [], &body).unwrap();
        Downstream::Http1(&mut server).finish().await.unwrap();
    }
    server.close().await;
}

#[test]
fn requests_pass_through_a_tunnel_which_is_kept() {
    run(async {
        let (stream, _pool) = tunnel(echo).await;
        let (front, mut client) = pair().await;
        let proxy = tokio::task::spawn_local(async move {
            let mut server = Http1Server::new(front, Rc::default());
            let mut upstream = Http1Client::new(stream, Rc::default());
            for _ in 0..3 {
                assert!(matches!(server.next().await, Next::Request));
                assert!(upstream.is_reusable());
                let mut replay = Replay::none();
                let (one, two) = (Downstream::Http1(&mut server), Upstream::Http1(&mut upstream));
                let mut pump = Pump::new(one, two, &HeadChanges::NONE, &mut replay).unwrap();
                pump.answer().await.unwrap();
                pump.pass_on(&HeadChanges::NONE).unwrap();
                assert_eq!(pump.through().await.unwrap(), Outcome::Answered);
                drop(pump);
                Downstream::Http1(&mut server).finish().await.unwrap();
            }
            (server, upstream)
        });
        let content = "x".repeat(500_000);
        for _ in 0..3 {
            let (mut read, mut write) = client.0.split();
            let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n{content}");
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n{content}");
            let mut got = vec![0; answer.len()];
            let (sent, heard) = tokio::join!(
                tokio::io::AsyncWriteExt::write_all(&mut write, request.as_bytes()),
                tokio::io::AsyncReadExt::read_exact(&mut read, &mut got)
            );
            sent.unwrap();
            heard.unwrap();
            assert!(got == answer.as_bytes());
        }
        proxy.await.unwrap();
    });
}

async fn pair() -> (TcpStream, crate::bed::Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, crate::bed::Client(client))
}

#[test]
fn an_answer_that_breaks_off_in_a_tunnel_is_no_end() {
    run(async {
        // No length and no chunks: only how the stream ends tells whether that was all.
        let (stream, _pool) = tunnel(|stream| async move {
            let mut server = Http1Server::new(stream, Rc::default());
            assert!(matches!(server.next().await, Next::Request));
            server.answer(200, [], ripstop_h1::BodyKind::UntilClose).unwrap();
            assert_eq!(poll(|cx| server.poll_send(cx, &(&b"abc"[..]).into())).await.unwrap(), 3);
            server.reset();
        })
        .await;
        let mut client = Http1Client::new(stream, Rc::default());
        client.send(b"GET", b"/", b"a", [], ripstop_h1::BodyKind::None, None).unwrap();
        poll(|cx| client.poll_flush(cx)).await.unwrap();
        let heard = poll(|cx| client.poll_head(cx)).await.unwrap();
        assert_eq!(heard, Heard::Final(ripstop_h1::BodyKind::UntilClose));
        assert_eq!(poll(|cx| client.poll_body(cx)).await.unwrap(), Body::Data);
        let n = client.data().len();
        client.consume(n);
        assert_eq!(n, 3);
        let fault = poll(|cx| client.poll_body(cx)).await.unwrap_err();
        assert!(matches!(fault, Fault::Io(_)), "{fault}");
        assert!(!client.is_reusable());
    });
}

/// Makes TLS inside of a stream, and ends there what `serve` says.
async fn sealed<F: Future<Output = ()> + 'static>(
    serve: impl Fn(TlsStream) -> F + Clone + 'static,
) -> (TlsStream, TunnelPool) {
    let (accepting, connecting) = configs();
    let (stream, pool) = tunnel(move |stream| {
        let (serve, accepting) = (serve.clone(), accepting.clone());
        async move {
            let accepted = TlsStream::accept_ahead(stream, ripstop_tls::Buffer::default(), accepting).await;
            serve(accepted.unwrap()).await;
        }
    })
    .await;
    (TlsStream::connect(stream, connecting, "shop".try_into().unwrap()).await.unwrap(), pool)
}

#[test]
fn requests_pass_through_tls_inside_of_a_tunnel() {
    run(async {
        let (stream, _pool) = sealed(|stream| async move {
            let mut server = Http1Server::new(stream, Rc::default());
            for _ in 0..3 {
                assert!(matches!(server.next().await, Next::Request));
                assert_eq!(server.scheme(), b"https");
                while let Body::Data = poll(|cx| server.poll_body(cx)).await.unwrap() {
                    let n = server.data().len();
                    server.consume(n);
                }
                server.reply(200, [], &vec![b'y'; 300_000]).unwrap();
                Downstream::Http1(&mut server).finish().await.unwrap();
            }
            server.close().await;
        })
        .await;
        let mut io = Io::from(stream);
        assert!(io.is_secure() && io.socket().is_none());
        assert_eq!(io.liveness(), Liveness::Quiet);
        let mut client = Http1Client::new(io, Rc::default());
        for _ in 0..3 {
            assert!(client.is_reusable());
            client.send(b"GET", b"/", b"a", [], ripstop_h1::BodyKind::None, None).unwrap();
            poll(|cx| client.poll_flush(cx)).await.unwrap();
            assert_eq!(
                poll(|cx| client.poll_head(cx)).await.unwrap(),
                Heard::Final(ripstop_h1::BodyKind::Length(300_000))
            );
            let mut got = 0;
            while let Body::Data = poll(|cx| client.poll_body(cx)).await.unwrap() {
                let n = client.data().len();
                assert!(client.data().as_slice().iter().all(|slice| slice.iter().all(|byte| *byte == b'y')));
                client.consume(n);
                got += n;
            }
            assert_eq!(got, 300_000);
        }
    });
}

#[test]
fn tls_that_is_cut_off_in_a_tunnel_is_no_end() {
    run(async {
        let (stream, _pool) = sealed(|stream| async move {
            let mut server = Http1Server::new(stream, Rc::default());
            assert!(matches!(server.next().await, Next::Request));
            server.answer(200, [], ripstop_h1::BodyKind::UntilClose).unwrap();
            assert_eq!(poll(|cx| server.poll_send(cx, &(&b"abc"[..]).into())).await.unwrap(), 3);
            server.reset();
        })
        .await;
        let mut client = Http1Client::new(stream, Rc::default());
        client.send(b"GET", b"/", b"a", [], ripstop_h1::BodyKind::None, None).unwrap();
        poll(|cx| client.poll_flush(cx)).await.unwrap();
        assert_eq!(poll(|cx| client.poll_head(cx)).await.unwrap(), Heard::Final(ripstop_h1::BodyKind::UntilClose));
        let mut fault = None;
        for _ in 0..2 {
            match poll(|cx| client.poll_body(cx)).await {
                Ok(Body::Data) => {
                    let n = client.data().len();
                    client.consume(n);
                }
                Ok(other) => panic!("{other:?}"),
                Err(broken) => fault = Some(broken),
            }
        }
        assert!(matches!(fault, Some(Fault::Io(_))), "{fault:?}");
    });
}
