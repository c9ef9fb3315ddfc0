//! Rules, subsets, policies and versions change while requests are under way: none fails, and none is answered by what
//! was before.
//!
//! `RIPSTOP_EDITS` (150; at a waypoint 60) and `RIPSTOP_RATE` (300, requests a second) say how much of it.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, observe::applied, reflect, service};
use ripstop_world::{SOON, World, wait_for};
use serde_json::{Value, json};

/// Keeps connections, for so many requests or for ever, and asks on each again and again. `turn()` begins a new epoch; `seen()` gives, for each epoch in
/// which requests began, by whom they were answered and how often.
const CLIENT: &str = r#"
import collections, http.client, itertools, json, threading

epoch, counts, failures = 0, collections.defaultdict(collections.Counter), []

def ask_for_ever(kept):
    connection = http.client.HTTPConnection("web.shop", 80, timeout=20)
    for number in itertools.count(1):
        began = epoch
        if kept and number % kept == 0:
            # The next request opens it anew.
            connection.close()
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            body = answer.read()
            name = json.loads(body)["name"] if answer.status == 200 else answer.status
        except Exception as error:
            failures.append(repr(error))
            connection = http.client.HTTPConnection("web.shop", 80, timeout=20)
            continue
        counts[began][name] += 1

def begin(connections, kept=None):
    for _ in range(connections):
        threading.Thread(target=ask_for_ever, args=(kept,), daemon=True).start()

def turn():
    global epoch
    epoch += 1

def seen():
    return [[dict(counts[number]) for number in range(epoch + 1)], list(failures)]
"#;

fn world() -> Result<World> {
    let mut files = vec![("nodes.yaml".to_owned(), NODES.to_owned())];
    for (version, node) in [("v1", "east"), ("v2", "west")] {
        files.push((format!("web-{version}.yaml"), reflect("web", version, "shop", node)));
    }
    files.push(("service.yaml".to_owned(), service("web", "shop", "http")));
    files.push(("rules.yaml".to_owned(), rules(0)));
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let world = World::start(&files)?;
    world.enrol("shop", true)?;
    world.settle()?;
    Ok(world)
}

/// Everything about `web`, a little otherwise for each number; all requests are allowed and answered by either version.
fn rules(number: usize) -> String {
    let weight = number % 101;
    let mut text = format!(
        "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec:
  hosts: [web]
  http:
  - timeout: {}s
    headers: {{response: {{set: {{x-number: '{number}'}}}}}}
    route:
    - {{destination: {{host: web, subset: v1}}, weight: {weight}}}
    - {{destination: {{host: web, subset: v2}}, weight: {}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: shop}}
spec:
  host: web
  trafficPolicy: {{connectionPool: {{http: {{http1MaxPendingRequests: {}}}}}}}
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}, trafficPolicy: {{loadBalancer: {{simple: {}}}}}}}
",
        20 + number % 7,
        100 - weight.min(100),
        1024 + number,
        ["RANDOM", "LEAST_REQUEST", "ROUND_ROBIN"][number % 3],
    );
    // It looks at requests: with it what passes unread is taken over, and without it the next is not read.
    if !number.is_multiple_of(2) {
        let _ = write!(
            text,
            "\
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: readers, namespace: shop}}
spec: {{rules: [{{to: [{{operation: {{methods: [GET], notPaths: [/never-{number}]}}}}]}}]}}
"
        );
    }
    text
}

