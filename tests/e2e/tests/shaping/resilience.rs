//! What holds load and latency within bounds (`adaptiveConcurrency` and `hedging` of a `TrafficPolicy`).

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, observe::applied, shop::world};
use ripstop_world::{SOON, World, wait_for};

const SERVER: &str = include_str!("counting.py");
const CALLER: &str = include_str!("caller.py");

/// A policy of `other`, which has one endpoint, on node `east`.
fn policy(world: &World, mark: &str, says: &str) -> Result<()> {
    let policy = format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: other, namespace: shop}}\nspec:\n  targetRefs: [{{kind: Service, name: other}}]\n  {says}\n"
    );
    applied(world, "resilience.yaml", mark, &policy)?;
    let findings = world.cli(&["get", "findings"])?;
    ensure!(!findings.contains("TrafficPolicy"), "{findings}");
    Ok(())
}

/// How many of eight requests at once are answered, and how many are refused since there are enough.
fn eight_at_once(world: &World) -> Result<(usize, usize)> {
    let script = "for i in $(seq 8); do curl -s -o /dev/null -m 30 -w '%{http_code} %header{x-envoy-overloaded}\\n' -H 'x-envoy-max-retries: 0' -H 'x-reflect-delay-ms: 2000' http://other.shop/ & done; wait";
    let told = world.shell("shop", script)?;
    let counted = |wanted: &str| told.lines().filter(|line| line.trim() == wanted).count();
    let (answered, refused) = (counted("200"), counted("503 true"));
    ensure!(answered + refused == 8, "{told}\n{}", world.story_so_far());
    Ok((answered, refused))
}

/// A metric of what the node of `other` knows of it.
fn known(world: &World, metric: &str) -> Result<Option<f64>> {
    let begin = format!("ripstop_adaptive_concurrency_{metric}{{policy=\"shop/other\",");
    let metrics = world.cli(&["metrics", "node-east"])?;
    let line = metrics.lines().find(|line| line.starts_with(&begin));
    Ok(line.and_then(|line| line.rsplit(' ').next()?.parse().ok()))
}

#[test]
fn an_instance_gets_as_many_requests_as_it_takes() -> Result<()> {
    world()?.tell(|world| {
        policy(
            world,
            "two",
            "adaptiveConcurrency: {minConcurrency: 2, maxConcurrency: 2, minRtt: {fixed: 100ms}}",
        )?;
        // All of eight have to come before the first is answered: on a busy machine they are asked again.
        let mut refused = 0;
        wait_for("two at a time", SOON, || {
            let two = eight_at_once(world)?;
            refused += u32::try_from(two.1)?;
            ensure!(two == (2, 6), "{two:?}");
            Ok(Some(()))
        })
        .with_context(|| world.story_so_far())?;
        let told = known(world, "refused_total")?;
        ensure!(told == Some(f64::from(refused)), "{}", world.cli(&["metrics", "node-east"])?);
        ensure!(known(world, "min_rtt_seconds")? == Some(0.1), "{}", world.cli(&["metrics", "node-east"])?);
        let told = world.cli(&["explain", "--from", "shop/web-v1", "--to", "other.shop:80", "--path", "/"])?;
        ensure!(told.contains("what is more than it takes is refused with 503: 2 to 2 requests at once"), "{told}");

        let table = world.cli(&["config", "concurrency"])?;
        let words = ["shop/other-v1-0:8080", "shop/other", "100.0ms"];
        ensure!(words.iter().all(|word| table.contains(word)), "{table}");

        // Left to itself it grows with what is asked of it, as long as answers are fast: whoever is fast gets more.
        policy(
            world,
            "adapting",
            "adaptiveConcurrency: {minConcurrency: 2, updateInterval: 50ms, buffer: 100, minRtt: {fixed: 500ms}}",
        )?;
        let busy = "for i in $(seq 6); do (for j in $(seq 40); do curl -s -o /dev/null -m 30 http://other.shop/; done) & done; wait";
        wait_for("the limit to grow", SOON, || {
            world.shell("shop", busy)?;
            Ok(known(world, "limit")?.filter(|limit| *limit >= 6.0))
        })
        .with_context(|| world.story_so_far())?;
        // And shrinks when they are slow.
        wait_for("the limit to shrink", SOON, || {
            eight_at_once(world)?;
            Ok(known(world, "limit")?.filter(|limit| *limit <= 5.0))
        })
        .with_context(|| world.story_so_far())?;
        applied(world, "resilience.yaml", "without", "")?;
        let all = eight_at_once(world)?;
        ensure!(all == (8, 0), "{all:?}");
        Ok(())
    })
}

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
";

