//! Hosts outside of the mesh that it knows by `ServiceEntry`, and those that it does not know.
//!
//! The mesh runs on a machine of the story's own, whose DNS is at 192.0.2.1; 198.51.100.2 is somebody else's, one hop
//! away, with a web server on ports 80 and 8080, and with TLS on 443 and 8443, echoes with TLS on 9443 and 9444, and one who ends without a goodbye on 9445; 198.51.100.3 is the same machine.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES,
    curl::{curl, one},
    observe::applied,
};
use ripstop_world::{Console, HostNetwork, World, interpreter};

#[path = "hosts/announced.rs"]
mod announced;
#[path = "hosts/choices.rs"]
mod choices;
#[path = "hosts/handbook.rs"]
mod handbook;
#[path = "hosts/secured.rs"]
mod secured;
#[path = "hosts/through.rs"]
mod through;

const OUTSIDE: &str = include_str!("hosts/outside.py");

const AWAY: &str = "198.51.100.2";
const ALSO_AWAY: &str = "198.51.100.3";
const UPLINK: &str = "198.51.100.1";
const OWN: &str = "192.0.2.1";

/// A mesh with such a neighbour.
struct Scene {
    world: World,
    _away: Console,
    here: Console,
    network: HostNetwork,
    _files: tempfile::TempDir,
    /// Where certificates are, for the mesh and for its neighbour.
    tls: String,
}

/// A certificate authority, a server's certificate for `web.example`, and a client's, as files.
const CERTIFICATES: &str = "\
set -e
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $1.key -out $1.csr -subj /CN=$2; }
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout o.key -out other.pem -days 2 -subj /CN=o
new server web.example
printf 'subjectAltName=DNS:web.example' > names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem
new client shop
printf 'extendedKeyUsage=clientAuth' > usage
openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile usage -out client.pem
chmod 644 *
";

// === impl Scene ===

impl Scene {
    /// With settings of the mesh, one a line.
    fn set(settings: &str) -> Result<Self> {
        let files = tempfile::Builder::new().prefix("ripstop-tls-").tempdir()?;
        let made = Command::new("sh").args(["-c", CERTIFICATES]).current_dir(files.path()).output()?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let opened = Command::new("chmod").arg("755").arg(files.path()).status()?;
        ensure!(opened.success(), "the certificates cannot be made readable");
        let tls = files.path().to_str().context("a path that is no text")?.to_owned();

        let host = HostNetwork::create()?;
        let network = host.neighbour(&format!("{UPLINK}/24"), &format!("{AWAY}/24"))?;
        network.sh(&format!("ip addr add {ALSO_AWAY}/24 dev wire"))?;
        host.sh(&format!("ip addr add {OWN}/32 dev lo"))?;
        let serve = |network: &HostNetwork| Console::start(network.command(&interpreter(OUTSIDE)));
        let (mut here, mut away) = (serve(&host)?, serve(&network)?);
        let names = ["api.stripe.com", "web.example", "a.wild.example", "stranger.example"];
        let known: Vec<String> = names.iter().map(|name| format!("'{name}': '{AWAY}'")).collect();
        here.ask(&format!("dns('{OWN}', {{{}}})", known.join(", ")))?;
        away.ask("web(80, 'plain')")?;
        away.ask("web(8080, 'other port')")?;
        away.ask(&format!("web_with_tls(443, 'tls', '{tls}/server.pem', '{tls}/server.key')"))?;
        away.ask(&format!("web_with_tls(8443, 'mutual', '{tls}/server.pem', '{tls}/server.key', '{tls}/ca.pem')"))?;
        away.ask(&format!("web_with_old_tls(8444, 'old', '{tls}/server.pem', '{tls}/server.key', 'secp384r1')"))?;
        away.ask(&format!("echo_with_tls(9443, '{tls}/server.pem', '{tls}/server.key')"))?;
        away.ask(&format!("echo_with_tls(9444, '{tls}/server.pem', '{tls}/server.key', '{tls}/ca.pem')"))?;
        away.ask(&format!("rude_with_tls(9445, '{tls}/server.pem', '{tls}/server.key')"))?;
        // The way is there before anybody takes it.
        here.ask(&format!("socket.create_connection(('{AWAY}', 80), 10).close()"))?;
        let world = World::start_in(host, &[("nodes.yaml", NODES), ("mesh.yaml", &mesh(settings))])?;
        world.enrol("shop", true)?;
        world.settle()?;
        Ok(Self { world, _away: away, here, network, _files: files, tls })
    }

