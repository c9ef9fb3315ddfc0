//! nftables by netlink: typed expressions, one atomic batch a change, and readers of what is installed.
//!
//! [`capture`], [`services`] and [`control`] are the rule sets of Ripstop; each lives in a table [`TABLE`] of the `inet`
//! family in its namespace. [`rules`] and [`elements`] read back what the kernel has, for checks and for people.

use std::io;

use crate::netlink::{Kind, Message, Request, Socket, attributes, find, u32_be};
use crate::{Error, NetNs, run_in};

mod batch;
pub mod capture;
pub mod control;
mod expr;
pub mod services;

/// The name of the table, `inet` family.
pub const TABLE: &str = "ripstop";

const FAMILY_INET: u8 = 1;
const SUBSYSTEM: u16 = 10 << 8;
const MSG_GETTABLE: u16 = SUBSYSTEM + 1;
const MSG_GETRULE: u16 = SUBSYSTEM + 7;
const MSG_GETSETELEM: u16 = SUBSYSTEM + 13;
const MSG_GETGEN: u16 = SUBSYSTEM + 16;
const HEADER: usize = 4;

/// A rule as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its chain.
    pub chain: String,
    /// Its handle in the table.
    pub handle: u64,
    /// What it is for.
    pub comment: String,
    /// The names of its expressions, in order.
    pub expressions: Vec<String>,
    /// The packets that reached its counter, if it has one.
    pub packets: Option<u64>,
}

/// The rules of Ripstop's table in a namespace, chain by chain; none if there is no table.
pub fn rules(netns: &NetNs) -> Result<Vec<RuleInfo>, Error> {
    let mut socket = open(netns)?;
    if !table_exists(&mut socket)? {
        return Ok(Vec::new());
    }
    let request = Request::new(MSG_GETRULE, 0, &header()).attributes(|rule| {
        rule.string(1, TABLE);
    });
    dump(&mut socket, &request, "list rules", &mut read_rule)
}

/// The keys of a set of Ripstop's table, as bytes. While rules add to the set some may be missed.
pub fn elements(netns: &NetNs, set: &str) -> Result<Vec<Vec<u8>>, Error> {
    elements_by(&mut open(netns)?, set)
}

/// The number of the rule set of a namespace: it grows with each change of anybody.
pub fn generation(netns: &NetNs) -> Result<u32, Error> {
    let mut socket = open(netns)?;
    let mut generation = 0;
    let result = socket.get(Request::new(MSG_GETGEN, 0, &header()), &mut |message| {
        let (_, mut attributes) = message.split(HEADER)?;
        generation = attributes.find(|(kind, _)| *kind == 1).and_then(|(_, value)| u32_be(value)).unwrap_or(0);
        Ok(())
    });
    result.map_err(|source| Error::Netlink { command: "read the generation".to_owned(), source })?;
    Ok(generation)
}

fn open(netns: &NetNs) -> Result<Socket, Error> {
    let socket = run_in(netns, || Socket::open(Kind::Netfilter)).and_then(|result: io::Result<Socket>| result);
    socket.map_err(|error| Error::io("open netlink for nftables in a network namespace", error))
}

fn header() -> [u8; HEADER] {
    // family, version 0, resource id 0
    [FAMILY_INET, 0, 0, 0]
}

fn table_exists(socket: &mut Socket) -> Result<bool, Error> {
    let request = Request::new(MSG_GETTABLE, 0, &header()).attributes(|table| {
        table.string(1, TABLE);
    });
    match socket.get(request, &mut |_| Ok(())) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(source) => Err(Error::Netlink { command: format!("look for table inet {TABLE}"), source }),
    }
}

fn elements_by(socket: &mut Socket, set: &str) -> Result<Vec<Vec<u8>>, Error> {
    let request = Request::new(MSG_GETSETELEM, 0, &header()).attributes(|elements| {
        elements.string(1, TABLE).string(2, set);
    });
    dump(socket, &request, &format!("list set {set}"), &mut |message| {
        let (_, mut parts) = message.split(HEADER)?;
        let list = parts.find(|(kind, _)| *kind == 3).map(|(_, list)| list).unwrap_or_default();
        let key = |element| find(find(element, 1)?, 1);
        Ok(attributes(list).filter_map(|(_, element)| key(element)).map(<[u8]>::to_vec).collect())
    })
}

/// Whether a key is in a set: certain, where a list may miss some while rules add to the set.
fn contains(socket: &mut Socket, set: &str, key: &[u8]) -> Result<bool, Error> {
    let request = Request::new(MSG_GETSETELEM, 0, &header()).attributes(|elements| {
        elements.string(1, TABLE).string(2, set).nested(3, |list| {
            list.nested(1, |element| {
                element.nested(1, |value| {
                    value.raw(1, key);
                });
            });
        });
    });
    match socket.get(request, &mut |_| Ok(())) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(source) => Err(Error::Netlink { command: format!("look into set {set}"), source }),
    }
}

/// Collects a dump; starts again if somebody changed the rules meanwhile.
fn dump<T>(
    socket: &mut Socket,
    request: &Request,
    command: &str,
    read: &mut dyn FnMut(Message<'_>) -> io::Result<Vec<T>>,
) -> Result<Vec<T>, Error> {
    const ATTEMPTS: usize = 20;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut found = Vec::new();
        let result = socket.dump(request.clone(), &mut |message| {
            found.extend(read(message)?);
            Ok(())
        });
        match result {
            Ok(()) => return Ok(found),
            Err(error) if error.kind() == io::ErrorKind::Interrupted && attempt < ATTEMPTS => {}
            Err(source) => return Err(Error::Netlink { command: command.to_owned(), source }),
        }
    }
}

fn read_rule(message: Message<'_>) -> io::Result<Vec<RuleInfo>> {
    let (_, parts) = message.split(HEADER)?;
    let mut rule =
        RuleInfo { chain: String::new(), handle: 0, comment: String::new(), expressions: Vec::new(), packets: None };
    for (kind, value) in parts {
        match kind {
            2 => rule.chain = text(value),
            3 => rule.handle = u64_be(value).unwrap_or(0),
            4 => {
                for (_, expression) in attributes(value) {
                    let name = find(expression, 1).map(text).unwrap_or_default();
                    if name == "counter" {
                        rule.packets = find(expression, 2).and_then(|data| find(data, 2)).and_then(u64_be);
                    }
                    rule.expressions.push(name);
                }
            }
            7 => rule.comment = expr::read_comment(value),
            _ => {}
        }
    }
    Ok(vec![rule])
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

fn u64_be(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.get(..8)?.try_into().ok()?))
}
