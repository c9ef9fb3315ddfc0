//! Connections of a backend: how long they live, how many requests they carry, what they speak (`connectionPool`).
//!
//! The server is called by one service a case, so that each has connections of its own, which the server counts.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, observe::applied};
use ripstop_world::{Console, SOON, World, wait_for};
use serde_json::{Value, json};

const SERVER: &str = include_str!("counting.py");
const CLIENT: &str = include_str!("caller.py");

/// A service: its name, the name of its port, and its `connectionPool`.
type Case = (&'static str, &'static str, &'static str);

/// An enrolled server, and an enrolled client at the other node.
struct Stage {
    server: Console,
    client: Console,
}

// === impl Stage ===

impl Stage {
    fn set(world: &World) -> Result<Self> {
        world.enrol("shop", true)?;
        let run = |node, app, program| world.captured_console("shop", &["--node", node, "--label", app], program);
        let server = run("west", "app=web", SERVER)?;
        let mut client = run("east", "app=caller", CLIENT)?;
        wait_for("the services to have their endpoint", SOON, || Ok(client.ask("ask('ready.shop')").ok()))
            .with_context(|| world.story_so_far())?;
        world.settle()?;
        Ok(Self { server, client })
    }

    /// The server's connections of `host`: requests, the most at once, and whether it is open.
    fn told(&mut self, host: &str) -> Result<Value> {
        self.server.ask(&format!("told('{host}.shop')"))
    }

    /// Waits until a connection of `host` has ended.
    fn ended(&mut self, host: &str, number: u32) -> Result<()> {
        let ended = self.server.ask(&format!("ended('{host}.shop', {number})"))?;
        ensure!(ended == true, "{host}: {}", self.told(host)?);
        Ok(())
    }

    /// Waits until the server has so many requests that wait.
    fn waiting(&mut self, count: u32) -> Result<()> {
        let waiting = self.server.ask(&format!("waiting({count})"))?;
        ensure!(waiting == true, "there are never {count} requests that wait");
        Ok(())
    }
}

/// One service and its rule.
fn service(name: &str, port: &str, pool: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec: {{selector: {{app: web}}, ports: [{{name: {port}, port: 80, targetPort: 8080}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: shop}}
spec: {{host: {name}, trafficPolicy: {{connectionPool: {pool}}}}}
---
"
    )
}

fn world(cases: &[Case]) -> Result<World> {
    let mut services = service("ready", "http", "{http: {http2MaxRequests: 100}}");
    for (name, port, pool) in cases {
        services.push_str(&service(name, port, pool));
    }
    World::start(&[("nodes.yaml", NODES), ("services.yaml", &services)])
}

#[test]
fn a_connection_has_as_many_requests_as_it_may() -> Result<()> {
    let cases = [
        ("two", "http", "{http: {maxRequestsPerConnection: 2}}"),
        ("two-of-http2", "http2", "{http: {maxRequestsPerConnection: 2}}"),
        ("any", "http", "{http: {http2MaxRequests: 100}}"),
        ("any-of-http2", "http2", "{http: {http2MaxRequests: 100}}"),
    ];
    world(&cases)?.tell(|world| {
        let mut stage = Stage::set(world)?;
        for (host, protocol, numbers) in [
            ("two", "HTTP/1.1", [1, 1, 2, 2, 3]),
            ("two-of-http2", "HTTP/2", [1, 1, 2, 2, 3]),
            ("any", "HTTP/1.1", [1; 5]),
            ("any-of-http2", "HTTP/2", [1; 5]),
        ] {
            let answers = stage.client.ask(&format!("[ask('{host}.shop')[:2] for _ in range(5)]"))?;
            let expected = json!(numbers.map(|number| json!([protocol, number])));
            ensure!(answers == expected, "{host}: {answers}, {}", stage.told(host)?);
        }
        for host in ["two", "two-of-http2"] {
            stage.ended(host, 1)?;
            stage.ended(host, 2)?;
            ensure!(stage.told(host)?[2] == json!([1, 1, true]), "{host}: {}", stage.told(host)?);
        }
        Ok(())
    })
}

#[test]
fn a_connection_ends_when_it_is_old_or_nobody_uses_it() -> Result<()> {
    let cases = [
        ("aging", "http", "{tcp: {maxConnectionDuration: 1s}}"),
        ("aging-of-http2", "http2", "{tcp: {maxConnectionDuration: 1s}}"),
        ("resting", "http", "{http: {idleTimeout: 1s}}"),
        ("resting-of-http2", "http2", "{http: {idleTimeout: 1s}}"),
        ("calm", "http", "{http: {http2MaxRequests: 100}}"),
        ("aging-unread", "tcp", "{tcp: {maxConnectionDuration: 3s}}"),
        ("resting-unread", "tcp", "{tcp: {idleTimeout: 3s}}"),
        ("calm-unread", "tcp", "{tcp: {maxConnections: 100}}"),
    ];
    let ending = ["aging", "aging-of-http2", "resting", "resting-of-http2"];
    world(&cases)?.tell(|world| {
        let mut stage = Stage::set(world)?;
        let number = |answer: &Value| answer[1].as_u64();
        ensure!(number(&stage.client.ask("ask('calm.shop')")?) == Some(1), "{}", stage.told("calm")?);
        for round in 1..=2 {
            for host in ending {
                let answer = stage.client.ask(&format!("ask('{host}.shop')"))?;
                ensure!(number(&answer) == Some(round), "{host}: {answer}");
            }
            // The caller's connections stay, while those to the server end.
            for host in ending {
                stage.ended(host, u32::try_from(round)?)?;
            }
        }
        ensure!(number(&stage.client.ask("ask('calm.shop')")?) == Some(1), "{}", stage.told("calm")?);

        // A request under way is not cut off, however old its connection is: a younger one is at its end already.
        for host in ["aging", "aging-of-http2"] {
            stage.client.ask(&format!("begin('{host}.shop', '{host}')"))?;
        }
        stage.waiting(2)?;
        ensure!(number(&stage.client.ask("ask('aging.shop', 'another')")?) == Some(4), "{}", stage.told("aging")?);
        stage.ended("aging", 4)?;
        for host in ["aging", "aging-of-http2"] {
            ensure!(stage.told(host)?[2] == json!([1, 1, true]), "{host}: {}", stage.told(host)?);
        }
        stage.server.ask("release()")?;
        for host in ["aging", "aging-of-http2"] {
            let answer = stage.client.ask(&format!("finish('{host}')"))?;
            ensure!(number(&answer) == Some(3), "{host}: {answer}");
            stage.ended(host, 3)?;
        }

        // What nobody reads ends in the middle.
        for host in ["calm-unread", "aging-unread", "resting-unread"] {
            let answer = stage.client.text(&format!("open_tcp('{host}.shop')"))?;
            ensure!(answer == "HTTP/1.1 200 OK", "{host}: {answer}");
        }
        for host in ["aging-unread", "resting-unread"] {
            let end = stage.client.text(&format!("end_of('{host}.shop')"))?;
            ensure!(["end", "reset"].contains(&&*end), "{host}: {end}");
            stage.ended(host, 1)?;
        }
        ensure!(stage.client.text("exchange('calm-unread.shop')")? == "HTTP/1.1 200 OK");
        ensure!(stage.told("calm-unread")? == json!([[2, 1, true]]), "{}", stage.told("calm-unread")?);
        Ok(())
    })
}

#[test]
fn connections_of_http2_have_as_many_streams_as_they_may() -> Result<()> {
    let cases = [
        ("narrow", "http2", "{http: {maxConcurrentStreams: 2}}"),
        ("wide", "http2", "{http: {http2MaxRequests: 100}}"),
    ];
    world(&cases)?.tell(|world| {
        let mut stage = Stage::set(world)?;
        for (host, waiting) in [("narrow", 6), ("wide", 12)] {
            stage.client.ask(&format!("at_once('{host}.shop', 6)"))?;
            stage.waiting(waiting)?;
        }
        ensure!(
            stage.told("narrow")? == json!([[2, 2, true], [2, 2, true], [2, 2, true]]),
            "{}",
            stage.told("narrow")?
        );
        ensure!(stage.told("wide")? == json!([[6, 6, true]]), "{}", stage.told("wide")?);
        stage.server.ask("release()")?;
        for host in ["narrow", "wide"] {
            let answers = stage.client.ask(&format!("answered('{host}.shop', 6)"))?;
            ensure!(answers.as_array().is_some_and(|answers| answers.len() == 6), "{host}: {answers}");
        }
        Ok(())
    })
}

/// What is spoken to the server for a client of HTTP/1.1, and for one of HTTP/2.
fn spoken<const N: usize>(stage: &mut Stage, mark: &str, expected: [(&str, [&str; 2]); N]) -> Result<()> {
    for (host, expected) in expected {
        let answers = stage.client.ask(&format!("[ask('{host}.shop'), *ask_by_http2('{host}.shop')]"))?;
        let protocols = [0, 1].map(|index| answers[index][0].as_str().unwrap_or_default().to_owned());
        ensure!(protocols == expected, "{mark}, {host}: {answers}");
    }
    Ok(())
}

#[test]
fn which_http_is_spoken_follows_from_port_rule_mesh_and_client() -> Result<()> {
    let cases = [
        ("plain", "http", "{http: {http2MaxRequests: 100}}"),
        ("upgraded", "http", "{http: {h2UpgradePolicy: UPGRADE}}"),
        ("kept", "http", "{http: {h2UpgradePolicy: DO_NOT_UPGRADE}}"),
        ("as-client", "http", "{http: {useClientProtocol: true}}"),
        ("declared", "http2", "{http: {h2UpgradePolicy: DO_NOT_UPGRADE}}"),
    ];
    let (one, two) = ("HTTP/1.1", "HTTP/2");
    world(&cases)?.tell(|world| {
        let mut stage = Stage::set(world)?;
        spoken(
            &mut stage,
            "without",
            [
                ("plain", [one, one]),
                ("upgraded", [one, one]),
                ("kept", [one, one]),
                ("as-client", [one, two]),
                ("declared", [two, two]),
            ],
        )?;
        let mesh = "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}\nspec: {meshConfig: {h2UpgradePolicy: UPGRADE}}\n";
        applied(world, "mesh.yaml", "upgrading", mesh)?;
        // Whoever is not in the mesh gets what the rule says; at the end of a tunnel, what its port declares.
        let bare = ["--node", "west", "--label", "app=bare", "--label", "istio.io/dataplane-mode=none"];
        let _bare = world.console("shop", &bare, SERVER)?;
        let pools = [("bare-plain", "{http: {http2MaxRequests: 100}}"), ("bare-upgraded", "{http: {h2UpgradePolicy: UPGRADE}}")];
        let outside = pools.map(|(name, pool)| service(name, "http", pool).replace("app: web", "app: bare"));
        applied(world, "bare.yaml", "bare", &outside.concat())?;
        for name in ["bare-plain", "bare-upgraded"] {
            wait_for("the one outside of the mesh", SOON, || {
                spoken(&mut stage, "outside", [(name, [two, two])]).map(Some)
            })?;
        }
        spoken(
            &mut stage,
            "with the mesh's setting",
            [
                ("plain", [one, one]),
                ("upgraded", [one, one]),
                ("kept", [one, one]),
                ("as-client", [one, two]),
                ("declared", [two, two]),
            ],
        )
    })
}

/// One of HTTP/1.0 may name none, one of HTTP/2 has to.
#[test]
fn a_request_without_a_host_is_for_the_address_that_was_called() -> Result<()> {
    world(&[("old", "http2", "{http: {http2MaxRequests: 100}}")])?.tell(|world| {
        let _stage = Stage::set(world)?;
        let told = world.shell("shop", "curl -s -S -f -m 20 --http1.0 -H Host: http://old.shop/ 2>&1")?;
        ensure!(told.starts_with("[\"HTTP/2\", 1, "), "{told}\n{}", world.story_so_far());
        Ok(())
    })
}
