//! PID 1 of the mesh's world.
//!
//! It makes the network, starts the roles, follows the control plane's wishes and answers the admin
//! API. It never ends because of an error: what fails is logged and tried again. It ends when it is
//! told to, or at once when the outer process is gone.

use std::{
    fs,
    os::fd::{OwnedFd, RawFd},
    path::PathBuf,
    time::Duration,
};

use ripstop_net::{FdChannel, namespace::mount_tmpfs, process::Spawner};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::{
    net::TcpStream,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::{
    Error, Result, admin, child,
    context::{Parts, World},
    discovery::{self, Wishes},
    fabric::Fabric,
    handover::{self, Event, ToWorld},
    herald, ingress, metrics,
    nodes::{self, Nodes},
    paths::Paths,
    processes::Processes,
    relay::Relay,
    roles::Role,
    sidecars::Sidecars,
    state::make_private_dir,
};

/// What PID 1 is told by its command line (`ripstop supervise`, written by [`crate::outer`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldConfig {
    /// Directory of the configuration.
    pub dir: PathBuf,
    /// State directory, which exists.
    pub state: PathBuf,
    /// The binary that all roles are.
    pub binary: PathBuf,
    /// Descriptor of the channel to the outer process.
    pub host_fd: RawFd,
    /// Descriptor of the channel to the broker.
    pub broker_fd: RawFd,
}

/// Size of the tmpfs on `STATE/run`.
const RUN_BYTES: u64 = 16 << 20;
/// How long the control plane may take to end when everything does.
const CONTROL_END: Duration = Duration::from_secs(1);
/// How long `ripstop run`s may take to end when everything does; they were told at the start.
const RUNS_END: Duration = Duration::from_secs(6);
/// Threads of PID 1: one may wait for the kernel.
const THREADS: usize = 2;

/// Runs PID 1 until the mesh is to end. To be called on the main thread of a process that
/// [`crate::outer::run`] started; everything it spawns has ended when it returns.
pub fn run(config: WorldConfig) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(Error::system("start the supervisor's runtime"))?;
    let outcome = runtime.block_on(live(config));
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

async fn live(config: WorldConfig) -> Result<()> {
    let (world, mut tasks) = make(config)?;
    let control = Role::control(&world);
    let wishes = watch::Sender::new(Wishes::default());
    tasks.spawn(discovery::run(world.clone(), wishes.clone()));
    tasks.spawn(herald::run(world.clone(), wishes.subscribe()));
    tasks.spawn(ingress::run(world.clone(), wishes.subscribe()));
    let wanted_nodes = watch::Sender::new(nodes::Wanted::new());
    let nodes = tokio::spawn(Nodes::run(world.clone(), wanted_nodes.subscribe()));
    let sidecars = tokio::spawn(Sidecars::run(world.clone(), wishes.subscribe()));
    let mut processes = Processes::default();

    let mut told = wishes.subscribe();
    loop {
        tokio::select! {
            changed = told.changed() => {
                if changed.is_err() {
                    break;
                }
                let now = told.borrow_and_update().clone();
                wanted_nodes.send_if_modified(|nodes| {
                    let changed = *nodes != now.nodes;
                    *nodes = now.nodes;
                    changed
                });
                processes.apply(&world, &now.processes);
            }
            () = world.closed() => break,
        }
    }
    end(&world, tasks, processes, sidecars, nodes, control).await;
    Ok(())
}

/// Ends everything in order: workloads, proxies, agents, control plane.
async fn end(
    world: &World,
    mut tasks: JoinSet<()>,
    processes: Processes,
    sidecars: JoinHandle<Sidecars>,
    nodes: JoinHandle<Nodes>,
    control: Role,
) {
    tracing::info!("ends");
    world.tell(Event::Stopping).await;
    processes.end().await;
    let mut board = world.board.subscribe();
    let runs = async {
        let left = || world.board.all().iter().any(|(_, entry)| entry.workload.is_some());
        while left() && board.changed().await.is_ok() {}
    };
    if tokio::time::timeout(RUNS_END, runs).await.is_err() {
        tracing::warn!("some runs did not end in time: they end with the mesh");
    }
    match sidecars.await {
        Ok(sidecars) => sidecars.end(world).await,
        Err(error) => tracing::error!(%error, "the sidecars' task failed"),
    }
    match nodes.await {
        Ok(nodes) => nodes.end(world).await,
        Err(error) => tracing::error!(%error, "the nodes' task failed"),
    }
    control.end(world, CONTROL_END).await;
    tasks.shutdown().await;
    tracing::info!("ended");
}

