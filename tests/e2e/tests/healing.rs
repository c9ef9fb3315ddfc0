//! Whatever dies is started again, and nothing else notices.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{CALLS, NODES, echo, peer_authentication};
use ripstop_world::{Console, Running, SOON, World, all_processes, signal, wait_for};

/// Two echoes on two nodes under STRICT, so that whatever answers was reached by the mesh.
fn world() -> Result<World> {
    let world = World::start(&[
        ("nodes.yaml", NODES),
        ("near.yaml", &echo("near", "shop", "east")),
        ("far.yaml", &echo("far", "shop", "west")),
        ("strict.yaml", &peer_authentication("shop", None, "STRICT")),
    ])?;
    world.enrol("shop", true)?;
    world.settle()?;
    Ok(world)
}

/// An enrolled client on node east.
fn client(world: &World) -> Result<Console> {
    let mut client = world.captured_console("shop", &["--node", "east"], CALLS)?;
    works_again(&mut client, "far.shop")?;
    Ok(client)
}

/// Waits until a call goes well.
fn works_again(client: &mut Console, host: &str) -> Result<()> {
    wait_for(&format!("{host} to answer"), SOON, || client.ask(&format!("call('{host}')")).map(Some)).map(drop)
}

/// Waits until `name` runs as another process than `before`.
fn comes_back(world: &World, name: &str, before: u64) -> Result<BTreeMap<String, Running>> {
    wait_for(&format!("{name} to come back"), SOON, || {
        let now = world.processes()?;
        let back = now.get(name).and_then(|process| process.pid).is_some_and(|pid| pid != before);
        Ok(back.then_some(now))
    })
}

/// Kills `name`, waits until it is back, and sees that no other process was started anew.
fn kill_and_heal(world: &World, name: &str) -> Result<()> {
    let mut before = world.processes()?;
    let pid = world.kill(name)?;
    let mut after = comes_back(world, name, pid)?;
    before.remove(name);
    after.remove(name);
    ensure!(before == after, "{name} was killed, but others changed:\n{before:?}\n{after:?}");
    Ok(())
}

#[test]
fn a_killed_control_plane_comes_back_and_traffic_never_stops() -> Result<()> {
    world()?.tell(|world| {
        let mut client = client(world)?;
        client.ask("load('far.shop')")?;
        for _ in 0..3 {
            kill_and_heal(world, "control")?;
            wait_for("the control plane to serve", SOON, || world.cli(&["status"]).map(Some))?;
        }
        world.settle()?;
        let counted = client.ask("pause()")?;
        ensure!(counted[1] == 0 && counted[0].as_u64() > Some(0), "good, failed, last error: {counted}");
        // It is the same mesh: one more workload joins it.
        let mut second = world.captured_console("shop", &["--node", "west"], CALLS)?;
        ensure!(second.text("call('near.shop')")?.starts_with("10.244.2."));
        client.finish()
    })
}

#[test]
fn a_killed_node_proxy_comes_back() -> Result<()> {
    world()?.tell(|world| {
        let mut client = client(world)?;
        for name in ["node-east", "node-west"] {
            kill_and_heal(world, name)?;
            works_again(&mut client, "far.shop")?;
        }
        world.settle()?;
        client.ask("load('far.shop')")?;
        works_again(&mut client, "near.shop")?;
        ensure!(client.ask("pause()")?[1] == 0);
        client.finish()
    })
}

#[test]
fn a_killed_agent_comes_back_and_connections_live_on() -> Result<()> {
    world()?.tell(|world| {
        let mut client = client(world)?;
        client.ask("hold('far.shop')")?;
        for name in ["agent-east", "agent-west"] {
            // Capture stays although nobody looks after it: under STRICT only what is captured is answered.
            kill_and_heal(world, name)?;
            client.ask("ping()")?;
            works_again(&mut client, "far.shop")?;
        }
        world.settle()?;
        client.ask("ping()")?;
        for name in [client.name(), "near-0", "far-0"] {
            world.wait_for_state("shop", name, "CAPTURED")?;
        }
        // What the new agent makes is as good as what the old one made.
        let mut second = world.captured_console("shop", &["--node", "west"], CALLS)?;
        works_again(&mut second, "near.shop")?;
        client.ask("ping()")?;
        client.finish()
    })
}

