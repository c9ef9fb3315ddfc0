//! Workloads with a proxy of their own: by their label, of their identity alone, and moved there and back under load.

#[path = "sidecars/starts.rs"]
mod starts;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    CALLS, NODES, Talker, echo,
    observe::{applied, flows, in_state, killed, logged, served, succeeds},
    peer_authentication, service,
};
use ripstop_world::{Client, Console, SOON, World, wait_for};
use serde_json::Value;

/// A web server that says its name, with a service of its own.
fn web(name: &str, node: &str) -> String {
    service(name, "shop", "http")
        + &format!(
            "\
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}
spec:
  node: {node}
  serviceAccountName: {name}
  command: [bookinfo, reflect, --name, {name}]
  ports: [{{name: http, containerPort: 8080}}]
  readinessProbe: {{tcpSocket: {{port: http}}, periodSeconds: 1}}
"
        )
}

/// A web server for load.
const RATINGS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: ratings, namespace: shop}
spec:
  selector: {app: ratings}
  ports: [{name: http, port: 9080}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: ratings, namespace: shop, labels: {app: ratings}}
spec:
  node: west
  serviceAccountName: ratings
  command: [bookinfo, ratings]
  ports: [{name: http, containerPort: 9080}]
  readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}
";

/// `shop` asks for sidecars, `front` for the proxies of nodes.
fn world(files: &[(&str, &str)]) -> Result<World> {
    let shop = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio-injection: enabled}}\n";
    let front =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: front, labels: {istio.io/dataplane-mode: ambient}}\n";
    let spaces = format!("{shop}---\n{front}");
    World::start(&[&[("nodes.yaml", NODES), ("spaces.yaml", spaces.as_str())], files].concat())
}

/// A client of `front`, once it is in the mesh.
fn caller(world: &World) -> Result<Console> {
    let mut client = world.captured_console("front", &["--node", "east"], CALLS)?;
    works(&mut client, "far.shop")?;
    Ok(client)
}

fn works(client: &mut Console, host: &str) -> Result<()> {
    wait_for(&format!("{host} to answer"), SOON, || client.ask(&format!("call('{host}')")).map(Some)).map(drop)
}

#[test]
fn a_workload_that_asks_for_a_sidecar_has_one_with_its_identity_alone() -> Result<()> {
    let strict = peer_authentication("shop", None, "STRICT");
    let (far, near) = (echo("far", "shop", "west"), echo("near", "shop", "west"));
    world(&[("far.yaml", &far), ("near.yaml", &near), ("strict.yaml", &strict)])?.tell(|world| {
        served(world, "shop", "far-0", "sidecar-shop.far-0")?;
        served(world, "shop", "near-0", "sidecar-shop.near-0")?;
        let client = caller(world)?;
        served(world, "front", client.name(), "node-east")?;

        // From a node's proxy to a sidecar, in mutual TLS.
        let words =
            ["direction=inbound", "dst.workload=far-0", "src.identity=spiffe://cluster.local/ns/front/sa/default"];
        let inbound = logged(world, "sidecar-shop.far-0", &words)?;
        ensure!(inbound.contains("dst.identity=spiffe://cluster.local/ns/shop/sa/far"), "{inbound}");
        // From a sidecar to another one of the same node, and from it to a node's proxy.
        let mut injected = world.captured_console("shop", &["--node", "west"], CALLS)?;
        let own = format!("sidecar-shop.{}", injected.name());
        served(world, "shop", injected.name(), &own)?;
        works(&mut injected, "near.shop")?;
        logged(world, &own, &["direction=outbound", "dst.workload=near-0", "dst.hbone_addr=10.244.2."])?;
        logged(
            world,
            "sidecar-shop.near-0",
            &["direction=inbound", "src.identity=spiffe://cluster.local/ns/shop/sa/default"],
        )?;

        // Each holds the identity of its own workload, and the node's proxy none of theirs.
        for (proxy, account) in [("sidecar-shop.far-0", "far"), ("sidecar-shop.near-0", "near")] {
            let held = identities(world, proxy)?;
            ensure!(held == [format!("spiffe://cluster.local/ns/shop/sa/{account}")].into(), "{proxy}: {held:?}");
        }
        let held = identities(world, "node-west")?;
        ensure!(held.is_empty(), "the node's proxy holds {held:?}");

        // It is a part of the mesh like others.
        let status = world.json(&["status"])?;
        let rows = status["proxies"].as_array().into_iter().flatten();
        let names: BTreeSet<&str> =
            rows.filter(|row| row["role"] == "sidecar").filter_map(|row| row["name"].as_str()).collect();
        ensure!(names.contains("shop.far-0") && names.contains("shop.near-0"), "{status}");
        let metrics = world.cli(&["metrics", "sidecar-shop.far-0"])?;
        let opened = |line: &str| line.starts_with("istio_tcp_connections_opened_total{");
        let counted = metrics.lines().any(|line| opened(line) && line.contains("destination_workload=\"far\""));
        ensure!(counted, "{metrics}");
        ensure!(world.cli(&["logs", "sidecar-shop.far-0", "--access"])?.contains("dst.workload=far-0"));
        let listeners = world.cli(&["config", "listeners", "sidecar-shop.far-0"])?;
        ensure!(listeners.contains("15008") && !listeners.contains("near"), "{listeners}");

        // One that goes takes its sidecar with it, and its keys.
        let name = injected.name().to_owned();
        injected.finish()?;
        wait_for("its sidecar to end", SOON, || Ok((!world.processes()?.contains_key(&own)).then_some(())))?;
        ensure!(!world.state().join("sidecars").join(format!("shop.{name}")).exists());
        world.settle()?;
        client.finish()
    })
}

