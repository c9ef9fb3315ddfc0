//! One instance of a process: its network, its files, its unit and its probe, from birth to death.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use ripstop_model::{ContainerPort, Labels, Probe, ProcessKind, ProcessSpec, RestartPolicy};
use ripstop_net::{
    NetNs,
    process::{Child, Limit, Stdio, WorkloadSpawn},
};
use tokio::sync::{oneshot, watch};

use crate::{
    Error, Result,
    backoff::Backoff,
    board::{Board, Entry, Key, Probed, WorkloadEntry},
    child,
    context::World,
    environment::{self, Place},
    fabric::Sandbox,
    gateway::{Proxy, ProxyLaunch},
    logs::Log,
    probe, traffic,
    unit::{self, Initially, Launch, UnitConfig},
};

/// What makes a process what it is: a change of this needs a new instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) kind: ProcessKind,
    pub(crate) node: Arc<str>,
    pub(crate) service_account: Arc<str>,
    pub(crate) argv: Vec<Arc<str>>,
    pub(crate) env: Vec<(Arc<str>, Arc<str>)>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) cpu_millis: Option<u32>,
    pub(crate) run_as_user: u32,
    pub(crate) directory: PathBuf,
}

/// What can change while an instance lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) labels: Labels,
    pub(crate) ports: Vec<ContainerPort>,
    pub(crate) readiness: Option<Probe>,
    pub(crate) restart: RestartPolicy,
    /// It asks for a proxy of its own, or may, and does not start without.
    pub(crate) has_sidecar: bool,
}

/// An instance that lives.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) key: Key,
    pub(crate) template: Arc<Template>,
    live: watch::Sender<Live>,
    end: oneshot::Sender<(Duration, oneshot::Sender<()>)>,
}

/// What an instance is made of.
pub(crate) struct Birth {
    pub(crate) namespace: Arc<str>,
    pub(crate) instance: Arc<str>,
    pub(crate) process: Arc<str>,
    pub(crate) template: Arc<Template>,
    pub(crate) live: Live,
    pub(crate) initially: Initially,
}

/// Time between SIGTERM and SIGKILL of a workload.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// Pause before an instance whose network could not be made is tried again.
const RETRY: Duration = Duration::from_secs(1);

// === impl Template ===

impl Template {
    /// The part of `spec` that a running instance cannot change; `dir` is the mesh's directory.
    pub(crate) fn of(spec: &ProcessSpec, dir: &Path) -> Self {
        Self {
            kind: spec.kind,
            node: spec.node.clone(),
            service_account: spec.service_account.clone(),
            argv: spec.command.iter().chain(&spec.args).cloned().collect(),
            env: spec.env.clone(),
            memory_bytes: spec.limits.memory_bytes,
            cpu_millis: spec.limits.cpu_millis,
            run_as_user: spec.run_as_user,
            directory: if spec.directory.is_empty() { dir.to_path_buf() } else { dir.join(&*spec.directory) },
        }
    }
}

// === impl Live ===

impl Live {
    /// The part of `spec` that a running instance can change.
    pub(crate) fn of(spec: &ProcessSpec) -> Self {
        Self {
            labels: spec.labels.clone(),
            ports: spec.ports.clone(),
            readiness: spec.readiness.clone(),
            restart: spec.restart,
            has_sidecar: spec.has_sidecar,
        }
    }
}

// === impl Instance ===

impl Instance {
    /// Brings an instance to life in a task of its own; it waits there for its node.
    pub(crate) fn start(world: &World, birth: Birth) -> Self {
        let key = Key::workload(birth.namespace.clone(), birth.instance.clone());
        let log = Log::new(world.paths.workload_log(&birth.namespace, &birth.instance));
        let entry = WorkloadEntry {
            kind: birth.template.kind,
            process: birth.process.clone(),
            group: None,
            service_account: birth.template.service_account.clone(),
            addresses: None,
            labels: birth.live.labels.clone(),
            ports: birth.live.ports.clone(),
            probed: probed(&birth.live),
        };
        world.board.insert(key.clone(), Entry::new(Some(birth.template.node.clone()), log, Some(entry)));
        let (end, ended) = oneshot::channel();
        let live = watch::Sender::new(birth.live.clone());
        let template = birth.template.clone();
        let life = Life { world: world.clone(), key: key.clone(), birth, live: live.subscribe() };
        tokio::spawn(life.run(ended));
        Self { key, template, live, end }
    }

