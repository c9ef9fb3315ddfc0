//! What ends at a gateway before its end, or is not let through it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES,
    long::{self, CLIENT, SERVICE},
    machine,
    observe::{applied, logged},
};
use ripstop_world::{Console, HostNetwork, SOON, World, signal, wait_for};

use crate::{
    TO_WEB,
    authorities::{authority, certificate, secret},
    curl, curl_fails, gateway, on_host, opened, routes,
};

/// The default gateway's instance.
const GATEWAY: &str = "istio-system/istio-ingressgateway-0";
const HTTP: &str = "  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}\n";

/// A mesh whose `web` answers for as long as it is asked to, and that server.
fn world(story: impl FnOnce(&mut World, Console) -> Result<()>) -> Result<()> {
    World::start_in(HostNetwork::create()?, &[("nodes.yaml", NODES), ("web.yaml", SERVICE)])?.tell(|world| {
        world.enrol("shop", true)?;
        let server = long::server(world)?;
        story(world, server)
    })
}

/// A client on the machine.
fn client(world: &World) -> Result<Console> {
    machine::console(world, CLIENT)
}

#[test]
fn a_policy_of_the_gateway_ends_answers_that_are_under_way() -> Result<()> {
    world(|world, mut server| {
        opened(world, "open", &(gateway("web", HTTP) + &routes("web", "web", "'*'", TO_WEB)), &[80])?;
        let mut client = client(world)?;
        client.ask("dial('long', '127.0.0.1', host='a.example')")?;
        client.ask("send('long', '/long')")?;
        client.ask("hear('long', 'piece')")?;
        let denied = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: edge, namespace: istio-system}\nspec:\n  selector: {matchLabels: {istio: ingressgateway}}\n  action: DENY\n  rules: [{to: [{operation: {paths: ['/long*']}}]}]\n";
        applied(world, "policies.yaml", "denied", denied)?;
        let told = client.ask("rest('long')")?;
        ensure!(told[1] == "reset", "{told}");
        let policy = "revoked_matched_policy[ns[istio-system]-policy[edge]-rule[0]]";
        logged(world, GATEWAY, &["\"GET /long HTTP/1.1\" 200 DENY", policy])?;
        wait_for("the application to hear of it", SOON, || Ok((server.ask("len(lost)")? == 1).then_some(())))?;
        ensure!(curl(world, "http://127.0.0.1/short")?.status == 200, "another path");
        Ok(())
    })
}

/// Whoever came in before is asked again: what is under way is finished, what comes behind it is sent away.
#[test]
fn a_connection_that_its_listener_would_not_take_any_more_drains() -> Result<()> {
    world(|world, mut server| {
        for (by, file, host) in [("ca", "a", "a.example"), ("clients", "known", "known")] {
            authority(world, by)?;
            certificate(world, by, file, host)?;
        }
        let secrets = secret(world, "a", &[("tls.crt", "a.pem"), ("tls.key", "a.key")])?
            + &secret(world, "a-cacert", &[("ca.crt", "clients.pem")])?;
        world.write("secrets.yaml", &secrets)?;
        let https = |host: &str, mode: &str| {
            let server = format!(
                "  - {{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: [{host}], tls: {{mode: {mode}, credentialName: a}}}}\n"
            );
            gateway("web", &server) + &routes("web", "web", host, TO_WEB)
        };
        let mut client = client(world)?;
        for (mark, host, mode) in [("asks", "a.example", "MUTUAL"), ("moved", "b.example", "SIMPLE")] {
            opened(world, &format!("before-{mark}"), &https("a.example", "SIMPLE"), &[443])?;
            for name in ["idle", "busy"] {
                client.ask(&format!("dial('{name}', '127.0.0.1', port=443, host='a.example', ca='ca.pem')"))?;
            }
            client.ask("send('idle', '/short')")?;
            client.ask("hear('idle', '/short')")?;
            client.ask("send('busy', '/long')")?;
            client.ask("hear('busy', 'piece')")?;
            client.ask("send('busy', '/behind')")?;
            opened(world, &format!("after-{mark}"), &https(host, mode), &[443])?;
            let told = client.ask("rest('idle')")?;
            ensure!(told[0] == "" && told[1] == "end", "{mark}: {told}");
            server.ask("over.set()")?;
            let told = client.ask("rest('busy')")?;
            let text = told[0].as_str().context("no text")?.to_ascii_lowercase();
            let (first, second) = text.split_once("0\r\n\r\n").with_context(|| format!("{mark}: {told}"))?;
            ensure!(first.ends_with("piece\n\r\n"), "{mark}: {first:?}");
            ensure!(
                second.starts_with("http/1.1 421 ") && second.contains("\r\nconnection: close\r\n"),
                "{mark}: {second}"
            );
            ensure!(told[1] == "end", "{mark}: {told}");
            logged(world, GATEWAY, &["\"GET /behind HTTP/1.1\" 421"])?;
            // Whoever comes anew is asked, too.
            curl_fails(world, "--resolve a.example:443:127.0.0.1 --cacert ca.pem https://a.example/short")?;
            server.ask("over.clear()")?;
        }
        opened(world, "asks-again", &https("a.example", "MUTUAL"), &[443])?;
        let known = "--cert known.pem --key known.key --resolve a.example:443:127.0.0.1 --cacert ca.pem";
        ensure!(curl(world, &format!("{known} https://a.example/short"))?.status == 200, "with a certificate");
        Ok(())
    })
}