    fn tell(self, story: impl FnOnce(&World, &str) -> Result<()>) -> Result<()> {
        self.tell_with(|world, tls, _| story(world, tls))
    }

    /// With the machine that is away, too.
    fn tell_with(self, story: impl FnOnce(&World, &str, &HostNetwork) -> Result<()>) -> Result<()> {
        let Self { world, _away, here: _here, network, _files, tls } = self;
        world.tell(|world| story(world, &tls, &network))
    }
}

/// The mesh, with settings of it, one a line.
fn mesh(settings: &str) -> String {
    format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec:\n  egress: {{}}\n  dns: {{upstream: [{OWN}]}}\n{settings}"
    )
}

const REGISTRY_ONLY: &str = "  meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}\n";

/// Endpoints of `weighed.example` take turns.
const IN_TURN: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: weighed, namespace: shop}\nspec: {host: weighed.example, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}\n---\n";

fn entry(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n---\n"
    )
}

/// The status of a request that fails or succeeds, as curl has it: `000` if there was no answer, with curl's exit code.
fn status(world: &World, options: &str) -> Result<String> {
    let script = format!("curl -s -k -m 10 -o /dev/null -w '%{{http_code}}' {options}; echo \" $?\"");
    Ok(world.shell("shop", &script)?.trim().to_owned())
}

/// Whether that is what a connection gets that is reset: while it is made, or in a handshake, or in place of an answer.
fn is_refused(status: &str) -> bool {
    ["000 7", "000 35", "000 52", "000 55", "000 56"].contains(&status)
}

#[test]
fn only_declared_hosts_are_reached_where_the_mesh_says_so() -> Result<()> {
    Scene::set(REGISTRY_ONLY)?.tell(|world, _| {
        // Nobody is known yet: a connection ends without a byte.
        for url in ["https://api.stripe.com/", "http://web.example/", &format!("http://{AWAY}:8080/")] {
            let got = status(world, url)?;
            ensure!(is_refused(&got), "{url}: {got}");
        }
        let entries = [
            // As in a handbook: TLS, passed on as it is.
            entry(
                "stripe",
                "{hosts: [api.stripe.com], ports: [{number: 443, name: https, protocol: HTTPS}], location: MESH_EXTERNAL, resolution: DNS}",
            ),
            entry(
                "static",
                &format!(
                    "{{hosts: [static.example], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: STATIC, endpoints: [{{address: {AWAY}, ports: {{http: 8080}}}}]}}"
                ),
            ),
            entry(
                "wild",
                "{hosts: ['*.wild.example'], ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}], resolution: NONE}",
            ),
            // Of four requests, three.
            entry(
                "weighed",
                &format!(
                    "{{hosts: [weighed.example], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: STATIC, endpoints: [{{address: {AWAY}, ports: {{http: 8080}}, weight: 3}}, {{address: {ALSO_AWAY}}}]}}"
                ),
            ),
            IN_TURN.to_owned(),
            entry(
                "addressed",
                &format!(
                    "{{hosts: [addressed.example], addresses: [{AWAY}/32], ports: [{{number: 8080, name: tcp, protocol: TCP}}], resolution: NONE}}"
                ),
            ),
        ];
        applied(world, "entries.yaml", "declared", &entries.concat())?;
        let got = curl(
            world,
            &[
                "-k https://api.stripe.com/pay",
                "http://static.example/a",
                "http://a.wild.example/b",
                "-k https://a.wild.example/c",
                &format!("http://{AWAY}:8080/d"),
                "http://addressed.example:8080/e",
            ],
        )?;
        let told: Vec<(u16, &str, &str)> =
            got.iter().map(|got| (got.status, got.name(), got.asked["path"].as_str().unwrap_or_default())).collect();
        let expected = [
            (200, "tls", "/pay"),
            (200, "other port", "/a"),
            (200, "plain", "/b"),
            (200, "tls", "/c"),
            (200, "other port", "/d"),
            (200, "other port", "/e"),
        ];
        ensure!(told == expected, "{told:?}\n{}", world.story_so_far());
        ensure!(got[0].asked["sni"] == "api.stripe.com" && got[1].header("host") == "static.example", "{got:?}");
        let told = world.shell("shop", "curl -s -m 60 'http://weighed.example/?n=[1-40]'")?;
        ensure!((told.matches("other port").count(), told.matches("plain").count()) == (30, 10), "{told}");
        // Other names and ports at the same address are still nobody's.
        ensure!(status(world, "http://stranger.example/")? == "502 0");
        for url in ["https://stranger.example/", "http://web.example:8081/"] {
            let got = status(world, url)?;
            ensure!(is_refused(&got), "{url}: {got}");
        }
        // So are they once more when the declaration is gone.
        applied(world, "entries.yaml", "gone", "")?;
        let got = status(world, "https://api.stripe.com/")?;
        ensure!(got.starts_with("000"), "{got}");

        // Nobody is at the address that is called: the name counts.
        let ports = "ports: [{number: 80, name: http, protocol: HTTP}]";
        let wild = format!("{{hosts: ['*.wild.example'], {ports}, resolution: DYNAMIC_DNS}}");
        applied(world, "entries.yaml", "dynamic", &entry("wild", &wild))?;
        let got = status(world, "--connect-to ::198.51.100.77:80 http://a.wild.example/")?;
        ensure!(got == "200 0", "{got}\n{}", world.story_so_far());
        Ok(())
    })
}

