//! The world that everything is measured in: two machines, and for each way a server on one and a
//! driver on the other ([`files`]).
//!
//! Relays and the proxies of others stand where the mesh's sockets stand, in the network namespaces of
//! the driver and of the server: as workloads of their own they would add two routed links, and the
//! relays would be no floor. Gateways are workloads of their own, ours and that of others: so they are where they are used.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use ripstop_world::{Client, SOON, World, wait_for};

use crate::{
    command::{Command, Event, Outcome, Work},
    peers::{Hop, Peers, Side},
    place::Place,
    process::Process,
    way::Way,
};

mod files;
mod processes;

pub(crate) use files::{FAR, NEAR, nodes};
use files::{GATEWAY, OFFSET, SERVER, WAYPOINT, beside, between, mark, server, tagged};
use processes::{address_of, agent_of, find, instances_beside, sidecar_of, standing};
pub(crate) use processes::{address_of_server, address_of_service, install, proxy_of};

/// Time between two looks at a driver at work.
const LOOK: Duration = Duration::from_millis(200);
/// What a command may take beyond its measured time.
const PATIENCE: Duration = Duration::from_secs(40);

/// A way, ready to be driven.
#[derive(Debug)]
pub struct Lane {
    /// Which.
    pub way: Way,
    /// What stands between driver and server: a pair of proxies, or more.
    pub pair: BTreeMap<Place, Process>,
    /// Other processes that work for the pair while connections are made.
    pub helpers: Vec<Process>,
    /// Driver and server.
    pub ends: Vec<Process>,
    target: Ipv4Addr,
    driver: Client,
    /// A proxy that stands alone, where it is not the mesh that runs it.
    _edge: Option<Client>,
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
    /// Starts the world, with servers and drivers of `ways`, and waits until all of them work. Binaries of others lie in
    /// `binaries`.
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
        refuse_errors(&world)?;
        let lanes = ways.iter().map(|way| Lane::start(&world, &peers, *way, &tag)).collect::<Result<_>>()?;
        for way in ways.iter().filter(|way| way.is_mesh()) {
            wait_until_captured(&world, *way).with_context(|| world.story_so_far())?;
        }
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
    fn start(world: &World, peers: &Peers, way: Way, tag: &str) -> Result<Self> {
        let name = way.name();
        let server = address_of_server(world, name)?;
        let near = tagged(tag, way, "driver");
        let listen = if way.is_edge() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let between = between(peers, way, Side::Near, tag, |port| Hop {
            listen: (listen, port),
            target: (server, port + OFFSET),
        })?;
        let run =
            |script: &str| Client::start(world.command(&["run", "-n", name, "--node", NEAR, "--", "sh", "-c", script]));
        let alone = between.as_deref().filter(|_| way.is_edge());
        let edge = alone.map(|command| run(&format!("exec {command}"))).transpose()?;
        let between = between.as_deref().filter(|_| !way.is_edge());
        let target = match way {
            Way::MeshMetered | Way::MeshL7 | Way::MeshSidecar | Way::MeshWaypoint => address_of_service(world, name)?,
            Way::MeshGateway => address_of(world, name, GATEWAY)?,
            Way::EnvoyGateway => address_of(world, name, &only_beside_server(world, name)?)?,
            _ if between.is_some() => Ipv4Addr::LOCALHOST,
            _ => server,
        };
        let driver = run(&beside(between, &format!("bench-peer drive --tag {near}")))?;
        let first = driver.line(SOON)?.with_context(|| format!("the driver of {name} ended at once"))?;
        if serde_json::from_str::<Event>(&first)? != Event::Ready {
            bail!("the driver of {name} began with {first:?}");
        }
        let pair = pair(world, peers, way, tag)?;
        let helpers = if way.is_mesh() { helpers(world, way)? } else { Vec::new() };
        let ends = [("driver", near), ("server", tagged(tag, way, "server"))];
        let ends = ends.map(|(end, tag)| find(&format!("{end} of {name}"), &["bench-peer", "--tag", &tag]));
        let ends = ends.into_iter().collect::<Result<_>>()?;
        Ok(Self { way, pair, helpers, ends, target, driver, _edge: edge })
    }

