//! Addresses of workloads.
//!
//! Each node owns one block a family. Addresses are handed out in ascending order and not reused
//! until the block wraps round, over restarts of the mesh too: the cursors are kept in a file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{Error, Result, state::write_atomic};

/// Index of a node on the fabric: 1 to 254, stable for the life of the state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeIndex(u8);

/// The two blocks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeBlocks {
    pub(crate) v4: Ipv4Net,
    pub(crate) v6: Ipv6Net,
}

/// The two addresses of a workload or node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
}

/// Hands out workload addresses.
#[derive(Debug)]
pub(crate) struct Ipam {
    file: PathBuf,
    /// Next offset to try, by block.
    cursors: BTreeMap<IpNet, u64>,
    taken: BTreeSet<IpAddr>,
}

/// Hands out node indexes: new nodes in order of name get the lowest free ones, known nodes keep
/// theirs.
#[derive(Debug)]
pub(crate) struct NodeIndexes {
    file: PathBuf,
    known: BTreeMap<String, u8>,
}

/// Offset of the node's own address in its blocks.
const NODE_OFFSET: u64 = 1;
/// Offset of the first workload.
const FIRST_OFFSET: u64 = 2;
/// Highest offset used of an IPv6 block.
const LAST_V6_OFFSET: u64 = 0xffff;

// === impl NodeIndex ===

impl NodeIndex {
    /// Index `value`, if it is 1 to 254.
    pub(crate) fn new(value: u8) -> Option<Self> {
        (1..=254).contains(&value).then_some(Self(value))
    }

    /// The number.
    pub(crate) fn get(self) -> u8 {
        self.0
    }

    /// Address of the node on the fabric.
    pub(crate) fn fabric(self) -> Addresses {
        Addresses {
            v4: Ipv4Addr::new(100, 64, 1, self.0),
            v6: Ipv6Addr::new(0xfd00, 0x7269, 0x7073, 0, 0, 0, 1, self.0.into()),
        }
    }

    /// Blocks of the node: those of `cidrs`, the mesh's own for a family that they lack.
    pub(crate) fn blocks(self, cidrs: &[IpNet]) -> NodeBlocks {
        let default_v4 = Ipv4Addr::new(10, 244, self.0, 0);
        let default_v6 = Ipv6Addr::new(0xfd00, 0x10, 0x244, self.0.into(), 0, 0, 0, 0);
        let mut blocks =
            NodeBlocks { v4: Ipv4Net::new_assert(default_v4, 24), v6: Ipv6Net::new_assert(default_v6, 64) };
        for cidr in cidrs {
            match cidr {
                IpNet::V4(net) => blocks.v4 = net.trunc(),
                IpNet::V6(net) => blocks.v6 = net.trunc(),
            }
        }
        blocks
    }
}

// === impl NodeBlocks ===

impl NodeBlocks {
    /// The node's own address in its blocks.
    pub(crate) fn node(&self) -> Addresses {
        Addresses { v4: nth_v4(self.v4, NODE_OFFSET), v6: nth_v6(self.v6, NODE_OFFSET) }
    }
}

// === impl Addresses ===

impl Addresses {
    /// Both, IPv4 first.
    pub(crate) fn all(&self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }
}

// === impl Ipam ===

impl Ipam {
    /// Starts from the cursors in `file`; from the beginning of each block if there are none.
    pub(crate) fn load(file: PathBuf) -> Self {
        Self { cursors: load_map(&file), file, taken: BTreeSet::new() }
    }

    /// The next free address of both blocks.
    pub(crate) fn take(&mut self, blocks: &NodeBlocks) -> Result<Addresses> {
        let IpAddr::V4(v4) = self.take_from(blocks.v4.into())? else { unreachable!("a block keeps its family") };
        let v6 = match self.take_from(blocks.v6.into()) {
            Ok(IpAddr::V6(v6)) => v6,
            Ok(IpAddr::V4(_)) => unreachable!("a block keeps its family"),
            Err(error) => {
                self.taken.remove(&v4.into());
                return Err(error);
            }
        };
        self.save()?;
        Ok(Addresses { v4, v6 })
    }

