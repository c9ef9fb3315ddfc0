//! What ports of Istio's kinds have in common: how they are named, and which protocols they can declare.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
};

use crate::{
    decode::{Decoder, Field},
    names::LABEL,
};

/// What tells the hosts of one port apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// HTTP in any version: the `Host` of each request.
    Http,
    /// TLS that is passed on: the server name.
    Tls,
    /// Nothing but the address.
    Opaque,
}

/// The protocols that a port can declare, in any case.
const PROTOCOLS: [(&str, Family); 12] = [
    ("TCP", Family::Opaque),
    ("UDP", Family::Opaque),
    ("HTTP", Family::Http),
    ("HTTP2", Family::Http),
    ("HTTPS", Family::Tls),
    ("GRPC", Family::Http),
    ("GRPC-WEB", Family::Http),
    ("TLS", Family::Tls),
    ("MONGO", Family::Opaque),
    ("MYSQL", Family::Opaque),
    ("REDIS", Family::Opaque),
    ("HTTP_PROXY", Family::Http),
];

/// The family of a protocol; nothing if there is no such protocol.
pub(crate) fn family(protocol: &str) -> Option<Family> {
    PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(protocol)).map(|(_, family)| *family)
}

/// Reports a `protocol` of a port that does not exist.
pub(crate) fn check_protocol(decoder: &mut Decoder<'_>, port: &Field<'_>) {
    let Some(field) = port.child("protocol") else { return };
    if let Some(text) = field.node.text()
        && !text.is_empty()
        && family(text).is_none()
    {
        decoder.bad_enum(&field, text, PROTOCOLS.iter().map(|(name, _)| *name));
    }
}

/// Name of a port: a DNS label in any case, or why it is none.
pub(crate) fn port_name(text: &str) -> Result<(), String> {
    let edge = |c: char| c.is_ascii_alphanumeric();
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if let Some(c) = text.chars().find(|c| !edge(*c) && *c != '-') {
        return Err(format!("`{}` is not allowed, only letters, digits and `-`", c.escape_debug()));
    }
    if text.len() > LABEL {
        return Err(format!("it has {} characters, at most {LABEL} are allowed", text.len()));
    }
    if text.starts_with(edge) && text.ends_with(edge) {
        Ok(())
    } else {
        Err("it must begin and end with a letter or digit".into())
    }
}

/// The line where `key` was seen first, if it was seen before.
pub(crate) fn seen_before<K: Hash + Eq>(seen: &mut HashMap<K, u32>, key: K, line: u32) -> Option<u32> {
    match seen.entry(key) {
        Entry::Occupied(first) => Some(*first.get()),
        Entry::Vacant(vacant) => {
            vacant.insert(line);
            None
        }
    }
}
