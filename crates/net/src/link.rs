//! Links, addresses, routes and routing rules of a network namespace, and its sysctls.
//!
//! [`Links`] is a netlink socket that was opened inside one namespace and acts there from wherever it is used. Calls
//! block for as long as the kernel works, microseconds mostly; deleting links can take some tens of milliseconds.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use ipnet::IpNet;

use crate::netlink::{Kind, Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request, Socket};
use crate::{Error, Family, NetNs, run_in};

mod wire;

/// The routing table that holds the addresses of the namespace itself.
pub const TABLE_LOCAL: u32 = 255;
/// The routing table that is looked at when nothing else is said.
pub const TABLE_MAIN: u32 = 254;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// Its number in the namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is set up.
    pub up: bool,
    /// Its Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// The number of its bridge.
    pub master: Option<u32>,
    /// `veth`, `bridge`; empty for the loopback device.
    pub kind: String,
}

/// What a route does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteKind {
    /// Forwards.
    #[default]
    Unicast,
    /// Delivers here, whatever the address.
    Local,
    /// Answers that the destination is unreachable.
    Unreachable,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What it is for; the whole space for a default route.
    pub destination: IpNet,
    /// The next router, of the same IP version; `None`: the destination is on the link.
    pub via: Option<IpAddr>,
    /// The name of the interface.
    pub device: Option<String>,
    /// The source address to prefer.
    pub source: Option<IpAddr>,
    /// The table that it is in; [`TABLE_MAIN`] mostly.
    pub table: u32,
    /// What it does.
    pub kind: RouteKind,
    /// Takes `via` to be on the link although no address says so.
    pub onlink: bool,
}

impl Route {
    /// A route over an interface, in the main table.
    pub fn device(destination: IpNet, device: &str) -> Self {
        Self {
            destination,
            via: None,
            device: Some(device.to_owned()),
            source: None,
            table: TABLE_MAIN,
            kind: RouteKind::Unicast,
            onlink: false,
        }
    }

    /// A route by a router, in the main table.
    pub fn via(destination: IpNet, via: IpAddr) -> Self {
        Self {
            destination,
            via: Some(via),
            device: None,
            source: None,
            table: TABLE_MAIN,
            kind: RouteKind::Unicast,
            onlink: false,
        }
    }

    /// Delivers everything to this namespace's sockets, by a table that a [`Rule`] selects.
    pub fn everything_local(family: Family, table: u32) -> Self {
        let destination = match family {
            Family::V4 => IpNet::V4(ipnet::Ipv4Net::default()),
            Family::V6 => IpNet::V6(ipnet::Ipv6Net::default()),
        };
        Self { table, kind: RouteKind::Local, ..Self::device(destination, "lo") }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} table {}", self.kind, self.destination, self.table)?;
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        if let Some(device) = &self.device {
            write!(f, " dev {device}")?;
        }
        Ok(())
    }
}

/// A routing rule that selects a table by a packet's mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The IP version that it is for.
    pub family: Family,
    /// The mark.
    pub mark: u32,
    /// The bits of the mark that count.
    pub mask: u32,
    /// Its place: lower is earlier.
    pub priority: u32,
    /// The table.
    pub table: u32,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, mark, mask, priority, table } = self;
        write!(f, "{family:?} fwmark {mark:#x}/{mask:#x} pref {priority} lookup {table}")
    }
}

/// The links of one namespace.
#[derive(Debug)]
pub struct Links {
    socket: Socket,
}

impl Links {
    /// Opens the namespace; what is changed needs `CAP_NET_ADMIN` over it.
    pub fn open(netns: &NetNs) -> Result<Self, Error> {
        let socket = run_in(netns, || Socket::open(Kind::Route)).and_then(|result: io::Result<Socket>| result);
        Ok(Self { socket: socket.map_err(|error| Error::io("open netlink in a network namespace", error))? })
    }

    /// Makes a pair: `name` here, `peer` in another namespace. Both are down.
    pub fn add_veth(&mut self, name: &str, peer: &str, peer_netns: &NetNs) -> Result<(), Error> {
        for name in [name, peer] {
            check_name(name)?;
        }
        let fd = peer_netns.as_fd().as_raw_fd().cast_unsigned();
        let request = Request::new(wire::NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &wire::link(0, 0, 0)).attributes(|link| {
            link.string(wire::IFLA_IFNAME, name).nested(wire::IFLA_LINKINFO, |info| {
                info.string(wire::IFLA_INFO_KIND, "veth").nested(wire::IFLA_INFO_DATA, |data| {
                    data.nested(wire::VETH_INFO_PEER, |other| {
                        other.fixed(&wire::link(0, 0, 0));
                        other.string(wire::IFLA_IFNAME, peer).ne32(wire::IFLA_NET_NS_FD, fd);
                    });
                });
            });
        });
        self.ask(request, || format!("add link {name} type veth peer {peer}"))
    }

