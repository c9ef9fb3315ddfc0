//! Plain HTTP.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, observe::applied};
use ripstop_world::{Client, HostNetwork, SOON, World, wait_for};
use serde_json::{Value, json};

use crate::{PRINCIPAL, TO_WEB, curl, curl_fails, gateway, on_host, opened, routes, world};

const HTTP: &str = "  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.shop.example', shop.example]}\n";

const SUBSETS: &str = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
";

const AT: &str = "http://127.0.0.1";

#[test]
fn requests_from_the_machine_go_where_host_and_route_say() -> Result<()> {
    world()?.tell(|world| {
        ensure!(world.json(&["get", "gateways"])? == json!([]), "there is a gateway before any Gateway selects it");
        curl_fails(world, AT)?;
        let rules = "  http:
  - match: [{uri: {prefix: /api/}}]
    rewrite: {uri: /, authority: api.example}
    headers: {request: {set: {x-set: a}}, response: {set: {x-answer: b}}}
    route: [{destination: {host: web, subset: v1}}]
  - match: [{uri: {prefix: /split}}]
    route:
    - {destination: {host: web, subset: v1}, weight: 80}
    - {destination: {host: web, subset: v2}, weight: 20}
  - match: [{uri: {exact: /elsewhere}}]
    redirect: {uri: /new, authority: elsewhere.example}
  - match: [{uri: {exact: /only}}]
    route: [{destination: {host: web, subset: v2}}]
";
        let objects = SUBSETS.to_owned()
            + &gateway("web", HTTP)
            + &routes("web", "web", "shop.example", rules)
            + &routes("other", "web", "other.shop.example", "  http: [{route: [{destination: {host: other}}]}]\n");
        opened(world, "first", &objects, &[80])?;
        let said = world.output()?;
        ensure!(said.contains("http://127.0.0.1:80 → gateway istio-system/istio-ingressgateway"), "{said}");

        let api = curl(
            world,
            &format!(
                "-H 'Host: shop.example' -H 'X-Forwarded-For: 192.0.2.9' -H 'X-Forwarded-Proto: https' \
                 -H 'x-envoy-max-retries: 9' -H 'x-envoy-foo: 1' -H 'x-forwarded-client-cert: forged' '{AT}/api/items?q=1'"
            ),
        )?;
        ensure!(api.status == 200 && api.name() == "web-v1", "{} {}", api.status, api.body);
        ensure!(api.asked["path"] == "/items?q=1" && api.header("host") == "api.example", "{}", api.body);
        ensure!(api.header("x-set") == "a", "{}", api.body);
        ensure!(api.fields.get("x-answer").is_some_and(|value| value == "b"), "{:?}", api.fields);
        ensure!(api.header("x-forwarded-for") == "192.0.2.9,127.0.0.1", "{}", api.body);
        ensure!(api.header("x-envoy-external-address") == "127.0.0.1", "{}", api.body);
        ensure!(api.header("x-forwarded-proto") == "http", "{}", api.body);
        for field in ["x-envoy-max-retries", "x-envoy-foo", "x-forwarded-client-cert"] {
            ensure!(api.asked["headers"][field].is_null(), "{field}: {}", api.body);
        }
        let only = curl(world, &format!("-H 'Host: SHOP.example:80' {AT}/only"))?;
        ensure!(only.status == 200 && only.name() == "web-v2", "{} {}", only.status, only.body);
        let h2 = curl(world, &format!("--http2-prior-knowledge -H 'Host: other.shop.example' {AT}/"))?;
        ensure!(h2.status == 200 && h2.name() == "other-v1", "{} {}", h2.status, h2.body);
        let moved = curl(world, &format!("-H 'Host: shop.example' {AT}/elsewhere"))?;
        ensure!(moved.status == 301 && moved.fields["location"] == "http://elsewhere.example/new", "{:?}", moved.fields);
        // Hosts and paths that nobody has.
        for options in ["-H 'Host: unknown.example'", "-H 'Host: more.shop.example'", ""] {
            let got = curl(world, &format!("{options} {AT}/only"))?;
            ensure!(got.status == 404, "{options}: {} {}", got.status, got.body);
        }
        ensure!(curl(world, &format!("-H 'Host: shop.example' {AT}/none"))?.status == 404, "a path without a route");
        ensure!(curl(world, &format!("-H 'Host: shop.example' --request-target '/a b' {AT}/"))?.status == 400, "no request");

        let split = shares(world, &format!("-H 'Host: shop.example' '{AT}/split?n=[1-1000]'"))?;
        // 4.5 standard deviations of a binomial with n = 1,000 and p = 0.2.
        let v2 = split.get("web-v2").copied().unwrap_or_default();
        ensure!((143..=257).contains(&v2) && split.get("web-v1") == Some(&(1000 - v2)), "{split:?}");

        // From inside of the mesh, by the service that there is with it.
        let inside = "curl -s -m 20 -H 'Host: shop.example' http://istio-ingressgateway.istio-system/only";
        ensure!(world.shell("plain", inside)?.contains("\"web-v2\""), "not reached by its service");
        ensure!(world.shell("shop", inside)?.contains("\"web-v2\""), "not reached by its service from the mesh");

        // One more port, then none at all.
        let more = format!("{HTTP}  - {{port: {{number: 8081, name: more, protocol: HTTP}}, hosts: ['*']}}\n");
        let objects = gateway("web", &more) + &routes("web", "web", "shop.example", TO_WEB);
        opened(world, "more", &objects, &[80, 8081])?;
        ensure!(curl(world, &format!("-H 'Host: shop.example' {AT}:8081/"))?.status == 200, "the new port");
        opened(world, "none", "", &[])?;
        wait_for("the ports to be closed", SOON, || {
            let closed = on_host(world, &format!("curl -s -o /dev/null {AT}:8081; echo $?"))?;
            Ok((closed.trim() == "7").then_some(()))
        })?;
        wait_for("the gateway to be gone", SOON, || {
            let workloads = world.json(&["get", "workloads", "-n", "istio-system"])?;
            Ok((workloads == json!([])).then_some(()))
        })
    })
}

