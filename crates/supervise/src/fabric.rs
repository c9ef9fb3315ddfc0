//! The network of the world: the bridge between nodes, the nodes' namespaces, and the namespaces of
//! workloads with their links, addresses and routes.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ripstop_model::NodeSpec;
use ripstop_net::{
    NetNs,
    link::{Links, Route, set_sysctls},
    nft::control,
};

use crate::{
    Error, Result,
    ipam::{Addresses, Ipam, NodeBlocks, NodeIndex, NodeIndexes},
    paths::Paths,
    roles::CONTROL_PORT,
};

/// Everything of the network that the supervisor made.
#[derive(Debug)]
pub(crate) struct Fabric {
    paths: Paths,
    links: Links,
    indexes: NodeIndexes,
    ipam: Ipam,
    nodes: BTreeMap<Arc<str>, NodeNet>,
    /// Number of the next workload's link; never reused in the life of the world.
    next_link: u64,
}

/// The network of one node.
#[derive(Debug)]
struct NodeNet {
    index: NodeIndex,
    blocks: NodeBlocks,
    netns: NetNs,
    links: Links,
    sandboxes: usize,
}

/// What others may know of a node.
#[derive(Clone, Debug)]
pub(crate) struct NodeView {
    pub(crate) name: Arc<str>,
    pub(crate) index: NodeIndex,
    pub(crate) blocks: NodeBlocks,
    pub(crate) netns: NetNs,
}

/// The network of one workload. Given back by [`Fabric::detach`].
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) netns: NetNs,
    pub(crate) addresses: Addresses,
    /// The node's own address: resolver of the workload.
    pub(crate) node_address: Ipv4Addr,
    node: Arc<str>,
    link: String,
    file: PathBuf,
}

/// Name of the bridge.
const BRIDGE: &str = "fabric";
/// A fixed address, or the bridge would take that of whichever port is lowest.
const BRIDGE_MAC: [u8; 6] = [0x02, 0x72, 0x69, 0x70, 0x00, 0x01];
/// Address of the control plane on the fabric.
pub(crate) const CONTROL: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
const CONTROL_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x7269, 0x7073, 0, 0, 0, 0, 1);
/// The router that every workload sees.
const ROUTER: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
const ROUTER_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// Name of the link inside a node or workload.
const UPLINK: &str = "eth0";

/// Settings of every namespace: asymmetric paths are normal, addresses are ours and need no
/// detection, nobody announces routers.
const EVERYWHERE: &[(&str, &str)] = &[
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv6/conf/all/disable_ipv6", "0"),
    ("net/ipv6/conf/default/disable_ipv6", "0"),
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/autoconf", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
    ("net/ipv4/ip_unprivileged_port_start", "0"),
];

/// Settings of nodes: they are routers.
const ROUTING: &[(&str, &str)] = &[("net/ipv4/ip_forward", "1"), ("net/ipv6/conf/all/forwarding", "1")];

// === impl Fabric ===

impl Fabric {
    /// Makes the bridge in the caller's namespace, which is the world's.
    pub(crate) fn create(paths: Paths) -> Result<Self> {
        let world = NetNs::current().map_err(Error::system("open the world's network namespace"))?;
        set_sysctls(&world, EVERYWHERE).map_err(Error::net("prepare the world's network"))?;
        let mut links = Links::open(&world).map_err(Error::net("open the world's network"))?;
        let make = |links: &mut Links| {
            links.set_up("lo")?;
            links.add_bridge(BRIDGE)?;
            links.set_mac(BRIDGE, BRIDGE_MAC)?;
            links.add_address(BRIDGE, Ipv4Net::new_assert(CONTROL, 16).into())?;
            links.add_address(BRIDGE, Ipv6Net::new_assert(CONTROL_V6, 64).into())?;
            links.set_up(BRIDGE)
        };
        make(&mut links).map_err(Error::net("make the fabric's bridge"))?;
        control::guard(&world, Ipv4Net::new_assert(CONTROL, 16), CONTROL_PORT)
            .map_err(Error::net("guard the control plane"))?;
        let indexes = NodeIndexes::load(paths.supervisor().join("nodes.json"));
        let ipam = Ipam::load(paths.supervisor().join("addresses.json"));
        Ok(Self { paths, links, indexes, ipam, nodes: BTreeMap::new(), next_link: 1 })
    }