/// All that is no list and no object.
fn texts<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Array(all) => all.iter().for_each(|value| texts(value, found)),
        Value::Object(all) => all.values().for_each(|value| texts(value, found)),
        other => found.push(other),
    }
}

/// Identities of workloads that a proxy has certificates for.
fn identities(world: &World, proxy: &str) -> Result<BTreeSet<String>> {
    let secrets = world.json(&["config", "secrets", proxy])?;
    let rows: Vec<&Value> = secrets.as_array().into_iter().flatten().collect();
    let named = |value: &Value| value.as_str().filter(|text| text.starts_with("spiffe://")).map(str::to_owned);
    let mut found = Vec::new();
    for row in rows {
        texts(row, &mut found);
    }
    Ok(found.into_iter().filter_map(named).collect())
}

#[test]
fn a_killed_sidecar_harms_its_workload_alone_and_comes_back() -> Result<()> {
    let strict = peer_authentication("shop", None, "STRICT");
    let (far, near) = (echo("far", "shop", "west"), echo("near", "shop", "west"));
    world(&[("far.yaml", &far), ("near.yaml", &near), ("strict.yaml", &strict)])?.tell(|world| {
        served(world, "shop", "far-0", "sidecar-shop.far-0")?;
        served(world, "shop", "near-0", "sidecar-shop.near-0")?;
        let mut client = caller(world)?;
        works(&mut client, "near.shop")?;
        client.ask("hold('far.shop')")?;
        client.ask("load('far.shop')")?;
        for _ in 0..3 {
            let mut before = world.processes()?;
            killed(world, "sidecar-shop.near-0")?;
            works(&mut client, "near.shop")?;
            let mut after = world.processes()?;
            before.remove("sidecar-shop.near-0");
            after.remove("sidecar-shop.near-0");
            ensure!(before == after, "others changed:\n{before:?}\n{after:?}");
        }
        // The node's proxy is none of its business either.
        killed(world, "node-west")?;
        client.ask("ping()")?;
        let counted = client.ask("pause()")?;
        ensure!(counted[1] == 0 && counted[0].as_u64() > Some(0), "good, failed, last error: {counted}");

        // While it is down nothing slips by, and nobody else serves it.
        world.cli(&["stop", "sidecar-shop.near-0"])?;
        let refused = wait_for("calls to be refused", SOON, || Ok(client.ask("call('near.shop')").err()))?;
        ensure!(world.get("shop", "near-0")?["mesh"]["state"] == "CAPTURED", "{refused}");
        let plain = world.run(
            "outside",
            &["--node", "west"],
            "exec 3<>/dev/tcp/near.shop/9000; read -t 10 -u 3 line; echo \"got $line\"",
        )?;
        let said = String::from_utf8_lossy(&plain.stdout);
        ensure!(!said.contains("10.244."), "plaintext came in: {said}");
        world.cli(&["start", "sidecar-shop.near-0"])?;
        works(&mut client, "near.shop")?;

        // Without the control plane it comes back, too.
        world.cli(&["stop", "control"])?;
        killed(world, "sidecar-shop.far-0")?;
        works(&mut client, "far.shop")?;
        world.cli(&["start", "control"])?;
        client.finish()
    })
}

