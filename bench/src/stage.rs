//! The world that everything is measured in: two machines, and for each way a server on one and a
//! driver on the other.
//!
//! Relays and the proxies of others stand where the mesh's sockets stand, in the network namespaces of
//! the driver and of the server: as workloads of their own they would add two routed links, and the
//! relays would be no floor.

use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use ripstop_world::{Client, SOON, World, wait_for};

use crate::{
    command::{Command, Event, Outcome, Work},
    message::PORTS,
    peers::{Hop, Peers, Side},
    process::Process,
    way::Way,
};

/// The machine of the drivers.
pub(crate) const NEAR: &str = "east";
/// The machine of the servers.
pub(crate) const FAR: &str = "west";
/// Between a port of the server and that of the proxy before it.
const OFFSET: u16 = 100;
/// Time between two looks at a driver at work.
const LOOK: Duration = Duration::from_millis(200);
/// What a command may take beyond its measured time.
const PATIENCE: Duration = Duration::from_secs(40);

/// For the namespace of [`Way::Mesh`]: what is answered there came through a tunnel.
const MUTUAL_TLS_ONLY: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: mesh}
spec:
  mtls: {mode: STRICT}
";

/// For the namespace of [`Way::MeshMetered`], where the server has a name, whose ports are declared: requests are counted.
const DECLARED: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: NAMESPACE}
spec:
  mtls: {mode: STRICT}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: NAMESPACE}
spec:
  selector: {app: server}
  ports:
  - {name: http-exchange, port: 9000}
  - {name: http-single, port: 9001}
  - {name: grpc-calls, port: 9003}
";

/// Beside [`DECLARED`], for the namespaces of [`Way::MeshL7`] and [`Way::MeshWaypoint`]: each request is routed, and asked
/// whether it may, by what it is TARGETed at.
const REQUESTS_TOO: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server, namespace: NAMESPACE}
spec:
  hosts: [server]
  http:
  - match: [{headers: {x-canary: {exact: always}}}]
    directResponse: {status: 503}
  - timeout: 30s
    route: [{destination: {host: server}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: NAMESPACE}
spec:
  TARGET
  rules:
  - from: [{source: {principals: [cluster.local/ns/NAMESPACE/sa/default]}}]
    to: [{operation: {methods: [GET, POST]}}]
";

/// Those of the server.
const OF_SERVER: &str = "selector: {matchLabels: {app: server}}";
/// Those of its service, which its waypoint looks at.
const OF_SERVICE: &str = "targetRefs: [{kind: Service, group: '', name: server}]";

/// For the namespace of [`Way::MeshWaypoint`]: the waypoint, beside the driver, and the label that has callers go through it.
const WAYPOINT: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: waypoint, namespace: NAMESPACE}
spec: {role: waypoint, node: NODE}
---
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE, labels: {istio.io/use-waypoint: waypoint}}
";

/// A way, ready to be driven.
#[derive(Debug)]
pub struct Lane {
    /// Which.
    pub way: Way,
    /// What stands between driver and server: near, far.
    pub pair: Vec<Process>,
    /// Other processes that work for the pair while connections are made.
    pub helpers: Vec<Process>,
    /// Driver and server.
    pub ends: Vec<Process>,
    target: Ipv4Addr,
    driver: Client,
}

/// Some ways, and the world they are in.
#[derive(Debug)]
pub struct Stage {
    /// In the order that was asked for.
    pub lanes: Vec<Lane>,
    // Dropped after the drivers.
    world: World,
}

// === impl Stage ===

impl Stage {
    /// Starts the world, with servers and drivers of `ways`, and enrols those of [`Way::Mesh`]. Binaries of
    /// others lie in `binaries`.
    pub fn start(ways: &[Way], binaries: &Path) -> Result<Self> {
        let mut world = World::prepare(&[])?;
        install(&world.path("bin"), ways, binaries)?;
        let peers = Peers::prepare(&world.path("peers"))?;
        let tag = world.path("").display().to_string();
        world.write("nodes.yaml", &nodes())?;
        for way in ways {
            world.write(&format!("{}.yaml", way.name()), &server(&peers, *way, &tag)?)?;
        }
        world.up()?;
        let lanes = ways.iter().map(|way| Lane::start(&world, &peers, *way, &tag)).collect::<Result<_>>()?;
        for way in ways.iter().filter(|way| way.is_mesh()) {
            world.enrol(way.name(), true)?;
            world.settle()?;
        }
        let mut stage = Self { lanes, world };
        for lane in &mut stage.lanes {
            lane.wait_until_it_works().with_context(|| stage.world.story_so_far())?;
        }
        Ok(stage)
    }

    /// The last lines of all logs, for failures.
    pub fn story_so_far(&self) -> String {
        self.world.story_so_far()
    }
}

// === impl Lane ===

