//! `ripstop run`: a command in the mesh that behaves as if it ran right here.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{CALLS, NODES, echo};
use ripstop_world::{SOON, World, signal, wait_for};

fn world() -> Result<World> {
    World::start(&[("nodes.yaml", NODES), ("echo.yaml", &echo("far", "shop", "west"))])
}

const PYTHON: &str = "/usr/bin/python3";

/// Says each signal that comes, and ends by itself at the end of its input.
const LISTENER: &str = "\
import signal, sys
for name in sys.argv[1:]:
    signal.signal(getattr(signal, 'SIG' + name), lambda number, _: print(signal.Signals(number).name, flush=True))
print('ready', flush=True)
sys.stdin.read()
sys.exit(5)
";

#[test]
fn its_end_is_the_commands_end() -> Result<()> {
    world()?.tell(|world| {
        for (script, wanted) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
            let status = world.run("plain", &[], script)?.status;
            ensure!(status.code() == Some(wanted), "{script}: {status}");
        }
        let absent = world.workload("plain", &[], &["no-such-command"]).output()?;
        let text = String::from_utf8_lossy(&absent.stderr);
        ensure!(!absent.status.success() && text.contains("no-such-command"), "{}: {text}", absent.status);
        // What the command left running ends with it.
        let output = world.run("plain", &[], "sleep 1000 & echo $!")?;
        ensure!(output.status.success());
        ensure!(!world.processes()?.keys().any(|name| name.starts_with("plain/")), "{:?}", world.processes()?);
        Ok(())
    })
}

#[test]
fn signals_reach_the_command() -> Result<()> {
    world()?.tell(|world| {
        let signals = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM"];
        let argv = [&[PYTHON, "-c", LISTENER], &signals[..]].concat();
        let client = world.client("plain", &[], &argv)?;
        ensure!(client.line(SOON)?.as_deref() == Some("ready"));
        for name in signals {
            signal(client.pid(), name)?;
            ensure!(client.line(SOON)? == Some(format!("SIG{name}")));
        }
        // Then by the end of its input, which comes with the finish.
        let (status, _) = client.finish()?;
        ensure!(status.code() == Some(5), "{status}");

        // One that does not care dies of it, and so, as shells say it, does the client.
        let client = world.client("plain", &[], &[PYTHON, "-c", LISTENER])?;
        ensure!(client.line(SOON)?.as_deref() == Some("ready"));
        signal(client.pid(), "TERM")?;
        let (status, _) = client.finish_by_itself()?;
        ensure!(status.code() == Some(143), "{status}");
        Ok(())
    })
}

