//! What the end-to-end stories share: small meshes as text.

/// Two machines.
pub const NODES: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata: {name: east}
---
apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata: {name: west}
";

/// A TCP echo on port 9000 (it greets with the caller's address), with a service and an account
/// of its own, in namespace `namespace` on node `node`.
pub fn echo(name: &str, namespace: &str, node: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: tcp, port: 9000}}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec:
  node: {node}
  serviceAccountName: {name}
  command: [bookinfo, echo, --greet]
  ports: [{{name: tcp, containerPort: 9000}}]
  readinessProbe: {{tcpSocket: {{port: tcp}}, periodSeconds: 1}}
"
    )
}

/// A `PeerAuthentication` of a namespace, or of a workload with `app: APP`.
pub fn peer_authentication(namespace: &str, app: Option<&str>, mode: &str) -> String {
    let (name, selector) = match app {
        Some(app) => (app.to_owned(), format!("  selector: {{matchLabels: {{app: {app}}}}}\n")),
        None => ("default".to_owned(), String::new()),
    };
    format!(
        "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: {namespace}}}
spec:
{selector}  mtls: {{mode: {mode}}}
"
    )
}
