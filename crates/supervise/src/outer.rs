//! The outer process of `ripstop up`: it stays in the host's namespaces, holds the state directory,
//! owns the terminal, keeps the doors, brokers what leaves the mesh, and starts PID 1.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    net::Ipv4Addr,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ripstop_net::{
    FdChannel,
    process::{Child, WorldSpawn, check_user_namespaces},
    scm::seqpacket_pair,
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::Instant,
};

use crate::{
    Error, Result,
    broker::Broker,
    child::{exited, terminate},
    doorkeeper::{self, Doorkeeper},
    egress::EgressRules,
    entrance::{Entrance, Entrances},
    handover::{self, Event, ToOuter, ToWorld},
    paths::Paths,
    run_protocol::Exit,
    state::{Elsewhere, MeshFile, StateDir, canonical_dir, start_ticks, state_dir},
    world::{WorldConfig, clear_run},
};

/// What `ripstop up` runs.
pub struct UpConfig {
    /// Directory of the configuration.
    pub dir: PathBuf,
    /// State directory; nothing: its usual place, see [`state_dir`](crate::state_dir).
    pub state: Option<PathBuf>,
    /// Port of the metrics on the host's loopback; 0: any free one.
    pub metrics_port: u16,
    /// The binary: PID 1 and all roles are started from it.
    pub binary: PathBuf,
    /// The arguments of PID 1, the program's name first: a hidden command of the binary that calls
    /// [`world::run`](crate::world::run) with just this configuration.
    pub supervise_argv: fn(&WorldConfig) -> Vec<OsString>,
    /// Hears what happens.
    pub on_event: Box<dyn FnMut(Event) + Send>,
}

/// How a mesh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to, and everything ended in order.
    Cleanly,
    /// It was killed by a second Ctrl-C.
    Killed,
}

/// Numbers of PID 1's descriptors.
const HOST_FD: i32 = 3;
const BROKER_FD: i32 = 4;
/// How long a clean end may take.
const END_DEADLINE: Duration = Duration::from_secs(15);
/// Size at which the supervisor's log is turned over, when a mesh starts.
const LOG_LIMIT: u64 = 10 << 20;

/// Runs a mesh until Ctrl-C, SIGTERM, `ripstop down` or a failure of PID 1. To be called on the main
/// thread: with the thread everything it started ends.
pub fn run(config: UpConfig) -> Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::system("start the outer process' runtime"))?;
    runtime.block_on(live(config))
}