#[test]
fn streams_environment_and_directory_are_the_clients() -> Result<()> {
    world()?.tell(|world| {
        // More than any pipe holds, every byte of it.
        let sent: Vec<u8> = (0..1_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut command = world.workload("plain", &[], &["sh", "-c", "cat; echo this is an error >&2"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (mut stdin, copy) = (child.stdin.take().context("no input")?, sent.clone());
        let writer = std::thread::spawn(move || stdin.write_all(&copy));
        let mut received = Vec::new();
        child.stdout.take().context("no output")?.read_to_end(&mut received)?;
        writer.join().map_err(|_| anyhow::anyhow!("the writer failed"))??;
        let output = child.wait_with_output()?;
        ensure!(output.status.success() && received == sent, "{} of {} bytes", received.len(), sent.len());
        ensure!(output.stderr == b"this is an error\n", "{}", String::from_utf8_lossy(&output.stderr));

        // A file stays a file: what the workload writes goes on where it was.
        let path = world.path("out.txt");
        let mut file = fs::File::create(&path)?;
        file.write_all(b"first\n")?;
        ensure!(world.workload("plain", &[], &["echo", "second"]).stdout(file).status()?.success());
        ensure!(fs::read_to_string(&path)? == "first\nsecond\n");

        let place = world.path("a place");
        fs::create_dir(&place)?;
        let script =
            "pwd; echo \"$GREETING\"; echo \"$POD_NAMESPACE $SERVICE_ACCOUNT $NODE_NAME\"; env | grep -c ^RIPSTOP_";
        let mut command = world.workload("plain", &[], &["sh", "-c", script]);
        let output = command.current_dir(&place).env("GREETING", "good day,\n you").output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let wanted = format!("{}\ngood day,\n you\nplain default east\n0\n", place.display());
        ensure!(text == wanted, "{text}");
        Ok(())
    })
}

#[test]
fn account_node_and_labels_are_what_was_said() -> Result<()> {
    let service = "\
apiVersion: v1
kind: Service
metadata: {name: greeter, namespace: lab}
spec:
  selector: {app: greeter}
  ports: [{name: tcp, port: 80, targetPort: 9000}]
";
    let world =
        World::start(&[("nodes.yaml", NODES), ("echo.yaml", &echo("far", "lab", "west")), ("greeter.yaml", service)])?;
    world.tell(|world| {
        let flags = ["--service-account", "guest", "--node", "west", "--label", "app=greeter"];
        let flags = [&flags[..], &["--label", "istio.io/dataplane-mode=ambient"]].concat();
        let prelude = format!("{CALLS}\nimport os\nserver = socket.create_server((\"0.0.0.0\", 9000))");
        let mut guest = world.captured_console("lab", &flags, &prelude)?;
        let place = "[os.environ[name] for name in ('SERVICE_ACCOUNT', 'NODE_NAME', 'POD_NAMESPACE')]";
        ensure!(guest.ask(place)? == serde_json::json!(["guest", "west", "lab"]));
        let shown = world.get("lab", guest.name())?;
        let address = guest.text("os.environ['POD_IP']")?;
        ensure!(shown["service_account"] == "guest" && shown["node"] == "west" && shown["ready"] == true, "{shown}");
        ensure!(shown["mesh"]["level"] == "workload" && shown["addresses"][0] == address.as_str(), "{shown}");

        // Its label makes it the service's endpoint, for a plain caller on the other node.
        let mut caller = world.console("lab", &["--node", "east"], CALLS)?;
        let reach = "socket.create_connection(('greeter', 80), 10).getsockname()[0]";
        let from = wait_for("the service to lead to it", SOON, || caller.text(reach).map(Some))?;
        ensure!(from.starts_with("10.244.1."), "{from}");
        ensure!(guest.text("server.accept()[1][0]")? == from);
        // Its account is what the other side sees, once that is in the mesh too.
        world.enrol("lab", true)?;
        wait_for("the access log", SOON, || {
            ensure!(guest.text("call('far')")? == address);
            let log = world.cli(&["logs", "node-west"])?;
            Ok(log.contains("src.identity=spiffe://cluster.local/ns/lab/sa/guest").then_some(()))
        })?;
        guest.finish()?;
        caller.finish()?;

        let lost = world.command(&["run", "--node", "north", "--", "true"]).output()?;
        let text = String::from_utf8_lossy(&lost.stderr);
        ensure!(!lost.status.success() && text.contains("north") && text.contains("east, west"), "{text}");
        for bad in ["UPPER", "../x", "a/b", ""] {
            let refused = world.command(&["run", "-n", bad, "--", "true"]).output()?;
            ensure!(!refused.status.success(), "namespace {bad:?} was taken");
        }
        Ok(())
    })
}

/// What a workload has on its node: links, routes and namespaces.
fn place_on_node(world: &World) -> Result<BTreeSet<String>> {
    let processes = world.processes()?;
    let node = world.host_pid(processes["node-east"].pid.context("node-east does not run")?)?;
    let mut place = BTreeSet::new();
    for file in ["route", "ipv6_route", "dev"] {
        let text = fs::read_to_string(format!("/proc/{node}/net/{file}"))?;
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            // Other routes come and go by themselves.
            let is_link = |word: &&&str| word.strip_prefix('w').is_some_and(|rest| rest.starts_with(char::is_numeric));
            if let Some(link) = words.iter().find(is_link) {
                // Device and destination, or the other way round; behind a device there are counters.
                let words = if file == "dev" { &words[..1] } else { &words[..2] };
                place.insert(format!("{file} {link} {}", words.join(" ")));
            }
        }
    }
    let inner = Path::new("/proc").join(world.host_pid(1)?.to_string()).join("root");
    let state = world.state();
    for directory in ["run/netns", "run/etc"] {
        let directory = inner.join(state.strip_prefix("/")?).join(directory);
        place.extend(fs::read_dir(directory)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    Ok(place)
}

#[test]
fn when_its_client_is_gone_nothing_of_it_stays() -> Result<()> {
    world()?.tell(|world| {
        let before = place_on_node(world)?;
        for enrolled in [false, true] {
            // It ignores what it can ignore.
            let argv = [PYTHON, "-c", LISTENER, "HUP", "TERM", "INT"];
            let labels = if enrolled { vec!["istio.io/dataplane-mode=ambient"] } else { Vec::new() };
            let client = world.client("plain", &labels, &argv)?;
            ensure!(client.line(SOON)?.as_deref() == Some("ready"));
            let processes = world.processes()?;
            let (name, running) = processes.iter().find(|(name, _)| name.starts_with("plain/")).context("no run")?;
            let instance = name.strip_prefix("plain/").context("no instance")?;
            if enrolled {
                world.wait_for_state("plain", instance, "CAPTURED")?;
            }
            let on_host = world.host_processes()?;
            let there = place_on_node(world)?;
            ensure!(there.len() > before.len() + 3, "{there:?}");
            let pid = world.host_pid(running.pid.context("it runs")?)?;
            signal(client.pid(), "KILL")?;
            let (status, _) = client.finish()?;
            ensure!(status.signal() == Some(9), "{status}");
            wait_for("everything of the run to be gone", SOON, || {
                let list = world.json(&["get", "workloads", "-n", "plain"])?;
                ensure!(list == serde_json::json!([]), "{list}");
                ensure!(!world.processes()?.contains_key(name));
                let now = place_on_node(world)?;
                ensure!(now == before, "{:?}", now.symmetric_difference(&before).collect::<Vec<_>>());
                let process = on_host.iter().find(|process| process.pid == pid).context("it ran")?;
                ensure!(!process.is_alive());
                Ok(Some(()))
            })?;
        }
        Ok(())
    })
}

#[test]
fn when_the_mesh_ends_it_ends_too() -> Result<()> {
    world()?.tell(|world| {
        let client = world.client("plain", &[], &[PYTHON, "-c", LISTENER])?;
        ensure!(client.line(SOON)?.as_deref() == Some("ready"));
        world.end("TERM")?;
        let (status, _) = client.finish_by_itself()?;
        ensure!(status.code() == Some(143), "{status}");
        let client = world.client("plain", &[], &["true"])?;
        let (status, _) = client.finish_by_itself()?;
        ensure!(status.code().is_some_and(|code| code != 0), "without a mesh: {status}");
        Ok(())
    })
}

/// Runs a command on a terminal of its own: 41 rows of 97, later 50 of 120; types what it is told to.
const TERMINAL: &str = r#"
import fcntl, os, pty, select, struct, sys, termios, time

def size(fd, rows, columns): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

pid, terminal = pty.fork()
if pid == 0:
    size(0, 41, 97)
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b""

def expect(text):
    global seen
    until = time.monotonic() + 30
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], until - time.monotonic())
        assert ready, f"no {text} in {seen}"
        try: more = os.read(terminal, 65536)
        except OSError: more = b""
        assert more, f"the end instead of {text} in {seen}"
        seen += more
    seen = seen.split(text, 1)[1]

expect(b"terminal True 41x97")
os.write(terminal, b"hello\r")
expect(b"line hello")
size(terminal, 50, 120)
expect(b"resized 50x120")
os.write(terminal, b"\x03")
expect(b"interrupted")
_, status = os.waitpid(pid, 0)
print("status", os.waitstatus_to_exitcode(status))
"#;

/// What runs on that terminal.
const ON_TERMINAL: &str = r#"
import os, signal, sys
size = lambda: "{1}x{0}".format(*os.get_terminal_size())
# Python calls this between two reads of the input, not in the middle of one.
signal.signal(signal.SIGWINCH, lambda *_: os.write(1, f"resized {size()}\n".encode()))
ours = all(os.isatty(fd) for fd in (0, 1, 2)) and os.tcgetpgrp(0) == os.getpgrp()
# The size may come a moment after the start.
while size() != "41x97": signal.sigtimedwait([], 0.01)
print("terminal", ours, size(), flush=True)
try:
    for line in sys.stdin: print("line", line.strip(), flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(3)
"#;

#[test]
fn a_terminal_is_a_terminal() -> Result<()> {
    world()?.tell(|world| {
        let run = world.workload("plain", &[], &[PYTHON, "-c", ON_TERMINAL]);
        let mut outer = Command::new(PYTHON);
        outer.args(["-c", TERMINAL]).arg(run.get_program()).args(run.get_args());
        for (key, value) in run.get_envs() {
            outer.env(key, value.unwrap_or_default());
        }
        let output = outer.stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(text.trim() == "status 3", "{text}{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    })
}