    /// Makes the networks of nodes that are new; gives whether all that are wanted have one. Those
    /// that are no longer wanted are left to [`Self::remove_node`].
    pub(crate) fn add_nodes(&mut self, wanted: &BTreeMap<Arc<str>, NodeSpec>) -> Result<bool> {
        // Nodes that are still being removed keep their index until they are gone.
        let names = wanted.keys().chain(self.nodes.keys()).map(AsRef::as_ref);
        let indexes = self.indexes.assign(names)?;
        let mut complete = true;
        for (name, spec) in wanted {
            let Some(index) = indexes.get(name.as_ref()).copied() else { continue };
            let blocks = index.blocks(&spec.pod_cidrs);
            if let Some(node) = self.nodes.get(name) {
                if node.blocks != blocks {
                    tracing::warn!(node = %name, "its podCIDRs changed: they take effect when the mesh is started again");
                }
                continue;
            }
            if let Some((other, _)) = self.nodes.iter().find(|(_, node)| overlap(&node.blocks, &blocks)) {
                tracing::error!(node = %name, %other, "the podCIDRs of two nodes overlap: the second one is not started");
                continue;
            }
            let made = self.make_node(name, index, blocks).and_then(|node| {
                self.connect(index, blocks, &node)?;
                Ok(node)
            });
            match made {
                Ok(node) => drop(self.nodes.insert(name.clone(), node)),
                Err(error) => {
                    tracing::error!(node = %name, %error, "its network could not be made; it is tried again");
                    complete = false;
                    let _never_made = self.links.delete(&uplink(index));
                    let _never_made = NetNs::unbind(self.paths.netns_of_node(name));
                }
            }
        }
        Ok(complete)
    }

    /// Names of the nodes that have a network.
    pub(crate) fn nodes(&self) -> Vec<NodeView> {
        let view = |(name, node): (&Arc<str>, &NodeNet)| NodeView {
            name: name.clone(),
            index: node.index,
            blocks: node.blocks,
            netns: node.netns.clone(),
        };
        self.nodes.iter().map(view).collect()
    }

    /// The node `name`.
    pub(crate) fn node(&self, name: &str) -> Option<NodeView> {
        self.nodes().into_iter().find(|node| &*node.name == name)
    }

    /// Workloads that have a network on the node.
    pub(crate) fn sandboxes(&self, node: &str) -> usize {
        self.nodes.get(node).map_or(0, |node| node.sandboxes)
    }

    /// Takes a node's network down; nothing may live there any more.
    pub(crate) fn remove_node(&mut self, name: &str) {
        let Some(node) = self.nodes.remove(name) else { return };
        for other in self.nodes.values_mut() {
            for route in routes_to(node.index, node.blocks) {
                let _gone_already = other.links.delete_route(&route);
            }
        }
        if let Err(error) = self.links.delete(&uplink(node.index)) {
            tracing::warn!(node = name, %error, "its link could not be removed");
        }
        if let Err(error) = NetNs::unbind(self.paths.netns_of_node(name)) {
            tracing::warn!(node = name, %error, "its namespace could not be released");
        }
    }

