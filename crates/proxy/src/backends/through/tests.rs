use ripstop_tls::Buffer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

/// What a proxy makes of the way on that answers so: what it was asked, and what is heard behind it.
fn led(settings: &TunnelSettings, answer: &'static [u8]) -> (String, Result<String, BackendError>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = tokio::task::spawn_local(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                match client.read_u8().await {
                    Ok(byte) => asked.push(byte),
                    Err(_) => break,
                }
            }
            client.write_all(answer).await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let led = match lead(stream.into(), address, settings).await {
            Ok(mut stream) => {
                let mut heard = Buffer::default();
                while poll_fn(|cx| stream.poll_read(cx, &mut heard)).await.unwrap() > 0 {}
                Ok(String::from_utf8(heard.filled().to_vec()).unwrap())
            }
            Err(error) => Err(error),
        };
        (proxy.await.unwrap(), led)
    })
}

fn to(host: &str) -> TunnelSettings {
    TunnelSettings { post: false, host: host.into(), port: 443 }
}

#[test]
fn what_comes_behind_the_answer_is_the_hosts() {
    let (asked, led) = led(&to("web.example"), b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: a\r\n\r\nhello");
    assert!(asked.starts_with("CONNECT web.example:443 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_ascii_lowercase().contains("\r\nhost: web.example:443\r\n"), "{asked}");
    assert_eq!(led.unwrap(), "hello");
}

#[test]
fn an_address_of_ipv6_is_in_brackets() {
    let (asked, led) = led(&to("2001:db8::1"), b"HTTP/1.1 204 No Content\r\n\r\n");
    assert!(asked.starts_with("CONNECT [2001:db8::1]:443 HTTP/1.1\r\n"), "{asked}");
    assert_eq!(led.unwrap(), "");
}

#[test]
fn whatever_else_is_answered_leads_nowhere() {
    for (answer, told, counts) in [
        (&b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"[..], "it answers 403", false),
        (b"HTTP/1.1 407 No\r\n\r\n", "it answers 407", false),
        (b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", "it answers 301", false),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "it answers 502", true),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\n", "", true),
        (b"SSH-2.0-proxy\r\n", "", true),
        (b"", "", true),
    ] {
        let error = led(&to("web.example"), answer).1.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("web.example:443") && text.contains(told), "{text}");
        assert_eq!(error.outcome().is_some(), counts, "{text}");
    }
}

#[test]
fn post_is_not_spoken() {
    let (asked, led) = led(&TunnelSettings { post: true, ..to("web.example") }, b"");
    assert_eq!(asked, "");
    assert!(led.unwrap_err().to_string().contains("by CONNECT only"));
}
