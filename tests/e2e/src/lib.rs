//! What the end-to-end stories share: small meshes as text, a workload to talk to, and waits.

pub mod authorities;
pub mod curl;
pub mod fences;
pub mod handbook;
pub mod long;
pub mod machine;
pub mod observe;
pub mod python;
pub mod role;
pub mod shop;
mod talker;

pub use talker::Talker;

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

/// Python for a console: calls to an echo that greets.
///
/// `call(host)` gives the address that the echo saw; `hold(host)` opens a connection and `ping()`
/// sends something over it, `open_many(host)` and `ping_many()` do so with several; `load(host)` calls again and again in the background, and `pause()`
/// ends that and gives how many calls went well, how many failed, and how the last one did.
pub const CALLS: &str = r#"
import socket, threading, time

def dial(host):
    connection = socket.create_connection((host, 9000), 5)
    connection.settimeout(5)
    lines = connection.makefile("rb")
    greeting = lines.readline()
    if not greeting.endswith(b"\n"): raise EOFError("closed before the greeting")
    return connection, lines, greeting.decode().strip()

def exchange(connection, lines):
    connection.sendall(b"again\n")
    answer = lines.readline()
    if answer != b"again\n": raise EOFError(f"the answer was {answer}")

def call(host):
    connection, lines, seen = dial(host)
    with connection: exchange(connection, lines)
    return seen.rsplit(":", 1)[0]

def hold(host):
    global held
    held = dial(host)
    return held[2]

def ping():
    exchange(held[0], held[1])
    return "pong"

def open_many(host):
    global many
    many = [dial(host) for _ in range(8)]

def ping_many():
    for connection, lines, _ in many: exchange(connection, lines)

class Load(threading.Thread):
    def __init__(self, host):
        super().__init__(daemon=True)
        self.host, self.good, self.failed, self.error, self.on = host, 0, 0, None, True

    def run(self):
        while self.on:
            try: call(self.host); self.good += 1
            except OSError as error: self.failed += 1; self.error = repr(error)
            except EOFError as error: self.failed += 1; self.error = repr(error)
            time.sleep(0.005)

def load(host):
    global running
    running = Load(host)
    running.start()

def counted(): return [running.good, running.failed, running.error]

def pause():
    running.on = False
    running.join()
    return counted()
"#;

/// A server of HTTP on port 8080 that tells what it was asked, with the labels `app` and `version`; it calls itself
/// `APP-VERSION`.
pub fn reflect(app: &str, version: &str, namespace: &str, node: &str) -> String {
    format!(
        "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: {app}-{version}, namespace: {namespace}, labels: {{app: {app}, version: {version}}}}}
spec:
  node: {node}
  serviceAccountName: {app}
  command: [bookinfo, reflect, --name, {app}-{version}]
  ports: [{{name: http, containerPort: 8080}}]
  readinessProbe: {{tcpSocket: {{port: http}}, periodSeconds: 1}}
"
    )
}

/// The service of all versions of `app`: port 80, whose name is `port_name`.
pub fn service(app: &str, namespace: &str, port_name: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Service
metadata: {{name: {app}, namespace: {namespace}}}
spec:
  selector: {{app: {app}}}
  ports: [{{name: {port_name}, port: 80, targetPort: 8080}}]
"
    )
}

/// A server of TLS on port 8443 whose certificate is named after it.
pub fn tls_server(version: &str, node: &str) -> String {
    format!(
        "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: tls-{version}, namespace: shop, labels: {{app: tls, version: {version}}}}}
spec:
  node: {node}
  command:
  - sh
  - -c
  - >-
    cd $(mktemp -d) &&
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout k -out c -days 2 -subj /CN=tls-{version} &&
    exec openssl s_server -quiet -accept 8443 -cert c -key k -www
  ports: [{{name: tls, containerPort: 8443}}]
  readinessProbe: {{tcpSocket: {{port: tls}}, periodSeconds: 1}}
"
    )
}
