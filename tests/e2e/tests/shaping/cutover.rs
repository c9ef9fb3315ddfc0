//! Connections that were open before there were any routes.

use anyhow::{Result, ensure};
use ripstop_e2e::shop::{routed, world};
use ripstop_world::SOON;
use serde_json::Value;

/// A client that keeps its connection: `ask()` sends a request, and gives who answered; `begin()` and `finish()` do so in
/// two steps; `port()` is the connection's own.
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

def port():
    return connection.sock.getsockname()[1]
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
        }
        silent.ask("connection.connect()")?;
        let ports = [idle.ask("port()")?, busy.ask("port()")?, silent.ask("port()")?];
        // A request that is under way is answered by whom it went to.
        busy.ask("begin(2000)")?;
        routed(world, "all-v2", "  - route: [{destination: {host: web, subset: v2}}]\n")?;
        let name = busy.text("finish()")?;
        ensure!(name.starts_with("web-v"), "{name}");
        // One that had carried nothing carries one request as it would have.
        ensure!(silent.text("ask()")?.starts_with("web-v"));
        // Whatever comes next follows the routes, and those that come later, by the same connection.
        for (mark, expected) in [("", "web-v2"), ("all-v3", "web-v3")] {
            if !mark.is_empty() {
                routed(world, mark, "  - route: [{destination: {host: web, subset: v3}}]\n")?;
            }
            for (client, port) in [&mut idle, &mut busy, &mut silent].into_iter().zip(&ports) {
                for _ in 0..5 {
                    let name = client.text("ask()")?;
                    ensure!(name == expected, "{name} instead of {expected}");
                }
                ensure!(client.ask("port()")? == *port, "there is another connection");
            }
        }
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

#[test]
fn a_connection_of_http2_ends_when_no_stream_is_open() -> Result<()> {
    world()?.tell(|world| {
        // One after the other, by one connection as long as there is one.
        let script = "curl -s -m 60 --rate 20/s --http2-prior-knowledge -o /dev/null -w '%{http_code} %{num_connects} %header{x-reflect-name}\\n' 'http://web.shop/?n=[1-120]'";
        let client = world.client("shop", &[], &["sh", "-c", script])?;
        let mut first = client.line(SOON)?;
        while first.as_deref().is_some_and(|line| !line.starts_with("200 ")) {
            first = client.line(SOON)?;
        }
        let first = first.unwrap_or_default();
        let to = if first.ends_with("web-v2") { "v3" } else { "v2" };
        routed(world, "cut-over", &format!("  - route: [{{destination: {{host: web, subset: {to}}}}}]\n"))?;
        let (status, lines) = client.finish_by_itself()?;
        ensure!(status.success() && lines.iter().all(|line| line.starts_with("200 ")), "{lines:?}");
        let last = lines.last().map_or("", String::as_str);
        ensure!(last.ends_with(&format!("web-{to}")), "{first}: {lines:?}");
        // There was one connection more.
        let connected = lines.iter().filter(|line| line.starts_with("200 1 ")).count();
        ensure!(connected == 1, "{first}: {lines:?}");
        Ok(())
    })
}
