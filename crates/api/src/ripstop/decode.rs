//! `Node` and `Mesh` from the tree.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Mesh, Node};
use crate::{
    decode::{Decoder, Field, Record, quoted},
    finding::code,
    istio, names,
    schema::Decode,
};

mod process;

pub(crate) use process::{LONGEST_NAME, process};

/// `spec` of a `Node`.
pub(crate) fn node(decoder: &mut Decoder<'_>, root: &mut Record<'_>) -> Node {
    let mut node = Node::default();
    let Some(mut spec) = root.record(decoder, "spec") else { return node };
    let single = spec.get(decoder, "podCIDR").map(|field| (block(decoder, &field, Single::Refused), field));
    if let Some(field) = spec.structure(decoder, "podCIDRs") {
        for item in decoder.items(&field) {
            let Some(block) = block(decoder, &item, Single::Refused) else { continue };
            add_block(decoder, &mut node, &item, block);
        }
    }
    if let Some((Some(block), field)) = single {
        match node.pod_cidrs.first() {
            Some(first) if *first != block => {
                let message = format!("`podCIDR` is {block}, but the first of `podCIDRs` is {first}");
                decoder.report(code::CONFLICT, &field, message, "remove `podCIDR`");
            }
            Some(_) => {}
            None => add_block(decoder, &mut node, &field, block),
        }
    }
    spec.not_acted_on(decoder, &["providerID", "taints", "unschedulable"]);
    spec.finish(decoder);
    node
}

/// `spec` of a `Mesh`.
pub(crate) fn mesh(decoder: &mut Decoder<'_>, root: &mut Record<'_>) -> Mesh {
    let mut mesh = Mesh::default();
    let Some(mut spec) = root.record(decoder, "spec") else { return mesh };
    mesh.trust_domain = name(decoder, &mut spec, "trustDomain", "a trust domain", names::trust_domain);
    mesh.service_domain = name(decoder, &mut spec, "serviceDomain", "a domain name", names::dns_name);
    mesh.root_namespace =
        name(decoder, &mut spec, "rootNamespace", "a DNS label", |text| names::dns_label(text, names::LABEL));
    mesh.cluster_id = name(decoder, &mut spec, "clusterId", "a cluster id", names::cluster_id);
    if let Some(mtls) = spec.record(decoder, "mtls") {
        mesh.mtls = istio::decode::mode(decoder, mtls);
    }
    if let Some(field) = spec.get(decoder, "logLevel") {
        let levels = ["error", "warn", "info", "debug", "trace"].map(|level| (level, level));
        mesh.log_level = decoder.one_of(&field, &levels).map(str::to_owned);
    }
    if let Some(mut egress) = spec.record(decoder, "egress") {
        mesh.egress_allow = blocks(decoder, &mut egress, "allow");
        mesh.egress_deny = blocks(decoder, &mut egress, "deny");
        egress.finish(decoder);
    }
    if let Some(mut dns) = spec.record(decoder, "dns") {
        if let Some(field) = dns.structure(decoder, "upstream") {
            let items = decoder.items(&field);
            mesh.dns_upstream = items.iter().filter_map(|item| decoder.address(item)).collect();
        }
        dns.finish(decoder);
    }
    if let Some(field) = spec.get(decoder, "metricsPort") {
        mesh.metrics_port = decoder.integer(&field, 0..=65535).and_then(|port| u16::try_from(port).ok());
    }
    if let Some(field) = spec.structure(decoder, "meshConfig") {
        mesh.mesh_config = Decode::decode(decoder, &field);
        check_mesh_config(decoder, &mesh, &field);
    }
    spec.finish(decoder);
    mesh
}

/// What can be said in two ways may be said in two ways, but not differently.
fn check_mesh_config(decoder: &mut Decoder<'_>, mesh: &Mesh, field: &Field<'_>) {
    let Some(config) = &mesh.mesh_config else { return };
    let twice = [
        ("trustDomain", &mesh.trust_domain, &config.trust_domain),
        ("rootNamespace", &mesh.root_namespace, &config.root_namespace),
    ];
    for (name, own, other) in twice {
        if let (Some(own), Some(other)) = (own, other)
            && own != other
        {
            let message = format!("{} contradicts `spec.{name}`, which is {}", quoted(other), quoted(own));
            decoder.report(code::CONFLICT, &field.at(name), message, "remove one of them");
        }
    }
}

/// Whether an address without prefix length means a block of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Single {
    Allowed,
    Refused,
}

fn name(
    decoder: &mut Decoder<'_>,
    spec: &mut Record<'_>,
    field: &'static str,
    what: &str,
    check: impl Fn(&str) -> Result<(), String>,
) -> Option<String> {
    let field = spec.get(decoder, field)?;
    decoder.name(&field, what, check).map(str::to_owned)
}

fn blocks(decoder: &mut Decoder<'_>, record: &mut Record<'_>, name: &'static str) -> Vec<IpNet> {
    let Some(field) = record.structure(decoder, name) else { return Vec::new() };
    let items = decoder.items(&field);
    items.iter().filter_map(|item| block(decoder, item, Single::Allowed)).collect()
}

fn block(decoder: &mut Decoder<'_>, field: &Field<'_>, single: Single) -> Option<IpNet> {
    let text = decoder.text(field)?;
    match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(block), _) if block.trunc() == block => Some(block),
        (Ok(block), _) => {
            let message = format!("{} has bits set after its prefix", quoted(text));
            decoder.report(code::BAD_ADDRESS, field, message, format!("write `{}`", block.trunc()));
            None
        }
        (_, Ok(address)) if single == Single::Allowed => Some(address.into()),
        (_, Ok(_)) => {
            let message = format!("{} has no prefix length", quoted(text));
            decoder.report(
                code::BAD_ADDRESS,
                field,
                message,
                "a block is `address/length`, for example `10.244.1.0/24`",
            );
            None
        }
        _ => {
            let message = format!("{} is not a CIDR block", quoted(text));
            decoder.report(
                code::BAD_ADDRESS,
                field,
                message,
                "a block is `address/length`, for example `10.244.1.0/24`",
            );
            None
        }
    }
}

/// One block a family, with room for the node and its workloads.
fn add_block(decoder: &mut Decoder<'_>, node: &mut Node, field: &Field<'_>, block: IpNet) {
    let (family, longest) = match block {
        IpNet::V4(_) => ("IPv4", 29),
        IpNet::V6(_) => ("IPv6", 125),
    };
    let address = block.addr();
    if block.prefix_len() > longest || block.prefix_len() < 8 {
        let message = format!("{block} has an unfit size, a prefix of 8 to {longest} is allowed");
        decoder.report(code::OUT_OF_RANGE, field, message, "");
    } else if address.is_loopback() || address.is_multicast() || address.is_unspecified() || is_link_local(address) {
        let message = format!("{block} holds no addresses for workloads");
        decoder.report(code::BAD_ADDRESS, field, message, "use a private block, for example `10.244.1.0/24`");
    } else if node.pod_cidrs.iter().any(|other| other.addr().is_ipv4() == address.is_ipv4()) {
        let message = format!("{block} is a second {family} block");
        decoder.report(code::REPEATED_ITEM, field, message, "a node has at most one block a family");
    } else {
        node.pod_cidrs.push(block);
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
