//! A shop: versions of a service whose servers tell what they were asked.

use anyhow::{Result, ensure};
use ripstop_world::World;

use crate::{NODES, observe::applied, reflect, service};

/// Three versions of `web` behind one service, a second service, and a client that stays, all enrolled.
pub fn world() -> Result<World> {
    let files = [
        ("nodes.yaml", NODES.to_owned()),
        ("service.yaml", service("web", "shop", "http")),
        ("v1.yaml", reflect("web", "v1", "shop", "west")),
        ("v2.yaml", reflect("web", "v2", "shop", "east")),
        ("v3.yaml", reflect("web", "v3", "shop", "west")),
        ("other-service.yaml", service("other", "shop", "http")),
        ("other.yaml", reflect("other", "v1", "shop", "east")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let world = World::start(&files)?;
    world.enrol("shop", true)?;
    world.settle()?;
    Ok(world)
}

/// The versions as subsets.
pub const SUBSETS: &str = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - {name: v3, labels: {version: v3}}
";

/// Rules for requests to `web`.
pub fn routes(http: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web, namespace: shop}}\nspec:\n  hosts: [web]\n  http:\n{http}"
    )
}

/// Applies routes (and the subsets) and waits until all proxies act on them.
pub fn routed(world: &World, mark: &str, http: &str) -> Result<()> {
    applied(world, "routes.yaml", mark, &format!("{SUBSETS}---\n{}", routes(http)))?;
    let findings = world.cli(&["get", "findings"])?;
    ensure!(!findings.lines().any(|line| line.contains(": error ")), "{findings}");
    Ok(())
}
