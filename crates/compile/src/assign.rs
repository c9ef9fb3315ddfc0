//! What is assigned, and stays: addresses, and the nodes of processes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use imbl::OrdMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ripstop_api::Object;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::finding::{BAD_BLOCK, CLUSTER_IP_REFUSED, Findings, NO_ADDRESS_LEFT};

/// Virtual addresses of services come from here.
pub const VIP_RANGE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(240, 240, 0, 0), 16);

/// What was assigned. The text form has one line each: `vip <namespace>/<name> <address>`,
/// `block <node> <CIDR>` or `place <namespace>/<name> <node>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignments {
    /// Virtual addresses by `<namespace>/<name>` of the service, of services that are gone too: one
    /// that comes back has its old address.
    pub vips: OrdMap<String, Ipv4Addr>,
    /// Blocks of workload addresses by node, at most one a family.
    pub blocks: BTreeMap<String, Vec<IpNet>>,
    /// Nodes by `<namespace>/<name>` of the processes on them: where one stays when it names a node
    /// that there is not.
    pub places: OrdMap<String, String>,
}

/// A line of text that is not an assignment.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line} of what was assigned is damaged: {text:?}")]
pub struct AssignmentError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

/// A service that needs a virtual address.
pub(crate) struct Wanted<'a> {
    pub(crate) object: &'a Object,
    pub(crate) created: u64,
    pub(crate) requested: Option<IpAddr>,
}

/// A node that needs blocks of addresses.
pub(crate) struct WantedBlocks<'a> {
    pub(crate) name: &'a str,
    pub(crate) created: u64,
    pub(crate) object: Option<&'a Object>,
    pub(crate) declared: &'a [IpNet],
}

/// Blocks that the mesh needs for itself: fabric, virtual addresses, gateways of workloads.
fn reserved() -> [(IpNet, &'static str); 8] {
    let v4 = |a, b, c, d, length| IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length));
    let v6 = |a, b, c, length| IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length));
    [
        (v4(100, 64, 0, 0, 16), "the fabric between nodes"),
        (IpNet::V4(VIP_RANGE), "virtual addresses of services"),
        (v4(169, 254, 0, 0, 16), "link-local addresses"),
        (v4(127, 0, 0, 0, 8), "loopback addresses"),
        (v4(224, 0, 0, 0, 4), "multicast addresses"),
        (v6(0xfd00, 0x7269, 0x7073, 64), "the fabric between nodes"),
        (v6(0xfe80, 0, 0, 10), "link-local addresses"),
        (v6(0xff00, 0, 0, 8), "multicast addresses"),
    ]
}

// === impl Assignments ===

