//! The machine that a mesh runs on: what comes from there into the mesh, by way of gateways.

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result, ensure};
use ripstop_world::{Console, SOON, World, interpreter, wait_for};
use serde_json::Value;

use crate::curl::Got;

/// Waits until gateways have the newest configuration and listen on `ports` of the machine, and on no others.
pub fn opens(world: &World, ports: &[u16]) -> Result<()> {
    let mut last = Value::Null;
    wait_for(&format!("ports {ports:?}"), SOON, || {
        last = world.json(&["get", "gateways"])?;
        let rows = last.as_array().context("no list")?;
        let open = rows.iter().filter(|row| row["url"].is_string()).filter_map(|row| row["port"].as_u64());
        Ok((rows.len() == ports.len() && open.eq(ports.iter().map(|port| u64::from(*port)))).then_some(()))
    })
    .with_context(|| format!("{last}\n{}", world.story_so_far()))?;
    let gateway = || world.get("istio-system", "istio-ingressgateway-0");
    if !ports.is_empty() {
        wait_for("the gateway to be ready", SOON, || Ok((gateway()?["ready"] == true).then_some(())))?;
    }
    world.settle()
}

/// Runs a shell script on the machine, among the files of the world; gives what it printed.
pub fn on_host(world: &World, script: &str) -> Result<String> {
    let mut command = world.as_user(Path::new("sh"));
    command.args(["-c", script]).current_dir(world.path("")).stdin(Stdio::null());
    let output = command.output()?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// A Python on the machine that has run `prelude`.
pub fn console(world: &World, prelude: &str) -> Result<Console> {
    let [python, words @ ..] = interpreter(prelude);
    let mut command = world.as_user(Path::new(python));
    command.args(words).current_dir(world.path(""));
    Console::start(command)
}

/// Runs curl on the machine.
pub fn curl(world: &World, options: &str) -> Result<Got> {
    let text = on_host(world, &format!("curl -s -i -m 20 {options}"))?;
    Got::read(&text).with_context(|| format!("curl {options}\n{}", world.story_so_far()))
}

/// The exit status of curl, which gets no answer.
pub fn curl_fails(world: &World, options: &str) -> Result<i32> {
    let text = on_host(world, &format!("curl -s -m 20 -o /dev/null {options}; echo $?"))?;
    let code = text.trim().lines().last().context("no exit status")?.parse()?;
    ensure!(code != 0, "curl {options} got an answer");
    Ok(code)
}
