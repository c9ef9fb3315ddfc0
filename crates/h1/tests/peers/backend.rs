//! The server behind the peers: it reads as strictly as we do, answers, and remembers who sent what.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use ripstop_h1::{BodyKind, Limits, Persistence, Received, ServerConnection};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Method and data of a request that has come whole.
pub type Request = (String, Vec<u8>);

/// What a peer passed on of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Requests that came whole.
    pub requests: Vec<Request>,
    /// What came and is refused by us, why and with all bytes.
    pub refused: Vec<String>,
}

/// What a peer passed on, by the port of the client that it came from.
#[derive(Clone, Default)]
pub struct Records {
    inner: Arc<Mutex<HashMap<u16, Passed>>>,
}

/// Starts a backend; it lasts as long as the process.
pub fn start() -> (SocketAddr, Records) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let records = Records::default();
    let recorded = records.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let records = recorded.clone();
            thread::spawn(move || serve(stream, &records));
        }
    });
    (address, records)
}

impl Records {
    /// What came from the client with that port since it was asked last.
    pub fn take(&self, client: u16) -> Passed {
        self.inner.lock().expect("no panic").remove(&client).unwrap_or_default()
    }

    fn add(&self, client: u16, change: impl FnOnce(&mut Passed)) {
        change(self.inner.lock().expect("no panic").entry(client).or_default());
    }
}

/// The port that the peer has put into the last head, wherever that is.
fn row(bytes: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    text.rsplit_once("x-row: ")?.1.split('\r').next()?.parse().ok()
}

/// Serves one connection until either side ends it.
fn serve(mut stream: TcpStream, records: &Records) {
    let mut server = ServerConnection::new(Limits::default());
    let mut buffer = Vec::new();
    let mut all = Vec::new();
    let mut current: Option<(u16, Request)> = None;
    loop {
        let complete = match server.receive(&buffer) {
            Ok(Received::Head(length)) => {
                let head = server.head(&buffer);
                let row = head.fields().get(b"x-row").and_then(|row| std::str::from_utf8(row).ok()?.parse().ok());
                let method = String::from_utf8_lossy(head.method()).into_owned();
                current = row.map(|row| (row, (method, Vec::new())));
                let complete = matches!(head.body(), BodyKind::None | BodyKind::Length(0));
                // Whether or not there is an offer, nothing is switched here.
                let _ordinary = server.decline_upgrade();
                buffer.drain(..length);
                complete
            }
            Ok(Received::Body(piece)) => {
                if let Some((_, (_, data))) = &mut current {
                    data.extend_from_slice(&buffer[piece.data]);
                }
                buffer.drain(..piece.consumed);
                piece.done
            }
            Ok(Received::More | Received::Held) => {
                let mut bytes = [0; 4096];
                match stream.read(&mut bytes) {
                    Ok(0) | Err(_) => return,
                    Ok(length) => {
                        buffer.extend_from_slice(&bytes[..length]);
                        all.extend_from_slice(&bytes[..length]);
                    }
                }
                false
            }
            Ok(_) => return,
            Err(rejected) => {
                let row = row(&all).expect("the peer adds it");
                records.add(row, |passed| passed.refused.push(format!("{rejected}: {}", all.escape_ascii())));
                return;
            }
        };
        if complete {
            if let Some((row, request)) = current.take() {
                records.add(row, |passed| passed.requests.push(request));
            }
            let answered = server
                .respond(200, BodyKind::Length(2), Persistence::KeepAlive)
                .and_then(|_| server.finish_response().map_err(|reason| unreachable!("{reason}")));
            if stream.write_all(ANSWER).is_err() || answered != Ok(Persistence::KeepAlive) {
                return;
            }
        }
    }
}
