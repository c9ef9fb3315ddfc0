//! Limits that a service counts for all proxies (`globalRateLimits`).

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    curl::{Got, curl, one},
    observe::applied,
    python,
    shop::world,
};
use ripstop_world::{Console, SOON, World, wait_for};
use serde_json::json;

/// By Envoy's protocol, on grpcio.
const SERVER: &str = include_str!("limits_server.py");

/// Redis and Envoy's own service of limits, which counts there.
const ENVOYS: &str = include_str!("limits_envoy.py");

/// Where `scripts/prepare` builds Envoy's own.
const ENVOYS_SERVICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/clients/bin/ratelimit");

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: limits, namespace: shop}\nspec: {selector: {app: limits}, ports: [{name: grpc, port: 8081}]}\n";

/// Limits of `target`, which the service counts.
fn limited(world: &World, mark: &str, target: &str, limit: &str) -> Result<()> {
    let policy = format!(
        "{SERVICE}---\napiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: global, namespace: shop}}\nspec:\n  targetRefs: [{target}]\n  globalRateLimits:\n  - service: {{host: limits, port: 8081}}\n    domain: shop\n    timeout: 5s\n{limit}"
    );
    applied(world, "global.yaml", mark, &policy)?;
    let findings = world.cli(&["get", "findings"])?;
    ensure!(!findings.contains("TrafficPolicy"), "{findings}");
    Ok(())
}

const OTHER: &str = "{kind: Service, name: other}";

/// The service, captured like any workload.
fn service(world: &World, script: &str) -> Result<Console> {
    python::libraries(world)?;
    applied(world, "global.yaml", "limits-service", SERVICE)?;
    let prelude = format!("import sys\nsys.path.insert(0, \"{}\")\n", world.path("python").display());
    let script = format!("{prelude}{}", script.replace("HERE", &world.path("limits").display().to_string()));
    world.captured_console("shop", &["--node", "west", "--label", "app=limits"], &script)
}

fn statuses(world: &World, requests: &[&str]) -> Result<Vec<u16>> {
    Ok(curl(world, requests)?.iter().map(|got| got.status).collect())
}

/// Waits until a proxy tells so many.
fn counted(world: &World, proxy: &str, of: &str, result: &str, count: u64) -> Result<()> {
    let begin = format!("ripstop_global_rate_limit_requests_total{{policy=\"shop/global\",{of}");
    let end = format!("result=\"{result}\"}} {count}");
    let mut metrics = String::new();
    let waited = wait_for(&end, SOON, || {
        metrics = world.cli(&["metrics", proxy])?;
        Ok(metrics.lines().any(|line| line.starts_with(&begin) && line.ends_with(&end)).then_some(()))
    });
    waited.with_context(|| format!("{metrics}\n{}", world.story_so_far()))
}