    /// All that a request passes.
    pub fn everyone(&self) -> impl Iterator<Item = &Process> {
        self.pair.values().chain(&self.ends)
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

/// What is written wrong does not act, and figures would be those of another way.
fn refuse_errors(world: &World) -> Result<()> {
    let findings = world.json(&["get", "findings"])?;
    let findings = findings.as_array().context("findings are no list")?;
    let error = findings.iter().find(|finding| finding["level"] == "error");
    error.map_or(Ok(()), |error| bail!("a way is not as it is meant: {error}"))
}

/// What stands between driver and server.
fn pair(world: &World, peers: &Peers, way: Way, tag: &str) -> Result<BTreeMap<Place, Process>> {
    let name = way.name();
    let own = |side: Side| find(&format!("{} {way}", side.name()), &[&mark(peers, way, side, tag)]);
    let found = match way {
        Way::Direct => Vec::new(),
        Way::Relay | Way::EnvoyL4 | Way::EnvoyL7 | Way::Haproxy => {
            vec![(Place::Caller, own(Side::Near)?), (Place::Callee, own(Side::Far)?)]
        }
        Way::EnvoyGateway => vec![(Place::Between, own(Side::Near)?), (Place::Callee, own(Side::Far)?)],
        Way::Mesh | Way::MeshMetered | Way::MeshL7 => {
            vec![(Place::Caller, proxy_of(world, NEAR)?), (Place::Callee, proxy_of(world, FAR)?)]
        }
        Way::MeshSidecar => {
            let caller = sidecar_of(world, name, &only_beside_server(world, name)?)?;
            vec![(Place::Caller, caller), (Place::Callee, sidecar_of(world, name, SERVER)?)]
        }
        Way::MeshWaypoint => vec![
            (Place::Caller, proxy_of(world, NEAR)?),
            (Place::Between, standing(world, "waypoint", name, WAYPOINT)?),
            (Place::Callee, proxy_of(world, FAR)?),
        ],
        Way::MeshGateway => {
            vec![(Place::Between, standing(world, "gateway", name, GATEWAY)?), (Place::Callee, proxy_of(world, FAR)?)]
        }
    };
    Ok(found.into_iter().collect())
}

/// The privileged processes that make sockets in the workloads' networks.
fn helpers(world: &World, way: Way) -> Result<Vec<Process>> {
    let nodes: &[&str] = if way.is_edge() { &[FAR] } else { &[NEAR, FAR] };
    nodes.iter().map(|node| agent_of(world, node)).collect()
}

/// The one workload of a namespace that is not the server, where there can be no other.
fn only_beside_server(world: &World, namespace: &str) -> Result<String> {
    wait_for(&format!("a workload of {namespace} beside its server"), SOON, || {
        let mut others = instances_beside(world, namespace, &[SERVER])?;
        Ok(others.pop().filter(|_| others.is_empty()))
    })
}

/// Waits until the mesh has taken in whom it is to take in: the server, and but for a gateway the driver.
fn wait_until_captured(world: &World, way: Way) -> Result<()> {
    let name = way.name();
    let mut inside = vec![SERVER.to_owned()];
    if !way.is_edge() {
        inside.extend(instances_beside(world, name, &[SERVER, WAYPOINT])?);
    }
    wait_for(&format!("{name} to be in the mesh"), SOON, || {
        for instance in &inside {
            let workload = world.get(name, instance)?;
            if workload["mesh"]["state"] != "CAPTURED" || workload["mesh"]["reason"] != "" {
                bail!("{name}/{instance} is {workload}");
            }
        }
        Ok(Some(()))
    })
}
