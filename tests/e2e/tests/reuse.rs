//! An address that passes from one workload to another: whoever calls the former by a stale view
//! never reaches the latter.

use anyhow::{Context, Result, bail, ensure};
use ripstop_e2e::{
    Talker, echo,
    observe::{fails, flows, in_state, logged, succeeds},
};
use ripstop_world::{SOON, World, signal, wait_for};

/// West has room for five workloads, of which four are taken: an address that becomes free is the
/// next one's.
const NODES: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata: {name: east}
---
apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata: {name: west}
spec: {podCIDR: 10.60.0.0/29}
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: idle, namespace: crowd}
spec: {node: west, replicas: 4, command: [sleep, infinity]}
";

/// A mesh with `first` on west, and an enrolled caller on east that has a connection to it.
fn stage(world: &World) -> Result<(Talker, String)> {
    let mut caller = Talker::start(world, "front", &["--node", "east"])?;
    world.enrol("shop", true)?;
    world.enrol("front", true)?;
    in_state(world, "front", &caller.name, "CAPTURED")?;
    world.settle()?;
    let first = world.get("shop", "first-0")?;
    let address = first["addresses"][0].as_str().context("no address")?.to_owned();
    succeeds(world, &mut caller, "dial held first.shop 9000")?;
    caller.ask("pump held")?;
    flows(&mut caller, "held")?;
    Ok((caller, address))
}

fn world() -> Result<World> {
    World::start(&[("nodes.yaml", NODES), ("first.yaml", &echo("first", "shop", "west"))])
}

/// Puts `second` in the place of `first`, and waits until it has its address.
fn succeed(world: &World, address: &str, text: &str, namespace: &str, state: &str) -> Result<()> {
    world.remove("first.yaml")?;
    world.write("second.yaml", text)?;
    wait_for("the second one", SOON, || Ok((world.get(namespace, "second-0")?["ready"] == true).then_some(())))?;
    let second = in_state(world, namespace, "second-0", state)?;
    ensure!(second["addresses"][0] == address, "{second}");
    Ok(())
}

/// Runs `change` while east's proxy is held; the proxy then dies and starts anew without a control
/// plane, so that it knows what it knew before.
fn behind_the_back_of_east(world: &World, change: impl FnOnce() -> Result<()>) -> Result<()> {
    let pid = world.processes()?.get("node-east").and_then(|role| role.pid).context("east has no proxy")?;
    let held = world.host_pid(pid)?;
    signal(held, "STOP")?;
    let changed = change();
    world.cli(&["stop", "control"])?;
    signal(held, "KILL")?;
    changed?;
    wait_for("another proxy of east", SOON, || {
        let now = world.processes()?.get("node-east").cloned().context("no node-east")?;
        Ok((now.state == "running" && now.pid != Some(pid)).then_some(()))
    })
}

/// Calls that must all fail, until `seen` says that the proxy has decided about one.
fn refused(caller: &mut Talker, target: &str, mut seen: impl FnMut() -> Result<bool>) -> Result<()> {
    wait_for(&format!("{target} to be refused"), SOON, || match caller.attempt(&format!("dial wrong {target}"))? {
        Ok(greeting) => Ok(Some(Err(anyhow::anyhow!("{target} was served: {greeting}")))),
        Err(_) => Ok(seen()?.then_some(Ok(()))),
    })??;
    for attempt in 0..20 {
        if let Ok(greeting) = caller.attempt(&format!("dial wrong-{attempt} {target}"))? {
            bail!("{target} was served: {greeting}");
        }
    }
    Ok(())
}

