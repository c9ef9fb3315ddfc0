//! `ripstop run`, the supervisor's side: one more workload whose standard streams, signals and life
//! are a client's.

use std::{os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use ripstop_model::{GroupSpec, MeshConfig, ProcessKind};
use ripstop_net::{
    process::{Child, Signal, Stdio, set_window_size},
    scm::{Message, recv_with_fds},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::UnixStream,
    sync::watch,
    task::JoinSet,
};

use crate::{
    Error, Result,
    board::{Entry, Key, Phase, WorkloadEntry},
    child::{exited, pid_of, send_signal, terminate_by},
    context::World,
    groups,
    handover::AdminPeer,
    instance::{self, Birth, GRACE, Home, Template},
    logs::Log,
    probe,
    run_protocol::{Exit, FromClient, GREETING, Lines, RunRequest, ToClient, line},
    traffic,
    unit::Initially,
};

/// Longest wait for a whole request.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// Longest wait for a client that does not read.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// Longest wait until a run may start, which waits for its sidecar perhaps.
const PLACED: Duration = Duration::from_secs(20);
/// The signal of whoever is gone.
const HANGUP: i32 = 1;
/// User of runs where the client's own cannot be.
const NOBODY: u32 = 65534;

/// What a client sent.
struct Asked {
    request: RunRequest,
    stdio: [OwnedFd; 3],
    lines: Lines,
}

/// Serves one client from its request to its workload's end.
pub(crate) async fn serve(world: World, mut stream: UnixStream, peer: AdminPeer) {
    let last = match converse(&world, &mut stream, peer).await {
        Ok(exit) => ToClient::Exit(exit),
        Err(error) => {
            tracing::info!(uid = peer.uid, pid = peer.pid, %error, "run failed");
            ToClient::Error { message: error.to_string() }
        }
    };
    let _client_is_gone = tell(&mut stream, &last).await;
}

async fn converse(world: &World, stream: &mut UnixStream, peer: AdminPeer) -> Result<Exit> {
    let asked = tokio::time::timeout(REQUEST_DEADLINE, receive(stream)).await;
    let Asked { request, stdio, mut lines } =
        asked.map_err(|_| Error::Timeout("the client of `ripstop run`", REQUEST_DEADLINE.as_secs()))??;
    let node = choose_node(world, request.node.as_deref())?;
    check(&request)?;
    let group = groups::wanted(&world.groups.borrow(), &request)?;
    let mesh = world.mesh.borrow().clone();
    let birth = birth(&request, &node, group.as_deref(), &mesh, peer)?;
    let key = Key::workload(birth.namespace.clone(), birth.instance.clone());
    tracing::info!(workload = %key, uid = peer.uid, pid = peer.pid, command = request.argv[0], "run");

    let sandbox = world.with_fabric(|fabric| fabric.attach(&node, &birth.namespace, &birth.instance)).await?;
    let addresses = sandbox.addresses;
    let outcome = match Home::make(world, &birth, &sandbox, &request.env) {
        Ok(home) => {
            let log = Log::new(world.paths.workload_log(&birth.namespace, &birth.instance));
            let workload = WorkloadEntry {
                kind: ProcessKind::Command,
                process: birth.process.clone(),
                service_account: birth.template.service_account.clone(),
                addresses: Some(addresses),
                labels: birth.live.labels.clone(),
                group: group.as_ref().map(|group| group.name.clone()),
                ports: birth.live.ports.clone(),
                probed: instance::probed(&birth.live),
            };
            world.board.insert(key.clone(), Entry::new(Some(node.clone()), log, Some(workload)));
            let mut tasks = JoinSet::new();
            if group.is_some() {
                let live = watch::Sender::new(birth.live.clone());
                let target = probe::Target { key: key.clone(), home: home.clone() };
                tasks.spawn(probe::run(world.clone(), target, live.subscribe()));
                tasks.spawn(groups::follow(world.clone(), key.clone(), request.clone(), live));
            }
            let outcome = match settle_in(world, &key, &home, stream, (&request, group.as_deref()), &mut lines).await {
                Ok(None) => attend(world, &key, &home, stream, stdio, &request, lines).await,
                Ok(Some(exit)) => Ok(exit),
                Err(error) => Err(error),
            };
            tasks.shutdown().await;
            home.remove();
            outcome
        }
        Err(error) => Err(error),
    };
    world.detach(sandbox).await;
    world.board.remove(&key);
    outcome
}

/// Waits until the workload may start. Its client may think better of it: then it says how it ended.
async fn settle_in(
    world: &World,
    key: &Key,
    home: &Home,
    stream: &mut UnixStream,
    (request, group): (&RunRequest, Option<&GroupSpec>),
    lines: &mut Lines,
) -> Result<Option<Exit>> {
    let entry = || world.board.get(key);
    let node = entry().and_then(|entry| entry.node).unwrap_or_default();
    let asks = || groups::live(request, group, &world.mesh.borrow()).has_sidecar;
    let not_started = |why: &str| Err(Error::Unavailable(format!("it was not started: {why}")));
    tokio::select! {
        () = traffic::place(world, key, &home.netns, asks) => Ok(None),
        given_up = given_up(stream, lines) => given_up.map(Some),
        () = world.closed() => not_started("the mesh ends"),
        () = world.node_down(&node) => not_started("its node is gone"),
        () = tokio::time::sleep(PLACED) => {
            let why = entry().and_then(|entry| entry.error);
            not_started(why.as_deref().unwrap_or("the mesh is not ready for it; see `ripstop get workloads`"))
        }
    }
}

/// Waits until the client does not want it any more: it is gone, or sends a signal that would have ended the workload.
async fn given_up(stream: &mut UnixStream, lines: &mut Lines) -> Result<Exit> {
    let mut buffer = [0; 1024];
    loop {
        while let Some(message) = lines.next::<FromClient>()? {
            match message {
                FromClient::Signal(number) => return Ok(Exit::Signal(number)),
                // A terminal is as large as its client says when the workload starts.
                FromClient::Winsize(..) => {}
            }
        }
        match stream.read(&mut buffer).await {
            Ok(length @ 1..) => lines.push(&buffer[..length])?,
            Ok(0) | Err(_) => return Ok(Exit::Signal(HANGUP)),
        }
    }
}

/// Starts the workload and attends to it and to its client until it has ended.
async fn attend(
    world: &World,
    key: &Key,
    home: &Home,
    stream: &mut UnixStream,
    stdio: [OwnedFd; 3],
    request: &RunRequest,
    mut lines: Lines,
) -> Result<Exit> {
    let (stdio, terminal) = if request.tty {
        let [terminal, _, _] = stdio;
        let own = terminal.try_clone().map_err(Error::system("keep the run's terminal"))?;
        (Stdio::Terminal(terminal), Some(own))
    } else {
        (Stdio::Fds(stdio), None)
    };
    let mut child =
        world.spawn_workload(home.spawn(None, stdio)).await.map_err(Error::net(format!("run {}", request.argv[0])))?;
    let pid = pid_of(&child);
    world.board.phase(key, Phase::Running { pid }, 0);
    let Key::Workload(_, instance) = key else { return Err(Error::protocol("the supervisor", "a run is a workload")) };
    let started = ToClient::Started { instance: instance.to_string(), pid, ip: home.addresses.v4.to_string() };
    let mut ending = tell(stream, &started).await.is_err();
    let node = world.board.get(key).and_then(|entry| entry.node).unwrap_or_default();
    let mut buffer = vec![0; 4096];
    while !ending {
        tokio::select! {
            exit = exited(&mut child) => return Ok(exit),
            read = stream.read(&mut buffer) => match read {
                Ok(length @ 1..) => ending = obey(&mut lines, &buffer[..length], &child, terminal.as_ref()).is_err(),
                Ok(0) | Err(_) => ending = true,
            },
            () = world.closed() => {
                world.board.unready(key);
                return Ok(terminate_by(&mut child, Signal::TERM, GRACE).await);
            }
            () = world.node_down(&node) => {
                world.board.unready(key);
                return Ok(terminate_by(&mut child, Signal::TERM, GRACE).await);
            }
        }
    }
    tracing::info!(workload = %key, "its client is gone");
    world.board.unready(key);
    Ok(terminate_by(&mut child, Signal::HUP, GRACE).await)
}

/// Does what the client says.
fn obey(lines: &mut Lines, bytes: &[u8], child: &Child, terminal: Option<&OwnedFd>) -> Result<()> {
    lines.push(bytes)?;
    while let Some(message) = lines.next::<FromClient>()? {
        match message {
            FromClient::Signal(number) => send_signal(child, number),
            FromClient::Winsize(rows, columns) => {
                if let Some(terminal) = terminal {
                    let _no_terminal_any_more = set_window_size(terminal, rows, columns);
                }
            }
        }
    }
    Ok(())
}

/// The greeting with its descriptors, and the request.
async fn receive(stream: &mut UnixStream) -> Result<Asked> {
    let peer = "the client of `ripstop run`";
    let wrong = || Error::system("read from a client of `ripstop run`");
    let first: Option<Message> = {
        let stream = &*stream;
        stream.async_io(Interest::READABLE, || recv_with_fds(stream)).await.map_err(wrong())?
    };
    let Some(Message { data, fds, .. }) = first else { return Err(Error::protocol(peer, "it closed the connection")) };
    let stdio: [OwnedFd; 3] =
        fds.try_into().map_err(|_| Error::protocol(peer, "stdin, stdout and stderr must come with the greeting"))?;
    let Some(rest) = data.strip_prefix(GREETING) else { return Err(Error::protocol(peer, "no greeting")) };
    let mut lines = Lines::default();
    lines.push(rest)?;
    let mut buffer = vec![0; 16 << 10];
    loop {
        if let Some(request) = lines.next()? {
            return Ok(Asked { request, stdio, lines });
        }
        match stream.read(&mut buffer).await.map_err(wrong())? {
            0 => return Err(Error::protocol(peer, "it closed the connection")),
            length => lines.push(&buffer[..length])?,
        }
    }
}

async fn tell(stream: &mut UnixStream, message: &ToClient) -> Result<()> {
    let text = line(message)?;
    let written = tokio::time::timeout(WRITE_DEADLINE, stream.write_all(&text)).await;
    let written = written.map_err(|_| Error::Timeout("the client of `ripstop run`", WRITE_DEADLINE.as_secs()))?;
    written.map_err(Error::system("write to a client of `ripstop run`"))
}

fn choose_node(world: &World, wanted: Option<&str>) -> Result<Arc<str>> {
    let nodes = world.nodes.borrow();
    let chosen = match wanted {
        Some(name) => nodes.get(name),
        None => nodes.first(),
    };
    let list = || nodes.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    chosen.cloned().ok_or_else(|| match wanted {
        Some(name) => Error::Unavailable(format!("node {name} is not up; there are: {}", list())),
        None => Error::Unavailable("no node is up yet: see `ripstop logs control`".to_string()),
    })
}

/// Names become paths, labels and identities: they are checked as those of files are.
fn check(request: &RunRequest) -> Result<()> {
    let bad = |what: &str, text: &str| {
        Err(Error::Unavailable(format!("{what} {text:?} is not valid: use a-z, 0-9 and '-', at most 63 characters")))
    };
    if request.argv.first().is_none_or(String::is_empty) {
        return Err(Error::Unavailable("there is no command to run".to_string()));
    }
    if !is_label(&request.namespace) {
        return bad("namespace", &request.namespace);
    }
    match request.service_account.as_deref() {
        Some(account) if !account.split('.').all(is_label) => bad("service account", account),
        _ => Ok(()),
    }
}

/// A DNS label (RFC 1123).
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn birth(
    request: &RunRequest,
    node: &Arc<str>,
    group: Option<&GroupSpec>,
    mesh: &MeshConfig,
    peer: AdminPeer,
) -> Result<Birth> {
    // Members are told apart by their group, whatever they run.
    let process = group.map_or_else(|| process_name(&request.argv[0]), |group| group.name.to_string());
    let instance = format!("{process}-{}", random_suffix()?);
    let of_group = group.map(|group| &*group.service_account);
    let asked = request.service_account.as_deref().filter(|account| !account.is_empty());
    let account = of_group.or(asked).unwrap_or("default");
    let shared = |text: &String| Arc::<str>::from(text.as_str());
    let template = Template {
        kind: ProcessKind::Command,
        node: node.clone(),
        service_account: account.into(),
        argv: request.argv.iter().map(shared).collect(),
        env: Vec::new(),
        memory_bytes: None,
        cpu_millis: None,
        run_as_user: if peer.uid == 0 { NOBODY } else { peer.uid },
        directory: PathBuf::from(&request.cwd),
    };
    Ok(Birth {
        namespace: request.namespace.as_str().into(),
        instance: instance.into(),
        process: process.into(),
        template: Arc::new(template),
        live: groups::live(request, group, mesh),
        initially: Initially::Running,
    })
}

/// The name of a run's command, as a DNS label with room for a suffix.
fn process_name(argv0: &str) -> String {
    let base = argv0.rsplit('/').next().unwrap_or(argv0).to_ascii_lowercase();
    let mapped: String = base.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(50).collect();
    match mapped.trim_matches('-') {
        "" => "run".to_string(),
        name => name.to_string(),
    }
}

/// Five random hexadecimal digits.
fn random_suffix() -> Result<String> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| Error::protocol("the system's source of random bytes", error))?;
    Ok(format!("{:05x}", u32::from_ne_bytes(bytes) & 0xf_ffff))
}

#[cfg(test)]
mod tests;
