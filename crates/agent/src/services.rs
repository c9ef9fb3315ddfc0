//! What the node does for every workload, enrolled or not: virtual addresses of
//! services lead to ready endpoints, and TCP to places outside of the mesh comes
//! to the agent.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ripstop_model::{Health, Service, Snapshot};
use ripstop_net::{
    NetNs,
    nft::services::{Endpoints, Frontend, NodeRules, Services, Transport},
};
use ripstop_wire::gate::GATE;
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use tracing::{debug, error, info};

use crate::routes;

/// The node's link to the other nodes.
pub(crate) const UPLINK: &str = "eth0";
/// Where the node's rules bring connections that leave the mesh.
pub(crate) const EGRESS_PORT: u16 = 15003;
/// Virtual addresses of services.
const SERVICES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(240, 240, 0, 0), 16);
/// What is inside of any mesh: workloads where no node says otherwise, and the fabric.
const ALWAYS_INSIDE: [IpNet; 4] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 244, 0, 0), 16)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 16)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0, 0), 48)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x7269, 0x7073, 0, 0, 0, 0, 0), 64)),
];
/// Failed rules are tried again after this long.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the node's rules as the newest snapshot wants them; ends with its sender. The rules stay.
/// `applied` is the version that was applied last, or that failed to be.
pub(crate) async fn keep(node: NetNs, mut snapshots: watch::Receiver<Arc<Snapshot>>, applied: watch::Sender<u64>) {
    let mut installed: Option<(Services, Vec<IpNet>)> = None;
    snapshots.mark_changed();
    let mut failed = false;
    loop {
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() { return },
            () = sleep(RETRY), if failed => {}
        }
        let snapshot = snapshots.borrow_and_update().clone();
        if snapshot.version() == 0 {
            continue;
        }
        let (node, before, version) = (node.clone(), installed.take(), snapshot.version());
        let outcome = spawn_blocking(move || apply(node, before, &snapshot)).await;
        match outcome {
            Ok(Ok(now)) => {
                installed = Some(now);
                failed = false;
            }
            Ok(Err(error)) => {
                error!(%error, "the node's service rules cannot be changed; what is there stays, and it is tried again");
                failed = true;
            }
            Err(error) => {
                error!(%error, "the node's service rules");
                failed = true;
            }
        }
        applied.send_replace(version);
    }
}

/// After a failure nothing is known of what is installed: the next time everything is put in
/// place anew, at once.
fn apply(
    node: NetNs,
    installed: Option<(Services, Vec<IpNet>)>,
    snapshot: &Snapshot,
) -> Result<(Services, Vec<IpNet>), ripstop_net::Error> {
    let inside = inside(routes::beyond(UPLINK), snapshot);
    let endpoints = endpoints(snapshot);
    if let Some((mut services, known)) = installed
        && known == inside
    {
        let changed = services.update(&endpoints)?;
        if changed > 0 {
            debug!(version = snapshot.version(), changed, "service ports lead elsewhere");
        }
        return Ok((services, known));
    }
    let rules = NodeRules {
        uplink: UPLINK.to_owned(),
        services: SERVICES,
        inside: inside.clone(),
        egress_port: EGRESS_PORT,
        gate: *GATE.ip(),
    };
    let services = Services::install(node, &rules, &endpoints)?;
    info!(version = snapshot.version(), ports = endpoints.len(), prefixes = inside.len(), "service rules are in place");
    Ok((services, inside))
}

/// Where each service port leads, in order and without doubles; no endpoints: connections are
/// refused. Equal snapshots give equal rules, so nothing is written for changes that do not
/// matter here.
fn endpoints(snapshot: &Snapshot) -> Endpoints {
    let mut endpoints = Endpoints::new();
    for service in snapshot.services() {
        for address in &service.addresses {
            let IpAddr::V4(address) = address.to_canonical() else { continue };
            for port in &service.ports {
                let frontend = Frontend { address, port: port.port, transport: Transport::Tcp };
                let list = endpoints.entry(frontend).or_default();
                list.extend(ready(service, snapshot, port.port));
                list.sort_unstable();
                list.dedup();
            }
        }
    }
    endpoints
}

/// Endpoints that take connections for a service port.
fn ready<'a>(service: &'a Service, snapshot: &'a Snapshot, port: u16) -> impl Iterator<Item = SocketAddrV4> + 'a {
    snapshot
        .endpoints(&service.key)
        .filter(|workload| workload.health == Health::Healthy || service.publish_not_ready)
        .filter_map(move |workload| {
            let port = workload.target_port(&service.key, port)?;
            workload.addresses.iter().find_map(|address| match SocketAddr::new(*address, port) {
                SocketAddr::V4(address) => Some(address),
                SocketAddr::V6(_) => None,
            })
        })
}

/// Prefixes inside of the mesh: the usual blocks and the fabric, where the node has routes to, and
/// whatever workloads have besides.
fn inside(routes: Vec<IpNet>, snapshot: &Snapshot) -> Vec<IpNet> {
    let mut inside: Vec<IpNet> = ALWAYS_INSIDE.to_vec();
    inside.extend(routes);
    let known = inside.len();
    for workload in snapshot.workloads() {
        for address in &workload.addresses {
            if !inside[..known].iter().any(|prefix| prefix.contains(address)) {
                inside.push((*address).into());
            }
        }
    }
    IpNet::aggregate(&inside)
}

/// Whether the node's rules pass what goes there, as what is in the mesh.
pub(crate) fn is_inside(address: IpAddr, snapshot: &Snapshot) -> bool {
    let address = address.to_canonical();
    let services = IpNet::V4(SERVICES);
    ALWAYS_INSIDE.iter().chain([&services]).any(|prefix| prefix.contains(&address))
        || snapshot.workload_at(address).is_some()
        || routes::beyond(UPLINK).iter().any(|prefix| prefix.contains(&address))
}

#[cfg(test)]
mod tests;
