//! What ends before its end: answers that a policy forbids, and what is under way while parts of the mesh are killed.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES,
    long::{self, CLIENT, SERVICE},
    observe::{applied, killed, logged},
    shop::{self, routed},
};
use ripstop_world::{Client, SOON, World, wait_for};
use serde_json::{Value, json};

/// Nobody may ask for these paths.
fn denied(paths: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: paths, namespace: shop}}\nspec:\n  \
         action: DENY\n  rules: [{{to: [{{operation: {{paths: [{paths}]}}}}]}}]\n"
    )
}

#[test]
fn a_policy_ends_answers_that_are_under_way() -> Result<()> {
    World::start(&[("nodes.yaml", NODES), ("web.yaml", SERVICE)])?.tell(|world| {
        world.enrol("shop", true)?;
        let mut server = long::server(world)?;
        let mut meshed = world.captured_console("shop", &["--node", "east"], CLIENT)?;
        let mut plain = world.console("plain", &["--node", "east"], CLIENT)?;
        applied(world, "policy.yaml", "read", &denied("/secret"))?;
        let mut ended = 0;
        for (round, (path, version)) in
            [("/long", "1.1"), ("/long/bare", "1.1"), ("/long", "1.0"), ("/long/bare", "1.0")].into_iter().enumerate()
        {
            for (who, client) in [("meshed", &mut meshed), ("plain", &mut plain)] {
                wait_for("an answer to begin", SOON, || {
                    client.ask(&format!("dial('it', 'web.shop', version='{version}')"))?;
                    client.ask(&format!("send('it', '{path}/{who}/{round}')"))?;
                    let head = client.text("hear('it', 'piece')")?;
                    Ok(head.starts_with("HTTP/1.1 200 ").then_some(()))
                })
                .with_context(|| world.story_so_far())?;
            }
            applied(world, "policy.yaml", &format!("closed-{round}"), &denied("/secret, '/long*'"))?;
            for (who, client) in [("meshed", &mut meshed), ("plain", &mut plain)] {
                let told = client.ask("rest('it')")?;
                ensure!(told[1] == "reset", "{path} HTTP/{version}, {who}: {told}");
                let request = format!("\"GET {path}/{who}/{round} HTTP/{version}\" 200 DENY");
                logged(world, "node-west", &[&request, "revoked_matched_policy[ns[shop]-policy[paths]-rule[0]]"])?;
            }
            ended += 2;
            wait_for("the application to hear of it", SOON, || {
                Ok((server.ask("len(lost)")? == json!(ended)).then_some(()))
            })?;
            applied(world, "policy.yaml", &format!("open-{round}"), &denied("/secret"))?;
        }
        for client in [&mut meshed, &mut plain] {
            client.ask("dial('other', 'web.shop')")?;
            client.ask("send('other', '/short')")?;
            client.ask("hear('other', '/short')")?;
        }
        Ok(())
    })
}

/// A load on `web.shop` from node east, while it goes on.
struct Load {
    client: Client,
    last: Value,
}

/// Requests at a time.
const CONNECTIONS: u64 = 8;

impl Load {
    fn start(world: &World) -> Result<Self> {
        let (url, connections) = ("http://web.shop.svc.cluster.local/", CONNECTIONS.to_string());
        let load = ["bookinfo", "load", "--url", url, "--rate", "200", "--connections", &connections];
        let command = world.command(&[&["run", "-n", "shop", "--node", "east", "--"][..], &load].concat());
        let mut load = Self { client: Client::start(command)?, last: Value::Null };
        load.goes_on(world)?;
        Ok(load)
    }

    /// Waits for some hundred answers more; gives how many requests have failed so far.
    fn goes_on(&mut self, world: &World) -> Result<u64> {
        let good = |last: &Value| last["ok"].as_u64().unwrap_or(0);
        let before = good(&self.last);
        let waited = wait_for("answers", SOON, || {
            if let Some(line) = self.client.newest() {
                self.last = serde_json::from_str(&line).with_context(|| line.clone())?;
            }
            Ok((good(&self.last) >= before + 300).then_some(()))
        });
        waited.with_context(|| format!("{}\n{}", self.last, world.story_so_far()))?;
        self.last["failed"].as_u64().context("no count")
    }

    /// No request may have failed.
    fn never_failed(&mut self, world: &World, while_what: &str) -> Result<()> {
        let failed = self.goes_on(world)?;
        ensure!(failed == 0, "{failed} requests failed while {while_what}: {}\n{}", self.last, world.story_so_far());
        Ok(())
    }
}

