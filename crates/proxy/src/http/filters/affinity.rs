//! Which endpoint a request belongs to (Istio's `consistentHash`), as Envoy's hash policies say it.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ripstop_balance::hash_of;
use ripstop_model::{Algorithm, HashKey, SessionAffinity};
use ripstop_telemetry::Headers;

use super::{Request, changes::Transport};

/// What a request is placed by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// Its hash; nothing: it belongs to no endpoint, and any will do.
    pub hash: Option<u64>,
    /// The cookie that its client gets with the answer, so that its next requests belong to the same endpoint.
    pub cookie: Option<Box<str>>,
}

/// The connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Who called.
    pub peer: SocketAddr,
    /// Whom it called.
    pub destination: SocketAddr,
}

// === impl Affinity ===

impl Affinity {
    /// Of a request with these headers, as it is sent on.
    pub fn of(algorithm: &Algorithm, request: &Request<'_>, headers: &dyn Headers, ends: Ends) -> Self {
        let Algorithm::Hash { key, .. } = algorithm else { return Self::default() };
        let hash = match key {
            HashKey::Header(name) => of_values(headers, name),
            HashKey::SourceIp => Some(of_address(ends.peer.ip())),
            HashKey::Query(name) => parameter(request.query, name).map(|value| hash_of(value.as_bytes())),
            HashKey::Cookie { name, .. } => cookie(headers, name).map(|value| hash_of(&value)),
        };
        match (hash, key) {
            (None, HashKey::Cookie { name, path, ttl: Some(ttl), attributes }) => {
                // The same for all requests of a connection, which may be on their way at the same time.
                let ends = format!("{}{}", canonical(ends.peer), canonical(ends.destination));
                let value = format!("{:016x}", hash_of(ends.as_bytes()));
                let hash = Some(hash_of(value.as_bytes()));
                Self { hash, cookie: Some(set_cookie(name, &value, path, ttl.as_secs(), attributes).into()) }
            }
            (hash, _) => Self { hash, cookie: None },
        }
    }
}

/// The cookie by which a client's next requests are of a session. One that was given over TLS comes back over TLS alone.
pub fn session_cookie(session: &SessionAffinity, value: &str, transport: Transport) -> String {
    let secure = [("Secure".into(), Arc::default())];
    let attributes = if transport == Transport::Tls { &secure[..] } else { &[] };
    set_cookie(&session.cookie, value, &session.path, session.ttl.unwrap_or_default().as_secs(), attributes)
}

/// The hash of a connection, of which only its ends are known.
pub fn of_connection(algorithm: &Algorithm, peer: SocketAddr) -> Option<u64> {
    match algorithm {
        Algorithm::Hash { key: HashKey::SourceIp, .. } => Some(of_address(peer.ip())),
        _ => None,
    }
}

fn of_address(address: IpAddr) -> u64 {
    hash_of(address.to_canonical().to_string().as_bytes())
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Several values of a field count together, in whichever order they come.
fn of_values(headers: &dyn Headers, name: &str) -> Option<u64> {
    let mut values: Vec<&[u8]> = Vec::new();
    headers.visit(name, &mut |value| values.push(value));
    values.sort_unstable();
    match &values[..] {
        [] => None,
        [only] => Some(hash_of(only)),
        several => Some(hash_of(&several.concat())),
    }
}

/// The first value of a parameter, as it is written.
fn parameter<'q>(query: &'q str, wanted: &str) -> Option<&'q str> {
    let parameters = query.split('&').map(|each| each.split_once('=').unwrap_or((each, "")));
    parameters.filter(|(name, _)| *name == wanted).map(|(_, value)| value).next()
}

/// The first value of a cookie, without the quotes around it. An empty one is none.
pub fn cookie(headers: &dyn Headers, wanted: &str) -> Option<Vec<u8>> {
    let mut found = None;
    headers.visit("cookie", &mut |value| {
        for pair in value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            let Some(at) = pair.iter().position(|byte| *byte == b'=') else { continue };
            if found.is_none() && pair[..at] == *wanted.as_bytes() {
                let value = &pair[at + 1..];
                let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
                found = Some(bare.unwrap_or(value).to_vec());
            }
        }
    });
    found.filter(|value| !value.is_empty())
}

fn set_cookie(name: &str, value: &str, path: &str, seconds: u64, attributes: &[(Arc<str>, Arc<str>)]) -> String {
    let mut cookie = format!("{name}=\"{value}\"");
    // Without an age it lasts as long as the session. Writing to a string never fails.
    if seconds > 0 {
        let _ = write!(cookie, "; Max-Age={seconds}");
    }
    if !path.is_empty() {
        let _ = write!(cookie, "; Path={path}");
    }
    for (name, value) in attributes {
        let _ = if value.is_empty() { write!(cookie, "; {name}") } else { write!(cookie, "; {name}={value}") };
    }
    cookie.push_str("; HttpOnly");
    cookie
}

#[cfg(test)]
mod tests;
