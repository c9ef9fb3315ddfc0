//! Connections that begin with the PROXY protocol (`proxyProtocol`), told by HAProxy: outside of the mesh, in TLS or not,
//! and through the mesh's tunnels.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::observe::applied;
use ripstop_world::{Console, World, interpreter};

use crate::{AWAY, Scene, entry};

const PEERS: &str = include_str!("peers.py");

const PORTS: &str = "[{number: 80, name: http, protocol: HTTP, targetPort: 8081}, {number: 81, name: tcp, protocol: TCP, targetPort: 8081}, {number: 443, name: http-secured, protocol: HTTP, targetPort: 8448}, {number: 444, name: tcp-secured, protocol: TCP, targetPort: 8448}]";

const INSIDE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: inside, namespace: shop}
spec:
  selector: {app: inside}
  ports: [{name: http, port: 80, targetPort: 8081}, {name: tcp, port: 81, targetPort: 8081}, {name: http-shown, port: 90, targetPort: 8090}, {name: tcp-shown, port: 91, targetPort: 8090}]
---
";

fn rule(host: &str, policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {host}, namespace: shop}}\nspec: {{host: {host}, trafficPolicy: {{{policy}}}}}\n---\n"
    )
}

/// What each of two requests on one connection is answered, and the ends of that connection: `client called`.
fn asked(world: &World, url: &str) -> Result<[String; 2]> {
    let told = "%{local_ip}:%{local_port} %{remote_ip}:%{remote_port}";
    let script = format!("curl -s -m 10 -w '\\n{told}\\n' '{url}/?[1-2]'");
    let text = world.shell("shop", &script)?;
    let lines: Vec<&str> = text.lines().collect();
    let [first, ends, second, same] = lines[..] else { anyhow::bail!("{url}: {text:?}\n{}", world.story_so_far()) };
    ensure!(ends == same, "there are two connections: {text}");
    ensure!(first == second, "{text}");
    Ok([first.to_owned(), ends.to_owned()])
}

/// What was heard before a request, and the ends of its connection.
fn shown(world: &World, url: &str) -> Result<(Vec<u8>, String)> {
    let script = format!("curl -s -m 10 -w '\\n%{{local_ip}} %{{remote_ip}} %{{local_port}} %{{remote_port}}' '{url}'");
    let text = world.shell("shop", &script)?;
    let (hex, ends) = text.split_once('\n').with_context(|| format!("{text:?}\n{}", world.story_so_far()))?;
    let digits: Vec<char> = hex.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    let bytes: Result<Vec<u8>, _> = digits.chunks(2).map(byte).collect();
    Ok((bytes.with_context(|| text.clone())?, ends.to_owned()))
}

#[test]
fn connections_begin_with_whom_they_are_for() -> Result<()> {
    Scene::set("")?.tell_with(|world, tls, away| {
        let mut outside = Console::start(away.command(&interpreter(PEERS)))?;
        let pair = format!("{tls}/server.both");
        std::fs::write(&pair, ["pem", "key"].map(|kind| std::fs::read_to_string(format!("{tls}/server.{kind}"))).into_iter().collect::<std::io::Result<String>>()?)?;
        outside.ask(&format!("haproxy((8081, ''), (8448, 'ssl crt {pair} alpn h2,http/1.1'))"))?;
        let mut inside = world.captured_console("shop", &["--node", "west", "--label", "app=inside"], PEERS)?;
        inside.ask("haproxy((8081, 'proto h1'))")?;
        inside.ask("shows(8090)")?;
        let host = entry("web", &format!("{{hosts: [web.example], ports: {PORTS}, resolution: STATIC, endpoints: [{{address: {AWAY}}}]}}"));
        let ca = format!("caCertificates: {tls}/ca.pem");
        let secured = format!("portLevelSettings: [{{port: {{number: 443}}, tls: {{mode: SIMPLE, {ca}}}}}, {{port: {{number: 444}}, tls: {{mode: SIMPLE, {ca}}}}}]");
        let ruled = |mark: &str, policy: &str| {
            let rules = rule("web.example", &format!("{policy}{secured}")) + &rule("inside", &format!("{policy}connectionPool: {{tcp: {{maxConnections: 1000}}}}"));
            applied(world, "web.yaml", mark, &format!("{host}{INSIDE}{rules}"))
        };

        for version in ["V1", "V2"] {
            ruled(&version.to_lowercase(), &format!("proxyProtocol: {{version: {version}}}, "))?;
            for url in [
                "http://web.example:80",
                "http://web.example:81",
                "http://web.example:443",
                "http://web.example:444",
                "http://inside.shop:80",
                "http://inside.shop:81",
            ] {
                let [told, ends] = asked(world, url)?;
                ensure!(told == ends, "{version} {url}: {told}, not {ends}\n{}", world.story_so_far());
            }
            for url in ["http://inside.shop:90/", "http://inside.shop:91/"] {
                let (heard, ends) = shown(world, url)?;
                match version {
                    "V1" => ensure!(heard == format!("PROXY TCP4 {ends}\r\n").into_bytes(), "{url}: {heard:?}, {ends}"),
                    _ => ensure!(heard.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c") && heard.len() == 28, "{heard:?}"),
                }
            }
        }
        // Without it, nobody is answered who has to be named.
        ruled("nobody", "")?;
        let answers = world.shell("shop", "for port in 80 81; do curl -s -m 10 -o /dev/null -w '%{http_code} ' http://web.example:$port/; done; true")?;
        ensure!(answers.trim() == "503 000" || answers.trim() == "502 000", "{answers}\n{}", world.story_so_far());
        Ok(())
    })
}