fn from_environment(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

/// Of the files, as far as they are committed.
fn revision(world: &World) -> Result<u64> {
    world.json(&["status"])?["revision"].as_u64().context("no revision")
}

fn version(world: &World) -> Result<u64> {
    world.json(&["status"])?["version"].as_u64().context("no version")
}

#[test]
fn edits_fail_no_request() -> Result<()> {
    edits_fail_none(world()?, from_environment("RIPSTOP_EDITS", 150), rules)
}

/// Where routes act and policies are attached to the service.
#[test]
fn edits_fail_no_request_at_a_waypoint() -> Result<()> {
    let world = world()?;
    world.cli(&["waypoint", "apply", "-n", "shop", "--enroll-namespace", "--wait"])?;
    world.settle()?;
    let attached = |number: usize| {
        rules(number).replace("spec: {rules", "spec: {targetRefs: [{kind: Service, group: '', name: web}], rules")
    };
    edits_fail_none(world, from_environment("RIPSTOP_EDITS", 60), attached)
}

fn edits_fail_none(world: World, edits: usize, rules: impl Fn(usize) -> String) -> Result<()> {
    let rate = from_environment("RIPSTOP_RATE", 300);
    world.tell(|world| {
        let rate = rate.to_string();
        let load =
            ["bookinfo", "load", "--url", "http://web.shop.svc.cluster.local/", "--rate", &rate, "--connections", "16"];
        let load = world.client("shop", &[], &load)?;
        let begun = version(world)?;
        for number in 1..=edits {
            let before = revision(world)?;
            world.write("rules.yaml", &rules(number))?;
            wait_for("the edit to be committed", SOON, || Ok((revision(world)? > before).then_some(())))?;
        }
        world.settle()?;
        let commits = version(world)? - begun;
        ensure!(commits >= edits as u64, "{commits} commits of {edits} edits");
        let (_, lines) = load.stop()?;
        let last: Value = serde_json::from_str(lines.last().context("the load said nothing")?)?;
        println!("{edits} edits, {commits} commits: {last}");
        ensure!(last["failed"] == 0, "{last}\n{}", world.story_so_far());
        ensure!(last["ok"].as_u64().is_some_and(|ok| ok > edits as u64), "{last}");
        Ok(())
    })
}

/// Nobody asks for requests but a policy that comes and goes: connections are relayed unread, and taken over.
#[test]
fn policies_fail_no_request_of_connections_that_nobody_read() -> Result<()> {
    world()?.tell(|world| {
        applied(world, "rules.yaml", "none", "# nothing\n")?;
        let mut client = world.captured_console("shop", &["--node", "east"], CLIENT)?;
        client.ask("begin(8, kept=40)")?;
        for number in 1..=24 {
            let before = version(world)?;
            let policy = rules(number).split_once("apiVersion: security").map(|(_, policy)| policy.to_owned());
            let text = policy.map_or("# nothing\n".to_owned(), |policy| format!("apiVersion: security{policy}"));
            client.ask("turn()")?;
            world.write("rules.yaml", &text)?;
            wait_for("the policy to be committed", SOON, || Ok((version(world)? > before).then_some(())))?;
            world.settle()?;
        }
        let seen = client.ask("seen()")?;
        ensure!(seen[1] == json!([]), "{}\n{}", seen[1], world.story_so_far());
        for epoch in seen[0].as_array().context("no epochs")? {
            let names: Vec<_> = epoch.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let is_fine = |name: &&&str| ["web-v1", "web-v2"].contains(*name);
            ensure!(names.iter().all(|name| is_fine(&name)), "{names:?}\n{}", world.story_so_far());
        }
        Ok(())
    })
}

#[test]
fn after_the_acknowledgement_nobody_is_answered_by_the_old_version() -> Result<()> {
    world()?.tell(|world| {
        let only = |weight: usize| rules(weight).replace("x-number", "x-cut");
        applied(world, "rules.yaml", "blue", &only(100))?;
        let mut client = world.captured_console("shop", &["--node", "east"], CLIENT)?;
        client.ask("begin(8)")?;
        let answered = |client: &mut ripstop_world::Console, epoch: usize| {
            wait_for("requests of this epoch", SOON, || {
                let seen = client.ask("seen()")?;
                let count: u64 = seen[0][epoch].as_object().into_iter().flatten().filter_map(|it| it.1.as_u64()).sum();
                Ok((count >= 100).then_some(seen))
            })
        };
        // Until the first epoch begins the way may still be opened.
        client.ask("turn()")?;
        answered(&mut client, 1)?;
        for cut in 1..=8 {
            let (weight, name) = if cut % 2 == 0 { (100, "blue") } else { (0, "green") };
            applied(world, "rules.yaml", &format!("{name}-{cut}"), &only(weight))?;
            client.ask("turn()")?;
            let seen = answered(&mut client, cut + 1)?;
            let expected = if cut % 2 == 0 { "web-v1" } else { "web-v2" };
            let names: Vec<_> = seen[0][cut + 1].as_object().context("no counts")?.keys().collect();
            ensure!(names == [expected], "after {name}-{cut}: {seen}\n{}", world.story_so_far());
            ensure!(seen[1] == json!([]), "{}\n{}", seen[1], world.story_so_far());
        }
        Ok(())
    })
}
