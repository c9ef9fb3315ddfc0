//! The rules of each phase, chain by chain.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{PORT_DNS, PORT_INBOUND, PORT_OUTBOUND, PORT_TUNNEL, Phase};
use crate::diag::Tuple;
use crate::nft::batch::{Batch, ChainKind, Hook, SetType};
use crate::nft::expr::{Base, Comparison, Expr, Meta, Register, Rejection, SetName, Verdict};
use crate::source::Family;
use crate::{MARK_CAPTURED, MARK_MASK, MARK_SPOOFED};

/// Packets that the workload sends.
const OUT: &str = "capture-out";
/// Packets that arrive in its namespace.
const IN: &str = "capture-in";
/// Resets that the workload's namespace sends.
const RESET: &str = "capture-reset";
/// Packets that leave its namespace.
const GUARD: &str = "capture-guard";

/// Before conntrack-free filters of others, after defragmentation; as `mangle`.
const PRIORITY: i32 = -150;
/// The loopback device has this number in every namespace.
const LOOPBACK: u32 = 1;
/// More connections than one namespace has in practice: one address has 64k ports.
const SET_SIZE: u32 = 1 << 18;
/// Linux gives up connecting after 127 s, unless it is told otherwise.
const CONNECTING: Duration = Duration::from_secs(130);
/// The proxy's listeners that a connection reaches by capture only; to [`PORT_TUNNEL`] other proxies connect.
const PORTS_OF_CAPTURE: [u16; 3] = [PORT_OUTBOUND, PORT_INBOUND, PORT_DNS];

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// Sets of 4-tuples from the workload's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Open since before capture, or since it stopped.
    Plain,
    /// Captured while not all is.
    Captured,
    /// Of the plain ones those whose SYN may have to be sent again.
    Connecting,
}

impl Set {
    pub(super) fn name(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::Plain, Family::V4) => "plain4",
            (Self::Plain, Family::V6) => "plain6",
            (Self::Captured, Family::V4) => "captured4",
            (Self::Captured, Family::V6) => "captured6",
            (Self::Connecting, Family::V4) => "connecting4",
            (Self::Connecting, Family::V6) => "connecting6",
        }
    }
}

/// Makes table, sets and chains where they are missing, and replaces the rules by those of a phase.
pub(super) fn install(batch: &mut Batch, phase: Phase) {
    batch.add_table();
    for family in FAMILIES {
        for set in [Set::Plain, Set::Captured] {
            batch.add_dynamic_set(set.name(family), set_type(family), SET_SIZE);
        }
        batch.add_timed_set(Set::Connecting.name(family), set_type(family), SET_SIZE, CONNECTING);
    }
    batch.add_chain(RESET);
    batch.add_base_chain(OUT, ChainKind::Route, Hook::Output, PRIORITY);
    batch.add_base_chain(IN, ChainKind::Filter, Hook::Prerouting, PRIORITY);
    batch.add_base_chain(GUARD, ChainKind::Filter, Hook::Postrouting, PRIORITY);
    for chain in [OUT, RESET, IN, GUARD] {
        batch.flush_chain(chain);
    }
    outgoing(batch, phase);
    incoming(batch, phase);
    guard(batch);
}

/// Empties a set that no rule asks. Never in one batch with the rules that stop asking: a packet that is on its way
/// through the old rules at that moment would already find the set empty.
pub(super) fn clear(batch: &mut Batch, set: Set) {
    for family in FAMILIES {
        batch.flush_set(set.name(family));
    }
}

/// The first rule's comment: how [`super::Capture::phase`] knows.
pub(super) fn phase_comment(phase: Phase) -> &'static str {
    match phase {
        Phase::None => "phase none",
        Phase::Starting => "phase starting: the proxy's own packets pass",
        Phase::Full => "phase full: the proxy's own packets pass",
        Phase::Stopping => "phase stopping: the proxy's own packets pass",
        Phase::Leaving => "phase leaving: the proxy's own packets pass",
    }
}

/// The chain whose first rule has it.
pub(super) const PHASE_CHAIN: &str = OUT;