/// Makes what all tasks share, and the tasks that everything else needs.
fn make(config: WorldConfig) -> Result<(World, JoinSet<()>)> {
    let channel = |fd| {
        let owned = inherited(fd).map_err(Error::system(format!("take over descriptor {fd}")))?;
        FdChannel::new(owned).map_err(Error::system(format!("take over descriptor {fd}")))
    };
    let (outer, broker) = (channel(config.host_fd)?, channel(config.broker_fd)?);
    let paths = Paths::new(config.state);
    prepare(&paths)?;
    if let Err(error) = ripstop_net::process::set_nofile_to_hard_limit() {
        tracing::warn!(%error, "the limit of open files stays low");
    }
    let spawner = Spawner::start().map_err(Error::system("start the spawning thread"))?;
    let fabric = Fabric::create(paths.clone())?;
    let relay = Relay::new(broker);
    let parts = Parts { dir: config.dir, binary: config.binary, paths, spawner, relay, fabric, outer };
    let world = World::new(parts);

    let mut tasks = JoinSet::new();
    tasks.spawn(async {
        if let Err(error) = child::reap().await {
            tracing::error!(%error, "orphans are not reaped");
        }
    });
    tasks.spawn(world.relay.clone().run());
    tasks.spawn(hear(world.clone()));
    tasks.spawn(signals(world.clone()));
    Ok((world, tasks))
}

/// Makes the directories of a world, and the tmpfs that goes with it.
fn prepare(paths: &Paths) -> Result<()> {
    make_private_dir(&paths.run())?;
    mount_tmpfs(paths.run(), RUN_BYTES).map_err(Error::file("mount a tmpfs on", paths.run()))?;
    for directory in [paths.netns(), paths.run().join("etc"), paths.control(), paths.supervisor()] {
        make_private_dir(&directory)?;
    }
    Ok(())
}

/// Takes what the outer process hands over. Without it there is nothing to live for.
async fn hear(world: World) {
    loop {
        match handover::receive::<ToWorld>(world.outer()).await {
            Ok(Some((message, fds))) => take(&world, message, fds),
            Ok(None) => break,
            Err(error) => {
                tracing::error!(%error, "cannot hear the outer process");
                if matches!(error, Error::System { .. }) {
                    break;
                }
            }
        }
    }
    tracing::error!("the outer process is gone: everything ends");
    // The kernel kills whatever lives in this pid namespace.
    std::process::exit(1);
}

fn take(world: &World, message: ToWorld, mut fds: Vec<OwnedFd>) {
    match (message, fds.pop()) {
        (ToWorld::Admin(peer), Some(connection)) => {
            tokio::spawn(admin::serve(world.clone(), connection, peer));
        }
        (ToWorld::Metrics, Some(connection)) => {
            let stream = std::net::TcpStream::from(connection);
            match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                Ok(stream) => {
                    tokio::spawn(metrics::serve(world.clone(), stream));
                }
                Err(error) => tracing::warn!(%error, "metrics connection is lost"),
            }
        }
        (ToWorld::Ingress(came), Some(connection)) => {
            tokio::spawn(ingress::pass(world.clone(), came, connection));
        }
        (ToWorld::Entrances(entrances), _) => {
            world.entrances.send_replace(entrances);
        }
        (ToWorld::Shutdown, _) => {
            world.closing.send_replace(true);
        }
        (message, None) => tracing::error!(?message, "came without its descriptor"),
    }
}

/// SIGTERM and SIGINT end the mesh in order.
async fn signals(world: World) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be heard");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    world.closing.send_replace(true);
}

/// A copy, close-on-exec, of a descriptor that this process was started with.
fn inherited(fd: RawFd) -> std::io::Result<OwnedFd> {
    let own: Pid = getpid();
    let pidfd = pidfd_open(own, PidfdFlags::empty())?;
    Ok(pidfd_getfd(&pidfd, fd, PidfdGetfdFlags::empty())?)
}

/// Removes what a dead world may have left on disk in the place of its tmpfs.
pub(crate) fn clear_run(paths: &Paths) {
    let Ok(entries) = fs::read_dir(paths.run()) else { return };
    for entry in entries.flatten() {
        let _still_used = fs::remove_dir_all(entry.path());
    }
}

#[cfg(test)]
mod tests;