    /// Makes a bridge; it is down. One without ports can carry addresses where the kernel has no `dummy` device; the
    /// loopback device can, too.
    pub fn add_bridge(&mut self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        let request = Request::new(wire::NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &wire::link(0, 0, 0)).attributes(|link| {
            link.string(wire::IFLA_IFNAME, name).nested(wire::IFLA_LINKINFO, |info| {
                info.string(wire::IFLA_INFO_KIND, "bridge");
            });
        });
        self.ask(request, || format!("add link {name} type bridge"))
    }

    /// Removes an interface; of a pair both ends.
    pub fn delete(&mut self, name: &str) -> Result<(), Error> {
        let index = self.index(name)?;
        self.ask(Request::new(wire::DELLINK, 0, &wire::link(index, 0, 0)), || format!("delete link {name}"))
    }

    /// Sets an interface up.
    pub fn set_up(&mut self, name: &str) -> Result<(), Error> {
        let index = self.index(name)?;
        let request = Request::new(wire::NEWLINK, 0, &wire::link(index, wire::IFF_UP, wire::IFF_UP));
        self.ask(request, || format!("set link {name} up"))
    }

    /// Sets an interface down.
    pub fn set_down(&mut self, name: &str) -> Result<(), Error> {
        let index = self.index(name)?;
        let request = Request::new(wire::NEWLINK, 0, &wire::link(index, 0, wire::IFF_UP));
        self.ask(request, || format!("set link {name} down"))
    }

    /// Puts an interface into a bridge.
    pub fn set_master(&mut self, name: &str, bridge: &str) -> Result<(), Error> {
        let (index, master) = (self.index(name)?, self.index(bridge)?);
        let request = Request::new(wire::NEWLINK, 0, &wire::link(index, 0, 0)).attributes(|link| {
            link.ne32(wire::IFLA_MASTER, master);
        });
        self.ask(request, || format!("set link {name} master {bridge}"))
    }

    /// Gives an interface its Ethernet address.
    pub fn set_mac(&mut self, name: &str, mac: [u8; 6]) -> Result<(), Error> {
        let index = self.index(name)?;
        let request = Request::new(wire::NEWLINK, 0, &wire::link(index, 0, 0)).attributes(|link| {
            link.raw(wire::IFLA_ADDRESS, &mac);
        });
        self.ask(request, || format!("set link {name} address"))
    }

    /// Adds an address, usable at once (no duplicate address detection). Fine if it is there.
    pub fn add_address(&mut self, name: &str, address: IpNet) -> Result<(), Error> {
        let index = self.index(name)?;
        let request = wire::address(wire::NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, address);
        self.ask(request, || format!("add address {address} dev {name}"))
    }

    /// Removes an address.
    pub fn delete_address(&mut self, name: &str, address: IpNet) -> Result<(), Error> {
        let index = self.index(name)?;
        let request = wire::address(wire::DELADDR, 0, index, address);
        self.ask(request, || format!("delete address {address} dev {name}"))
    }

    /// Adds a route, replacing one to the same destination in the same table.
    pub fn add_route(&mut self, route: &Route) -> Result<(), Error> {
        let index = self.route_device(route)?;
        let request = wire::route(wire::NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, index);
        self.ask(request, || format!("add route {route}"))
    }

    /// Removes a route.
    pub fn delete_route(&mut self, route: &Route) -> Result<(), Error> {
        let index = self.route_device(route)?;
        self.ask(wire::route(wire::DELROUTE, 0, route, index), || format!("delete route {route}"))
    }

    fn route_device(&mut self, route: &Route) -> Result<Option<u32>, Error> {
        route.device.as_deref().map(|device| self.index(device)).transpose()
    }

