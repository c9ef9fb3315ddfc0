//! Expressions of nftables, and how the kernel wants them written (linux/netfilter/nf_tables.h).

use crate::netlink::Attributes;

/// A register: 16 of four bytes each; wider values take several from the one named on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Register(pub(super) u8);

impl Register {
    /// The usual one for a value that is tested at once.
    pub(super) const FIRST: Self = Self(0);

    fn number(self) -> u32 {
        8 + u32::from(self.0)
    }
}

/// What `meta` can load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meta {
    Mark = 3,
    InterfaceIn = 4,
    InterfaceOut = 5,
    InterfaceInName = 6,
    Family = 15,
    Transport = 16,
}

/// Where `payload` starts to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Network = 1,
    Transport = 2,
}

/// How `cmp` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal = 0,
    NotEqual = 1,
}

/// How `reject` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    TcpReset,
    PortUnreachable,
    Prohibited,
}

/// What happens to a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    Goto(String),
}

/// A set that an expression speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SetName {
    /// By its name.
    Named(&'static str),
    /// One without a name, made in the same batch under this number.
    Anonymous(u32),
}

/// One expression of a rule. Registers not named are [`Register::FIRST`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    /// Loads packet metadata.
    Meta(Meta),
    /// Loads packet metadata into another register.
    MetaInto { key: Meta, into: Register },
    /// Sets the packet's mark.
    SetMark(u32),
    /// Goes on only if the register compares so with the value.
    Compare(Comparison, Vec<u8>),
    /// Masks the register.
    And(Vec<u8>),
    /// Loads bytes of the packet.
    Payload { into: Register, base: Base, offset: u32, length: u32 },
    /// Loads a constant.
    Immediate { into: Register, value: Vec<u8> },
    /// Goes on only if the registers are in the set.
    Lookup { set: SetName, from: Register },
    /// Loads what the map holds for the registers, or does not go on.
    Map { set: SetName, from: Register, into: Register },
    /// Takes the verdict that the map holds for the registers, or does not go on.
    VerdictMap { set: SetName, from: Register },
    /// Adds the registers to the set.
    Add { set: &'static str, from: Register },
    /// Removes the registers from the set, which rules may change; goes on in any case.
    Remove { set: &'static str, from: Register },
    /// Gives the packet to a transparent socket: of its connection, or that listens on this port; else does not go on.
    Tproxy(u16),
    /// Goes on only if the packet has a socket (of any state) that sends it.
    HasSocket,
    /// Loads the type of the destination address (`RTN_…`).
    DestinationType,
    /// Loads a random number below this.
    Random { into: Register, below: u32 },
    /// Sends the connection to another address and port.
    DestinationNat { address: Register, port: Register },
    /// Replaces the source by the address of the interface that the packet leaves by.
    Masquerade,
    /// Answers with a refusal.
    Reject(Rejection),
    /// Counts.
    Counter,
    /// Ends the chain.
    Verdict(Verdict),
}

impl Expr {
    /// Writes this expression as an element of a rule's list.
    pub(super) fn write(&self, list: &mut Attributes<'_>) {
        const FIRST: Register = Register::FIRST;
        match self {
            Self::Meta(key) => put(list, "meta", |e| {
                e.be32(2, *key as u32).be32(1, FIRST.number());
            }),
            Self::MetaInto { key, into } => put(list, "meta", |e| {
                e.be32(2, *key as u32).be32(1, into.number());
            }),
            Self::SetMark(mark) => {
                immediate(list, FIRST, &mark.to_ne_bytes());
                put(list, "meta", |e| {
                    e.be32(2, Meta::Mark as u32).be32(3, FIRST.number());
                });
            }
            Self::Compare(comparison, value) => put(list, "cmp", |e| {
                e.be32(1, FIRST.number()).be32(2, *comparison as u32).nested(3, |data| {
                    data.raw(1, value);
                });
            }),
            Self::And(mask) => put(list, "bitwise", |e| {
                let length = u32::try_from(mask.len()).unwrap_or(0);
                e.be32(1, FIRST.number()).be32(2, FIRST.number()).be32(3, length);
                e.nested(4, |data| {
                    data.raw(1, mask);
                });
                e.nested(5, |data| {
                    data.raw(1, &vec![0; mask.len()]);
                });
            }),
            Self::Payload { into, base, offset, length } => put(list, "payload", |e| {
                e.be32(1, into.number()).be32(2, *base as u32).be32(3, *offset).be32(4, *length);
            }),
            Self::Immediate { into, value } => immediate(list, *into, value),
            Self::Lookup { set, from } => lookup(list, set, *from, None),
            Self::Map { set, from, into } => lookup(list, set, *from, Some(into.number())),
            Self::VerdictMap { set, from } => lookup(list, set, *from, Some(0)),
            Self::Add { set, from } => put(list, "dynset", |e| {
                e.string(1, set).be32(3, 0).be32(4, from.number());
            }),
            Self::Remove { set, from } => put(list, "dynset", |e| {
                e.string(1, set).be32(3, 2).be32(4, from.number());
            }),
            Self::Tproxy(port) => {
                immediate(list, FIRST, &port.to_be_bytes());
                // Family 0: a port without an address, whatever the packet's IP version.
                put(list, "tproxy", |e| {
                    e.be32(1, 0).be32(3, FIRST.number());
                });
            }
            Self::HasSocket => put(list, "socket", |e| {
                // Whether it is transparent is of no interest: without a socket the rule ends here.
                e.be32(1, 0).be32(2, FIRST.number());
            }),
            Self::DestinationType => put(list, "fib", |e| {
                e.be32(1, FIRST.number()).be32(2, 3).be32(3, 2);
            }),
            Self::Random { into, below } => put(list, "numgen", |e| {
                e.be32(1, into.number()).be32(2, *below).be32(3, 1).be32(4, 0);
            }),
            Self::DestinationNat { address, port } => put(list, "nat", |e| {
                const IPV4: u32 = 2;
                e.be32(1, 1).be32(2, IPV4).be32(3, address.number()).be32(5, port.number());
            }),
            Self::Masquerade => put(list, "masq", |_| {}),
            Self::Reject(rejection) => put(list, "reject", |e| {
                match rejection {
                    Rejection::TcpReset => e.be32(1, 1).raw(2, &[0]),
                    Rejection::PortUnreachable => e.be32(1, 2).raw(2, &[1]),
                    Rejection::Prohibited => e.be32(1, 2).raw(2, &[3]),
                };
            }),
            Self::Counter => put(list, "counter", |e| {
                e.raw(1, &[0; 8]).raw(2, &[0; 8]);
            }),
            Self::Verdict(verdict) => put(list, "immediate", |e| {
                e.be32(1, 0).nested(2, |data| {
                    verdict.write(data);
                });
            }),
        }
    }
}

impl Verdict {
    /// Writes the verdict as data.
    pub(super) fn write(&self, data: &mut Attributes<'_>) {
        const GOTO: i32 = -4;
        let (code, chain) = match self {
            Self::Drop => (0, None),
            Self::Accept => (1, None),
            Self::Goto(chain) => (GOTO, Some(chain)),
        };
        data.nested(2, |verdict| {
            verdict.be32(1, code.cast_unsigned());
            if let Some(chain) = chain {
                verdict.string(2, chain);
            }
        });
    }
}

impl SetName {
    /// Writes name and number at an expression's attributes.
    fn write(&self, e: &mut Attributes<'_>, name: u16, id: u16) {
        match self {
            Self::Named(set) => e.string(name, set),
            Self::Anonymous(number) => e.string(name, ANONYMOUS).be32(id, *number),
        };
    }
}

/// The kernel fills in a number.
pub(super) const ANONYMOUS: &str = "__set%d";

/// A rule's comment, as `nft` writes it into the rule's user data.
pub(super) fn comment(text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(120)];
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    [&[0, length], text, &[0]].concat()
}

/// The comment in user data; empty if there is none.
pub(super) fn read_comment(data: &[u8]) -> String {
    match data {
        [0, length, text @ ..] => super::text(text.get(..usize::from(*length)).unwrap_or_default()),
        _ => String::new(),
    }
}

fn put(list: &mut Attributes<'_>, name: &str, data: impl FnOnce(&mut Attributes<'_>)) {
    list.nested(1, |element| {
        element.string(1, name).nested(2, data);
    });
}

fn immediate(list: &mut Attributes<'_>, into: Register, value: &[u8]) {
    put(list, "immediate", |e| {
        e.be32(1, into.number()).nested(2, |data| {
            data.raw(1, value);
        });
    });
}

fn lookup(list: &mut Attributes<'_>, set: &SetName, from: Register, into: Option<u32>) {
    put(list, "lookup", |e| {
        set.write(e, 1, 4);
        e.be32(2, from.number());
        if let Some(into) = into {
            e.be32(3, into);
        }
    });
}
