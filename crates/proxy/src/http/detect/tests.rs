use std::net::{Ipv4Addr, SocketAddr};

use ripstop_exchange::Io;
use ripstop_tls::Buffer;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use super::{Silence, Spoken, client_hello, detect, of};

#[test]
fn first_bytes() {
    let http1: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.0\n",
        b"\r\nPOST /a?b HTTP/1.1\r\nHost: x\r\n",
        b"BASELINE-CONTROL * HTTP/1.1\r\n",
        b"PRI /x HTTP/1.1\r\n",
    ];
    for bytes in http1 {
        assert_eq!(of(bytes), Some(Spoken::Http1), "{}", bytes.escape_ascii());
    }
    assert_eq!(of(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Some(Spoken::Http2));
    let other: &[&[u8]] = &[
        b"\0",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"GET\r\n",
        b"GET /\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/11\r\n",
        b"abcdefghijklmnopqrstuvwxyzabcdefgh",
        b"\x16\x03\x01\xff\xff\x01",
    ];
    for bytes in other {
        assert_eq!(of(bytes), Some(Spoken::Other), "{}", bytes.escape_ascii());
    }
}

#[test]
fn what_may_become_something_is_waited_for() {
    let hello = client_hello("shop.example");
    for whole in [&b"\r\nGET /a HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &hello] {
        for cut in 0..whole.len() {
            assert_eq!(of(&whole[..cut]), None, "{}", whole[..cut].escape_ascii());
        }
    }
    assert_eq!(of(&hello), Some(Spoken::Tls(Some("shop.example".into()))));
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

#[tokio::test(start_paused = true)]
async fn silence_passes_only_where_it_may() {
    let (_client, server) = pair().await;
    let (mut io, mut buffer) = (Io::from(server), Buffer::default());
    assert_eq!(detect(&mut io, &mut buffer, Silence::Passes(super::SILENCE)).await.unwrap(), Spoken::Silent);
    let long = tokio::time::timeout(std::time::Duration::from_secs(3600), detect(&mut io, &mut buffer, Silence::Waits));
    assert!(long.await.is_err(), "it waits");
}

#[tokio::test]
async fn what_was_read_is_kept() {
    let (mut client, server) = pair().await;
    client.write_all(b"GET / HT").await.unwrap();
    let (mut io, mut buffer) = (Io::from(server), Buffer::default());
    let detecting = async { detect(&mut io, &mut buffer, Silence::Waits).await.unwrap() };
    let (spoken, ()) = tokio::join!(detecting, async {
        tokio::task::yield_now().await;
        client.write_all(b"TP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    });
    assert_eq!(spoken, Spoken::Http1);
    assert!(buffer.filled().starts_with(b"GET / HTTP/1.1\r\n"));
}

#[tokio::test]
async fn an_end_is_nothing_known() {
    let (mut client, server) = pair().await;
    client.write_all(b"GE").await.unwrap();
    client.shutdown().await.unwrap();
    let (mut io, mut buffer) = (Io::from(server), Buffer::default());
    assert_eq!(detect(&mut io, &mut buffer, Silence::Waits).await.unwrap(), Spoken::Other);
    assert_eq!(buffer.filled(), b"GE");
}
