//! Connections that were open before there were any routes.

use anyhow::{Result, ensure};
use ripstop_e2e::shop::{routed, world};
use ripstop_world::SOON;
use serde_json::Value;

/// A client that keeps its connections: `ask()` sends a request, and gives who answered; `begin()` and `finish()` do so
/// in two steps.
const CLIENT: &str = r#"
import http.client, json

connection = http.client.HTTPConnection("web.shop", 80, timeout=30)

def begin(delay=0):
    connection.request("GET", "/", headers={"x-reflect-delay-ms": str(delay)})

def finish():
    answer = connection.getresponse()
    return json.loads(answer.read())["name"]

def ask():
    begin()
    return finish()

def is_open():
    return connection.sock is not None

def ended():
    """Waits for the other side's end."""
    return connection.sock.recv(1) == b""
"#;

#[test]
fn connections_that_were_open_before_follow_routes_between_two_requests() -> Result<()> {
    world()?.tell(|world| {
        let mut idle = world.captured_console("shop", &[], CLIENT)?;
        let mut busy = world.captured_console("shop", &[], CLIENT)?;
        let mut silent = world.captured_console("shop", &[], CLIENT)?;
        for client in [&mut idle, &mut busy] {
            for _ in 0..3 {
                let name = client.text("ask()")?;
                ensure!(name.starts_with("web-v"), "{name}");
            }
            ensure!(client.ask("is_open()")? == true);
        }
        silent.ask("connection.connect()")?;
        // A request that is under way is answered by whom it went to, and then its connection ends.
        busy.ask("begin(2000)")?;
        routed(world, "all-v2", "  - route: [{destination: {host: web, subset: v2}}]\n")?;
        ensure!(idle.ask("ended()")? == true);
        let name = busy.text("finish()")?;
        ensure!(name.starts_with("web-v"), "{name}");
        ensure!(busy.ask("ended()")? == true);
        // Whatever comes next follows them.
        for client in [&mut idle, &mut busy] {
            client.ask("connection.close()")?;
            for _ in 0..10 {
                ensure!(client.text("ask()")? == "web-v2");
            }
        }
        // One that had carried nothing carries one request as it would have.
        ensure!(silent.text("ask()")?.starts_with("web-v") && silent.ask("ended()")? == true);
        for client in [idle, busy, silent] {
            client.finish()?;
        }
        Ok(())
    })
}

#[test]
fn a_load_is_cut_over_to_its_first_routes_without_a_failure() -> Result<()> {
    world()?.tell(|world| {
        let load =
            ["bookinfo", "load", "--url", "http://web.shop.svc.cluster.local/", "--rate", "300", "--seconds", "6"];
        let client = world.client("shop", &[], &load)?;
        // It is under way before there is any route.
        let first = client.line(SOON)?;
        routed(world, "all-v3", "  - route: [{destination: {host: web, subset: v3}}]\n")?;
        let (status, lines) = client.finish_by_itself()?;
        ensure!(status.success(), "{first:?} {lines:?}");
        let last: Value = serde_json::from_str(lines.last().map_or("", String::as_str)).unwrap_or_default();
        ensure!(last["failed"] == 0 && last["ok"].as_u64() > Some(1000), "{lines:?}");
        Ok(())
    })
}
