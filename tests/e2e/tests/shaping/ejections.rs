//! Endpoints that are not called for a while.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ripstop_e2e::{
    curl::{Got, curl},
    observe::applied,
    shop::{routes, world},
};
use ripstop_world::{SOON, World, wait_for};
use serde_json::Value;

/// No retries, so that each failure is seen; rules for outliers.
fn watched(world: &World, mark: &str, outliers: &str) -> Result<()> {
    let rule = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec:\n  host: web\n  trafficPolicy: {{loadBalancer: {{simple: ROUND_ROBIN}}, outlierDetection: {outliers}}}\n"
    );
    let http = "  - retries: {attempts: 0}\n    route: [{destination: {host: web}}]\n";
    applied(world, "rule.yaml", mark, &format!("{rule}---\n{}", routes(http)))
}

/// How often requests that one endpoint fails with `failing` were not answered with 200.
fn failures(world: &World, failing: &str, count: usize) -> Result<(usize, Vec<Got>)> {
    let request = format!("{failing} http://web.shop/");
    let answers = curl(world, &vec![request.as_str(); count])?;
    Ok((answers.iter().filter(|got| got.status != 200).count(), answers))
}

#[test]
fn each_detector_ejects_by_what_it_counts() -> Result<()> {
    let status = |code: u16| format!("-H 'x-reflect-status: web-v1={code}'");
    let reset = "-H 'x-reflect-reset: web-v1'".to_owned();
    // `interval` is long: what ejects at once is what is counted one by one.
    let cases = [
        ("server-errors", "consecutive5xxErrors: 3", status(500), Some(3)),
        ("server-errors-not", "consecutive5xxErrors: 3", status(404), None),
        ("gateway-errors", "consecutiveGatewayErrors: 2, consecutive5xxErrors: 0", status(503), Some(2)),
        ("gateway-errors-not", "consecutiveGatewayErrors: 2, consecutive5xxErrors: 0", status(500), None),
        ("older-name", "consecutiveErrors: 4", status(502), Some(4)),
        ("resets-are-server-errors", "consecutive5xxErrors: 3", reset.clone(), Some(3)),
        (
            "local-origin",
            "splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2, consecutive5xxErrors: 0",
            reset,
            Some(2),
        ),
        (
            "local-origin-not",
            "splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2, consecutive5xxErrors: 0",
            status(503),
            None,
        ),
        ("listed-codes", "outlierDetectionHttpErrorCodes: [404], consecutive5xxErrors: 3", status(404), Some(3)),
        ("listed-codes-not", "outlierDetectionHttpErrorCodes: [404], consecutive5xxErrors: 3", status(500), None),
    ];
    world()?.tell(|world| {
        for (mark, detector, failing, ejected_after) in cases {
            let rule = format!("{{{detector}, interval: 60s, baseEjectionTime: 60s, maxEjectionPercent: 100}}");
            watched(world, mark, &rule)?;
            let (failed, answers) = failures(world, &failing, 40)?;
            match ejected_after {
                Some(count) => {
                    ensure!(failed == count, "{mark}: {failed} failures were seen");
                    ensure!(answers[25..].iter().all(|got| got.name() != "web-v1"), "{mark}: it was not ejected");
                }
                // It gets its share to the end.
                None => ensure!(failed > 6 && answers[30..].iter().any(|got| got.status != 200), "{mark}: {failed}"),
            }
        }
        // The mesh says it where no rule does.
        let detector = "consecutive5xxErrors: 3, interval: 60s, baseEjectionTime: 60s, maxEjectionPercent: 100";
        let mesh = format!(
            "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: {{defaultTrafficPolicy: {{outlierDetection: {{{detector}}}}}}}}}\n"
        );
        applied(world, "mesh.yaml", "mesh-wide", &mesh)?;
        let http = "  - retries: {attempts: 0}\n    route: [{destination: {host: web}}]\n";
        applied(world, "rule.yaml", "unsaid", &routes(http))?;
        let (failed, _) = failures(world, &status(500), 60)?;
        ensure!(failed == 3, "of the mesh: {failed} failures were seen");
        Ok(())
    })
}

