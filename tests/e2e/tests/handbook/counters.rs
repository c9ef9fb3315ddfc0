//! What proxies have counted.

use anyhow::Result;
use ripstop_world::World;

/// Requests that the proxies of callers counted with all of these labels, at node east, where callers are.
pub fn requests(world: &World, labels: &[&str]) -> Result<u64> {
    let metrics = world.cli(&["metrics", "east"])?;
    let counted = metrics.lines().filter(|line| {
        line.starts_with("istio_requests_total{reporter=\"source\"") && labels.iter().all(|label| line.contains(label))
    });
    let values = counted.filter_map(|line| line.rsplit_once(' ')).filter_map(|(_, value)| value.parse::<u64>().ok());
    Ok(values.sum())
}
