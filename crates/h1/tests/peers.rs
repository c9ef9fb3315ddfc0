//! The same bytes to nginx and HAProxy, both in front of a backend of ours, and to us. Where a peer passes on other
//! requests than we accept, it is for a reason that is listed, and ours is right.

#[path = "peers/backend.rs"]
mod backend;
#[path = "peers/process.rs"]
mod process;
mod rows;
mod traffic;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use backend::{Passed, Records, Request};
use process::{Kind, Peer};
use rows::{End, REQUESTS, Verdict, reasons};
use traffic::Seeded;

/// Generated conversations.
const GENERATED: usize = 400;
/// Conversations at the same time; most of them wait for a peer to give up.
const THREADS: usize = 128;
/// When a peer neither answers nor ends the connection.
const SILENCE: Duration = Duration::from_secs(60);
/// How often a peer is asked again when it passes on less than we accept: on a busy machine it may have given up early.
const AGAIN: usize = 2;

/// In what nginx 1.22 differs from us: see [`reasons::WHY`].
const NGINX_CLASSES: &[&str] = &[
    "Asterisk",
    "BadChunkEnd",
    "BadChunkExtension",
    "BadChunkSize",
    "BadConnection",
    "BadContentLength",
    "BadHost",
    "BadName",
    "BadTargetByte",
    "BadUpgrade",
    "BadValue",
    "BadVersion",
    "BareCarriageReturn",
    "BareLineFeed",
    "Connect",
    "EmptyLines",
    "EmptyName",
    "ForbiddenTrailer",
    "Fragment",
    "Held",
    "HostMismatch",
    "MissingColon",
    "MissingVersion",
    "Nominated",
    "ObsoleteFold",
    "OddMethod",
    "TabBehindValue",
    "TargetForm",
    "UnknownExpectation",
    "UnsupportedVersion",
    "WhitespaceBeforeColon",
];

/// In what HAProxy 2.6 differs from us.
const HAPROXY_CLASSES: &[&str] = &[
    "AbsoluteWithoutPath",
    "BadChunkEnd",
    "BadChunkExtension",
    "BadChunkSize",
    "BadConnection",
    "BadContentLength",
    "BadHost",
    "BadMethod",
    "BadTargetByte",
    "BadTransferEncoding",
    "BadUpgrade",
    "BadValue",
    "BadVersion",
    "BareLineFeed",
    "BodyForbidden",
    "DuplicateContentLength",
    "DuplicateHost",
    "EmptyLines",
    "EncodingInHttp10",
    "ForbiddenTrailer",
    "Held",
    "HostMismatch",
    "LengthAndEncoding",
    "MissingHost",
    "Nominated",
    "ObsoleteFold",
    "TargetForm",
    "UnknownExpectation",
    "UnsupportedVersion",
    "WebSocketWithoutKey",
];

/// In what HAProxy differs or not, as it happens: it forwards while it reads, and may see what is wrong with the trailers
/// before or after it has forwarded them.
const HAPROXY_SOMETIMES: &[&str] = &["WhitespaceBeforeColon"];

#[test]
fn nginx_differs_for_listed_reasons_only() {
    compare(Kind::Nginx, NGINX_CLASSES, &[]);
}

#[test]
fn haproxy_differs_for_listed_reasons_only() {
    compare(Kind::Haproxy, HAPROXY_CLASSES, HAPROXY_SOMETIMES);
}

fn compare(kind: Kind, listed: &[&str], sometimes: &[&str]) {
    let (backend, records) = backend::start();
    let peer = Peer::start(kind, backend);
    let tables = REQUESTS.iter().flat_map(|(_, rows)| *rows).map(|row| row.raw.to_vec());
    let mut random = Seeded::new(0x5eed_0003);
    let generated = (0..GENERATED).map(|_| traffic::requests(&mut random));
    let conversations: Vec<_> = tables.chain(generated).collect();
    let next = AtomicUsize::new(0);
    let met = Mutex::new(BTreeMap::new());
    let agreed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(raw) = conversations.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ours = rows::requests(raw, &[]);
                    let mut theirs = converse(&peer, raw, &records);
                    for _ in 0..AGAIN {
                        if theirs.requests.len() < ours.accepted() {
                            theirs = converse(&peer, raw, &records);
                        }
                    }
                    match class(kind, raw, &ours, &theirs) {
                        None => drop(agreed.fetch_add(1, Ordering::Relaxed)),
                        Some(class) => {
                            let example = || format!("{}\n    ours {ours}\n    theirs {theirs:?}", raw.escape_ascii());
                            met.lock().expect("no panic").entry(class).or_insert_with(example);
                        }
                    }
                }
            });
        }
    });
    let met = met.into_inner().expect("no panic");
    assert!(agreed.into_inner() > conversations.len() / 2, "they hardly agree");
    reasons::check(&met, listed, sometimes);
}

/// What kind of difference it is, if it is one.
fn class(kind: Kind, raw: &[u8], ours: &Verdict, theirs: &Passed) -> Option<String> {
    let accepted: Vec<Request> = ours
        .messages
        .iter()
        .filter(|message| message.complete)
        .map(|message| (message.line.split(' ').next().unwrap_or_default().to_owned(), message.data.clone()))
        .collect();
    if accepted == theirs.requests && theirs.refused.is_empty() {
        return None;
    }
    let more = theirs.requests.starts_with(&accepted);
    let class = match ours.end {
        End::Refused(rejected) if more => {
            let name = format!("{:?}", rejected.reason);
            return name.split('(').next().map(ToOwned::to_owned);
        }
        End::Held(_) if theirs.requests.len() > accepted.len() && more => "Held",
        _ if theirs.requests.len() > accepted.len() => "More",
        _ => fewer(kind, raw),
    };
    Some(class.to_owned())
}

/// Why a peer passes on less than we accept.
fn fewer(kind: Kind, raw: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(raw);
    let odd_method = |line: &str| {
        let method =
            line.split_once(' ').filter(|(_, rest)| rest.contains(" HTTP/1.")).map_or("", |(method, _)| method);
        !method.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-'))
    };
    match kind {
        Kind::Nginx if text.starts_with("CONNECT ") => "Connect",
        Kind::Nginx if text.starts_with("OPTIONS *") => "Asterisk",
        Kind::Nginx if text.lines().any(odd_method) => "OddMethod",
        Kind::Nginx if text.contains("\t\r\n") => "TabBehindValue",
        Kind::Haproxy if text.contains("Upgrade: websocket") => "WebSocketWithoutKey",
        Kind::Haproxy if text.contains("HTTPS://A:1?x") => "AbsoluteWithoutPath",
        _ => "Fewer",
    }
}

/// What the backend got of that conversation; again if the peer ended meanwhile, as a whole.
fn converse(peer: &Peer, raw: &[u8], records: &Records) -> Passed {
    loop {
        let starts = peer.starts();
        let port = exchange(peer.connect(), raw);
        let passed = records.take(port);
        // It is there after that.
        drop(peer.connect());
        if peer.starts() == starts {
            return passed;
        }
    }
}

/// Sends that and reads until the peer ends the connection. Returns the port that it was sent from.
fn exchange(mut stream: TcpStream, raw: &[u8]) -> u16 {
    stream.set_read_timeout(Some(SILENCE)).expect("a socket");
    let port = stream.local_addr().expect("a socket").port();
    // It may end the connection before it has read all.
    let _sent = stream.write_all(raw);
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return port,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return port,
            Err(error) => panic!("{error} after {}", raw.escape_ascii()),
        }
    }
}
