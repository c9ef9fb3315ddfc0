//! Which endpoint gets a request (`loadBalancer`).
//!
//! All requests of a series go by one connection of one caller, so that one worker decides about all of them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, observe::applied};
use ripstop_world::{Console, SOON, World, wait_for};

const SERVER: &str = include_str!("counting.py");
const CALLER: &str = include_str!("caller.py");

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
";

/// Failures are seen, not hidden.
const ROUTES: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http:
  - retries: {attempts: 0}
    route: [{destination: {host: web}}]
---
";

/// Ejects at the first failure, for longer than any story takes.
const EJECTING: &str =
    "outlierDetection: {consecutive5xxErrors: 1, interval: 60s, baseEjectionTime: 600s, maxEjectionPercent: 100}";

fn world() -> Result<World> {
    let world = World::start(&[("nodes.yaml", NODES), ("web.yaml", SERVICE)])?;
    world.enrol("shop", true)?;
    Ok(world)
}

/// A workload at `node` that has labels and runs `program`.
fn workload(world: &World, node: &str, labels: &[&str], program: &str) -> Result<Console> {
    let labels = labels.iter().flat_map(|label| ["--label", label]);
    let flags: Vec<&str> = ["--node", node].into_iter().chain(labels).collect();
    world.captured_console("shop", &flags, program)
}

/// An endpoint of the service.
fn server(world: &World, labels: &[&str]) -> Result<Console> {
    workload(world, "west", &[labels, &["app=web"]].concat(), SERVER)
}

fn caller(world: &World, labels: &[&str]) -> Result<Console> {
    workload(world, "east", labels, CALLER)
}

/// Waits until a caller reaches all of `servers`, and puts the service's rules in force.
fn ready(world: &World, servers: &[&Console]) -> Result<()> {
    let mut probe = caller(world, &[])?;
    let mut missing: Vec<&str> = servers.iter().map(|server| server.name()).collect();
    wait_for("all servers to answer", SOON, || {
        if let Ok(name) = probe.text("names('web.shop', 1)[0] if not kept.clear() else 0") {
            missing.retain(|missing| **missing != name);
        }
        Ok(missing.is_empty().then_some(()))
    })
    .with_context(|| world.story_so_far())?;
    world.settle()
}

fn balanced(world: &World, mark: &str, policy: &str) -> Result<()> {
    let rule = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec: {{host: web, trafficPolicy: {{{policy}}}}}\n"
    );
    applied(world, "rule.yaml", mark, &format!("{ROUTES}{rule}"))
}

/// Who answers `count` requests, in their order.
fn names(caller: &mut Console, count: usize) -> Result<Vec<String>> {
    let names = caller.ask(&format!("names('web.shop', {count})"))?;
    Ok(serde_json::from_value(names)?)
}

/// How many of `count` requests each of `servers` answers.
fn shares<const N: usize>(caller: &mut Console, servers: [&str; N], count: usize) -> Result<[usize; N]> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in names(caller, count)? {
        *counts.entry(name).or_default() += 1;
    }
    let shares = servers.map(|server| counts.get(server).copied().unwrap_or_default());
    ensure!(shares.iter().sum::<usize>() == count, "{counts:?}");
    Ok(shares)
}

