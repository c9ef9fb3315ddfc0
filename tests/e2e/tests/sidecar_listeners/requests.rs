//! Limits of requests that come in.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::observe::{applied, served};
use ripstop_world::{Console, SOON, wait_for};
use serde_json::{Value, json};

use super::{sidecar, world};

const SERVER: &str = include_str!("../shaping/counting.py");
const CLIENT: &str = include_str!("../shaping/caller.py");

/// Names of one server, so that it counts the connections of each for itself.
fn services() -> String {
    ["web", "two", "narrow", "resting"]
        .map(|name| {
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n---\n"
            )
        })
        .concat()
}

/// The server's connections of `host`: requests, the most at once, and whether it is open.
fn told(server: &mut Console, host: &str) -> Result<Value> {
    server.ask(&format!("told('{host}.shop')"))
}

#[test]
fn requests_that_come_in_have_limits() -> Result<()> {
    world(&[("services.yaml", &services())])?.tell(|world| {
        let mut server = world.captured_console("shop", &["--node", "west", "--label", "app=web"], SERVER)?;
        let own = format!("sidecar-shop.{}", server.name());
        served(world, "shop", server.name(), &own)?;
        let mut client = world.captured_console("front", &["--node", "east"], CLIENT)?;
        let limit = |mark: &str, http: &str| {
            applied(
                world,
                "sidecar.yaml",
                mark,
                &sidecar("web", &format!("  inboundConnectionPool: {{http: {{{http}}}}}\n")),
            )
        };

        // So many at once, by whatever connections they come.
        limit("limit-most", "http2MaxRequests: 2")?;
        wait_for("the server to answer", SOON, || Ok(client.ask("ask('web.shop')").ok()))
            .with_context(|| world.story_so_far())?;
        for name in ["a", "b"] {
            client.ask(&format!("begin('web.shop', '{name}')"))?;
        }
        ensure!(server.ask("waiting(2)")? == true, "{}", told(&mut server, "web")?);
        let beyond = client.ask("ask('web.shop', 'c')")?;
        ensure!(beyond == 503, "{beyond}\n{}", world.story_so_far());
        server.ask("release()")?;
        for name in ["a", "b"] {
            let answer = client.ask(&format!("finish('{name}')"))?;
            ensure!(answer[0] == "HTTP/1.1", "{answer}");
        }
        ensure!(client.ask("ask('web.shop', 'c')")?[0] == "HTTP/1.1");
        server.ask("hold()")?;

        // So many in a connection's life: those of callers stay.
        limit("limit-two", "maxRequestsPerConnection: 2")?;
        let answers = client.ask("[ask('two.shop')[1] for _ in range(5)]")?;
        ensure!(answers == json!([1, 1, 2, 2, 3]), "{answers}, {}", told(&mut server, "two")?);
        let answers = client.ask("[answer[:2] for answer in ask_by_http2('two.shop', 3)]")?;
        ensure!(answers == json!([["HTTP/2", 4], ["HTTP/2", 4], ["HTTP/2", 5]]), "{answers}");

        // So many at once in one of HTTP/2.
        limit("limit-narrow", "maxConcurrentStreams: 2")?;
        client.ask("at_once('narrow.shop', 6)")?;
        ensure!(server.ask("waiting(6)")? == true, "{}", told(&mut server, "narrow")?);
        let connections = told(&mut server, "narrow")?;
        ensure!(connections == json!([[2, 2, true], [2, 2, true], [2, 2, true]]), "{connections}");
        server.ask("release()")?;
        ensure!(client.ask("answered('narrow.shop', 6)")?.as_array().is_some_and(|answers| answers.len() == 6));

        // One without requests ends in time.
        limit("limit-resting", "idleTimeout: 1s")?;
        for number in 1..=2 {
            let answer = client.ask("ask('resting.shop')")?;
            ensure!(answer[1] == number, "{answer}");
            ensure!(server.ask(&format!("ended('resting.shop', {number})"))? == true);
        }
        client.finish()
    })
}
