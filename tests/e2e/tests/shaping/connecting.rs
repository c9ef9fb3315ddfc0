//! Endpoints that take no connection (`connectTimeout`).

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES,
    observe::{applied, logged},
    reflect,
};
use ripstop_world::{Console, SOON, World, wait_for};

/// A server whose queue of connections is full, so that nobody more is answered in any way.
const STUCK: &str = r#"
import socket

listener = socket.socket()
listener.bind(("0.0.0.0", 8080))
listener.listen(0)
first = socket.create_connection(("127.0.0.1", 8080), 10)

def is_stuck():
    try: socket.create_connection(("127.0.0.1", 8080), 0.2).close()
    except TimeoutError: return True
"#;

const CLIENT: &str = r#"
import subprocess

def curl(*words):
    """The status, and how curl ended."""
    command = ["curl", "-s", "-o", "/dev/null", "-m", "40", "-w", "%{http_code}\n", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    return [*done.stdout.split(), done.returncode]
"#;

const SERVICES: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec: {meshConfig: {accessLogFile: /dev/stdout}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 90, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: lost, namespace: shop}
spec: {selector: {version: stuck}, ports: [{name: tcp, port: 90, targetPort: 8080}]}
";

/// Rules with that timeout. Nothing is retried on the way to `/lost`, which only the stuck server has.
fn rules(limit: &str) -> String {
    let pool = format!("connectionPool: {{tcp: {{connectTimeout: {limit}}}}}");
    format!(
        "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: shop}}
spec:
  host: web
  subsets: [{{name: stuck, labels: {{version: stuck}}}}]
  trafficPolicy: {{loadBalancer: {{simple: ROUND_ROBIN}}, {pool}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: lost, namespace: shop}}
spec: {{host: lost, trafficPolicy: {{{pool}}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec:
  hosts: [web]
  http:
  - match: [{{uri: {{prefix: /lost}}}}]
    retries: {{attempts: 0}}
    timeout: 5s
    route: [{{destination: {{host: web, subset: stuck}}}}]
  - retries: {{attempts: 2, retryOn: connect-failure, backoff: 1ms}}
    route: [{{destination: {{host: web}}}}]
"
    )
}

fn stage(world: &World) -> Result<(Console, Console)> {
    world.enrol("shop", true)?;
    let labels = ["--node", "west", "--label", "app=web", "--label", "version=stuck"];
    let mut stuck = world.captured_console("shop", &labels, STUCK)?;
    ensure!(stuck.ask("is_stuck()")? == true, "the server answers");
    let client = world.captured_console("shop", &["--node", "east"], CLIENT)?;
    Ok((stuck, client))
}

#[test]
fn who_takes_no_connection_is_given_up_in_time() -> Result<()> {
    let files =
        [("nodes.yaml", NODES), ("services.yaml", SERVICES), ("v1.yaml", &reflect("web", "v1", "shop", "west"))];
    World::start(&files)?.tell(|world| {
        let (_stuck, mut client) = stage(world)?;
        let mut status = |options: &str| client.text(&format!("curl({options})"));

        applied(world, "rules.yaml", "short", &rules("1s"))?;
        ensure!(status("'http://web.shop/lost/a'")? == "[\"503\",0]", "{}", status("'http://web.shop/lost/a'")?);
        logged(world, "node-east", &["\"GET /lost/a HTTP/1.1\" 503 UF "])?;
        // Half of the first attempts go there. Nobody notices.
        let answers = status("'http://web.shop/[1-10]'")?;
        ensure!(answers.matches("\"200\"").count() == 10, "{answers}");
        // Nor does anybody of connections that nobody reads, where there is another endpoint. Without the rule, the
        // callee's node would give up after 10 s.
        for _ in 0..6 {
            let answer = status("'-m', '8', 'http://web.shop:90/'")?;
            ensure!(answer == "[\"200\",0]", "{answer}");
        }
        let ended = status("'-m', '8', 'http://lost.shop:90/'")?;
        ensure!(["[\"000\",52]", "[\"000\",55]", "[\"000\",56]"].contains(&&*ended), "{ended}");

        // With more patience it is the request that is given up, and a connection waits for longer than its caller.
        applied(world, "rules.yaml", "long", &rules("600s"))?;
        ensure!(status("'http://web.shop/lost/b'")? == "[\"504\",0]", "{}", status("'http://web.shop/lost/b'")?);
        logged(world, "node-east", &["\"GET /lost/b HTTP/1.1\" 504 UT "])?;
        let waits = status("'-m', '3', 'http://lost.shop:90/'")?;
        ensure!(waits == "[\"000\",28]", "{waits}");

        // The mesh says it where no rule does.
        let said = SERVICES.replace("meshConfig: {", "meshConfig: {connectTimeout: 1s, ");
        applied(world, "services.yaml", "of-mesh", &said)?;
        applied(
            world,
            "rules.yaml",
            "unsaid",
            &rules("600s").replace("connectionPool: {tcp: {connectTimeout: 600s}}", ""),
        )?;
        ensure!(status("'http://web.shop/lost/c'")? == "[\"503\",0]", "{}", status("'http://web.shop/lost/c'")?);
        logged(world, "node-east", &["\"GET /lost/c HTTP/1.1\" 503 UF "])?;
        Ok(())
    })
}

/// An echo at port 9000, beside the stuck server, that knows how the kernel asks whoever connects to it.
const ECHO: &str = r#"
import threading

def echo(stream):
    while data := stream.recv(4096):
        stream.sendall(data)

def serve(listener):
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=echo, args=(stream,), daemon=True).start()

threading.Thread(target=serve, args=(socket.create_server(("0.0.0.0", 9000)),), daemon=True).start()

def probed():
    """How soon the kernel asks, in seconds, of each connection to port 9000 (proc_pid_net(5))."""
    lines = [line.split() for line in open("/proc/net/tcp").read().splitlines()[1:]]
    timers = [words[5].split(":") for words in lines if words[2].endswith(":2328") and words[3] == "01"]
    return [int(left, 16) / 100 for timer, left in timers if timer == "02"]
"#;

const HOLD: &str = r#"
import socket

def hold(host):
    global held
    held = socket.create_connection((host, 9000), 30)
    held.sendall(b"a")
    return held.recv(1).decode()
"#;

const BESIDE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: beside, namespace: shop}
spec: {selector: {app: beside}, ports: [{name: tcp, port: 90, targetPort: 8080}, {name: tcp-echo, port: 9000}]}
";

/// How the proxy of a callee connects to its application (`inboundConnectionPool`).
#[test]
fn applications_are_connected_to_as_a_sidecar_says() -> Result<()> {
    World::start(&[("nodes.yaml", NODES), ("beside.yaml", BESIDE)])?.tell(|world| {
        for namespace in ["shop", "office"] {
            world.enrol(namespace, true)?;
        }
        let labels = ["--node", "west", "--label", "app=beside", "--label", "sidecar.istio.io/inject=true"];
        let mut server = world.captured_console("shop", &labels, &format!("{STUCK}{ECHO}"))?;
        ensure!(server.ask("is_stuck()")? == true, "the server answers");
        let mut client = world.captured_console("office", &["--node", "east"], &format!("{CLIENT}{HOLD}"))?;
        wait_for("the echo to answer", SOON, || Ok(client.text("hold('beside.shop')").ok()))
            .with_context(|| world.story_so_far())?;
        let soon = server.ask("[left for left in probed() if left <= 60]")?;
        ensure!(soon == serde_json::json!([]), "nobody has asked for that: {soon}");

        // What a listener says counts for its port.
        let sidecar = "apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec:
  inboundConnectionPool: {tcp: {tcpKeepalive: {time: 60s}, connectTimeout: 600s}}
  ingress:
  - port: {number: 8080, protocol: TCP, name: tcp}
    connectionPool: {tcp: {connectTimeout: 1s}}
";
        applied(world, "sidecar.yaml", "said", sidecar)?;
        ensure!(client.text("hold('beside.shop')")? == "a", "{}", world.story_so_far());
        wait_for("the kernel to be about to ask", SOON, || {
            Ok((server.ask("any(0 < left <= 60 for left in probed())")? == true).then_some(()))
        })
        .with_context(|| world.story_so_far())?;
        // Without the rule it would be given up after 10 s.
        let ended = client.text("curl('-m', '8', 'http://beside.shop:90/')")?;
        ensure!(
            ["[\"000\",52]", "[\"000\",55]", "[\"000\",56]"].contains(&&*ended),
            "{ended}\n{}",
            world.story_so_far()
        );
        Ok(())
    })
}
