//! Gateways and waypoints: instances that are proxies of the mesh itself, started like a role in the network of a
//! workload. Connections from the host are for gateways alone.

use std::{
    ffi::{OsStr, OsString},
    net::Ipv4Addr,
    os::fd::RawFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use ripstop_net::{
    FdChannel, NetNs,
    process::{Capabilities, Child, RoleSpawn},
    scm::seqpacket_pair,
};
use ripstop_wire::gate::GATE;

use crate::{
    Error, Result,
    board::Key,
    child,
    context::World,
    fabric::{CONTROL, Sandbox},
    logs::Log,
    roles::{CONTROL_PORT, TOKEN_PATIENCE, environment},
    tokens::{Part, TokenKeeper},
    traffic,
    unit::Launch,
};

/// Number of the descriptor by which connections of the host come.
const HANDOVER_FD: RawFd = 3;

/// Which proxy of the mesh itself an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    Gateway,
    Waypoint,
}

/// Starts such a proxy.
pub(crate) struct ProxyLaunch {
    world: World,
    proxy: Proxy,
    key: Key,
    argv: Vec<OsString>,
    netns: NetNs,
    log: Arc<Log>,
    tokens: TokenKeeper,
    /// The mesh was given time to prepare for it.
    placed: bool,
}

// === impl Proxy ===

impl Proxy {
    fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Waypoint => "waypoint",
        }
    }
}

// === impl ProxyLaunch ===

impl ProxyLaunch {
    pub(crate) fn new(
        world: &World,
        proxy: Proxy,
        (namespace, instance): (&str, &str),
        sandbox: &Sandbox,
        log: Arc<Log>,
    ) -> Self {
        let state = world.paths.gateway(namespace, instance);
        let part = Part {
            role: proxy.as_str(),
            name: format!("{namespace}.{instance}").into(),
            token_file: state.join("token"),
            state,
            root_cert: world.paths.root_cert(),
        };
        Self {
            world: world.clone(),
            proxy,
            key: Key::workload(namespace, instance),
            argv: argv(proxy, (namespace, instance), sandbox.node_address, &part, world.paths.state()),
            netns: sandbox.netns.clone(),
            log,
            tokens: TokenKeeper::start(world.clone(), part),
            placed: false,
        }
    }
}

impl Launch for ProxyLaunch {
    async fn prepare(&mut self) {
        if !self.placed {
            // It is a proxy itself.
            traffic::place(&self.world, &self.key, &self.netns, || false).await;
            self.placed = true;
        }
    }

    async fn launch(&mut self) -> Result<Child> {
        let world = &self.world;
        if tokio::time::timeout(TOKEN_PATIENCE, self.tokens.look()).await.is_err() {
            // Not fatal: it may have the last good state, and a token comes when the control plane does.
            tracing::debug!(proxy = %self.key, "starts without the control plane");
        }
        let wrong = || Error::system("make the line to a gateway");
        let (line, pass_fds) = match self.proxy {
            Proxy::Gateway => {
                let (ours, theirs) = seqpacket_pair().map_err(wrong())?;
                (Some(FdChannel::new(ours).map_err(wrong())?), vec![(theirs, HANDOVER_FD)])
            }
            Proxy::Waypoint => (None, Vec::new()),
        };
        let request = RoleSpawn {
            program: world.program(),
            argv: self.argv.clone(),
            env: environment(),
            netns: Some(self.netns.clone()),
            capabilities: Capabilities::Drop,
            log: child::log_pipe(&self.log)?,
            pass_fds,
        };
        let child =
            world.spawn_role(request).await.map_err(Error::net(format!("start the {}", self.proxy.as_str())))?;
        if let Some(line) = line {
            world.ingress.connect(self.key.clone(), line);
        }
        Ok(child)
    }

    async fn withdraw(&mut self) {
        traffic::withdraw(&self.world, &self.key).await;
    }
}

impl Drop for ProxyLaunch {
    fn drop(&mut self) {
        self.world.ingress.disconnect(&self.key);
    }
}

fn argv(
    proxy: Proxy,
    (namespace, instance): (&str, &str),
    dns: Ipv4Addr,
    part: &Part,
    private: &Path,
) -> Vec<OsString> {
    let (control, dns, handover) = (format!("{CONTROL}:{CONTROL_PORT}"), dns.to_string(), HANDOVER_FD.to_string());
    let path = |path: &PathBuf| path.as_os_str().to_owned();
    let line: Option<(&str, OsString)> = match proxy {
        Proxy::Gateway => Some(("--handover-fd", handover.into())),
        Proxy::Waypoint => None,
    };
    let words: [(&str, OsString); 10] = [
        ("--role", proxy.as_str().into()),
        ("--namespace", namespace.into()),
        ("--name", instance.into()),
        ("--dns", dns.into()),
        ("--egress", GATE.to_string().into()),
        ("--state", path(&part.state)),
        ("--private", private.into()),
        ("--control", control.into()),
        ("--root-cert", path(&part.root_cert)),
        ("--token-file", path(&part.token_file)),
    ];
    let start: [&OsStr; 2] = ["ripstop".as_ref(), "proxy".as_ref()];
    let options = words.into_iter().chain(line).flat_map(|(name, value)| [name.into(), value]);
    start.into_iter().map(OsStr::to_owned).chain(options).collect()
}

#[cfg(test)]
mod tests;