/// The body of an answer, asked for by a client with a sidecar.
fn asked(client: &mut Console, host: &str, target: &str) -> Result<String> {
    client.text(&format!("get('{host}', '{target}')"))
}

/// Python for a console: `get(header, target)` asks the service `target` with that `Host`.
const GETS: &str = r#"
import http.client
def get(host, target):
    connection = http.client.HTTPConnection(target, 80, timeout=10)
    connection.request("GET", "/", headers={"Host": host})
    answer = connection.getresponse()
    body = answer.read().decode()
    return f"{answer.status} {answer.getheader('x-reflect-name') or body}"
"#;

#[test]
fn a_sidecar_goes_by_the_host_of_requests_and_a_node_by_the_address() -> Result<()> {
    let (one, two) = (web("one", "west"), web("two", "east"));
    world(&[("one.yaml", &one), ("two.yaml", &two)])?.tell(|world| {
        served(world, "shop", "one-0", "sidecar-shop.one-0")?;
        served(world, "shop", "two-0", "sidecar-shop.two-0")?;
        let mut injected = world.captured_console("shop", &["--node", "east"], GETS)?;
        let mut ambient = world.captured_console("front", &["--node", "east"], GETS)?;
        wait_for("one to answer", SOON, || asked(&mut injected, "one", "one.shop").map(Some))?;
        for host in ["two", "two.shop", "two.shop.svc", "two.shop.svc.cluster.local", "TWO.shop:80"] {
            let got = asked(&mut injected, host, "one.shop")?;
            ensure!(got == "200 two", "{host} at the address of one: {got}");
            let got = asked(&mut ambient, host, "one.shop")?;
            ensure!(got == "200 one", "a node goes by the address: {host}: {got}");
        }
        // A name that nobody has goes where it was sent.
        ensure!(asked(&mut injected, "nobody.example", "one.shop")? == "200 one");

        // Routes of the host act, for both.
        let route = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: two, namespace: shop}\nspec:\n  hosts: [two]\n  http:\n  - directResponse: {status: 418, body: {string: routed}}\n";
        applied(world, "route.yaml", "routes", route)?;
        let got = asked(&mut injected, "two", "one.shop")?;
        ensure!(got == "418 routed", "{got}");
        ensure!(asked(&mut injected, "one", "two.shop")? == "200 one");
        ensure!(asked(&mut ambient, "one", "two.shop")? == "418 routed");

        // explain says the same, and where it is decided.
        let name = injected.name().to_owned();
        let ask = ["explain", "--from", &format!("shop/{name}"), "--to", "one.shop:80", "--host", "two", "--path", "/"];
        let output = world.command(&ask).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(said.contains("418") && said.contains(&format!("sidecar-shop.{name}")), "{said}");
        injected.finish()?;
        ambient.finish()
    })
}

/// Load on `ratings`, with connections that are kept for a while, or are new each time.
fn load(world: &World, options: &[&str]) -> Result<Client> {
    let url = "http://ratings.shop.svc.cluster.local:9080/ratings/0";
    let argv = [&["bookinfo", "load", "--rate", "100", "--url", url], options].concat();
    world.client("front", &[], &argv)
}

/// Ends the load; it must have done something, and nothing may have failed.
fn without_failure(load: Client) -> Result<u64> {
    let (status, lines) = load.stop()?;
    let last: Value = serde_json::from_str(lines.last().context("the load said nothing")?)?;
    ensure!(status.success() && last["failed"] == 0, "{status}: {last}");
    let ok = last["ok"].as_u64().context("no count")?;
    ensure!(ok > 100, "the load did too little: {last}");
    Ok(ok)
}