fn outgoing(batch: &mut Batch, phase: Phase) {
    let mark = [Expr::SetMark(MARK_CAPTURED), accept()];
    batch.add_rule(OUT, phase_comment(phase), &all(&[&from_proxy(), &[accept()]]));
    batch.add_rule(
        OUT,
        "what stays in this namespace passes",
        &all(&[&over(Meta::InterfaceOut, Loopback::Is), &[accept()]]),
    );
    for family in FAMILIES {
        let tuple = tcp_of(family);
        let known = |set: Set| Expr::Lookup { set: SetName::Named(set.name(family)), from: TUPLE };
        let learn = |set: Set| Expr::Add { set: set.name(family), from: TUPLE };
        match phase {
            Phase::Starting => {
                let expressions =
                    all(&[&tuple, &syn(), &load(family, Direction::Outgoing), &[learn(Set::Captured)], &mark]);
                batch.add_rule(OUT, "a new connection is captured", &expressions);
                let expressions = all(&[&tuple, &load(family, Direction::Outgoing), &[known(Set::Captured)], &mark]);
                batch.add_rule(OUT, "a captured connection stays so", &expressions);
            }
            Phase::Full => {
                let new = all(&[&tuple, &syn(), &load(family, Direction::Outgoing)]);
                let expressions = all(&[&new, &[known(Set::Connecting), accept()]]);
                batch.add_rule(OUT, "connecting since before capture", &expressions);
                // A client that comes back from the same port is captured, with all that follows its SYN.
                let forget = Expr::Remove { set: Set::Plain.name(family), from: TUPLE };
                batch.add_rule(OUT, "a new connection is no old one", &all(&[&new, &[forget]]));
                let old = all(&[&tuple, &not_syn(), &load(family, Direction::Outgoing)]);
                let expressions = all(&[&old, &[known(Set::Plain), accept()]]);
                batch.add_rule(OUT, "open since before capture", &expressions);
            }
            Phase::Stopping => {
                let expressions = all(&[&tuple, &load(family, Direction::Outgoing), &[known(Set::Plain), accept()]]);
                batch.add_rule(OUT, "open since before capture, or after it", &expressions);
                let expressions =
                    all(&[&tuple, &syn(), &load(family, Direction::Outgoing), &[learn(Set::Plain), accept()]]);
                batch.add_rule(OUT, "a new connection is not captured", &expressions);
            }
            Phase::Leaving => {
                let expressions = all(&[&tuple, &load(family, Direction::Outgoing), &[known(Set::Captured)], &mark]);
                batch.add_rule(OUT, "a captured connection stays so", &expressions);
            }
            Phase::None => {}
        }
    }
    if matches!(phase, Phase::Starting | Phase::Full) {
        let tcp = all(&[&to_link_local(), &transport(TCP)]);
        // Not to be captured: an answer by the loopback device would have the wrong scope. Refused, so that nobody
        // waits.
        let only_new = if phase == Phase::Starting { syn() } else { Vec::new() };
        batch.add_rule(
            OUT,
            "link-local addresses have no identity",
            &all(&[&tcp, &only_new, &[Expr::Counter, Expr::Reject(Rejection::TcpReset)]]),
        );
        let dns = all(&[&to_link_local(), &transport(UDP), &destination_port(53)]);
        batch.add_rule(
            OUT,
            "link-local addresses have no identity",
            &all(&[&dns, &[Expr::Counter, Expr::Reject(Rejection::PortUnreachable)]]),
        );
        batch.add_rule(OUT, "DNS questions are captured", &all(&[&transport(UDP), &destination_port(53), &mark]));
    }
    if matches!(phase, Phase::Full | Phase::Stopping) {
        let expressions = all(&[&transport(TCP), &reset(), &[Expr::Verdict(Verdict::Goto(RESET.to_owned()))]]);
        batch.add_rule(OUT, "resets are of a connection, or our own refusals", &expressions);
        batch.add_rule(OUT, "connections are captured", &all(&[&transport(TCP), &mark]));
        // What `reject` sends has no socket, and the address of the workload: captured, it would reach nobody.
        batch.add_rule(RESET, "resets of a connection are captured", &all(&[&[Expr::HasSocket], &mark]));
    }
}

