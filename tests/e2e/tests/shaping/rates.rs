//! Limits of requests (`TrafficPolicy`).

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    curl::{curl, one},
    observe::applied,
    shop::world,
};
use ripstop_world::{SOON, World, wait_for};

use super::limits::refused_of_six;

/// Limits of `other`, which has one endpoint, on node `east`.
fn limited(world: &World, mark: &str, limits: &str) -> Result<()> {
    let policy = format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: other, namespace: shop}}\nspec:\n  targetRefs: [{{kind: Service, name: other}}]\n  rateLimits: {limits}\n"
    );
    applied(world, "rates.yaml", mark, &policy)?;
    let findings = world.cli(&["get", "findings"])?;
    ensure!(!findings.contains("TrafficPolicy"), "{findings}");
    Ok(())
}

/// The answers that curl gets as that account, one request after the other.
fn asked(world: &World, account: &str, requests: usize) -> Result<String> {
    let script = format!(
        "for i in $(seq {requests}); do curl -s -o /dev/null -m 30 -w '%{{http_code}} ' http://other.shop/; done"
    );
    let mut command = world.command(&["run", "-n", "shop", "--service-account", account, "--", "sh", "-c", &script]);
    let output = command.stdin(std::process::Stdio::null()).output()?;
    ensure!(output.status.success(), "{output:?}\n{}", world.story_so_far());
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Waits until the node of `other` tells so many.
fn counted(world: &World, result: &str, count: u64) -> Result<()> {
    let line = format!(
        "ripstop_rate_limit_requests_total{{policy=\"shop/other\",target_kind=\"Service\",target=\"other\",section=\"\",result=\"{result}\"}} {count}"
    );
    let mut metrics = String::new();
    let waited = wait_for(&line, SOON, || {
        metrics = world.cli(&["metrics", "node-east"])?;
        Ok(metrics.lines().any(|told| told == line).then_some(()))
    });
    waited.with_context(|| format!("{metrics}\n{}", world.story_so_far()))
}

#[test]
fn a_service_takes_so_many_requests_of_each_caller() -> Result<()> {
    world()?.tell(|world| {
        limited(world, "three-each", "[{requests: 3, interval: 1h, per: {identity: {}}}]")?;
        // Each curl has a connection of its own.
        ensure!(asked(world, "default", 5)? == "200 200 200 429 429", "{}", world.story_so_far());
        ensure!(asked(world, "buyer", 2)? == "200 200", "another caller has its own");
        let got = one(world, "http://other.shop/")?;
        ensure!(got.status == 429 && got.body == "local_rate_limited", "{} {}", got.status, got.body);
        let fields = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-envoy-ratelimited"].map(|name| got.field(name));
        ensure!(fields == ["3", "0", "true"], "{:?}", got.fields);
        let wait: u64 = got.field("retry-after").parse()?;
        ensure!((1..=1200).contains(&wait), "{:?}", got.fields);
        counted(world, "passed", 5)?;
        counted(world, "refused", 3)?;
        let metrics = world.cli(&["metrics", "node-east"])?;
        let words =
            ["istio_requests_total{", "reporter=\"destination\"", "response_code=\"429\"", "response_flags=\"RL\""];
        ensure!(metrics.lines().any(|line| words.iter().all(|word| line.contains(word))), "{metrics}");

        let told = world.cli(&["explain", "--from", "shop/web-v1", "--to", "other.shop:80", "--path", "/"])?;
        ensure!(told.contains("refuses with 429 what is more than 3 requests of each identity"), "{told}");
        ensure!(told.contains("rates.yaml"), "{told}");

        // What has been counted stays while the limit does.
        limited(world, "another-status", "[{requests: 3, interval: 1h, per: {identity: {}}, status: 503}]")?;
        ensure!(asked(world, "default", 1)? == "503", "it begins anew\n{}", world.story_so_far());
        limited(world, "four-each", "[{requests: 4, interval: 1h, per: {identity: {}}}]")?;
        ensure!(asked(world, "default", 5)? == "200 200 200 200 429", "{}", world.story_so_far());
        applied(world, "rates.yaml", "gone", "")?;
        ensure!(asked(world, "default", 2)? == "200 200", "{}", world.story_so_far());
        Ok(())
    })
}

#[test]
fn only_what_a_limit_means_counts_and_clients_are_told_what_it_says() -> Result<()> {
    world()?.tell(|world| {
        let meant = "match: {path: {prefix: /api}, methods: [GET], headers: {x-tier: {exact: free}}}";
        limited(world, "meant", &format!("[{{requests: 1, interval: 1h, {meant}, status: 418, headers: false}}]"))?;
        let counts = "-H 'x-tier: free' http://other.shop/api/a";
        let others = [
            "-H 'x-tier: free' http://other.shop/",
            "-H 'x-tier: free' -X POST http://other.shop/api/a",
            "-H 'x-tier: paid' http://other.shop/api/a",
            "http://other.shop/api/a",
        ];
        let got = curl(world, &[&others[..], &[counts], &others, &[counts]].concat())?;
        let statuses: Vec<u16> = got.iter().map(|got| got.status).collect();
        ensure!(
            statuses == [200, 200, 200, 200, 200, 200, 200, 200, 200, 418],
            "{statuses:?}\n{}",
            world.story_so_far()
        );
        let told = ["x-ratelimit-limit", "retry-after", "x-envoy-ratelimited"].map(|name| got[9].field(name));
        ensure!(told == ["", "", "true"], "{:?}", got[9].fields);
        Ok(())
    })
}

#[test]
fn a_limit_on_trial_refuses_nobody() -> Result<()> {
    world()?.tell(|world| {
        limited(world, "trial", "[{requests: 2, interval: 1h, dryRun: true}]")?;
        ensure!(asked(world, "default", 5)? == "200 200 200 200 200", "{}", world.story_so_far());
        let got = one(world, "http://other.shop/")?;
        ensure!(got.status == 200 && !got.fields.contains_key("x-ratelimit-limit"), "{:?}", got.fields);
        counted(world, "passed", 2)?;
        counted(world, "dry_run", 4)
    })
}

/// Limits and retries of the routes of `other`, of which `api` is one.
fn of_routes(world: &World, mark: &str, says: &str) -> Result<()> {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: other, namespace: shop}}\nspec:\n  hosts: [other]\n  http:\n  - {{name: api, match: [{{uri: {{prefix: /api}}}}], retries: {{attempts: 1, retryOn: 5xx}}, route: [{{destination: {{host: other}}}}]}}\n  - {{name: rest, retries: {{attempts: 1, retryOn: 5xx}}, route: [{{destination: {{host: other}}}}]}}\n---\napiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: route, namespace: shop}}\nspec:\n  targetRefs: [{{group: networking.istio.io, kind: VirtualService, name: other, sectionName: api}}]\n  {says}\n"
    );
    applied(world, "rates.yaml", mark, &text)?;
    let findings = world.cli(&["get", "findings"])?;
    ensure!(!findings.contains("TrafficPolicy"), "{findings}");
    Ok(())
}

