//! What leaves the mesh: by the broker, or not at all.
//!
//! The mesh runs on a machine of the story's own: 192.0.2.1 and 203.0.113.1 are addresses of that
//! machine, 198.51.100.2 and 2001:db8::2 are somebody else's, one hop away.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{CALLS, NODES, echo, observe::applied};
use ripstop_world::{Console, HostNetwork, SOON, World, interpreter, wait_for};

const OUTSIDE: &str = include_str!("egress/outside.py");

/// Address of somebody else's machine, and of the interface that leads to it.
const AWAY: &str = "198.51.100.2";
const AWAY_V6: &str = "2001:db8::2";
const UPLINK: &str = "198.51.100.1";
/// The machine's own addresses: the mesh names the first.
const OWN: &str = "192.0.2.1";
const OWN_UNNAMED: &str = "203.0.113.1";

/// A mesh on such a machine, with servers on it and away.
struct Scene {
    world: World,
    here: Console,
    away: Console,
    _network: HostNetwork,
}

fn mesh(egress: &str) -> String {
    format!(
        "\
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {{name: default}}
spec:
  egress: {egress}
  dns: {{upstream: [{OWN}]}}
"
    )
}

// === impl Scene ===

impl Scene {
    fn set(egress: &str) -> Result<Self> {
        let host = HostNetwork::create()?;
        let network = host.neighbour(&format!("{UPLINK}/24"), &format!("{AWAY}/24"))?;
        host.sh(&format!("ip addr add {OWN}/32 dev lo && ip addr add {OWN_UNNAMED}/32 dev lo"))?;
        host.sh("ip addr add 2001:db8::1/64 dev wire nodad")?;
        network.sh(&format!("ip addr add {AWAY_V6}/64 dev wire nodad"))?;
        let serve = |network: &HostNetwork| Console::start(network.command(&interpreter(OUTSIDE)));
        let (mut here, mut away) = (serve(&host)?, serve(&network)?);
        here.ask(&format!("serve_dns('{OWN}')"))?;
        // The way is there before anybody takes it.
        away.ask(&format!("socket.create_connection(('{UPLINK}', 9000), 10).recv(100).decode()"))?;
        let files = [("nodes.yaml", NODES), ("mesh.yaml", &mesh(egress)), ("echo.yaml", &echo("far", "shop", "west"))];
        let world = World::start_in(host, &files)?;
        world.enrol("shop", true)?;
        Ok(Self { world, here, away, _network: network })
    }

    fn tell(self, story: impl FnOnce(&World, &mut Console, &mut Console) -> Result<()>) -> Result<()> {
        let Self { world, mut here, mut away, _network } = self;
        world.tell(|world| story(world, &mut here, &mut away))
    }
}

/// A client in the mesh, and one outside of it.
fn clients(world: &World) -> Result<[Console; 2]> {
    Ok([world.console("plain", &[], CALLS)?, world.captured_console("shop", &[], CALLS)?])
}

/// A call that must fail soon.
fn fails(client: &mut Console, address: &str) -> Result<()> {
    match client.ask(&format!("call('{address}')")) {
        Ok(seen) => anyhow::bail!("{address} was reached, and saw {seen}"),
        // A refusal is a reset, which comes when the connection or the first byte does.
        Err(error) => {
            let text = format!("{error:#}");
            let kinds = ["ConnectionResetError", "ConnectionRefusedError", "EOFError"];
            ensure!(kinds.iter().any(|kind| text.contains(kind)), "{address}: {text}");
            Ok(())
        }
    }
}

/// Waits until a line of the log has all these words.
fn logged(world: &World, name: &str, words: &[&str]) -> Result<()> {
    wait_for(&format!("{words:?} in the log of {name}"), SOON, || {
        let log = world.cli(&["logs", name])?;
        Ok(log.lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(()))
    })
}

#[test]
fn connections_are_made_by_the_machine_and_logged() -> Result<()> {
    Scene::set(&format!("{{allow: [{OWN}]}}"))?.tell(|world, here, away| {
        for mut client in clients(world)? {
            let name = client.name().to_owned();
            // Somebody else's address is reached, and sees the machine.
            ensure!(client.text(&format!("call('{AWAY}')"))? == UPLINK);
            ensure!(client.text(&format!("call('{AWAY_V6}')"))? == "2001:db8::1");
            logged(world, "broker", &["granted", &name, &format!("{AWAY}:9000")])?;
            logged(world, "broker", &["granted", &name, &format!("[{AWAY_V6}]:9000")])?;
            // Its own address is, when the mesh names it.
            ensure!(client.text(&format!("call('{OWN}')"))? == OWN);
            logged(world, "broker", &["granted", &name, &format!("{OWN}:9000")])?;
            // A port where nobody listens is told.
            let nobody = client.ask(&format!("socket.create_connection(('{AWAY}', 9), 10).recv(1)"));
            ensure!(nobody.is_err_and(|error| format!("{error:#}").contains("Connection")));
            client.finish()?;
        }
        ensure!(away.ask("len(greeted())")? == 4, "{}", away.ask("greeted()")?);
        let greeted = here.ask("greeted()")?;
        ensure!(greeted == serde_json::json!([AWAY, OWN, OWN]), "{greeted}");
        Ok(())
    })
}