impl Assignments {
    /// Assigns a virtual address to each of `wanted`: the one that is asked for if it can be had,
    /// else the one it has, else by a hash of its name.
    pub(crate) fn vips(&mut self, wanted: &[Wanted<'_>], findings: &mut Findings) -> BTreeMap<String, Ipv4Addr> {
        let live: BTreeSet<String> = wanted.iter().map(Wanted::key).collect();
        let mut taken = self.take_stock(&live);
        let mut asked = BTreeMap::new();
        let mut by_age: Vec<_> = wanted.iter().filter_map(|wanted| Some((wanted, wanted.requested?))).collect();
        by_age.sort_by_key(|(wanted, _)| (wanted.created, wanted.key()));
        for (wanted, requested) in by_age {
            let key = wanted.key();
            let Some(address) = assignable(requested) else {
                refuse_foreign(wanted.object, requested, findings);
                continue;
            };
            match taken.get(&address) {
                Some(holder) if *holder != key && (live.contains(holder) || asked.contains_key(&address)) => {
                    refuse(wanted.object, requested, &format!("service {holder} has it"), findings);
                    continue;
                }
                Some(holder) if *holder != key => {
                    self.vips.remove(holder);
                }
                _ => {}
            }
            if let Some(old) = self.vips.insert(key.clone(), address) {
                taken.remove(&old);
            }
            taken.insert(address, key.clone());
            asked.insert(address, key);
        }
        for wanted in wanted {
            let key = wanted.key();
            if self.vips.contains_key(&key) {
                continue;
            }
            let mut free = probe(&key, |address| taken.contains_key(address));
            if free.is_none() {
                self.vips = self
                    .vips
                    .iter()
                    .filter(|(key, _)| live.contains(*key))
                    .map(|(key, vip)| (key.clone(), *vip))
                    .collect();
                taken.retain(|_, key| live.contains(key));
                free = probe(&key, |address| taken.contains_key(address));
            }
            match free {
                Some(address) => {
                    self.vips.insert(key.clone(), address);
                    taken.insert(address, key);
                }
                None => findings.add(
                    NO_ADDRESS_LEFT,
                    wanted.object,
                    "",
                    format!("no virtual address is left in {VIP_RANGE}; the service has none"),
                    "make it headless (clusterIP: None), or remove services",
                ),
            }
        }
        self.vips.iter().filter(|(key, _)| live.contains(*key)).map(|(key, vip)| (key.clone(), *vip)).collect()
    }

    /// Who has which address; damaged entries of the table go, where two have the same the live one
    /// (then the lower name) stays.
    fn take_stock(&mut self, live: &BTreeSet<String>) -> BTreeMap<Ipv4Addr, String> {
        let mut taken = BTreeMap::new();
        for wants_live in [true, false] {
            for (key, vip) in self.vips.clone() {
                if live.contains(&key) != wants_live {
                    continue;
                }
                if is_assignable(vip) && !taken.contains_key(&vip) {
                    taken.insert(vip, key);
                } else {
                    self.vips.remove(&key);
                }
            }
        }
        taken
    }

    /// Assigns a block of each family to each node: the declared one, else the one it has, else
    /// `10.244.<i>.0/24` and `fd00:10:244:<i>::/64`, where i is its place in order of name, or the
    /// next one that is free.
    pub(crate) fn blocks(&mut self, nodes: &[WantedBlocks<'_>], findings: &mut Findings) {
        let mut assigned: BTreeMap<&str, Vec<IpNet>> = nodes.iter().map(|node| (node.name, Vec::new())).collect();
        let mut taken: Vec<(IpNet, String)> =
            reserved().iter().map(|(block, what)| (*block, (*what).to_owned())).collect();
        let mut by_age: Vec<_> = nodes.iter().collect();
        by_age.sort_by_key(|node| (node.created, node.name));
        for node in by_age {
            let Some(own) = assigned.get_mut(node.name) else { continue };
            for declared in node.declared {
                let block = declared.trunc();
                if own.iter().any(|other| is_v4(other) == is_v4(&block)) {
                    continue; // one a family
                }
                match taken.iter().find(|(other, _)| overlap(other, &block)) {
                    None => {
                        own.push(block);
                        taken.push((block, format!("node {}", node.name)));
                    }
                    Some((other, what)) => {
                        if let Some(object) = node.object {
                            let message =
                                format!("the block {block} overlaps {other} ({what}); another one is assigned");
                            let path = if object.source.fields.contains_key("spec.podCIDRs") {
                                "spec.podCIDRs"
                            } else {
                                "spec.podCIDR"
                            };
                            findings.add(BAD_BLOCK, object, path, message, "choose blocks that do not overlap");
                        }
                    }
                }
            }
        }
        for node in nodes {
            for block in self.blocks.get(node.name).into_iter().flatten() {
                let own = assigned.entry(node.name).or_default();
                let wanted = !own.iter().any(|other| is_v4(other) == is_v4(block));
                if wanted && !taken.iter().any(|(other, _)| overlap(other, block)) {
                    own.push(*block);
                    taken.push((*block, format!("node {}", node.name)));
                }
            }
        }
        for (index, node) in nodes.iter().enumerate() {
            let own = assigned.entry(node.name).or_default();
            for v4 in [true, false] {
                if own.iter().any(|block| is_v4(block) == v4) {
                    continue;
                }
                let free = (0..BLOCKS).map(|step| default_block(index + step, v4));
                let free = { free }.find(|block| !taken.iter().any(|(other, _)| overlap(other, block)));
                match free {
                    Some(block) => {
                        own.push(block);
                        taken.push((block, format!("node {}", node.name)));
                    }
                    None => findings.add_nowhere(
                        NO_ADDRESS_LEFT,
                        format!("no block of addresses is left for node {}", node.name),
                        "declare podCIDR of nodes",
                    ),
                }
            }
            own.sort_by_key(|block| !is_v4(block));
        }
        self.blocks = assigned.into_iter().map(|(name, blocks)| (name.to_owned(), blocks)).collect();
    }
}

/// Blocks that can be assigned by default: 10.244.1.0/24 to 10.255.255.0/24.
const BLOCKS: usize = 12 * 256 - 1;

/// The block number `index` (from 0) of a family.
fn default_block(index: usize, v4: bool) -> IpNet {
    let number = u16::try_from(index % BLOCKS + 1).unwrap_or(1);
    let [high, low] = number.to_be_bytes();
    if v4 {
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 244 + high, low, 0), 24))
    } else {
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x10, 0x244, number, 0, 0, 0, 0), 64))
    }
}