#[test]
fn an_agent_that_is_down_leaves_capture_and_connections() -> Result<()> {
    world()?.tell(|world| {
        let mut client = client(world)?;
        // Enough connections at a time that each worker has made one, and asked for sockets in advance.
        client.ask("open_many('far.shop')")?;
        world.cli(&["stop", "agent-east"])?;
        world.cli(&["stop", "agent-west"])?;
        client.ask("ping_many()")?;
        // New ones are carried from stock, by the mesh: plainly they would be refused.
        ensure!(client.text("call('far.shop')")?.starts_with("10.244.1."));
        world.cli(&["start", "agent-west"])?;
        world.cli(&["start", "agent-east"])?;
        world.settle()?;
        client.ask("load('far.shop')")?;
        client.ask("ping_many()")?;
        wait_for("a hundred calls", SOON, || {
            let counted = client.ask("counted()")?;
            Ok((counted[0].as_u64() > Some(100)).then_some(()))
        })?;
        let counted = client.ask("pause()")?;
        ensure!(counted[1] == 0, "good, failed, last error: {counted}");
        client.finish()
    })
}

#[test]
fn a_killed_workload_comes_back() -> Result<()> {
    world()?.tell(|world| {
        let mut client = client(world)?;
        let address = world.get("shop", "far-0")?["addresses"].clone();
        kill_and_heal(world, "shop/far-0")?;
        works_again(&mut client, "far.shop")?;
        let healed = world.get("shop", "far-0")?;
        // Its place in the mesh is the same: only the process is new.
        ensure!(healed["addresses"] == address && healed["mesh"]["state"] == "CAPTURED", "{healed}");
        ensure!(healed["restarts"] == 1, "{healed}");
        client.finish()
    })
}

#[test]
fn whichever_process_of_a_workload_is_killed_all_of_it_is_new() -> Result<()> {
    world()?.tell(|world| {
        let mut client = client(world)?;
        let parent_of = |pid: u32| -> Result<u32> {
            let all = all_processes()?;
            let found = all.iter().find(|(process, _)| process.pid == pid);
            Ok(found.with_context(|| format!("{pid} is gone"))?.1)
        };
        // The program, the PID 1 that it sees, and the process outside that waits for that.
        for generation in 0..3 {
            let mut before = world.processes()?;
            let pid = before["shop/far-0"].pid.context("it runs")?;
            let mut target = world.host_pid(pid)?;
            for _ in 0..generation {
                target = parent_of(target)?;
            }
            let others: Vec<_> = world.host_processes()?.into_iter().filter(|process| process.pid == target).collect();
            signal(target, "KILL")?;
            let mut after = comes_back(world, "shop/far-0", pid)?;
            ensure!(!others.iter().any(|process| process.is_alive()));
            before.remove("shop/far-0");
            after.remove("shop/far-0");
            ensure!(before == after, "others changed:\n{before:?}\n{after:?}");
            works_again(&mut client, "far.shop")?;
        }
        client.finish()
    })
}

#[test]
fn plain_traffic_needs_neither_proxy_nor_agent() -> Result<()> {
    let files = [("nodes.yaml", NODES), ("far.yaml", &echo("far", "shop", "west"))];
    World::start(&files)?.tell(|world| {
        let mut client = world.console("shop", &["--node", "east"], CALLS)?;
        works_again(&mut client, "far.shop")?;
        let vip = client.text("socket.gethostbyname('far.shop')")?;
        ensure!(vip.starts_with("240.240."), "{vip}");
        client.ask("load('far.shop')")?;
        for name in ["node-east", "node-west", "control"] {
            world.cli(&["stop", name])?;
        }
        let counted = client.ask("pause()")?;
        ensure!(counted[1] == 0 && counted[0].as_u64() > Some(0), "good, failed, last error: {counted}");
        // Names are the agent's; addresses are the kernel's.
        client.ask(&format!("load('{vip}')"))?;
        kill_and_heal(world, "agent-west")?;
        kill_and_heal(world, "agent-east")?;
        works_again(&mut client, "far.shop")?;
        world.cli(&["stop", "agent-east"])?;
        world.cli(&["stop", "agent-west"])?;
        let counted = client.ask("pause()")?;
        ensure!(counted[1] == 0, "good, failed, last error: {counted}");
        ensure!(client.text(&format!("call('{vip}')"))?.starts_with("10.244.1."));
        client.finish()
    })
}