    /// Changes what can be changed in place.
    pub(crate) fn update(&self, board: &Board, live: Live) {
        change(board, &self.key, &self.live, live);
    }

    /// Ends it, takes its network down, and forgets it.
    pub(crate) async fn end(self, grace: Duration) {
        let (done, gone) = oneshot::channel();
        if self.end.send((grace, done)).is_ok() {
            let _dropped_with_the_life = gone.await;
        }
    }
}

/// Everything that an instance owns.
struct Life {
    world: World,
    key: Key,
    birth: Birth,
    live: watch::Receiver<Live>,
}

/// Why a stay on a node ended.
enum Left {
    /// The node is gone; so it is to start on the next one.
    NodeGone(Initially),
    Ended(Option<oneshot::Sender<()>>),
}

type End = oneshot::Receiver<(Duration, oneshot::Sender<()>)>;

// === impl Life ===

impl Life {
    async fn run(mut self, mut end: End) {
        let node = self.birth.template.node.clone();
        let done = loop {
            tokio::select! {
                order = &mut end => break order.ok().map(|(_, done)| done),
                () = self.world.node_up(&node) => {}
            }
            match self.stay(&mut end).await {
                Ok(Left::Ended(done)) => break done,
                Ok(Left::NodeGone(initially)) => {
                    self.birth.initially = initially;
                    tracing::warn!(workload = %self.key, %node, "its node is gone: it waits for one of that name");
                }
                Err(error) => {
                    tracing::error!(workload = %self.key, %error, "could not be made; it is tried again");
                    self.world.board.failed(&self.key, 0, &error.to_string());
                    tokio::select! {
                        order = &mut end => break order.ok().map(|(_, done)| done),
                        () = tokio::time::sleep(RETRY) => {}
                    }
                }
            }
        };
        self.world.board.remove(&self.key);
        if let Some(done) = done {
            let _nobody_waits = done.send(());
        }
    }

    /// Lives on its node until told to end, or until the node goes.
    async fn stay(&self, end: &mut End) -> Result<Left> {
        let world = &self.world;
        let (namespace, instance) = (&self.birth.namespace, &self.birth.instance);
        let node = &self.birth.template.node;
        let sandbox = world.with_fabric(|fabric| fabric.attach(node, namespace, instance)).await?;
        let proxy = match self.birth.template.kind {
            ProcessKind::Command => None,
            ProcessKind::Gateway => Some(Proxy::Gateway),
            ProcessKind::Waypoint => Some(Proxy::Waypoint),
        };
        if proxy.is_some()
            && let Err(error) = world.with_fabric(|fabric| fabric.admit(&sandbox)).await
        {
            world.detach(sandbox).await;
            return Err(error);
        }
        let home = match Home::make(world, &self.birth, &sandbox, &inherited()) {
            Ok(home) => home,
            Err(error) => {
                world.detach(sandbox).await;
                return Err(error);
            }
        };
        world.board.update(&self.key, |entry| {
            if let Some(workload) = &mut entry.workload {
                workload.addresses = Some(sandbox.addresses);
            }
        });
        let policy = watch::Sender::new(self.live.borrow().restart);
        let config = UnitConfig {
            key: self.key.clone(),
            policy: policy.subscribe(),
            backoff: Backoff::workload(),
            initially: self.birth.initially,
            grace: GRACE,
        };
        let placed = Arc::new(Placing::default());
        let controls = match proxy {
            None => {
                let (world, key) = (world.clone(), self.key.clone());
                let (home, live) = (home.clone(), self.live.clone());
                let placed = placed.clone();
                let launch = WorkloadLaunch { world, key, home, live, log: self.log(), placed };
                unit::start(config, self.world.board.clone(), launch)
            }
            Some(proxy) => {
                let launch = ProxyLaunch::new(world, proxy, (namespace, instance), &sandbox, self.log());
                unit::start(config, world.board.clone(), launch)
            }
        };
        world.board.update(&self.key, |entry| entry.controls = Some(controls.clone()));
        let target = probe::Target { key: self.key.clone(), home: home.clone() };
        let mut probing = tokio::task::JoinSet::new();
        probing.spawn(probe::run(world.clone(), target, self.live.clone()));

        let mut live = self.live.clone();
        let (grace, left) = loop {
            tokio::select! {
                order = &mut *end => break match order {
                    Ok((grace, done)) => (grace, Left::Ended(Some(done))),
                    Err(_) => (GRACE, Left::Ended(None)),
                },
                () = world.node_down(node) => break (GRACE, Left::NodeGone(self.now())),
                Ok(()) = live.changed() => {
                    let live = live.borrow_and_update();
                    policy.send_replace(live.restart);
                    if !live.has_sidecar {
                        placed.asks_no_more();
                    }
                }
            }
        };
        probing.shutdown().await;
        world.board.update(&self.key, |entry| entry.controls = None);
        controls.end(grace).await;
        home.remove();
        world.detach(sandbox).await;
        // Last: whoever waits for the node to be empty hears it by this.
        world.board.update(&self.key, |entry| {
            if let Some(workload) = &mut entry.workload {
                workload.addresses = None;
            }
        });
        Ok(left)
    }

