//! Endpoints that are asked whether they are well (`healthChecks`).

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, observe::applied, python};
use ripstop_world::{Console, SOON, World, wait_for};

const SERVER: &str = include_str!("health_server.py");
const GRPC_SERVER: &str = include_str!("health_server_grpc.py");

const CALLER: &str = r#"
import http.client

def who():
    connection = http.client.HTTPConnection("web.shop", 80, timeout=30)
    connection.request("GET", "/")
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return body if answer.status == 200 else str(answer.status)
"#;

const GRPC_CALLER: &str = r#"
import grpc

# A connection of its own for each call: those that nobody reads stay with one server.
OPTIONS = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]

def who():
    with grpc.insecure_channel("calls.shop:50051", options=OPTIONS) as channel:
        try:
            return channel.unary_unary("/shop.Names/Who")(b"", timeout=30).decode()
        except grpc.RpcError as error:
            return error.code().name
"#;

const MANY: &str = "\nasked = lambda count: [who() for _ in range(count)]\n";

const SERVICES: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: calls, namespace: shop}
spec: {selector: {app: calls}, ports: [{name: grpc, port: 50051}]}
";

fn world() -> Result<World> {
    let world = World::start(&[("nodes.yaml", NODES), ("services.yaml", SERVICES)])?;
    world.enrol("shop", true)?;
    Ok(world)
}

/// Two endpoints of `app` at one node, and a caller at the other.
fn cast(world: &World, app: &str, server: &str, caller: &str) -> Result<([Console; 2], Console)> {
    let prelude = format!("import sys\nsys.path.insert(0, \"{}\")\n", world.path("python").display());
    let label = format!("app={app}");
    let server =
        || world.captured_console("shop", &["--node", "west", "--label", &label], &format!("{prelude}{server}"));
    let servers = [server()?, server()?];
    let mut caller = world.captured_console("shop", &["--node", "east"], &format!("{prelude}{caller}{MANY}"))?;
    let both = |names: &[String]| servers.iter().all(|server| names.iter().any(|name| name == server.name()));
    wait_for("both servers to answer", SOON, || Ok(asked(&mut caller).is_ok_and(|names| both(&names)).then_some(())))
        .with_context(|| world.story_so_far())?;
    Ok((servers, caller))
}

/// Who answers some requests.
fn asked(caller: &mut Console) -> Result<Vec<String>> {
    Ok(serde_json::from_value(caller.ask("asked(20)")?)?)
}

fn checked(world: &World, app: &str, mark: &str, checks: &str) -> Result<()> {
    let policy = format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: checks, namespace: shop}}\nspec: {{targetRefs: [{{kind: Service, name: {app}}}], healthChecks: {{{checks}, interval: 200ms, healthyThreshold: 1, unhealthyThreshold: 2}}}}\n"
    );
    applied(world, "checks.yaml", mark, &policy)
}

/// Waits until `server` gets requests, or gets none, though all that are sent are answered.
fn waits(world: &World, caller: &mut Console, server: &Console, called: bool) -> Result<()> {
    let mut last = Vec::new();
    let what = if called { "the endpoint to be called" } else { "the endpoint to be called no more" };
    wait_for(what, SOON, || {
        last = asked(caller)?;
        ensure!(last.iter().all(|name| name.len() > 3), "a request failed: {last:?}");
        Ok((last.iter().any(|name| name == server.name()) == called).then_some(()))
    })
    .with_context(|| format!("{last:?}\n{}", world.story_so_far()))
}

#[test]
fn who_says_that_it_is_not_well_gets_no_request_until_it_is() -> Result<()> {
    world()?.tell(|world| {
        let ([mut sick, mut other], mut caller) = cast(world, "web", SERVER, CALLER)?;
        checked(world, "web", "checked", "http: {path: /healthz}")?;
        asked(&mut caller)?;
        for server in [&mut sick, &mut other] {
            wait_for("a check", SOON, || Ok((server.ask("len(checks)")? != 0).then_some(())))?;
        }
        let check = sick.ask("checks[0]")?;
        ensure!(check == serde_json::json!(["web.shop.svc.cluster.local", "ripstop-health-check"]), "{check}");

        // It answers all requests as before, but those that ask for its health.
        sick.ask("become(False)")?;
        waits(world, &mut caller, &sick, false)?;
        let endpoints = world.cli(&["config", "endpoints", "-o", "wide"])?;
        ensure!(endpoints.contains("status 503"), "{endpoints}");
        let explained = world.cli(&["explain", "--from", &format!("shop/{}", caller.name()), "--to", "web.shop:80"])?;
        ensure!(explained.contains("checked: GET /healthz every 200ms"), "{explained}");

        // Another configuration has not forgotten it.
        checked(world, "web", "checked-by-connecting-first", "http: {path: /healthz, method: GET}")?;
        let names = asked(&mut caller)?;
        ensure!(names.iter().all(|name| name == other.name()), "{names:?}");
        sick.ask("become(True)")?;
        waits(world, &mut caller, &sick, true)
    })
}

#[test]
fn what_comes_by_a_connection_is_believed_or_that_there_is_one() -> Result<()> {
    world()?.tell(|world| {
        let ([mut sick, _other], mut caller) = cast(world, "web", SERVER, CALLER)?;
        let answer = r#"tcp: {send: "GET /healthz HTTP/1.0\r\n\r\n", receive: "HTTP/1.1 200 "}"#;
        checked(world, "web", "by-bytes", answer)?;
        asked(&mut caller)?;
        wait_for("a check", SOON, || Ok((sick.ask("len(checks)")? != 0).then_some(())))?;
        sick.ask("become(False)")?;
        waits(world, &mut caller, &sick, false)?;
        checked(world, "web", "by-connecting", "tcp: {}")?;
        waits(world, &mut caller, &sick, true)
    })
}

#[test]
fn a_health_service_of_grpc_is_believed() -> Result<()> {
    let world = world()?;
    python::libraries(&world)?;
    world.tell(|world| {
        let ([mut sick, other], mut caller) = cast(world, "calls", GRPC_SERVER, GRPC_CALLER)?;
        checked(world, "calls", "checked", "grpc: {service: shop.Names}")?;
        asked(&mut caller)?;
        wait_for("a check", SOON, || Ok((sick.ask("len(checks)")? != 0).then_some(())))?;
        let service = sick.text("checks[0]")?;
        ensure!(service == "shop.Names", "{service}");
        sick.ask("become(False)")?;
        waits(world, &mut caller, &sick, false)?;
        let names = asked(&mut caller)?;
        ensure!(names.iter().all(|name| name == other.name()), "{names:?}");
        sick.ask("become(True)")?;
        waits(world, &mut caller, &sick, true)
    })
}
