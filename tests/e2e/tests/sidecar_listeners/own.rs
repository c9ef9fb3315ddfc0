//! Listeners that sidecars open themselves, called by curl from inside of their workload's network.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    echo,
    observe::{applied, killed, logged, served},
};
use ripstop_world::{Console, SOON, World, wait_for};

use super::{reflects, sidecar, world};

/// Python for a console: `sh(script)` gives what a shell says.
const SHELL: &str = r#"
import subprocess
def sh(script):
    return subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=40).stdout.strip()
"#;

/// What curl says of a request: its status, and who answered.
const CURL: &str = "curl -s -m 20 -o /dev/null -w '%{http_code} %header{x-reflect-name}'";

fn sh(console: &mut Console, script: &str) -> Result<String> {
    console.text(&format!("sh({script:?})"))
}

/// Waits until a shell in `console` says that.
fn says(world: &World, console: &mut Console, script: &str, expected: &str) -> Result<()> {
    let mut last = String::new();
    let waited = wait_for(&format!("{script} to say {expected}"), SOON, || {
        last = sh(console, script)?;
        Ok((last == expected).then_some(()))
    });
    waited.with_context(|| format!("it says {last}\n{}", world.story_so_far()))
}

#[test]
fn calls_come_to_listeners_of_the_sidecar_itself() -> Result<()> {
    let files = [
        ("one.yaml", reflects("one", "0.0.0.0:8080", 8080)),
        ("two.yaml", reflects("two", "0.0.0.0:8080", 8080)),
        ("far.yaml", echo("far", "shop", "west")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    world(&files)?.tell(|world| {
        let flags = ["--node", "east", "--label", "app=caller"];
        let mut caller = world.captured_console("shop", &flags, SHELL)?;
        let own = format!("sidecar-shop.{}", caller.name());
        served(world, "shop", caller.name(), &own)?;
        says(world, &mut caller, &format!("{CURL} http://one.shop/"), "200 one")?;

        let listening = "  egress:
  - {port: {number: 9080, protocol: HTTP, name: http}, bind: 127.0.0.1, captureMode: NONE, hosts: ['./*']}
  - {port: {number: 9443, protocol: TLS, name: tls}, captureMode: NONE, hosts: ['./*']}
  - {port: {number: 9001, protocol: TCP, name: tcp}, captureMode: NONE, hosts: [./far.shop.svc.cluster.local]}
  - {port: {number: 81, protocol: HTTP, name: there}, bind: 192.0.2.81, hosts: [./two.shop.svc.cluster.local]}
  - {hosts: ['./*']}
";
        applied(world, "sidecar.yaml", "listening", &sidecar("caller", listening))?;
        // Requests go to whom their host names, whichever port that has.
        let at = |host: &str, address: &str| format!("{CURL} -H 'Host: {host}' http://{address}/");
        says(world, &mut caller, &at("one.shop.svc.cluster.local", "127.0.0.1:9080"), "200 one")?;
        says(world, &mut caller, &at("two", "127.0.0.1:9080"), "200 two")?;
        let got = sh(&mut caller, &at("nobody.example", "127.0.0.1:9080"))?;
        ensure!(got == "404", "{got}");
        // The only service of TCP, which greets with the caller's address.
        let greeting = "exec 3<>/dev/tcp/127.0.0.1/9001; read -t 20 -u 3 line; echo \"$line\"";
        let got = sh(&mut caller, &format!("bash -c '{greeting}'"))?;
        ensure!(got.contains("10.244."), "the echo says {got}\n{}", world.story_so_far());
        logged(world, &own, &["direction=outbound", "dst.workload=far-0", "dst.hbone_addr="])?;
        // What is captured on its way to an address that a listener is for, and nowhere else.
        says(world, &mut caller, &at("two", "192.0.2.81:81"), "200 two")?;
        let got = sh(&mut caller, &at("one", "192.0.2.81:81"))?;
        ensure!(got == "404", "{got}");
        // Others get there by no other address.
        says(world, &mut caller, &format!("{CURL} http://one.shop/"), "200 one")?;
        let address = sh(&mut caller, "hostname -I | cut -d' ' -f1")?;
        let got = sh(&mut caller, &format!("curl -s -m 20 -o /dev/null http://{address}:9080/; echo $?"))?;
        ensure!(got == "7", "curl ends with {got}");
        // Nor by what comes for the workload: they would call others in its name.
        let back =
            "  ingress: [{port: {number: 7001, protocol: HTTP, name: back}, defaultEndpoint: '127.0.0.1:9080'}]\n";
        applied(world, "sidecar.yaml", "back", &sidecar("caller", &format!("{back}{listening}")))?;
        for namespace in ["outside", "front"] {
            let said = world.run(namespace, &[], &at("one.shop.svc.cluster.local", &format!("{address}:7001")))?;
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            ensure!(said.starts_with("000"), "{namespace} gets {said}\n{}", world.story_so_far());
        }
        applied(world, "sidecar.yaml", "listening-again", &sidecar("caller", listening))?;
        let listeners = world.cli(&["config", "listeners", &own])?;
        ensure!(listeners.contains("127.0.0.1:9080") && listeners.contains("127.0.0.1:9001"), "{listeners}");
        // explain says the same.
        let asked = [
            "explain",
            "--from",
            &format!("shop/{}", caller.name()),
            "--to",
            "127.0.0.1:9080",
            "--host",
            "two",
            "--path",
            "/",
        ];
        let output = world.command(&asked).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(said.contains("two.shop"), "{said}{}", String::from_utf8_lossy(&output.stderr));

        // They are there again after their sidecar was, and gone with what says so.
        killed(world, &own)?;
        says(world, &mut caller, &at("two", "127.0.0.1:9080"), "200 two")?;
        applied(world, "sidecar.yaml", "silent", &sidecar("caller", "  egress: [{hosts: ['./*']}]\n"))?;
        says(world, &mut caller, "curl -s -m 20 -o /dev/null http://127.0.0.1:9080/; echo $?", "7")?;
        says(world, &mut caller, &format!("{CURL} http://one.shop/"), "200 one")?;
        caller.finish()
    })
}

#[test]
fn applications_are_called_by_listeners_of_the_sidecar_itself() -> Result<()> {
    world(&[])?.tell(|world| {
        let program = format!(
            "{SHELL}
import http.server, threading
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('x-reflect-name', self.path)
        self.send_header('content-length', '0')
        self.end_headers()
    def log_message(self, *_): pass
threading.Thread(target=http.server.ThreadingHTTPServer(('127.0.0.1', 8080), Web).serve_forever, daemon=True).start()
"
        );
        let mut web = world.captured_console("shop", &["--node", "west", "--label", "app=web"], &program)?;
        let own = format!("sidecar-shop.{}", web.name());
        served(world, "shop", web.name(), &own)?;
        let address = sh(&mut web, "hostname -I | cut -d' ' -f1")?;
        let listening = format!(
            "  ingress:
  - {{port: {{number: 7000, protocol: HTTP, name: all}}, captureMode: NONE, defaultEndpoint: '127.0.0.1:8080'}}
  - {{port: {{number: 7001, protocol: HTTP, name: there}}, bind: {address}, defaultEndpoint: '127.0.0.1:8080'}}
  - {{port: {{number: 7002, protocol: HTTP, name: here}}, bind: 127.0.0.1, captureMode: NONE, defaultEndpoint: '127.0.0.1:8080'}}
"
        );
        applied(world, "sidecar.yaml", "listening", &sidecar("web", &listening))?;
        // From inside of its network, and from elsewhere, where that is what the listener is for.
        let at = |address: &str, port: u16| format!("{CURL} http://{address}:{port}/{port}");
        for (place, port) in [("127.0.0.1", 7000), (address.as_str(), 7000), ("127.0.0.1", 7002)] {
            says(world, &mut web, &at(place, port), &format!("200 /{port}"))?;
        }
        let outside = |script: &str| -> Result<String> {
            Ok(String::from_utf8_lossy(&world.run("outside", &[], script)?.stdout).trim().to_owned())
        };
        for port in [7000, 7001] {
            let got = outside(&at(&address, port))?;
            ensure!(got == format!("200 /{port}"), "{port}: {got}\n{}", world.story_so_far());
        }
        // Nobody listens at the port of the one that is for the loopback, elsewhere.
        let got = outside(&at(&address, 7002))?;
        ensure!(got.starts_with("000"), "{got}");

        // Policies judge what comes there, too.
        let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: not, namespace: shop}\nspec: {action: DENY, rules: [{to: [{operation: {paths: [/7000]}}]}]}\n";
        applied(world, "policy.yaml", "denied", policy)?;
        says(world, &mut web, &at("127.0.0.1", 7000), "403")?;
        says(world, &mut web, &at("127.0.0.1", 7002), "200 /7002")?;

        // An address that the application has is told of.
        let taking = "  egress:\n  - {port: {number: 8080, protocol: HTTP, name: taken}, captureMode: NONE, hosts: ['./*']}\n  - {hosts: ['*/*']}\n";
        applied(world, "sidecar.yaml", "taking", &sidecar("web", taking))?;
        logged(world, &own, &["can't be opened", "127.0.0.1:8080"])?;
        web.finish()
    })
}
