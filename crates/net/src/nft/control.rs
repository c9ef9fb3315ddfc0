//! Who reaches what in the namespace of the control plane.

use ipnet::Ipv4Net;

use super::batch::{Batch, ChainKind, Hook};
use super::expr::{Base, Comparison, Expr, Meta, Register, Rejection, Verdict};
use super::{open, table_exists};
use crate::{Error, NetNs};

/// Packets that arrive.
const IN: &str = "control-in";
/// As `mangle`.
const PRIORITY: i32 = -150;
const LOOPBACK: u32 = 1;
const RTN_LOCAL: u32 = 2;
const IPV4: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Lets whoever is not on `fabric` itself (gateways: others have no way back) reach only one TCP port of `netns`.
/// Connections that begin in `netns` are not touched.
pub fn guard(netns: &NetNs, fabric: Ipv4Net, port: u16) -> Result<(), Error> {
    let mut socket = open(netns)?;
    let mut batch = Batch::default();
    if table_exists(&mut socket)? {
        batch.delete_table();
    }
    batch.add_table();
    batch.add_base_chain(IN, ChainKind::Filter, Hook::Prerouting, PRIORITY);
    let others = [
        Expr::Meta(Meta::Family),
        equal([IPV4]),
        Expr::Meta(Meta::InterfaceIn),
        Expr::Compare(Comparison::NotEqual, LOOPBACK.to_ne_bytes().to_vec()),
        Expr::DestinationType,
        equal(RTN_LOCAL.to_ne_bytes()),
        Expr::Payload { into: Register::FIRST, base: Base::Network, offset: 12, length: 4 },
        Expr::And(fabric.netmask().octets().to_vec()),
        Expr::Compare(Comparison::NotEqual, fabric.network().octets().to_vec()),
    ];
    let connecting = [
        Expr::Meta(Meta::Transport),
        equal([TCP]),
        // SYN without ACK.
        Expr::Payload { into: Register::FIRST, base: Base::Transport, offset: 13, length: 1 },
        Expr::And(vec![0x12]),
        equal([0x02]),
        Expr::Payload { into: Register::FIRST, base: Base::Transport, offset: 2, length: 2 },
        Expr::Compare(Comparison::NotEqual, port.to_be_bytes().to_vec()),
        Expr::Counter,
        Expr::Reject(Rejection::TcpReset),
    ];
    batch.add_rule(IN, "others than nodes come to one port only", &[&others[..], &connecting].concat());
    let datagrams = [Expr::Meta(Meta::Transport), equal([UDP]), Expr::Counter, Expr::Verdict(Verdict::Drop)];
    batch.add_rule(IN, "others than nodes come to one port only", &[&others[..], &datagrams].concat());
    batch.commit(&mut socket)
}

fn equal(value: impl Into<Vec<u8>>) -> Expr {
    Expr::Compare(Comparison::Equal, value.into())
}
