//! rtnetlink's messages, as linux/rtnetlink.h, if_link.h, if_addr.h and fib_rules.h lay them out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{LinkInfo, Route, RouteKind, Rule};
use crate::netlink::{Message, Request, find, u32_ne};
use crate::source::Family;

pub(super) const NEWLINK: u16 = 16;
pub(super) const DELLINK: u16 = 17;
pub(super) const GETLINK: u16 = 18;
pub(super) const NEWADDR: u16 = 20;
pub(super) const DELADDR: u16 = 21;
pub(super) const GETADDR: u16 = 22;
pub(super) const NEWROUTE: u16 = 24;
pub(super) const DELROUTE: u16 = 25;
pub(super) const NEWRULE: u16 = 32;
pub(super) const DELRULE: u16 = 33;
pub(super) const GETRULE: u16 = 34;

pub(super) const IFF_UP: u32 = 1;
pub(super) const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
pub(super) const IFLA_MASTER: u16 = 10;
pub(super) const IFLA_LINKINFO: u16 = 18;
pub(super) const IFLA_NET_NS_FD: u16 = 28;
pub(super) const IFLA_INFO_KIND: u16 = 1;
pub(super) const IFLA_INFO_DATA: u16 = 2;
pub(super) const VETH_INFO_PEER: u16 = 1;

const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const RULE_HEADER: usize = 12;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_NODAD: u32 = 0x02;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const RTN_UNREACHABLE: u8 = 7;
const RTPROT_STATIC: u8 = 4;
const RTNH_F_ONLINK: u32 = 4;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;

const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FR_ACT_TO_TBL: u8 = 1;

/// struct ifinfomsg
pub(super) fn link(index: u32, flags: u32, change: u32) -> [u8; LINK_HEADER] {
    let mut bytes = [0; LINK_HEADER];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..].copy_from_slice(&change.to_ne_bytes());
    bytes
}

pub(super) fn read_link(message: Message<'_>) -> io::Result<Option<LinkInfo>> {
    if message.kind != NEWLINK {
        return Ok(None);
    }
    let (head, attributes) = message.split(LINK_HEADER)?;
    let mut link = LinkInfo {
        index: u32_ne(&head[4..]).unwrap_or(0),
        name: String::new(),
        up: u32_ne(&head[8..]).unwrap_or(0) & IFF_UP != 0,
        mac: None,
        master: None,
        kind: String::new(),
    };
    for (kind, value) in attributes {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_ADDRESS => link.mac = value.try_into().ok(),
            IFLA_MASTER => link.master = u32_ne(value),
            IFLA_LINKINFO => link.kind = find(value, IFLA_INFO_KIND).map(text).unwrap_or_default(),
            _ => {}
        }
    }
    Ok(Some(link))
}

/// struct ifaddrmsg
pub(super) fn address_header(family: u8, prefix: u8, index: u32) -> [u8; ADDRESS_HEADER] {
    let mut bytes = [family, prefix, 0, 0, 0, 0, 0, 0];
    bytes[4..].copy_from_slice(&index.to_ne_bytes());
    bytes
}

pub(super) fn address(kind: u16, flags: u16, index: u32, address: IpNet) -> Request {
    let mut head = address_header(family_of(address.addr()), address.prefix_len(), index);
    head[3] = match address.addr() {
        IpAddr::V4(v4) if v4.is_loopback() => SCOPE_HOST,
        IpAddr::V4(v4) if v4.is_link_local() => SCOPE_LINK,
        _ => SCOPE_UNIVERSE,
    };
    Request::new(kind, flags, &head).attributes(|attributes| {
        let octets = Octets::of(address.addr());
        attributes.raw(IFA_LOCAL, octets.as_slice()).raw(IFA_ADDRESS, octets.as_slice());
        if address.addr().is_ipv6() {
            attributes.ne32(IFA_FLAGS, IFA_F_NODAD);
        }
    })
}

