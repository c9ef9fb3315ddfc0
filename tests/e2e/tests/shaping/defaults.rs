//! What the mesh says of requests where no rule does (`meshConfig`).

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES,
    curl::{curl, one},
    observe::applied,
    reflect, service,
    shop::routes,
};
use ripstop_world::{SOON, World, wait_for};

/// Two servers behind one service, which take turns.
fn world() -> Result<World> {
    let files = [
        ("nodes.yaml", NODES.to_owned()),
        ("service.yaml", service("web", "shop", "http")),
        ("v1.yaml", reflect("web", "v1", "shop", "west")),
        ("v2.yaml", reflect("web", "v2", "shop", "east")),
        (
            "rule.yaml",
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: shop}\nspec: {host: web, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}\n".to_owned(),
        ),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let world = World::start(&files)?;
    world.enrol("shop", true)?;
    world.settle()?;
    Ok(world)
}

/// The mesh has these settings.
fn mesh(world: &World, mark: &str, config: &str) -> Result<()> {
    let text = format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: {{{config}}}}}\n"
    );
    applied(world, "mesh.yaml", mark, &text)
}

#[test]
fn requests_are_tried_again_as_the_mesh_says() -> Result<()> {
    world()?.tell(|world| {
        applied(world, "routes.yaml", "routed", &routes("  - route: [{destination: {host: web}}]\n"))?;
        let failing = "curl -s -m 60 -o /dev/null -w '%{http_code}\\n' -H 'x-reflect-status: web-v1=500' 'http://web.shop/?n=[1-6]'";
        // Half of the first attempts fail; of the others is another one.
        for (mark, attempts, expected) in [("never", 0, 3), ("again", 2, 6)] {
            mesh(world, mark, &format!("defaultHttpRetryPolicy: {{attempts: {attempts}, retryOn: 5xx}}"))?;
            let told = world.shell("shop", failing)?;
            let good = told.lines().filter(|line| *line == "200").count();
            ensure!(good == expected, "{mark}: {told}");
        }
        // It would take longer than anybody waits.
        let slow = ["-H 'x-reflect-delay-ms: web-v1=60000' http://web.shop/"; 2];
        mesh(world, "in-time", "defaultHttpRetryPolicy: {attempts: 2, perTryTimeout: 2s, retryOn: reset}")?;
        let answers = curl(world, &slow)?;
        ensure!(answers.iter().all(|got| got.status == 200 && got.name() == "web-v2"), "{answers:?}");
        Ok(())
    })
}

#[test]
fn proxies_write_of_themselves_what_the_mesh_says() -> Result<()> {
    world()?.tell(|world| {
        const ASKED: [&str; 3] = ["x-request-id", "x-envoy-attempt-count", "x-forwarded-port"];
        let what = |is_written: bool| if is_written { "written" } else { "left out" };
        let told = |of: &str, expected: [bool; 3], server: &str, is_timed: bool| {
            applied(world, "routes.yaml", &format!("{of}-routes"), &routes("  - route: [{destination: {host: web}}]\n"))?;
            let got = one(world, "http://web.shop/")?;
            for (name, is_written) in ASKED.into_iter().zip(expected) {
                ensure!(got.header(name).is_empty() != is_written, "{of}: {name} is not {}: {got:?}", what(is_written));
            }
            ensure!(got.field("server") == server, "{of}: {got:?}");
            ensure!(got.field("x-envoy-upstream-service-time").is_empty() != is_timed, "{of}: {got:?}");
            Ok(())
        };
        mesh(world, "unsaid", "")?;
        told("unsaid", [true, true, false], "istio-envoy", true)?;
        let off = "{disabled: true}";
        let headers = format!(
            "requestId: {off}, attemptCount: {off}, envoyDebugHeaders: {off}, server: {{value: mesh}}, xForwardedPort: {{enabled: true}}"
        );
        mesh(world, "said", &format!("defaultConfig: {{proxyHeaders: {{{headers}}}}}"))?;
        told("said", [false, false, true], "mesh", false)
    })
}

#[test]
fn requests_are_told_of_as_the_mesh_says() -> Result<()> {
    world()?.tell(|world| {
        for (mark, providers, path, is_told) in [
            ("nobody", "[]", "/unsaid", false),
            ("envoy", "[envoy]", "/said", true),
            ("nobody-again", "[]", "/unsaid-again", false),
        ] {
            mesh(world, mark, &format!("defaultProviders: {{accessLogging: {providers}}}"))?;
            ensure!(one(world, &format!("http://web.shop{path}"))?.status == 200);
            if is_told {
                let wanted = format!("\"GET {path} HTTP/1.1\" 200 ");
                wait_for(&wanted, SOON, || Ok(access_logs(world)?.contains(&wanted).then_some(())))
                    .with_context(|| world.story_so_far())?;
            }
        }
        let told = access_logs(world)?;
        ensure!(!told.contains("/unsaid"), "{told}");
        Ok(())
    })
}

/// What both nodes have written.
fn access_logs(world: &World) -> Result<String> {
    Ok(world.cli(&["logs", "node-east"])? + &world.cli(&["logs", "node-west"])?)
}

/// Ways to write one path.
const PATHS: [&str; 4] = ["/a/b", "/a/./b", "/a//b", "/a%2Fb"];

#[test]
fn paths_are_compared_as_the_mesh_says() -> Result<()> {
    world()?.tell(|world| {
        let rule = "  - match: [{uri: {exact: /a/b}}]\n    directResponse: {status: 418}\n  - route: [{destination: {host: web}}]\n";
        applied(world, "routes.yaml", "routed", &routes(rule))?;
        for (mark, normalization, alike) in
            [("none", "NONE", 1), ("base", "BASE", 2), ("slashes", "MERGE_SLASHES", 3), ("all", "DECODE_AND_MERGE_SLASHES", 4)]
        {
            mesh(world, mark, &format!("pathNormalization: {{normalization: {normalization}}}"))?;
            for (index, path) in PATHS.iter().enumerate() {
                let got = one(world, &format!("--path-as-is 'http://web.shop{path}'"))?;
                let expected = if index < alike { 418 } else { 200 };
                ensure!(got.status == expected, "{mark}, {path}: {got:?}");
            }
        }
        Ok(())
    })
}
