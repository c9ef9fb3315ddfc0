//! Clients and servers that others wrote, through nodes, sidecars, a waypoint or a gateway which read, route and judge each of
//! their requests.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    observe::applied,
    python,
    role::{Place, Role},
};
use ripstop_world::{Console, SOON, World, wait_for};
use serde_json::json;

const MESH: &str = "\
apiVersion: v1
kind: Service
metadata: {name: calls, namespace: shop}
spec:
  selector: {app: calls}
  ports: [{name: grpc, port: 50051}]
---
apiVersion: v1
kind: Service
metadata: {name: socket, namespace: shop}
spec:
  selector: {app: socket}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: calls, namespace: shop}
spec:
  hosts: [calls]
  http:
  - match: [{uri: {prefix: /shop.Calls/Flaky}}]
    route: [{destination: {host: calls}}]
    retries: {attempts: 3, retryOn: unavailable}
  - route: [{destination: {host: calls}}]
    retries: {attempts: 0}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: socket, namespace: shop}
spec:
  hosts: [socket]
  http:
  - match: [{uri: {prefix: /moved}}]
    rewrite: {uri: /}
    timeout: 3s
    route: [{destination: {host: socket}}]
  - route: [{destination: {host: socket}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: secrets, namespace: shop}
spec:
  action: DENY
  rules: [{to: [{operation: {paths: [/shop.Calls/Secret, /secret*]}}]}]
";

/// A mesh in which Python finds what it imports.
fn world(role: Role) -> Result<World> {
    let world = role.world(&[("mesh.yaml", &role.objects(MESH))])?;
    python::libraries(&world)?;
    Ok(world)
}

/// `program`, with what it imports.
fn with_libraries(world: &World, program: &str) -> String {
    format!("import sys\nsys.path.insert(0, \"{}\")\n{program}", world.path("python").display())
}

/// The server of gRPC.
fn calls(world: &World, role: Role) -> Result<Console> {
    role.workload(world, "west", "calls", &with_libraries(world, include_str!("clients/grpc_server.py")))
}

/// A client of it.
fn client(world: &World, role: Role) -> Result<Console> {
    let Place { address, port, host } = role.place("calls", 50051);
    let program = include_str!("clients/grpc_client.py");
    let program = format!("TARGET, AUTHORITY = '{address}:{port}', '{host}'\n{program}");
    role.caller(world, &with_libraries(world, &program))
}

/// Waits until `expression` is no error.
fn reached(world: &World, console: &mut Console, expression: &str) -> Result<()> {
    let mut last = String::new();
    let waited = wait_for(&format!("an answer to {expression}"), SOON, || match console.ask(expression) {
        Ok(_) => Ok(Some(())),
        Err(error) => {
            last = format!("{error:#}");
            Ok(None)
        }
    });
    waited.with_context(|| format!("{last}\n{}", world.story_so_far()))
}

#[test]
fn grpc_makes_calls_of_every_kind() -> Result<()> {
    grpc_makes_calls(Role::Node)
}

#[test]
fn grpc_makes_calls_of_every_kind_through_sidecars() -> Result<()> {
    grpc_makes_calls(Role::Sidecar)
}

#[test]
fn grpc_makes_calls_of_every_kind_through_a_waypoint() -> Result<()> {
    grpc_makes_calls(Role::Waypoint)
}

#[test]
fn grpc_makes_calls_of_every_kind_through_a_gateway() -> Result<()> {
    grpc_makes_calls(Role::Gateway)
}

fn grpc_makes_calls(role: Role) -> Result<()> {
    world(role)?.tell(|world| {
        let mut server = calls(world, role)?;
        let mut client = client(world, role)?;
        reached(world, &mut client, "unary('Unary', b'ready', 2).decode()")?;
        for (asked, expected) in [
            ("unary('Unary', b'hello').decode()", json!("olleh")),
            ("fan_out(200) == [str(n) for n in range(200)]", json!(true)),
            ("fan_out(0)", json!([])),
            ("fan_in([1, 20_000, 300_000, 0])", json!("320001")),
            ("chat(['one', 'two', 'three'])", json!(["ONE", "TWO", "THREE", 0])),
            ("len(unary('Unary', b'x' * (8 << 20)))", json!(8 << 20)),
            ("at_once(40)", json!(40)),
            (
                "refused('Fail', b'thing')",
                json!(["NOT_FOUND", "no thing", [["blob-bin", "b'\\x00\\xff'"], ["detail", "'of the story'"]]]),
            ),
            ("refused('Nothing', b'')[0]", json!("UNIMPLEMENTED")),
            ("refused('Slow', b'', 2)[0]", json!("DEADLINE_EXCEEDED")),
            ("cancelled()", json!(true)),
            // Refused by policy and tried again by a rule.
            ("refused('Secret', b'')[0]", json!("PERMISSION_DENIED")),
            ("unary('Flaky', b'a:2').decode()", json!("3")),
            ("refused('Flaky', b'b:4')[:2]", json!(["UNAVAILABLE", "not yet"])),
        ] {
            let answer = client.ask(asked).with_context(|| world.story_so_far())?;
            ensure!(answer == expected, "{asked}: {answer}, expected {expected}\n{}", world.story_so_far());
        }
        wait_for("both given up calls to end at the server", SOON, || {
            Ok((server.ask("len(given_up)")? == 2).then_some(()))
        })?;
        // Who reads them knows how the calls ended.
        for (proxy, reporter) in role.tellers(client.name(), server.name()) {
            let mut metrics = String::new();
            wait_for("calls to be counted by their status", SOON, || {
                metrics = world.cli(&["metrics", &proxy])?;
                let count = |status: &str| {
                    let words = [format!("reporter=\"{reporter}\""), format!("grpc_response_status=\"{status}\"")];
                    let line = metrics.lines().find(|line| {
                        line.starts_with("istio_requests_total{") && words.iter().all(|word| line.contains(word))
                    });
                    line.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse::<u64>().ok())
                };
                Ok((count("5") == Some(1) && count("7") == Some(1)).then_some(()))
            })
            .with_context(|| format!("{metrics}\n{}", world.story_so_far()))?;
        }
        Ok(())
    })
}

