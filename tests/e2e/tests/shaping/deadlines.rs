//! How long a request may take goes on from hop to hop.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, observe::applied, reflect, service};
use ripstop_world::World;

const COUNTING: &str = include_str!("counting.py");

/// Rules of `fast`: a time for the whole, and none.
fn rule(timeout: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: fast, namespace: shop}}\nspec: {{hosts: [fast], http: [{{{timeout}retries: {{attempts: 0}}, route: [{{destination: {{host: fast}}}}]}}]}}\n"
    )
}

/// What the application was told of its time, in milliseconds.
fn told(world: &World, header: &str) -> Result<Option<u64>> {
    let script = format!("curl -s -m 20 {header} http://fast.shop/");
    let output = world.run("office", &[], &script)?;
    let asked: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{}\n{}", String::from_utf8_lossy(&output.stdout), world.story_so_far()))?;
    let told = &asked["headers"]["x-envoy-expected-rq-timeout-ms"];
    let told = told.as_str().or_else(|| told[0].as_str());
    Ok(told.and_then(|told| told.parse().ok()))
}

#[test]
fn what_is_left_of_the_time_goes_on_to_the_next_hop() -> Result<()> {
    let fast = service("fast", "shop", "http") + "---\n" + &reflect("fast", "v1", "shop", "west");
    let slow = service("slow", "shop", "http") + &rule("timeout: 20s, ").replace("fast", "slow");
    let world = World::start(&[("nodes.yaml", NODES), ("fast.yaml", &fast), ("slow.yaml", &slow)])?;
    world.tell(|world| {
        for namespace in ["shop", "office"] {
            world.enrol(namespace, true)?;
        }
        let mut slow = world.captured_console("shop", &["--node", "west", "--label", "app=slow"], COUNTING)?;
        world.settle()?;
        applied(world, "rule.yaml", "without", &rule(""))?;
        let left = "-H 'x-envoy-expected-rq-timeout-ms: 5000'";
        ensure!(told(world, "")?.is_none(), "there is no time to tell of");
        let endless = told(world, left)?;
        ensure!(endless.is_none_or(|told| told == 5000), "what has no end gets none: {endless:?}");
        applied(world, "rule.yaml", "with", &rule("timeout: 3s, "))?;
        let of_rule = told(world, left)?;
        ensure!(of_rule.is_some_and(|told| (1..=3000).contains(&told)), "{of_rule:?}");
        let less = told(world, "-H 'x-envoy-expected-rq-timeout-ms: 2000'")?;
        ensure!(less.is_some_and(|told| (1..=2000).contains(&told)), "{less:?}");

        // Nobody waits for longer than that, and whoever is slow is not ejected for it.
        let ejecting = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: slow, namespace: shop}\nspec: {host: slow, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1, consecutiveGatewayErrors: 1, interval: 1s, baseEjectionTime: 600s, maxEjectionPercent: 100}}}\n";
        applied(world, "ejecting.yaml", "ejecting", ejecting)?;
        let status = |header: &str, path: &str| -> Result<String> {
            let script = format!("curl -s -m 30 -o /dev/null -w '%{{http_code}}' {header} http://slow.shop{path}");
            Ok(String::from_utf8_lossy(&world.run("office", &[], &script)?.stdout).trim().to_owned())
        };
        let hasty = status("-H 'x-envoy-expected-rq-timeout-ms: 300'", "/wait")?;
        ensure!(hasty == "504", "{hasty}\n{}", world.story_so_far());
        let patient = status("", "/")?;
        ensure!(patient == "200", "{patient}\n{}", world.story_so_far());
        slow.ask("release()")?;
        Ok(())
    })
}
