//! What documents tell a reader to do is done, from the top of each to its end, and has to print what they show.
//!
//! A document plays in a mesh of its own, a copy of `examples/bookinfo`:
//!
//! - A block of YAML that begins with `# FILE: NAME` (or `# /tmp/bookinfo/NAME`) is written there; `# FILE: NAME removed`
//!   removes it. The story goes on once every proxy has acknowledged it.
//! - In a transcript (no language, or `console`) a line behind `$ ` is a command, the lines behind it are what it prints. A
//!   line `…` stands for any lines, `…` within a line for anything. A last line `[exit N]` says how it ends; curl and
//!   `explain` say so themselves. A command that prints something else is given again, as a reader would, for a while.
//! - `/tmp/bookinfo` is the mesh's directory. What makes it, and `ripstop up`, has been done already. `/tmp/judged` and
//!   `/srv/native` are places beside it.

#[path = "book/servers.rs"]
mod servers;

use std::{
    fs,
    process::{Command, Output},
};

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;
use ripstop_e2e::{
    authorities::{authority, certificate, secret},
    fences::{self, Block},
};
use ripstop_world::{HostNetwork, SOON, World, wait_for};
use servers::Servers;

/// Where documents have their reader put the sample.
const SAMPLE: &str = "/tmp/bookinfo";
/// What has been done before a document begins.
const DONE: [&str; 4] = ["export PATH=", "cp -r examples/bookinfo /tmp/bookinfo", "ripstop up ", "make "];
/// Other places that documents make.
const BESIDE: [(&str, &str); 2] = [("/tmp/judged", "judged"), ("/srv/native", "native")];

#[test]
fn the_readme() -> Result<()> {
    play("README.md", 10)
}

#[test]
fn the_start() -> Result<()> {
    play("docs/start.md", 10)
}

#[test]
fn how_to_route() -> Result<()> {
    play("docs/traffic.md", 20)
}

#[test]
fn how_to_migrate() -> Result<()> {
    play("docs/migration.md", 40)
}

#[test]
fn how_to_let_in() -> Result<()> {
    play("docs/access.md", 15)
}

#[test]
fn how_to_ask_and_to_analyze() -> Result<()> {
    play("docs/operating.md", 14)
}

#[test]
fn how_to_configure() -> Result<()> {
    play("docs/configuration.md", 3)
}

#[test]
fn how_to_take_part_by_oneself() -> Result<()> {
    play("docs/hbone.md", 4)
}

/// Commands that are only listed end well, or, if they follow something, are at it after a while.
#[test]
fn how_to_operate_and_configure() -> Result<()> {
    sample()?.tell(|world| {
        authority(world, "ca")?;
        certificate(world, "ca", "shop", "shop.example")?;
        let secret = secret(world, "shop", &[("tls.crt", "shop.pem"), ("tls.key", "shop.key")])?;
        world.write("shop.yaml", &format!("{secret}{SHOP}"))?;
        let listening = || {
            let rows = world.json(&["get", "gateways"])?;
            let urls = rows.as_array().into_iter().flatten().filter_map(|row| row["url"].as_str());
            Ok((urls.count() == 2).then_some(()))
        };
        wait_for("both ports of the gateway", SOON, listening)?;
        world.settle()?;
        let state = format!("{}/", world.state().display());
        let directory = world.dir().display().to_string();
        let words = [(SAMPLE, &*directory), ("STATE/", &state), ("curl ", "curl --fail ")];
        let mut commands = 0;
        for document in ["docs/operating.md", "docs/configuration.md"] {
            commands += lists(world, document, &words)?;
        }
        ensure!(commands >= 39, "only {commands} commands were found");
        Ok(())
    })
}

/// What docs/operating.md calls through a gateway.
const SHOP: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example]}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [shop.example], tls: {mode: SIMPLE, credentialName: shop}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: istio-system}
spec:
  hosts: [shop.example]
  gateways: [shop]
  http: [{route: [{destination: {host: productpage.bookinfo.svc.cluster.local}}]}]
";

/// Commands of a generator of load, for a second where they say for how long.
#[test]
fn how_to_load() -> Result<()> {
    sample()?.tell(|world| {
        let _servers = Servers::start(world)?;
        let mut words = vec![("https://shop.example/", servers::TLS), ("-z 30s", "-z 1s"), ("-z 1m", "-z 1s")];
        words.extend([
            ("load --rate 1000", "load -z 1s --rate 1000"),
            ("load --http 2", "load -z 1s --http 2"),
            ("load --grpc", "load -z 1s --grpc"),
            ("load --cacert", "load -z 1s --cacert"),
            ("load --weights", "load -z 1s --weights"),
            ("load http://productpage", "load -z 1s http://productpage"),
        ]);
        let commands = lists(world, "docs/load.md", &words)?;
        ensure!(commands == 11, "{commands} commands were found");
        Ok(())
    })
}

