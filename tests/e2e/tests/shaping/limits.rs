//! Limits of a backend (`connectionPool`).

use anyhow::{Context, Result, bail, ensure};
use ripstop_e2e::{
    observe::applied,
    shop::{routes, world},
};
use ripstop_world::World;

/// A limit of connections, and routes.
fn limited(world: &World, mark: &str, pool: &str, http: &str) -> Result<()> {
    governed(world, mark, &format!("connectionPool: {pool}"), http)
}

/// A budget of retries by a `TrafficPolicy` beside a number of them, and a route with one retry.
fn budgeted(world: &World, mark: &str, budget: &str, most: u32) -> Result<()> {
    let policy = format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: web, namespace: shop}}\nspec:\n  targetRefs: [{{kind: Service, name: web}}]\n  retryBudget: {{{budget}}}\n"
    );
    world.write("budget.yaml", &policy)?;
    governed(world, mark, &format!("connectionPool: {{http: {{maxRetries: {most}}}}}"), ONE_RETRY)
}

/// A policy, and routes.
fn governed(world: &World, mark: &str, policy: &str, http: &str) -> Result<()> {
    let rule = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec:\n  host: web\n  subsets: [{{name: v1, labels: {{version: v1}}}}]\n  trafficPolicy: {{{policy}}}\n"
    );
    applied(world, "rule.yaml", mark, &format!("{rule}---\n{}", routes(http)))
}

const TO_V1: &str = "  - retries: {attempts: 0}\n    route: [{destination: {host: web, subset: v1}}]\n";

/// So many requests at once that take a while each; how many were answered, and how many were refused for a limit.
fn at_once(world: &World, options: &str, count: usize) -> Result<(usize, usize)> {
    let script = format!(
        "for i in $(seq {count}); do curl -s -o /dev/null -m 30 -w '%{{http_code}} %header{{x-envoy-overloaded}}\\n' {options} -H 'x-reflect-delay-ms: 2000' http://web.shop/ & done; wait"
    );
    let told = world.shell("shop", &script)?;
    let served = told.lines().filter(|line| line.starts_with("200")).count();
    let refused = told.lines().filter(|line| *line == "503 true").count();
    ensure!(served + refused == count, "{told}\n{}", world.story_so_far());
    Ok((served, refused))
}

/// Of eight at once so many are answered. On a busy machine one of them may be late, and then all are asked once more.
fn answered_of_eight(
    world: &World,
    mark: &str,
    options: &str,
    expected: std::ops::RangeInclusive<usize>,
) -> Result<()> {
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let (answered, _) = at_once(world, options, 8)?;
        if expected.contains(&answered) {
            return Ok(());
        }
        seen.push(answered);
    }
    bail!("{mark}: {seen:?} of 8 were answered")
}

#[test]
fn what_is_beyond_a_limit_is_refused() -> Result<()> {
    world()?.tell(|world| {
        // All of eight are sent before the first is answered. A request waits until its connection is made, too: so how
        // many of those that may wait have one by then depends on when they come.
        for (mark, pool, options, served) in [
            ("requests", "{http: {http2MaxRequests: 2}}", "", 2..=2),
            ("requests-of-http2", "{http: {http2MaxRequests: 3}}", "--http2-prior-knowledge", 3..=3),
            ("connections", "{tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}", "", 1..=2),
            ("pending", "{tcp: {maxConnections: 2}, http: {http1MaxPendingRequests: 3}}", "", 3..=5),
            ("none", "{http: {http2MaxRequests: 100}}", "", 8..=8),
        ] {
            limited(world, mark, pool, TO_V1)?;
            answered_of_eight(world, mark, options, served)?;
        }
        Ok(())
    })
}

#[test]
fn the_mesh_has_limits_for_whoever_has_none() -> Result<()> {
    world()?.tell(|world| {
        let mesh = "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}\nspec: {meshConfig: {defaultTrafficPolicy: {connectionPool: {http: {http2MaxRequests: 2}}}}}\n";
        applied(world, "mesh.yaml", "mesh-wide", mesh)?;
        for (mark, policy, served) in
            [("its-own", "connectionPool: {http: {http2MaxRequests: 100}}", 8), ("without", "outlierDetection: {}", 2)]
        {
            governed(world, mark, policy, TO_V1)?;
            answered_of_eight(world, mark, "", served..=served)?;
        }
        Ok(())
    })
}

