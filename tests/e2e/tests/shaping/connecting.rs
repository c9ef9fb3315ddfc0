//! Endpoints that take no connection (`connectTimeout`).

use anyhow::{Result, ensure};
use ripstop_e2e::{
    NODES,
    observe::{applied, logged},
    reflect,
};
use ripstop_world::{Console, World};

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

        applied(world, "rules.yaml", "short", &rules("300ms"))?;
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
        let said = SERVICES.replace("meshConfig: {", "meshConfig: {connectTimeout: 300ms, ");
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