/// What a policy asks for that looks at requests. Without it calls pass unread; with it their connections are taken over.
const UNREAD: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: secrets, namespace: shop}
spec:
  action: DENY
  rules: [{to: [{operation: {paths: [/shop.Calls/Secret]}}]}]
";

#[test]
fn grpc_loses_no_call_to_the_first_policy_that_looks_at_requests() -> Result<()> {
    world(Role::Node)?.tell(|world| {
        let services = MESH.split_inclusive("---\n").take(2).collect::<String>();
        applied(world, "mesh.yaml", "unread", &services)?;
        let _server = calls(world, Role::Node)?;
        let mut client = client(world, Role::Node)?;
        reached(world, &mut client, "unary('Unary', b'ready', 2).decode()")?;
        client.ask("begin(4)")?;
        for round in 0..6 {
            let answered = client.ask("answered[0]")?.as_u64().context("no count")?;
            wait_for("calls of this round", SOON, || {
                Ok((client.ask("answered[0]")?.as_u64() > Some(answered + 100)).then_some(()))
            })?;
            applied(world, "mesh.yaml", &format!("read-{round}"), &format!("{services}{UNREAD}"))?;
            let refused = client.ask("refused_anew('Secret')")?;
            ensure!(refused == json!("PERMISSION_DENIED"), "round {round}: {refused}\n{}", world.story_so_far());
            applied(world, "mesh.yaml", &format!("unread-{round}"), &services)?;
        }
        let failed = client.ask("failed")?;
        ensure!(failed == json!([]), "{failed}\n{}", world.story_so_far());
        Ok(())
    })
}

#[test]
fn load_counts_what_a_grpc_server_and_its_policies_answer() -> Result<()> {
    world(Role::Node)?.tell(|world| {
        let _server = calls(world, Role::Node)?;
        let mut client = client(world, Role::Node)?;
        reached(world, &mut client, "unary('Unary', b'ready', 2).decode()")?;
        for (method, status, good) in [("Unary", "0", 200), ("Secret", "7", 0), ("Nothing", "12", 0)] {
            let url = format!("http://calls.shop:50051/shop.Calls/{method}");
            let argv = ["ripstop", "load", "--grpc", "--body", "abc", "-n", "200", "-c", "2", "-s", "8", "-q"];
            let argv = [&argv[..], &["-o", "json", &url]].concat();
            let told = world.workload("shop", &["app=load"], &argv).output()?;
            let report: serde_json::Value = serde_json::from_slice(&told.stdout)
                .with_context(|| format!("{method}: {told:?}\n{}", world.story_so_far()))?;
            let counted = (&report["requests"], &report["good"], &report["grpcStatuses"][status]);
            ensure!(
                counted == (&json!(200), &json!(good), &json!(200)),
                "{method}: {report}\n{}",
                world.story_so_far()
            );
            ensure!(told.status.success() == (good > 0), "{method}: {told:?}");
        }
        Ok(())
    })
}

#[test]
fn a_websocket_lives_as_long_as_its_ends() -> Result<()> {
    a_websocket_lives(Role::Node)
}

#[test]
fn a_websocket_through_sidecars_lives_as_long_as_its_ends() -> Result<()> {
    a_websocket_lives(Role::Sidecar)
}

#[test]
fn a_websocket_through_a_waypoint_lives_as_long_as_its_ends() -> Result<()> {
    a_websocket_lives(Role::Waypoint)
}

fn a_websocket_lives(role: Role) -> Result<()> {
    world(role)?.tell(|world| {
        let program = with_libraries(world, include_str!("clients/websocket.py"));
        let mut server = role.workload(world, "west", "socket", &program)?;
        server.ask("serve(8080)")?;
        let mut client = role.caller(world, &program)?;
        reached(world, &mut client, "echo('/', 1, 1)")?;
        for (asked, expected) in [
            ("echo('/', 100, 10)", json!(100)),
            ("echo('/', 8, 1_000_000)", json!(8)),
            ("closed_by_peer()", json!([4001, "as told"])),
            ("status('/plain')", json!(200)),
            ("status('/secret/socket')", json!(403)),
            ("echo('/moved', 3, 100)", json!(3)),
        ] {
            let answer = client.ask(asked).with_context(|| world.story_so_far())?;
            ensure!(answer == expected, "{asked}: {answer}, expected {expected}\n{}", world.story_so_far());
        }
        // It goes on when rules change, and past the timeout of the rule that let it through.
        client.ask("globals().update(held=dial('/moved')) or 1")?;
        let mesh = role.objects(MESH).replace("timeout: 3s", "timeout: 4s");
        applied(world, "mesh.yaml", "changed", &mesh)?;
        let answer = client.ask(
            "[held.send('still'), __import__('time').sleep(5), held.send('there'), held.recv(20), held.recv(20)][3:]",
        )?;
        ensure!(answer == json!(["llits", "ereht"]), "{answer}");
        Ok(())
    })
}
