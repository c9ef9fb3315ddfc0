//! What passes between two enrolled workloads on two nodes, and how.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, echo};
use ripstop_world::{SOON, World, wait_for};

/// Two enrolled echoes, and clients that are enrolled with namespace `shop`.
fn world() -> Result<World> {
    let files =
        [("nodes.yaml", NODES), ("a.yaml", &echo("near", "shop", "east")), ("b.yaml", &echo("far", "shop", "west"))];
    let world = World::start(&files)?;
    world.enrol("shop", true)?;
    world.settle()?;
    Ok(world)
}

/// A Python program run by an enrolled client once its capture is in place.
fn enrolled(world: &World, program: &str) -> Result<String> {
    // The client's own capture is in place when the echo sees the client and the proxy has logged it.
    let script = format!("{CAPTURED}\n{program}");
    let output = world.run("shop", &[], &format!("/usr/bin/python3 -c '{script}'"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{text}{}\n{}", String::from_utf8_lossy(&output.stderr), world.story_so_far());
    Ok(text)
}

/// Waits until the client itself is captured. It asks a port that the service does not have: the node
/// refuses that at once, while a captured connection is accepted first and then reset.
const CAPTURED: &str = "\
import socket, time, hashlib, os, threading, sys
deadline = time.time() + 20
while True:
    assert time.time() < deadline, \"the client was never captured\"
    try:
        socket.create_connection((\"far.shop\", 1), 5).close()
        break
    except ConnectionResetError: break
    except ConnectionRefusedError: pass
def dial(host=\"far.shop\"):
    s = socket.create_connection((host, 9000), 10); s.settimeout(60)
    line = b\"\"
    while not line.endswith(b\"\\n\"):
        b = s.recv(1)
        assert b, \"closed before the greeting\"
        line += b
    return s, line.decode().strip()
";

#[test]
fn the_application_sees_the_callers_own_address() -> Result<()> {
    let world = world()?;
    let program = "\
s, seen = dial()
print(seen, os.environ[\"POD_IP\"])";
    let text = enrolled(&world, program)?;
    let words: Vec<&str> = text.split_whitespace().collect();
    ensure!(
        words[0].starts_with(&format!("{}:", words[1])),
        "the echo saw {} but the client is {}",
        words[0],
        words[1]
    );
    // And both proxies recorded a tunnel.
    let log = wait_for("the access logs", SOON, || {
        let log = world.cli(&["logs", "node-west"])?;
        Ok(log.contains("src.identity=spiffe://cluster.local/ns/shop/sa/default").then_some(log))
    })?;
    let line = log.lines().find(|line| line.contains("src.identity=")).context("no line")?;
    ensure!(line.contains("dst.identity=spiffe://cluster.local/ns/shop/sa/far"), "{line}");
    Ok(())
}

#[test]
fn a_plain_caller_is_seen_with_its_address_too() -> Result<()> {
    let world = world()?;
    let program = "import socket,os; s=socket.create_connection((\"far.shop\",9000),10); print(s.recv(100).decode().split(\":\")[0], os.environ[\"POD_IP\"])";
    let text = world.shell("elsewhere", &format!("/usr/bin/python3 -c '{program}'"))?;
    let words: Vec<&str> = text.split_whitespace().collect();
    ensure!(words[0] == words[1], "{text}");
    Ok(())
}

#[test]
fn each_direction_ends_on_its_own() -> Result<()> {
    let world = world()?;
    let program = "\
s, _ = dial()
s.sendall(b\"before\"); s.shutdown(socket.SHUT_WR)
got = b\"\"
while True:
    b = s.recv(100)
    if not b: break
    got += b
print(got.decode())";
    ensure!(enrolled(&world, program)?.trim() == "before");
    Ok(())
}

#[test]
fn a_hundred_megabytes_both_ways() -> Result<()> {
    let world = world()?;
    let program = "\
s, _ = dial()
size = 100 << 20
block = os.urandom(1 << 16)
sent, received = hashlib.sha256(), hashlib.sha256()
def send():
    for _ in range(size // len(block)):
        s.sendall(block); sent.update(block)
    s.shutdown(socket.SHUT_WR)
t = threading.Thread(target=send); t.start()
n = 0
while True:
    b = s.recv(1 << 17)
    if not b: break
    n += len(b); received.update(b)
t.join()
print(n == size, sent.digest() == received.digest())";
    ensure!(enrolled(&world, program)?.trim() == "True True");
    Ok(())
}

#[test]
fn a_thousand_connections_and_a_slow_reader_beside_fast_ones() -> Result<()> {
    let world = world()?;
    let program = "\
stalled, _ = dial()
stalled.settimeout(2)
full = 0
try:
    while full < 256 << 20: full += stalled.send(b\"x\" * 65536)
    print(\"never full\")
except socket.timeout: print(\"full\")
many = [dial()[0] for _ in range(1000)]
for i, s in enumerate(many): s.sendall(b\"%04d\" % i)
for i, s in enumerate(many): assert s.recv(4) == b\"%04d\" % i
print(full < 64 << 20, len(many))
for s in many: s.close()
stalled.settimeout(60); left = full
while left:
    b = stalled.recv(min(left, 1 << 16)); assert b; left -= len(b)
print(\"drained\")";
    let text = enrolled(&world, program)?;
    let lines: Vec<&str> = text.lines().collect();
    ensure!(lines == ["full", "True 1000", "drained"], "{text}");
    // Nothing is left open.
    wait_for("counters to agree", SOON, || {
        let metrics = world.cli(&["metrics", "node-west"])?;
        let sum = |name: &str| -> u64 {
            let lines =
                metrics.lines().filter(|line| line.starts_with(name) && line.contains("destination_workload=\"far\""));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
        };
        let (opened, closed) = (sum("istio_tcp_connections_opened_total{"), sum("istio_tcp_connections_closed_total{"));
        Ok((opened >= 1001 && opened == closed).then_some(()))
    })
}

#[test]
fn ipv6_is_captured_like_ipv4_and_link_local_does_not_slip_by() -> Result<()> {
    let world = world()?;
    let far = world.get("shop", "far-0")?;
    let addresses = far["addresses"].as_array().context("no addresses")?;
    let v6 = addresses.iter().filter_map(|a| a.as_str()).find(|a| a.contains(':')).context("no IPv6 address")?;
    let program = format!("s, seen = dial(\"{v6}\")\nprint(seen)");
    ensure!(enrolled(&world, &program)?.starts_with("[fd00:"), "the caller has no IPv6 address at the far end");
    // The gateway's link-local address is on the same link: a captured workload cannot reach it plainly.
    let program = "\
s = socket.socket(socket.AF_INET6); s.settimeout(3)
i = socket.if_nametoindex(\"eth0\")
try:
    s.connect((\"fe80::1\", 15021, 0, i)); s.sendall(b\"GET /healthz/ready HTTP/1.0\\r\\n\\r\\n\"); print(\"reached\", s.recv(20))
except OSError as e: print(\"kept\", type(e).__name__)";
    let text = enrolled(&world, program)?;
    ensure!(text.starts_with("kept"), "{text}");
    // Without the mesh the same address answers, so the test can fail.
    let plain = "import socket; s=socket.socket(socket.AF_INET6); s.settimeout(3); s.connect((\"fe80::1\",15021,0,socket.if_nametoindex(\"eth0\"))); print(\"reached\")";
    ensure!(world.shell("elsewhere", &format!("/usr/bin/python3 -c '{plain}'"))?.starts_with("reached"));
    Ok(())
}

#[test]
fn a_callee_that_is_not_there_is_told_soon() -> Result<()> {
    let world = world()?;
    let program = "\
def outcome(host, port):
    t = time.time()
    try:
        s = socket.create_connection((host, port), 20); s.settimeout(20); s.recv(1)
        what = \"served\"
    except OSError as e: what = type(e).__name__
    return what, time.time() - t < 10
print(outcome(\"nothing.shop\", 9000))
print(outcome(\"far.shop\", 1))
print(outcome(ADDRESS, 81))";
    let far = world.get("shop", "far-0")?;
    let address = far["addresses"][0].as_str().context("no address")?;
    let text = enrolled(&world, &program.replace("ADDRESS", &format!("\"{address}\"")))?;
    let lines: Vec<&str> = text.lines().map(|line| line.trim_matches(['(', ')'])).collect();
    let reset = "'ConnectionResetError', True";
    ensure!(lines == ["'gaierror', True", reset, reset], "{text}");
    Ok(())
}