/// The service, with that in the mesh's settings of proxies.
fn of_mesh(proxies: &str) -> String {
    SERVICE.replace("meshConfig: {", &format!("meshConfig: {{defaultConfig: {{{proxies}}}, "))
}

/// Without the setting it would have 45 s, which is longer than the client waits.
#[test]
fn the_mesh_says_how_long_a_connection_drains() -> Result<()> {
    world(|world, mut server| {
        applied(world, "web.yaml", "drained", &of_mesh("drainDuration: 1s"))?;
        opened(world, "open", &(gateway("web", HTTP) + &routes("web", "web", "'*'", TO_WEB)), &[80])?;
        let mut client = client(world)?;
        client.ask("dial('long', '127.0.0.1', host='a.example')")?;
        client.ask("send('long', '/long')")?;
        client.ask("hear('long', 'piece')")?;
        let moved = HTTP.replace("number: 80", "number: 81");
        opened(world, "moved", &(gateway("web", &moved) + &routes("web", "web", "'*'", TO_WEB)), &[81])?;
        let told = client.ask("rest('long')")?;
        ensure!(told[1] == "reset", "{told}");
        logged(world, GATEWAY, &["\"GET /long HTTP/1.1\" 200 LR drained"])?;
        wait_for("the application to hear of it", SOON, || Ok((server.ask("len(lost)")? == 1).then_some(())))
    })
}

/// Without the setting it would be 4 s.
#[test]
fn the_mesh_says_how_long_what_is_open_has_when_a_gateway_ends() -> Result<()> {
    const LONGER: Duration = Duration::from_secs(6);
    world(|world, mut server| {
        applied(world, "web.yaml", "drained", &of_mesh("terminationDrainDuration: 20s"))?;
        opened(world, "open", &(gateway("web", HTTP) + &routes("web", "web", "'*'", TO_WEB)), &[80])?;
        let mut client = client(world)?;
        client.ask("dial('long', '127.0.0.1', host='a.example')")?;
        client.ask("send('long', '/long')")?;
        client.ask("hear('long', 'piece')")?;
        let gateway = world.processes()?.get(GATEWAY).and_then(|process| process.pid).context("no gateway")?;
        signal(world.host_pid(gateway)?, "TERM")?;
        let since = Instant::now();
        while since.elapsed() < LONGER {
            client.ask("hear('long', 'piece')")?;
        }
        server.ask("over.set()")?;
        let told = client.ask("rest('long')")?;
        ensure!(told[1] == "end", "{told}");
        Ok(())
    })
}

/// Bytes within TLS that ends at the gateway are judged by the name that was asked for, and are so again after every change.
#[test]
fn an_open_connection_is_judged_anew_by_its_server_name() -> Result<()> {
    world(|world, _server| {
        authority(world, "ca")?;
        certificate(world, "ca", "a", "a.example")?;
        world.write("secrets.yaml", &secret(world, "a", &[("tls.crt", "a.pem"), ("tls.key", "a.key")])?)?;
        let tls = "  - {port: {number: 9443, name: tls, protocol: TLS}, hosts: [a.example], tls: {mode: SIMPLE, credentialName: a}}\n";
        let to_web = "  tcp: [{match: [{port: 9443}], route: [{destination: {host: web}}]}]\n";
        opened(world, "open", &(gateway("raw", tls) + &routes("raw", "raw", "a.example", to_web)), &[9443])?;
        let only = |name: &str| {
            format!(
                "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: edge, namespace: istio-system}}\nspec:\n  selector: {{matchLabels: {{istio: ingressgateway}}}}\n  rules: [{{when: [{{key: connection.sni, values: [{name}]}}]}}]\n"
            )
        };
        applied(world, "policies.yaml", "named", &only("a.example"))?;
        let mut client = client(world)?;
        client.ask("dial('held', '127.0.0.1', port=9443, host='a.example', ca='ca.pem')")?;
        let answers = |client: &mut Console| -> Result<()> {
            client.ask("send('held', '/short')")?;
            client.ask("hear('held', '/short')").map(drop)
        };
        answers(&mut client)?;
        // The same in other words is a change of the policies: all that is open is judged again.
        applied(world, "policies.yaml", "longer", &only("'a.example', 'b.example'"))?;
        answers(&mut client)?;
        applied(world, "policies.yaml", "other", &only("b.example"))?;
        client.ask("rest('held')")?;
        logged(
            world,
            GATEWAY,
            &["connection denied", "response_flags=DENY", "policy=AuthorizationPolicy/istio-system/edge/"],
        )?;
        let findings = world.cli(&["get", "findings"])?;
        ensure!(!findings.contains("connection.sni"), "a gateway knows it: {findings}");
        Ok(())
    })
}

