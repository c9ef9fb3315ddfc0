//! Workloads that ask for a sidecar start behind it, or not at all.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{echo, peer_authentication};
use ripstop_world::{Client, SOON, World, wait_for};

use super::{served, world};

/// Says when it begins, and ends with its input.
const BEGINS: [&str; 3] = ["sh", "-c", "echo begun; cat"];

/// Names of workloads of `shop` that wait for their sidecars, as the mesh's status has them.
fn waiting(world: &World) -> Result<Vec<String>> {
    let list = world.json(&["get", "processes"])?;
    let rows = list.as_array().context("processes are no list")?.iter();
    let waits = rows.filter(|row| row["namespace"] == "shop" && row["pid"].is_null());
    let says =
        waits.filter(|row| row["error"].as_str().is_some_and(|error| error.contains("once its sidecar serves it")));
    Ok(says.filter_map(|row| row["name"].as_str()).map(str::to_owned).collect())
}

#[test]
fn without_a_control_plane_nobody_starts_before_its_sidecar() -> Result<()> {
    let far = echo("far", "shop", "west");
    world(&[("far.yaml", &far)])?.tell(|world| {
        served(world, "shop", "far-0", "sidecar-shop.far-0")?;
        world.cli(&["stop", "control"])?;
        // Whoever asks for none waits for nobody.
        world.shell("plain", "true")?;

        let first = world.client("shop", &[], &BEGINS)?;
        let wait = |count: usize| {
            wait_for(&format!("{count} to wait for sidecars"), SOON, || {
                let names = waiting(world)?;
                Ok((names.len() == count).then_some(names))
            })
        };
        let name = wait(1)?.remove(0);
        // Its client may think better of it.
        let second = world.client("shop", &[], &BEGINS)?;
        wait(2)?;
        let (status, lines) = second.stop()?;
        ensure!(status.code() == Some(128 + 15) && lines.is_empty(), "{status}: {lines:?}");
        wait(1)?;

        ensure!(first.newest().is_none(), "it began without its sidecar");
        world.cli(&["start", "control"])?;
        let begun = first.line(SOON)?;
        ensure!(begun.as_deref() == Some("begun"), "{begun:?}");
        served(world, "shop", &name, &format!("sidecar-shop.{name}"))?;
        let (status, _) = first.finish()?;
        ensure!(status.success(), "{status}");
        Ok(())
    })
}

#[test]
fn a_mesh_that_comes_up_without_its_control_plane_starts_them_by_what_it_knows() -> Result<()> {
    let strict = peer_authentication("shop", None, "STRICT");
    let far = echo("far", "shop", "west");
    world(&[("far.yaml", &far), ("strict.yaml", &strict)])?.tell(|world| {
        served(world, "shop", "far-0", "sidecar-shop.far-0")?;
        world.settle()?;
        world.end("TERM")?;
        // It cannot start again: where its secret was is none.
        let key = world.state().join("control/session.key");
        std::fs::remove_file(&key)?;
        std::fs::create_dir(&key)?;
        let up = Client::start(world.up_command())?;
        let told = comes_up(world);
        up.stop()?;
        told
    })
}

fn comes_up(world: &World) -> Result<()> {
    let runs = wait_for("far-0 to run", SOON, || {
        let all = world.processes()?;
        let pid = |name: &str| all.get(name).and_then(|process| process.pid);
        Ok((pid("shop/far-0").is_some() && pid("sidecar-shop.far-0").is_some()).then_some(all))
    });
    runs.with_context(|| world.story_so_far())?;
    // It is captured: without the mesh nobody gets through to it, by its name or its address.
    let script = "exec 3<>/dev/tcp/far.shop/9000; read -t 10 -u 3 line; echo \"got $line\"";
    let said = world.run("outside", &["tier=outside"], script)?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    ensure!(!said.contains("10.244."), "plaintext came in: {said}");
    ensure!(world.cli(&["logs", "sidecar-shop.far-0"])?.contains("enrolled"), "it is not served");
    Ok(())
}