/// The time goes with the request to whoever connects.
#[test]
fn a_place_outside_that_takes_no_connection_is_given_up_in_time() -> Result<()> {
    Scene::set("{}")?.tell(|world, _, away| {
        ensure!(away.ask("stuck(9100)")? == true, "the server answers");
        let host = |limit: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: slow, namespace: shop}}\nspec:\n  hosts: [slow.example]\n  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 9100}}]\n  resolution: STATIC\n  endpoints: [{{address: {AWAY}}}]\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: slow, namespace: shop}}\nspec: {{host: slow.example, trafficPolicy: {{connectionPool: {{tcp: {{connectTimeout: {limit}}}}}}}}}\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: slow, namespace: shop}}\nspec: {{hosts: [slow.example], http: [{{retries: {{attempts: 0}}, route: [{{destination: {{host: slow.example}}}}]}}]}}\n"
            )
        };
        for (mark, limit, longest) in [("short", "300ms", 3.0), ("long", "30s", 8.0)] {
            applied(world, "slow.yaml", mark, &host(limit))?;
            let told = world.shell("shop", "curl -s -m 20 -w ' %{http_code} %{time_total}' http://slow.example/")?;
            let words: Vec<&str> = told.split_whitespace().collect();
            let [.., status, time] = words[..] else { anyhow::bail!("{told}") };
            // The machine would not give up sooner than after 4 s.
            ensure!(status == "503" && time.parse::<f64>()? < longest, "{limit}: {told}");
            ensure!(told.contains("reset reason: connection timeout"), "{limit}: {told}");
        }
        let findings = world.cli(&["get", "findings"])?;
        ensure!(findings.contains("RS273"), "{findings}");
        // Whoever is there is reached as before, by bytes that nobody reads, too.
        let mut client = world.captured_console("shop", &[], CALLS)?;
        ensure!(client.text(&format!("call('{AWAY}')"))? == UPLINK);
        Ok(())
    })
}

#[test]
fn the_machine_itself_is_out_of_reach() -> Result<()> {
    Scene::set("{}")?.tell(|world, here, _| {
        let before = here.ask("greeted()")?;
        for mut client in clients(world)? {
            let name = client.name().to_owned();
            for own in [OWN, OWN_UNNAMED, UPLINK, "2001:db8::1", "169.254.169.254", "fec0::1"] {
                fails(&mut client, own)?;
            }
            for refused in [OWN, OWN_UNNAMED, UPLINK, "169.254.169.254"] {
                logged(world, "broker", &["refused", &name, &format!("{refused}:9000")])?;
            }
            logged(world, "broker", &["refused", &name, "[2001:db8::1]:9000"])?;
            // Its loopback addresses are the workload's own.
            for own in ["127.0.0.1", "::1", "0.0.0.0", "::ffff:127.0.0.1"] {
                fails(&mut client, own)?;
            }
            // No datagrams, and none of the mesh's own places from the outside in.
            client.ask(&format!("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('{OWN}', 9001))"))?;
            client.finish()?;
        }
        ensure!(here.ask("greeted()")? == before);
        ensure!(here.ask("received()")?.is_null());
        Ok(())
    })
}

#[test]
fn what_the_mesh_allows_and_denies_takes_effect_while_it_runs() -> Result<()> {
    Scene::set("{}")?.tell(|world, _, away| {
        let mut clients = clients(world)?;
        for client in &mut clients {
            fails(client, OWN)?;
            client.ask(&format!("hold('{AWAY}')"))?;
        }
        world.write("mesh.yaml", &mesh(&format!("{{allow: [192.0.2.0/24], deny: [{AWAY}/32, '{AWAY_V6}']}}")))?;
        for client in &mut clients {
            wait_for("its own address to be allowed", SOON, || client.ask(&format!("call('{OWN}')")).map(Some))?;
            fails(client, OWN_UNNAMED)?;
            fails(client, AWAY)?;
            fails(client, AWAY_V6)?;
            // What was open stays open.
            client.ask("ping()")?;
        }
        ensure!(away.ask("len(greeted())")? == 2);
        Ok(())
    })
}

#[test]
fn bytes_and_ends_pass_as_they_are() -> Result<()> {
    /// Sends as much as it gets, and ends one direction before the other.
    const BULK: &str = r"
import hashlib, os

def bulk(host, size):
    connection, lines, _ = dial(host)
    connection.settimeout(30)
    data = os.urandom(size)
    def send():
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    received = lines.read()
    sender.join()
    connection.close()
    return received == data
";
    Scene::set("{}")?.tell(|world, _, _| {
        let prelude = format!("{CALLS}{BULK}");
        for mut client in [world.console("plain", &[], &prelude)?, world.captured_console("shop", &[], &prelude)?] {
            ensure!(client.ask(&format!("bulk('{AWAY}', 20 << 20)"))? == true);
            client.ask(&format!("open_many('{AWAY}')"))?;
            client.ask("ping_many()")?;
            client.finish()?;
        }
        Ok(())
    })
}

