//! What a workload cannot do, enrolled or not, also with a user namespace of its own.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, echo};
use ripstop_world::{World, interpreter};
use serde_json::{Value, json};

/// Attempts that must fail, each by its name, and what became of each.
const ATTEMPTS: &str = include_str!("isolation/attempts.py");

/// What ought to become of each of [`ATTEMPTS`].
fn expected() -> Value {
    json!({
        "SO_MARK": "EPERM",
        "IP_TRANSPARENT": "EPERM",
        "IPV6_TRANSPARENT": "EPERM",
        "packet socket": "EPERM",
        "raw socket": "EPERM",
        "read tables": "EPERM",
        "read rules": "EPERM",
        "delete all tables": "EPERM",
        "begin a batch": "EPERM",
        "add an address": "EPERM",
        "add a route": "EPERM",
        "delete a route": "EPERM",
        "delete a rule": "EPERM",
        "take the link down": "EPERM",
        "enter PID 1's network": "EACCES",
        "enter any namespace": "EPERM",
        "look into PID 1": "EACCES",
        "uncover the state": "EPERM",
        "uncover /etc/resolv.conf": "EPERM",
        "read keys": "ENOENT",
        "read secrets of its node": "ENOENT",
        "connect to the admin socket": "ENOENT",
        "turn a switch of the network": "EACCES",
        "turn a switch of the machine": "EACCES",
    })
}

fn world() -> Result<World> {
    World::start(&[("nodes.yaml", NODES), ("echo.yaml", &echo("far", "shop", "west"))])
}

fn prelude(world: &World) -> String {
    format!("STATE = '{}'\n{ATTEMPTS}", world.state().display())
}

/// Compares outcomes, and names those that differ.
fn compare(outcomes: &Value, expected: &Value) -> Result<()> {
    let (outcomes, expected) = (outcomes.as_object().context("no table")?, expected.as_object().context("no table")?);
    let wrong: Vec<String> = expected
        .iter()
        .filter(|(name, wanted)| outcomes.get(*name) != Some(wanted))
        .map(|(name, wanted)| format!("{name}: {:?} instead of {wanted}", outcomes.get(name)))
        .collect();
    ensure!(wrong.is_empty() && outcomes.len() == expected.len(), "{}", wrong.join("\n"));
    Ok(())
}

/// Everything that holds for every workload.
fn holds(console: &mut ripstop_world::Console) -> Result<()> {
    compare(&console.ask("attempts()")?, &expected())?;
    let status = console.ask("status()")?;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        ensure!(status[set].as_str().is_some_and(|set| set.trim() == "0000000000000000"), "{set}: {}", status[set]);
    }
    ensure!(status["NoNewPrivs"].as_str().is_some_and(|set| set.trim() == "1"), "{status}");
    let uids = status["Uid"].as_str().context("no Uid")?;
    ensure!(uids.split_whitespace().all(|uid| uid != "0"), "uids {uids}");
    let groups = status["Groups"].as_str().unwrap_or_default();
    ensure!(groups.split_whitespace().all(|group| group != "0"), "groups {groups}");
    let processes = console.ask("processes()")?;
    ensure!(processes == json!(["python3", "ripstop-init"]), "{processes}");
    let state = console.ask("state()")?;
    ensure!(state == json!([[], []]), "{state}");
    ensure!(console.ask("bind_low()")? == 80);
    Ok(())
}

#[test]
fn a_workload_has_no_power_over_the_mesh() -> Result<()> {
    world()?.tell(|world| {
        let mut console = world.console("plain", &[], &prelude(world))?;
        holds(&mut console)?;
        console.finish()
    })
}

#[test]
fn an_enrolled_workload_has_none_either() -> Result<()> {
    world()?.tell(|world| {
        world.enrol("shop", true)?;
        let mut console = world.captured_console("shop", &[], &prelude(world))?;
        holds(&mut console)?;
        // After all that it is as captured as before: what it says arrives with its identity.
        ensure!(console.text("call()")?.starts_with("10.244.1."));
        ripstop_world::wait_for("the access log", ripstop_world::SOON, || {
            let log = world.cli(&["logs", "node-west"])?;
            Ok(log.contains("src.identity=spiffe://cluster.local/ns/shop/sa/default").then_some(()))
        })?;
        console.finish()
    })
}

#[test]
fn a_user_namespace_of_its_own_gives_it_no_more() -> Result<()> {
    world()?.tell(|world| {
        let prelude = prelude(world);
        let mut command = world.command(&["run", "-n", "plain", "--", "unshare", "-Ur"]);
        command.args(interpreter(&prelude));
        let mut console = ripstop_world::Console::start(command)?;
        // There it is root and has all capabilities, over nothing that it did not make itself.
        let status = console.ask("status()")?;
        ensure!(status["NoNewPrivs"].as_str().is_some_and(|set| set.trim() == "1"), "{status}");
        compare(&console.ask("attempts()")?, &expected())?;
        ensure!(console.ask("state()")? == json!([[], []]));
        let uncovered = console.ask("uncover()")?;
        let covered =
            json!({"unmount": "EINVAL", "bind what is below": "EINVAL", "bind all": [], "after all that": []});
        ensure!(uncovered == covered, "{uncovered}");
        console.finish()
    })
}