/// Adds or takes away the label that beats the one that asks for a sidecar.
fn ambient(world: &World, namespace: &str, is_ambient: bool) -> Result<()> {
    let label = if is_ambient { "istio.io/dataplane-mode=ambient" } else { "istio.io/dataplane-mode-" };
    world.cli(&["label", "namespace", namespace, label]).map(drop)
}

#[test]
fn a_label_moves_workloads_to_sidecars_and_back_and_no_request_fails() -> Result<()> {
    let strict = peer_authentication("shop", None, "STRICT");
    let files = [("far.yaml", echo("far", "shop", "west")), ("ratings.yaml", RATINGS.into()), ("strict.yaml", strict)];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    world(&files)?.tell(|world| {
        ambient(world, "shop", true)?;
        world.cli(&["label", "namespace", "front", "istio-injection=enabled"])?;
        for workload in ["far-0", "ratings-0"] {
            served(world, "shop", workload, "node-west")?;
        }
        let mut held = Talker::start(world, "front", &["--node", "east"])?;
        let name = held.name.clone();
        served(world, "front", &name, "node-east")?;
        succeeds(world, &mut held, "dial old far.shop 9000")?;
        held.ask("pump old")?;
        let loads = [load(world, &[])?, load(world, &["--new-connections"])?];
        flows(&mut held, "old")?;

        // Both ends move there and back, under load, several times.
        for round in 0..3 {
            ambient(world, "shop", false)?;
            served(world, "shop", "far-0", "sidecar-shop.far-0")?;
            served(world, "shop", "ratings-0", "sidecar-shop.ratings-0")?;
            flows(&mut held, "old")?;
            ambient(world, "front", false)?;
            served(world, "front", &name, &format!("sidecar-front.{name}"))?;
            flows(&mut held, "old")?;
            held.ask(&format!("dial new{round} far.shop 9000"))?;
            let from = format!("src.workload={name}");
            if round == 0 {
                logged(world, "sidecar-shop.ratings-0", &["direction=inbound", "dst.workload=ratings-0"])?;
            }
            held.ask(&format!("close new{round}"))?;
            logged(world, &format!("sidecar-front.{name}"), &[&from, "direction=outbound", "dst.workload=far-0"])?;
            ambient(world, "shop", true)?;
            served(world, "shop", "far-0", "node-west")?;
            served(world, "shop", "ratings-0", "node-west")?;
            ambient(world, "front", true)?;
            served(world, "front", &name, "node-east")?;
            flows(&mut held, "old")?;
        }
        ensure!(held.ask("close old")?.as_u64() > Some(50));

        // Nobody minds who thinks better of it: sidecars that come for nothing go again.
        ambient(world, "shop", false)?;
        ambient(world, "shop", true)?;

        // With the last of their connections the sidecars are gone, too.
        for load in loads {
            println!("requests without a failure: {}", without_failure(load)?);
        }
        wait_for("all sidecars to end", SOON, || {
            let processes = world.processes()?;
            Ok((!processes.keys().any(|name| name.starts_with("sidecar-"))).then_some(()))
        })
        .with_context(|| world.story_so_far())?;
        in_state(world, "shop", "far-0", "CAPTURED").map(drop)
    })
}

#[test]
fn an_agent_that_starts_anew_moves_workloads_that_others_hold() -> Result<()> {
    let far = echo("far", "shop", "west");
    world(&[("far.yaml", &far)])?.tell(|world| {
        served(world, "shop", "far-0", "sidecar-shop.far-0")?;
        let mut client = caller(world)?;
        client.ask("hold('far.shop')")?;
        client.ask("load('far.shop')")?;
        for is_ambient in [true, false, true] {
            // It has no copies of the listeners that it made before: whoever holds them lends them.
            killed(world, "agent-west")?;
            ambient(world, "shop", is_ambient)?;
            served(world, "shop", "far-0", if is_ambient { "node-west" } else { "sidecar-shop.far-0" })?;
            client.ask("ping()")?;
        }
        // They heal whoever serves now, as well.
        killed(world, "agent-west")?;
        world.settle()?;
        let counted = client.ask("pause()")?;
        ensure!(counted[1] == 0 && counted[0].as_u64() > Some(0), "good, failed, last error: {counted}");
        client.finish()
    })
}

