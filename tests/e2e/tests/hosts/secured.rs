//! TLS that is made for callers whose connections nobody reads.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    authorities::secret,
    curl::one,
    machine::{self, opens},
    observe::{applied, logged},
};
use ripstop_world::{SOON, World, wait_for};
use serde_json::{Value, json};

use crate::{AWAY, Scene, entry, mesh};

/// Hears what the echo says first, sends it more than any buffer holds, and prints how much of that came back before the end.
const CALLER: &str = r#"
import json, socket, sys, threading
try:
    connection = socket.create_connection(("web.example", int(sys.argv[1])), 10)
    connection.settimeout(20)
    lines, data = connection.makefile("rb"), bytes(range(256)) * 40000
    told = json.loads(lines.readline())
    def send():
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    print(json.dumps(told | {"back": lines.read() == data}))
    sender.join()
except (ConnectionError, ValueError):
    print("{}")
"#;

/// Reads little by little what somebody says who ends without a goodbye, and prints how much it was.
const PATIENT: &str = r#"
import socket, time
connection, count = socket.create_connection(("web.example", 5435), 10), 0
while data := connection.recv(65536):
    count += len(data)
    time.sleep(0.002)
print(count)
"#;

/// What the echo said, and whether all came back; empty: the connection ended without a byte.
fn call(world: &World, port: u16) -> Result<Value> {
    let told = world.shell("shop", &format!("python3 - {port} <<'END'\n{CALLER}END\n"))?;
    serde_json::from_str(&told).with_context(|| format!("{told:?}\n{}", world.story_so_far()))
}

#[test]
fn tls_is_made_for_bytes_of_any_protocol() -> Result<()> {
    Scene::set("")?.tell(|world, tls| {
        let ports = "[{number: 5432, name: tcp, protocol: TCP, targetPort: 9443}, {number: 5433, name: tcp-mutual, protocol: TCP, targetPort: 9444}, {number: 5434, name: any, targetPort: 9443}, {number: 5435, name: tcp-rude, protocol: TCP, targetPort: 9445}]";
        let host = entry(
            "web",
            &format!("{{hosts: [web.example], ports: {ports}, resolution: STATIC, endpoints: [{{address: {AWAY}}}]}}"),
        );
        let ruled = |mark: &str, policy: &str| {
            let rule = format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec: {{host: web.example, trafficPolicy: {{{policy}}}}}\n---\n"
            );
            applied(world, "web.yaml", mark, &format!("{host}{rule}"))
        };
        let told = |sni: &str, client: &[&str]| json!({"sni": sni, "alpn": null, "client": client, "back": true});
        let ca = format!("caCertificates: {tls}/ca.pem");

        ruled("simple", &format!("tls: {{mode: SIMPLE, {ca}}}"))?;
        for port in [5432, 5434] {
            let got = call(world, port)?;
            ensure!(got == told("web.example", &[]), "{port}: {got}\n{}", world.story_so_far());
        }
        // All of it is heard, and its end, although that is no end of TLS.
        let heard = world.shell("shop", &format!("python3 - <<'END'\n{PATIENT}END\n"))?;
        ensure!(heard.trim() == "10240000", "{heard}\n{}", world.story_so_far());
        // Who asks for certificates gets none, and ends it.
        ensure!(call(world, 5433)? == json!({}), "it is reached without a certificate");
        ruled("named", &format!("tls: {{mode: SIMPLE, sni: other.example, subjectAltNames: [web.example], {ca}}}"))?;
        let got = call(world, 5432)?;
        ensure!(got == told("other.example", &[]), "{got}");
        for (mark, settings) in [
            ("untrusted", format!("caCertificates: {tls}/other.pem")),
            ("stranger", format!("{ca}, subjectAltNames: [else.example]")),
            ("no-such-file", format!("caCertificates: {tls}/none.pem")),
        ] {
            ruled(mark, &format!("tls: {{mode: SIMPLE, {settings}}}"))?;
            let got = call(world, 5432)?;
            ensure!(got == json!({}), "{mark}: {got}");
        }
        let pair = format!("clientCertificate: {tls}/client.pem, privateKey: {tls}/client.key");
        ruled("mutual", &format!("portLevelSettings: [{{port: {{number: 5433}}, tls: {{mode: MUTUAL, {ca}, {pair}}}}}]"))?;
        let got = call(world, 5433)?;
        ensure!(got == told("web.example", &["shop"]), "{got}\n{}", world.story_so_far());
        Ok(())
    })
}

