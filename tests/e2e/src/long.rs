//! Answers that go on until somebody ends them.

use anyhow::Result;
use ripstop_world::{Console, World};

/// What a client runs that keeps its connections: `dial(name, address, …)`, `send(name, path)`, `hear(name, words)`,
/// `rest(name)`.
pub const CLIENT: &str = include_str!("long_client.py");

/// What [`server`] runs: `over.set()` ends its answers, `lost` has the paths of those that somebody else ended.
const SERVER: &str = include_str!("long_server.py");

/// The service `web` of `shop`, for [`server`], and access logs.
pub const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  meshConfig: {accessLogFile: /dev/stdout}
";

/// An enrolled server of `web` on node west.
pub fn server(world: &World) -> Result<Console> {
    let flags = ["--node", "west", "--label", "app=web", "--service-account", "web"];
    world.captured_console("shop", &flags, SERVER)
}
