//! Quarantine: a workload is cut off from the mesh by one command, and let back by another.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES, Talker, echo,
    observe::{fails, flows, in_state, logged, succeeds},
    reflect, service,
};
use ripstop_world::{SOON, World, wait_for};

const MOLE: &str = include_str!("quarantine/mole.py");

/// Who calls others, and is called.
fn mole() -> String {
    let program = MOLE.lines().fold(String::new(), |text, line| text + "      " + line + "\n");
    format!(
        "\
apiVersion: v1
kind: Service
metadata: {{name: mole, namespace: shop}}
spec:
  selector: {{app: mole}}
  ports: [{{name: tcp, port: 9000}}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: mole, namespace: shop, labels: {{app: mole}}}}
spec:
  node: east
  serviceAccountName: mole
  command:
    - /usr/bin/python3
    - -c
    - |
{program}
  ports: [{{name: tcp, containerPort: 9000}}]
  readinessProbe: {{tcpSocket: {{port: tcp}}, periodSeconds: 1}}
"
    )
}

/// Requests to `web` are read at the caller's node.
const ROUTE: &str = "\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: web}}], timeout: 5s}]
";

fn world() -> Result<World> {
    let web = format!("{}---\n{}{ROUTE}", service("web", "shop", "http"), reflect("web", "v1", "shop", "west"));
    World::start(&[
        ("nodes.yaml", NODES),
        ("far.yaml", &echo("far", "shop", "west")),
        ("debug.yaml", &echo("debug", "ops", "west")),
        ("loner.yaml", &echo("loner", "wild", "west")),
        ("web.yaml", &web),
    ])
}

/// Waits until the last that the mole said of `what` begins with `outcome`.
fn says(world: &World, what: &str, outcome: &str) -> Result<String> {
    let wanted = format!("{what}: ");
    let mut last = String::new();
    let waited = wait_for(&format!("the mole to say {what}: {outcome}"), SOON, || {
        let log = world.cli(&["logs", "shop/mole", "--tail", "60"])?;
        let said = log.lines().rev().find_map(|line| line.split_once(&wanted)).map(|(_, said)| said.to_owned());
        last = said.unwrap_or_default();
        Ok(last.starts_with(outcome).then(|| last.clone()))
    });
    waited.with_context(|| format!("it says {last:?}\n{}", world.story_so_far()))
}

fn ready(world: &World, service: &str, expected: u64) -> Result<()> {
    wait_for(&format!("{service} to have {expected} endpoints"), SOON, || {
        let rows = world.json(&["get", "services", "-n", "shop"])?;
        let row = rows.as_array().into_iter().flatten().find(|row| row["name"] == service).cloned();
        Ok(row.filter(|row| row["endpoints"] == expected).map(drop))
    })
}

