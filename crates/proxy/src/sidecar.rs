//! The proxy of a single workload, as a process of its own: the node's proxy, with nobody else in it.
//!
//! It lives in its node's network and gets the workload's listeners and sockets from the node's agent, as the node's proxy
//! does; its certificates are for the workload's identity alone. It ends by itself once the agent has given the workload to
//! another proxy and the last of its connections has ended.

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc};

use ripstop_telemetry::logging::LevelHandle;
use ripstop_wire::type_url;
use ripstop_xds::{LinkConfig, Role};
use tokio::sync::{mpsc, watch};

use crate::{
    agent_link::{AgentLink, Serves},
    backends::Backends,
    error::Error,
    node::{DRAIN, REFILLS},
    own::Own,
    process::{Answers, Process, Start},
    secrets::Secrets,
};

/// Where a sidecar finds what it needs.
#[derive(Clone, Debug)]
pub struct SidecarConfig {
    /// Namespace of its workload.
    pub namespace: String,
    /// Name of its workload's instance.
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

/// Runs a sidecar until `shutdown` is done, or until there is nothing left for it to do.
pub async fn run(config: SidecarConfig, level: LevelHandle, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let name = format!("{}.{}", config.namespace, config.name);
    let link = LinkConfig {
        control: config.control,
        role: Role::Sidecar,
        name: name.clone(),
        state: config.state.clone(),
        root_cert: config.root_cert.clone(),
        token_file: config.token_file.clone(),
        types: type_url::FOR_PROXIES.into_iter().chain([type_url::CREDENTIAL]).collect(),
    };
    let (refills, wishes) = mpsc::channel(REFILLS);
    let (ready, is_ready) = watch::channel(false);
    let secrets = Arc::new(Secrets::default());
    let own = Arc::new(Own::new(config.namespace, config.name));
    let start = Start {
        link,
        state: &config.state,
        backends: Backends::of_node(&config.private, secrets.clone()),
        workers: config.workers,
        own: Some(own.clone()),
        supply: refills.into(),
        tapped: format!("sidecar-{name}").into(),
        level,
        is_ready,
        answers: Answers::AtSocket,
    };
    let mut process = Process::start(start, move |_, _, resources| secrets.follow(resources)).await?;
    let (shared, crew, path) = (process.shared.clone(), process.crew.clone(), config.agent);
    process.tasks.spawn(async move {
        // Whom it serves it knows by its configuration, which may be that on its disk.
        let workload = tokio::select! {
            workload = own.known(&shared) => workload?,
            () = shared.shutdown.cancelled() => return Ok(()),
        };
        let agent = AgentLink { path, shared, crew, ready, serves: Serves::Only(workload.uid.clone()) };
        agent.run(wishes).await;
        Ok(())
    });
    process.run(shutdown, DRAIN).await
}