#[test]
fn foreign_names_are_asked_of_the_machines_resolver() -> Result<()> {
    /// One question over TCP.
    const OVER_TCP: &str = r#"
import struct

def over_tcp(name):
    resolver = next(line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver"))
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">HHHHHH", 4711, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    with socket.create_connection((resolver, 53), 10) as connection:
        connection.sendall(struct.pack(">H", len(query)) + query)
        reply = connection.makefile("rb")
        answer = reply.read(struct.unpack(">H", reply.read(2))[0])
    assert answer[:2] == query[:2]
    return socket.inet_ntoa(answer[-4:])

def unknown(name):
    try: return socket.gethostbyname(name)
    except socket.gaierror as error: return error.strerror
"#;
    Scene::set("{}")?.tell(|world, here, _| {
        let prelude = format!("{CALLS}{OVER_TCP}");
        let mut first = true;
        for mut client in [world.console("plain", &[], &prelude)?, world.captured_console("shop", &[], &prelude)?] {
            ensure!(client.text("socket.gethostbyname('www.example.org')")? == AWAY);
            ensure!(client.text("over_tcp('www.example.org')")? == AWAY);
            ensure!(client.text("call('www.example.org')")? == UPLINK);
            let unknown = client.text("unknown('nobody.example.org')")?;
            ensure!(unknown == "Name or service not known", "{unknown}");
            // The mesh's own names never leave it.
            ensure!(client.text("call('far.shop')")?.starts_with("10.244."));
            ensure!(client.text("unknown('nobody.shop.svc.cluster.local')")? == "Name or service not known");
            client.finish()?;
            if std::mem::take(&mut first) {
                logged(world, "broker", &["granted", "DNS", &format!("{OWN}:53")])?;
            }
        }
        let asked = here.ask("asked()")?;
        let asked: Vec<&str> = asked.as_array().context("no list")?.iter().filter_map(|name| name.as_str()).collect();
        ensure!(asked.contains(&"www.example.org") && asked.contains(&"nobody.example.org"), "{asked:?}");
        ensure!(!asked.iter().any(|name| name.contains("cluster.local") || name.contains("shop")), "{asked:?}");
        Ok(())
    })
}

/// A host outside, and the way there: by a gateway that the mesh alone reaches.
fn by_gateway() -> String {
    format!(
        "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: outside, namespace: istio-system}}
spec:
  hosts: [outside.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: 9000, name: tcp, protocol: TCP}}]
  endpoints: [{{address: {AWAY}}}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: egress, namespace: istio-system, labels: {{istio: egressgateway}}}}
spec: {{role: egress, node: west, serviceAccountName: egress}}
---
apiVersion: v1
kind: Service
metadata: {{name: egress, namespace: istio-system}}
spec:
  selector: {{istio: egressgateway}}
  ports: [{{name: tcp, port: 9000}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: out, namespace: istio-system}}
spec:
  selector: {{istio: egressgateway}}
  servers: [{{port: {{number: 9000, name: tcp, protocol: TCP}}, hosts: [outside.example]}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: out, namespace: istio-system}}
spec:
  hosts: [outside.example]
  gateways: [mesh, istio-system/out]
  tcp:
  - match: [{{gateways: [mesh], port: 9000}}]
    route: [{{destination: {{host: egress.istio-system.svc.cluster.local, port: {{number: 9000}}}}}}]
  - match: [{{gateways: [istio-system/out], port: 9000}}]
    route: [{{destination: {{host: outside.example, port: {{number: 9000}}}}}}]
"
    )
}

#[test]
fn calls_leave_by_an_egress_gateway() -> Result<()> {
    Scene::set("{}")?.tell(|world, _, _| {
        applied(world, "gateway.yaml", "egress", &by_gateway())?;
        let mut client = world.captured_console("shop", &["--node", "east"], CALLS)?;
        let name = client.name().to_owned();
        let seen = wait_for("a call to leave", SOON, || client.text("call('outside.example')").map(Some))?;
        ensure!(seen == UPLINK, "{seen}");
        logged(world, "broker", &["granted", "egress-0", &format!("{AWAY}:9000")])?;
        let log = world.cli(&["logs", "broker"])?;
        let past = log.lines().find(|line| line.contains("granted") && line.contains(&name) && line.contains(AWAY));
        ensure!(past.is_none(), "the client's own call left: {past:?}");
        // The machine opens nothing for it, and it is called what it is.
        let status = world.json(&["status"])?;
        ensure!(status["ingress"].as_array().is_some_and(Vec::is_empty), "{}", status["ingress"]);
        client.finish()
    })
}