#[test]
fn a_workload_is_cut_off_and_let_back() -> Result<()> {
    world()?.tell(|world| {
        let mut friend = Talker::start(world, "ops", &["--node", "west", "--service-account", "debug"])?;
        let mut stranger = Talker::start(world, "back", &["--node", "west", "--service-account", "stranger"])?;
        let mut plain = Talker::start(world, "outside", &["--node", "east"])?;
        for namespace in ["shop", "ops", "back"] {
            world.enrol(namespace, true)?;
        }
        for talker in [&friend, &stranger] {
            in_state(world, &talker.namespace, &talker.name, "CAPTURED")?;
        }
        // In the mesh from its beginning: all that it opens is captured.
        world.write("mole.yaml", &mole())?;
        wait_for("the mole to run", SOON, || Ok(world.get("shop", "mole-0").ok()))?;
        in_state(world, "shop", "mole-0", "CAPTURED")?;
        for (what, outcome) in [("far", "served"), ("debug", "served"), ("web", "200"), ("held", "opened")] {
            says(world, what, outcome)?;
        }
        let address = world.get("shop", "mole-0")?["addresses"][0].as_str().context("an address")?.to_owned();
        for talker in [&mut friend, &mut stranger, &mut plain] {
            succeeds(world, talker, "dial kept mole.shop 9000")?;
            talker.ask("pump kept")?;
        }

        let told = world.cli(&["quarantine", "mole", "-n", "shop", "--allow", "ops/debug", "--reason", "it digs"])?;
        ensure!(told.contains("shop/mole is in quarantine (mole.yaml)"), "{told}");
        ensure!(told.contains("speaks with spiffe://cluster.local/ns/ops/sa/debug alone"), "{told}");
        // What is open ends, but for the peer's.
        for talker in [&mut stranger, &mut plain] {
            let how = talker.ask("ended kept 20")?;
            ensure!(how == "ConnectionResetError", "{}: {how}", talker.namespace);
        }
        flows(&mut friend, "kept")?;
        let rule = "policy=Process/shop/mole/";
        logged(world, "node-east", &["closed by a policy", rule, "ripstop.dev/quarantine", "sa/stranger"])?;
        logged(world, "node-east", &["closed by a policy", rule, "src.workload=mole", "direction=outbound"])?;
        // It is behind nothing, whoever calls, also outside of the mesh.
        ready(world, "mole", 0)?;
        for talker in [&mut friend, &mut stranger, &mut plain] {
            fails(world, talker, "dial new mole.shop 9000", "Connection")?;
        }
        // By its own address only the peer gets in.
        succeeds(world, &mut friend, &format!("dial new {address} 9000"))?;
        fails(world, &mut stranger, &format!("dial new {address} 9000"), "ConnectionResetError")?;
        fails(world, &mut plain, &format!("dial new {address} 9000"), "ConnectionResetError")?;
        logged(world, "node-west", &["connection denied", rule, "src.namespace=back"])?;
        // It gets nowhere itself, but to the peer.
        says(world, "far", "ConnectionResetError")?;
        says(world, "debug", "served")?;
        says(world, "held", "ConnectionResetError")?;
        says(world, "web", "403 RBAC: access denied (quarantine,")?;
        logged(world, "node-east", &["connection denied", rule, "src.workload=mole", "dst.workload=far"])?;

        for (from, to) in [("shop/mole-0", "far.shop:9000"), ("shop/mole-0", "web.shop:80")] {
            let explained = world.try_cli(&["explain", "--from", from, "--to", to])?;
            let text = String::from_utf8_lossy(&explained.stdout).into_owned();
            ensure!(text.contains("shop/mole is in quarantine") && text.contains("mole.yaml:"), "{text}");
        }
        let explained = world.try_cli(&[
            "explain",
            "--from",
            &format!("back/{}", stranger.name),
            "--to",
            &format!("{address}:9000"),
        ])?;
        let text = String::from_utf8_lossy(&explained.stdout).into_owned();
        ensure!(text.contains("shop/mole is in quarantine"), "{text}");
        let shown = world.cli(&["get", "workloads", "-n", "shop"])?;
        ensure!(shown.lines().any(|line| line.contains("mole-0") && line.contains("quarantine")), "{shown}");
        let described = world.cli(&["describe", "process", "mole", "-n", "shop"])?;
        ensure!(described.contains("it is in quarantine") && described.contains("it digs"), "{described}");

        let told = world.cli(&["quarantine", "--release", "mole", "-n", "shop"])?;
        ensure!(told.contains("shop/mole is back in the mesh (mole.yaml)"), "{told}");
        ready(world, "mole", 1)?;
        for talker in [&mut friend, &mut stranger, &mut plain] {
            succeeds(world, talker, "dial back mole.shop 9000")?;
        }
        for (what, outcome) in [("far", "served"), ("debug", "served"), ("web", "200"), ("held", "opened")] {
            says(world, what, outcome)?;
        }
        let file = std::fs::read_to_string(world.dir().join("mole.yaml"))?;
        ensure!(!file.contains("quarantine"), "something of it is left: {file}");
        Ok(())
    })
}

#[test]
fn outside_of_the_mesh_a_workload_is_no_endpoint_and_that_is_told() -> Result<()> {
    world()?.tell(|world| {
        let mut plain = Talker::start(world, "outside", &["--node", "east"])?;
        succeeds(world, &mut plain, "dial before loner.wild 9000")?;
        let output = world.try_cli(&["quarantine", "wild/loner"])?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(said.contains("nobody keeps it from speaking") && said.contains("RS237"), "{said}");
        fails(world, &mut plain, "dial after loner.wild 9000", "Connection")?;
        // Enrolled, it is kept, without a restart.
        let address = world.get("wild", "loner-0")?["addresses"][0].as_str().context("an address")?.to_owned();
        succeeds(world, &mut plain, &format!("dial open {address} 9000"))?;
        world.enrol("wild", true)?;
        in_state(world, "wild", "loner-0", "CAPTURED")?;
        let how = plain.ask("ended open 20")?;
        ensure!(how == "ConnectionResetError", "{how}");
        fails(world, &mut plain, &format!("dial new {address} 9000"), "ConnectionResetError")
    })
}