#[test]
fn another_identity_at_the_address_is_refused_and_named() -> Result<()> {
    world()?.tell(|world| {
        let (mut caller, address) = stage(world)?;
        behind_the_back_of_east(world, || {
            succeed(world, &address, &echo("second", "shop", "west"), "shop", "CAPTURED")
        })?;
        let (first, second) = ("spiffe://cluster.local/ns/shop/sa/first", "spiffe://cluster.local/ns/shop/sa/second");
        // By name and by address: in its view both are `first`.
        for target in ["first.shop 9000".to_owned(), format!("{address} 9000")] {
            refused(&mut caller, &target, || {
                let log = world.cli(&["logs", "node-east"])?;
                Ok(log.lines().any(|line| line.contains("access") && line.contains(first) && line.contains(second)))
            })?;
        }
        let words = ["direction=outbound", "dst.workload=first-0", "response_flags=TLS_FAILURE"];
        let line = logged(world, "node-east", &words)?;
        ensure!(line.contains(&format!("expected {first}")) && line.contains(&format!("peer {second}")), "{line}");
        ensure!(line.contains(&format!("dst.hbone_addr={address}:15008")), "{line}");
        let how = caller.ask("ended held 30")?;
        ensure!(how != "open", "the connection to the first one is still open");
        // With a fresh view the address is the second one's.
        world.cli(&["start", "control"])?;
        world.settle()?;
        fails(world, &mut caller, "dial gone first.shop 9000", "gaierror")?;
        for target in ["second.shop 9000".to_owned(), format!("{address} 9000")] {
            succeeds(world, &mut caller, &format!("dial right {target}"))?;
            caller.ask("close right")?;
        }
        let words = ["direction=outbound", "dst.workload=second-0", "response_flags=-", "dst.identity="];
        let line = logged(world, "node-east", &words)?;
        ensure!(line.contains(&format!("dst.identity={second}")), "{line}");
        Ok(())
    })
}

/// A workload outside of the mesh that answers on the port of its application, and on the tunnel's.
const OUTSIDER: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: second, namespace: outside, labels: {app: second}}
spec:
  node: west
  command: [sh, -c, 'bookinfo echo --greet --listen [::]:15008 & exec bookinfo echo --greet']
  ports: [{name: tcp, containerPort: 9000}]
  readinessProbe: {tcpSocket: {port: tcp}, periodSeconds: 1}
";

#[test]
fn nobody_without_identity_is_taken_for_the_former_one() -> Result<()> {
    world()?.tell(|world| {
        let (mut caller, address) = stage(world)?;
        behind_the_back_of_east(world, || succeed(world, &address, OUTSIDER, "outside", "NONE"))?;
        for target in ["first.shop 9000".to_owned(), format!("{address} 9000")] {
            refused(&mut caller, &target, || {
                let log = world.cli(&["logs", "node-east"])?;
                Ok(log.lines().any(|line| line.contains("dst.workload=first-0") && line.contains("TLS_FAILURE")))
            })?;
        }
        // It is there, and answers those who mean it.
        let mut plain = Talker::start(world, "outside", &["--node", "east"])?;
        plain.ask(&format!("dial meant {address} 9000"))?;
        world.cli(&["start", "control"])?;
        world.settle()?;
        succeeds(world, &mut caller, &format!("dial meant {address} 9000")).map(drop)
    })
}

#[test]
fn a_tunnel_that_stood_before_is_not_used_for_the_successor() -> Result<()> {
    world()?.tell(|world| {
        // Nobody is held here: the tunnel is warm, the address changes hands, and calls go on all the time.
        let (mut caller, address) = stage(world)?;
        succeed(world, &address, &echo("second", "shop", "west"), "shop", "CAPTURED")?;
        let (first, second) = ("sa/first", "sa/second");
        succeeds(world, &mut caller, "dial fresh second.shop 9000")?;
        caller.ask("close fresh")?;
        let how = caller.ask("ended held 30")?;
        ensure!(how != "open", "the connection to the first one is still open");
        let line = logged(world, "node-east", &["dst.service=second.shop", "response_flags=-"])?;
        ensure!(line.contains(second) && !line.contains(first), "{line}");
        let line = logged(world, "node-west", &["dst.workload=second-0", "direction=inbound", "src.identity="])?;
        ensure!(line.contains(second) && !line.contains(first), "{line}");
        fails(world, &mut caller, "dial gone first.shop 9000", "gaierror")
    })
}
