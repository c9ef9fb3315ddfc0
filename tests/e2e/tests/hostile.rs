//! Hostile clients: requests of which each reader could make something else, and floods of HTTP/2. Whoever reads requests, in
//! whatever role, refuses them, stays within its limits, and serves others on.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    observe::logged,
    reflect,
    role::{Place, Role},
    service,
    shop::routes,
};
use ripstop_world::{Console, SOON, World, wait_for};
use serde_json::{Value, json};

const CLIENT: &str = include_str!("hostile/client.py");

/// What a proxy may grow by through all of it, in bytes.
const GROWTH: u64 = 32 << 20;

/// Has callers' proxies read requests, and callees'.
const RULES: &str = "  - route: [{destination: {host: web}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: secrets, namespace: shop}
spec:
  action: DENY
  rules: [{to: [{operation: {paths: [/secret]}}]}]
";

/// Processes of proxies, with the memory that they have, in bytes.
type Memory = BTreeMap<String, (u64, u64)>;

fn memory(world: &World, names: &[String]) -> Result<Memory> {
    let processes = world.processes()?;
    let of = |name: &String| {
        let pid =
            processes.get(name).and_then(|process| process.pid).with_context(|| format!("{name} does not run"))?;
        let status = fs::read_to_string(format!("/proc/{}/status", world.host_pid(pid)?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.split_whitespace().next().context("no number")?.parse()?;
        Ok((name.clone(), (pid, kibibytes << 10)))
    };
    names.iter().map(of).collect()
}

/// All of what a client has, and that it gets no further.
fn is_refused(world: &World, who: &str, client: &mut Console, place: &Place) -> Result<()> {
    let Place { address, port, host } = place;
    let ask = |client: &mut Console, call: &str| -> Result<Value> {
        let what = format!("{call}'{address}', {port}, '{host}')");
        client.ask(&what).with_context(|| format!("{who}: {what}"))
    };
    wait_for("a good request to be answered", SOON, || Ok((ask(client, "good(")? == 200).then_some(())))
        .with_context(|| format!("{who}\n{}", world.story_so_far()))?;
    for told in ask(client, "crooked(")?.as_array().context("no list")? {
        ensure!(told[1] == json!([told[2]]), "{who}: {told}\n{}", world.story_so_far());
    }
    for told in ask(client, "crooked_by_http2(")?.as_array().context("no list")? {
        let right: &[&str] = if told[0] == "nothing" { &["passed"] } else { &["refused", "reset"] };
        ensure!(right.iter().any(|one| told[1] == *one), "{who}: {told}\n{}", world.story_so_far());
    }
    let names = client.ask(&format!("names('{host}')"))?;
    for name in names.as_array().context("no list")? {
        let told = ask(client, &format!("flood({name}, "))?;
        // Short of a limit nobody is sent away.
        let frames = told[1].as_u64().context("no count")?;
        ensure!(told[0] == true && frames >= 1, "{who}: {name}: {told}\n{}", world.story_so_far());
        // Others are none the worse for it.
        let status = ask(client, "good(")?;
        ensure!(status == 200, "{who}: after {name}: {status}\n{}", world.story_so_far());
    }
    Ok(())
}

fn hostile_clients_get_no_further(role: Role) -> Result<()> {
    let files = [
        ("service.yaml", service("web", "shop", "http")),
        ("web.yaml", reflect("web", "v1", "shop", "west")),
        ("rules.yaml", role.objects(&routes(RULES))),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    role.world(&files)?.tell(|world| {
        let place = role.place("web", 80);
        let mut clients = vec![("a caller", role.caller(world, CLIENT)?)];
        if matches!(role, Role::Node | Role::Sidecar) {
            // Past any proxy of its own, to that of the callee.
            clients.push(("a stranger", world.console("outside", &["--node", "east"], CLIENT)?));
        }
        let proxies = role.processes(clients[0].1.name(), "web-v1-0");
        let before = memory(world, &proxies)?;
        for (who, client) in &mut clients {
            is_refused(world, who, client, &place)?;
        }
        let after = memory(world, &proxies)?;
        for (name, (pid, bytes)) in &before {
            let (pid_now, bytes_now) = after[name];
            ensure!(*pid == pid_now, "{name} was another process before\n{}", world.story_so_far());
            ensure!(bytes_now < bytes + GROWTH, "{name} has {bytes_now} bytes, it had {bytes}");
        }
        // Its server writes down what comes; of what was hidden in other requests nothing did.
        logged(world, "shop/web-v1-0", &["asked ", "/fine"])?;
        let log = world.cli(&["logs", "shop/web-v1-0"])?;
        ensure!(!log.contains("/smuggled"), "{log}");
        Ok(())
    })
}

#[test]
fn hostile_clients_get_no_further_at_nodes() -> Result<()> {
    hostile_clients_get_no_further(Role::Node)
}

#[test]
fn hostile_clients_get_no_further_at_sidecars() -> Result<()> {
    hostile_clients_get_no_further(Role::Sidecar)
}

#[test]
fn hostile_clients_get_no_further_at_a_waypoint() -> Result<()> {
    hostile_clients_get_no_further(Role::Waypoint)
}

#[test]
fn hostile_clients_get_no_further_at_a_gateway() -> Result<()> {
    hostile_clients_get_no_further(Role::Gateway)
}