#[test]
fn a_route_takes_so_many_requests_and_retries() -> Result<()> {
    world()?.tell(|world| {
        of_routes(world, "route-limit", "rateLimits: [{requests: 2, interval: 1h}]")?;
        let statuses = |paths: &str| {
            let script = format!(
                "for path in {paths}; do curl -s -o /dev/null -m 30 -w '%{{http_code}} ' http://other.shop$path; done"
            );
            Ok::<_, anyhow::Error>(world.shell("shop", &script)?.trim_end().to_owned())
        };
        let told = statuses("/api/a / /api/b /api/c / / /api")?;
        ensure!(told == "200 200 200 429 200 200 429", "{told}\n{}", world.story_so_far());
        let explained =
            |path| world.cli(&["explain", "--from", "shop/web-v1", "--to", "other.shop:80", "--path", path]);
        let told = explained("/api")?;
        ensure!(told.contains("refuses with 429 what is more than 2 requests in 3600s"), "{told}");
        ensure!(!explained("/")?.contains("429"), "another route has no limit");

        // Of six that fail at the same time on the route, one may be tried again; on the other route, each.
        of_routes(world, "route-retries", "retryBudget: {percent: 17, minConcurrency: 0}")?;
        refused_of_six(world, "api", "http://other.shop/api", 5..=5)?;
        refused_of_six(world, "rest", "http://other.shop/", 0..=0)?;
        let told = explained("/api")?;
        ensure!(told.contains("at most 17% of requests are retries by this route"), "{told}");
        Ok(())
    })
}

