//! Where and when a request is tried again (`retries`).

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES,
    curl::{curl, one},
    observe::applied,
    reflect, service,
    shop::routes,
};
use ripstop_world::World;
use serde_json::Value;

const HASHED: &str = "loadBalancer: {consistentHash: {httpHeaderName: x-user}}";

/// A near server and a far one, by their labels.
fn world() -> Result<World> {
    let placed = |version: &str, region: &str| {
        let labels = format!("version: {version}");
        let more = format!("{labels}, topology.kubernetes.io/region: {region}");
        reflect("web", version, "shop", "west").replace(&labels, &more)
    };
    let files = [
        ("nodes.yaml", NODES.to_owned()),
        ("service.yaml", service("web", "shop", "http")),
        ("v1.yaml", placed("v1", "near")),
        ("v2.yaml", placed("v2", "far")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let world = World::start(&files)?;
    world.enrol("shop", true)?;
    world.settle()?;
    Ok(world)
}

/// A policy for the service, and retries of requests to it.
fn retried(world: &World, mark: &str, policy: &str, retries: &str) -> Result<()> {
    let rule = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec: {{host: web, trafficPolicy: {{{policy}}}}}\n---\n"
    );
    let http = format!("  - {retries}\n    route: [{{destination: {{host: web}}}}]\n");
    applied(world, "rule.yaml", mark, &(rule + &routes(&http)))
}

/// What a caller in the near region gets: status, who answered, and to which attempt.
fn from_near(world: &World, options: &str) -> Result<String> {
    let script = format!("curl -s -m 30 -w '%{{http_code}}' {options}");
    let output = world.run("shop", &["topology.kubernetes.io/region=near"], &script)?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = told.split_once('\n').with_context(|| told.clone())?;
    let body: Value = serde_json::from_str(body).with_context(|| told.clone())?;
    let attempt = &body["headers"]["x-envoy-attempt-count"][0];
    Ok([status, body["name"].as_str().unwrap_or_default(), attempt.as_str().unwrap_or_default()].join(" "))
}

#[test]
fn other_localities_are_tried_where_the_rule_says_so() -> Result<()> {
    // Nothing is ejected by so few failures, but with ejections on, localities are preferred.
    const NEAR_FIRST: &str =
        "loadBalancer: {localityLbSetting: {enabled: true}}, outlierDetection: {consecutive5xxErrors: 1000}";
    world()?.tell(|world| {
        let failing = "-H 'x-reflect-status: web-v1=503' http://web.shop/";
        for (mark, retries, expected) in [
            ("near-only", "retries: {attempts: 3, retryOn: '5xx'}", "503 web-v1 4"),
            ("near-only-too", "retries: {attempts: 3, retryOn: '5xx', retryRemoteLocalities: false}", "503 web-v1 4"),
            // After every second attempt, another locality than those tried so far.
            ("far-too", "retries: {attempts: 3, retryOn: '5xx', retryRemoteLocalities: true}", "200 web-v2 3"),
        ] {
            retried(world, mark, NEAR_FIRST, retries)?;
            for _ in 0..3 {
                let got = from_near(world, failing)?;
                ensure!(got == expected, "{mark}: {got}");
            }
        }
        Ok(())
    })
}

#[test]
fn a_request_leaves_its_endpoint_where_the_rule_says_so() -> Result<()> {
    world()?.tell(|world| {
        let requests: Vec<String> = (0..24)
            .map(|user| format!("-H 'x-user: {user}' -H 'x-reflect-status: web-v1=503' http://web.shop/"))
            .collect();
        let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
        // Of those whose endpoint fails: how many tries they get, and who answers in the end.
        for (mark, retries, stays) in [
            ("unsaid", "retries: {attempts: 2, retryOn: '5xx'}", true),
            ("staying", "retries: {attempts: 2, retryOn: '5xx', retryIgnorePreviousHosts: false}", true),
            ("leaving", "retries: {attempts: 2, retryOn: '5xx', retryIgnorePreviousHosts: true}", false),
        ] {
            retried(world, mark, HASHED, retries)?;
            let answers = curl(world, &requests)?;
            let (again, at_once): (Vec<_>, Vec<_>) =
                answers.iter().partition(|got| got.header("x-envoy-attempt-count") != "1");
            ensure!(!again.is_empty() && !at_once.is_empty(), "{mark}: all belong to one endpoint: {answers:?}");
            ensure!(at_once.iter().all(|got| got.status == 200 && got.name() == "web-v2"), "{mark}: {at_once:?}");
            let (status, name, attempt) = if stays { (503, "web-v1", "3") } else { (200, "web-v2", "2") };
            for got in again {
                let attempts = got.header("x-envoy-attempt-count");
                ensure!(got.status == status && got.name() == name && attempts == attempt, "{mark}: {got:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn an_attempt_has_a_time_of_its_own_and_a_pause_before_the_next() -> Result<()> {
    world()?.tell(|world| {
        // Somebody whose first attempt always goes to v1, and whose second one does not.
        let leaving = |mark: &str, retries: &str| {
            retried(world, mark, HASHED, &retries.replace('}', ", retryIgnorePreviousHosts: true}"))
        };
        leaving("known", "retries: {attempts: 1, retryOn: '5xx'}")?;
        let users: Vec<String> = (0..24).map(|user| format!("-H 'x-user: {user}'")).collect();
        let requests: Vec<String> = users.iter().map(|user| format!("{user} http://web.shop/")).collect();
        let answers = curl(world, &requests.iter().map(String::as_str).collect::<Vec<_>>())?;
        let found = users.iter().zip(&answers).find(|(_, got)| got.name() == "web-v1");
        let (user, _) = found.context("nobody belongs to v1")?;

        // It would take longer than anybody waits.
        let slow = format!("{user} -H 'x-reflect-delay-ms: web-v1=60000' http://web.shop/");
        leaving("in-time", "retries: {attempts: 2, perTryTimeout: 2s, retryOn: reset}")?;
        let got = one(world, &slow)?;
        ensure!(got.status == 200 && got.name() == "web-v2" && got.header("x-envoy-attempt-count") == "2", "{got:?}");

        // A pause is drawn from the whole of its backoff: below five seconds of a thousand hours, once in 700,000.
        let failing = format!("{user} -H 'x-reflect-status: web-v1=503' http://web.shop/");
        for (mark, backoff, status) in [("at-once", "1ms", 200), ("much-later", "1000h", 504)] {
            let retries = format!("timeout: 5s\n    retries: {{attempts: 1, retryOn: '5xx', backoff: {backoff}}}");
            leaving(mark, &retries)?;
            let got = one(world, &failing)?;
            ensure!(got.status == status, "{mark}: {got:?}");
        }
        Ok(())
    })
}
