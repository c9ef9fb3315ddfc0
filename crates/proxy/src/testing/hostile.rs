//! What a hostile peer sends by HTTP, and that it gets no further.

use std::{pin::pin, task::Poll};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

use super::LONG;

/// Something in two readings, of which one holds a second request; or more than a head may have.
pub(crate) struct Crooked {
    pub(crate) what: &'static str,
    pub(crate) bytes: String,
    /// What it is answered with.
    pub(crate) status: u16,
}

/// Frames that cost their reader and bring nothing, without end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flood {
    /// Requests that are taken back at once.
    Resets,
    Pings,
    Settings,
    /// One head that never ends.
    Continuations,
}

/// That other request.
pub(crate) const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Most frames of a flood that are sent: far more than any limit.
const FRAMES: u32 = 200_000;

/// Requests of which each reader could make something else.
pub(crate) fn crooked() -> Vec<Crooked> {
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}{SMUGGLED}");
    let length = SMUGGLED.len();
    let many: Vec<String> = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
    let many = many.concat();
    let one = |what, bytes, status| Crooked { what, bytes, status };
    vec![
        one("both lengths", post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400),
        one("lengths that differ", post(&format!("Content-Length: 0\r\nContent-Length: {length}"), ""), 400),
        one("a list of lengths", post(&format!("Content-Length: 0, {length}"), ""), 400),
        one("a length with a sign", post("Content-Length: +0", ""), 400),
        one("a space before the colon", post("Transfer-Encoding : chunked", "0\r\n\r\n"), 400),
        one("chunked twice", post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"), 400),
        one("chunked in disguise", post("Transfer-Encoding: \x0bchunked", "0\r\n\r\n"), 400),
        one("a folded line", post("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"), 400),
        one("a field beyond a bare line end", post("X-A: a\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400),
        one("a large head", format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n{SMUGGLED}", "x".repeat(70_000)), 431),
        one("many fields", format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n{SMUGGLED}"), 431),
    ]
}

/// Reads until the end: what came is one answer with that status, and the connection is over with it.
pub(crate) async fn refused(stream: &mut (impl AsyncRead + Unpin), Crooked { what, status, .. }: &Crooked) {
    let mut heard = Vec::new();
    let reading = async {
        let mut some = [0; 4096];
        // Closed with something unread it may end with a reset, behind the answer.
        while let Ok(length @ 1..) = stream.read(&mut some).await {
            heard.extend_from_slice(&some[..length]);
        }
    };
    let over = timeout(LONG, reading).await;
    let heard = String::from_utf8_lossy(&heard);
    assert!(over.is_ok(), "{what}: it goes on: {heard}");
    assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {heard}");
    assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{what}: {heard}");
}

/// Sends it until the peer ends the connection.
pub(crate) async fn drowns(stream: impl AsyncRead + AsyncWrite, flood: Flood) {
    let (mut read, mut write) = tokio::io::split(stream);
    let sending = async {
        let begun = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat();
        write.write_all(&begun).await?;
        for number in 0..FRAMES {
            write.write_all(&flood.frames(number)).await?;
        }
        Ok::<_, std::io::Error>(())
    };
    let reading = async {
        let mut some = [0; 4096];
        while let Ok(1..) = read.read(&mut some).await {}
    };
    let (mut sending, mut reading) = (pin!(sending), pin!(reading));
    let (mut sent, mut ended) = (None, false);
    let both = std::future::poll_fn(|cx| {
        if sent.is_none()
            && let Poll::Ready(result) = sending.as_mut().poll(cx)
        {
            sent = Some(result.is_ok());
        }
        ended = ended || reading.as_mut().poll(cx).is_ready();
        // Who ended its side may still read for a while.
        if ended { Poll::Ready(()) } else { Poll::Pending }
    });
    assert!(timeout(LONG, both).await.is_ok(), "{flood:?} goes on; all was sent: {sent:?}");
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

// === impl Flood ===

impl Flood {
    pub(crate) const ALL: [Self; 4] = [Self::Resets, Self::Pings, Self::Settings, Self::Continuations];

    fn frames(self, number: u32) -> Vec<u8> {
        // GET / by http, of the authority a.
        let head = [0x82, 0x84, 0x86, 0x41, 1, b'a'];
        let stream = 2 * number + 1;
        match self {
            Self::Resets => [frame(1, 5, stream, &head), frame(3, 0, stream, &8_u32.to_be_bytes())].concat(),
            Self::Pings => frame(6, 0, 0, &[0; 8]),
            Self::Settings => frame(4, 0, 0, &[]),
            Self::Continuations if number == 0 => frame(1, 1, 1, &head),
            Self::Continuations => frame(9, 0, 1, &[]),
        }
    }
}
