//! The mesh's own parts: control plane, agents, node proxies, sidecars.

use std::{
    ffi::OsString,
    os::fd::{OwnedFd, RawFd},
    sync::Arc,
    time::Duration,
};

use ripstop_model::RestartPolicy;
use ripstop_net::{
    FdChannel, NetNs,
    process::{Capabilities, Child, RoleSpawn},
    scm::seqpacket_pair,
};
use tokio::sync::watch;

use crate::{
    Error, Result,
    backoff::Backoff,
    board::{Entry, Key},
    child,
    context::World,
    fabric::{CONTROL, NodeView},
    logs::Log,
    state::make_private_dir,
    tokens::{CONTROL_ROLE, Part, TokenKeeper},
    unit::{self, Command, Controls, Initially, Launch, UnitConfig},
};

/// A role that runs.
#[derive(Debug)]
pub(crate) struct Role {
    key: Key,
    controls: Controls,
    policy: watch::Sender<RestartPolicy>,
}

/// How a role is started.
struct RoleLaunch {
    world: World,
    what: What,
    log: Arc<Log>,
    tokens: Option<TokenKeeper>,
}

/// Which role.
#[derive(Clone, Debug)]
enum What {
    Control,
    Agent(NodeView),
    Proxy(NodeView),
    /// The proxy of one workload, in its node's network: namespace and instance.
    Sidecar(NodeView, Arc<str>, Arc<str>),
}

/// Port of discovery, join and certificates.
pub(crate) const CONTROL_PORT: u16 = 15012;
/// Port of the control plane's metrics.
pub(crate) const CONTROL_METRICS_PORT: u16 = 15014;
/// Port of a node's metrics, in the node's namespace.
pub(crate) const NODE_METRICS_PORT: u16 = 15020;
/// Number of the descriptor to the broker, of an agent and of the control plane.
const BROKER_FD: RawFd = 3;
/// How long a start waits for its token.
pub(crate) const TOKEN_PATIENCE: Duration = Duration::from_secs(1);
/// Time between SIGTERM and SIGKILL when one role is stopped or restarted: they drain for 5 s.
const GRACE: Duration = Duration::from_secs(6);

/// Variables that every role gets. The level of its log it has from the mesh, unless the user says more; the number of its
/// workers, and by which authorities it believes servers outside, it has from the user alone.
pub(crate) fn environment() -> Vec<(OsString, OsString)> {
    let keep = [
        "PATH",
        "HOME",
        "LANG",
        "TZ",
        "NO_COLOR",
        "RUST_BACKTRACE",
        "RIPSTOP_LOG",
        "RIPSTOP_WORKERS",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ];
    let kept = keep.iter().filter_map(|key| Some(((*key).into(), std::env::var_os(key)?)));
    // The allocator's own switch counts from the first page on.
    kept.chain([("MIMALLOC_ALLOW_THP".into(), "0".into())]).collect()
}

/// What the names of nodes' proxies begin with.
pub(crate) const NODE: &str = "node-";
/// What the names of sidecars begin with.
pub(crate) const SIDECAR: &str = "sidecar-";

/// What the sidecar of a workload is called.
pub(crate) fn sidecar_name(namespace: &str, instance: &str) -> String {
    format!("{SIDECAR}{namespace}.{instance}")
}

// === impl Role ===

impl Role {
    /// Starts the control plane.
    pub(crate) fn control(world: &World) -> Self {
        Self::start(world, What::Control)
    }

    /// Starts the privileged helper of a node.
    pub(crate) fn agent(world: &World, node: NodeView) -> Self {
        Self::start(world, What::Agent(node))
    }

    /// Starts the proxy of a node.
    pub(crate) fn proxy(world: &World, node: NodeView) -> Self {
        Self::start(world, What::Proxy(node))
    }

    /// Starts the proxy of one workload, which has a network on `node`.
    pub(crate) fn sidecar(world: &World, node: NodeView, (namespace, instance): (&Arc<str>, &Arc<str>)) -> Self {
        Self::start(world, What::Sidecar(node, namespace.clone(), instance.clone()))
    }

    /// Under which name it is on the board.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// What follows when it ends by itself, from now on.
    pub(crate) fn when_it_ends(&self, policy: RestartPolicy) {
        self.policy.send_if_modified(|now| std::mem::replace(now, policy) != policy);
    }

    /// Starts it, if it does not run.
    pub(crate) fn wake(&self) {
        // One too many is refused, since another does the same.
        self.controls.order(Command::Start);
    }

    /// Ends it for ever.
    pub(crate) async fn end(self, world: &World, grace: Duration) {
        self.controls.end(grace).await;
        world.board.remove(&self.key);
    }

    fn start(world: &World, what: What) -> Self {
        let name = what.name();
        let key = Key::role(name.as_str());
        let log = Log::new(world.paths.role_log(&name));
        world.board.insert(key.clone(), Entry::new(what.node().cloned(), Arc::clone(&log), None));
        let tokens = what.part(world).map(|part| TokenKeeper::start(world.clone(), part));
        let policy = watch::Sender::new(RestartPolicy::Always);
        let config = UnitConfig {
            key: key.clone(),
            policy: policy.subscribe(),
            backoff: Backoff::role(),
            initially: Initially::Running,
            grace: GRACE,
        };
        let launch = RoleLaunch { world: world.clone(), what, log, tokens };
        let controls = unit::start(config, world.board.clone(), launch);
        world.board.update(&key, |entry| entry.controls = Some(controls.clone()));
        Self { key, controls, policy }
    }
}

