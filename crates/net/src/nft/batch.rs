//! Changes that happen together or not at all.

use std::io;
use std::time::Duration;

use super::expr::{ANONYMOUS, Expr, Verdict, comment};
use super::{SUBSYSTEM, TABLE, header};
use crate::Error;
use crate::netlink::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLMSG_ERROR, Request, Socket};

const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEWTABLE: u16 = SUBSYSTEM;
const DELTABLE: u16 = SUBSYSTEM + 2;
const NEWCHAIN: u16 = SUBSYSTEM + 3;
const DELCHAIN: u16 = SUBSYSTEM + 5;
const NEWRULE: u16 = SUBSYSTEM + 6;
const DELRULE: u16 = SUBSYSTEM + 8;
const NEWSET: u16 = SUBSYSTEM + 9;
const NEWSETELEM: u16 = SUBSYSTEM + 12;
const DELSETELEM: u16 = SUBSYSTEM + 14;

/// Elements in one message: far below the 64 KiB of an attribute.
const ELEMENTS_PER_MESSAGE: usize = 400;

/// When a chain sees packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Prerouting = 0,
    Output = 3,
    Postrouting = 4,
}

/// What a chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChainKind {
    Filter,
    Nat,
    /// Looks up the route again if the mark was changed.
    Route,
}

/// What a map gives for a key.
#[derive(Clone, Debug)]
pub(super) enum Data {
    Value(Vec<u8>),
    Verdict(Verdict),
}

/// What a set holds, so that `nft list` shows it well.
#[derive(Clone, Copy, Debug)]
pub(super) struct SetType {
    /// Six bits for each part of the key.
    pub(super) key: u32,
    /// Bytes of the key.
    pub(super) key_length: u32,
    /// Likewise for the data of a map.
    pub(super) data: Option<(u32, u32)>,
}

/// Of the data type of verdicts.
pub(super) const TYPE_VERDICT: u32 = 0xffff_ff00;

const SET_ANONYMOUS: u32 = 0x1;
const SET_CONSTANT: u32 = 0x2;
const SET_MAP: u32 = 0x8;
const SET_TIMEOUT: u32 = 0x10;
const SET_EVAL: u32 = 0x20;

/// A list of changes to Ripstop's table.
#[derive(Debug, Default)]
pub(super) struct Batch {
    commands: Vec<(String, Request)>,
    last_set: u32,
}

impl Batch {
    /// Makes the table; fine if it is there.
    pub(super) fn add_table(&mut self) {
        self.push(
            "add table",
            Request::new(NEWTABLE, NLM_F_CREATE, &header()).attributes(|table| {
                table.string(1, TABLE);
            }),
        );
    }

    /// Removes the table with all that is in it.
    pub(super) fn delete_table(&mut self) {
        self.push(
            "delete table",
            Request::new(DELTABLE, 0, &header()).attributes(|table| {
                table.string(1, TABLE);
            }),
        );
    }

    /// Makes a chain that packets pass; fine if it is there.
    pub(super) fn add_base_chain(&mut self, name: &str, kind: ChainKind, hook: Hook, priority: i32) {
        let kind = match kind {
            ChainKind::Filter => "filter",
            ChainKind::Nat => "nat",
            ChainKind::Route => "route",
        };
        let request = Request::new(NEWCHAIN, NLM_F_CREATE, &header()).attributes(|chain| {
            chain.string(1, TABLE).string(3, name).nested(4, |place| {
                place.be32(1, hook as u32).be32(2, priority.cast_unsigned());
            });
            // policy accept
            chain.be32(5, 1).string(7, kind);
        });
        self.push(format!("add chain {name}"), request);
    }

    /// Makes a chain that rules go to; fine if it is there.
    pub(super) fn add_chain(&mut self, name: &str) {
        self.push(
            format!("add chain {name}"),
            Request::new(NEWCHAIN, NLM_F_CREATE, &header()).attributes(|chain| {
                chain.string(1, TABLE).string(3, name);
            }),
        );
    }

    /// Removes a chain that nothing goes to any more.
    pub(super) fn delete_chain(&mut self, name: &str) {
        self.push(
            format!("delete chain {name}"),
            Request::new(DELCHAIN, 0, &header()).attributes(|chain| {
                chain.string(1, TABLE).string(3, name);
            }),
        );
    }

    /// Removes the rules of a chain.
    pub(super) fn flush_chain(&mut self, name: &str) {
        self.push(
            format!("flush chain {name}"),
            Request::new(DELRULE, 0, &header()).attributes(|rule| {
                rule.string(1, TABLE).string(2, name);
            }),
        );
    }

    /// Appends a rule.
    pub(super) fn add_rule(&mut self, chain: &str, text: &str, expressions: &[Expr]) {
        let request = Request::new(NEWRULE, NLM_F_CREATE | NLM_F_APPEND, &header()).attributes(|rule| {
            rule.string(1, TABLE).string(2, chain).nested(4, |list| {
                for expression in expressions {
                    expression.write(list);
                }
            });
            rule.raw(7, &comment(text));
        });
        self.push(format!("add rule {chain}: {text}"), request);
    }

    /// Makes a set that rules may add to, of at most `size` elements; fine if it is there.
    pub(super) fn add_dynamic_set(&mut self, name: &str, ty: SetType, size: u32) {
        self.add_set(name, ty, SET_EVAL, Some(size), None);
    }

    /// Makes a set of at most `size` elements, each of which is forgotten after `timeout`; fine if it is there.
    pub(super) fn add_timed_set(&mut self, name: &str, ty: SetType, size: u32, timeout: Duration) {
        self.add_set(name, ty, SET_TIMEOUT, Some(size), Some(timeout));
    }