/// The default gateway leads to `web.example`, by a rule with these settings of TLS.
fn by_the_gateway(tls: &str) -> String {
    let ports = "[{number: 80, name: http, protocol: HTTP, targetPort: 443}, {number: 8443, name: http-mutual, protocol: HTTP}]";
    let host =
        format!("{{hosts: [web.example], ports: {ports}, resolution: STATIC, endpoints: [{{address: {AWAY}}}]}}");
    let destination = |port: u16| format!("route: [{{destination: {{host: web.example, port: {{number: {port}}}}}}}]");
    entry("web", &host)
        + &format!(
            "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*']}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec:
  hosts: [web.example]
  gateways: [web]
  http:
  - match: [{{uri: {{prefix: /mutual}}}}]
    {}
  - {}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: shop}}
spec: {{host: web.example, trafficPolicy: {{tls: {{{tls}}}}}}}
",
            destination(8443),
            destination(80)
        )
}

#[test]
fn gateways_make_tls_with_what_secrets_hold() -> Result<()> {
    let Scene { world, _away, mut here, network: _network, _files, tls } = Scene::set("")?;
    world.tell(|world| {
        let holding = |name: &str, parts: &[(&str, &str)]| {
            let files: Vec<(&str, String)> = parts.iter().map(|(key, file)| (*key, format!("{tls}/{file}"))).collect();
            let files: Vec<(&str, &str)> = files.iter().map(|(key, file)| (*key, file.as_str())).collect();
            secret(world, name, &files)
        };
        let ask = |path: &str| machine::curl(world, &format!("-H 'Host: web.example' http://127.0.0.1{path}"));
        let answers = |path: &str, status: u16| {
            wait_for(&format!("{status} of {path}"), SOON, || Ok((ask(path)?.status == status).then_some(())))
                .with_context(|| world.story_so_far())
        };
        let trusted = holding("out", &[("ca.crt", "ca.pem")])?;
        world.write("secrets.yaml", &trusted)?;
        applied(world, "web.yaml", "simple", &by_the_gateway("mode: SIMPLE, credentialName: out"))?;
        opens(world, &[80])?;
        let got = ask("/a")?;
        ensure!(got.status == 200 && got.name() == "tls", "{} {}\n{}", got.status, got.body, world.story_so_far());
        ensure!(got.asked["sni"] == "web.example" && got.asked["client"] == json!([]), "{}", got.body);
        // Who asks for a certificate gets none; a workload is given no Secret, and does not go without TLS instead.
        ensure!(ask("/mutual")?.status == 503);
        let got = one(world, "http://web.example/")?;
        ensure!(got.status == 503, "a workload got {} {}", got.status, got.body);

        // Another authority beside them, then only others: of the one nobody notices anything.
        here.ask("knock(80, 'web.example')")?;
        let mut knocked = |world: &World| -> Result<()> {
            let before = here.ask("len(knocks)")?.as_u64();
            wait_for("requests to go on", SOON, || {
                Ok((here.ask("len(knocks)")?.as_u64() > before.map(|count| count + 50)).then_some(()))
            })?;
            let failures = here.ask("failures[:3]")?;
            ensure!(failures == json!([]), "{failures}\n{}", world.story_so_far());
            Ok(())
        };
        knocked(world)?;
        let also = format!("cat {tls}/other.pem {tls}/ca.pem > {tls}/both.pem; chmod 644 {tls}/both.pem");
        ensure!(std::process::Command::new("sh").args(["-c", &also]).status()?.success());
        applied(world, "secrets.yaml", "both", &holding("out", &[("ca.crt", "both.pem")])?)?;
        knocked(world)?;
        applied(world, "secrets.yaml", "broken", &holding("out", &[("ca.crt", "server.key")])?)?;
        knocked(world)?;
        logged(world, "istio-system/istio-ingressgateway-0", &["a changed Secret can't be used"])?;
        let rule = by_the_gateway("mode: MUTUAL, credentialName: out");
        let pair = [("tls.crt", "client.pem"), ("tls.key", "client.key")];
        applied(
            world,
            "secrets.yaml",
            "pair",
            &(holding("out", &pair)? + &holding("out-cacert", &[("cacert", "ca.pem")])?),
        )?;
        applied(world, "web.yaml", "mutual", &rule)?;
        knocked(world)?;
        let got = ask("/mutual")?;
        ensure!(got.status == 200 && got.asked["client"] == json!(["shop"]), "{} {}", got.status, got.body);
        here.finish()?;

        // Whom nobody vouches for is not believed, and without a Secret nobody is.
        let strangers = holding("out", &pair)? + &holding("out-cacert", &[("cacert", "other.pem")])?;
        world.write("secrets.yaml", &strangers)?;
        answers("/a", 503)?;
        world.write("secrets.yaml", &(holding("out", &pair)? + &holding("out-cacert", &[("cacert", "ca.pem")])?))?;
        answers("/mutual", 200)?;
        world.write("secrets.yaml", "")?;
        answers("/a", 503)?;
        let findings = world.cli(&["analyze"]).unwrap_or_else(|error| format!("{error:#}"));
        ensure!(findings.contains("there is no Secret istio-system/out"), "{findings}");
        Ok(())
    })
}

