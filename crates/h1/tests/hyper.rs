//! The same bytes to hyper and to us. Where the two differ, it is for a reason that is listed, and ours is right.

mod rows;
mod traffic;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{Request, Response, body::Incoming, client, server, service::service_fn};
use hyper_util::rt::TokioIo;
use rows::{End, Message, REQUESTS, Verdict, reasons};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use traffic::Seeded;

/// Generated conversations a side.
const GENERATED: usize = 4000;
/// Bytes in flight; more than any conversation here has.
const BUFFER: usize = 1 << 16;

/// A message as hyper hands it out: method and target, or status; and data.
type Seen = (String, Vec<u8>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Hyper {
    complete: Vec<Seen>,
    /// Whether it reported an error.
    failed: bool,
}

/// In what hyper differs from us as a server: see [`reasons::WHY`].
const REQUEST_CLASSES: &[&str] = &[
    "AbsoluteRewritten",
    "BadChunkExtension",
    "BadChunkSize",
    "BadConnection",
    "BadContentLength",
    "BadHost",
    "BadTargetByte",
    "BadTransferEncoding",
    "BadUpgrade",
    "BareLineFeed",
    "BodyForbidden",
    "DuplicateContentLength",
    "DuplicateHost",
    "DuplicateTransferEncoding",
    "EmptyLines",
    "ForbiddenTrailer",
    "Fragment",
    "Held",
    "HostMismatch",
    "LengthAndEncoding",
    "MissingHost",
    "Nominated",
    "TargetForm",
    "UnknownExpectation",
    "UnknownTransferCoding",
];

/// In what hyper differs from us as a client.
const RESPONSE_CLASSES: &[&str] = &[
    "BadChunkExtension",
    "BadConnection",
    "BadContentLength",
    "BadStatus",
    "BadTransferEncoding",
    "BareLineFeed",
    "BodyForbidden",
    "DuplicateContentLength",
    "DuplicateTransferEncoding",
    "EmptyLines",
    "EncodingInHttp10",
    "ForbiddenTrailer",
    "LengthAndEncoding",
    "Nominated",
    "UnexpectedSwitch",
    "UnknownTransferCoding",
];

#[test]
fn requests_differ_for_listed_reasons_only() {
    let runtime = runtime();
    let mut differences = Differences::default();
    let tables = REQUESTS.iter().flat_map(|(_, rows)| *rows).map(|row| row.raw.to_vec());
    let mut random = Seeded::new(0x5eed_0001);
    let generated = (0..GENERATED).map(|_| traffic::requests(&mut random));
    for raw in tables.chain(generated) {
        let ours = rows::requests(&raw, &[]);
        let theirs = runtime.block_on(hyper_server(&raw));
        let accepted: Vec<Seen> = ours.messages.iter().filter(|message| message.complete).map(seen).collect();
        differences.look(&raw, &accepted, &ours, &theirs);
    }
    differences.conclude(REQUEST_CLASSES);
}

#[test]
fn responses_differ_for_listed_reasons_only() {
    let runtime = runtime();
    let mut differences = Differences::default();
    let tables = rows::responses::ROWS.iter().map(|row| (row.asked, row.raw.to_vec()));
    let mut random = Seeded::new(0x5eed_0002);
    let generated = (0..GENERATED).map(|_| traffic::response(&mut random));
    for (asked, raw) in tables.filter(|(asked, _)| ["GET", "HEAD"].contains(asked)).chain(generated) {
        let ours = rows::responses(asked, &raw, &[]);
        let theirs = runtime.block_on(hyper_client(asked, &raw));
        let is_final = |message: &&Message| message.complete && !message.line.starts_with('1');
        let accepted: Vec<Seen> = ours.messages.iter().filter(is_final).map(seen).collect();
        differences.look(&raw, &accepted, &ours, &theirs);
    }
    differences.conclude(RESPONSE_CLASSES);
}

fn seen(message: &Message) -> Seen {
    (message.line.clone(), message.data.clone())
}

/// Differences by their class, with an example of each.
#[derive(Default)]
struct Differences {
    classes: BTreeMap<String, String>,
    agreed: usize,
}

impl Differences {
    fn look(&mut self, raw: &[u8], accepted: &[Seen], ours: &Verdict, theirs: &Hyper) {
        let class = match ours.end {
            _ if accepted == theirs.complete => {
                // Neither refuses what the other takes to its end, but for what comes after a last message.
                let good = ours.end == End::More(0) && accepted.len() == ours.messages.len();
                if !(good && theirs.failed) {
                    self.agreed += 1;
                    return;
                }
                "HyperFailed".to_owned()
            }
            _ if is_rewritten(accepted, &theirs.complete) => "AbsoluteRewritten".to_owned(),
            End::Refused(rejected) if theirs.complete.starts_with(accepted) => {
                let name = format!("{:?}", rejected.reason);
                name.split('(').next().expect("a first part").to_owned()
            }
            End::Held(_) if theirs.complete.starts_with(accepted) => "Held".to_owned(),
            _ => "Other".to_owned(),
        };
        let example = || format!("{}\n    ours {ours}\n    theirs {theirs:?}", raw.escape_ascii());
        self.classes.entry(class).or_insert_with(example);
    }

    /// The classes that were met are those of the list.
    fn conclude(self, listed: &[&str]) {
        assert!(self.agreed > GENERATED / 2, "they agree on {} only", self.agreed);
        reasons::check(&self.classes, listed, &[]);
    }
}

/// Whether the two differ only in how an absolute target is written.
fn is_rewritten(ours: &[Seen], theirs: &[Seen]) -> bool {
    let rewritten = ours.iter().map(|(line, data)| (as_hyper_writes(line), data.clone()));
    rewritten.eq(theirs.iter().cloned())
}

/// A method and a target, which hyper writes with its scheme in lower case and never without a path.
fn as_hyper_writes(line: &str) -> String {
    let Some((start, rest)) = line.split_once("://") else { return line.to_owned() };
    let Some((method, scheme)) = start.split_once(' ') else { return line.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{method} {}://{authority}{slash}{path}", scheme.to_lowercase())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

/// What a server of hyper hands out when a client sends that and nothing more.
async fn hyper_server(raw: &[u8]) -> Hyper {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (mut ours, theirs) = duplex(BUFFER);
    let service = service_fn(|request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let line = format!("{} {}", request.method(), request.uri());
            if let Ok(body) = request.into_body().collect().await {
                seen.lock().expect("no panic").push((line, body.to_bytes().to_vec()));
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    ours.write_all(raw).await.expect("room");
    ours.shutdown().await.expect("an open pipe");
    let served = server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(theirs), service)
        .with_upgrades()
        .await;
    let complete = std::mem::take(&mut *seen.lock().expect("no panic"));
    Hyper { complete, failed: served.is_err() }
}

/// What a client of hyper hands out when the server sends that and ends the connection.
async fn hyper_client(asked: &str, raw: &[u8]) -> Hyper {
    let (mut ours, theirs) = duplex(BUFFER);
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(theirs)).await.expect("no bytes yet");
    let request =
        Request::builder().method(asked).uri("/").header("host", "a").body(Empty::<Bytes>::new()).expect("good");
    let connection = tokio::spawn(connection.with_upgrades());
    let answered = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16().to_string();
        let body = response.into_body().collect().await?.to_bytes().to_vec();
        Ok::<_, hyper::Error>((status, body))
    };
    let server = async {
        let mut buffer = [0; 1024];
        // The request is one write.
        let length = ours.read(&mut buffer).await.expect("an open pipe");
        assert!(buffer[..length].ends_with(b"\r\n\r\n"));
        ours.write_all(raw).await.expect("room");
        ours.shutdown().await.expect("an open pipe");
    };
    let (answered, ()) = tokio::join!(answered, server);
    drop(sender);
    let ended = connection.await.expect("no panic");
    let failed = answered.is_err() || ended.is_err();
    Hyper { complete: answered.into_iter().collect(), failed }
}
