//! The world that everything is measured in: two machines, and for each way a server on one and a
//! driver on the other.
//!
//! The relays stand where the mesh's sockets stand, in the network namespaces of the driver and of
//! the server: as workloads of their own they would add two routed links and be no floor.

use std::{
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
    process::Process,
};

/// The machine of the drivers.
const NEAR: &str = "east";
/// The machine of the servers.
const FAR: &str = "west";
/// Between a port of the server and that of the relay before it.
const RELAY_OFFSET: u16 = 100;
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

/// How a driver reaches its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Neither is in the mesh.
    Direct,
    /// Through two relays that do nothing.
    Relay,
    /// Both are in the mesh, and nothing but mutual TLS is accepted.
    Mesh,
}

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

/// All ways, and the world they are in.
#[derive(Debug)]
pub struct Stage {
    /// In the order of [`Way::ALL`].
    pub lanes: Vec<Lane>,
    // Dropped after the drivers.
    world: World,
}

// === impl Way ===

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Direct, Self::Relay, Self::Mesh];

    /// Its name, in reports and as its namespace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::Mesh => "mesh",
        }
    }
}

// === impl Stage ===

impl Stage {
    /// Starts the world, its servers and drivers, and enrols those of [`Way::Mesh`].
    pub fn start() -> Result<Self> {
        let mut world = World::prepare(&[])?;
        install(&world.path("bin"))?;
        let tag = world.path("").display().to_string();
        world.write("nodes.yaml", &nodes())?;
        for way in Way::ALL {
            world.write(&format!("{}.yaml", way.name()), &server(way, &tag))?;
        }
        world.up()?;
        let lanes = Way::ALL.into_iter().map(|way| Lane::start(&world, way, &tag)).collect::<Result<_>>()?;
        world.enrol(Way::Mesh.name(), true)?;
        world.settle()?;
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
    fn start(world: &World, way: Way, tag: &str) -> Result<Self> {
        let target = address_of_server(world, way)?;
        let near = tagged(tag, way, "driver");
        let relay = tagged(tag, way, "near");
        let drive = format!("exec bench-peer drive --tag {near}");
        let script = match way {
            Way::Relay => {
                let routes = routes(|port| format!("127.0.0.1:{port}={target}:{}", port + RELAY_OFFSET));
                format!("bench-relay{routes} --tag {relay} & {drive}")
            }
            Way::Direct | Way::Mesh => drive,
        };
        let command = world.command(&["run", "-n", way.name(), "--node", NEAR, "--", "sh", "-c", &script]);
        let driver = Client::start(command)?;
        let first = driver.line(SOON)?.with_context(|| format!("the driver of {} ended at once", way.name()))?;
        if serde_json::from_str::<Event>(&first)? != Event::Ready {
            bail!("the driver of {} began with {first:?}", way.name());
        }
        // Roles are told from those of other meshes by their state directory.
        let nodes = fs::canonicalize(world.state())?.join("nodes");
        let state = |node: &str, part: &str| nodes.join(node).join(part).display().to_string();
        let find = |name: &str, words: &[&str]| {
            wait_for(&format!("{name} to run"), SOON, || Process::find(name, words).map(Some))
        };
        let (pair, helpers) = match way {
            Way::Direct => (Vec::new(), Vec::new()),
            Way::Relay => {
                let far = tagged(tag, way, "far");
                let pair = [("near relay", &relay), ("far relay", &far)];
                let pair = pair.map(|(name, tag)| find(name, &["--tag", tag, "--route"]));
                (pair.into_iter().collect::<Result<_>>()?, Vec::new())
            }
            Way::Mesh => {
                let proxies =
                    [NEAR, FAR].map(|node| find(&format!("node-{node}"), &["node", "--state", &state(node, "proxy")]));
                let agents = [NEAR, FAR]
                    .map(|node| find(&format!("agent-{node}"), &["agent", "--state", &state(node, "agent")]));
                (proxies.into_iter().collect::<Result<_>>()?, agents.into_iter().collect::<Result<_>>()?)
            }
        };
        let ends = [("driver", near), ("server", tagged(tag, way, "server"))];
        let ends = ends.map(|(name, tag)| find(&format!("{name} of {}", way.name()), &["bench-peer", "--tag", &tag]));
        let ends = ends.into_iter().collect::<Result<_>>()?;
        let target = if way == Way::Relay { Ipv4Addr::LOCALHOST } else { target };
        Ok(Self { way, pair, helpers, ends, target, driver })
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

/// Puts our binaries beside those of the mesh, where workloads find them.
fn install(bin: &Path) -> Result<()> {
    let own = std::env::current_exe()?;
    for name in ["bench-peer", "bench-relay"] {
        let from = own.with_file_name(name);
        fs::copy(&from, bin.join(name)).with_context(|| format!("copying {}", from.display()))?;
    }
    Ok(())
}

fn nodes() -> String {
    let node = |name| format!("apiVersion: ripstop.dev/v1alpha1\nkind: Node\nmetadata: {{name: {name}}}\n");
    format!("{}---\n{}", node(NEAR), node(FAR))
}

/// The server of a way in the namespace of its name; behind a relay, or behind mutual TLS alone.
fn server(way: Way, tag: &str) -> String {
    let namespace = way.name();
    let serve = format!("exec bench-peer serve --tag {}", tagged(tag, way, "server"));
    let script = match way {
        Way::Relay => {
            let routes = routes(|port| format!("0.0.0.0:{}=127.0.0.1:{port}", port + RELAY_OFFSET));
            format!("bench-relay{routes} --tag {} & {serve}", tagged(tag, way, "far"))
        }
        Way::Direct | Way::Mesh => serve,
    };
    let offset = if way == Way::Relay { RELAY_OFFSET } else { 0 };
    let process = format!(
        "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: server, namespace: {namespace}}}
spec:
  node: {FAR}
  command: [sh, -c, '{script}']
  readinessProbe: {{tcpSocket: {{port: {}}}, periodSeconds: 5}}
",
        PORTS[0] + offset
    );
    match way {
        Way::Direct | Way::Relay => process,
        Way::Mesh => format!("{process}---\n{MUTUAL_TLS_ONLY}"),
    }
}

fn address_of_server(world: &World, way: Way) -> Result<Ipv4Addr> {
    let server = world.get(way.name(), "server-0")?;
    let addresses = server["addresses"].as_array().context("no list of addresses")?;
    let address = addresses.iter().find_map(|address| address.as_str()?.parse().ok());
    address.with_context(|| format!("the server of {} has no IPv4 address", way.name()))
}

/// What tells this process from all others of this machine.
fn tagged(tag: &str, way: Way, part: &str) -> String {
    format!("{tag}{}-{part}", way.name())
}

fn routes(route: impl Fn(u16) -> String) -> String {
    PORTS.map(|port| format!(" --route {}", route(port))).concat()
}