    /// Makes a map; fine if it is there.
    pub(super) fn add_map(&mut self, name: &str, ty: SetType) {
        self.add_set(name, ty, SET_MAP, None, None);
    }

    /// Makes a map for the rule that follows, gone when that rule goes; gives its number.
    pub(super) fn add_anonymous_map(&mut self, ty: SetType, elements: &[(Vec<u8>, Option<Data>)]) -> u32 {
        let number = self.add_set(ANONYMOUS, ty, SET_ANONYMOUS | SET_CONSTANT | SET_MAP, None, None);
        self.elements(NEWSETELEM, NLM_F_CREATE, ANONYMOUS, Some(number), elements);
        number
    }

    fn add_set(&mut self, name: &str, ty: SetType, flags: u32, size: Option<u32>, timeout: Option<Duration>) -> u32 {
        self.last_set += 1;
        let number = self.last_set;
        let request = Request::new(NEWSET, NLM_F_CREATE, &header()).attributes(|set| {
            set.string(1, TABLE).string(2, name).be32(3, flags).be32(4, ty.key).be32(5, ty.key_length);
            if let Some((data, length)) = ty.data {
                set.be32(6, data).be32(7, length);
            }
            set.be32(10, number);
            if let Some(size) = size {
                set.nested(9, |description| {
                    description.be32(1, size);
                });
            }
            if let Some(timeout) = timeout {
                let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                set.raw(11, &milliseconds.to_be_bytes());
            }
        });
        self.push(format!("add set {name}"), request);
        number
    }

    /// Adds elements; those that are there already stay.
    pub(super) fn add_elements(&mut self, set: &str, elements: &[(Vec<u8>, Option<Data>)]) {
        self.elements(NEWSETELEM, NLM_F_CREATE, set, None, elements);
    }

    /// Removes elements that are there.
    pub(super) fn delete_elements(&mut self, set: &str, elements: &[(Vec<u8>, Option<Data>)]) {
        self.elements(DELSETELEM, 0, set, None, elements);
    }

    /// Removes all elements.
    pub(super) fn flush_set(&mut self, set: &str) {
        self.push(
            format!("flush set {set}"),
            Request::new(DELSETELEM, 0, &header()).attributes(|elements| {
                elements.string(1, TABLE).string(2, set);
            }),
        );
    }

    fn elements(
        &mut self,
        kind: u16,
        flags: u16,
        set: &str,
        number: Option<u32>,
        elements: &[(Vec<u8>, Option<Data>)],
    ) {
        for some in elements.chunks(ELEMENTS_PER_MESSAGE) {
            let request = Request::new(kind, flags, &header()).attributes(|message| {
                message.string(1, TABLE).string(2, set);
                if let Some(number) = number {
                    message.be32(4, number);
                }
                message.nested(3, |list| {
                    for (key, data) in some {
                        list.nested(1, |element| {
                            element.nested(1, |value| {
                                value.raw(1, key);
                            });
                            match data {
                                Some(Data::Value(value)) => {
                                    element.nested(2, |data| {
                                        data.raw(1, value);
                                    });
                                }
                                Some(Data::Verdict(verdict)) => {
                                    element.nested(2, |data| verdict.write(data));
                                }
                                None => {}
                            }
                        });
                    }
                });
            });
            self.push(format!("change {} elements of set {set}", some.len()), request);
        }
    }

    /// About how many bytes it has.
    pub(super) fn size(&self) -> usize {
        self.commands.iter().map(|(_, request)| request.size()).sum()
    }

    /// Makes all changes at once. If one is refused none is made, and the error names it.
    pub(super) fn commit(mut self, socket: &mut Socket) -> Result<(), Error> {
        if self.commands.is_empty() {
            return Ok(());
        }
        // struct nfgenmsg: no family, version 0, the subsystem in network byte order.
        let frame = [0, 0, 0, 10];
        let first = socket.next_sequence();
        let mut bytes = Request::new(BATCH_BEGIN, 0, &frame).finish(first, 0).to_vec();
        let last = self.commands.len() - 1;
        let mut sequence = first;
        for (index, (_, request)) in self.commands.iter_mut().enumerate() {
            sequence = socket.next_sequence();
            let flags = if index == last { NLM_F_ACK } else { 0 };
            bytes.extend_from_slice(request.finish(sequence, flags));
        }
        let end = socket.next_sequence();
        bytes.extend_from_slice(Request::new(BATCH_END, 0, &frame).finish(end, 0));
        let failed = |command: &str, source: io::Error| Error::Netlink {
            command: format!("{command} (table inet {TABLE})"),
            source,
        };
        socket.send(&bytes).map_err(|error| failed("take a batch", error))?;
        // The kernel works while it takes the message: all that it has to say is there by now.
        let mut done = false;
        let mut refused: Option<(u32, io::Error)> = None;
        let mut read = |message: crate::netlink::Message<'_>| {
            if message.kind == NLMSG_ERROR && (first..=end).contains(&message.sequence) {
                match message.error() {
                    Ok(()) => done |= message.sequence == sequence,
                    Err(error) if refused.is_none() => refused = Some((message.sequence, error)),
                    Err(_) => {}
                }
            }
            Ok(())
        };
        while socket.receive_ready(&mut read).map_err(|error| failed("answer to a batch", error))? {}
        match refused {
            Some((number, error)) => {
                let index = usize::try_from(number - first).unwrap_or(0);
                let command = index.checked_sub(1).and_then(|index| self.commands.get(index));
                Err(failed(command.map_or("commit a batch", |(command, _)| command), error))
            }
            None if done => Ok(()),
            None => Err(failed("answer to a batch", io::ErrorKind::TimedOut.into())),
        }
    }

    fn push(&mut self, command: impl Into<String>, request: Request) {
        self.commands.push((command.into(), request));
    }
}