#[test]
fn explain_tells_of_a_proxy_that_is_down() -> Result<()> {
    world()?.tell(|world| {
        let client = client(world)?;
        let caller = format!("shop/{}", client.name());
        let explained = |status: i32, said: &str| {
            wait_for(&format!("explain to end with {status}"), SOON, || {
                let told = world.try_cli(&["explain", "--from", &caller, "--to", "far.shop:9000"])?;
                let text = String::from_utf8_lossy(&told.stdout).into_owned();
                Ok((told.status.code() == Some(status) && text.contains(said)).then_some(()))
            })
        };
        explained(0, "its connection today: let in")?;
        for (node, whose) in [("node-west", "shop/far-0"), ("node-east", &*caller)] {
            world.cli(&["stop", node])?;
            explained(4, &format!("of {whose} nothing passes"))?;
            world.cli(&["start", node])?;
            explained(0, "its connection today: let in")?;
        }
        client.finish()
    })
}

#[test]
fn what_is_stopped_stays_down_until_it_is_started() -> Result<()> {
    world()?.tell(|world| {
        let mut client = client(world)?;
        let state = |name: &str| -> Result<String> {
            Ok(world.processes()?.get(name).with_context(|| format!("no {name}"))?.state.clone())
        };
        for name in ["shop/far-0", "node-west", "agent-west"] {
            world.cli(&["stop", name])?;
            ensure!(state(name)? == "stopped");
        }
        client.ask("call('far.shop')").err().context("a stopped workload answered")?;
        // What else happens does not wake them.
        kill_and_heal(world, "control")?;
        wait_for("the control plane to serve", SOON, || world.cli(&["status"]).map(Some))?;
        world.write("more.yaml", &echo("more", "shop", "east"))?;
        wait_for("one more workload", SOON, || Ok((world.get("shop", "more-0")?["ready"] == true).then_some(())))?;
        for name in ["shop/far-0", "node-west", "agent-west"] {
            ensure!(state(name)? == "stopped", "{name} is {}", state(name)?);
            world.cli(&["start", name])?;
            ensure!(state(name)? == "running");
        }
        works_again(&mut client, "far.shop")?;

        // A restart is another process of the same one, and of no other.
        for (order, name) in [("node-east", "node-east"), ("shop/far", "shop/far-0"), ("control", "control")] {
            let mut before = world.processes()?;
            world.cli(&["restart", order])?;
            let pid = before[name].pid.context("it ran")?;
            let mut after = comes_back(world, name, pid)?;
            before.remove(name);
            after.remove(name);
            ensure!(before == after, "{name} was restarted, but others changed:\n{before:?}\n{after:?}");
            works_again(&mut client, "far.shop")?;
        }
        ensure!(!world.try_cli(&["stop", "nobody"])?.status.success());
        client.finish()
    })
}

#[test]
fn without_control_plane_a_killed_proxy_serves_again() -> Result<()> {
    world()?.tell(|world| {
        let mut client = client(world)?;
        world.cli(&["stop", "control"])?;
        client.ask("load('near.shop')")?;
        for name in ["node-west", "node-east", "agent-west", "agent-east", "shop/far-0"] {
            kill_and_heal(world, name)?;
            works_again(&mut client, "far.shop")?;
        }
        client.ask("pause()")?;
        ensure!(world.processes()?["control"].state == "stopped");
        // New connections all go well once more, and names are known.
        client.ask("load('far.shop')")?;
        wait_for("a hundred calls", SOON, || {
            let counted = client.ask("counted()")?;
            Ok((counted[0].as_u64() > Some(100)).then_some(()))
        })?;
        let counted = client.ask("pause()")?;
        ensure!(counted[1] == 0, "good, failed, last error: {counted}");
        world.cli(&["start", "control"])?;
        wait_for("the control plane to serve", Duration::from_secs(20), || world.cli(&["status"]).map(Some))?;
        world.settle()?;
        works_again(&mut client, "far.shop")?;
        client.finish()
    })
}