/// Asks with a connection of its own each time: who answered.
const CLIENT: &str = r#"
import http.client, json

def ask(failing=None):
    connection = http.client.HTTPConnection("web.shop", 80, timeout=30)
    connection.request("GET", "/", headers={"x-reflect-status": f"{failing}=500"} if failing else {})
    answer = connection.getresponse()
    name = json.loads(answer.read())["name"]
    connection.close()
    return name

def asked(count, failing=None):
    return [ask(failing) for _ in range(count)]
"#;

#[test]
fn ejections_end_and_have_a_limit() -> Result<()> {
    world()?.tell(|world| {
        watched(world, "short", "{consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 8s, maxEjectionPercent: 100}")?;
        // What is ejected is so for its caller: it is the same one throughout.
        let mut client = world.captured_console("shop", &[], CLIENT)?;
        let names = client.ask("asked(20, 'web-v1')")?;
        let of_v1 = |names: &Value| names.as_array().into_iter().flatten().filter(|name| **name == "web-v1").count();
        ensure!(of_v1(&names) == 1, "{names}");
        // Without the rule it would be 30 s.
        let since = Instant::now();
        wait_for("the ejected endpoint to come back", SOON, || Ok((client.text("ask()")? == "web-v1").then_some(())))?;
        ensure!(since.elapsed() < Duration::from_secs(20), "it took {:?}", since.elapsed());

        // Two of three fail, and both may be ejected, or one of them.
        watched(world, "two", "{consecutive5xxErrors: 1, interval: 60s, baseEjectionTime: 60s, maxEjectionPercent: 67}")?;
        let mut client = world.captured_console("shop", &[], CLIENT)?;
        client.ask("asked(20, 'web-v1')")?;
        let names = client.ask("asked(40, 'web-v2')")?;
        let of_v2 = |names: &Value| names.as_array().into_iter().flatten().filter(|name| **name == "web-v2").count();
        ensure!(of_v1(&names) == 0 && of_v2(&names) == 1, "{names}");
        watched(world, "limit", "{consecutive5xxErrors: 1, interval: 60s, baseEjectionTime: 60s, maxEjectionPercent: 34}")?;
        let mut client = world.captured_console("shop", &[], CLIENT)?;
        let names = client.ask("asked(20, 'web-v1') + asked(40, 'web-v2')")?;
        ensure!(of_v1(&names) == 1, "{names}");
        ensure!(of_v2(&names) > 15, "more were ejected than may be: {names}");

        // Where too few would be left, ejections are disregarded.
        let panic = "{consecutive5xxErrors: 1, interval: 60s, baseEjectionTime: 60s, maxEjectionPercent: 100, minHealthPercent: 90}";
        watched(world, "panic", panic)?;
        let mut client = world.captured_console("shop", &[], CLIENT)?;
        let names = client.ask("asked(40, 'web-v1')")?;
        ensure!(of_v1(&names) > 6, "{names}");
        Ok(())
    })
}

/// Whom the callee's node lets nobody in to is well all the same: it is not called again for the same request, and is there
/// as soon as the policy is gone.
#[test]
fn a_policy_of_the_callee_is_no_failure_of_it() -> Result<()> {
    world()?.tell(|world| {
        let strict = "{consecutive5xxErrors: 1, interval: 60s, baseEjectionTime: 60s, maxEjectionPercent: 100}";
        watched(world, "strict", strict)?;
        let nobody = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: nobody, namespace: shop}\nspec: {}\n";
        applied(world, "policy.yaml", "nobody", nobody)?;
        let asked = || curl(world, &["http://web.shop/"; 20]);
        for got in asked()? {
            ensure!(got.status == 403 && got.body.contains("RBAC: access denied"), "{} {}", got.status, got.body);
        }
        applied(world, "policy.yaml", "everybody", "")?;
        for got in asked()? {
            ensure!(got.status == 200, "{} {}", got.status, got.body);
        }
        Ok(())
    })
}