fn incoming(batch: &mut Batch, phase: Phase) {
    let refuse = [Expr::Counter, Expr::Reject(Rejection::TcpReset)];
    let new = all(&[&transport(TCP), &syn()]);
    for port in PORTS_OF_CAPTURE {
        // An answer to a borrowed address may go to such a port; it is no SYN.
        let expressions = all(&[&from_proxy(), &new, &destination_port(port), &refuse]);
        batch.add_rule(IN, "the proxy does not capture its own connections", &expressions);
    }
    batch.add_rule(IN, "the proxy's own packets, and answers to them", &all(&[&from_proxy(), &[accept()]]));
    let captured = all(&[&over(Meta::InterfaceIn, Loopback::Is), &marked(MARK_CAPTURED, MARK_MASK)]);
    let dns = all(&[&captured, &transport(TCP), &destination_port(53)]);
    batch.add_rule(IN, "DNS over TCP to the proxy", &all(&[&dns, &to_proxy(PORT_DNS)]));
    let tcp = all(&[&captured, &transport(TCP)]);
    batch.add_rule(IN, "the application's connections to the proxy", &all(&[&tcp, &to_proxy(PORT_OUTBOUND)]));
    batch.add_rule(IN, "no proxy", &all(&[&tcp, &[Expr::Counter, Expr::Reject(Rejection::TcpReset)]]));
    let udp = all(&[&captured, &transport(UDP)]);
    batch.add_rule(IN, "DNS questions to the proxy", &all(&[&udp, &to_proxy(PORT_DNS)]));
    // An answer could not have the address that was asked; a resolver asks again.
    batch.add_rule(IN, "no proxy", &all(&[&udp, &[Expr::Counter, Expr::Verdict(Verdict::Drop)]]));
    // What is captured has left the chain: nothing else is for the proxy's listeners, but tunnels from outside.
    for port in PORTS_OF_CAPTURE {
        let expressions = all(&[&new, &destination_port(port), &refuse]);
        batch.add_rule(IN, "only what is captured reaches the proxy", &expressions);
    }
    let inside = all(&[&over(Meta::InterfaceIn, Loopback::Is), &new]);
    let expressions = all(&[&inside, &destination_port(PORT_TUNNEL), &refuse]);
    batch.add_rule(IN, "tunnels come from proxies", &expressions);
    let datagrams = all(&[&transport(UDP), &destination_port(PORT_DNS)]);
    let expressions = all(&[&datagrams, &[Expr::Counter, Expr::Verdict(Verdict::Drop)]]);
    batch.add_rule(IN, "only what is captured reaches the proxy", &expressions);

    // From outside, to the workload's own addresses (link-local ones too).
    let inbound = all(&[&over(Meta::InterfaceIn, Loopback::IsNot), &transport(TCP), &to_own_address()]);
    // First, as most packets are theirs; no connection to that port is older than capture.
    let tunnel = all(&[
        &over(Meta::InterfaceIn, Loopback::IsNot),
        &transport(TCP),
        &destination_port(PORT_TUNNEL),
        &to_own_address(),
    ]);
    batch.add_rule(IN, "tunnels to the proxy", &all(&[&tunnel, &to_proxy(PORT_TUNNEL)]));
    batch.add_rule(IN, "no proxy", &all(&[&tunnel, &refuse]));
    for family in FAMILIES {
        let tuple = all(&[&of_family(family), &inbound]);
        let known = Expr::Lookup { set: SetName::Named(Set::Plain.name(family)), from: TUPLE };
        let learn = Expr::Add { set: Set::Plain.name(family), from: TUPLE };
        if matches!(phase, Phase::Full | Phase::Stopping) {
            // Never a SYN: a client that comes back from the same port comes to the proxy.
            let expressions = all(&[&tuple, &not_syn(), &load(family, Direction::Incoming), &[known, accept()]]);
            batch.add_rule(IN, "open since before capture", &expressions);
        }
        if phase == Phase::Stopping {
            let other = all(&[&tuple, &port_other_than(PORT_TUNNEL), &syn()]);
            let expressions = all(&[&other, &load(family, Direction::Incoming), &[learn, accept()]]);
            batch.add_rule(IN, "a new connection is not captured", &expressions);
        }
    }
    match phase {
        Phase::Starting => {
            // What follows the SYN finds the connection's socket by itself: its local address is a real one.
            let new = all(&[&inbound, &syn()]);
            batch.add_rule(IN, "a new connection to the proxy", &all(&[&new, &to_proxy(PORT_INBOUND)]));
            batch.add_rule(IN, "no proxy", &all(&[&new, &refuse]));
        }
        Phase::Full | Phase::Stopping => {
            batch.add_rule(IN, "connections to the proxy", &all(&[&inbound, &to_proxy(PORT_INBOUND)]));
            batch.add_rule(IN, "no proxy", &all(&[&inbound, &refuse]));
        }
        Phase::None | Phase::Leaving => {}
    }
}

