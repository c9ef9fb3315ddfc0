//! What a workload cannot do, enrolled or not, also with a user namespace of its own.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, echo};
use ripstop_world::{World, interpreter};
use serde_json::{Value, json};

/// Attempts that must fail, each by its name, and what became of each.
const ATTEMPTS: &str = r#"
import ctypes, errno, os, socket, struct

libc = ctypes.CDLL(None, use_errno=True)
NETFILTER, ROUTE = 12, 0

def named(error): return errno.errorcode.get(error.errno, str(error))

def option(family, level, number):
    with socket.socket(family) as s: s.setsockopt(level, number, 1)

def netlink(protocol, kind, flags, payload):
    """Sends one message and waits for the answer; an error is raised."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as s:
        s.settimeout(5)
        s.send(struct.pack("=IHHII", 16 + len(payload), kind, flags | 1 | 4, 1, 0) + payload)
        answer = s.recv(65536)
        if struct.unpack_from("=H", answer, 4)[0] == 2:
            code = -struct.unpack_from("=i", answer, 16)[0]
            if code: raise OSError(code, os.strerror(code))

def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)

INET, TABLES = 1, 10 << 8
family = struct.pack("=BBH", INET, 0, 0)
link = lambda: socket.if_nametoindex("eth0")
address = socket.inet_aton("10.9.8.7")
route = struct.pack("=BBBBBBBBI", 2, 32, 0, 0, 254, 4, 253, 1, 0) + attribute(1, address)

def enter(path, kind):
    fd = os.open(path, os.O_RDONLY)
    try:
        if libc.setns(fd, kind): raise OSError(ctypes.get_errno(), "setns")
    finally: os.close(fd)

def enter_any():
    """Tries every namespace of every process that can be seen, but for a user namespace of its own."""
    kinds = {"net": 0x40000000, "mnt": 0x20000, "pid": 0x20000000, "ipc": 0x8000000, "uts": 0x4000000, "user": 0x10000000}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name, kind in kinds.items():
            try: enter(f"/proc/{pid}/ns/{name}", kind)
            except OSError: continue
            return f"entered {name} of {pid}"
    raise PermissionError(errno.EPERM, "none")

def syscall(name, *arguments):
    if getattr(libc, name)(*arguments): raise OSError(ctypes.get_errno(), name)

ATTEMPTS = {
    "SO_MARK": lambda: option(socket.AF_INET, socket.SOL_SOCKET, 36),
    "IP_TRANSPARENT": lambda: option(socket.AF_INET, socket.SOL_IP, 19),
    "IPV6_TRANSPARENT": lambda: option(socket.AF_INET6, socket.IPPROTO_IPV6, 75),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP),
    "read tables": lambda: netlink(NETFILTER, TABLES | 1, 0x300, family),
    "read rules": lambda: netlink(NETFILTER, TABLES | 7, 0x300, family),
    "delete all tables": lambda: netlink(NETFILTER, TABLES | 2, 0, family),
    "flush in a batch": lambda: netlink(NETFILTER, 16, 0, struct.pack(">BBH", 0, 0, 10)),
    "add an address": lambda: netlink(ROUTE, 20, 0x400, struct.pack("=BBBBI", 2, 32, 0, 0, link()) + attribute(2, address)),
    "add a route": lambda: netlink(ROUTE, 24, 0x400, route + attribute(4, struct.pack("=I", link()))),
    "delete a route": lambda: netlink(ROUTE, 25, 0, route),
    "delete a rule": lambda: netlink(ROUTE, 33, 0, struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 1, 0)),
    "take the link down": lambda: netlink(ROUTE, 16, 0, struct.pack("=BxHiII", 0, 0, link(), 0, 1)),
    "enter PID 1's network": lambda: enter("/proc/1/ns/net", 0x40000000),
    "enter any namespace": enter_any,
    "look into PID 1": lambda: os.listdir("/proc/1/root"),
    "uncover the state": lambda: syscall("umount2", STATE.encode(), 2),
    "uncover /etc/resolv.conf": lambda: syscall("umount2", b"/etc/resolv.conf", 2),
    "read keys": lambda: os.listdir(STATE + "/control"),
    "read secrets of its node": lambda: os.listdir(STATE + "/nodes"),
    "connect to the admin socket": lambda: socket.socket(socket.AF_UNIX).connect(STATE + "/admin.sock"),
    "write a switch of the network": lambda: open("/proc/sys/net/ipv4/conf/all/rp_filter", "w").write("1"),
    "write a switch of the machine": lambda: open("/proc/sys/kernel/core_pattern", "w").write("x"),
}

def attempts():
    outcome = {}
    for name, attempt in ATTEMPTS.items():
        try: outcome[name] = f"done: {attempt()}"
        except OSError as error: outcome[name] = named(error)
    return outcome

def status(): return dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())

def processes():
    """Names of all processes that it sees."""
    names = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try: names.append(open(f"/proc/{pid}/comm").read().strip())
        except FileNotFoundError: pass
    return sorted(names)

def state():
    """What it sees in the state directory, by whichever way."""
    ways = [STATE, "/proc/self/root" + STATE, "/proc/self/cwd"]
    return [os.listdir(way) for way in ways if os.path.isdir(way)][:2]

def uncover():
    """What root of a user namespace can do about the cover in a mount namespace of its own."""
    syscall("unshare", 0x20000)
    syscall("mount", b"none", b"/", None, 0x44000, None)
    below, name = os.path.split(STATE)
    bind = lambda flags: syscall("mount", below.encode(), b"/mnt", None, flags, None)
    outcome = {}
    for what, attempt in {"unmount": lambda: syscall("umount2", STATE.encode(), 2), "bind what is below": lambda: bind(0x1000)}.items():
        try: outcome[what] = f"done: {attempt()}"
        except OSError as error: outcome[what] = named(error)
    bind(0x5000)
    outcome["bind all"] = os.listdir(f"/mnt/{name}")
    outcome["after all that"] = os.listdir(STATE)
    return outcome

def call():
    """Address that an echo in the mesh sees."""
    with socket.create_connection(("far.shop", 9000), 10) as s: return s.recv(100).decode()

def bind_low():
    with socket.create_server(("0.0.0.0", 80)) as s: return s.getsockname()[1]
"#;

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
        "flush in a batch": "EPERM",
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
        "write a switch of the network": "EACCES",
        "write a switch of the machine": "EACCES",
    })
}

fn world() -> Result<World> {
    World::start(&[("nodes.yaml", NODES), ("echo.yaml", &echo("far", "shop", "west"))])
}

fn prelude(world: &World) -> String {
    format!("STATE = {:?}\n{ATTEMPTS}", world.state())
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
