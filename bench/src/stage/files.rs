//! What each way has in the mesh's files, and what is started in its workloads.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::{
    message::PORTS,
    peers::{Hop, Peers, Side},
    way::Way,
};

/// The machine of the drivers.
pub(crate) const NEAR: &str = "east";
/// The machine of the servers.
pub(crate) const FAR: &str = "west";
/// The server of each namespace.
pub(super) const SERVER: &str = "server-0";
/// The waypoint of the namespace that has one.
pub(super) const WAYPOINT: &str = "waypoint-0";
/// The gateway of the namespace that has one.
pub(super) const GATEWAY: &str = "gateway-0";
/// Between a port of the server and that of the proxy before it.
pub(super) const OFFSET: u16 = 100;

/// For the namespace of [`Way::Mesh`]: what is answered there came through a tunnel.
const MUTUAL_TLS_ONLY: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: NAMESPACE}
spec:
  mtls: {mode: STRICT}
";

/// For the namespaces of the other ways of the mesh, where the server has a name, whose ports are declared: requests are counted.
const DECLARED: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: NAMESPACE}
spec:
  mtls: {mode: STRICT}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: NAMESPACE}
spec:
  selector: {app: server}
  ports:
  - {name: http-exchange, port: 9000}
  - {name: http-single, port: 9001}
  - {name: grpc-calls, port: 9003}
";

/// Beside [`DECLARED`], for the namespaces of [`Way::MeshL7`], [`Way::MeshSidecar`] and [`Way::MeshWaypoint`]: each request
/// is routed, and asked whether it may, by what it is TARGETed at.
const REQUESTS_TOO: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server, namespace: NAMESPACE}
spec:
  hosts: [server]
  http:
  - match: [{headers: {x-canary: {exact: always}}}]
    directResponse: {status: 503}
  - timeout: 30s
    route: [{destination: {host: server}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: NAMESPACE}
spec:
  TARGET
  rules:
  - from: [{source: {principals: [cluster.local/ns/NAMESPACE/sa/default]}}]
    to: [{operation: {methods: [GET, POST]}}]
";

/// Those of the server.
const OF_SERVER: &str = "selector: {matchLabels: {app: server}}";
/// Those of its service, which its waypoint looks at.
const OF_SERVICE: &str = "targetRefs: [{kind: Service, group: '', name: server}]";

/// For the namespace of [`Way::MeshWaypoint`]: the waypoint, beside the driver.
const STANDING_WAYPOINT: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: waypoint, namespace: NAMESPACE}
spec: {role: waypoint, node: NODE}
";

/// Beside [`DECLARED`], for the namespace of [`Way::MeshGateway`]: the gateway, beside the driver, which routes each request
/// and asks whether it may; nobody else is let in at the server.
const STANDING_GATEWAY: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: gateway, namespace: NAMESPACE, labels: {edge: bench}}
spec: {role: gateway, node: NODE, serviceAccountName: edge}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: NAMESPACE}
spec:
  selector: {edge: bench}
  servers:
  - {port: {number: 9000, name: http-exchange, protocol: HTTP}, hosts: ['*']}
  - {port: {number: 9001, name: http-single, protocol: HTTP}, hosts: ['*']}
  - {port: {number: 9003, name: grpc-calls, protocol: GRPC}, hosts: ['*']}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: NAMESPACE}
spec:
  hosts: ['*']
  gateways: [edge]
  http:
  - match: [{headers: {x-canary: {exact: always}}}]
    directResponse: {status: 503}
  - match: [{port: 9000}]
    timeout: 30s
    route: [{destination: {host: server, port: {number: 9000}}}]
  - match: [{port: 9001}]
    timeout: 30s
    route: [{destination: {host: server, port: {number: 9001}}}]
  - match: [{port: 9003}]
    timeout: 30s
    route: [{destination: {host: server, port: {number: 9003}}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: NAMESPACE}
spec:
  selector: {matchLabels: {edge: bench}}
  rules:
  - to: [{operation: {methods: [GET, POST]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: callers, namespace: NAMESPACE}
spec:
  selector: {matchLabels: {app: server}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/NAMESPACE/sa/edge]}}]
";

pub(crate) fn nodes() -> String {
    let node = |name| format!("apiVersion: ripstop.dev/v1alpha1\nkind: Node\nmetadata: {{name: {name}}}\n");
    format!("{}---\n{}", node(NEAR), node(FAR))
}