#[test]
fn each_algorithm_spreads_requests_in_its_own_way() -> Result<()> {
    world()?.tell(|world| {
        let mut servers = [server(world, &[])?, server(world, &[])?, server(world, &[])?];
        ready(world, &servers.each_ref())?;
        let all = servers.each_ref().map(|server| server.name().to_owned());
        let all = all.each_ref().map(String::as_str);
        let mut caller = caller(world, &[])?;

        balanced(world, "in-turn", "loadBalancer: {simple: ROUND_ROBIN}")?;
        let shares_in_turn = shares(&mut caller, all, 30)?;
        ensure!(shares_in_turn == [10; 3], "{shares_in_turn:?}");

        balanced(world, "at-random", "loadBalancer: {simple: RANDOM}")?;
        let answers = names(&mut caller, 90)?;
        ensure!(all.iter().all(|name| answers.iter().any(|answer| answer == name)), "{answers:?}");
        // Thirty times each of three in a row, by chance: once in 10^19.
        let in_turn = answers.chunks(3).all(|three| all.iter().all(|name| three.iter().any(|answer| answer == name)));
        ensure!(!in_turn, "{answers:?}");

        // One of them has a request that takes long.
        for (mark, simple) in [("by-load", "LEAST_REQUEST"), ("in-turn-again", "ROUND_ROBIN")] {
            balanced(world, mark, &format!("loadBalancer: {{simple: {simple}}}"))?;
            for server in &mut servers {
                server.ask("hold()")?;
            }
            caller.ask(&format!("begin('web.shop', '{mark}')"))?;
            let busy = wait_for("the request to arrive", SOON, || {
                for server in &mut servers {
                    if server.ask("sum(one.active for one in connections)")? == 1 {
                        return Ok(Some(server.name().to_owned()));
                    }
                }
                Ok(None)
            })?;
            let answers = names(&mut caller, 30)?;
            let of_busy = answers.iter().filter(|name| **name == busy).count();
            let expected = if simple == "ROUND_ROBIN" { 10 } else { 0 };
            ensure!(of_busy == expected, "{simple}: {of_busy} of 30 went to {busy}: {answers:?}");
            for server in &mut servers {
                server.ask("release()")?;
            }
            caller.ask(&format!("finish('{mark}')"))?;
            // Whoever has nothing to do any more is as good as the others: none of 60, by chance, once in 10^10.
            let answers = names(&mut caller, 60)?;
            ensure!(answers.contains(&busy), "{simple}: {answers:?}");
        }
        Ok(())
    })
}

/// A TrafficPolicy of the service, whose averages of latencies fall that fast.
fn by_latency(world: &World, mark: &str, settings: &str) -> Result<()> {
    let policy = format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: web, namespace: shop}}\nspec: {{targetRefs: [{{kind: Service, name: web}}], loadBalancer: {{peakEwma: {{{settings}}}}}}}\n"
    );
    applied(world, "rule.yaml", mark, &format!("{ROUTES}{policy}"))
}

/// One request after the other: whoever balances by requests alone sees three idle servers all the time.
#[test]
fn who_is_slow_or_fails_fast_gets_hardly_any_until_it_is_well() -> Result<()> {
    world()?.tell(|world| {
        let mut servers = [server(world, &[])?, server(world, &[])?, server(world, &[])?];
        ready(world, &servers.each_ref())?;
        let all = servers.each_ref().map(|server| server.name().to_owned());
        let mut caller = caller(world, &[])?;
        // How many of 90 requests are answered by the first server, or fail.
        let ends = |caller: &mut Console| -> Result<[usize; 2]> {
            let fates: Vec<serde_json::Value> = serde_json::from_value(caller.ask("fates('web.shop', 90)")?)?;
            let count = |wanted: serde_json::Value| fates.iter().filter(|fate| **fate == wanted).count();
            Ok([count(all[0].as_str().into()), count(500.into())])
        };

        servers[0].ask("become(0.2, False)")?;
        balanced(world, "by-requests", "loadBalancer: {simple: LEAST_REQUEST}")?;
        let [slow, _] = ends(&mut caller)?;
        ensure!(slow > 10, "{slow} of 90 went to the slow one, though nothing speaks against it");

        by_latency(world, "by-latency", "decay: 20s")?;
        wait_for("the slow one to get hardly any", SOON, || Ok((ends(&mut caller)?[0] <= 5).then_some(())))?;
        let explained = world.cli(&["explain", "--from", &format!("shop/{}", caller.name()), "--to", "web.shop:80"])?;
        ensure!(explained.contains("balanced by latency"), "{explained}");

        // Now that one answers at once, but with errors, which would be worth it by its latency.
        servers[0].ask("become(0, True)")?;
        by_latency(world, "by-latency-and-errors", "decay: 1s, penalty: 2s")?;
        wait_for("the failing one to be found out", SOON, || Ok((ends(&mut caller)?[1] > 0).then_some(())))?;
        wait_for("few to fail", SOON, || Ok((ends(&mut caller)?[1] <= 5).then_some(())))?;
        balanced(world, "by-requests-again", "loadBalancer: {simple: LEAST_REQUEST}")?;
        let [_, failed] = ends(&mut caller)?;
        ensure!(failed > 10, "{failed} of 90 failed, though nothing speaks against the one that fails");

        servers[0].ask("become(0, False)")?;
        by_latency(world, "by-latency-again", "decay: 1s, penalty: 2s")?;
        wait_for(
            "the one that is well again to have its share",
            SOON,
            || Ok((ends(&mut caller)?[0] > 10).then_some(())),
        )
        .with_context(|| world.story_so_far())
    })
}