/// `raw`, which speaks no HTTP, with one endpoint on `east`.
const RAW: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: raw, namespace: shop}\nspec: {selector: {app: other}, ports: [{name: tcp, port: 7000, targetPort: 8080}]}\n";

#[test]
fn a_service_takes_so_many_connections() -> Result<()> {
    world()?.tell(|world| {
        let policy = |says: &str| {
            format!(
                "{RAW}---\napiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: raw, namespace: shop}}\nspec:\n  targetRefs: [{{kind: Service, name: raw}}]\n  {says}\n"
            )
        };
        // Each curl has a connection of its own, which nobody reads.
        let asked = |account: &str, script: &str| {
            let mut command = world.command(&["run", "-n", "shop", "--service-account", account, "--", "sh", "-c", script]);
            let output = command.stdin(std::process::Stdio::null()).output()?;
            Ok::<_, anyhow::Error>(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        };
        let five = "for i in 1 2 3 4 5; do curl -s -o /dev/null -m 30 -w '%{http_code} ' http://raw.shop:7000/; done";
        applied(world, "raw.yaml", "new", &policy("rateLimits: [{connections: 3, interval: 1h, per: {identity: {}}}]"))?;
        ensure!(!world.cli(&["get", "findings"])?.contains("TrafficPolicy"), "findings");
        ensure!(asked("default", five)? == "200 200 200 000 000", "{}", world.story_so_far());
        ensure!(asked("buyer", five)? == "200 200 200 000 000", "{}", world.story_so_far());
        let line = "ripstop_connection_limit_connections_total{policy=\"shop/raw\",target_kind=\"Service\",target=\"raw\",section=\"\",counts=\"new\",result=\"refused\"} 4";
        wait_for(line, SOON, || Ok(world.cli(&["metrics", "node-east"])?.contains(line).then_some(())))?;
        let told = world.cli(&["explain", "--from", "shop/web-v1", "--to", "raw.shop:7000"])?;
        ensure!(told.contains("refuses what is more than 3 new connections of each identity in 3600s"), "{told}");

        // Of four at the same time, two are open, and the others are refused; then there is room again, once the callee's
        // node has heard that they have ended.
        applied(world, "raw.yaml", "open", &policy("connectionLimits: [{connections: 2}]"))?;
        let four = "for i in 1 2 3 4; do curl -s -o /dev/null -m 30 -w '%{http_code}\\n' -H 'x-reflect-delay-ms: 3000' http://raw.shop:7000/ & done; wait; echo --;";
        let told = asked("default", &four.repeat(4))?;
        let rounds: Vec<_> = told.split_terminator("--").map(|round| round.matches("200").count()).collect();
        let has_room_again = rounds[1..].contains(&2);
        ensure!(rounds.len() == 4 && rounds[0] == 2 && has_room_again, "{told}\n{}", world.story_so_far());
        ensure!(rounds.iter().all(|served| *served <= 2), "{told}\n{}", world.story_so_far());
        // Of who has ended the callee's node has heard, too, though its network is gone.
        wait_for("room for two", SOON, || {
            let told = asked("default", four)?;
            ensure!(told.matches("200").count() == 2, "{told}");
            Ok(Some(()))
        })
        .with_context(|| world.story_so_far())?;
        let log = world.cli(&["logs", "node-east", "--access"])?;
        ensure!(log.contains("TrafficPolicy/shop/raw"), "{log}");
        Ok(())
    })
}