/// How many requests each server answered.
fn shares(world: &World, options: &str) -> Result<BTreeMap<String, usize>> {
    let mut shares = BTreeMap::new();
    for line in on_host(world, &format!("curl -s -m 120 {options}"))?.lines().filter(|line| !line.is_empty()) {
        let told: Value = serde_json::from_str(line)?;
        *shares.entry(told["name"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    Ok(shares)
}

#[test]
fn a_port_that_only_root_may_open_is_moved_and_that_is_said() -> Result<()> {
    let host = HostNetwork::create()?;
    host.sh("echo 1024 > /proc/sys/net/ipv4/ip_unprivileged_port_start")?;
    let objects = gateway("web", HTTP) + &routes("web", "web", "shop.example", TO_WEB);
    World::start_in(host, &[("nodes.yaml", NODES), ("edge.yaml", &objects)])?.tell(|world| {
        let (port, said) = match world.uid() {
            Some(_) => (8080, "istio-system/istio-ingressgateway (port 80, moved: only root may open it here)\n"),
            None => (80, "istio-system/istio-ingressgateway\n"),
        };
        let line = format!("http://127.0.0.1:{port} → gateway {said}");
        wait_for("the port", SOON, || Ok(world.output()?.contains(&line).then_some(())))?;
        ensure!(world.json(&["get", "gateways"])?[0]["url"] == format!("http://127.0.0.1:{port}"), "another url");
        // Its access log is that of connections, of requests only if somebody asks for it.
        let log = world.cli(&["logs", "istio-system/istio-ingressgateway-0", "--access"])?;
        ensure!(log.lines().all(|line| line.contains(" access ")), "{log}");
        // Nobody is there whom the route leads to.
        let got = curl(world, &format!("-H 'Host: shop.example' {AT}:{port}/"))?;
        ensure!(got.status == 503, "{} {}", got.status, got.body);
        Ok(())
    })
}

fn policy(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n{spec}---\n"
    )
}

#[test]
fn policies_act_at_the_gateway_and_at_the_callee_who_sees_the_gateway() -> Result<()> {
    world()?.tell(|world| {
        // It is there before the gateway is.
        let tap = Client::start(world.command(&["tap", "--status", "403", "--max", "1", "-o", "json"]))?;
        wait_for("the tap to watch", SOON, || {
            let metrics = world.cli(&["metrics", "node-west"])?;
            Ok(metrics.contains("\nripstop_taps 1\n").then_some(()))
        })?;
        let edge = gateway("web", HTTP) + &routes("web", "web", "shop.example", TO_WEB);
        opened(world, "open", &edge, &[80])?;
        let status = |options: &str| curl(world, &format!("-H 'Host: shop.example' {options}")).map(|got| got.status);
        ensure!(status(&format!("{AT}/"))? == 200, "before any policy");

        let at_gateway = policy(
            "edge",
            "istio-system",
            "  selector: {matchLabels: {istio: ingressgateway}}
  action: DENY
  rules:
  - to: [{operation: {paths: ['/admin*'], hosts: [shop.example]}}]
  - from: [{source: {remoteIpBlocks: [192.0.2.0/24]}}]
  - from: [{source: {notIpBlocks: [127.0.0.0/8]}}]
",
        );
        applied(world, "policies.yaml", "denied", &at_gateway)?;
        wait_for("the tap to find the gateway", SOON, || {
            let metrics = world.cli(&["metrics", "istio-system/istio-ingressgateway-0"])?;
            Ok(metrics.contains("\nripstop_taps 1\n").then_some(()))
        })?;
        let denied = curl(world, &format!("-H 'Host: shop.example' {AT}/admin/x"))?;
        // Nobody outside is told why.
        ensure!(denied.status == 403 && denied.body == "RBAC: access denied", "{} {}", denied.status, denied.body);
        let (status_of_tap, lines) = tap.finish_by_itself()?;
        ensure!(status_of_tap.success(), "{lines:?}");
        let record: Value = serde_json::from_str(lines.first().context("the tap told nothing")?)?;
        ensure!(record["decision"].is_string(), "{record}");
        // It was the client's request that was judged, not what a route makes of it; and nobody's word for an address.
        ensure!(status(&format!("{AT}/open"))? == 200, "another path");
        ensure!(status(&format!("-H 'X-Forwarded-For: 192.0.2.1' {AT}/open"))? == 200, "an address that a client claims");

        let caller = |principal: &str| {
            policy(
                "callee",
                "shop",
                &format!(
                    "  selector: {{matchLabels: {{app: web}}}}\n  rules: [{{from: [{{source: {{principals: [{principal}]}}}}]}}]\n"
                ),
            )
        };
        applied(world, "policies.yaml", "gateway-only", &caller(PRINCIPAL))?;
        ensure!(status(&format!("{AT}/admin/x"))? == 200, "the callee sees the gateway");
        let from_inside = "curl -s -o /dev/null -w '%{http_code}' http://web.shop/";
        let inside = world.run("shop", &[], from_inside)?;
        ensure!(String::from_utf8_lossy(&inside.stdout) != "200", "others are let in: {inside:?}");
        applied(world, "policies.yaml", "others-only", &caller("cluster.local/ns/shop/sa/other"))?;
        ensure!(status(&format!("{AT}/"))? != 200, "the callee lets the gateway in, and should not");

        // Nor is anybody outside told why the callee refuses a request; whoever calls from inside is.
        let forbidden = policy(
            "callee",
            "shop",
            "  selector: {matchLabels: {app: web}}\n  action: DENY\n  rules: [{to: [{operation: {paths: ['/forbidden*']}}]}]\n",
        );
        applied(world, "policies.yaml", "forbidden", &forbidden)?;
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let denied = curl(world, &format!("{version} -H 'Host: shop.example' {AT}/forbidden/x"))?;
            ensure!(denied.status == 403 && denied.body == "RBAC: access denied", "{} {}", denied.status, denied.body);
        }
        wait_for("the reason to be told inside", SOON, || {
            let inside = world.run("shop", &[], "curl -s http://web.shop/forbidden/x")?;
            let told = String::from_utf8_lossy(&inside.stdout).starts_with("RBAC: access denied (rbac_denied, ");
            Ok(told.then_some(()))
        })?;

        // Mutual TLS that the mesh insists upon is the mesh's: clients of the gateway have none.
        let strict = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: istio-system}\nspec: {mtls: {mode: STRICT}}\n";
        applied(world, "policies.yaml", "strict", strict)?;
        ensure!(status(&format!("{AT}/"))? == 200, "STRICT");

        // What was seen, and what is said of it.
        let metrics = world.cli(&["metrics", "istio-system.istio-ingressgateway-0"])?;
        let counted = |code: &str| {
            let parts = ["istio_requests_total{reporter=\"source\",source_workload=\"istio-ingressgateway\"", code];
            metrics.lines().any(|line| parts.iter().all(|part| line.contains(part)))
        };
        ensure!(counted("response_code=\"200\"") && counted("response_code=\"403\""), "{metrics}");
        applied(world, "policies.yaml", "asked", &(at_gateway + &caller(PRINCIPAL)))?;
        let files = world.dir();
        let files = files.to_string_lossy();
        let explain = |whom: &[&str], path: &str| {
            let asked = ["--via", "gateway", "--from", "127.0.0.1", "--to", ":80", "--host", "shop.example", "--path", path];
            let output = world.try_cli(&[&["explain"], whom, &asked].concat())?;
            Ok::<_, anyhow::Error>(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        for (path, said, status_is) in [("/open", "ALLOWED", 200), ("/admin/x", "DENIED", 403)] {
            // The mesh that runs, and its files alone.
            for whom in [&[][..], &["-f", &files]] {
                let explained = explain(whom, path)?;
                ensure!(explained.starts_with(said), "{path} {whom:?}: {explained}");
                ensure!(explained.contains("istio-system/istio-ingressgateway"), "{path} {whom:?}: {explained}");
            }
            ensure!(status(&format!("{AT}{path}"))? == status_is, "{path}: it is not {said}");
        }
        Ok(())
    })
}
