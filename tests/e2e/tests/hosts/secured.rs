//! TLS that is made for callers whose connections nobody reads.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::observe::applied;
use ripstop_world::World;
use serde_json::{Value, json};

use crate::{AWAY, Scene, entry};

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
