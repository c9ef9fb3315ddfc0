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
use rows::{End, Message, REQUESTS, Verdict};
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

/// What hyper takes and we refuse, by the name of our reason, or another difference; and why ours is right.
type Classes = &'static [(&'static str, &'static str)];

const REQUEST_CLASSES: Classes = &[
    ("AbsoluteRewritten", "hyper writes an absolute target in its own way; we pass on what came"),
    ("BadChunkExtension", "who skips extensions unread passes on what others read in another way"),
    ("BadChunkSize", "whitespace around a size is not in the grammar (RFC 9112 7.1)"),
    ("BadConnection", "an option is a token; who splits it otherwise strips other fields (RFC 9110 7.6.1)"),
    ("BadContentLength", "leading zeros are octal to some, and lists are several lengths (RFC 9112 6.3)"),
    ("BadHost", "servers disagree on what such a host names; hyper does not look at it (RFC 9112 3.2)"),
    ("BadTargetByte", "bytes beyond ASCII are in no target (RFC 3986 2)"),
    ("BadTransferEncoding", "`,chunked` is chunked to some and unknown to others"),
    ("BadUpgrade", "a protocol is a token with an optional version (RFC 9110 7.8)"),
    ("BareLineFeed", "LF alone ends lines for some and is a byte of the value for others (RFC 9112 2.2)"),
    ("BodyForbidden", "CONNECT has no body; what looks like one would be the tunnel's (RFC 9110 9.3.6)"),
    ("DuplicateContentLength", "a second length is refused even if equal, since others count differently"),
    ("DuplicateHost", "who routes by the first and who by the last see different hosts (RFC 9112 3.2)"),
    ("DuplicateTransferEncoding", "chunked twice is an error (RFC 9112 6.1)"),
    ("EmptyLines", "one empty line is a leftover, several are an attempt (RFC 9112 2.2)"),
    ("ForbiddenTrailer", "fields that frame, route or authenticate must be in the head (RFC 9110 6.5.1)"),
    ("Fragment", "hyper cuts it off, so that the next hop sees another target (RFC 9112 3.2)"),
    ("Held", "after an offer to switch, bytes may be the other protocol's; hyper reads them as a request"),
    ("HostMismatch", "who routes by target and who by Host see different hosts (RFC 9112 3.2.2)"),
    ("LengthAndEncoding", "two lengths at once are the classic of smuggling; hyper drops one (RFC 9112 6.3)"),
    ("MissingHost", "a 1.1 request without Host must be refused (RFC 9112 3.2)"),
    ("Nominated", "Host or framing that ends at this hop would be gone at the next (RFC 9110 7.6.1)"),
    ("TargetForm", "only CONNECT has host and port, only OPTIONS has the asterisk, only http is served here"),
    ("UnknownExpectation", "an expectation that is not understood is answered with 417 (RFC 9110 10.1.1)"),
    ("UnknownTransferCoding", "a coding that is not decoded is answered with 501 (RFC 9112 6.1)"),
];

const RESPONSE_CLASSES: Classes = &[
    ("BadChunkExtension", "who skips extensions unread passes on what others read in another way"),
    ("BadConnection", "an option is a token; who splits it otherwise strips other fields (RFC 9110 7.6.1)"),
    ("BadContentLength", "leading zeros are octal to some, and lists are several lengths (RFC 9112 6.3)"),
    ("BadStatus", "the space after the status is there even without a reason; 600 and above are nothing"),
    ("BadTransferEncoding", "`,chunked` is chunked to some and unknown to others"),
    ("BareLineFeed", "LF alone ends lines for some and is a byte of the value for others (RFC 9112 2.2)"),
    ("BodyForbidden", "a 204 or 1xx with framing has a body for some and none for others (RFC 9110 8.6)"),
    ("DuplicateContentLength", "a second length is refused even if equal, since others count differently"),
    ("DuplicateTransferEncoding", "chunked twice is an error (RFC 9112 6.1)"),
    ("EmptyLines", "nothing comes before a response"),
    ("EncodingInHttp10", "HTTP/1.0 knows no coding; its framing is faulty (RFC 9112 6.1)"),
    ("ForbiddenTrailer", "fields that frame, route or authenticate must be in the head (RFC 9110 6.5.1)"),
    ("LengthAndEncoding", "two lengths at once are the classic of smuggling (RFC 9112 6.3)"),
    ("Nominated", "framing that ends at this hop would be gone at the next (RFC 9110 7.6.1)"),
    ("UnexpectedSwitch", "nobody asked for another protocol (RFC 9110 15.2.2)"),
    ("UnknownTransferCoding", "a coding that is not decoded can't be passed on as a body (RFC 9112 6.1)"),
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
    fn conclude(self, listed: Classes) {
        assert!(self.agreed > GENERATED / 2, "they agree on {} only", self.agreed);
        for (class, example) in &self.classes {
            assert!(listed.iter().any(|(name, _)| name == class), "{class} is not listed:\n    {example}");
        }
        for (name, why) in listed {
            assert!(
                self.classes.contains_key(*name),
                "{name} ({why}) is listed, but they do not differ in it any more"
            );
        }
    }
}

/// Whether the two differ only in how an absolute target is written.
fn is_rewritten(ours: &[Seen], theirs: &[Seen]) -> bool {
    let same = |((our_line, our_data), (their_line, their_data)): (&Seen, &Seen)| {
        our_line == their_line || (our_data == their_data && our_line.to_lowercase().contains(" http"))
    };
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
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