fn is_v4(block: &IpNet) -> bool {
    matches!(block, IpNet::V4(_))
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// Not the first address of the range, nor the last.
/// An address that is asked for, if services can have it at all.
pub(crate) fn assignable(requested: IpAddr) -> Option<Ipv4Addr> {
    match requested {
        IpAddr::V4(address) if is_assignable(address) => Some(address),
        _ => None,
    }
}

/// Says that no service can have the address that `object` asks for.
pub(crate) fn refuse_foreign(object: &Object, requested: IpAddr, findings: &mut Findings) {
    refuse(object, requested, &format!("it is not in {VIP_RANGE}"), findings);
}

fn refuse(object: &Object, requested: IpAddr, why: &str, findings: &mut Findings) {
    let message = format!("clusterIP {requested} cannot be had: {why}; another address is assigned");
    findings.add(CLUSTER_IP_REFUSED, object, "spec.clusterIP", message, "leave out clusterIP");
}

fn is_assignable(address: Ipv4Addr) -> bool {
    VIP_RANGE.contains(&address) && address != VIP_RANGE.network() && address != VIP_RANGE.broadcast()
}

/// The first free address from the hash of `key` on.
pub(crate) fn probe(key: &str, taken: impl Fn(&Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
    let hash = Sha256::digest(key.as_bytes());
    let start = u16::from_be_bytes([hash[0], hash[1]]);
    let base = u32::from(VIP_RANGE.network());
    (0..=u16::MAX)
        .map(|step| Ipv4Addr::from(base | u32::from(start.wrapping_add(step))))
        .find(|address| is_assignable(*address) && !taken(address))
}

impl Wanted<'_> {
    fn key(&self) -> String {
        vip_key(&self.object.id.namespace, &self.object.id.name)
    }
}

/// The name of a service in [`Assignments::vips`].
pub(crate) fn vip_key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

impl fmt::Display for Assignments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, vip) in &self.vips {
            writeln!(f, "vip {key} {vip}")?;
        }
        for (node, blocks) in &self.blocks {
            for block in blocks {
                writeln!(f, "block {node} {block}")?;
            }
        }
        for (process, node) in &self.places {
            writeln!(f, "place {process} {node}")?;
        }
        Ok(())
    }
}

impl FromStr for Assignments {
    type Err = AssignmentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut assignments = Self::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let damaged = || AssignmentError { line: index + 1, text: line.chars().take(200).collect() };
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["vip", key, vip] => {
                    assignments.vips.insert(key.to_owned(), vip.parse().map_err(|_| damaged())?);
                }
                ["block", node, block] => {
                    let block = block.parse().map_err(|_| damaged())?;
                    assignments.blocks.entry(node.to_owned()).or_default().push(block);
                }
                ["place", process, node] => {
                    assignments.places.insert(process.to_owned(), node.to_owned());
                }
                _ => return Err(damaged()),
            }
        }
        Ok(assignments)
    }
}

/// The blocks of a node, if it is known.
pub(crate) fn blocks_of(assignments: &Assignments, node: &Arc<str>) -> Vec<IpNet> {
    assignments.blocks.get(&**node).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
