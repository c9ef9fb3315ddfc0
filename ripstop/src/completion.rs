//! `ripstop completion`: words for a shell, those of the running mesh among them.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    io,
    path::PathBuf,
    sync::mpsc,
    thread,
    time::Duration,
};

use clap::{Args, ValueEnum};
use clap_complete::{
    CompleteEnv, Shell,
    engine::{ArgValueCompleter, CompletionCandidate},
    env::Shells,
};
use serde_json::Value;

use crate::{kinds, mesh::Mesh, output::print, tables::text};

/// Whose words.
#[derive(Args)]
pub struct Completion {
    /// Shell.
    shell: Shell,
}

/// What a shell sets when it asks for words.
const ASKING: &str = "RIPSTOP_COMPLETE";
/// Labels that enrol, and the removal of one.
const LABELS: [&str; 2] = ["istio.io/dataplane-mode=ambient", "istio.io/dataplane-mode-"];
/// How long a shell waits for each answer of the mesh; there are two at most.
const PATIENCE: Duration = Duration::from_millis(500);

// === impl Completion ===

impl Completion {
    /// Prints the script.
    pub fn run(self) -> anyhow::Result<()> {
        let name = self.shell.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let own = std::env::current_exe()?;
        let shells = Shells::builtins();
        let completer = shells.completer(&name).ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
        let mut script = Vec::new();
        completer.write_registration(ASKING, "ripstop", "ripstop", &own.to_string_lossy(), &mut script)?;
        print(&String::from_utf8_lossy(&script));
        Ok(())
    }
}

/// Answers a shell, and ends, if it is one that asks.
pub fn answer(command: fn() -> clap::Command) {
    CompleteEnv::with_factory(command).var(ASKING).complete();
}

/// Kinds, and behind a slash their objects.
pub fn kinds() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_string_lossy();
        if let Some((kind, _)) = current.split_once('/') {
            let names = Line::read().names_of(kind);
            return candidates(&current, names.into_iter().map(|name| format!("{kind}/{name}")));
        }
        // Of several kinds the last is being typed.
        let (before, _) = current.rsplit_once(',').map_or(("", &*current), |(before, last)| (before, last));
        let before = if before.is_empty() { String::new() } else { format!("{before},") };
        let words = crate::get::words().chain(kinds::possible().map(|value| value.get_name().to_owned()));
        candidates(&current, words.map(|word| format!("{before}{word}")).collect::<BTreeSet<_>>())
    })
}

/// Objects of the kind that stands before them.
pub fn names() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let line = Line::read();
        let words = match (line.command(), line.plain().count()) {
            // Behind the name.
            (Some("label"), 4..) => LABELS.map(str::to_owned).into(),
            (Some("annotate"), 4..) => BTreeSet::new(),
            _ => line.kind().map(|kind| line.names_of(kind)).unwrap_or_default(),
        };
        candidates(&current.to_string_lossy(), words)
    })
}

/// Namespaces.
pub fn namespaces() -> ArgValueCompleter {
    asked(|line| {
        let objects = line.ask("/v1/objects");
        let of_objects = rows(&objects).flat_map(|row| match text(row, "kind") {
            "Namespace" => [text(row, "name"), ""],
            _ => [text(row, "namespace"), ""],
        });
        let workloads = line.ask("/v1/workloads");
        let all = of_objects.chain(rows(&workloads).map(|row| text(row, "namespace")));
        all.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    })
}

/// Workloads, as `NAMESPACE/NAME`.
pub fn workloads() -> ArgValueCompleter {
    asked(|line| rows(&line.ask("/v1/workloads")).map(|row| line.named(row, "name")).collect())
}

/// Declared processes, as `NAMESPACE/NAME`.
pub fn processes() -> ArgValueCompleter {
    asked(|line| rows(&line.ask("/v1/workloads")).map(|row| line.named(row, "process")).collect())
}

/// Roles, workloads and processes.
pub fn whoever_runs() -> ArgValueCompleter {
    asked(|line| {
        let running = line.ask("/v1/processes");
        let running = rows(&running).filter(|row| line.namespace().is_none() || !text(row, "namespace").is_empty());
        let mut all: BTreeSet<String> = running.map(|row| line.named(row, "name")).collect();
        all.extend(rows(&line.ask("/v1/workloads")).map(|row| line.named(row, "process")));
        all
    })
}

/// Services, as `NAME.NAMESPACE:`, for a port to follow.
pub fn services() -> ArgValueCompleter {
    asked(|line| {
        let all = line.ask("/v1/services");
        let ports = |row: &Value| rows(&row["ports"]).map(|port| port["port"].clone()).collect::<Vec<_>>();
        let host = |row: &Value| format!("{}.{}", text(row, "name"), text(row, "namespace"));
        rows(&all).flat_map(|row| ports(row).into_iter().map(|port| format!("{}:{port}", host(row)))).collect()
    })
}

/// Nodes.
pub fn nodes() -> ArgValueCompleter {
    asked(|line| rows(&line.ask("/v1/world")["nodes"]).map(|node| text(node, "name").to_owned()).collect())
}

/// Nodes and gateways.
pub fn proxies() -> ArgValueCompleter {
    asked(|line| line.proxies().collect())
}

/// Nodes, gateways and the control plane.
pub fn tellers() -> ArgValueCompleter {
    asked(|line| line.proxies().chain(["control".to_owned()]).collect())
}

/// What the mesh says.
fn asked(ask: fn(&Line) -> BTreeSet<String>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| candidates(&current.to_string_lossy(), ask(&Line::read())))
}

fn candidates(current: &str, words: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    words
        .into_iter()
        .filter(|word| word.starts_with(current) && !word.is_empty())
        .map(CompletionCandidate::new)
        .collect()
}