    /// Gives addresses back. They come round again only after the rest of their blocks.
    pub(crate) fn release(&mut self, addresses: &Addresses) {
        for address in addresses.all() {
            self.taken.remove(&address);
        }
    }

    fn take_from(&mut self, block: IpNet) -> Result<IpAddr> {
        let last = last_offset(block);
        let start = self.cursors.get(&block).copied().filter(|next| (FIRST_OFFSET..=last).contains(next));
        let start = start.unwrap_or(FIRST_OFFSET);
        let nth = |offset| match block {
            IpNet::V4(net) => IpAddr::V4(nth_v4(net, offset)),
            IpNet::V6(net) => IpAddr::V6(nth_v6(net, offset)),
        };
        let free = (start..=last).chain(FIRST_OFFSET..start).find(|offset| !self.taken.contains(&nth(*offset)));
        let Some(offset) = free.filter(|_| last >= FIRST_OFFSET) else {
            return Err(Error::Unavailable(format!(
                "block {block} has no free address: give its node a larger podCIDR, or run fewer workloads there"
            )));
        };
        self.cursors.insert(block, offset + 1);
        self.taken.insert(nth(offset));
        Ok(nth(offset))
    }

    fn save(&self) -> Result<()> {
        save_map(&self.file, &self.cursors)
    }
}

// === impl NodeIndexes ===

impl NodeIndexes {
    /// Starts from what `file` keeps.
    pub(crate) fn load(file: PathBuf) -> Self {
        Self { known: load_map(&file), file }
    }

    /// Indexes of exactly the nodes `names`; others give theirs back.
    pub(crate) fn assign<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, NodeIndex>> {
        let names: BTreeSet<&str> = names.into_iter().collect();
        self.known.retain(|name, index| names.contains(name.as_str()) && NodeIndex::new(*index).is_some());
        for name in names {
            if self.known.contains_key(name) {
                continue;
            }
            let used: BTreeSet<u8> = self.known.values().copied().collect();
            let free = (1..=254).find(|index| !used.contains(index));
            let index = free.ok_or_else(|| Error::Unavailable(format!("node {name}: a mesh has at most 254 nodes")))?;
            self.known.insert(name.to_string(), index);
        }
        save_map(&self.file, &self.known)?;
        Ok(self.known.iter().filter_map(|(name, index)| Some((name.clone(), NodeIndex::new(*index)?))).collect())
    }
}

/// An unreadable file counts as empty: the cost is an earlier reuse, not a mesh that is down.
fn load_map<K, V>(file: &PathBuf) -> BTreeMap<K, V>
where
    K: Ord + std::str::FromStr,
    V: serde::de::DeserializeOwned,
{
    let text: Option<BTreeMap<String, V>> = fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    text.unwrap_or_default().into_iter().filter_map(|(key, value)| Some((key.parse().ok()?, value))).collect()
}

fn save_map<K: ToString, V: serde::Serialize>(file: &std::path::Path, map: &BTreeMap<K, V>) -> Result<()> {
    let map: BTreeMap<String, &V> = map.iter().map(|(key, value)| (key.to_string(), value)).collect();
    let text = serde_json::to_vec(&map).map_err(|error| Error::protocol("the supervisor", error))?;
    write_atomic(file, &text)
}

/// The last usable offset: before the broadcast address of an IPv4 block.
fn last_offset(block: IpNet) -> u64 {
    match block {
        IpNet::V4(net) => (1_u64 << (32 - net.prefix_len())).saturating_sub(2),
        IpNet::V6(net) if net.prefix_len() > 112 => (1_u64 << (128 - net.prefix_len())) - 1,
        IpNet::V6(_) => LAST_V6_OFFSET,
    }
}

fn nth_v4(net: Ipv4Net, offset: u64) -> Ipv4Addr {
    let offset = u32::try_from(offset).unwrap_or(u32::MAX);
    Ipv4Addr::from_bits(net.network().to_bits().saturating_add(offset))
}

fn nth_v6(net: Ipv6Net, offset: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(net.network().to_bits().saturating_add(offset.into()))
}

#[cfg(test)]
mod tests;
