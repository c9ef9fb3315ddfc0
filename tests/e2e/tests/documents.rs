//! The documents are true as far as a machine can tell: what they show as configuration is read
//! without error, and what they show as a command is one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use ripstop_api::{Level, parse_file};
use ripstop_e2e::fences::{self, Block};

/// Examples and commands that there are at least: a fence that is misspelt must not hide them all.
const EXAMPLES: usize = 8;
const COMMANDS: usize = 25;

#[test]
fn every_example_is_read_without_error() -> Result<()> {
    let blocks = fences::all()?;
    let examples: Vec<_> = blocks.iter().filter(|block| block.language == "yaml").collect();
    ensure!(examples.len() >= EXAMPLES, "only {} examples were found", examples.len());
    for block in examples {
        // Says that a file goes.
        if block.text.starts_with("# FILE: ") && block.text.lines().count() == 1 {
            continue;
        }
        let parsed = parse_file(&format!("{}:{}", block.file, block.line), &block.text);
        let wrong: Vec<_> =
            parsed.findings.iter().filter(|f| f.level == Level::Error).map(ToString::to_string).collect();
        ensure!(wrong.is_empty(), "{}:{}: {}", block.file, block.line, wrong.join("\n"));
        ensure!(!parsed.objects.is_empty(), "{}:{}: there is no object in it", block.file, block.line);
    }
    Ok(())
}

#[test]
fn every_command_is_known() -> Result<()> {
    let mut helps = Helps { program: program()?, known: BTreeMap::new() };
    let mut commands = 0;
    for block in fences::all()? {
        for (offset, command) in commands_of(&block) {
            let place = format!("{}:{}: {command}", block.file, block.line + offset);
            helps.check(&command).with_context(|| place)?;
            commands += 1;
        }
    }
    ensure!(commands >= COMMANDS, "only {commands} commands were found");
    Ok(())
}

/// Command lines of `ripstop`, each with its offset: in a transcript those behind a prompt.
fn commands_of(block: &Block) -> Vec<(usize, String)> {
    let prompted = match block.language.as_str() {
        "sh" => false,
        "console" | "" => true,
        _ => return Vec::new(),
    };
    let command = |line: &str| {
        let line = if prompted { line.strip_prefix("$ ")? } else { line.trim_start() };
        line.starts_with("ripstop ").then(|| line.split(" #").next().unwrap_or(line).trim().to_owned())
    };
    let lines = block.text.lines().enumerate();
    lines.filter_map(|(offset, line)| Some((offset, command(line)?))).collect()
}

/// What `--help` of the commands says, each asked once.
struct Helps {
    program: PathBuf,
    known: BTreeMap<Vec<String>, Help>,
}

/// What one command takes.
#[derive(Clone, Default)]
struct Help {
    subcommands: BTreeSet<String>,
    /// Flags, and whether each has a value.
    flags: BTreeMap<String, bool>,
}

// === impl Helps ===

impl Helps {
    fn check(&mut self, command: &str) -> Result<()> {
        let mut path = Vec::new();
        let mut help = self.of(&path)?;
        let mut words = command.split_whitespace().skip(1);
        while let Some(word) = words.next() {
            if word == "--" {
                break; // what follows is another program's
            }
            if let Some(flag) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
                let takes_value = help.flags.get(name).with_context(|| format!("there is no flag -{flag}"))?;
                if *takes_value && value.is_none() {
                    words.next().with_context(|| format!("{name} lacks its value"))?;
                }
            } else if help.subcommands.contains(word) {
                path.push(word.to_owned());
                help = self.of(&path)?;
            } else if !help.subcommands.is_empty() {
                bail!("there is no command {word}; there are {:?}", help.subcommands);
            }
        }
        ensure!(help.subcommands.is_empty(), "it lacks one of {:?}", help.subcommands);
        Ok(())
    }

    fn of(&mut self, path: &[String]) -> Result<Help> {
        if let Some(help) = self.known.get(path) {
            return Ok(help.clone());
        }
        let output = Command::new(&self.program).args(path).arg("--help").output()?;
        ensure!(output.status.success(), "{path:?} --help: {output:?}");
        let help = Help::read(&String::from_utf8(output.stdout)?);
        self.known.insert(path.to_vec(), help.clone());
        Ok(help)
    }
}

// === impl Help ===

impl Help {
    /// Reads clap's layout: sections at the left, entries indented by at least two.
    fn read(text: &str) -> Self {
        let mut help = Self::default();
        let mut section = "";
        for line in text.lines().filter(|line| !line.is_empty()) {
            if !line.starts_with(' ') {
                section = line.trim_end_matches(':');
                continue;
            }
            let mut words = line.split_whitespace().peekable();
            match section {
                // Longer texts of a command go on further to the right.
                "Commands" if !line.starts_with("   ") => help.subcommands.extend(words.next().map(ToOwned::to_owned)),
                "Options" if line.trim_start().starts_with('-') => {
                    let mut names = Vec::new();
                    while let Some(name) = words.next_if(|word| word.starts_with('-')) {
                        names.push(name.trim_end_matches(',').to_owned());
                    }
                    let takes_value = words.peek().is_some_and(|word| word.starts_with('<'));
                    help.flags.extend(names.into_iter().map(|name| (name, takes_value)));
                }
                _ => {}
            }
        }
        help.subcommands.remove("help");
        help
    }
}

/// The binary under test: in `RIPSTOP_TEST_BIN`, else where this build has put it.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let directory = match std::env::var_os("RIPSTOP_TEST_BIN") {
        Some(directory) => PathBuf::from(directory),
        None => own.ancestors().find(|path| path.join("deps").is_dir()).context("where was this test built?")?.into(),
    };
    let program = directory.join("ripstop");
    ensure!(program.exists(), "{} is not there: run `scripts/build debug` first (make test does)", program.display());
    Ok(program)
}
