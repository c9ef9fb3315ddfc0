//! What a node does for workloads' packets, meshed or not, in the node's network namespace: service addresses and
//! the way out of the mesh.

//!
//! A packet to a service address gets the address of a ready endpoint, one of them at random for each connection, which
//! the kernel then tracks; without an endpoint it is refused. TCP from a workload to a place outside of the mesh is
//! given to the agent's transparent listener, and other traffic out of the mesh is refused. What goes to an address of
//! the node itself, or to another workload, passes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use ipnet::{IpNet, Ipv4Net};

use super::batch::{Batch, ChainKind, Data, Hook, SetType, TYPE_VERDICT};
use super::expr::{Base, Comparison, Expr, Meta, Register, Rejection, SetName, Verdict};
use super::{open, table_exists};
use crate::link::{Links, Route, Rule};
use crate::netlink::Socket;
use crate::source::Family;
use crate::{Error, MARK_EGRESS, MARK_MASK, NetNs};

/// Verdicts by service port.
const SERVICES: &str = "services";
/// Endpoints, each with itself: who calls a service and is chosen itself.
const HAIRPIN: &str = "hairpin";
const TABLE_EGRESS: u32 = 102;
const PRIORITY_EGRESS: u32 = 102;
/// Before connection tracking looks at destinations.
const PRIORITY_MANGLE: i32 = -150;
const PRIORITY_DESTINATION_NAT: i32 = -100;
const PRIORITY_AFTER_NAT: i32 = -99;
const PRIORITY_SOURCE_NAT: i32 = 100;
/// Bytes of a batch, well below what a netlink socket takes.
const BATCH_SIZE: usize = 128 * 1024;

/// Transport of a service's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}

/// A port of a service address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frontend {
    /// The service's address.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
    /// Its transport.
    pub transport: Transport,
}

/// What does not change while a node lives.
#[derive(Clone, Debug)]
pub struct NodeRules {
    /// Where packets from other nodes come in; whatever comes in elsewhere is a workload's.
    pub uplink: String,
    /// The service addresses.
    pub services: Ipv4Net,
    /// Prefixes inside of the mesh: pod blocks, the fabric.
    pub inside: Vec<IpNet>,
    /// Where the agent takes TCP connections to other places: a transparent listener in the node's namespace
    /// ([`crate::socket::transparent_listener`]).
    pub egress_port: u16,
    /// An address inside where it takes connections, too, that are not for anybody else.
    pub gate: Ipv4Addr,
}

/// Ready endpoints by service port; a port without any refuses connections.
pub type Endpoints = BTreeMap<Frontend, Vec<SocketAddrV4>>;

/// The rules of one node. The kernel keeps them when this is dropped.
#[derive(Debug)]
pub struct Services {
    netns: NetNs,
    prefix: Ipv4Net,
    installed: Endpoints,
}

impl Services {
    /// Installs everything in the place of what a predecessor installed: at once, as far as one batch holds it
    /// (some hundred service ports), the rest right after. Open connections stay where they are; a connection to a
    /// service that begins in that very moment may be refused.
    pub fn install(netns: NetNs, rules: &NodeRules, endpoints: &Endpoints) -> Result<Self, Error> {
        let mut links = Links::open(&netns)?;
        for (rule, route) in policy() {
            links.add_route(&route)?;
            links.add_rule(rule)?;
        }
        // The node's own processes need a route to a service address before it is replaced.
        links.add_route(&Route::device(IpNet::V4(rules.services), "lo"))?;
        let mut socket = open(&netns)?;
        let mut batch = Batch::default();
        if table_exists(&mut socket)? {
            batch.delete_table();
        }
        batch.add_table();
        service_rules(&mut batch, rules.services);
        egress_rules(&mut batch, rules);
        let mut services = Self { netns, prefix: rules.services, installed: Endpoints::new() };
        services.change(&mut socket, batch, endpoints)?;
        Ok(services)
    }