/// Gives the commands of a document's lists, with some words of theirs replaced; how many there were.
fn lists(world: &World, document: &str, words: &[(&str, &str)]) -> Result<usize> {
    let mut count = 0;
    for block in fences::of(document)?.iter().filter(|block| block.language == "sh") {
        count += list(world, block, words)?;
    }
    Ok(count)
}

fn list(world: &World, block: &Block, words: &[(&str, &str)]) -> Result<usize> {
    let mut count = 0;
    let mut whole = String::new();
    for (offset, line) in block.text.lines().enumerate() {
        whole += line.split(" #").next().unwrap_or(line).trim();
        if let Some(begun) = whole.strip_suffix('\\') {
            whole = begun.to_owned();
            continue;
        }
        let command = std::mem::take(&mut whole);
        let is_meant = ["ripstop ", "curl "].iter().any(|word| command.starts_with(word));
        if !is_meant || DONE.iter().any(|done| command.starts_with(done)) {
            continue;
        }
        let command = words.iter().fold(command, |command, (from, to)| command.replace(from, to));
        let place = format!("{}:{}", block.file, block.line + offset);
        let follows = ["--follow", "ripstop tap", "ripstop link"].iter().any(|word| command.contains(word));
        let patience = if follows { 1 } else { 60 };
        let command = format!("cd {} && timeout {patience} {command}", world.path("").display());
        give(world, &Given { place, command, expected: Vec::new(), exit: if follows { 124 } else { 0 } })?;
        count += 1;
    }
    ensure!(whole.is_empty(), "{}:{}: a command has no end: {whole}", block.file, block.line);
    Ok(count)
}

/// A command, and what it has to print.
struct Given {
    place: String,
    command: String,
    expected: Vec<String>,
    exit: i32,
}