#[test]
fn a_service_of_limits_is_asked_about_each_request() -> Result<()> {
    world()?.tell(|world| {
        let mut limits = service(world, SERVER)?;
        limited(
            world,
            "two-each",
            OTHER,
            "    match: {path: {prefix: /api}}\n    descriptors:\n    - entries: [{identity: {}}, {header: x-tenant, default: nobody}, {constant: gold, key: tier}]\n    - entries: [{path: {}}, {method: {}}, {host: {}}, {destinationWorkload: {}}, {destinationService: {}}]\n    - entries: [{header: x-absent}]\n",
        )?;
        let first = one(world, "-H 'x-tenant: a' 'http://other.shop/api?q=1'")?;
        ensure!(first.status == 200, "{} {}\n{}", first.status, first.body, world.story_so_far());
        // What it says of a request and its answer is added, but for what is the proxy's to say.
        let told = ["x-limits", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(|name| first.field(name));
        ensure!(told == ["counted", "2, 2;w=3600;name=\"two\", 2;w=3600;name=\"two\"", "1", "1800"], "{:?}", first.fields);
        ensure!(first.header("x-limits-seen") == "yes", "{}", first.body);
        let asked = limits.ask("asked[0]")?;
        let descriptors = json!([
            [["identity", "spiffe://cluster.local/ns/shop/sa/default"], ["x-tenant", "a"], ["tier", "gold"]],
            [["path", "/api"], ["method", "GET"], ["host", "other.shop"], ["destination_workload", "shop/other-v1"], ["destination_service", "other.shop.svc.cluster.local"]],
        ]);
        ensure!(asked == json!(["shop", 1, descriptors]), "{asked}");
        let agent = limits.text("peers[0]")?;
        ensure!(agent.starts_with("ripstop"), "{agent}");

        // Two of each descriptor pass, wherever they come from, and others are not asked about.
        let seen = statuses(world, &["-H 'x-tenant: b' http://other.shop/api", "-H 'x-tenant: b' http://other.shop/api/2", "-H 'x-tenant: b' http://other.shop/api/3", "http://other.shop/"])?;
        ensure!(seen == [200, 200, 429, 200], "{seen:?}\n{}", world.story_so_far());
        let refused = one(world, "-H 'x-tenant: b' http://other.shop/api/4")?;
        let fields = ["x-envoy-ratelimited", "x-limits", "x-ratelimit-remaining"].map(|name| refused.field(name));
        ensure!((refused.status, &*refused.body) == (429, "come back later") && fields == ["true", "counted", "0"], "{:?} {}", refused.fields, refused.body);
        counted(world, "node-east", "target_kind=\"Service\",target=\"other\"", "refused", 2)?;
        let metrics = world.cli(&["metrics", "node-east"])?;
        let words = ["istio_requests_total{", "reporter=\"destination\"", "response_code=\"429\"", "response_flags=\"RL\""];
        ensure!(metrics.lines().any(|line| words.iter().all(|word| line.contains(word))), "{metrics}");
        let told = world.cli(&["explain", "--from", "shop/web-v1", "--to", "other.shop:80", "--path", "/api"])?;
        ensure!(told.contains("limits.shop.svc.cluster.local:8081 counts in domain shop by identity+x-tenant+tier, path+method"), "{told}");
        let config = world.cli(&["config", "limits", "-o", "wide"])?;
        ensure!(config.contains("counts in domain shop"), "{config}");

        // One request that counts as two, and others that hear of their limit by a status alone.
        let weighty = "    hitsAddend: 2\n    status: 418\n    headers: false\n    descriptors: [{entries: [{constant: weighty}]}]\n";
        limited(world, "weighty", OTHER, weighty)?;
        let got = curl(world, &["http://other.shop/"; 2])?;
        let told: Vec<(u16, &str)> = got.iter().map(|got| (got.status, got.field("x-ratelimit-limit"))).collect();
        ensure!(told == [(200, ""), (418, "")], "{told:?}\n{}", world.story_so_far());
        let asked = limits.ask("asked[-1]")?;
        ensure!(asked == json!(["shop", 2, [[["generic_key", "weighty"]]]]), "{asked}");
        Ok(())
    })
}

#[test]
fn without_an_answer_requests_pass_or_are_refused() -> Result<()> {
    world()?.tell(|world| {
        let mut limits = service(world, SERVER)?;
        let descriptors = "    descriptors: [{entries: [{constant: all}]}]\n";
        limited(world, "one-pass", OTHER, descriptors)?;
        ensure!(one(world, "http://other.shop/")?.status == 200);
        limits.ask("become(30)")?;
        let short = |mark: &str, mode: &str, dry: &str| {
            let policy = format!(
                "{SERVICE}---\napiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: global, namespace: shop}}\nspec: {{targetRefs: [{OTHER}], globalRateLimits: [{{service: {{host: limits, port: 8081}}, domain: shop, timeout: 300ms, failureMode: {mode}, {dry}descriptors: [{{entries: [{{constant: all}}]}}]}}]}}\n"
            );
            applied(world, "global.yaml", mark, &policy)
        };
        short("short-allow", "Allow", "")?;
        ensure!(one(world, "http://other.shop/")?.status == 200, "{}", world.story_so_far());
        counted(world, "node-east", "target_kind=\"Service\",target=\"other\"", "failed", 1)?;
        short("short-deny", "Deny", "")?;
        let got = one(world, "http://other.shop/")?;
        ensure!((got.status, &*got.body) == (500, ""), "{} {}", got.status, got.body);
        let metrics = world.cli(&["metrics", "node-east"])?;
        ensure!(metrics.lines().any(|line| line.contains("response_flags=\"RLSE\"")), "{metrics}");
        short("short-trial", "Deny", "dryRun: true, ")?;
        ensure!(one(world, "http://other.shop/")?.status == 200, "{}", world.story_so_far());
        let config = world.cli(&["config", "limits", "-o", "wide"])?;
        ensure!(config.contains("no answer within 300ms"), "{config}");

        // What is on trial tells operators alone.
        limits.ask("become(0)")?;
        limited(world, "trial", OTHER, "    descriptors: [{entries: [{constant: trial}]}]\n    dryRun: true\n")?;
        let seen: Vec<Got> = curl(world, &["http://other.shop/"; 4])?;
        ensure!(seen.iter().all(|got| got.status == 200 && got.field("x-ratelimit-limit").is_empty()), "{seen:?}");
        counted(world, "node-east", "target_kind=\"Service\",target=\"other\"", "dry_run", 2)?;

        // A service that is not there is told.
        let gone = format!("apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: global, namespace: shop}}\nspec: {{targetRefs: [{OTHER}], globalRateLimits: [{{service: {{host: limit, port: 8081}}, domain: shop, descriptors: [{{entries: [{{constant: all}}]}}]}}]}}\n");
        applied(world, "global.yaml", "gone", &gone)?;
        let findings = world.cli(&["get", "findings"])?;
        ensure!(findings.contains("RS268"), "{findings}");
        ensure!(one(world, "http://other.shop/")?.status == 200);
        Ok(())
    })
}

#[test]
fn routes_have_limits_that_a_service_counts() -> Result<()> {
    world()?.tell(|world| {
        let mut limits = service(world, SERVER)?;
        let routes = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: other, namespace: shop}\nspec:\n  hosts: [other]\n  http:\n  - {name: api, match: [{uri: {prefix: /api}}], retries: {attempts: 3, retryOn: 5xx}, route: [{destination: {host: other}}]}\n  - {name: rest, route: [{destination: {host: other}}]}\n";
        applied(world, "routes.yaml", "routes", routes)?;
        let target = "{group: networking.istio.io, kind: VirtualService, name: other, sectionName: api}";
        limited(world, "of-a-route", target, "    descriptors: [{entries: [{destinationService: {}}]}]\n")?;
        // However often a request is tried, it is asked about once.
        let failing = "-H 'x-reflect-status: 503' http://other.shop/api";
        let seen = statuses(world, &[failing, "http://other.shop/api", "http://other.shop/api", "http://other.shop/"])?;
        ensure!(seen == [503, 200, 429, 200], "{seen:?}\n{}", world.story_so_far());
        let asked = limits.ask("asked")?;
        let once = json!(["shop", 1, [[["destination_service", "other.shop.svc.cluster.local"]]]]);
        ensure!(asked == json!([once, once, once]), "{asked}");
        Ok(())
    })
}