    fn log(&self) -> Arc<Log> {
        let path = || self.world.paths.workload_log(&self.birth.namespace, &self.birth.instance);
        self.world.board.get(&self.key).map_or_else(|| Log::new(path()), |entry| entry.log)
    }

    fn now(&self) -> Initially {
        match self.world.board.get(&self.key) {
            Some(entry) if entry.stopped() => Initially::Stopped,
            _ => Initially::Running,
        }
    }
}

/// What the processes of an instance have around them, life after life.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) netns: NetNs,
    pub(crate) addresses: crate::ipam::Addresses,
    argv: Vec<Arc<str>>,
    variables: BTreeMap<String, String>,
    directory: PathBuf,
    uid: u32,
    hide: PathBuf,
    binds: Vec<(PathBuf, PathBuf)>,
    /// The configuration: it may be its user's own files.
    read_only: PathBuf,
    limits: Vec<(Limit, u64)>,
    hostname: String,
}

// === impl Home ===

impl Home {
    /// Makes the files of an instance; `inherited` are variables that it may override.
    pub(crate) fn make(
        world: &World,
        birth: &Birth,
        sandbox: &Sandbox,
        inherited: &[(String, String)],
    ) -> Result<Self> {
        let template = &birth.template;
        let declared: Vec<(&str, &str)> = template.env.iter().map(|(key, value)| (&**key, &**value)).collect();
        if let Some(cpu) = template.cpu_millis {
            tracing::info!(workload = %birth.instance, cpu_millis = cpu, "a limit of CPU is not enforced: it needs cgroups");
        }
        let mut home = Self::bare(world, &birth.namespace, &birth.instance, template, sandbox)?;
        let place = Place {
            namespace: &birth.namespace,
            instance: &birth.instance,
            node: &template.node,
            service_account: &template.service_account,
            addresses: sandbox.addresses,
        };
        let binaries = world.binary.parent().unwrap_or(Path::new("/"));
        let inherited = inherited.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        home.variables = environment::variables(&place, binaries, inherited, declared);
        home.variables.entry("HOME".into()).or_insert_with(|| "/".into());
        Ok(home)
    }

    /// Everything but the variables.
    fn bare(world: &World, namespace: &str, instance: &str, template: &Template, sandbox: &Sandbox) -> Result<Self> {
        let domain = world.mesh.borrow().service_domain.clone();
        let resolv_conf = environment::resolv_conf(namespace, &domain, sandbox.node_address.into());
        let hosts = environment::hosts(instance, &sandbox.addresses);
        let mut binds = Vec::new();
        for (file, text) in [("resolv.conf", resolv_conf), ("hosts", hosts)] {
            let source = world.paths.etc(namespace, instance, file);
            let target = Path::new("/etc").join(file);
            fs::write(&source, text).map_err(Error::file("write", &source))?;
            fs::set_permissions(&source, fs::Permissions::from_mode(0o644)).map_err(Error::file("open up", &source))?;
            if target.exists() {
                binds.push((source, target));
            } else {
                tracing::warn!(target = %target.display(), "is missing on this machine, so workloads have none either");
            }
        }
        Ok(Self {
            netns: sandbox.netns.clone(),
            addresses: sandbox.addresses,
            argv: template.argv.clone(),
            variables: BTreeMap::new(),
            directory: template.directory.clone(),
            uid: template.run_as_user,
            hide: world.paths.state().to_path_buf(),
            binds,
            read_only: world.dir.clone(),
            limits: template.memory_bytes.map(|bytes| (Limit::AddressSpace, bytes)).into_iter().collect(),
            hostname: instance.to_string(),
        })
    }