/// The sample, on a network of its own.
fn sample() -> Result<World> {
    let mut files = Vec::new();
    for entry in fs::read_dir(fences::root().join("examples/bookinfo"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
            files.push((name, fs::read_to_string(&path)?));
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    World::start_in(HostNetwork::create()?, &files)
}

/// Does what the document says; it has so many commands at least.
fn play(document: &str, least: usize) -> Result<()> {
    sample()?.tell(|world| {
        let mut commands = 0;
        for block in fences::of(document)? {
            match block.language.as_str() {
                "yaml" => write(world, &block)?,
                "console" | "" => {
                    for given in commands_of(&block, world)? {
                        give(world, &given)?;
                        commands += 1;
                    }
                }
                _ => {}
            }
        }
        ensure!(commands >= least, "only {commands} commands were found");
        Ok(())
    })
}

/// Writes or removes the file that a block is; one that says no name is only looked at.
fn write(world: &World, block: &Block) -> Result<()> {
    let first = block.text.lines().next().unwrap_or_default();
    let named =
        first.strip_prefix("# FILE: ").or_else(|| first.strip_prefix("# ")?.strip_prefix(SAMPLE)?.strip_prefix('/'));
    let Some(name) = named else { return Ok(()) };
    // Of the files; versions come by workloads that start and end, too.
    let revision = || Ok::<_, anyhow::Error>(world.json(&["status"])?["revision"].as_u64().unwrap_or_default());
    let before = revision()?;
    match name.strip_suffix(" removed") {
        Some(name) => world.remove(name)?,
        None => world.write(name, &placed(&block.text, world))?,
    }
    let place = format!("{}:{}", block.file, block.line);
    // Nobody reads hidden files.
    if !name.starts_with('.') {
        wait_for(&format!("{place}: a new version"), SOON, || Ok((revision()? > before).then_some(())))?;
    }
    world.settle().with_context(|| place.clone())?;
    let findings = world.json(&["get", "findings"])?;
    let wrong = |finding: &&serde_json::Value| finding["level"] == "error";
    let wrong: Vec<_> = findings.as_array().into_iter().flatten().filter(wrong).collect();
    ensure!(wrong.is_empty(), "{place}: {wrong:?}");
    Ok(())
}

/// The commands of a transcript.
fn commands_of(block: &Block, world: &World) -> Result<Vec<Given>> {
    let done = |line: &str| line.strip_prefix("$ ").is_some_and(|line| DONE.iter().any(|done| line.starts_with(done)));
    let todo: Vec<&str> = block.text.lines().map(|line| if done(line) { "$ true" } else { line }).collect();
    let text = placed(&todo.join("\n"), world);
    let mut given: Vec<Given> = Vec::new();
    let mut goes_on = false;
    for (offset, line) in text.lines().enumerate() {
        let place = format!("{}:{}", block.file, block.line + offset);
        if goes_on {
            let last = given.last_mut().context("a command")?;
            last.command.truncate(last.command.len() - 1);
            last.command += line.trim_start();
        } else if let Some(command) = line.strip_prefix("$ ") {
            given.push(Given { place, command: command.to_owned(), expected: Vec::new(), exit: 0 });
        } else if let Some(last) = given.last_mut() {
            match line.strip_prefix("[exit ").and_then(|rest| rest.strip_suffix(']')) {
                Some(status) => last.exit = status.parse()?,
                None => last.expected.push(line.trim_end().to_owned()),
            }
            continue;
        } else {
            // Not a transcript.
            return Ok(given);
        }
        goes_on = given.last().is_some_and(|last| last.command.ends_with('\\'));
    }
    for given in &mut given {
        let said = |line: &String| match line.strip_prefix("curl: (") {
            Some(rest) => rest.split(')').next()?.parse().ok(),
            None if line.starts_with("NOT ROUTED  ") => Some(4),
            None => line.starts_with("DENIED  ").then_some(3),
        };
        given.exit = given.expected.iter().find_map(said).unwrap_or(given.exit);
    }
    given.retain(|given| given.command != "true");
    Ok(given)
}

/// A text with the places of this mesh instead of those of the documents.
fn placed(text: &str, world: &World) -> String {
    let beside = BESIDE.iter().map(|(there, here)| (*there, world.path(here)));
    let places = beside.chain([(SAMPLE, world.dir())]);
    places.fold(text.to_owned(), |text, (there, here)| text.replace(there, &here.display().to_string()))
}

/// Gives a command until it prints what it should.
fn give(world: &World, given: &Given) -> Result<()> {
    let Given { place, command, expected, exit } = given;
    let pattern = pattern(expected)?;
    let mut last = String::new();
    let waited = wait_for(&format!("{place}: $ {command}"), SOON, || {
        let output = shell(world, command)?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let printed: String = printed.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
        let status = output.status.code();
        let held = status == Some(*exit) && (expected.is_empty() || pattern.is_match(&printed));
        last = format!("it ends with {status:?} and prints\n{printed}\nexpected: {exit}, and\n{}", expected.join("\n"));
        if status == Some(127) {
            bail!("{place}: {last}");
        }
        Ok(held.then_some(()))
    });
    waited.with_context(|| format!("{last}\n{}", world.story_so_far()))
}

/// What is printed on both outputs, as they come.
fn shell(world: &World, command: &str) -> Result<Output> {
    let path = std::env::var("PATH").unwrap_or_default();
    let whole = format!("exec 2>&1\n{command}");
    let mut shell: Command = world.as_user("/bin/sh".as_ref());
    shell.args(["-c", &whole]).env("RIPSTOP_MESH", world.state()).current_dir(fences::root());
    shell.env("PATH", format!("{}:{path}", world.path("bin").display())).stdin(std::process::Stdio::null());
    Ok(shell.output()?)
}

/// Matches what `expected` stands for.
fn pattern(expected: &[String]) -> Result<Regex> {
    let lines = expected.iter().map(|line| match line.as_str() {
        "…" => "(?:.*\n)*?".to_owned(),
        line => regex::escape(line).replace('…', ".*") + "\n",
    });
    Ok(Regex::new(&format!("^{}$", lines.collect::<String>()))?)
}

#[test]
fn dots_stand_for_anything() -> Result<()> {
    let expected = ["a … c", "…", "end."].map(ToOwned::to_owned);
    for (printed, held) in [
        ("a b c\nend.\n", true),
        ("a b c\nx\ny\nend.\n", true),
        ("a b\nend.\n", false),
        ("a b c\nendx\n", false),
        ("a b c\nend.\nmore\n", false),
    ] {
        ensure!(pattern(&expected)?.is_match(printed) == held, "{printed:?}");
    }
    Ok(())
}