#[test]
fn envoys_own_service_of_limits_counts_for_us() -> Result<()> {
    if !Path::new(ENVOYS_SERVICE).exists() {
        println!("NOTE: ran without Envoy's service of limits: scripts/prepare builds it where there is Go");
        return Ok(());
    }
    world()?.tell(|world| {
        let place = world.path("limits");
        std::fs::create_dir_all(place.join("runtime/shop/config"))?;
        std::fs::copy(ENVOYS_SERVICE, place.join("ratelimit"))?;
        let config = "domain: shop\ndescriptors:\n- key: x-tenant\n  rate_limit: {unit: hour, requests_per_unit: 2}\n- key: x-tenant\n  value: gold\n  rate_limit: {unit: hour, requests_per_unit: 4}\n";
        std::fs::write(place.join("runtime/shop/config/shop.yaml"), config)?;
        let readable = std::process::Command::new("chmod").args(["-R", "a+rX"]).arg(&place).status()?;
        ensure!(readable.success(), "what was copied can't be read by all");
        let mut limits = service(world, ENVOYS)?;
        let up = wait_for("the service to listen", SOON, || Ok((limits.ask("up()")? == json!(true)).then_some(())));
        if up.is_err() {
            up.with_context(|| limits.text("said()").unwrap_or_default())?;
        }
        limited(world, "by-tenant", OTHER, "    failureMode: Deny\n    descriptors: [{entries: [{header: x-tenant}]}]\n")?;
        let requests: Vec<&str> = ["-H 'x-tenant: a' http://other.shop/"; 3]
            .into_iter()
            .chain(["-H 'x-tenant: gold' http://other.shop/"; 5])
            .chain(["http://other.shop/"; 4])
            .collect();
        let seen = statuses(world, &requests)?;
        ensure!(
            seen == [200, 200, 429, 200, 200, 200, 200, 429, 200, 200, 200, 200],
            "{seen:?}\n{}\n{}",
            limits.text("said()")?,
            world.story_so_far()
        );
        let refused = one(world, "-H 'x-tenant: a' http://other.shop/")?;
        let fields = ["x-envoy-ratelimited", "x-ratelimit-limit", "x-ratelimit-remaining"].map(|name| refused.field(name));
        ensure!(fields == ["true", "2, 2;w=3600", "0"], "{:?}", refused.fields);
        Ok(())
    })
}

#[test]
fn a_waypoint_asks_in_its_own_name() -> Result<()> {
    world()?.tell(|world| {
        let mut limits = service(world, SERVER)?;
        let told = world.cli(&["waypoint", "apply", "-n", "shop", "--enroll-namespace", "--wait"])?;
        ensure!(told.contains("waypoint shop/waypoint is ready"), "{told}");
        let only = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: limits, namespace: shop}\nspec:\n  selector: {matchLabels: {app: limits}}\n  rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/waypoint]}}]}]\n";
        let by = "    failureMode: Deny\n    descriptors: [{entries: [{identity: {}}, {destinationService: {}}]}]\n";
        limited(world, "at-the-waypoint", OTHER, &format!("{by}{only}"))?;
        let seen = statuses(world, &["http://other.shop/"; 4])?;
        ensure!(seen == [200, 200, 429, 429], "{seen:?}\n{}", world.story_so_far());
        let asked = limits.ask("asked[-1]")?;
        let of_caller = json!(["shop", 1, [[["identity", "spiffe://cluster.local/ns/shop/sa/default"], ["destination_service", "other.shop.svc.cluster.local"]]]]);
        ensure!(asked == of_caller, "{asked}");
        ensure!(limits.ask("len(asked)")? == json!(4), "each is asked about once");
        counted(world, "shop.waypoint-0", "target_kind=\"Service\",target=\"other\"", "refused", 2)
    })
}