// === impl What ===

impl What {
    fn name(&self) -> String {
        match self {
            Self::Control => CONTROL_ROLE.to_string(),
            Self::Agent(node) => format!("agent-{}", node.name),
            Self::Proxy(node) => format!("{NODE}{}", node.name),
            Self::Sidecar(_, namespace, instance) => sidecar_name(namespace, instance),
        }
    }

    fn node(&self) -> Option<&Arc<str>> {
        match self {
            Self::Control => None,
            Self::Agent(node) | Self::Proxy(node) | Self::Sidecar(node, ..) => Some(&node.name),
        }
    }

    fn netns(&self) -> Option<NetNs> {
        match self {
            Self::Control => None,
            Self::Agent(node) | Self::Proxy(node) | Self::Sidecar(node, ..) => Some(node.netns.clone()),
        }
    }

    /// What it joins the control plane as.
    fn part(&self, world: &World) -> Option<Part> {
        let (role, name, state) = match self {
            Self::Control => return None,
            Self::Agent(node) => ("agent", node.name.clone(), world.paths.node(&node.name, "agent")),
            Self::Proxy(node) => ("node", node.name.clone(), world.paths.node(&node.name, "proxy")),
            Self::Sidecar(_, namespace, instance) => {
                ("sidecar", format!("{namespace}.{instance}").into(), world.paths.sidecar(namespace, instance))
            }
        };
        Some(Part { role, name, token_file: state.join("token"), state, root_cert: world.paths.root_cert() })
    }

    fn argv(&self, world: &World) -> Vec<OsString> {
        let paths = &world.paths;
        let mut argv: Vec<OsString> = vec!["ripstop".into()];
        let mut add =
            |words: &[&dyn AsRef<std::ffi::OsStr>]| argv.extend(words.iter().map(|word| word.as_ref().to_owned()));
        match self {
            Self::Control => add(&[
                &"control",
                &"--dir",
                &world.dir,
                &"--state",
                &paths.control(),
                &"--listen",
                &format!("{CONTROL}:{CONTROL_PORT}"),
                &"--metrics",
                &format!("{CONTROL}:{CONTROL_METRICS_PORT}"),
                &"--broker-fd",
                &BROKER_FD.to_string(),
            ]),
            Self::Agent(node) => add(&[
                &"agent",
                &"--node",
                &&*node.name,
                &"--socket",
                &paths.agent_socket(&node.name),
                &"--netns-dir",
                &paths.netns(),
                &"--broker-fd",
                &BROKER_FD.to_string(),
            ]),
            Self::Proxy(node) => {
                add(&[&"node", &"--name", &&*node.name, &"--agent", &paths.agent_socket(&node.name)]);
                add(&[&"--private", &paths.state()]);
            }
            Self::Sidecar(node, namespace, instance) => {
                add(&[&"proxy", &"--role", &"sidecar", &"--namespace", &&**namespace, &"--name", &&**instance]);
                add(&[&"--agent", &paths.agent_socket(&node.name), &"--private", &paths.state()]);
            }
        }
        if let Some(part) = self.part(world) {
            add(&[
                &"--state",
                &part.state,
                &"--control",
                &format!("{CONTROL}:{CONTROL_PORT}"),
                &"--root-cert",
                &part.root_cert,
                &"--token-file",
                &part.token_file,
            ]);
        }
        argv
    }
}

// === impl RoleLaunch ===

impl Launch for RoleLaunch {
    async fn launch(&mut self) -> Result<Child> {
        let world = &self.world;
        if let Some(node) = self.what.node() {
            world.paths.make_node(node)?;
        }
        if let What::Sidecar(_, namespace, instance) = &self.what {
            make_private_dir(&world.paths.sidecar(namespace, instance))?;
        }
        if let Some(tokens) = &mut self.tokens
            && tokio::time::timeout(TOKEN_PATIENCE, tokens.look()).await.is_err()
        {
            // Not fatal: it may have the last good state, and a token comes when the control plane does.
            tracing::debug!(role = self.what.name(), "starts without the control plane");
        }
        let mut pass_fds: Vec<(OwnedFd, RawFd)> = Vec::new();
        let mut broker = None;
        if matches!(self.what, What::Agent(_) | What::Control) {
            let (ours, theirs) = seqpacket_pair().map_err(Error::system("make a line to the broker"))?;
            broker = Some(FdChannel::new(ours).map_err(Error::system("make a line to the broker"))?);
            pass_fds.push((theirs, BROKER_FD));
        }
        let request = RoleSpawn {
            program: world.program(),
            argv: self.what.argv(world),
            env: environment(),
            netns: self.what.netns(),
            capabilities: match self.what {
                What::Proxy(_) | What::Sidecar(..) => Capabilities::Drop,
                What::Control | What::Agent(_) => Capabilities::Keep,
            },
            log: child::log_pipe(&self.log)?,
            pass_fds,
        };
        let child = world.spawn_role(request).await.map_err(Error::net("start the role"))?;
        if let Some(channel) = broker {
            let board = world.board.clone();
            // Nobody but agents asks about processes.
            let node = match &self.what {
                What::Agent(node) => Some(node.name.clone()),
                _ => None,
            };
            // Ends when its role does.
            tokio::spawn(world.relay.clone().serve(channel, move |pid| board.proxy(node.as_deref()?, pid)));
        }
        Ok(child)
    }
}
