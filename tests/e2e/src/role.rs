//! Roles of proxies: the same story, told of each of them.

use anyhow::{Context, Result, ensure};
use ripstop_world::{Client, Console, HostNetwork, SOON, World, wait_for};

use crate::{
    NODES,
    machine::{self, on_host, opens},
};

/// Who reads, routes and judges calls of the services of `shop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The caller's node routes, the callee's judges.
    Node,
    /// The caller's sidecar routes, the callee's judges.
    Sidecar,
    /// A waypoint that all services of the namespace go through does both.
    Waypoint,
    /// The default gateway does both, for callers on the machine.
    Gateway,
}

/// How a service is called in a role.
#[derive(Clone, Debug)]
pub struct Place {
    /// Name or address to connect to.
    pub address: String,
    /// And its port.
    pub port: u16,
    /// The `Host` that leads to the service.
    pub host: String,
}

/// The gateway's port on the machine.
const PORT: u16 = 8090;

/// All workloads of the namespace ask for sidecars.
const INJECTED: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio-injection: enabled}}\n";

/// The gateway listens for whatever its routes lead to.
const EDGE: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8090, name: http, protocol: HTTP}, hosts: ['*']}]
";

// === impl Role ===

impl Role {
    /// A mesh of two nodes and these files, in which calls of the services of `shop` are this role's. Routes and policies
    /// among the files have to be [`Self::objects`].
    pub fn world(self, files: &[(&str, &str)]) -> Result<World> {
        let own: &[(&str, &str)] = match self {
            Self::Sidecar => &[("shop.yaml", INJECTED)],
            Self::Gateway => &[("edge.yaml", EDGE)],
            Self::Node | Self::Waypoint => &[],
        };
        let files = [&[("nodes.yaml", NODES)], own, files].concat();
        let world = match self {
            // Nobody else has its ports.
            Self::Gateway => World::start_in(HostNetwork::create()?, &files)?,
            _ => World::start(&files)?,
        };
        match self {
            Self::Sidecar => have_sidecars(&world)?,
            _ => world.enrol("shop", true)?,
        }
        match self {
            Self::Waypoint => drop(world.cli(&["waypoint", "apply", "-n", "shop", "--enroll-namespace", "--wait"])?),
            Self::Gateway => opens(&world, &[PORT])?,
            Self::Node | Self::Sidecar => {}
        }
        world.settle()?;
        Ok(world)
    }

    /// Objects of `shop`, as they have to be to act in this role: VirtualServices name the gateway, AuthorizationPolicies are
    /// for the waypoint or the gateway. They are to be written with `spec:` and fields on lines of their own.
    pub fn objects(self, text: &str) -> String {
        text.split("---\n").map(|object| self.object(object)).collect::<Vec<_>>().join("---\n")
    }

    fn object(self, text: &str) -> String {
        let is = |kind: &str| text.contains(&format!("kind: {kind}\n"));
        let with = |field: &str| text.replacen("spec:\n", &format!("spec:\n  {field}\n"), 1);
        match self {
            Self::Gateway if is("VirtualService") => with("gateways: [edge]"),
            Self::Gateway if is("AuthorizationPolicy") => with("selector: {matchLabels: {istio: ingressgateway}}")
                .replacen("namespace: shop", "namespace: istio-system", 1),
            Self::Waypoint if is("AuthorizationPolicy") => {
                with("targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: waypoint}]")
            }
            _ => text.to_owned(),
        }
    }

    /// How callers call a port of a service of `shop`.
    pub fn place(self, service: &str, port: u16) -> Place {
        let named = format!("{service}.shop");
        match self {
            Self::Gateway => {
                Place { address: "127.0.0.1".to_owned(), port: PORT, host: format!("{named}.svc.cluster.local") }
            }
            _ => Place { address: named.clone(), port, host: named },
        }
    }

    /// A Python that calls: a workload of `shop` on node east, or, of a gateway, one on the machine.
    pub fn caller(self, world: &World, prelude: &str) -> Result<Console> {
        match self {
            Self::Gateway => machine::console(world, prelude),
            _ => self.workload(world, "east", "caller", prelude),
        }
    }