#[test]
fn strangers_are_passed_on_where_the_mesh_lets_them() -> Result<()> {
    Scene::set("")?.tell(|world, _| {
        // A declared host makes requests on its port be looked at; whoever else is there is reached all the same.
        let wild = "{hosts: ['*.wild.example'], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE}";
        applied(world, "entries.yaml", "wild", &entry("wild", wild))?;
        for version in ["", "--http1.0"] {
            let got = curl(
                world,
                &[&format!("{version} http://stranger.example/a"), &format!("{version} http://a.wild.example/b")],
            )?;
            ensure!(got.iter().all(|got| got.status == 200 && got.name() == "plain"), "{got:?}");
        }
        ensure!(one(world, "-k https://stranger.example/")?.name() == "tls");
        Ok(())
    })
}

#[test]
fn requests_go_where_the_name_of_their_host_leads() -> Result<()> {
    Scene::set("  meshConfig: {outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}}\n")?.tell(|world, _| {
        // Nobody is at that address.
        let elsewhere = |host: &str| status(world, &format!("--connect-to ::198.51.100.77:80 http://{host}/"));
        let found = elsewhere("stranger.example")?;
        ensure!(found == "200 0", "{found}\n{}", world.story_so_far());
        let nobody = elsewhere("nobody.example")?;
        ensure!(nobody.starts_with("503"), "{nobody}\n{}", world.story_so_far());
        // What names nobody goes where it was sent.
        let by_address = status(world, &format!("http://{AWAY}/"))?;
        ensure!(by_address == "200 0", "{by_address}\n{}", world.story_so_far());
        Ok(())
    })
}