    /// Adds a rule. Fine if it is there.
    pub fn add_rule(&mut self, rule: Rule) -> Result<(), Error> {
        match self.ask(wire::rule(wire::NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &rule), || format!("add rule {rule}")) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            other => other,
        }
    }

    /// Removes a rule. Fine if it is not there.
    pub fn delete_rule(&mut self, rule: Rule) -> Result<(), Error> {
        match self.ask(wire::rule(wire::DELRULE, 0, &rule), || format!("delete rule {rule}")) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            other => other,
        }
    }

    /// The rules that select by mark.
    pub fn rules(&mut self, family: Family) -> Result<Vec<Rule>, Error> {
        let mut rules = Vec::new();
        let request = Request::new(wire::GETRULE, 0, &wire::rule_header(family, 0));
        self.dump(&request, "list rules", &mut |message| {
            rules.extend(wire::read_rule(message)?);
            Ok(())
        })?;
        Ok(rules)
    }

    /// All interfaces.
    pub fn list(&mut self) -> Result<Vec<LinkInfo>, Error> {
        let mut links = Vec::new();
        let request = Request::new(wire::GETLINK, 0, &wire::link(0, 0, 0));
        self.dump(&request, "list links", &mut |message| {
            links.extend(wire::read_link(message)?);
            Ok(())
        })?;
        Ok(links)
    }

    /// One interface.
    pub fn get(&mut self, name: &str) -> Result<LinkInfo, Error> {
        check_name(name)?;
        let request = Request::new(wire::GETLINK, 0, &wire::link(0, 0, 0)).attributes(|link| {
            link.string(wire::IFLA_IFNAME, name);
        });
        let mut found = None;
        let result = self.socket.get(request, &mut |message| {
            found = wire::read_link(message)?;
            Ok(())
        });
        let missing = || io::Error::from_raw_os_error(libc::ENODEV);
        result
            .and_then(|()| found.ok_or_else(missing))
            .map_err(|source| Error::Netlink { command: format!("find link {name}"), source })
    }

    /// The addresses of an interface.
    pub fn addresses(&mut self, name: &str) -> Result<Vec<IpNet>, Error> {
        let index = self.index(name)?;
        let mut addresses = Vec::new();
        let request = Request::new(wire::GETADDR, 0, &wire::address_header(0, 0, 0));
        self.dump(&request, "list addresses", &mut |message| {
            addresses.extend(wire::read_address(message, index)?);
            Ok(())
        })?;
        Ok(addresses)
    }

    fn index(&mut self, name: &str) -> Result<u32, Error> {
        Ok(self.get(name)?.index)
    }

    fn ask(&mut self, request: Request, command: impl FnOnce() -> String) -> Result<(), Error> {
        self.socket.request(request).map_err(|source| Error::Netlink { command: command(), source })
    }

    fn dump(
        &mut self,
        request: &Request,
        command: &str,
        each: &mut dyn FnMut(Message<'_>) -> io::Result<()>,
    ) -> Result<(), Error> {
        match self.socket.dump(request.clone(), each) {
            // A link came or went meanwhile: what was seen is true of some moment for each entry.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other.map_err(|source| Error::Netlink { command: command.to_owned(), source }),
        }
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > 15 || name.bytes().any(|byte| byte == b'/' || byte <= b' ') {
        return Err(Error::Invalid(format!("{name:?} can't name an interface: 1 to 15 bytes, no '/', no space")));
    }
    Ok(())
}

/// Writes settings of a namespace: names below `/proc/sys`, such as `net/ipv4/ip_forward`.
pub fn set_sysctls(netns: &NetNs, settings: &[(&str, &str)]) -> Result<(), Error> {
    let failed = run_in(netns, || {
        settings.iter().find_map(|(name, value)| {
            std::fs::write(format!("/proc/sys/{name}"), value).err().map(|error| (*name, *value, error))
        })
    });
    match failed {
        Ok(None) => Ok(()),
        Ok(Some((name, value, error))) => Err(Error::io(format!("set sysctl {name} to {value}"), error)),
        Err(error) => Err(Error::io("enter a network namespace", error)),
    }
}

/// Writes one setting of a namespace.
pub fn sysctl(netns: &NetNs, name: &str, value: &str) -> Result<(), Error> {
    set_sysctls(netns, &[(name, value)])
}

/// Reads a setting of a namespace, without the line end.
pub fn get_sysctl(netns: &NetNs, name: &str) -> Result<String, Error> {
    let read = || std::fs::read_to_string(format!("/proc/sys/{name}"));
    let text = run_in(netns, read).and_then(|result: io::Result<String>| result);
    text.map(|text| text.trim_end().to_owned()).map_err(|error| Error::io(format!("read sysctl {name}"), error))
}