    /// A Python as a workload of `shop` with an account of its own, and label `app`, once this role has it.
    pub fn workload(self, world: &World, node: &str, app: &str, prelude: &str) -> Result<Console> {
        let label = format!("app={app}");
        let flags = ["--node", node, "--label", &label, "--service-account", app];
        let console = world.captured_console("shop", &flags, prelude)?;
        if self == Self::Sidecar {
            let proxy = &world.get("shop", console.name())?["mesh"]["proxy"];
            ensure!(*proxy == format!("sidecar-shop.{}", console.name()), "{} has {proxy}", console.name());
        }
        Ok(console)
    }

    /// Starts a program that calls, whose output is read line by line; where [`Self::caller`] is.
    pub fn client(self, world: &World, argv: &[&str]) -> Result<Client> {
        if self == Self::Gateway {
            let (program, rest) = argv.split_first().context("no program")?;
            let mut command = world.as_user(&world.path("bin").join(program));
            command.args(rest).current_dir(world.path(""));
            return Client::start(command);
        }
        let flags = ["run", "-n", "shop", "--node", "east", "--label", "app=caller", "--"];
        Client::start(world.command(&[&flags[..], argv].concat()))
    }

    /// Runs a shell script that calls, once; where [`Self::caller`] is. Gives what it printed.
    pub fn shell(self, world: &World, script: &str) -> Result<String> {
        match self {
            Self::Gateway => on_host(world, script),
            _ => world.shell("shop", script),
        }
    }

    /// Proxies that tell of requests of a caller on node east to an instance of `shop` on node west, and as whom.
    pub fn tellers(self, caller: &str, callee: &str) -> Vec<(String, &'static str)> {
        match self {
            Self::Node => vec![("node-east".to_owned(), "source"), ("node-west".to_owned(), "destination")],
            Self::Sidecar => {
                vec![(format!("sidecar-shop.{caller}"), "source"), (format!("sidecar-shop.{callee}"), "destination")]
            }
            Self::Waypoint => vec![("shop.waypoint-0".to_owned(), "waypoint")],
            Self::Gateway => vec![("istio-system.istio-ingressgateway-0".to_owned(), "source")],
        }
    }

    /// Their processes, in the same order.
    pub fn processes(self, caller: &str, callee: &str) -> Vec<String> {
        let tellers = self.tellers(caller, callee).into_iter().map(|(name, _)| name);
        match self {
            Self::Node | Self::Sidecar => tellers.collect(),
            // Those are workloads.
            Self::Waypoint | Self::Gateway => tellers.map(|name| name.replacen('.', "/", 1)).collect(),
        }
    }

    /// Waits until each of the proxies between has counted requests.
    pub fn is_in_the_way(self, world: &World, caller: &str, callee: &str) -> Result<()> {
        for (proxy, reporter) in self.tellers(caller, callee) {
            let words = format!("reporter=\"{reporter}\"");
            let waited = wait_for(&format!("requests at {proxy}"), SOON, || {
                let metrics = world.cli(&["metrics", &proxy])?;
                let mut lines = metrics.lines().filter(|line| line.starts_with("istio_requests_total{"));
                Ok(lines.any(|line| line.contains(&words)).then_some(()))
            });
            waited.with_context(|| world.story_so_far())?;
        }
        Ok(())
    }
}

// === impl Place ===

impl Place {
    /// Words for curl that ask for `path`.
    pub fn curl(&self, path: &str) -> String {
        format!("-H 'Host: {}' 'http://{}:{}{path}'", self.host, self.address, self.port)
    }
}

/// Waits until each workload of `shop` is served by a proxy of its own.
fn have_sidecars(world: &World) -> Result<()> {
    let mut last = serde_json::Value::Null;
    let waited = wait_for("all of shop to have sidecars", SOON, || {
        last = world.json(&["get", "workloads", "-n", "shop"])?;
        let mut all = last.as_array().context("no list")?.iter();
        let is_served = |workload: &serde_json::Value| {
            let (mesh, name) = (&workload["mesh"], workload["name"].as_str().unwrap_or_default());
            mesh["state"] == "CAPTURED" && mesh["proxy"] == format!("sidecar-shop.{name}") && mesh["reason"] == ""
        };
        Ok(all.all(is_served).then_some(()))
    });
    waited.with_context(|| format!("{last}\n{}", world.story_so_far()))
}