async fn live(config: UpConfig) -> Result<Ended> {
    let UpConfig { dir, state, metrics_port, binary, supervise_argv, mut on_event } = config;
    let dir = canonical_dir(&dir)?;
    let held = StateDir::hold(&state_dir(&dir, state.as_deref())?, &dir)?;
    let paths = Paths::new(held.path().to_path_buf());
    check_user_namespaces().map_err(|error| Error::Forbidden(error.to_string()))?;
    clear_run(&paths);

    let metrics = TcpListener::bind((Ipv4Addr::LOCALHOST, metrics_port)).await;
    let metrics = metrics.map_err(Error::system(format!("listen for metrics on 127.0.0.1:{metrics_port}")))?;
    let address = metrics.local_addr().map_err(Error::system("listen for metrics"))?;
    let door = Doorkeeper::bind(paths.admin_socket())?;
    held.publish(&mesh_file(&dir, address.to_string()))?;
    let _found_by_dir = Elsewhere::tell(held.path());

    let (host, host_inner) = seqpacket_pair().map_err(Error::system("make the channel to PID 1"))?;
    let (broker, broker_inner) = seqpacket_pair().map_err(Error::system("make the channel of the broker"))?;
    let world = WorldConfig {
        dir,
        state: paths.state().to_path_buf(),
        binary: binary.clone(),
        host_fd: HOST_FD,
        broker_fd: BROKER_FD,
    };
    let log = supervisor_log(&paths)?;
    let mut signals = Signals::listen()?;
    let spawn = WorldSpawn {
        program: binary,
        argv: supervise_argv(&world),
        env: std::env::vars_os().collect(),
        hostname: "ripstop".to_string(),
        stdio: Some(log),
        pass_fds: vec![(host_inner, HOST_FD), (broker_inner, BROKER_FD)],
    };
    // On this thread: with it the launcher dies, and with that PID 1.
    let mut launcher = spawn.spawn().map_err(Error::net("start the mesh's world"))?;

    let channel = |fd: OwnedFd| FdChannel::new(fd).map_err(Error::system("open the channel to PID 1"));
    let host = Arc::new(channel(host)?);
    let rules = watch::Sender::new(EgressRules::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(Broker::new(channel(broker)?, rules.subscribe()).run());
    tasks.spawn(door.run(Arc::clone(&host)));
    tasks.spawn(doorkeeper::metrics(metrics, Arc::clone(&host)));
    on_event(Event::Starting { state: paths.state().display().to_string(), metrics: address.to_string() });

    let entrances = Entrances::new(Arc::clone(&host));
    let ended = attend(&mut launcher, &host, &rules, entrances, &mut signals, &mut on_event).await;
    tasks.shutdown().await;
    match ended {
        (Exit::Code(0), killed) => Ok(killed),
        (_, Ended::Killed) => Ok(Ended::Killed),
        (exit, Ended::Cleanly) => Err(Error::System {
            what: format!("the mesh's PID 1 ended with {exit}"),
            source: std::io::Error::other(last_words(&paths.role_log(SUPERVISOR))),
        }),
    }
}

/// Name of PID 1's log.
const SUPERVISOR: &str = "supervise";

/// Waits for the end of PID 1; passes on what happens on both sides until then.
async fn attend(
    launcher: &mut Child,
    host: &FdChannel,
    rules: &watch::Sender<EgressRules>,
    mut entrances: Entrances,
    signals: &mut Signals,
    on_event: &mut (dyn FnMut(Event) + Send),
) -> (Exit, Ended) {
    let mut deadline: Option<Instant> = None;
    let mut heard = true;
    loop {
        tokio::select! {
            exit = exited(launcher) => return (exit, Ended::Cleanly),
            () = signals.next() => {
                if deadline.is_some() {
                    return (terminate(launcher, Duration::ZERO).await, Ended::Killed);
                }
                deadline = Some(Instant::now() + END_DEADLINE);
                if let Err(error) = handover::send(host, &ToWorld::Shutdown, &[]).await {
                    tracing::warn!(%error, "PID 1 does not hear");
                }
            }
            () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                tracing::error!("the mesh does not end in time: it is killed");
                return (terminate(launcher, Duration::ZERO).await, Ended::Killed);
            }
            entrance = entrances.next() => {
                show(host, &entrances).await;
                on_event(Event::Entrance(entrance));
            }
            message = handover::receive::<ToOuter>(host), if heard => match message {
                Ok(Some((ToOuter::Egress(new), _))) => {
                    rules.send_replace(new);
                }
                Ok(Some((ToOuter::Ingress(openings), _))) => {
                    let closed = entrances.follow(openings);
                    if !closed.is_empty() {
                        show(host, &entrances).await;
                    }
                    for entrance in closed {
                        on_event(Event::Entrance(Entrance { address: None, error: None, ..entrance }));
                    }
                }
                Ok(Some((ToOuter::Event(event), _))) => on_event(event),
                Ok(None) => heard = false,
                Err(error) => {
                    tracing::error!(%error, "a message of PID 1 is lost");
                    heard = !matches!(error, Error::System { .. });
                }
            },
        }
    }
}

/// Tells PID 1 which ports of gateways are open.
async fn show(host: &FdChannel, entrances: &Entrances) {
    if let Err(error) = handover::send(host, &ToWorld::Entrances(entrances.all()), &[]).await {
        tracing::warn!(%error, "PID 1 does not hear");
    }
}

/// The signals that end a mesh.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

// === impl Signals ===

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(Error::system("listen for signals"));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

fn mesh_file(dir: &Path, metrics: String) -> MeshFile {
    // Process ids fit.
    let pid = i32::try_from(std::process::id()).unwrap_or_default();
    MeshFile {
        dir: dir.to_path_buf(),
        pid,
        version: env!("CARGO_PKG_VERSION").to_string(),
        started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        started_ticks: start_ticks(pid).unwrap_or_default(),
        metrics: Some(metrics),
    }
}

/// Empty input, and the log for output and errors.
fn supervisor_log(paths: &Paths) -> Result<[OwnedFd; 3]> {
    let path = paths.role_log(SUPERVISOR);
    if path.metadata().is_ok_and(|metadata| metadata.len() > LOG_LIMIT) {
        fs::rename(&path, path.with_extension("log.1")).map_err(Error::file("turn over", &path))?;
    }
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let log = log.map_err(Error::file("open", &path))?;
    let copy = log.try_clone().map_err(Error::file("open", &path))?;
    let null = File::open("/dev/null").map_err(Error::file("open", "/dev/null"))?;
    Ok([null.into(), log.into(), copy.into()])
}

/// The end of a log, for an error message.
fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    let lines: Vec<_> = lines.into_iter().rev().collect();
    format!("the end of {}:\n{}", log.display(), lines.join("\n"))
}