#[test]
fn who_leaves_and_what_is_no_request_are_told_of() -> Result<()> {
    world(|world, _server| {
        let delayed = "  http:\n  - match: [{uri: {prefix: /slow}}]\n    fault: {delay: {fixedDelay: 3600s, percentage: {value: 100}}}\n    route: [{destination: {host: web}}]\n  - route: [{destination: {host: web}}]\n";
        opened(world, "slow", &(gateway("web", HTTP) + &routes("web", "web", "'*'", delayed)), &[80])?;
        ensure!(curl_fails(world, "-m 3 http://127.0.0.1/slow")? == 28, "it was answered");
        logged(world, GATEWAY, &["\"GET /slow HTTP/1.1\" 0 DI,DC downstream_remote_disconnect"])?;

        let sent = "import socket\ns = socket.create_connection((\"127.0.0.1\", 80), 20)\ns.sendall(b\"GET / HTTP/1.1\\r\\nno field\\r\\n\\r\\n\")\nprint(s.recv(100).decode())";
        let answer = on_host(world, &format!("python3 -c '{sent}'"))?;
        ensure!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        logged(world, GATEWAY, &["\"- - HTTP/1.1\" 400 DPE http1.codec_error"])?;
        let metrics = world.cli(&["metrics", "istio-system.istio-ingressgateway-0"])?;
        let parts = [
            "istio_requests_total{",
            "response_code=\"400\"",
            "response_flags=\"DPE\"",
            "destination_workload=\"unknown\"",
        ];
        ensure!(metrics.lines().any(|line| parts.iter().all(|part| line.contains(part))), "{metrics}");
        Ok(())
    })
}

/// The gateway itself speaks with the control plane, and proxies tell the mesh of themselves; nobody gets to either through
/// a gateway.
#[test]
fn nobody_gets_to_what_is_the_meshs_own_through_a_gateway() -> Result<()> {
    world(|world, _server| {
        let entry = |name: &str, port: u16, address: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  hosts: [{name}.example]\n  location: MESH_EXTERNAL\n  resolution: STATIC\n  ports:\n  - {{number: 80, name: http, protocol: HTTP, targetPort: {port}}}\n  - {{number: 9012, name: tcp, protocol: TCP, targetPort: 15012}}\n  endpoints: [{{address: {address}}}]\n---\n"
            )
        };
        let entries = [
            entry("control", 15014, "100.64.0.1"),
            entry("node", 15020, "100.64.1.1"),
            entry("near", 15020, "10.244.1.1"),
        ];
        let servers = format!("{HTTP}  - {{port: {{number: 9012, name: tcp, protocol: TCP}}, hosts: ['*']}}\n");
        let led = ["control", "node", "near"];
        let rules: String = led
            .map(|name| {
                format!("  - {{match: [{{uri: {{prefix: /{name}}}}}], rewrite: {{uri: /metrics}}, route: [{{destination: {{host: {name}.example, port: {{number: 80}}}}}}]}}\n")
            })
            .concat();
        let rules = format!(
            "  http:\n{rules}  - {{route: [{{destination: {{host: web}}}}]}}\n  tcp: [{{match: [{{port: 9012}}], route: [{{destination: {{host: control.example, port: {{number: 9012}}}}}}]}}]\n"
        );
        let objects = entries.concat() + &gateway("web", &servers) + &routes("web", "web", "'*'", &rules);
        opened(world, "open", &objects, &[80, 9012])?;
        ensure!(curl(world, "http://127.0.0.1/short")?.status == 200, "another path");
        for name in led {
            let got = curl(world, &format!("http://127.0.0.1/{name}"))?;
            let told = got.body.contains("is a port of the mesh itself");
            ensure!(got.status == 503 && told, "{name}: {} {}", got.status, got.body);
        }
        let refused = on_host(
            world,
            "python3 -c 'import socket\ntry:\n  s = socket.create_connection((\"127.0.0.1\", 9012), 20)\n  print(s.recv(10))\nexcept ConnectionError: print(\"reset\")'",
        )?;
        ensure!(refused.trim() == "reset", "{refused:?}");
        logged(world, GATEWAY, &["100.64.0.1:15012 is a port of the mesh itself"])?;
        Ok(())
    })
}
