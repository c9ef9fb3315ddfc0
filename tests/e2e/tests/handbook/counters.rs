//! What proxies have counted.

use anyhow::{Result, bail, ensure};
use ripstop_world::{SOON, World, wait_for};

use crate::caller::{Caller, failed};

/// Requests that the proxies of callers counted with all of these labels, at node east, where callers are.
pub fn requests(world: &World, labels: &[&str]) -> Result<u64> {
    counted(world, "east", "istio_requests_total{reporter=\"source\"", labels)
}

/// As [`requests`], those that a proxy counted, as whomever.
pub fn requests_at(world: &World, proxy: &str, labels: &[&str]) -> Result<u64> {
    counted(world, proxy, "istio_requests_total{", labels)
}

/// A hundred requests on one connection of a caller: to the callees, which are at node east, it takes ten. One that is not
/// made in time, on a busy machine, makes an eleventh: then it is done again.
pub fn ten_requests_are_a_connection(world: &World, namespace: &str, what: &str) -> Result<()> {
    let principal = format!("source_principal=\"spiffe://cluster.local/ns/{namespace}/sa/many-requests\"");
    let opened =
        || counted(world, "east", "istio_tcp_connections_opened_total{reporter=\"destination\"", &[&principal]);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let before = opened()?;
        let mut caller = Caller::enrolled(world, namespace, "many-requests")?;
        let answers = caller.kept(&format!("100, {what}"))?;
        ensure!(failed(&answers) == 0, "{} failed", failed(&answers));
        let mut count = 0;
        let counting = wait_for("ten connections", SOON / 3, || {
            count = opened()? - before;
            Ok((count == 10).then_some(()))
        });
        if counting.is_ok() {
            return Ok(());
        }
        seen.push(count);
    }
    bail!("{seen:?} connections for {what}")
}

fn counted(world: &World, proxy: &str, start: &str, labels: &[&str]) -> Result<u64> {
    let metrics = world.cli(&["metrics", proxy])?;
    let of_these =
        metrics.lines().filter(|line| line.starts_with(start) && labels.iter().all(|label| line.contains(label)));
    let values = of_these.filter_map(|line| line.rsplit_once(' ')).filter_map(|(_, value)| value.parse::<u64>().ok());
    Ok(values.sum())
}
