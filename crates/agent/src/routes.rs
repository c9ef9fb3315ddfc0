//! Where the node has routes to, as the kernel shows them.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

/// Destinations that the node reaches over `link`, without a default route.
pub(crate) fn beyond(link: &str) -> Vec<IpNet> {
    // A family that the kernel does not have shows no file.
    let v4 = fs::read_to_string("/proc/self/net/route").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/self/net/ipv6_route").unwrap_or_default();
    let routes = v4.lines().filter_map(|line| ipv4(line, link)).chain(v6.lines().filter_map(|line| ipv6(line, link)));
    routes.filter(|route| route.prefix_len() > 0 && !is_everywhere(route)).collect()
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`; numbers are in the machine's order.
fn ipv4(line: &str, link: &str) -> Option<IpNet> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [name, destination, _, _, _, _, _, mask, ..] = fields[..] else { return None };
    let address = |field| u32::from_str_radix(field, 16).ok().map(|number| Ipv4Addr::from(number.to_ne_bytes()));
    let (destination, mask) = (address(destination)?, address(mask)?);
    (name == link).then_some(())?;
    IpNet::with_netmask(destination.into(), mask.into()).ok()
}

/// `destination length source length gateway metric references use flags name`.
fn ipv6(line: &str, link: &str) -> Option<IpNet> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [destination, length, _, _, _, _, _, _, _, name] = fields[..] else { return None };
    (name == link).then_some(())?;
    let destination = Ipv6Addr::from(u128::from_str_radix(destination, 16).ok()?);
    IpNet::new(destination.into(), u8::from_str_radix(length, 16).ok()?).ok()
}

/// Link-local and multicast prefixes are on every link, and say nothing of the mesh.
fn is_everywhere(route: &IpNet) -> bool {
    match route.addr() {
        IpAddr::V4(address) => address.is_link_local() || address.is_multicast(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_families() {
        let v4 = "eth0\t0002F40A\t02014064\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0";
        if cfg!(target_endian = "little") {
            assert_eq!(ipv4(v4, "eth0"), "10.244.2.0/24".parse().ok());
        }
        assert_eq!(ipv4(v4, "eth1"), None);
        assert_eq!(
            ipv4("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT", "Iface"),
            None
        );
        let v6 = "fd000010024400020000000000000000 40 00000000000000000000000000000000 00 \
                  fd007269707300000000000000010002 00000400 00000001 00000000 00000003     eth0";
        assert_eq!(ipv6(v6, "eth0"), "fd00:10:244:2::/64".parse().ok());
        assert_eq!(ipv6("short", "eth0"), None);
    }

    #[test]
    fn what_is_on_every_link_is_no_route_into_the_mesh() {
        for (route, everywhere) in [("fe80::/64", true), ("ff00::/8", true), ("10.1.0.0/16", false)] {
            assert_eq!(is_everywhere(&route.parse().unwrap()), everywhere, "{route}");
        }
        beyond("lo");
    }
}
