//! Gateways: instances that are proxies of the mesh itself, started like a role in the network of a workload.

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

/// Starts the proxy of a gateway.
pub(crate) struct GatewayLaunch {
    world: World,
    key: Key,
    argv: Vec<OsString>,
    netns: NetNs,
    log: Arc<Log>,
    tokens: TokenKeeper,
    /// The mesh was given time to prepare for it.
    placed: bool,
}

// === impl GatewayLaunch ===

impl GatewayLaunch {
    pub(crate) fn new(world: &World, namespace: &str, instance: &str, sandbox: &Sandbox, log: Arc<Log>) -> Self {
        let state = world.paths.gateway(namespace, instance);
        let part = Part {
            role: "gateway",
            name: format!("{namespace}.{instance}").into(),
            token_file: state.join("token"),
            state,
            root_cert: world.paths.root_cert(),
        };
        Self {
            world: world.clone(),
            key: Key::workload(namespace, instance),
            argv: argv(namespace, instance, sandbox.node_address, &part, world.paths.state()),
            netns: sandbox.netns.clone(),
            log,
            tokens: TokenKeeper::start(world.clone(), part),
            placed: false,
        }
    }
}

impl Launch for GatewayLaunch {
    async fn launch(&mut self) -> Result<Child> {
        let world = &self.world;
        if !std::mem::replace(&mut self.placed, true) {
            traffic::place(world, &self.key).await;
        }
        if tokio::time::timeout(TOKEN_PATIENCE, self.tokens.look()).await.is_err() {
            // Not fatal: it may have the last good state, and a token comes when the control plane does.
            tracing::debug!(gateway = %self.key, "starts without the control plane");
        }
        let wrong = || Error::system("make the line to a gateway");
        let (ours, theirs) = seqpacket_pair().map_err(wrong())?;
        let line = FdChannel::new(ours).map_err(wrong())?;
        let request = RoleSpawn {
            program: world.program(),
            argv: self.argv.clone(),
            env: environment(),
            netns: Some(self.netns.clone()),
            capabilities: Capabilities::Drop,
            log: child::log_pipe(&self.log)?,
            pass_fds: vec![(theirs, HANDOVER_FD)],
        };
        let child = world.spawn_role(request).await.map_err(Error::net("start the gateway"))?;
        world.ingress.connect(self.key.clone(), line);
        Ok(child)
    }

    async fn withdraw(&mut self) {
        traffic::withdraw(&self.world, &self.key).await;
    }
}

impl Drop for GatewayLaunch {
    fn drop(&mut self) {
        self.world.ingress.disconnect(&self.key);
    }
}

fn argv(namespace: &str, instance: &str, dns: Ipv4Addr, part: &Part, private: &Path) -> Vec<OsString> {
    let (control, dns, handover) = (format!("{CONTROL}:{CONTROL_PORT}"), dns.to_string(), HANDOVER_FD.to_string());
    let path = |path: &PathBuf| path.as_os_str().to_owned();
    let words: [(&str, OsString); 10] = [
        ("--role", "gateway".into()),
        ("--namespace", namespace.into()),
        ("--name", instance.into()),
        ("--dns", dns.into()),
        ("--handover-fd", handover.into()),
        ("--state", path(&part.state)),
        ("--private", private.into()),
        ("--control", control.into()),
        ("--root-cert", path(&part.root_cert)),
        ("--token-file", path(&part.token_file)),
    ];
    let start: [&OsStr; 2] = ["ripstop".as_ref(), "proxy".as_ref()];
    let options = words.into_iter().flat_map(|(name, value)| [name.into(), value]);
    start.into_iter().map(OsStr::to_owned).chain(options).collect()
}

#[cfg(test)]
mod tests;
