//! A workload that a story talks to.

use std::{fs, time::Duration};

use anyhow::{Context, Result, bail};
use ripstop_world::{Client, World};
use serde_json::Value;

/// What it runs; its first lines say how it is spoken to.
const PROGRAM: &str = include_str!("talker.py");
/// Every command ends by itself within this.
const DEADLINE: Duration = Duration::from_secs(45);

/// A running workload that does what it is told, line by line.
#[derive(Debug)]
pub struct Talker {
    client: Client,
    /// Its namespace.
    pub namespace: String,
    /// Its instance name.
    pub name: String,
    /// Its IPv4 address.
    pub ip: String,
}

impl Talker {
    /// Starts one in `namespace`; `options` go to `ripstop run`.
    pub fn start(world: &World, namespace: &str, options: &[&str]) -> Result<Self> {
        let program = world.path("talker.py");
        fs::write(&program, PROGRAM)?;
        let mut command = world.command(&["run", "-n", namespace]);
        command.args(options).args(["--", "/usr/bin/python3"]).arg(program);
        let client = Client::start(command)?;
        let mut talker = Self { client, namespace: namespace.to_owned(), name: String::new(), ip: String::new() };
        let me = talker.ask("me").with_context(|| world.story_so_far())?;
        let text = |key: &str| me[key].as_str().map(ToOwned::to_owned).context("it does not know who it is");
        (talker.name, talker.ip) = (text("name")?, text("ip")?);
        Ok(talker)
    }

    /// Does `command`, which must succeed.
    pub fn ask(&mut self, command: &str) -> Result<Value> {
        match self.attempt(command)? {
            Ok(value) => Ok(value),
            Err(error) => bail!("{command:?} in {}/{} failed: {error}", self.namespace, self.name),
        }
    }

    /// Does `command`; the inner error is its failure, e.g. `ConnectionResetError: [Errno 104] …`.
    pub fn attempt(&mut self, command: &str) -> Result<Result<Value, String>> {
        self.client.say(command)?;
        let line = self.client.line(DEADLINE).with_context(|| command.to_owned())?;
        let answer: Value = serde_json::from_str(&line.with_context(|| format!("it ended before {command:?}"))?)?;
        Ok(match answer["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["text"].as_str().unwrap_or_default())),
            None => Ok(answer["ok"].clone()),
        })
    }

    /// Ends it.
    pub fn stop(self) -> Result<()> {
        self.client.stop().map(drop)
    }
}