/// The server of a way in the namespace of its name; behind a proxy, or behind mutual TLS alone.
pub(super) fn server(peers: &Peers, way: Way, tag: &str) -> Result<String> {
    let namespace = way.name();
    let between = between(peers, way, Side::Far, tag, |port| Hop {
        listen: (Ipv4Addr::UNSPECIFIED, port + OFFSET),
        target: (Ipv4Addr::LOCALHOST, port),
    })?;
    let script = beside(between.as_deref(), &format!("bench-peer serve --tag {}", tagged(tag, way, "server")));
    let offset = if between.is_some() { OFFSET } else { 0 };
    let process = format!(
        "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: server, namespace: {namespace}, labels: {{app: server{}}}}}
spec:
  node: {FAR}
  command: [sh, -c, '{script}']
  readinessProbe: {{tcpSocket: {{port: {}}}, periodSeconds: 5}}
",
        // Alone of its namespace: the driver stays outside.
        if way == Way::MeshGateway { ", istio.io/dataplane-mode: ambient" } else { "" },
        PORTS[0] + offset
    );
    let enrolled = labels(way).map(|labels| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}, labels: {{{labels}}}}}\n")
    });
    let requests = |target| REQUESTS_TOO.replace("TARGET", target);
    let rules = match way {
        Way::Mesh => vec![MUTUAL_TLS_ONLY.to_owned()],
        Way::MeshMetered => vec![DECLARED.to_owned()],
        Way::MeshL7 | Way::MeshSidecar => vec![DECLARED.to_owned(), requests(OF_SERVER)],
        Way::MeshWaypoint => vec![DECLARED.to_owned(), requests(OF_SERVICE), STANDING_WAYPOINT.to_owned()],
        Way::MeshGateway => vec![DECLARED.to_owned(), STANDING_GATEWAY.to_owned()],
        Way::Direct | Way::Relay | Way::EnvoyL4 | Way::EnvoyL7 | Way::Haproxy | Way::EnvoyGateway => Vec::new(),
    };
    let rules = rules.into_iter().map(|rules| rules.replace("NAMESPACE", namespace).replace("NODE", NEAR));
    Ok([process].into_iter().chain(enrolled).chain(rules).collect::<Vec<_>>().join("---\n"))
}

/// Of the namespace, where they bring all of its workloads into the mesh.
fn labels(way: Way) -> Option<&'static str> {
    match way {
        Way::Mesh | Way::MeshMetered | Way::MeshL7 => Some("istio.io/dataplane-mode: ambient"),
        Way::MeshSidecar => Some("istio-injection: enabled"),
        Way::MeshWaypoint => Some("istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint"),
        Way::Direct
        | Way::Relay
        | Way::EnvoyL4
        | Way::EnvoyL7
        | Way::Haproxy
        | Way::EnvoyGateway
        | Way::MeshGateway => None,
    }
}

/// What starts one side's proxy, where the way has a pair of its own.
pub(super) fn between(
    peers: &Peers,
    way: Way,
    side: Side,
    tag: &str,
    hop: impl Fn(u16) -> Hop,
) -> Result<Option<String>> {
    if way != Way::Relay {
        return peers.configure(way, side, hop);
    }
    let route = |port| {
        let Hop { listen, target } = hop(port);
        format!(" --route {}:{}={}:{}", listen.0, listen.1, target.0, target.1)
    };
    Ok(Some(format!("bench-relay{} --tag {}", PORTS.map(route).concat(), mark(peers, way, side, tag))))
}

/// The argument that this proxy has and no other process.
pub(super) fn mark(peers: &Peers, way: Way, side: Side, tag: &str) -> String {
    let path = way.peer().map(|peer| peers.path(way, peer, side).display().to_string());
    path.unwrap_or_else(|| tagged(tag, way, side.name()))
}

/// Both in one network namespace, and each in a session of its own, as the mesh's proxies are: a kernel may
/// share CPU time out by session (`sched_autogroup`).
pub(super) fn beside(between: Option<&str>, end: &str) -> String {
    between.map_or_else(|| format!("exec {end}"), |between| format!("setsid {between} & exec {end}"))
}

/// What tells this process from all others of this machine.
pub(super) fn tagged(tag: &str, way: Way, part: &str) -> String {
    format!("{tag}{}-{part}", way.name())
}

#[cfg(test)]
mod tests;