    /// Makes the network of a workload on `node`.
    pub(crate) fn attach(&mut self, node: &str, namespace: &str, instance: &str) -> Result<Sandbox> {
        let Some((name, net)) = self.nodes.get_key_value(node) else {
            return Err(Error::Unavailable(format!("node {node} is not up")));
        };
        let (name, blocks) = (name.clone(), net.blocks);
        let addresses = self.ipam.take(&blocks)?;
        let link = format!("w{}", self.next_link);
        self.next_link += 1;
        let file = self.paths.netns_of_workload(namespace, instance);
        let made = self.make_sandbox(&name, &link, &file, &addresses);
        match made {
            Ok(netns) => {
                if let Some(net) = self.nodes.get_mut(&name) {
                    net.sandboxes += 1;
                }
                Ok(Sandbox { netns, addresses, node_address: blocks.node().v4, node: name, link, file })
            }
            Err(error) => {
                self.dismantle(&name, &link, &file);
                self.ipam.release(&addresses);
                Err(error)
            }
        }
    }

    /// Lets a gateway speak with the control plane, as only nodes do else. It reaches the port for that alone
    /// ([`control::guard`]), and its proxy leads nobody there.
    pub(crate) fn admit(&mut self, sandbox: &Sandbox) -> Result<()> {
        let Some(route) = self.route_back(sandbox) else {
            return Err(Error::Unavailable(format!("node {} is not up", sandbox.node)));
        };
        self.links.add_route(&route).map_err(Error::net("route to a gateway"))
    }

    /// The way of the control plane to a workload.
    fn route_back(&self, sandbox: &Sandbox) -> Option<Route> {
        let node = self.nodes.get(&sandbox.node)?;
        Some(Route::via(host(sandbox.addresses.v4.into()), node.index.fabric().v4.into()))
    }

    /// Shows the namespace of a workload to nobody any more: its node's agent hears that it is gone, and proxies end what they
    /// have in it. Its link is still up.
    pub(crate) fn hide(sandbox: &Sandbox) {
        if let Err(error) = NetNs::unbind(&sandbox.file) {
            tracing::warn!(file = %sandbox.file.display(), %error, "namespace could not be released");
        }
    }

    /// Takes the network of a workload down.
    #[allow(clippy::needless_pass_by_value)] // it is gone after this
    pub(crate) fn detach(&mut self, sandbox: Sandbox) {
        if let Some(route) = self.route_back(&sandbox) {
            // Only gateways have it.
            let _never_made = self.links.delete_route(&route);
        }
        self.dismantle(&sandbox.node, &sandbox.link, &sandbox.file);
        self.ipam.release(&sandbox.addresses);
        if let Some(net) = self.nodes.get_mut(&sandbox.node) {
            net.sandboxes = net.sandboxes.saturating_sub(1);
        }
    }

    fn make_node(&mut self, name: &str, index: NodeIndex, blocks: NodeBlocks) -> Result<NodeNet> {
        let netns = NetNs::create().map_err(Error::system(format!("make the network namespace of node {name}")))?;
        let file = self.paths.netns_of_node(name);
        netns.bind_to(&file).map_err(Error::file("mount a network namespace on", &file))?;
        let wrong = || Error::net::<ripstop_net::Error>(format!("make the network of node {name}"));
        set_sysctls(&netns, EVERYWHERE).map_err(wrong())?;
        set_sysctls(&netns, ROUTING).map_err(wrong())?;
        let mut links = Links::open(&netns).map_err(wrong())?;
        let port = uplink(index);
        let (fabric, own) = (index.fabric(), blocks.node());
        let world = &mut self.links;
        let mut make = || {
            world.add_veth(&port, UPLINK, &netns)?;
            world.set_master(&port, BRIDGE)?;
            world.set_up(&port)?;
            links.set_up("lo")?;
            links.add_address("lo", host(own.v4.into()))?;
            links.add_address("lo", host(own.v6.into()))?;
            links.add_address(UPLINK, Ipv4Net::new_assert(fabric.v4, 16).into())?;
            links.add_address(UPLINK, Ipv6Net::new_assert(fabric.v6, 64).into())?;
            links.set_up(UPLINK)
        };
        make().map_err(wrong())?;
        Ok(NodeNet { index, blocks, netns, links, sandboxes: 0 })
    }

