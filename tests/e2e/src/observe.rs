//! What a story sees of the mesh from outside.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use ripstop_world::{SOON, World, wait_for};
use serde_json::Value;

use crate::Talker;

/// Waits until a workload is served by that proxy.
pub fn served(world: &World, namespace: &str, name: &str, proxy: &str) -> Result<()> {
    let mut last = Value::Null;
    let waited = wait_for(&format!("{namespace}/{name} to be served by {proxy}"), SOON, || {
        last = world.get(namespace, name)?;
        let mesh = &last["mesh"];
        Ok((mesh["state"] == "CAPTURED" && mesh["proxy"] == proxy && mesh["reason"] == "").then_some(()))
    });
    waited.with_context(|| format!("it is {last}\n{}", world.story_so_far()))
}

/// Waits until the workload's capture is in `state`; gives what `ripstop get workloads` says of it.
pub fn in_state(world: &World, namespace: &str, name: &str, state: &str) -> Result<Value> {
    let mut last = Value::Null;
    let waited = wait_for(&format!("{namespace}/{name} to be {state}"), SOON, || {
        last = world.get(namespace, name)?;
        Ok((last["mesh"]["state"] == state).then(|| last.clone()))
    });
    waited.with_context(|| format!("it is {last}\n{}", world.story_so_far()))
}

/// Waits until a field of the workload's mesh state (`plain`, `draining`) is `count`.
pub fn counted(world: &World, namespace: &str, name: &str, field: &str, count: u64) -> Result<()> {
    let mut last = Value::Null;
    let waited = wait_for(&format!("{namespace}/{name} to have {count} {field}"), SOON, || {
        last = world.get(namespace, name)?;
        Ok((last["mesh"][field] == count).then_some(()))
    });
    waited.with_context(|| format!("it is {last}\n{}", world.story_so_far()))
}

/// Waits for a line in the log of `role` that holds all `words`.
pub fn logged(world: &World, role: &str, words: &[&str]) -> Result<String> {
    let waited = wait_for(&format!("{words:?} in the log of {role}"), SOON, || {
        let log = world.cli(&["logs", role])?;
        Ok(log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(ToOwned::to_owned))
    });
    waited.with_context(|| world.story_so_far())
}

/// Waits until `command` succeeds in `talker`.
pub fn succeeds(world: &World, talker: &mut Talker, command: &str) -> Result<Value> {
    let waited = wait_for(&format!("{command:?} to succeed"), SOON, || match talker.attempt(command)? {
        Ok(value) => Ok(Some(value)),
        Err(error) => bail!("{error}"),
    });
    waited.with_context(|| world.story_so_far())
}

/// Waits until `command` fails in `talker` with an error of that class.
pub fn fails(world: &World, talker: &mut Talker, command: &str, class: &str) -> Result<()> {
    let waited = wait_for(&format!("{command:?} to fail with {class}"), SOON, || match talker.attempt(command)? {
        Ok(value) => bail!("it succeeds: {value}"),
        Err(error) if error.starts_with(class) => Ok(Some(())),
        Err(error) => bail!("{error}"),
    });
    waited.with_context(|| world.story_so_far())
}

/// Waits until `talker`'s pump on the connection `name` has made progress since now.
pub fn flows(talker: &mut Talker, name: &str) -> Result<()> {
    let command = format!("pumped {name}");
    let before = talker.ask(&command)?.as_u64();
    wait_for("data to flow", Duration::from_secs(10), || Ok((talker.ask(&command)?.as_u64() > before).then_some(())))
}

/// Writes a file of objects and waits until all proxies act on it; `mark` is new each time.
pub fn applied(world: &World, file: &str, mark: &str, objects: &str) -> Result<()> {
    let service =
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {mark}}}\nspec: {{ports: [{{port: 80}}]}}\n");
    world.write(file, &format!("{service}---\n{objects}"))?;
    wait_for(&format!("{mark} to be read"), SOON, || {
        let services = world.json(&["get", "services"])?;
        Ok(services.as_array().into_iter().flatten().any(|service| service["name"] == *mark).then_some(()))
    })?;
    world.settle()
}

/// Kills a role and waits until another process has taken its place.
pub fn killed(world: &World, role: &str) -> Result<()> {
    let before = world.kill(role)?;
    wait_for(&format!("{role} to be started again"), SOON, || {
        let processes = world.processes()?;
        let now = processes.get(role).with_context(|| format!("no {role} in {processes:?}"))?;
        Ok((now.state == "running" && now.pid.is_some_and(|pid| pid != before)).then_some(()))
    })
}
