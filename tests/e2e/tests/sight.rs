//! What the mesh tells of single requests that it only passes on.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, observe::logged};
use ripstop_world::{Client, Console, SOON, World, wait_for};
use serde_json::Value;

/// A server of HTTP/1.1 and HTTP/2.
const SERVER: &str = include_str!("sight/server.py");
const CLIENT: &str = r#"
import subprocess

def curl(*words):
    done = subprocess.run(["curl", "-sS", "-m", "30", *words], capture_output=True, text=True)
    if done.returncode: raise OSError(done.stderr)
    return done.stdout
"#;

const SERVICE: &str = "\
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

/// An enrolled server on one machine, and an enrolled client on the other.
struct Stage {
    server: Console,
    client: Console,
}

impl Stage {
    fn set(world: &World) -> Result<Self> {
        world.enrol("shop", true)?;
        let run = |node, app, program| {
            let flags = ["--node", node, "--label", app, "--service-account"];
            let account = app.split('=').next_back().unwrap_or_default();
            world.captured_console("shop", &[&flags[..], &[account]].concat(), program)
        };
        let server = run("west", "app=web", SERVER)?;
        let mut client = run("east", "app=caller", CLIENT)?;
        wait_for("the service to have its endpoint", SOON, || {
            Ok(client.ask("curl('--connect-timeout', '1', 'http://web.shop/ready')").ok())
        })
        .with_context(|| world.story_so_far())?;
        Ok(Self { server, client })
    }
}

/// The series of requests at a proxy: labels and count.
fn requests(world: &World, proxy: &str) -> Result<Vec<(BTreeMap<String, String>, u64)>> {
    let metrics = world.cli(&["metrics", proxy])?;
    let series = metrics.lines().filter_map(|line| line.strip_prefix("istio_requests_total{")?.split_once("} "));
    series
        .map(|(labels, count)| {
            let pairs = labels.split("\",").filter_map(|pair| pair.split_once("=\""));
            let labels = pairs.map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned())).collect();
            Ok((labels, count.parse()?))
        })
        .collect()
}

/// The value of a metric without labels.
fn value(world: &World, proxy: &str, name: &str) -> Result<String> {
    let metrics = world.cli(&["metrics", proxy])?;
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    Ok(line.with_context(|| format!("{proxy} tells no {name}"))?.to_owned())
}

#[test]
fn requests_to_a_declared_port_are_told_one_by_one() -> Result<()> {
    World::start(&[("nodes.yaml", NODES), ("web.yaml", SERVICE)])?.tell(|world| {
        let Stage { server, mut client } = Stage::set(world)?;
        let before: u64 = wait_for("the first to be counted", SOON, || {
            let sum: u64 = requests(world, "node-west")?.iter().map(|(_, count)| count).sum();
            Ok((sum > 0).then_some(sum))
        })?;
        let tap = Client::start(world.command(&["tap", "-n", "shop", "--to", "web", "-o", "json", "--max", "6"]))?;
        let only = world.command(&["tap", "--status", "4xx", "--path", "/miss", "--from", "shop/", "--max", "1"]);
        let only = Client::start(only)?;
        for proxy in ["node-west", "node-east"] {
            wait_for("both taps to be open", SOON, || Ok((value(world, proxy, "ripstop_taps")? == "2").then_some(())))?;
        }
        let urls = "'http://web.shop/a?key=secret', 'http://web.shop/a', 'http://web.shop/missing'";
        client.ask(&format!("curl('-A', 'story', '-H', 'x-request-id: 17', {urls})"))?;
        for _ in 0..2 {
            let h2 = "curl('--http2-prior-knowledge', '-d', 'x' * 1000, 'http://web.shop/b')";
            ensure!(client.text(h2)? == "hello\n");
        }
        let grpc = "'-H', 'content-type: application/grpc', '-H', 'te: trailers'";
        client.ask(&format!("curl({grpc}, '--http2-prior-knowledge', '-d', '', 'http://web.shop/shop.Web/Call')"))?;

        let series = wait_for("six requests to be counted", SOON, || {
            let series = requests(world, "node-west")?;
            let count: u64 = series.iter().map(|(_, count)| count).sum();
            Ok((count >= before + 6).then_some(series))
        })?;
        let (web, caller) = ("spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/caller");
        for (labels, _) in &series {
            for (name, expected) in [
                ("reporter", "destination"),
                ("source_principal", caller),
                ("source_workload_namespace", "shop"),
                ("destination_principal", web),
                ("destination_service", "web.shop.svc.cluster.local"),
                ("destination_service_name", "web"),
                ("destination_service_namespace", "shop"),
                ("response_flags", "-"),
                ("connection_security_policy", "mutual_tls"),
            ] {
                ensure!(labels[name] == expected, "{name}: {labels:?}");
            }
            ensure!(labels.len() == 25, "{labels:?}");
        }
        let told: Vec<_> = series
            .iter()
            .map(|(labels, count)| (&*labels["request_protocol"], &*labels["response_code"], *count))
            .collect();
        // Before the story looked, somebody waited for the server.
        ensure!(told == [("grpc", "200", 1), ("http", "200", before + 4), ("http", "404", 1)], "{told:?}");
        ensure!(requests(world, "node-east")?.is_empty(), "the caller's proxy does not read what it carries");
        ensure!(value(world, "node-west", "ripstop_metering_given_up_total")? == "0");

        logged(world, "node-west", &["\"GET /a HTTP/1.1\" 200 - via_upstream", "\"story\" \"17\" \"web.shop\""])?;
        logged(world, "node-west", &["\"GET /missing HTTP/1.1\" 404", "inbound|8080||"])?;
        logged(world, "node-west", &["\"POST /b HTTP/2\" 200", " 1000 6 "])?;

        let (status, lines) = tap.finish_by_itself()?;
        ensure!(status.success(), "{lines:?}");
        let records = lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<Vec<Value>, _>>()?;
        let told: Vec<_> = records.iter().map(|record| (record["path"].as_str(), &record["status"])).collect();
        let ok = &Value::from(200);
        let paths = [("/a", ok), ("/a", ok), ("/missing", &404.into()), ("/b", ok), ("/b", ok), ("/shop.Web/Call", ok)];
        ensure!(told == paths.map(|(path, status)| (Some(path), status)), "{told:?}");
        for record in &records {
            ensure!(record["proxy"] == "west" && record["source"]["identity"] == caller, "{record}");
            ensure!(record["destination"]["workload"] == server.name(), "{record}");
            ensure!(!record.to_string().contains("secret"), "{record}");
        }
        let (status, lines) = only.finish_by_itself()?;
        ensure!(status.success() && lines.len() == 1 && lines[0].contains(" GET web.shop/missing  404  "), "{lines:?}");
        for proxy in ["node-west", "node-east"] {
            wait_for("no tap to be open", SOON, || Ok((value(world, proxy, "ripstop_taps")? == "0").then_some(())))?;
        }
        let wrong = world.try_cli(&["tap", "--status", "teapot"])?;
        let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
        ensure!(!wrong.status.success() && said.contains("status=teapot: write a code such as 404"), "{said}");
        Ok(())
    })
}