#[test]
fn requests_to_names_that_nobody_declares_go_over_tls_where_the_mesh_says_so() -> Result<()> {
    Scene::set("")?.tell(|world, tls| {
        let declared = entry(
            "stranger",
            "{hosts: [stranger.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}",
        );
        applied(world, "stranger.yaml", "declared", &declared)?;
        for (mark, authority, expected) in [("trusted", "ca", "200 0"), ("untrusted", "other", "503 0")] {
            let settings = format!(
                "  meshConfig: {{outboundTrafficPolicy: {{mode: ALLOW_ANY_DYNAMIC_DNS, tls: {{mode: SIMPLE, caCertificates: {tls}/{authority}.pem}}}}}}\n"
            );
            applied(world, "mesh.yaml", mark, &mesh(&settings))?;
            let got = status(world, "http://web.example/")?;
            ensure!(got == expected, "{mark}: {got}\n{}", world.story_so_far());
            // What is declared is called as it says itself.
            let got = one(world, "http://stranger.example/")?;
            ensure!(got.status == 200 && got.name() == "plain", "{mark}: {got:?}");
        }
        let settings = format!(
            "  meshConfig: {{outboundTrafficPolicy: {{mode: ALLOW_ANY_DYNAMIC_DNS, tls: {{mode: SIMPLE, caCertificates: {tls}/ca.pem}}}}}}\n"
        );
        applied(world, "mesh.yaml", "again", &mesh(&settings))?;
        // At the port of HTTPS, and by the name that was asked for.
        let got = one(world, "http://web.example/")?;
        ensure!(got.name() == "tls" && got.asked["sni"] == "web.example", "{got:?}\n{}", world.story_so_far());
        Ok(())
    })
}

#[test]
fn tls_is_originated_and_routes_hold_outside() -> Result<()> {
    Scene::set("")?.tell(|world, tls| {
        let host = entry(
            "web",
            "{hosts: [web.example], ports: [{number: 80, name: http, protocol: HTTP, targetPort: 443}, {number: 8443, name: http-mutual, protocol: HTTP}], resolution: DNS}",
        );
        let rule = |settings: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec:\n  host: web.example\n  trafficPolicy: {{{settings}}}\n---\n"
            )
        };
        let routes = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web.example]
  http:
  - match: [{uri: {prefix: /teapot}}]
    directResponse: {status: 418}
  - match: [{uri: {prefix: /old/}}]
    rewrite: {uri: /new/}
    route: [{destination: {host: web.example, port: {number: 80}}}]
  - route: [{destination: {host: web.example}}]
";
        let simple = format!("tls: {{mode: SIMPLE, sni: web.example, caCertificates: {tls}/ca.pem}}");
        applied(world, "web.yaml", "simple", &format!("{host}{}{routes}", rule(&simple)))?;
        let got = curl(world, &["http://web.example/", "http://web.example/teapot", "http://web.example/old/a"])?;
        ensure!(got[0].status == 200 && got[0].name() == "tls", "{got:?}\n{}", world.story_so_far());
        ensure!(got[0].asked["sni"] == "web.example" && got[0].header("host") == "web.example", "{got:?}");
        ensure!(got[1].status == 418 && got[2].asked["path"] == "/new/a", "{got:?}");

        // Whom nobody vouches for, and who is somebody else.
        for (mark, settings) in [
            ("untrusted", format!("tls: {{mode: SIMPLE, caCertificates: {tls}/other.pem}}")),
            ("stranger", format!("tls: {{mode: SIMPLE, caCertificates: {tls}/ca.pem, subjectAltNames: [else.example]}}")),
        ] {
            applied(world, "web.yaml", mark, &format!("{host}{}{routes}", rule(&settings)))?;
            let got = one(world, "http://web.example/")?;
            ensure!(got.status == 503, "{mark}: {} {}", got.status, got.body);
        }

        let mutual = format!(
            "portLevelSettings: [{{port: {{number: 8443}}, tls: {{mode: MUTUAL, caCertificates: {tls}/ca.pem, clientCertificate: {tls}/client.pem, privateKey: {tls}/client.key}}}}]"
        );
        applied(world, "web.yaml", "mutual", &format!("{host}{}", rule(&mutual)))?;
        let got = one(world, "http://web.example:8443/")?;
        ensure!(got.status == 200 && got.name() == "mutual", "{} {}\n{}", got.status, got.body, world.story_so_far());
        ensure!(got.asked["client"] == serde_json::json!(["shop"]), "{}", got.body);
        Ok(())
    })
}
