//! A Python interpreter as a workload, asked line by line.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{Client, SOON, World, wait_for};

/// Evaluates each line of its input and answers with one line of JSON. First it tells its name.
const INTERPRETER: &str = "\
import json, os, sys
scope = {}
exec(sys.argv[1], scope)
print(os.environ.get('POD_NAME', ''), flush=True)
for line in sys.stdin:
    try: answer = {'value': eval(line, scope)}
    except Exception as error: answer = {'error': f'{type(error).__name__}: {error}'}
    print(json.dumps(answer), flush=True)
";
/// Debian's own, which every user may run.
const PYTHON: &str = "/usr/bin/python3";
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);

/// A running interpreter; dropping it ends it.
#[derive(Debug)]
pub struct Console {
    client: Client,
    name: String,
}

/// The words that start an interpreter which has run `prelude`.
pub fn interpreter(prelude: &str) -> [&str; 4] {
    [PYTHON, "-c", INTERPRETER, prelude]
}

// === impl Console ===

impl Console {
    /// Starts `command`, which has to run [`interpreter`].
    pub fn start(command: Command) -> Result<Self> {
        let client = Client::start(command)?;
        let name = client.line(ANSWER)?.context("Python ended at once")?;
        Ok(Self { client, name })
    }

    /// Name of its instance in the mesh.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process id of the client of the mesh.
    pub fn pid(&self) -> u32 {
        self.client.pid()
    }

    /// The value of a Python expression; an exception is an error.
    pub fn ask(&mut self, expression: &str) -> Result<Value> {
        self.client.say(expression)?;
        let line = self.client.line(ANSWER)?.with_context(|| format!("Python ended at {expression}"))?;
        let mut answer: Value = serde_json::from_str(&line).with_context(|| format!("no JSON: {line}"))?;
        match answer.get("error") {
            Some(error) => bail!("{expression}: {}", error.as_str().unwrap_or_default()),
            None => Ok(answer["value"].take()),
        }
    }

    /// As [`Self::ask`], as text.
    pub fn text(&mut self, expression: &str) -> Result<String> {
        Ok(match self.ask(expression)? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    /// Ends it by the end of its input, and waits for it.
    pub fn finish(self) -> Result<()> {
        let (status, lines) = self.client.finish()?;
        if status.success() { Ok(()) } else { bail!("the console ended with {status}: {lines:?}") }
    }
}

// === impl World ===

impl World {
    /// A Python that has run `prelude`, as a workload of `namespace`; `flags` are for `ripstop run`.
    pub fn console(&self, namespace: &str, flags: &[&str], prelude: &str) -> Result<Console> {
        let mut command = self.command(&["run", "-n", namespace]);
        command.args(flags).arg("--").args(interpreter(prelude));
        Console::start(command)
    }

    /// As [`Self::console`], in an enrolled namespace: it is captured when this returns.
    pub fn captured_console(&self, namespace: &str, flags: &[&str], prelude: &str) -> Result<Console> {
        let console = self.console(namespace, flags, prelude)?;
        self.wait_for_state(namespace, console.name(), "CAPTURED")?;
        Ok(console)
    }

    /// Waits until the instance is in this state of the mesh (`CAPTURED`, `NONE`, …).
    pub fn wait_for_state(&self, namespace: &str, name: &str, state: &str) -> Result<()> {
        wait_for(&format!("{namespace}/{name} to be {state}"), SOON, || {
            // A new one is listed a moment after it runs.
            let list = self.json(&["get", "workloads", "-n", namespace])?;
            let found = list.as_array().and_then(|list| list.iter().find(|workload| workload["name"] == name));
            Ok(found.is_some_and(|workload| workload["mesh"]["state"] == state).then_some(()))
        })
        .with_context(|| self.story_so_far())
    }
}
