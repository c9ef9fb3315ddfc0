//! Over TLS.

use std::{rc::Rc, sync::Arc};

use ripstop_exchange::{Downstream, Http1Client, Http1Server, Next, Pump, Replay, TlsStream, Upstream};
use ripstop_tls::Buffer;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};

use crate::bed::run;

pub fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certified = rcgen::generate_simple_self_signed(vec!["shop".into()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (server.enable_secret_extraction, client.enable_secret_extraction) = (true, true);
    (Arc::new(server), Arc::new(client))
}

/// Both ends of a connection with TLS.
pub async fn pair() -> (TlsStream, TlsStream) {
    let (server, client) = configs();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let name = "shop".try_into().unwrap();
    let (server, client) = tokio::join!(TlsStream::accept(accepted, server), TlsStream::connect(socket, client, name));
    (server.unwrap(), client.unwrap())
}

#[test]
fn requests_pass_through_two_connections_with_tls_and_both_are_kept() {
    run(async {
        let ((front, client), (origin, back)) = (pair().await, pair().await);
        let mut client = Http1Client::new(client, Rc::default());
        let proxy = tokio::task::spawn_local(async move {
            let (mut server, mut upstream) =
                (Http1Server::new(front, Rc::default()), Http1Client::new(back, Rc::default()));
            for _ in 0..3 {
                assert!(matches!(server.next().await, Next::Request));
                assert!(upstream.is_reusable());
                let mut replay = Replay::none();
                let (one, two) = (Downstream::Http1(&mut server), Upstream::Http1(&mut upstream));
                let mut pump = Pump::new(one, two, &ripstop_exchange::HeadChanges::NONE, &mut replay).unwrap();
                pump.answer().await.unwrap();
                pump.pass_on(&ripstop_exchange::HeadChanges::NONE).unwrap();
                pump.through().await.unwrap();
                drop(pump);
                Downstream::Http1(&mut server).finish().await.unwrap();
            }
            (server, upstream)
        });
        let origin = tokio::task::spawn_local(async move {
            let mut server = Http1Server::new(origin, Rc::default());
            for _ in 0..3 {
                assert!(matches!(server.next().await, Next::Request));
                assert_eq!(server.scheme(), b"https");
                let mut got = 0;
                while let ripstop_exchange::Body::Data = std::future::poll_fn(|cx| server.poll_body(cx)).await.unwrap()
                {
                    let n = server.data().len();
                    got += n;
                    server.consume(n);
                }
                server.reply(200, [(&b"x-got"[..], got.to_string().as_bytes())], &vec![b'y'; 300_000]).unwrap();
                Downstream::Http1(&mut server).finish().await.unwrap();
            }
            server
        });
        for _ in 0..3 {
            let content = vec![b'x'; 500_000];
            let mut call = Upstream::Http1(&mut client);
            let body = ripstop_h1::BodyKind::Length(content.len() as u64);
            call.send(b"POST", b"/", b"shop", [], body).unwrap();
            let mut sent = 0;
            while sent < content.len() {
                sent += std::future::poll_fn(|cx| call.poll_send(cx, &(&content[sent..]).into())).await.unwrap();
            }
            call.end([]).unwrap();
            std::future::poll_fn(|cx| call.poll_flush(cx)).await.unwrap();
            std::future::poll_fn(|cx| call.poll_head(cx)).await.unwrap();
            let got = call.fields().find(|(name, _)| name == b"x-got").unwrap().1;
            assert_eq!(got, b"500000");
            let mut answer = 0;
            while let ripstop_exchange::Body::Data = std::future::poll_fn(|cx| call.poll_body(cx)).await.unwrap() {
                let n = call.data().len();
                answer += n;
                call.consume(n);
            }
            assert_eq!(answer, 300_000);
        }
        drop((proxy.await.unwrap(), origin.await.unwrap()));
        assert!(!client.is_reusable());
    });
}

/// TLS takes 64 KiB at once: these chunks end a little before that, at it, within the line behind them, and after it.
#[test]
fn chunks_are_whole_wherever_a_write_is_cut() {
    run(async {
        let (server, client) = pair().await;
        let mut client = Http1Client::new(client, Rc::default());
        let answering = tokio::task::spawn_local(async move {
            let mut server = Http1Server::new(server, Rc::default());
            assert!(matches!(server.next().await, Next::Request));
            server.answer(200, [], ripstop_h1::BodyKind::Chunked).unwrap();
            std::future::poll_fn(|cx| server.poll_flush(cx)).await.unwrap();
            for length in 65_500..=65_540 {
                let chunk = vec![u8::try_from(length % 251).unwrap(); length];
                let mut sent = 0;
                while sent < length {
                    sent += std::future::poll_fn(|cx| server.poll_send(cx, &(&chunk[sent..]).into())).await.unwrap();
                }
                std::future::poll_fn(|cx| server.poll_flush(cx)).await.unwrap();
            }
            server.end([]).unwrap();
            Downstream::Http1(&mut server).finish().await.unwrap();
            server
        });
        let mut call = Upstream::Http1(&mut client);
        call.send(b"GET", b"/", b"shop", [], ripstop_h1::BodyKind::None).unwrap();
        std::future::poll_fn(|cx| call.poll_flush(cx)).await.unwrap();
        std::future::poll_fn(|cx| call.poll_head(cx)).await.unwrap();
        let mut got = Vec::new();
        while let ripstop_exchange::Body::Data = std::future::poll_fn(|cx| call.poll_body(cx)).await.unwrap() {
            let data = call.data();
            let n = data.len();
            data.as_slice().iter().for_each(|slice| got.extend_from_slice(slice));
            call.consume(n);
        }
        let all: Vec<u8> =
            (65_500..=65_540).flat_map(|length| vec![u8::try_from(length % 251).unwrap(); length]).collect();
        assert!(got == all, "{} bytes instead of {}", got.len(), all.len());
        drop(answering.await.unwrap());
    });
}

#[test]
fn what_was_read_of_a_handshake_before_counts() {
    run(async {
        let (server, client) = configs();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        let client = tokio::task::spawn_local(TlsStream::connect(socket, client, "shop".try_into().unwrap()));
        // A part of the greeting, as somebody has read it who looked for its server name.
        let mut read = Buffer::default();
        let n = accepted.read(&mut read.space()[..100]).await.unwrap();
        read.fill(n);
        let server = TlsStream::accept_ahead(accepted, read, server).await.unwrap();
        let client = client.await.unwrap().unwrap();
        assert!(!server.session().is_handshaking());
        assert_eq!(client.session().peer_certificates().map(<[_]>::len), Some(1));
    });
}
