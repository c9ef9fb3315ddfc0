//! `ripstop metrics`: what Prometheus would see.

use anyhow::Result;
use clap::Args;

use crate::{completion, mesh::Mesh, output::print, proxies::named, tables::text};

/// The control plane.
const CONTROL: &str = "control";

/// Whose metrics.
#[derive(Args)]
pub struct Metrics {
    /// `control`, a node proxy by its node's name or as `node-NODE`, a sidecar as `sidecar-NAMESPACE.INSTANCE`, or a
    /// gateway or waypoint by its process or instance, with or without its namespace.
    #[arg(add = completion::tellers())]
    name: String,
}

impl Metrics {
    /// Prints them.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let world = mesh.get("/v1/world").await?;
        let nodes = world["nodes"].as_array().into_iter().flatten().map(|node| text(node, "name").to_owned());
        let gateways = world["gateways"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        let gateways = gateways.map(|gateway| gateway.replacen('.', "/", 1));
        let sidecars = world["sidecars"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        let sidecars = sidecars.map(str::to_owned);
        let all: Vec<String> =
            std::iter::once(CONTROL.to_owned()).chain(nodes).chain(gateways).chain(sidecars).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        print(&mesh.metrics(&path(&self.name, &all)?).await?);
        Ok(())
    }
}

/// Where the metrics of `name` are, which is one of `all`.
fn path(name: &str, all: &[&str]) -> Result<String> {
    Ok(match named(all, name)? {
        CONTROL => "/metrics".into(),
        proxy => format!("/proxies/{}/metrics", proxy.replace('/', ".")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_metrics_is_told_to_those_who_miss() {
        let path = |name: &str| path(name, &["control", "east", "node-b"]).map_err(|error| error.to_string());
        assert_eq!(path("control").unwrap(), "/metrics");
        for (name, expected) in
            [("east", "east"), ("node-east", "east"), ("node-b", "node-b"), ("node-node-b", "node-b")]
        {
            assert_eq!(path(name).unwrap(), format!("/proxies/{expected}/metrics"), "{name}");
        }
        for name in ["shop.web-0", "shop/web-0", "web"] {
            assert_eq!(super::path(name, &["control", "east", "shop/web-0"]).unwrap(), "/proxies/shop.web-0/metrics");
        }
        let sidecar = super::path("sidecar-shop.web-0", &["control", "east", "sidecar-shop.web-0"]).unwrap();
        assert_eq!(sidecar, "/proxies/sidecar-shop.web-0/metrics");
        let told = "there is no proxy \"broker\"; there are control, east, node-b";
        assert_eq!(path("broker").unwrap_err(), told);
    }
}