/// Requests to `url` that fail at the same time, one retry each: so many retries are refused. On a busy machine one of them
/// may be late, and then all are asked once more.
pub(super) fn refused_of_six(
    world: &World,
    mark: &str,
    url: &str,
    expected: std::ops::RangeInclusive<usize>,
) -> Result<()> {
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let refused = once_of_six(world, url).with_context(|| mark.to_owned())?;
        if expected.contains(&refused) {
            return Ok(());
        }
        seen.push(refused);
    }
    bail!("{mark}: {seen:?} were refused")
}

/// Of six requests to `url` that fail at the same time, how many were tried but once, as their answers say. All get the
/// answer of an attempt.
fn once_of_six(world: &World, url: &str) -> Result<usize> {
    let ask =
        format!("curl -s -m 30 -w ' %{{http_code}}' -H 'x-reflect-status: 503' -H 'x-reflect-delay-ms: 2000' {url}");
    let script = format!("for i in $(seq 6); do (told=$({ask} | tr -d '\\n '); echo \"$told\") & done; wait");
    let told = world.shell("shop", &script)?;
    ensure!(told.lines().count() == 6 && told.lines().all(|line| line.ends_with("503")), "{told}");
    let attempts = |count: u32| told.matches(&format!("\"x-envoy-attempt-count\":[\"{count}\"]")).count();
    ensure!(attempts(1) + attempts(2) == 6, "{told}");
    Ok(attempts(1))
}

const ONE_RETRY: &str =
    "  - retries: {attempts: 1, retryOn: '5xx'}\n    route: [{destination: {host: web, subset: v1}}]\n";

#[test]
fn retries_have_a_limit_of_their_own() -> Result<()> {
    world()?.tell(|world| {
        // All of six fail at the same time, and only so many may be tried again.
        for (mark, policy, refused) in [
            ("one", "connectionPool: {http: {maxRetries: 1}}", 5),
            ("many", "connectionPool: {http: {maxRetries: 100}}", 0),
            // A budget is a share of the requests that are under way, and beats the number.
            (
                "a-sixth",
                "retryBudget: {percent: 17, minRetryConcurrency: 0}, connectionPool: {http: {maxRetries: 100}}",
                5,
            ),
            ("a-half", "retryBudget: {percent: 51, minRetryConcurrency: 0}", 3),
            ("all", "retryBudget: {percent: 100}", 0),
            ("at-least", "retryBudget: {percent: 1, minRetryConcurrency: 4}", 2),
        ] {
            governed(world, mark, policy, ONE_RETRY)?;
            refused_of_six(world, mark, "http://web.shop/", refused..=refused)?;
        }
        Ok(())
    })
}

#[test]
fn a_policy_of_the_service_says_how_many_retries_its_callers_may_make() -> Result<()> {
    world()?.tell(|world| {
        for (mark, budget, most, refused) in [
            ("policy-a-sixth", "percent: 17, minConcurrency: 0", 100, 5..=5),
            ("policy-at-least", "percent: 1, minConcurrency: 4", 100, 2..=2),
            ("policy-by-default", "percent: 1", 100, 3..=3),
            ("policy-beside-a-number", "percent: 100", 1, 5..=5),
            // A second may end before the last of them has failed.
            ("policy-rate", "percent: 0, minRetriesPerSecond: 1", 100, 4..=5),
            ("policy-share-and-rate", "percent: 51, minRetriesPerSecond: 1", 100, 1..=2),
        ] {
            budgeted(world, mark, budget, most)?;
            refused_of_six(world, mark, "http://web.shop/", refused)?;
        }
        let told = world.cli(&["explain", "--from", "shop/web-v2", "--to", "web.shop:80", "--path", "/"])?;
        ensure!(told.contains("at most 51% of requests are retries, and 1 a second"), "{told}");
        world.remove("budget.yaml")
    })
}

#[test]
fn connections_are_counted_for_tcp_too() -> Result<()> {
    world()?.tell(|world| {
        let service = "\
apiVersion: v1
kind: Service
metadata: {name: raw, namespace: shop}
spec: {selector: {app: web, version: v1}, ports: [{name: tcp, port: 90, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: raw, namespace: shop}
spec: {host: raw, trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}}
";
        applied(world, "raw.yaml", "raw", service)?;
        let script = "for i in $(seq 6); do curl -s -o /dev/null -m 30 -w '%{http_code}\\n' -H 'x-reflect-delay-ms: 6000' http://raw.shop:90/ & done; wait";
        let told = world.shell("shop", script)?;
        let served = told.lines().filter(|line| *line == "200").count();
        // The others' connections end without an answer.
        let refused = told.lines().filter(|line| *line == "000").count();
        ensure!((served, refused) == (2, 4), "{told}");
        Ok(())
    })
}