#[test]
fn a_sidecar_limits_what_comes_in() -> Result<()> {
    let (far, near) = (echo("far", "shop", "west"), echo("near", "shop", "west"));
    world(&[("far.yaml", &far), ("near.yaml", &near)])?.tell(|world| {
        served(world, "shop", "far-0", "sidecar-shop.far-0")?;
        served(world, "shop", "near-0", "sidecar-shop.near-0")?;
        let mut caller = Talker::start(world, "front", &["--node", "east"])?;
        succeeds(world, &mut caller, "dial first far.shop 9000")?;
        caller.ask("close first")?;
        let pool = |spec: &str| format!("apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: default, namespace: shop}}\nspec: {spec}\n");
        applied(world, "sidecar.yaml", "two", &pool("{inboundConnectionPool: {tcp: {maxConnections: 2}}}"))?;
        let most = |caller: &mut Talker, host: &str, most: usize| -> Result<()> {
            for one in 0..most {
                succeeds(world, caller, &format!("dial {host}{one} {host}.shop 9000"))?;
            }
            let beyond = caller.attempt(&format!("dial beyond {host}.shop 9000"))?;
            ensure!(beyond.is_err(), "{host} took one too many: {beyond:?}");
            for one in 0..most {
                caller.ask(&format!("close {host}{one}"))?;
            }
            succeeds(world, caller, &format!("dial again {host}.shop 9000"))?;
            caller.ask("close again").map(drop)
        };
        most(&mut caller, "far", 2)?;
        most(&mut caller, "near", 2)?;
        logged(world, "sidecar-shop.far-0", &["no more than 2 connections to port 9000"])?;
        // That of a listener counts for its port.
        let own = "{inboundConnectionPool: {tcp: {maxConnections: 1}}, ingress: [{port: {number: 9000, protocol: TCP, name: tcp}, connectionPool: {tcp: {maxConnections: 3}}}]}";
        applied(world, "sidecar.yaml", "three", &pool(own))?;
        most(&mut caller, "far", 3)
    })
}

#[test]
fn what_nobody_knows_goes_through_the_egress_proxy() -> Result<()> {
    let far = echo("far", "shop", "west");
    world(&[("far.yaml", &far)])?.tell(|world| {
        let mut injected = world.captured_console("shop", &["--node", "east"], CALLS)?;
        works(&mut injected, "far.shop")?;
        let proxy = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: default, namespace: shop}\nspec:\n  outboundTrafficPolicy:\n    mode: ALLOW_ANY\n    egressProxy: {host: far.shop.svc.cluster.local, port: {number: 9000}}\n";
        applied(world, "sidecar.yaml", "proxied", proxy)?;
        // An address that nobody has.
        works(&mut injected, "192.0.2.1")?;
        let own = format!("sidecar-shop.{}", injected.name());
        logged(world, &own, &["direction=outbound", "dst.workload=far-0", "dst.hbone_addr=10.244.2."])?;
        works(&mut injected, "far.shop")?;
        injected.finish()
    })
}

/// Python for a console: `over()` waits for the end of what `hold` opened.
const ENDS: &str = r#"
def over():
    try: return held[1].readline() == b""
    except ConnectionResetError: return True
"#;

#[test]
fn connections_that_come_in_last_as_long_as_a_sidecar_says() -> Result<()> {
    let far = echo("far", "shop", "west");
    world(&[("far.yaml", &far)])?.tell(|world| {
        served(world, "shop", "far-0", "sidecar-shop.far-0")?;
        let prelude = format!("{CALLS}\n{ENDS}");
        let mut client = world.captured_console("front", &["--node", "east"], &prelude)?;
        works(&mut client, "far.shop")?;
        let tcp = |mark: &str, tcp: &str| {
            let text = format!("apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: default, namespace: shop}}\nspec: {{inboundConnectionPool: {{tcp: {{{tcp}}}}}}}\n");
            applied(world, "sidecar.yaml", mark, &text)
        };
        for (mark, field) in [("idle", "idleTimeout: 3s"), ("lasting", "maxConnectionDuration: 3s")] {
            tcp(mark, &format!("{field}, connectTimeout: 2s, tcpKeepalive: {{time: 60s}}"))?;
            client.ask("hold('far.shop')")?;
            client.ask("ping()")?;
            ensure!(client.ask("over()")? == true, "{field}");
        }
        client.finish()
    })
}