    /// A process of this instance: the instance's own command, or `argv`.
    pub(crate) fn spawn(&self, argv: Option<&[Arc<str>]>, stdio: Stdio) -> WorkloadSpawn {
        WorkloadSpawn {
            argv: argv.unwrap_or(&self.argv).iter().map(|arg| (&**arg).into()).collect(),
            env: self.variables.iter().map(|(key, value)| (key.into(), value.into())).collect(),
            cwd: self.directory.clone(),
            netns: self.netns.clone(),
            uid: self.uid,
            gid: self.uid,
            hide: hidden(&self.hide),
            binds: self.binds.clone(),
            read_only: vec![self.read_only.clone()],
            stdio,
            limits: self.limits.clone(),
            hostname: self.hostname.clone(),
        }
    }

    /// Removes the files.
    pub(crate) fn remove(&self) {
        for (source, _) in &self.binds {
            let _never_made = fs::remove_file(source);
        }
    }
}

/// Starts the command of an instance.
struct WorkloadLaunch {
    world: World,
    key: Key,
    home: Home,
    live: watch::Receiver<Live>,
    log: Arc<Log>,
    placed: Arc<Placing>,
}

/// Whether the mesh was given time to prepare for an instance.
#[derive(Debug, Default)]
struct Placing {
    was_given: AtomicBool,
    /// Also for a proxy of its own, which it asks for ever since.
    behind_sidecar: AtomicBool,
}

// === impl Placing ===

impl Placing {
    /// Whether it is to be done before a life begins that asks for a proxy of its own, or does not.
    fn is_needed(&self, asks: bool) -> bool {
        !self.was_given.load(Relaxed) || (asks && !self.behind_sidecar.load(Relaxed))
    }

    /// It was.
    fn done(&self, asks: bool) {
        self.was_given.store(true, Relaxed);
        self.behind_sidecar.store(asks, Relaxed);
    }

    /// The rules of its proxy are taken away.
    fn asks_no_more(&self) {
        self.behind_sidecar.store(false, Relaxed);
    }
}

// === impl WorkloadLaunch ===

impl Launch for WorkloadLaunch {
    async fn prepare(&mut self) {
        let asks = || self.live.borrow().has_sidecar;
        // With rules in place a new life may begin, also while its proxy starts anew.
        if self.placed.is_needed(asks()) {
            traffic::place(&self.world, &self.key, &self.home.netns, asks).await;
            self.placed.done(asks());
        }
    }

    async fn launch(&mut self) -> Result<Child> {
        let output = child::log_pipe(&self.log)?;
        let errors = output.try_clone().map_err(Error::system("copy a log pipe"))?;
        let stdio = Stdio::Fds([child::null()?, output, errors]);
        let request = self.home.spawn(None, stdio);
        self.world.spawn_workload(request).await.map_err(Error::net("start the workload"))
    }

    async fn withdraw(&mut self) {
        traffic::withdraw(&self.world, &self.key).await;
    }
}

/// What every workload inherits from the mesh's own environment.
fn inherited() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter(|(key, _)| ["PATH", "LANG", "TZ"].iter().any(|inherited| key == inherited))
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Changes what can be changed while an instance lives.
pub(crate) fn change(board: &Board, key: &Key, live_now: &watch::Sender<Live>, live: Live) {
    let changed = live_now.send_if_modified(|now| {
        let changed = *now != live;
        now.clone_from(&live);
        changed
    });
    if !changed {
        return;
    }
    board.update(key, |entry| {
        let running = entry.phase.pid().is_some();
        if let Some(workload) = &mut entry.workload {
            // A probe that went leaves nobody to make it ready.
            if probed(&live) == Probed::No && workload.probed == Probed::ByProbe {
                entry.ready = running && !entry.retiring;
            }
            workload.probed = probed(&live);
            workload.labels = live.labels;
            workload.ports = live.ports;
        }
    });
}

/// Who says that an instance is ready.
pub(crate) fn probed(live: &Live) -> Probed {
    if live.readiness.is_some() { Probed::ByProbe } else { Probed::No }
}

/// Sockets of the user's session (D-Bus, agents for keys): a mesh without root runs workloads with its
/// user's own id, and through these they could act outside of it.
const SESSIONS: &str = "/run/user";

/// What workloads do not see: the mesh's state, and the user's session.
fn hidden(state: &Path) -> Vec<PathBuf> {
    let sessions = Path::new(SESSIONS);
    // A mesh whose state lies in there is hidden with it.
    let both = [state, sessions];
    both.into_iter().filter(|path| path.is_dir()).map(Path::to_path_buf).collect()
}

#[cfg(test)]
mod tests;