/// Requests are tried again where nothing was answered.
const RETRIES: &str = "
  - retries: {attempts: 4, retryOn: 'connect-failure,refused-stream,reset,unavailable,503'}
    route: [{destination: {host: web}}]
";

#[test]
fn requests_do_not_notice_kills_of_the_control_plane_and_of_one_endpoint() -> Result<()> {
    shop::world()?.tell(|world| {
        routed(world, "retries", RETRIES)?;
        let mut load = Load::start(world)?;
        for _ in 0..2 {
            killed(world, "control")?;
            load.never_failed(world, "the control plane was killed")?;
            wait_for("the control plane to serve", SOON, || world.cli(&["status"]).map(Some))?;
        }
        world.settle()?;
        for endpoint in ["shop/web-v1-0", "shop/web-v2-0", "shop/web-v3-0"] {
            killed(world, endpoint)?;
            load.never_failed(world, endpoint)?;
            let (namespace, name) = endpoint.split_once('/').context("a namespace")?;
            wait_for("the endpoint to be ready", SOON, || {
                Ok((world.get(namespace, name)?["ready"] == true).then_some(()))
            })?;
        }
        load.never_failed(world, "all was back")
    })
}

#[test]
fn a_kill_of_a_node_proxy_fails_what_is_under_way_and_nothing_else() -> Result<()> {
    shop::world()?.tell(|world| {
        routed(world, "retries", RETRIES)?;
        let mut load = Load::start(world)?;
        let mut before = 0;
        for proxy in ["node-west", "node-east", "node-west", "node-east"] {
            killed(world, proxy)?;
            // Each connection has one request at a time.
            let failed = load.goes_on(world)?;
            ensure!(failed - before <= CONNECTIONS, "{proxy}: {}\n{}", load.last, world.story_so_far());
            // It serves again, by itself.
            let later = load.goes_on(world)?;
            ensure!(later == failed, "{proxy} is back: {}\n{}", load.last, world.story_so_far());
            before = later;
        }
        world.settle()
    })
}

/// What takes connections, reads them to their end, and keeps them: `heard` has how much each said.
const KEEPER: &str = "\
import socket, threading
heard, kept = [], []
def keep(connection):
    total = 0
    while data := connection.recv(65536):
        total += len(data)
    heard.append(total)
    kept.append(connection)
def serve(server):
    while True:
        threading.Thread(target=keep, args=[server.accept()[0]], daemon=True).start()
threading.Thread(target=serve, args=[socket.create_server(('', 9000))], daemon=True).start()
def is_over(connection):
    try:
        connection.send(b'x')
        return False
    except OSError:
        return True
";

/// The service of that.
const KEPT: &str = "\
apiVersion: v1
kind: Service
metadata: {name: keeper, namespace: shop}
spec: {selector: {app: keeper}, ports: [{name: tcp, port: 9000}]}
";

/// Bytes that whoever ends says last.
const LAST_WORDS: usize = 2_000_000;

#[test]
fn what_a_workload_said_last_is_heard_and_so_is_its_end() -> Result<()> {
    World::start(&[("nodes.yaml", NODES), ("keeper.yaml", KEPT)])?.tell(|world| {
        world.enrol("shop", true)?;
        let mut keeper = world.captured_console("shop", &["--node", "west", "--label", "app=keeper"], KEEPER)?;
        let script = format!(
            "import os, socket\nc = socket.create_connection(('keeper.shop', 9000), timeout=20)\nc.sendall(b'x' * \
             {LAST_WORDS})\nos._exit(0)"
        );
        for count in 1..=3 {
            // It ends at once, and its network with it.
            let says = ["run", "-n", "shop", "--node", "east", "--", "/usr/bin/python3", "-c", &script];
            let output = world.command(&says).output()?;
            ensure!(output.status.success(), "{output:?}\n{}", world.story_so_far());
            // Long before anybody asks whether it is still there, which takes half a minute.
            let soon = Duration::from_secs(8);
            let heard = wait_for("all to be heard", soon, || {
                let heard = keeper.ask("heard")?;
                Ok((heard.as_array().map(Vec::len) == Some(count)).then_some(heard))
            });
            let heard = heard.with_context(|| world.story_so_far())?;
            ensure!(heard == json!(vec![LAST_WORDS; count]), "{heard}\n{}", world.story_so_far());
            let over = wait_for("the end to be heard of", soon, || {
                Ok((keeper.ask("[is_over(one) for one in kept].count(True)")? == json!(count)).then_some(()))
            });
            over.with_context(|| world.story_so_far())?;
        }
        Ok(())
    })
}
