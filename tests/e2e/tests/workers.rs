//! However many workers a node's proxy has, its limits are the same.

use std::fs;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, observe::applied};
use ripstop_world::{Console, HostNetwork, SOON, World, wait_for};

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: held, namespace: shop}
spec:
  selector: {app: held}
  ports: [{name: http, port: 80, targetPort: 8080}]
";

/// A server that holds its requests until it is told otherwise.
const SERVER: &str = r#"
import http.server, threading

held, counting, gate = 0, threading.Lock(), threading.Event()

class Holding(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        count(1)
        gate.wait()
        count(-1)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *about): pass

def count(more):
    global held
    with counting: held += more

server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Holding)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
"#;

/// A caller that asks without waiting, with a connection for each request.
const CLIENT: &str = r#"
import http.client, threading

ended = []

def ask():
    try:
        connection = http.client.HTTPConnection("held.shop", 80, timeout=120)
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        ended.append(f"{answer.status} {answer.getheader('x-envoy-overloaded')}")
        connection.close()
    except Exception as error: ended.append(repr(error))

def start(count):
    for _ in range(count): threading.Thread(target=ask, daemon=True).start()

def counted(): return [ended.count("200 None"), ended.count("503 true"), len(ended)]
"#;

/// Limits of the service, and no retries.
fn limited(world: &World, mark: &str, pool: &str) -> Result<()> {
    let rules = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: held, namespace: shop}}\nspec: {{host: held, trafficPolicy: {{connectionPool: {pool}}}}}\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: held, namespace: shop}}\nspec:\n  hosts: [held]\n  http: [{{retries: {{attempts: 0}}, route: [{{destination: {{host: held}}}}]}}]\n"
    );
    applied(world, "limits.yaml", mark, &rules)
}

/// Who asks, and who answers.
struct Ends {
    client: Console,
    server: Console,
}

impl Ends {
    fn start(world: &World) -> Result<Self> {
        let server = world.captured_console("shop", &["--node", "west", "--label", "app=held"], SERVER)?;
        let client = world.captured_console("shop", &["--node", "east"], CLIENT)?;
        Ok(Self { client, server })
    }

    /// Waits until the server holds so many requests, and the caller has heard of so many: answers, refusals for a
    /// limit, and all together.
    fn reach(&mut self, world: &World, held: u64, heard: [u64; 3]) -> Result<()> {
        let mut last = String::new();
        let waited = wait_for(&format!("{held} requests to be held, and {heard:?}"), SOON, || {
            let (holds, hears) = (self.server.ask("held")?, self.client.ask("counted()")?);
            last = format!("{holds} are held, and {hears}");
            Ok((holds == held && hears == serde_json::json!(heard)).then_some(()))
        });
        waited.with_context(|| format!("{last}\n{}", world.story_so_far()))
    }

    fn ask(&mut self, count: usize) -> Result<()> {
        self.client.ask(&format!("start({count})")).map(drop)
    }

    /// Lets all go that are held, and begins anew.
    fn let_go(&mut self, world: &World, heard: [u64; 3]) -> Result<()> {
        self.server.ask("gate.set()")?;
        self.reach(world, 0, heard)?;
        self.server.ask("gate.clear()")?;
        self.client.ask("ended.clear()").map(drop)
    }
}

/// Threads of a proxy that carry traffic.
fn workers(world: &World, proxy: &str) -> Result<usize> {
    let processes = world.processes()?;
    let pid = processes.get(proxy).and_then(|process| process.pid).with_context(|| format!("no {proxy}"))?;
    let threads = fs::read_dir(format!("/proc/{}/task", world.host_pid(pid)?))?;
    let names: Vec<String> =
        threads.map(|thread| Ok(fs::read_to_string(thread?.path().join("comm"))?)).collect::<Result<_>>()?;
    Ok(names.iter().filter(|name| name.starts_with("worker-")).count())
}

/// Waits until `proxy` has so many.
fn has(world: &World, proxy: &str, count: usize) -> Result<()> {
    wait_for(&format!("{proxy} to have {count} workers"), SOON, || Ok((workers(world, proxy)? == count).then_some(())))
        .with_context(|| world.story_so_far())
}

/// They are told at any time; a worker that is there stays, for what it has.
#[test]
fn the_configuration_says_how_many_workers_a_proxy_has() -> Result<()> {
    const EDGE: &str = "istio-system/istio-ingressgateway-0";
    let config = |namespace: &str, name: &str, spec: &str| {
        format!(
            "apiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n"
        )
    };
    let gateway = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: web, namespace: shop}\nspec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}]}\n";
    let files = [("nodes.yaml", NODES), ("service.yaml", SERVICE), ("gateway.yaml", gateway)];
    World::start_in(HostNetwork::create()?, &files)?.tell(|world| {
        has(world, "node-east", 2)?;
        has(world, EDGE, 2)?;
        let mesh = "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}\nspec: {meshConfig: {defaultConfig: {concurrency: 3}}}\n";
        applied(world, "mesh.yaml", "of-mesh", mesh)?;
        for proxy in ["node-east", "node-west", EDGE] {
            has(world, proxy, 3)?;
        }
        let edge = "{selector: {matchLabels: {istio: ingressgateway}}, concurrency: 4}";
        applied(world, "edge.yaml", "of-edge", &config("istio-system", "edge", edge))?;
        has(world, EDGE, 4)?;
        ensure!(workers(world, "node-east")? == 3, "it is for gateways alone");
        applied(world, "root.yaml", "of-root", &config("istio-system", "root", "{concurrency: 5}"))?;
        has(world, "node-east", 5)?;
        ensure!(workers(world, EDGE)? == 4, "what is for it alone comes first");

        // All of them serve.
        world.enrol("shop", true)?;
        let mut ends = Ends::start(world)?;
        ends.ask(8)?;
        ends.reach(world, 8, [0, 0, 0])?;
        ends.let_go(world, [8, 0, 8])
    })
}

#[test]
fn limits_are_the_same_with_one_two_and_four_workers() -> Result<()> {
    for count in [1, 2, 4] {
        let mut world = World::prepare(&[("nodes.yaml", NODES), ("service.yaml", SERVICE)])?;
        world.set_variable("RIPSTOP_WORKERS", &count.to_string());
        world.up()?;
        world.tell(|world| {
            for node in ["node-east", "node-west"] {
                has(world, node, count)?;
            }
            world.enrol("shop", true)?;
            let mut ends = Ends::start(world)?;

            // Twelve at once: three are let in.
            limited(world, "requests", "{http: {http2MaxRequests: 3}}")?;
            ends.ask(12)?;
            ends.reach(world, 3, [0, 9, 9])?;
            // Further ones are refused as long as those are there.
            ends.ask(4)?;
            ends.reach(world, 3, [0, 13, 13])?;
            ends.let_go(world, [3, 13, 16])?;

            // Three have a connection, two wait for one, and the others are refused.
            limited(world, "connections", "{tcp: {maxConnections: 3}, http: {http1MaxPendingRequests: 2}}")?;
            for held in 1..=3 {
                // One after the other: who opens a connection waits for it, too.
                ends.ask(1)?;
                ends.reach(world, held, [0, 0, 0])?;
            }
            ends.ask(9)?;
            ends.reach(world, 3, [0, 7, 7])?;
            // Those who wait get theirs.
            ends.let_go(world, [5, 7, 12])
        })?;
    }
    Ok(())
}