fn rows(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The line that is being typed.
struct Line {
    words: Vec<String>,
}

// === impl Line ===

impl Line {
    fn read() -> Self {
        Self::of(std::env::args_os())
    }

    /// From how a shell asks: `ripstop -- ripstop WORD…`.
    fn of(args: impl IntoIterator<Item = OsString>) -> Self {
        let asked = args.into_iter().skip_while(|word| word != "--").skip(2);
        let mut words: Vec<String> = Vec::new();
        let mut goes_on = false;
        for word in asked.map(|word| word.to_string_lossy().into_owned()) {
            // bash hands on `--flag=value` as three words.
            let is_sign = word == "=";
            match words.last_mut().filter(|_| is_sign || goes_on) {
                Some(last) => last.push_str(&word),
                None => words.push(word),
            }
            goes_on = is_sign;
        }
        Self { words }
    }

    /// The value of a flag.
    fn flag(&self, short: &str, long: &str) -> Option<&str> {
        self.words.iter().enumerate().find_map(|(at, word)| {
            let joined = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
            let apart = (word == long || word == short).then(|| self.words.get(at + 1).map(String::as_str)).flatten();
            joined.or(apart).filter(|value| !value.is_empty())
        })
    }

    fn namespace(&self) -> Option<&str> {
        self.flag("-n", "--namespace")
    }

    fn command(&self) -> Option<&str> {
        self.plain().next()
    }

    /// The kind: what stands behind the command.
    fn kind(&self) -> Option<&str> {
        self.plain().nth(1)
    }

    /// Words that are no flags, nor their values.
    fn plain(&self) -> impl Iterator<Item = &str> {
        let takes_value =
            |flag: &str| matches!(flag, "-n" | "--namespace" | "--mesh" | "-l" | "--selector" | "-o" | "--output");
        let mut before = "";
        self.words.iter().map(String::as_str).filter(move |word| {
            let is_value = takes_value(before);
            before = word;
            !is_value && !word.starts_with('-')
        })
    }

    /// Names of a kind, or of what runs.
    fn names_of(&self, kind: &str) -> BTreeSet<String> {
        let is_here = |row: &&Value| self.namespace().is_none_or(|namespace| text(row, "namespace") == namespace);
        if let Some(path) = crate::get::path_of(kind).filter(|_| self.command() == Some("get")) {
            return rows(&self.ask(path)).filter(is_here).map(|row| text(row, "name").to_owned()).collect();
        }
        let Some(kind) = kinds::named(kind) else { return BTreeSet::new() };
        let is_of = |row: &&Value| text(row, "kind") == kind.to_string();
        let is_here = |row: &&Value| !kind.is_namespaced() || is_here(row);
        rows(&self.ask("/v1/objects")).filter(is_of).filter(is_here).map(|row| text(row, "name").to_owned()).collect()
    }

    /// What `key` of `row` names, with its namespace unless that is given.
    fn named(&self, row: &Value, key: &str) -> String {
        match (self.namespace(), text(row, "namespace"), text(row, key)) {
            (_, _, "") => String::new(),
            (None, "", name) => name.to_owned(),
            (None, namespace, name) => format!("{namespace}/{name}"),
            (Some(given), namespace, name) if given == namespace => name.to_owned(),
            _ => String::new(),
        }
    }

    fn proxies(&self) -> impl Iterator<Item = String> {
        let world = self.ask("/v1/world");
        let nodes = rows(&world["nodes"]).map(|node| text(node, "name").to_owned());
        let gateways = rows(&world["gateways"]).filter_map(Value::as_str).map(|name| name.replacen('.', "/", 1));
        let sidecars = rows(&world["sidecars"]).filter_map(Value::as_str).map(str::to_owned);
        nodes.chain(gateways).chain(sidecars).collect::<Vec<_>>().into_iter()
    }

    /// What the mesh answers; nothing where there is none, or it takes too long.
    fn ask(&self, path: &str) -> Value {
        let selector = self.flag("--mesh", "--mesh").map(PathBuf::from);
        let selector = selector.or_else(|| std::env::var_os("RIPSTOP_MESH").map(PathBuf::from));
        let path = path.to_owned();
        let (told, answer) = mpsc::channel();
        // Left behind if something does not come back.
        thread::spawn(move || {
            let asking = || {
                let mesh = Mesh::find(selector.as_deref()).ok()?;
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
                runtime.block_on(mesh.get(&path)).ok()
            };
            let _ = told.send(asking());
        });
        answer.recv_timeout(PATIENCE).ok().flatten().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &str) -> Line {
        Line::of(["ripstop", "--", "ripstop"].into_iter().chain(words.split(' ')).map(OsString::from))
    }

    #[test]
    fn what_is_typed_is_understood() {
        for (words, kind, namespace) in [
            ("get vs ", Some("vs"), None),
            ("get -n shop vs we", Some("vs"), Some("shop")),
            ("--mesh dir get --namespace=shop dr ", Some("dr"), Some("shop")),
            ("get --namespace = shop dr we", Some("dr"), Some("shop")),
            ("get", None, None),
            ("describe -n ", None, None),
        ] {
            let line = line(words);
            assert_eq!((line.kind().filter(|word| !word.is_empty()), line.namespace()), (kind, namespace), "{words}");
        }
        assert_eq!(line("--mesh dir get vs ").flag("--mesh", "--mesh"), Some("dir"));
    }

    #[test]
    fn what_is_in_another_namespace_is_not_offered() {
        let row = serde_json::json!({ "namespace": "shop", "name": "web-0", "process": "web" });
        assert_eq!(line("logs ").named(&row, "process"), "shop/web");
        assert_eq!(line("logs -n shop ").named(&row, "process"), "web");
        assert_eq!(line("logs -n bank ").named(&row, "name"), "");
    }
}