/// Labels of a place.
fn place(region: &str, zone: &str) -> [String; 2] {
    [format!("topology.kubernetes.io/region={region}"), format!("topology.kubernetes.io/zone={zone}")]
}

#[test]
fn nearer_endpoints_come_first_and_shares_are_kept() -> Result<()> {
    world()?.tell(|world| {
        let placed = |region: &str, zone: &str, more: &str| {
            let [region, zone] = place(region, zone);
            server(world, &[&region, &zone, more])
        };
        let servers =
            [placed("r1", "z1", "tier=wood")?, placed("r1", "z2", "tier=gold")?, placed("r2", "z1", "tier=wood")?];
        ready(world, &servers.each_ref())?;
        let all = servers.each_ref().map(|server| server.name().to_owned());
        let all = all.each_ref().map(String::as_str);
        let called_from = |region: &str, zone: &str| {
            let [region, zone] = place(region, zone);
            caller(world, &[&region, &zone, "tier=gold"])
        };
        let rule = |mark: &str, locality: &str, more: &str| {
            balanced(
                world,
                mark,
                &format!("loadBalancer: {{simple: ROUND_ROBIN, localityLbSetting: {{{locality}}}}}{more}"),
            )
        };
        let ejecting = format!(", {EJECTING}");

        // By distance, until they fail: then the next.
        rule("nearest", "enabled: true", &ejecting)?;
        let mut near = called_from("r1", "z1")?;
        for first in 0..3 {
            let mut expected = [0; 3];
            expected[first] = 12;
            let shares = shares(&mut near, all, 12)?;
            ensure!(shares == expected, "{first} are ejected: {shares:?}");
            if first < 2 {
                ensure!(near.ask("ask('web.shop', path='/fail')")? == 500, "nobody fails");
            }
        }

        // (mark, setting, what else, whether it is called from elsewhere, shares of 100)
        let cases = [
            ("without-ejection", "enabled: true", "", false, None),
            ("disabled", "enabled: false", &*ejecting, false, None),
            ("by-share", "distribute: [{from: r1/z1/*, to: {r1/z1/*: 80, r2/*: 20}}]", "", false, Some([80, 0, 20])),
            ("by-region", "failover: [{from: r9, to: r2}]", &*ejecting, true, Some([0, 0, 100])),
            ("of-another-region", "failover: [{from: r8, to: r2}]", &*ejecting, true, None),
            ("by-label", "failoverPriority: [tier]", &*ejecting, false, Some([0, 100, 0])),
        ];
        for (mark, setting, more, from_elsewhere, expected) in cases {
            rule(mark, setting, more)?;
            let (region, zone) = if from_elsewhere { ("r9", "z1") } else { ("r1", "z1") };
            let mut caller = called_from(region, zone)?;
            let shares = match expected {
                Some(_) => shares(&mut caller, all, 100)?,
                None => shares(&mut caller, all, 99)?,
            };
            ensure!(shares == expected.unwrap_or([33; 3]), "{mark}: {shares:?}");
        }
        // The mesh says it where no rule does.
        let mesh = "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}\nspec: {meshConfig: {localityLbSetting: {distribute: [{from: r1/z1/*, to: {r1/z2/*: 60, r2/*: 40}}]}}}\n";
        applied(world, "mesh.yaml", "of-the-mesh", mesh)?;
        balanced(world, "unsaid", "loadBalancer: {simple: ROUND_ROBIN}")?;
        let mut caller = called_from("r1", "z1")?;
        let shares = shares(&mut caller, all, 100)?;
        ensure!(shares == [0, 60, 40], "of the mesh: {shares:?}");
        Ok(())
    })
}