fn guard(batch: &mut Batch) {
    // The policy route does not win where a socket is bound to a device, and for link-local destinations.
    let leaving = all(&[&marked(MARK_CAPTURED, MARK_MASK), &over(Meta::InterfaceOut, Loopback::IsNot)]);
    let expressions = all(&[&leaving, &[Expr::Counter, Expr::Verdict(Verdict::Drop)]]);
    batch.add_rule(GUARD, "captured packets never leave past the proxy", &expressions);
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where [`load`] puts a 4-tuple.
const TUPLE: Register = Register::FIRST;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Outgoing,
    Incoming,
}

#[derive(Clone, Copy)]
enum Loopback {
    Is,
    IsNot,
}

fn all(parts: &[&[Expr]]) -> Vec<Expr> {
    parts.concat()
}

fn accept() -> Expr {
    Expr::Verdict(Verdict::Accept)
}

fn equal(value: impl Into<Vec<u8>>) -> Expr {
    Expr::Compare(Comparison::Equal, value.into())
}

fn marked(mark: u32, mask: u32) -> Vec<Expr> {
    vec![Expr::Meta(Meta::Mark), Expr::And(mask.to_ne_bytes().to_vec()), equal(mark.to_ne_bytes())]
}

/// Either mark of the proxy: they differ in the last bit only.
fn from_proxy() -> Vec<Expr> {
    marked(MARK_SPOOFED, MARK_MASK & !1)
}

fn over(interface: Meta, loopback: Loopback) -> Vec<Expr> {
    let comparison = match loopback {
        Loopback::Is => Comparison::Equal,
        Loopback::IsNot => Comparison::NotEqual,
    };
    vec![Expr::Meta(interface), Expr::Compare(comparison, LOOPBACK.to_ne_bytes().to_vec())]
}

fn transport(protocol: u8) -> Vec<Expr> {
    vec![Expr::Meta(Meta::Transport), equal([protocol])]
}

fn of_family(family: Family) -> Vec<Expr> {
    let number = match family {
        Family::V4 => 2,
        Family::V6 => 10,
    };
    vec![Expr::Meta(Meta::Family), equal([number])]
}

fn load_port(offset: u32) -> Expr {
    Expr::Payload { into: Register::FIRST, base: Base::Transport, offset, length: 2 }
}

fn destination_port(port: u16) -> Vec<Expr> {
    vec![load_port(2), equal(port.to_be_bytes())]
}

fn port_other_than(port: u16) -> Vec<Expr> {
    vec![load_port(2), Expr::Compare(Comparison::NotEqual, port.to_be_bytes().to_vec())]
}

/// SYN without ACK.
fn syn() -> Vec<Expr> {
    [flags(0x12), vec![equal([0x02])]].concat()
}

fn not_syn() -> Vec<Expr> {
    [flags(0x12), vec![Expr::Compare(Comparison::NotEqual, vec![0x02])]].concat()
}

fn reset() -> Vec<Expr> {
    [flags(0x04), vec![equal([0x04])]].concat()
}

fn flags(mask: u8) -> Vec<Expr> {
    vec![Expr::Payload { into: Register::FIRST, base: Base::Transport, offset: 13, length: 1 }, Expr::And(vec![mask])]
}

