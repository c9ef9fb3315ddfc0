//! Streams of bulk, a thousand small requesters and a reader that stalls share a pair of nodes.

use std::{fs, net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use ripstop_e2e::NODES;
use ripstop_world::{Client, SOON, World, wait_for};

/// Those who take as much as they can.
const BULK: usize = 8;
/// Those who ask for a little twice a second.
const SMALL: usize = 1_000;
/// What both proxies together may take beyond the least that they took, in MiB: all stream windows full, and a little. The
/// least, since what starting has loaded is given back a few seconds later.
const MEMORY: u64 = 160;

const SERVER: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec:
  mtls: {mode: STRICT}
---
apiVersion: v1
kind: Service
metadata: {name: crowd, namespace: shop}
spec:
  selector: {app: crowd}
  ports: [{name: tcp, port: 9000}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: crowd, namespace: shop, labels: {app: crowd}}
spec:
  node: west
  command: [crowd, serve, '0.0.0.0:9000']
  ports: [{name: tcp, containerPort: 9000}]
  readinessProbe: {tcpSocket: {port: tcp}, periodSeconds: 1}
";

/// Two minutes, in which every window is full many times, tunnels are probed, and buffers are given back; a soak is
/// `RIPSTOP_SHARING_SECONDS` of any length. Nobody starves, nothing fails, and memory stays bounded.
#[test]
fn bulk_small_requests_and_a_stalled_reader_share_two_nodes() -> Result<()> {
    let seconds = std::env::var("RIPSTOP_SHARING_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(120_u64);
    let mut world = World::prepare(&[("nodes.yaml", NODES), ("crowd.yaml", SERVER)])?;
    fs::copy(env!("CARGO_BIN_EXE_crowd"), world.path("bin").join("crowd")).context("installing the crowd")?;
    world.up()?;
    world.tell(|world| {
        world.enrol("shop", true)?;
        world.settle()?;
        let server = world.get("shop", "crowd-0")?;
        let addresses = server["addresses"].as_array().context("no addresses")?;
        let address = addresses.iter().find_map(|address| address.as_str()?.parse::<Ipv4Addr>().ok());
        let target = format!("{}:9000", address.context("no IPv4 address")?);
        let (bulk, small, time) = (BULK.to_string(), SMALL.to_string(), seconds.to_string());
        let crowd = ["crowd", "drive", &target, &bulk, &small, &time];
        let client =
            Client::start(world.command(&[&["run", "-n", "shop", "--node", "east", "--"][..], &crowd].concat()))?;
        let begun = memory(world)?;
        let (mut least, mut most, mut report) = (begun, begun, None);
        wait_for("the crowd to go home", Duration::from_secs(seconds) + 3 * SOON, || {
            let now = memory(world)?;
            (least, most) = (least.min(now), most.max(now));
            match client.newest() {
                Some(line) if line.starts_with('{') => report = Some(line),
                Some(line) => bail!("{line}"),
                None => {}
            }
            Ok(report.is_some().then_some(()))
        })?;
        let report = report.context("nothing was told")?;
        eprintln!("{report}, memory of both proxies: {begun} MiB at first, {least} at least, {most} at most");
        let report: serde_json::Value = serde_json::from_str(&report)?;
        ensure!(report["errors"].as_object().is_some_and(serde_json::Map::is_empty), "{report}");
        // Half of what they would have asked with answers that take no time.
        let least = report["least"].as_u64().context("least")?;
        ensure!(least >= seconds.saturating_sub(5) / 2, "somebody asked only {least} times: {report}");
        let moved: Vec<u64> =
            report["moved"].as_array().context("moved")?.iter().filter_map(serde_json::Value::as_u64).collect();
        let (fewest, all) = (moved.iter().min().copied().unwrap_or(0), moved.iter().sum::<u64>());
        ensure!(moved.len() == BULK && fewest * 10 >= all / moved.len() as u64, "bulk is shared unfairly: {moved:?}");
        ensure!(most <= least + MEMORY, "memory grew from {least} to {most} MiB");
        let (status, _) = client.finish_by_itself()?;
        ensure!(status.success(), "{status}");
        Ok(())
    })
}

/// Resident memory of both node proxies, in MiB.
fn memory(world: &World) -> Result<u64> {
    let mut sum = 0;
    for node in ["node-east", "node-west"] {
        let processes = world.processes()?;
        let pid = processes.get(node).and_then(|process| process.pid).with_context(|| format!("no {node}"))?;
        let pid = world.host_pid(pid)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        sum += line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024;
    }
    Ok(sum)
}