    /// Tells the other nodes about a new one, and the new one about them.
    fn connect(&mut self, index: NodeIndex, blocks: NodeBlocks, node: &NodeNet) -> Result<()> {
        let mut own = Links::open(&node.netns).map_err(Error::net("open the network of a node"))?;
        let wrong = || Error::net::<ripstop_net::Error>("route between nodes");
        for other in self.nodes.values_mut() {
            for route in routes_to(index, blocks) {
                other.links.add_route(&route).map_err(wrong())?;
            }
            for route in routes_to(other.index, other.blocks) {
                own.add_route(&route).map_err(wrong())?;
            }
        }
        Ok(())
    }

    fn make_sandbox(&mut self, node: &str, link: &str, file: &PathBuf, addresses: &Addresses) -> Result<NetNs> {
        let wrong = || Error::net::<ripstop_net::Error>(format!("make the network of workload {}", addresses.v4));
        let Some(node) = self.nodes.get_mut(node) else {
            return Err(Error::Unavailable(format!("node {node} is not up")));
        };
        let netns = NetNs::create().map_err(Error::system("make the network namespace of a workload"))?;
        netns.bind_to(file).map_err(Error::file("mount a network namespace on", file))?;
        set_sysctls(&netns, EVERYWHERE).map_err(wrong())?;
        let mut inner = Links::open(&netns).map_err(wrong())?;
        let outer = &mut node.links;
        let mut make = || {
            outer.add_veth(link, UPLINK, &netns)?;
            outer.add_address(link, host(ROUTER.into()))?;
            outer.add_address(link, Ipv6Net::new_assert(ROUTER_V6, 64).into())?;
            outer.set_up(link)?;
            inner.set_up("lo")?;
            for address in addresses.all() {
                inner.add_address(UPLINK, host(address))?;
            }
            inner.set_up(UPLINK)?;
            inner.add_route(&Route::device(host(ROUTER.into()), UPLINK))?;
            inner.add_route(&default_route(ROUTER.into()))?;
            inner.add_route(&default_route(ROUTER_V6.into()))?;
            for address in addresses.all() {
                outer.add_route(&Route::device(host(address), link))?;
            }
            Ok(())
        };
        make().map_err(wrong())?;
        Ok(netns)
    }

    fn dismantle(&mut self, node: &str, link: &str, file: &PathBuf) {
        if let Some(node) = self.nodes.get_mut(node) {
            // Its routes go with it, and so does the other end.
            if let Err(error) = node.links.delete(link) {
                tracing::debug!(link, %error, "link is gone already");
            }
        }
        if let Err(error) = NetNs::unbind(file) {
            tracing::warn!(file = %file.display(), %error, "namespace could not be released");
        }
        let _never_made = fs::remove_file(file);
    }
}

/// Name of a node's port in the bridge.
pub(crate) fn uplink(index: NodeIndex) -> String {
    format!("up-{}", index.get())
}

fn host(address: IpAddr) -> IpNet {
    address.into()
}

fn routes_to(index: NodeIndex, blocks: NodeBlocks) -> [Route; 2] {
    let fabric = index.fabric();
    [Route::via(blocks.v4.into(), fabric.v4.into()), Route::via(blocks.v6.into(), fabric.v6.into())]
}

fn default_route(router: IpAddr) -> Route {
    let destination = match router {
        IpAddr::V4(_) => IpNet::V4(Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(Ipv6Net::default()),
    };
    Route { device: Some(UPLINK.to_string()), onlink: router.is_ipv4(), ..Route::via(destination, router) }
}

fn overlap(one: &NodeBlocks, other: &NodeBlocks) -> bool {
    let meet = |a: IpNet, b: IpNet| a.contains(&b.network()) || b.contains(&a.network());
    meet(one.v4.into(), other.v4.into()) || meet(one.v6.into(), other.v6.into())
}

#[cfg(test)]
mod tests;