#[test]
fn a_request_that_takes_long_is_sent_to_another_endpoint_too() -> Result<()> {
    let world = World::start(&[("nodes.yaml", NODES), ("web.yaml", SERVICE)])?;
    world.enrol("shop", true)?;
    world.tell(|world| {
        let server = || world.captured_console("shop", &["--node", "west", "--label", "app=web"], SERVER);
        let (mut slow, mut fast) = (server()?, server()?);
        let mut caller = world.captured_console("shop", &["--node", "east"], CALLER)?;
        let hedged = |mark: &str, hedging: &str| {
            applied(
                world,
                "hedging.yaml",
                mark,
                &format!(
                    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec: {{host: web, trafficPolicy: {{loadBalancer: {{simple: ROUND_ROBIN}}}}}}\n---\napiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: web, namespace: shop}}\nspec: {{targetRefs: [{{kind: Service, name: web}}], {hedging}retryBudget: {{percent: 100}}}}\n"
                ),
            )
        };
        let both = [slow.name().to_owned(), fast.name().to_owned()];
        hedged("without", "")?;
        wait_for("both to answer", SOON, || {
            let names = caller.ask("names('web.shop', 4)")?;
            let names: Vec<String> = serde_json::from_value(names)?;
            Ok(both.iter().all(|name| names.contains(name)).then_some(()))
        })
        .with_context(|| world.story_so_far())?;
        slow.ask("become(20, False)")?;
        hedged("hedged", "hedging: {delay: 1s}, ")?;
        let began = Instant::now();
        let names: Vec<String> = serde_json::from_value(caller.ask("names('web.shop', 6)")?)?;
        ensure!(names.iter().all(|name| name == fast.name()), "{names:?}\n{}", world.story_so_far());
        ensure!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        // The slow one got its turns, and heard that nobody waits.
        ensure!(slow.ask("sum(one.requests for one in connections) > 2")? == true, "it was not asked");
        wait_for("the slow one to hear that", SOON, || {
            let open = slow.ask("sum(one.is_open and one.active for one in connections)")?;
            Ok((open == 0).then_some(()))
        })
        .with_context(|| world.story_so_far())?;
        let metrics = world.cli(&["metrics", "node-east"])?;
        let counted = |result: &str| {
            let end = format!("result=\"{result}\"}} ");
            let lines = metrics.lines().filter(|line| line.starts_with("ripstop_hedged_requests_total{"));
            lines.filter_map(|line| line.split_once(&end)?.1.parse::<u64>().ok()).sum::<u64>()
        };
        ensure!(counted("sent") >= 3 && counted("won") == counted("sent"), "{metrics}");

        // What may change something is sent once, unless somebody says that it may be sent twice.
        let post = |caller: &mut ripstop_world::Console| caller.ask("timed('web.shop', 'POST')");
        let took = |answer: &serde_json::Value| answer.as_f64().unwrap_or_default();
        fast.ask("become(2, False)")?;
        slow.ask("become(2, False)")?;
        let before = counted("sent");
        ensure!(took(&post(&mut caller)?) > 1.9, "it was not waited for");
        let after = world.cli(&["metrics", "node-east"])?;
        ensure!(after.contains(&format!("result=\"sent\"}} {before}\n")), "{after}");
        let told = world.cli(&["explain", "--from", "shop/console", "--to", "web.shop:80", "--path", "/"]);
        ensure!(told.is_err() || told?.contains("hedged: up to 2 attempts"), "explain says nothing of it");
        hedged("posts-too", "hedging: {delay: 1s, methods: [POST]}, ")?;
        fast.ask("become(0, False)")?;
        slow.ask("become(20, False)")?;
        let unchanged = format!("result=\"sent\"}} {before}\n");
        wait_for("one that is sent twice", SOON, || {
            let took = took(&post(&mut caller)?);
            ensure!(took < 15.0, "it took {took} s");
            Ok((!world.cli(&["metrics", "node-east"])?.contains(&unchanged)).then_some(()))
        })
        .with_context(|| world.story_so_far())
    })
}