impl Lane {
    fn start(world: &World, peers: &Peers, way: Way, tag: &str) -> Result<Self> {
        let server = address_of_server(world, way.name())?;
        let near = tagged(tag, way, "driver");
        let between = between(peers, way, Side::Near, tag, |port| Hop {
            listen: (Ipv4Addr::LOCALHOST, port),
            target: (server, port + OFFSET),
        })?;
        let script = beside(between.as_deref(), &format!("bench-peer drive --tag {near}"));
        let command = world.command(&["run", "-n", way.name(), "--node", NEAR, "--", "sh", "-c", &script]);
        let driver = Client::start(command)?;
        let first = driver.line(SOON)?.with_context(|| format!("the driver of {} ended at once", way.name()))?;
        if serde_json::from_str::<Event>(&first)? != Event::Ready {
            bail!("the driver of {} began with {first:?}", way.name());
        }
        let (pair, helpers) = match way {
            Way::Direct => (Vec::new(), Vec::new()),
            Way::Relay | Way::EnvoyL4 | Way::EnvoyL7 | Way::Haproxy => {
                let pair = [Side::Near, Side::Far]
                    .map(|side| find(&format!("{} {way}", side.name()), &[&mark(peers, way, side, tag)]));
                (pair.into_iter().collect::<Result<_>>()?, Vec::new())
            }
            Way::Mesh | Way::MeshMetered | Way::MeshL7 | Way::MeshWaypoint => {
                let proxies = [NEAR, FAR].map(|node| proxy_of(world, node));
                let waypoint = (way == Way::MeshWaypoint).then(|| waypoint_of(world, way.name()));
                let agents = [NEAR, FAR].map(|node| agent_of(world, node));
                let proxies = proxies.into_iter().chain(waypoint).collect::<Result<_>>()?;
                (proxies, agents.into_iter().collect::<Result<_>>()?)
            }
        };
        let ends = [("driver", near), ("server", tagged(tag, way, "server"))];
        let ends = ends.map(|(name, tag)| find(&format!("{name} of {}", way.name()), &["bench-peer", "--tag", &tag]));
        let ends = ends.into_iter().collect::<Result<_>>()?;
        let target = match way {
            Way::MeshMetered | Way::MeshL7 | Way::MeshWaypoint => address_of_service(world, way.name())?,
            _ if between.is_some() => Ipv4Addr::LOCALHOST,
            _ => server,
        };
        Ok(Self { way, pair, helpers, ends, target, driver })
    }

    /// All that a request passes.
    pub fn everyone(&self) -> Vec<Process> {
        [self.pair.clone(), self.ends.clone()].concat()
    }

    /// Has `work` done for `measured`; `watch` is called again and again meanwhile, with the events
    /// as they come.
    pub fn drive(
        &mut self,
        work: Work,
        measured: Duration,
        mut watch: impl FnMut(&Self, Option<&Event>) -> Result<()>,
    ) -> Result<Outcome> {
        let millis = u64::try_from(measured.as_millis())?;
        let command = Command { target: (self.target, work.port()).into(), millis, work };
        self.driver.say(&serde_json::to_string(&command)?)?;
        let deadline = Instant::now() + measured + PATIENCE;
        while Instant::now() < deadline {
            // Nothing new is no error: the deadline is ours.
            let Ok(line) = self.driver.line(LOOK) else {
                watch(self, None)?;
                continue;
            };
            let line = line.with_context(|| format!("the driver of {} ended", self.way.name()))?;
            let event = serde_json::from_str(&line).with_context(|| format!("the driver said {line:?}"))?;
            watch(self, Some(&event))?;
            match event {
                Event::Done(outcome) => return Ok(outcome),
                Event::Failed { reason } => bail!("{}: {reason}", self.way.name()),
                Event::Ready | Event::Begin | Event::End => {}
            }
        }
        bail!("{}: {work:?} did not end", self.way.name())
    }

    /// Each change of the mesh takes effect a moment after it is acknowledged.
    fn wait_until_it_works(&mut self) -> Result<()> {
        let name = self.way.name();
        wait_for(&format!("the way {name} to work"), SOON, || {
            let outcome = self.drive(Work::Connects { concurrency: 2 }, LOOK, |_, _| Ok(()))?;
            if let Some(error) = outcome.first_error {
                bail!("{name}: {error}");
            }
            Ok((outcome.count > 0).then_some(()))
        })
    }
}

/// The node proxy of `node`.
pub(crate) fn proxy_of(world: &World, node: &str) -> Result<Process> {
    find(&format!("node-{node}"), &["node", "--state", &state(world, node, "proxy")?])
}

/// The privileged helper of `node`.
fn agent_of(world: &World, node: &str) -> Result<Process> {
    find(&format!("agent-{node}"), &["agent", "--state", &state(world, node, "agent")?])
}

/// The waypoint of a namespace.
fn waypoint_of(world: &World, namespace: &str) -> Result<Process> {
    wait_for("a waypoint", SOON, || Ok((world.get(namespace, "waypoint-0")?["ready"] == true).then_some(())))?;
    let state = fs::canonicalize(world.state())?.join("gateways").join(format!("{namespace}.waypoint-0"));
    find(&format!("the waypoint of {namespace}"), &["waypoint", "--state", &state.display().to_string()])
}

