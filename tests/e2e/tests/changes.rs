//! Rules, subsets, policies and versions change while requests are under way: none fails, and none is answered by what
//! was before.
//!
//! `RIPSTOP_EDITS` (60) and `RIPSTOP_RATE` (300, requests a second) say how much of it.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    observe::applied,
    reflect,
    role::{Place, Role},
    service,
};
use ripstop_world::{Client, SOON, World, wait_for};
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

fn world(role: Role) -> Result<World> {
    let files = [
        ("web-v1.yaml", reflect("web", "v1", "shop", "east")),
        ("web-v2.yaml", reflect("web", "v2", "shop", "west")),
        ("service.yaml", service("web", "shop", "http")),
        ("rules.yaml", role.objects(&rules(0))),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    role.world(&files)
}

/// How long the rules are in any case: what gets shorter, or loses an object, the mesh looks at for a while before it
/// believes it.
const LENGTH: usize = 2000;

/// Everything about `web`, a little otherwise for each number; all requests are allowed and answered by either version.
fn rules(number: usize) -> String {
    let weight = number % 101;
    let text = format!(
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
---
{}",
        20 + number % 7,
        100 - weight.min(100),
        1024 + number,
        ["RANDOM", "LEAST_REQUEST", "ROUND_ROBIN"][number % 3],
        policy(number),
    );
    format!("{text}# {:=<1$}\n", "", LENGTH.saturating_sub(text.len()))
}

/// Allows everything. That of an odd number looks at requests: with it what passes unread is taken over, and without it the
/// next connection is not read.
fn policy(number: usize) -> String {
    let rule = if number.is_multiple_of(2) {
        "{}".to_owned()
    } else {
        format!("{{to: [{{operation: {{methods: [GET], notPaths: [/never-{number}]}}}}]}}")
    };
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: readers, namespace: shop}}\nspec:\n  \
         rules: [{rule}]\n"
    )
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
    edits_fail_none(Role::Node)
}

#[test]
fn edits_fail_no_request_at_sidecars() -> Result<()> {
    edits_fail_none(Role::Sidecar)
}

#[test]
fn edits_fail_no_request_at_a_waypoint() -> Result<()> {
    edits_fail_none(Role::Waypoint)
}

#[test]
fn edits_fail_no_request_at_a_gateway() -> Result<()> {
    edits_fail_none(Role::Gateway)
}

/// Requests for `web`, until they are stopped.
fn load(world: &World, role: Role) -> Result<Client> {
    let Place { address, port, host } = role.place("web", 80);
    let (url, host) = (format!("http://{address}:{port}/"), format!("host: {host}"));
    let rate = from_environment("RIPSTOP_RATE", 300).to_string();
    let argv = ["bookinfo", "load", "--url", &url, "--header", &host, "--rate", &rate, "--connections", "16"];
    role.client(world, &argv)
}

/// The instance that asks, if it has a sidecar: the other ones are called.
fn caller(world: &World) -> Result<String> {
    let names = world.processes()?.into_keys();
    let mut callers = names.filter_map(|name| name.strip_prefix("sidecar-shop.").map(ToOwned::to_owned));
    Ok(callers.find(|name| !name.starts_with("web-")).unwrap_or_default())
}

fn edits_fail_none(role: Role) -> Result<()> {
    let edits = from_environment("RIPSTOP_EDITS", 60);
    world(role)?.tell(|world| {
        let load = load(world, role)?;
        wait_for("requests to be answered", SOON, || {
            let Some(line) = load.newest() else { return Ok(None) };
            let told: Value = serde_json::from_str(&line)?;
            Ok((told["ok"].as_u64() > Some(100)).then_some(()))
        })
        .with_context(|| world.story_so_far())?;
        role.is_in_the_way(world, &caller(world)?, "web-v2-0")?;
        let (begun, since) = (version(world)?, Instant::now());
        let mut committed = revision(world)?;
        for number in 1..=edits {
            world.write("rules.yaml", &role.objects(&rules(number)))?;
            committed = wait_for("the edit to be committed", SOON, || {
                let now = revision(world)?;
                Ok((now > committed).then_some(now))
            })?;
        }
        world.settle()?;
        let (commits, took) = (version(world)? - begun, since.elapsed());
        ensure!(commits >= edits as u64, "{commits} commits of {edits} edits");
        let (_, lines) = load.stop()?;
        let last: Value = serde_json::from_str(lines.last().context("the load said nothing")?)?;
        println!("{role:?}: {edits} edits, {commits} commits in {took:.1?}: {last}");
        ensure!(last["failed"] == 0, "{last}\n{}", world.story_so_far());
        ensure!(last["ok"].as_u64().is_some_and(|ok| ok > edits as u64), "{last}");
        Ok(())
    })
}

/// Nobody asks for requests but a policy that comes and goes: connections are relayed unread, and taken over.
#[test]
fn policies_fail_no_request_of_connections_that_nobody_read() -> Result<()> {
    world(Role::Node)?.tell(|world| {
        applied(world, "rules.yaml", "none", "# nothing\n")?;
        let mut client = world.captured_console("shop", &["--node", "east"], CLIENT)?;
        client.ask("begin(8, kept=40)")?;
        for number in 1..=24 {
            let before = version(world)?;
            let text = if number % 2 == 0 { "# nothing\n".to_owned() } else { policy(number) };
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
    world(Role::Node)?.tell(|world| {
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