fn to_link_local() -> Vec<Expr> {
    let load = Expr::Payload { into: Register::FIRST, base: Base::Network, offset: 24, length: 2 };
    [of_family(Family::V6), vec![load, Expr::And(vec![0xff, 0xc0]), equal([0xfe, 0x80])]].concat()
}

fn to_own_address() -> Vec<Expr> {
    const RTN_LOCAL: u32 = 2;
    vec![Expr::DestinationType, equal(RTN_LOCAL.to_ne_bytes())]
}

/// To a transparent socket of the proxy; what falls through has no proxy to go to.
fn to_proxy(port: u16) -> Vec<Expr> {
    vec![Expr::Tproxy(port), accept()]
}

/// TCP of this IP version.
fn tcp_of(family: Family) -> Vec<Expr> {
    [of_family(family), transport(TCP)].concat()
}

/// Loads the packet's 4-tuple as the workload's end sees it: (local, remote, local port, remote port).
fn load(family: Family, direction: Direction) -> Vec<Expr> {
    let (source, length) = match family {
        Family::V4 => (12, 4),
        Family::V6 => (8, 16),
    };
    let destination = source + length;
    let words = u8::try_from(length / 4).unwrap_or(1);
    let (local, remote, local_port, remote_port) = match direction {
        Direction::Outgoing => (source, destination, 0, 2),
        Direction::Incoming => (destination, source, 2, 0),
    };
    let network = |into, offset| Expr::Payload { into: Register(into), base: Base::Network, offset, length };
    let port = |into, offset| Expr::Payload { into: Register(into), base: Base::Transport, offset, length: 2 };
    vec![network(0, local), network(words, remote), port(2 * words, local_port), port(2 * words + 1, remote_port)]
}

fn set_type(family: Family) -> SetType {
    const IPV4_ADDRESS: u32 = 7;
    const IPV6_ADDRESS: u32 = 8;
    const SERVICE: u32 = 13;
    let (address, key_length) = match family {
        Family::V4 => (IPV4_ADDRESS, 16),
        Family::V6 => (IPV6_ADDRESS, 40),
    };
    let key = [address, address, SERVICE, SERVICE].into_iter().fold(0, |key, part| key << 6 | part);
    SetType { key, key_length, data: None }
}

/// A 4-tuple as [`load`] has it.
pub(super) fn key(tuple: &Tuple) -> (Family, Vec<u8>) {
    let mut key = Vec::with_capacity(40);
    for end in [tuple.local, tuple.remote] {
        match end.ip() {
            IpAddr::V4(v4) => key.extend_from_slice(&v4.octets()),
            IpAddr::V6(v6) => key.extend_from_slice(&v6.octets()),
        }
    }
    for end in [tuple.local, tuple.remote] {
        key.extend_from_slice(&end.port().to_be_bytes());
        key.extend_from_slice(&[0, 0]);
    }
    (Family::from(tuple.local), key)
}

/// The reverse of [`key`].
pub(super) fn tuple_of(key: &[u8]) -> Option<Tuple> {
    let length = if key.len() == 16 { 4 } else { 16 };
    if key.len() != 2 * length + 8 {
        return None;
    }
    let ip = |bytes: &[u8]| -> Option<IpAddr> {
        match length {
            4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
            _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        }
    };
    let port = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    let (addresses, ports) = key.split_at(2 * length);
    Some(Tuple {
        local: SocketAddr::new(ip(&addresses[..length])?, port(&ports[..4])),
        remote: SocketAddr::new(ip(&addresses[length..])?, port(&ports[4..])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_survive_the_kernels_form() {
        for (local, remote) in [("10.1.2.3:80", "240.0.0.1:65535"), ("[fd00::1]:1", "[fe80::2]:15008")] {
            let tuple = Tuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() };
            let (family, bytes) = key(&tuple);
            assert_eq!(bytes.len(), if family == Family::V4 { 16 } else { 40 });
            assert_eq!(tuple_of(&bytes), Some(tuple));
        }
        assert_eq!(tuple_of(&[0; 17]), None);
    }
}
