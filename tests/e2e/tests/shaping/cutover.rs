//! Connections that were open before there were any routes.

use anyhow::{Result, ensure};
use ripstop_e2e::shop::{routed, world};
use ripstop_world::SOON;
use serde_json::{Value, json};

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
        ensure!(last["failed"] == 0 && last["ok"].as_u64() > Some(200), "{lines:?}");
        Ok(())
    })
}

/// As [`CLIENT`], by HTTP/2; `farewell()` waits for GOAWAY and the end behind it, and gives the last stream that counts.
const CLIENT_OF_HTTP2: &str = r#"
import json, socket

def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

def dial():
    global sock, reader, stream
    sock, stream = socket.create_connection(("web.shop", 80), 30), -1
    reader = sock.makefile("rb")
    sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))

def heard():
    head = reader.read(9)
    kind, flags, of = head[3], head[4], int.from_bytes(head[5:], "big")
    payload = reader.read(int.from_bytes(head[:3], "big"))
    if kind == 4 and not flags & 1:
        sock.sendall(frame(4, 1, 0))
    return kind, flags, of, payload

def ask():
    global stream
    stream += 2
    sock.sendall(frame(1, 5, stream, b"\x82\x86\x84\x41\x08web.shop"))
    body = b""
    while True:
        kind, flags, of, payload = heard()
        if of == stream and kind == 0:
            body += payload
        if of == stream and flags & 1:
            return json.loads(body)["name"]

def farewell():
    while True:
        kind, _, _, payload = heard()
        if kind == 7:
            return [int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big"), reader.read(1) == b""]
"#;

#[test]
fn a_connection_of_http2_ends_when_no_stream_is_open() -> Result<()> {
    world()?.tell(|world| {
        let mut client = world.captured_console("shop", &[], CLIENT_OF_HTTP2)?;
        client.ask("dial()")?;
        for _ in 0..3 {
            let name = client.text("ask()")?;
            ensure!(name.starts_with("web-v"), "{name}");
        }
        routed(world, "all-v2", "  - route: [{destination: {host: web, subset: v2}}]\n")?;
        // All of its three requests were answered, and nothing went wrong.
        let farewell = client.ask("farewell()")?;
        ensure!(farewell == json!([5, 0, true]), "{farewell}");
        client.ask("dial()")?;
        for _ in 0..5 {
            ensure!(client.text("ask()")? == "web-v2");
        }
        client.finish()
    })
}