#[test]
fn the_mesh_says_what_tls_of_a_rule_is_made_with() -> Result<()> {
    Scene::set("")?.tell(|world, tls| {
        let ports = "[{number: 80, name: http, protocol: HTTP, targetPort: 8444}, {number: 81, name: http-new, protocol: HTTP, targetPort: 443}]";
        let host = entry(
            "web",
            &format!("{{hosts: [web.example], ports: {ports}, resolution: STATIC, endpoints: [{{address: {AWAY}}}]}}"),
        );
        let rule = format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec: {{host: web.example, trafficPolicy: {{tls: {{mode: SIMPLE, caCertificates: {tls}/ca.pem}}}}}}\n"
        );
        applied(world, "web.yaml", "rule", &format!("{host}{rule}"))?;
        // The one speaks TLS 1.2 by P-384 alone, the other what you like.
        let (fast, slow) = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305");
        for (mark, defaults, old, new) in [
            ("anything", String::new(), Some(""), true),
            ("new-versions", "minProtocolVersion: TLSV1_3".to_owned(), None, true),
            ("a-suite", format!("cipherSuites: [{slow}]"), Some(slow), true),
            ("another-suite", format!("cipherSuites: [{fast}]"), Some(fast), true),
            ("no-suite-of-old", "cipherSuites: [AES128-SHA]".to_owned(), None, true),
            ("its-curve", "ecdhCurves: [P-384, P-256]".to_owned(), Some(""), true),
            ("other-curves", "ecdhCurves: [X25519, P-256]".to_owned(), None, true),
            ("no-curve", "ecdhCurves: [P-521]".to_owned(), None, false),
        ] {
            applied(world, "mesh.yaml", mark, &mesh(&format!("  meshConfig: {{tlsDefaults: {{{defaults}}}}}\n")))?;
            let got = one(world, "http://web.example/")?;
            match old {
                None => ensure!(got.status == 503, "{mark}: {} {}", got.status, got.body),
                Some(suite) => {
                    let cipher = got.asked["cipher"].as_str().unwrap_or_default();
                    ensure!(
                        got.status == 200 && got.name() == "old" && (suite.is_empty() || cipher == suite),
                        "{mark}: {} {}\n{}",
                        got.status,
                        got.body,
                        world.story_so_far()
                    );
                }
            }
            let got = one(world, "http://web.example:81/")?;
            ensure!(got.status == if new { 200 } else { 503 }, "{mark}: {} {}", got.status, got.body);
        }
        Ok(())
    })
}

#[test]
fn chosen_workloads_make_tls_with_what_secrets_hold() -> Result<()> {
    Scene::set("")?.tell(|world, tls| {
        let ports = "[{number: 80, name: http, protocol: HTTP, targetPort: 8443}]";
        let host = entry(
            "web",
            &format!("{{hosts: [web.example], ports: {ports}, resolution: STATIC, endpoints: [{{address: {AWAY}}}]}}"),
        );
        let rule = |selector: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec: {{host: web.example, trafficPolicy: {{tls: {{mode: MUTUAL, credentialName: out}}}}{selector}}}\n"
            )
        };
        let files = [("tls.crt", "client.pem"), ("tls.key", "client.key"), ("ca.crt", "ca.pem")];
        let files = files.map(|(key, file)| (key, format!("{tls}/{file}")));
        let files = files.each_ref().map(|(key, file)| (*key, file.as_str()));
        let held = secret(world, "out", &files)?.replace("namespace: istio-system", "namespace: shop");
        let ask = |labels: &[&str]| -> Result<String> {
            let output = world.run("shop", labels, "curl -s -m 20 -w ' %{http_code}' http://web.example/")?;
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let chosen = ["role=teller"];
        world.write("secrets.yaml", &held)?;
        applied(world, "web.yaml", "chosen", &format!("{host}{}", rule(", workloadSelector: {matchLabels: {role: teller}}")))?;
        let got = ask(&chosen)?;
        ensure!(got.ends_with(" 200") && got.contains("\"client\": [\"shop\"]"), "{got}\n{}", world.story_so_far());
        // For others there is no such rule: what they say in plaintext is no TLS.
        let got = ask(&[])?;
        ensure!(!got.ends_with(" 200"), "{got}");
        // By a rule for all of them nobody is given any, and nobody goes without.
        applied(world, "web.yaml", "everybody", &format!("{host}{}", rule("")))?;
        let got = ask(&chosen)?;
        ensure!(got.ends_with(" 503"), "{got}");
        world.write("secrets.yaml", "")?;
        applied(world, "web.yaml", "missing", &format!("{host}{}", rule(", workloadSelector: {matchLabels: {role: teller}}")))?;
        let got = ask(&chosen)?;
        ensure!(got.ends_with(" 503"), "{got}");
        Ok(())
    })
}