pub(super) fn read_address(message: Message<'_>, index: u32) -> io::Result<Option<IpNet>> {
    if message.kind != NEWADDR {
        return Ok(None);
    }
    let (head, attributes) = message.split(ADDRESS_HEADER)?;
    if u32_ne(&head[4..]) != Some(index) {
        return Ok(None);
    }
    let mut found = None;
    for (kind, value) in attributes {
        // On a point-to-point link IFA_ADDRESS is the other end.
        if kind == IFA_LOCAL || (kind == IFA_ADDRESS && found.is_none()) {
            found = read_ip(value);
        }
    }
    Ok(found.and_then(|ip| IpNet::new(ip, head[1]).ok()))
}

pub(super) fn route(kind: u16, flags: u16, route: &Route, device: Option<u32>) -> Request {
    let (scope, ty) = match route.kind {
        RouteKind::Local => (SCOPE_HOST, RTN_LOCAL),
        RouteKind::Unreachable => (SCOPE_UNIVERSE, RTN_UNREACHABLE),
        RouteKind::Unicast if route.via.is_none() => (SCOPE_LINK, RTN_UNICAST),
        RouteKind::Unicast => (SCOPE_UNIVERSE, RTN_UNICAST),
    };
    // Tables beyond 255 are said by attribute only; the header then says 0, unspecified.
    let table = u8::try_from(route.table).unwrap_or(0);
    let flags_of_hop = if route.onlink { RTNH_F_ONLINK } else { 0 };
    let destination = route.destination.trunc();
    let mut head =
        [family_of(destination.addr()), destination.prefix_len(), 0, 0, table, RTPROT_STATIC, scope, ty, 0, 0, 0, 0];
    head[8..].copy_from_slice(&flags_of_hop.to_ne_bytes());
    Request::new(kind, flags, &head).attributes(|attributes| {
        attributes.ne32(RTA_TABLE, route.table);
        if destination.prefix_len() > 0 {
            attributes.raw(RTA_DST, Octets::of(destination.addr()).as_slice());
        }
        if let Some(via) = route.via {
            attributes.raw(RTA_GATEWAY, Octets::of(via).as_slice());
        }
        if let Some(device) = device {
            attributes.ne32(RTA_OIF, device);
        }
        if let Some(source) = route.source {
            attributes.raw(RTA_PREFSRC, Octets::of(source).as_slice());
        }
    })
}

/// struct fib_rule_hdr
pub(super) fn rule_header(family: Family, table: u8) -> [u8; RULE_HEADER] {
    let family = match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    };
    [family, 0, 0, 0, table, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0]
}

pub(super) fn rule(kind: u16, flags: u16, rule: &Rule) -> Request {
    let head = rule_header(rule.family, u8::try_from(rule.table).unwrap_or(0));
    Request::new(kind, flags, &head).attributes(|attributes| {
        attributes
            .ne32(FRA_PRIORITY, rule.priority)
            .ne32(FRA_FWMARK, rule.mark)
            .ne32(FRA_FWMASK, rule.mask)
            .ne32(FRA_TABLE, rule.table);
    })
}

pub(super) fn read_rule(message: Message<'_>) -> io::Result<Option<Rule>> {
    if message.kind != NEWRULE {
        return Ok(None);
    }
    let (head, attributes) = message.split(RULE_HEADER)?;
    let family = if head[0] == AF_INET6 { Family::V6 } else { Family::V4 };
    let mut rule = Rule { family, mark: 0, mask: u32::MAX, priority: 0, table: u32::from(head[4]) };
    for (kind, value) in attributes {
        let value = u32_ne(value).unwrap_or(0);
        match kind {
            FRA_PRIORITY => rule.priority = value,
            FRA_FWMARK => rule.mark = value,
            FRA_FWMASK => rule.mask = value,
            FRA_TABLE => rule.table = value,
            _ => {}
        }
    }
    Ok((rule.mark != 0).then_some(rule))
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

fn family_of(address: IpAddr) -> u8 {
    if address.is_ipv6() { AF_INET6 } else { AF_INET }
}

/// An address as the wire has it.
enum Octets {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl Octets {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => Self::V6(v6.octets()),
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::V4(octets) => octets,
            Self::V6(octets) => octets,
        }
    }
}

fn read_ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into())
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}