/// Roles are told from those of other meshes by their state directory.
fn state(world: &World, node: &str, part: &str) -> Result<String> {
    Ok(fs::canonicalize(world.state())?.join("nodes").join(node).join(part).display().to_string())
}

fn find(name: &str, words: &[&str]) -> Result<Process> {
    wait_for(&format!("{name} to run"), SOON, || Process::find(name, words).map(Some))
}

/// Puts our binaries, and those of others that are needed, beside those of the mesh, where workloads find them.
pub(crate) fn install(bin: &Path, ways: &[Way], binaries: &Path) -> Result<()> {
    let own = std::env::current_exe()?;
    let own = ["bench-peer", "bench-relay"].map(|name| own.with_file_name(name));
    let peers: BTreeSet<_> =
        ways.iter().filter_map(|way| way.peer()).map(|peer| binaries.join(peer.binary())).collect();
    for from in own.into_iter().chain(peers) {
        let name = from.file_name().context("no file")?;
        fs::copy(&from, bin.join(name)).with_context(|| format!("copying {}", from.display()))?;
    }
    Ok(())
}

pub(crate) fn nodes() -> String {
    let node = |name| format!("apiVersion: ripstop.dev/v1alpha1\nkind: Node\nmetadata: {{name: {name}}}\n");
    format!("{}---\n{}", node(NEAR), node(FAR))
}

/// The server of a way in the namespace of its name; behind a proxy, or behind mutual TLS alone.
fn server(peers: &Peers, way: Way, tag: &str) -> Result<String> {
    let namespace = way.name();
    let between = between(peers, way, Side::Far, tag, |port| Hop {
        listen: (Ipv4Addr::UNSPECIFIED, port + OFFSET),
        target: (Ipv4Addr::LOCALHOST, port),
    })?;
    let script = beside(between.as_deref(), &format!("bench-peer serve --tag {}", tagged(tag, way, "server")));
    let offset = if between.is_some() { OFFSET } else { 0 };
    let process = format!(
        "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: server, namespace: {namespace}, labels: {{app: server}}}}
spec:
  node: {FAR}
  command: [sh, -c, '{script}']
  readinessProbe: {{tcpSocket: {{port: {}}}, periodSeconds: 5}}
",
        PORTS[0] + offset
    );
    Ok(match way {
        Way::Mesh => format!("{process}---\n{MUTUAL_TLS_ONLY}"),
        Way::MeshMetered => format!("{process}---\n{}", DECLARED.replace("NAMESPACE", namespace)),
        Way::MeshL7 => {
            let rules = REQUESTS_TOO.replace("TARGET", OF_SERVER);
            format!("{process}---\n{DECLARED}---\n{rules}").replace("NAMESPACE", namespace)
        }
        Way::MeshWaypoint => {
            let rules = REQUESTS_TOO.replace("TARGET", OF_SERVICE);
            let all = format!("{process}---\n{DECLARED}---\n{rules}---\n{WAYPOINT}");
            all.replace("NAMESPACE", namespace).replace("NODE", NEAR)
        }
        _ => process,
    })
}

/// What starts one side's proxy, where the way has a pair of its own.
fn between(peers: &Peers, way: Way, side: Side, tag: &str, hop: impl Fn(u16) -> Hop) -> Result<Option<String>> {
    if way != Way::Relay {
        return peers.configure(way, side, hop);
    }
    let route = |port| {
        let Hop { listen, target } = hop(port);
        format!(" --route {}:{}={}:{}", listen.0, listen.1, target.0, target.1)
    };
    Ok(Some(format!("bench-relay{} --tag {}", PORTS.map(route).concat(), mark(peers, way, side, tag))))
}

/// The argument that this proxy has and no other process.
fn mark(peers: &Peers, way: Way, side: Side, tag: &str) -> String {
    let path = way.peer().map(|peer| peers.path(way, peer, side).display().to_string());
    path.unwrap_or_else(|| tagged(tag, way, side.name()))
}

/// Both in one network namespace, and each in a session of its own, as the mesh's proxies are: a kernel may
/// share CPU time out by session (`sched_autogroup`).
fn beside(between: Option<&str>, end: &str) -> String {
    between.map_or_else(|| format!("exec {end}"), |between| format!("setsid {between} & exec {end}"))
}

pub(crate) fn address_of_server(world: &World, namespace: &str) -> Result<Ipv4Addr> {
    let server = world.get(namespace, "server-0")?;
    let addresses = server["addresses"].as_array().context("no list of addresses")?;
    let address = addresses.iter().find_map(|address| address.as_str()?.parse().ok());
    address.with_context(|| format!("the server of {namespace} has no IPv4 address"))
}

pub(crate) fn address_of_service(world: &World, namespace: &str) -> Result<Ipv4Addr> {
    let services = world.json(&["get", "services", "-n", namespace])?;
    let service = services.as_array().and_then(|services| services.first());
    let address = service.and_then(|service| service["vip"].as_str());
    address.and_then(|address| address.parse().ok()).with_context(|| format!("no address: {services}"))
}

/// What tells this process from all others of this machine.
fn tagged(tag: &str, way: Way, part: &str) -> String {
    format!("{tag}{}-{part}", way.name())
}