#[test]
fn zones_keep_their_calls_as_far_as_their_endpoints_can_carry_them() -> Result<()> {
    world()?.tell(|world| {
        let callers = "apiVersion: v1\nkind: Service\nmetadata: {name: callers, namespace: shop}\nspec: {selector: {app: caller}, ports: [{name: http, port: 80, targetPort: 8080}]}\n";
        applied(world, "callers.yaml", "callers", callers)?;
        let labels = |zone: &str| place("r1", zone);
        let placed = |zone: &str| {
            let [region, zone] = labels(zone);
            server(world, &[&region, &zone])
        };
        let servers = [placed("z1")?, placed("z2")?];
        ready(world, &servers.each_ref())?;
        let all = servers.each_ref().map(|server| server.name().to_owned());
        let all = all.each_ref().map(String::as_str);
        let called_from = |zone: &str| {
            let [region, zone] = labels(zone);
            caller(world, &[&region, &zone, "app=caller"])
        };
        let rule = |mark: &str, least: u32| {
            let setting = format!("zoneAwareLbSetting: {{minClusterSize: {least}}}");
            balanced(world, mark, &format!("loadBalancer: {{simple: ROUND_ROBIN, {setting}}}"))
        };
        // Half of the endpoints are at home, and nobody calls from elsewhere: half of the calls stay.
        rule("alone", 2)?;
        let mut near = called_from("z1")?;
        let alone = shares(&mut near, all, 30)?;
        ensure!(alone == [15, 15], "{alone:?}");
        // As many call from the other zone: each is served at home.
        let _far = called_from("z2")?;
        let mut last = [0; 2];
        wait_for("calls to stay at home", SOON, || {
            last = shares(&mut near, all, 30)?;
            Ok((last == [30, 0]).then_some(()))
        })
        .with_context(|| format!("{last:?}\n{}", world.story_so_far()))?;
        rule("too-few", 3)?;
        let alike = shares(&mut near, all, 30)?;
        ensure!(alike == [15, 15], "{alike:?}");
        Ok(())
    })
}

#[test]
fn whoever_says_no_place_is_where_its_node_is() -> Result<()> {
    world()?.tell(|world| {
        for (node, region) in [("east", "r1"), ("west", "r2")] {
            world.cli(&["label", "node", node, &format!("topology.kubernetes.io/region={region}")])?;
        }
        let at = |node: &str| workload(world, node, &["app=web"], SERVER);
        let elsewhere = server(world, &["topology.kubernetes.io/region=r3"])?;
        let servers = [at("west")?, at("east")?, elsewhere];
        ready(world, &servers.each_ref())?;
        let all = servers.each_ref().map(|server| server.name().to_owned());
        let all = all.each_ref().map(String::as_str);
        balanced(world, "nearest", &format!("loadBalancer: {{localityLbSetting: {{enabled: true}}}}, {EJECTING}"))?;
        let mut caller = caller(world, &[])?;
        ensure!(shares(&mut caller, all, 12)? == [0, 12, 0], "not the one of its own node");
        // The node turns out to be elsewhere.
        world.cli(&["label", "node", "east", "topology.kubernetes.io/region=r3"])?;
        world.settle()?;
        let mut last = [0; 3];
        wait_for("those of its new region", SOON, || {
            last = shares(&mut caller, all, 12)?;
            Ok((last[0] == 0 && last[1] > 0 && last[2] > 0).then_some(()))
        })
        .with_context(|| format!("{last:?}\n{}", world.story_so_far()))
    })
}

#[test]
fn a_new_endpoint_gets_its_share_little_by_little() -> Result<()> {
    const WARMUP: Duration = Duration::from_secs(20);
    world()?.tell(|world| {
        balanced(world, "warming", "loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 20s, minimumPercent: 5}}")?;
        let old = server(world, &[])?;
        ready(world, &[&old])?;
        let mut caller = caller(world, &[])?;
        ensure!(names(&mut caller, 3)?.iter().all(|name| name == old.name()), "somebody else answered");
        let known = Instant::now();
        wait_for("the old one to be warm", SOON, || Ok((known.elapsed() > WARMUP).then_some(())))?;

        let new = server(world, &[])?;
        let all = [old.name(), new.name()];
        let at_first = wait_for("the new one to be called", SOON, || {
            let counts = shares(&mut caller, all, 60)?;
            Ok((counts[1] > 0).then_some(counts))
        })?;
        ensure!(at_first[1] * 2 < at_first[0], "it got its share at once: {at_first:?}");
        wait_for("the new one to have its share", 2 * SOON, || {
            Ok((shares(&mut caller, all, 60)? == [30, 30]).then_some(()))
        })
        .with_context(|| world.story_so_far())
    })
}
