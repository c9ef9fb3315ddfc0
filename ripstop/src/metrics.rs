//! `ripstop metrics`: what Prometheus would see.

use anyhow::{Result, bail};
use clap::Args;
use ripstop_api::nearest;

use crate::{mesh::Mesh, output::print, tables::text};

/// Whose metrics.
#[derive(Args)]
pub struct Metrics {
    /// `control`, a node proxy by its node's name or as `node-NODE`, or a gateway as `NAMESPACE/INSTANCE`.
    name: String,
}

impl Metrics {
    /// Prints them.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let world = mesh.get("/v1/world").await?;
        let nodes = world["nodes"].as_array().into_iter().flatten().map(|node| text(node, "name"));
        let gateways = world["gateways"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        let proxies: Vec<&str> = nodes.chain(gateways).collect();
        print(&mesh.metrics(&path(&self.name, &proxies)?).await?);
        Ok(())
    }
}

/// Where the metrics of `name` are.
fn path(name: &str, proxies: &[&str]) -> Result<String> {
    if name == "control" {
        return Ok("/metrics".into());
    }
    // Of gateways, as `get processes` has them, too.
    let named = |wanted: &str| proxies.iter().find(|proxy| **proxy == wanted.replace('/', "."));
    if let Some(proxy) = named(name).or_else(|| named(name.strip_prefix("node-")?)) {
        return Ok(format!("/proxies/{proxy}/metrics"));
    }
    let known = || ["control"].into_iter().chain(proxies.iter().copied());
    let near = nearest(name, known()).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
    bail!("{name:?} has no metrics: {} have{near}", known().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_metrics_is_told_to_those_who_miss() {
        let path = |name: &str| path(name, &["east", "node-b"]).map_err(|error| error.to_string());
        assert_eq!(path("control").unwrap(), "/metrics");
        for (name, expected) in
            [("east", "east"), ("node-east", "east"), ("node-b", "node-b"), ("node-node-b", "node-b")]
        {
            assert_eq!(path(name).unwrap(), format!("/proxies/{expected}/metrics"), "{name}");
        }
        for name in ["shop.web-0", "shop/web-0"] {
            assert_eq!(super::path(name, &["east", "shop.web-0"]).unwrap(), "/proxies/shop.web-0/metrics");
        }
        assert_eq!(path("broker").unwrap_err(), "\"broker\" has no metrics: control, east, node-b have");
        let eats = path("eats").unwrap_err();
        assert_eq!(eats, "\"eats\" has no metrics: control, east, node-b have; did you mean \"east\"?");
    }
}