    /// Changes what differs; each service port at once. Gives how many they were. Open connections stay where they are.
    ///
    /// After an error what is installed is not known any more: [`Services::install`] again.
    pub fn update(&mut self, endpoints: &Endpoints) -> Result<usize, Error> {
        let mut socket = open(&self.netns)?;
        self.change(&mut socket, Batch::default(), endpoints)
    }

    /// What is installed; ports without endpoints are not in it.
    pub fn installed(&self) -> &Endpoints {
        &self.installed
    }

    /// Removes the rules.
    pub fn remove(self) -> Result<(), Error> {
        let mut socket = open(&self.netns)?;
        let mut batch = Batch::default();
        batch.delete_table();
        batch.commit(&mut socket)?;
        let mut links = Links::open(&self.netns)?;
        links.delete_route(&Route::device(IpNet::V4(self.prefix), "lo"))?;
        for (rule, route) in policy() {
            links.delete_rule(rule)?;
            links.delete_route(&route)?;
        }
        Ok(())
    }

    fn change(&mut self, socket: &mut Socket, mut batch: Batch, wanted: &Endpoints) -> Result<usize, Error> {
        let mut changed = 0;
        // Endpoints first: a connection must not reach one before its answers can find the way back.
        let addresses = |endpoints: &Endpoints| -> BTreeSet<Ipv4Addr> {
            endpoints.values().flatten().map(|endpoint| *endpoint.ip()).collect()
        };
        let (before, after) = (addresses(&self.installed), addresses(wanted));
        batch.add_elements(HAIRPIN, &hairpins(after.difference(&before)));
        let gone: Vec<Frontend> =
            self.installed.keys().filter(|frontend| wanted.get(frontend).is_none_or(Vec::is_empty)).copied().collect();
        for frontend in gone {
            batch.delete_elements(SERVICES, &[(frontend.key(), None)]);
            batch.flush_chain(&frontend.chain());
            batch.delete_chain(&frontend.chain());
            changed += 1;
            batch = flush(batch, socket)?;
            self.installed.remove(&frontend);
        }
        for (frontend, endpoints) in wanted.iter().filter(|(_, endpoints)| !endpoints.is_empty()) {
            let known = self.installed.get(frontend);
            if known == Some(endpoints) {
                continue;
            }
            let chain = frontend.chain();
            match known {
                Some(_) => batch.flush_chain(&chain),
                None => batch.add_chain(&chain),
            }
            endpoint_rule(&mut batch, &chain, endpoints);
            if known.is_none() {
                let verdict = Data::Verdict(Verdict::Goto(chain));
                batch.add_elements(SERVICES, &[(frontend.key(), Some(verdict))]);
            }
            changed += 1;
            batch = flush(batch, socket)?;
            self.installed.insert(*frontend, endpoints.clone());
        }
        batch.delete_elements(HAIRPIN, &hairpins(before.difference(&after)));
        batch.commit(socket)?;
        Ok(changed)
    }
}

impl Frontend {
    fn chain(self) -> String {
        format!("to-{}-{}-{}", self.address, self.transport, self.port)
    }

