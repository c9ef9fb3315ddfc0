//! Processes and addresses of a world.

use std::{collections::BTreeSet, fs, net::Ipv4Addr, path::Path};

use anyhow::{Context, Result};
use ripstop_world::{SOON, World, wait_for};

use super::files::SERVER;
use crate::{process::Process, way::Way};

/// The node proxy of `node`.
pub(crate) fn proxy_of(world: &World, node: &str) -> Result<Process> {
    find(&format!("node-{node}"), &["node", "--state", &state(world, node, "proxy")?])
}

/// The privileged helper of `node`.
pub(super) fn agent_of(world: &World, node: &str) -> Result<Process> {
    find(&format!("agent-{node}"), &["agent", "--state", &state(world, node, "agent")?])
}

/// A waypoint or gateway, by the instance that it is.
pub(super) fn standing(world: &World, role: &str, namespace: &str, instance: &str) -> Result<Process> {
    wait_for(&format!("{namespace}/{instance} to be ready"), SOON, || {
        Ok((world.get(namespace, instance)?["ready"] == true).then_some(()))
    })?;
    let state = fs::canonicalize(world.state())?.join("gateways").join(format!("{namespace}.{instance}"));
    find(&format!("the {role} of {namespace}"), &[role, "--state", &state.display().to_string()])
}

/// The sidecar of an instance.
pub(super) fn sidecar_of(world: &World, namespace: &str, instance: &str) -> Result<Process> {
    let state = fs::canonicalize(world.state())?.join("sidecars").join(format!("{namespace}.{instance}"));
    find(&format!("sidecar-{namespace}.{instance}"), &["sidecar", "--state", &state.display().to_string()])
}

/// Roles are told from those of other meshes by their state directory.
fn state(world: &World, node: &str, part: &str) -> Result<String> {
    Ok(fs::canonicalize(world.state())?.join("nodes").join(node).join(part).display().to_string())
}

pub(super) fn find(name: &str, words: &[&str]) -> Result<Process> {
    wait_for(&format!("{name} to run"), SOON, || Process::find(name, words).map(Some))
}

/// Puts our binaries, and those of others that are needed, beside those of the mesh, where workloads find them.
pub(crate) fn install(bin: &Path, ways: &[Way], binaries: &Path) -> Result<()> {
    let own = std::env::current_exe()?;
    let own = ["bench-peer", "bench-relay"].map(|name| own.with_file_name(name));
    let peers: BTreeSet<_> =
        ways.iter().filter_map(|way| way.peer()).map(|peer| binaries.join(peer.binary())).collect();
    for from in own.into_iter().chain(peers) {
        let name = from.file_name().context("no file")?;
        fs::copy(&from, bin.join(name)).with_context(|| format!("copying {}", from.display()))?;
    }
    Ok(())
}

/// The address of the server of a namespace.
pub(crate) fn address_of_server(world: &World, namespace: &str) -> Result<Ipv4Addr> {
    address_of(world, namespace, SERVER)
}

/// The address of an instance.
pub(super) fn address_of(world: &World, namespace: &str, instance: &str) -> Result<Ipv4Addr> {
    let workload = world.get(namespace, instance)?;
    let addresses = workload["addresses"].as_array().context("no list of addresses")?;
    let address = addresses.iter().find_map(|address| address.as_str()?.parse().ok());
    address.with_context(|| format!("{namespace}/{instance} has no IPv4 address"))
}

/// Names of the instances of a namespace, but for those `known`.
pub(super) fn instances_beside(world: &World, namespace: &str, known: &[&str]) -> Result<Vec<String>> {
    let list = world.json(&["get", "workloads", "-n", namespace])?;
    let names =
        list.as_array().context("workloads are no list")?.iter().filter_map(|workload| workload["name"].as_str());
    Ok(names.filter(|name| !known.contains(name)).map(str::to_owned).collect())
}

/// The address of the service `server` of a namespace.
pub(crate) fn address_of_service(world: &World, namespace: &str) -> Result<Ipv4Addr> {
    let services = world.json(&["get", "services", "-n", namespace])?;
    let mut all = services.as_array().into_iter().flatten();
    let service = all.find(|service| service["name"] == "server");
    let address = service.and_then(|service| service["vip"].as_str());
    address.and_then(|address| address.parse().ok()).with_context(|| format!("no address: {services}"))
}