#[test]
fn the_state_is_hidden_from_one_that_starts_inside_of_it() -> Result<()> {
    world()?.tell(|world| {
        for place in ["control/ca", "nodes", ""] {
            let mut command = world.workload("plain", &[], &["sh", "-c", "ls -A . | head; pwd"]);
            let output = command.current_dir(world.state().join(place)).output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            ensure!(!text.contains("key") && !text.contains("admin.sock") && !text.contains("east"), "{text}");
        }
        Ok(())
    })
}

/// Attempts to change the configuration, and what became of each.
const CHANGES: &str = r#"
def changes():
    file = DIR + "/nodes.yaml"
    attempts = {
        "create": lambda: open(DIR + "/more.yaml", "w"),
        "append": lambda: open(file, "a"),
        "remove": lambda: os.remove(file),
        "rename": lambda: os.rename(file, DIR + "/other.yaml"),
        "link": lambda: os.symlink("/dev/null", DIR + "/link.yaml"),
        "open up": lambda: os.chmod(DIR, 0o777),
        "unmount": lambda: syscall("umount2", DIR.encode(), 2),
        "mount writable": lambda: syscall("mount", None, DIR.encode(), None, 0x1020, None),
    }
    outcome = {}
    for name, attempt in attempts.items():
        try: outcome[name] = f"done: {attempt()}"
        except OSError as error: outcome[name] = named(error)
    return outcome
"#;

#[test]
fn a_workload_reads_the_configuration_and_cannot_change_it() -> Result<()> {
    world()?.tell(|world| {
        // So that nothing but the mount is in the way, whoever the workload's user is.
        for path in [world.dir(), world.dir().join("nodes.yaml")] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
        }
        let prelude = format!("DIR = {:?}\n{}{CHANGES}", world.dir(), prelude(world));
        let wanted = json!({
            "create": "EROFS",
            "append": "EROFS",
            "remove": "EROFS",
            "rename": "EROFS",
            "link": "EROFS",
            "open up": "EROFS",
            "unmount": "EPERM",
            "mount writable": "EPERM",
        });
        let mut console = world.console("plain", &[], &prelude)?;
        ensure!(console.ask("sorted(os.listdir(DIR))")? == json!(["echo.yaml", "nodes.yaml"]));
        compare(&console.ask("changes()")?, &wanted)?;
        console.finish()?;
        let mut command = world.command(&["run", "-n", "plain", "--", "unshare", "-Ur"]);
        command.args(interpreter(&prelude));
        let mut console = ripstop_world::Console::start(command)?;
        compare(&console.ask("changes()")?, &wanted)?;
        console.finish()?;
        // The mesh's user is not held back, and is heard.
        world.write("more.yaml", &echo("near", "shop", "east"))?;
        ripstop_world::wait_for("the new process", ripstop_world::SOON, || {
            Ok(world.cli(&["get", "workloads", "-A"])?.contains("near-0").then_some(()))
        })
    })
}

/// Asks the admin socket in the directory that is descriptor 9.
const ASK: &str = "\
import errno, socket
s = socket.socket(socket.AF_UNIX); s.settimeout(10)
try:
    s.connect('/proc/self/fd/9/admin.sock')
    s.sendall(b'GET /v1/processes HTTP/1.1\\r\\nHost: mesh\\r\\n\\r\\n')
    print(s.recv(1000))
except OSError as error: print(errno.errorcode[error.errno])
";

#[test]
fn the_admin_socket_refuses_a_workload_that_got_at_it() -> Result<()> {
    world()?.tell(|world| {
        let ask = |mut command: std::process::Command| -> Result<String> {
            let output = command.stdin(std::fs::File::open(world.state())?).output()?;
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        // Python itself wants no directory for its input.
        let script = ["-c", "exec 9<&0 </dev/null; exec /usr/bin/python3 -c \"$0\"", ASK];
        let refused = ask(world.workload("plain", &[], &[&["sh"], &script[..]].concat()))?;
        ensure!(["b''", "ECONNRESET", "EPIPE", "EACCES"].contains(&refused.as_str()), "{refused}");
        // The same program on the machine is answered, so the story can fail.
        let mut command = world.as_user(std::path::Path::new("sh"));
        command.args(script);
        let answered = ask(command)?;
        ensure!(answered.contains("200 OK"), "{answered}");
        Ok(())
    })
}