    /// As [`load_frontend`] has it.
    fn key(self) -> Vec<u8> {
        let [high, low] = self.port.to_be_bytes();
        let transport = match self.transport {
            Transport::Tcp => TCP,
            Transport::Udp => UDP,
        };
        [&self.address.octets()[..], &[transport, 0, 0, 0], &[high, low, 0, 0]].concat()
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Commits a batch that has grown large.
fn flush(batch: Batch, socket: &mut Socket) -> Result<Batch, Error> {
    if batch.size() < BATCH_SIZE {
        return Ok(batch);
    }
    batch.commit(socket)?;
    Ok(Batch::default())
}

fn service_rules(batch: &mut Batch, services: Ipv4Net) {
    let key = IPV4_ADDRESS << 12 | PROTOCOL << 6 | SERVICE;
    batch.add_map(SERVICES, SetType { key, key_length: 12, data: Some((TYPE_VERDICT, 0)) });
    batch.add_dynamic_set(
        HAIRPIN,
        SetType { key: IPV4_ADDRESS << 6 | IPV4_ADDRESS, key_length: 8, data: None },
        HAIRPIN_SIZE,
    );
    let choose = [load_frontend(), vec![Expr::VerdictMap { set: SetName::Named(SERVICES), from: Register::FIRST }]];
    for (chain, hook) in [("service-in", Hook::Prerouting), ("service-own", Hook::Output)] {
        batch.add_base_chain(chain, ChainKind::Nat, hook, PRIORITY_DESTINATION_NAT);
        batch.add_rule(chain, "a service address becomes an endpoint's", &choose.concat());
    }
    let refused = "service-refuse";
    batch.add_base_chain(refused, ChainKind::Filter, Hook::Prerouting, PRIORITY_AFTER_NAT);
    let to_service = to_prefix(IpNet::V4(services));
    batch.add_rule(
        refused,
        "no ready endpoint",
        &[&to_service[..], &transport(TCP), &[Expr::Counter, Expr::Reject(Rejection::TcpReset)]].concat(),
    );
    batch.add_rule(
        refused,
        "no ready endpoint",
        &[&to_service[..], &[Expr::Counter, Expr::Reject(Rejection::PortUnreachable)]].concat(),
    );
    let back = "service-back";
    batch.add_base_chain(back, ChainKind::Nat, Hook::Postrouting, PRIORITY_SOURCE_NAT);
    let both = [
        Expr::Payload { into: Register(0), base: Base::Network, offset: 12, length: 4 },
        Expr::Payload { into: Register(1), base: Base::Network, offset: 16, length: 4 },
        Expr::Lookup { set: SetName::Named(HAIRPIN), from: Register(0) },
        Expr::Masquerade,
    ];
    // A workload takes no packet from its own address.
    batch.add_rule(back, "a workload that reached itself", &[&of_ipv4()[..], &both].concat());
}

fn egress_rules(batch: &mut Batch, rules: &NodeRules) {
    let chain = "egress";
    batch.add_base_chain(chain, ChainKind::Filter, Hook::Prerouting, PRIORITY_MANGLE);
    let pass = |batch: &mut Batch, text: &str, test: Vec<Expr>| {
        batch.add_rule(chain, text, &[test, vec![Expr::Verdict(Verdict::Accept)]].concat());
    };
    pass(batch, "the node's own", vec![Expr::Meta(Meta::InterfaceInName), equal(interface_name("lo"))]);
    pass(batch, "from other nodes", vec![Expr::Meta(Meta::InterfaceInName), equal(interface_name(&rules.uplink))]);
    for kind in [RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST] {
        pass(batch, "to the node", vec![Expr::DestinationType, equal(u32::to_ne_bytes(kind))]);
    }
    let link_local = ["ff00::/8", "fe80::/10"].into_iter().filter_map(|prefix| prefix.parse().ok());
    let to_agent = [Expr::Tproxy(rules.egress_port), Expr::SetMark(MARK_EGRESS), Expr::Verdict(Verdict::Accept)];
    let to_gate = [transport(TCP), to_prefix(IpNet::from(IpAddr::V4(rules.gate)))].concat();
    batch.add_rule(chain, "to the agent's gate", &[&to_gate[..], &to_agent].concat());
    for prefix in rules.inside.iter().copied().chain([IpNet::V4(rules.services)]).chain(link_local) {
        pass(batch, &format!("inside: {prefix}"), to_prefix(prefix));
    }
    batch.add_rule(chain, "TCP out of the mesh, to the agent", &[&transport(TCP)[..], &to_agent].concat());
    let refuse = [Expr::Counter, Expr::Reject(Rejection::TcpReset)];
    batch.add_rule(chain, "no agent", &[&transport(TCP)[..], &refuse].concat());
    batch.add_rule(chain, "only TCP leaves the mesh", &[Expr::Counter, Expr::Reject(Rejection::Prohibited)]);
}

/// Sends a connection to one of the endpoints.
fn endpoint_rule(batch: &mut Batch, chain: &str, endpoints: &[SocketAddrV4]) {
    let (address, port) = (Register(4), Register(5));
    let translate = Expr::DestinationNat { address, port };
    if let [only] = endpoints {
        let expressions = [
            Expr::Immediate { into: address, value: only.ip().octets().to_vec() },
            Expr::Immediate { into: port, value: only.port().to_be_bytes().to_vec() },
            translate,
        ];
        batch.add_rule(chain, &format!("to {only}"), &expressions);
        return;
    }
    let elements: Vec<_> = (0_u32..)
        .zip(endpoints)
        .map(|(number, endpoint)| {
            let [high, low] = endpoint.port().to_be_bytes();
            let value = [&endpoint.ip().octets()[..], &[high, low, 0, 0]].concat();
            (number.to_ne_bytes().to_vec(), Some(Data::Value(value)))
        })
        .collect();
    let ty = SetType { key: INTEGER, key_length: 4, data: Some((IPV4_ADDRESS << 6 | SERVICE, 8)) };
    let set = SetName::Anonymous(batch.add_anonymous_map(ty, &elements));
    let below = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
    let number = Register(0);
    let choose = [Expr::Random { into: number, below }, Expr::Map { set, from: number, into: address }, translate];
    batch.add_rule(chain, &format!("to one of {below} endpoints"), &choose);
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const RTN_LOCAL: u32 = 2;
const RTN_BROADCAST: u32 = 3;
const RTN_MULTICAST: u32 = 5;
const HAIRPIN_SIZE: u32 = 1 << 20;
// Type numbers of nft, for its listings.
const INTEGER: u32 = 4;
const IPV4_ADDRESS: u32 = 7;
const PROTOCOL: u32 = 12;
const SERVICE: u32 = 13;

fn equal(value: impl Into<Vec<u8>>) -> Expr {
    Expr::Compare(Comparison::Equal, value.into())
}

fn of_ipv4() -> Vec<Expr> {
    vec![Expr::Meta(Meta::Family), equal([2])]
}

fn transport(protocol: u8) -> Vec<Expr> {
    vec![Expr::Meta(Meta::Transport), equal([protocol])]
}

/// Interface names are compared whole, with the zeros after them.
fn interface_name(name: &str) -> [u8; 16] {
    let mut whole = [0; 16];
    for (to, from) in whole.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    whole
}

fn to_prefix(prefix: IpNet) -> Vec<Expr> {
    let prefix = prefix.trunc();
    let (family, offset, address, mask) = match (prefix.addr(), prefix.netmask()) {
        (IpAddr::V4(address), IpAddr::V4(mask)) => (2, 16, address.octets().to_vec(), mask.octets().to_vec()),
        (IpAddr::V6(address), IpAddr::V6(mask)) => (10, 24, address.octets().to_vec(), mask.octets().to_vec()),
        // An address and its mask are of one version.
        _ => (0, 0, Vec::new(), Vec::new()),
    };
    let length = u32::try_from(address.len()).unwrap_or(0);
    vec![
        Expr::Meta(Meta::Family),
        equal([family]),
        Expr::Payload { into: Register::FIRST, base: Base::Network, offset, length },
        Expr::And(mask),
        equal(address),
    ]
}

/// Address, transport and port of the destination.
fn load_frontend() -> Vec<Expr> {
    let meta = Expr::MetaInto { key: Meta::Transport, into: Register(1) };
    let address = Expr::Payload { into: Register(0), base: Base::Network, offset: 16, length: 4 };
    let port = Expr::Payload { into: Register(2), base: Base::Transport, offset: 2, length: 2 };
    [of_ipv4(), vec![address, meta, port]].concat()
}

fn hairpins<'a>(addresses: impl Iterator<Item = &'a Ipv4Addr>) -> Vec<(Vec<u8>, Option<Data>)> {
    addresses.map(|address| ([address.octets(), address.octets()].concat(), None)).collect()
}

fn policy() -> impl Iterator<Item = (Rule, Route)> {
    [Family::V4, Family::V6].into_iter().map(|family| {
        let rule = Rule { family, mark: MARK_EGRESS, mask: MARK_MASK, priority: PRIORITY_EGRESS, table: TABLE_EGRESS };
        (rule, Route::everything_local(family, TABLE_EGRESS))
    })
}
