//! Two machines with a server outside the mesh and one in it: starts of workloads, and changes of routes.

use std::{net::SocketAddr, path::Path, time::Instant};

use anyhow::{Context, Result, bail};
use ripstop_world::{Client, SOON, World};

use super::Start;
use crate::{
    message::EXCHANGE_PORT,
    stage::{FAR, NEAR, address_of_server, address_of_service, install, nodes},
    task::SAMPLES,
};

const OUTSIDE: &str = "outside";
const INSIDE: &str = "inside";
/// What answers tell which of two routes they followed.
const STATUSES: [u16; 2] = [201, 202];

/// In namespace `inside` nothing comes in but by mutual TLS, and requests are routed.
const MESHED: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: inside}
spec:
  mtls: {mode: STRICT}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: inside}
spec:
  selector: {app: server}
  ports:
  - {name: http-exchange, port: 9000}
";

/// The world of it.
pub(super) struct Town {
    world: World,
}

// === impl Town ===

impl Town {
    /// Starts it, and enrols one of both.
    pub(super) fn start() -> Result<Self> {
        let mut world = World::prepare(&[("nodes.yaml", &nodes()), ("meshed.yaml", MESHED)])?;
        install(&world.path("bin"), &[], Path::new(""))?;
        for namespace in [OUTSIDE, INSIDE] {
            world.write(&format!("{namespace}.yaml"), &server(namespace))?;
        }
        world.up()?;
        world.enrol(INSIDE, true)?;
        world.settle()?;
        Ok(Self { world })
    }

    /// The last lines of all logs, for failures.
    pub(super) fn story_so_far(&self) -> String {
        self.world.story_so_far()
    }

    /// Starts workloads outside and inside by turns. The first of each makes tunnels and does not count.
    pub(super) fn starts(&self) -> Result<Vec<Start>> {
        let addresses = [OUTSIDE, INSIDE].map(|namespace| address_of_server(&self.world, namespace));
        let [outside, inside] = addresses;
        let (outside, inside) = (outside?, inside?);
        let mut starts = Vec::new();
        for _ in 0..=SAMPLES {
            let (outside, _) = self.first_answer(OUTSIDE, (outside, EXCHANGE_PORT).into())?;
            let (inside, tries) = self.first_answer(INSIDE, (inside, EXCHANGE_PORT).into())?;
            starts.push(Start { outside, inside, tries });
        }
        Ok(starts.split_off(1))
    }

    /// Milliseconds from starting a workload to its first answer, and the tries that it took.
    fn first_answer(&self, namespace: &str, target: SocketAddr) -> Result<(f64, u32)> {
        let target = target.to_string();
        let begin = Instant::now();
        let client = self.client(namespace, &["ask", "--target", &target])?;
        let line = client.line(SOON)?.with_context(|| format!("the client in {namespace} had no answer"))?;
        let took = begin.elapsed().as_secs_f64() * 1e3;
        client.finish()?;
        Ok((took, line.parse().with_context(|| format!("the client said {line:?}"))?))
    }

    /// Changes a route again and again, and waits until a request has followed it; milliseconds of each.
    pub(super) fn routes(&self) -> Result<Vec<f64>> {
        let target = SocketAddr::from((address_of_service(&self.world, INSIDE)?, EXCHANGE_PORT)).to_string();
        self.route(STATUSES[1])?;
        self.world.settle()?;
        let client = self.client(INSIDE, &["watch", "--target", &target])?;
        wait_for_status(&client, STATUSES[1])?;
        let mut times = Vec::new();
        for status in STATUSES.into_iter().cycle().take(SAMPLES) {
            self.world.settle()?;
            let begin = Instant::now();
            self.route(status)?;
            wait_for_status(&client, status)?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        Ok(times)
    }

    fn route(&self, status: u16) -> Result<()> {
        self.world.write("route.yaml", &route(status))
    }

    fn client(&self, namespace: &str, words: &[&str]) -> Result<Client> {
        let run = ["run", "-n", namespace, "--node", NEAR, "--", "bench-peer"];
        Client::start(self.world.command(&[run.as_slice(), words].concat()))
    }
}

fn wait_for_status(client: &Client, status: u16) -> Result<()> {
    let wanted = status.to_string();
    loop {
        match client.line(SOON).with_context(|| format!("no answer has status {status}"))? {
            Some(line) if line == wanted => return Ok(()),
            Some(_) => {}
            None => bail!("the client ended"),
        }
    }
}

fn server(namespace: &str) -> String {
    format!(
        "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: server, namespace: {namespace}, labels: {{app: server}}}}
spec:
  node: {FAR}
  command: [bench-peer, serve]
  readinessProbe: {{tcpSocket: {{port: {EXCHANGE_PORT}}}, periodSeconds: 5}}
"
    )
}

/// A route that answers by itself, so that answers tell which one they followed.
fn route(status: u16) -> String {
    format!(
        "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: server, namespace: {INSIDE}}}
spec:
  hosts: [server]
  http:
  - directResponse: {{status: {status}}}
"
    )
}
