//! The node proxy as a process.

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use ripstop_telemetry::logging::LevelHandle;
use ripstop_wire::type_url;
use ripstop_xds::{LinkConfig, Role};
use tokio::sync::{mpsc, watch};

use crate::{
    agent_link::{AgentLink, Serves},
    backends::Backends,
    error::Error,
    process::{Answers, Process, Start},
    secrets::Secrets,
};

/// Wishes for sockets that wait for the agent at most.
pub const REFILLS: usize = 1024;

/// How long open connections may go on after the proxy was told to end. Short, since nothing takes new ones meanwhile.
pub const DRAIN: Duration = Duration::from_secs(1);

/// Where a node proxy finds what it needs.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Name of the node.
    pub name: String,
    /// Directory for credentials, keys and the last good configuration.
    pub state: PathBuf,
    /// Directory of which rules may name no file; `state` is below it, or it is that.
    pub private: PathBuf,
    /// Socket of the node's agent.
    pub agent: PathBuf,
    /// Address of the control plane.
    pub control: SocketAddr,
    /// File with the root certificate that the control plane has to chain to.
    pub root_cert: PathBuf,
    /// File with a one-time token; needed only without credentials.
    pub token_file: PathBuf,
    /// Threads that carry traffic, at least 1.
    pub workers: usize,
}

/// Runs the node proxy until `shutdown` is done.
pub async fn run(config: NodeConfig, level: LevelHandle, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let link = LinkConfig {
        control: config.control,
        role: Role::Node,
        name: config.name.clone(),
        state: config.state.clone(),
        root_cert: config.root_cert.clone(),
        token_file: config.token_file.clone(),
        types: type_url::FOR_PROXIES.into_iter().chain([type_url::CREDENTIAL]).collect(),
    };
    let (refills, wishes) = mpsc::channel(REFILLS);
    let (ready, is_ready) = watch::channel(false);
    let secrets = Arc::new(Secrets::default());
    let start = Start {
        link,
        state: &config.state,
        backends: Backends::of_node(&config.private, secrets.clone()),
        workers: config.workers,
        own: None,
        supply: refills.into(),
        tapped: config.name.into(),
        level,
        is_ready,
        answers: Answers::AtPorts,
    };
    let mut process = Process::start(start, move |_, _, resources| secrets.follow(resources)).await?;
    let (shared, crew) = (process.shared.clone(), process.crew.clone());
    let agent = AgentLink { path: config.agent, shared, crew, ready, serves: Serves::Node };
    process.tasks.spawn(async move {
        agent.run(wishes).await;
        Ok(())
    });
    process.run(shutdown, DRAIN).await
}
