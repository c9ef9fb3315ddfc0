//! What is tested in a world. Each test has it for itself.

use std::{
    collections::BTreeMap,
    fs,
    io::{ErrorKind, Read as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd as _,
    sync::Arc,
    time::Duration,
};

use ripstop_model::{NodeSpec, Probe, ProbeAction, ProcessKind, ProcessSpec, ResourceLimits, RestartPolicy};
use ripstop_net::{
    FdChannel, NetNs,
    link::Links,
    process::{Signal, Spawner},
    run_in,
    scm::send_with_fds,
};
use rustix::process::{Pid, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use crate::{
    board::{Entry, Key, Phase},
    child,
    context::{Parts, World},
    fabric::{Fabric, Sandbox},
    handover::AdminPeer,
    nodes,
    paths::Paths,
    processes::{self, Processes},
    relay::Relay,
    roles::{CONTROL_METRICS_PORT, CONTROL_PORT},
    run,
    run_protocol::{Exit, FromClient, GREETING, Lines, RunRequest, ToClient, line},
    unit::Command,
    world::prepare,
};

/// Every wait of these tests ends by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// A world with nodes `a` and `b`; the other end of its channels, and its directory.
struct Stage {
    world: World,
    _ends: [FdChannel; 2],
    _dir: tempfile::TempDir,
}

fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::new(dir.path().to_path_buf());
    fs::create_dir(dir.path().join("logs")).unwrap();
    prepare(&paths).unwrap();
    let (outer, outer_end) = FdChannel::pair().unwrap();
    let (broker, broker_end) = FdChannel::pair().unwrap();
    let world = World::new(Parts {
        dir: dir.path().to_path_buf(),
        binary: "/bin/true".into(),
        fabric: Fabric::create(paths.clone()).unwrap(),
        paths,
        spawner: Spawner::start().unwrap(),
        relay: Relay::new(broker),
        outer,
    });
    tokio::spawn(child::reap());
    let stage = Stage { world, _ends: [outer_end, broker_end], _dir: dir };
    stage.nodes(&["a", "b"]);
    stage
}

impl Stage {
    /// Exactly these nodes, without their roles.
    fn nodes(&self, names: &[&str]) {
        let spec = |name: &&str| NodeSpec { name: (*name).into(), labels: BTreeMap::new(), pod_cidrs: Vec::new() };
        let wanted: nodes::Wanted = names.iter().map(|name| (Arc::from(*name), spec(name))).collect();
        self.world.fabric().add_nodes(&wanted).unwrap();
        self.world.nodes.send_replace(wanted.keys().cloned().collect());
    }

    fn links(&self, node: &str) -> Vec<String> {
        let netns = self.world.fabric().node(node).unwrap().netns;
        Links::open(&netns).unwrap().list().unwrap().into_iter().map(|link| link.name).collect()
    }

    /// Waits until the board is as `is` says.
    async fn until(&self, what: &str, is: impl Fn(&[(Key, Entry)]) -> bool) {
        let mut board = self.world.board.subscribe();
        let waiting = async {
            loop {
                board.mark_unchanged();
                if is(&self.world.board.all()) {
                    return;
                }
                board.changed().await.unwrap();
            }
        };
        let seen = timeout(PATIENCE, waiting).await;
        assert!(seen.is_ok(), "never: {what}; the board shows {:#?}", self.world.board.all());
    }

    async fn until_entry(&self, key: &Key, what: &str, is: impl Fn(&Entry) -> bool) -> Entry {
        self.until(what, |all| all.iter().any(|(other, entry)| other == key && is(entry))).await;
        self.world.board.get(key).unwrap()
    }
}

fn process(name: &str, replicas: u32, script: &str) -> ProcessSpec {
    ProcessSpec {
        namespace: "shop".into(),
        name: name.into(),
        labels: BTreeMap::new(),
        kind: ProcessKind::Command,
        node: "a".into(),
        replicas,
        service_account: "seller".into(),
        command: vec!["sh".into(), "-c".into()],
        args: vec![script.into()],
        env: vec![("GREETING".into(), "hello".into())],
        ports: Vec::new(),
        readiness: None,
        restart: RestartPolicy::Always,
        limits: ResourceLimits::default(),
        run_as_user: 65534,
        directory: "/".into(),
        has_sidecar: false,
    }
}

fn wanted(specs: impl IntoIterator<Item = ProcessSpec>) -> processes::Wanted {
    specs.into_iter().map(|spec| (format!("{}/{}", spec.namespace, spec.name).into(), Arc::new(spec))).collect()
}

/// Connects from one namespace to an address in another; gives the source that is seen there.
fn connects(from: &NetNs, to: &NetNs, address: IpAddr) -> IpAddr {
    let listener = run_in(to, || TcpListener::bind((address, 8080))).unwrap().unwrap();
    let client = run_in(from, || TcpStream::connect_timeout(&(address, 8080).into(), Duration::from_secs(5))).unwrap();
    let _client = client.unwrap_or_else(|error| panic!("{address}: {error}"));
    listener.accept().unwrap().1.ip()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a world that another test makes"]
async fn nodes_and_workloads_reach_one_another() {
    let stage = stage();
    let attach = |node, name| stage.world.fabric().attach(node, "shop", name).unwrap();
    let (one, two, far) = (attach("a", "one-0"), attach("a", "two-0"), attach("b", "far-0"));
    assert_eq!(one.addresses.v4.to_string(), "10.244.1.2");
    assert_eq!(far.addresses.v6.to_string(), "fd00:10:244:2::2");
    for (from, to) in [(&one, &two), (&one, &far), (&far, &two)] {
        for (source, destination) in from.addresses.all().into_iter().zip(to.addresses.all()) {
            assert_eq!(connects(&from.netns, &to.netns, destination), source, "the source address is preserved");
        }
    }
    let node = stage.world.fabric().node("b").unwrap();
    for address in node.blocks.node().all() {
        connects(&far.netns, &node.netns, address);
    }
    let world = NetNs::current().unwrap();
    assert_eq!(connects(&node.netns, &world, "100.64.0.1".parse().unwrap()).to_string(), "100.64.1.2");

    // A gateway reaches one port there, and nobody else reaches any.
    let control: IpAddr = "100.64.0.1".parse().unwrap();
    let listeners = [CONTROL_PORT, CONTROL_METRICS_PORT].map(|port| TcpListener::bind((control, port)).unwrap());
    let reaches = |from: &Sandbox, port| {
        let to = SocketAddr::from((control, port));
        run_in(&from.netns, || TcpStream::connect_timeout(&to, Duration::from_millis(500))).unwrap()
    };
    for port in [CONTROL_PORT, CONTROL_METRICS_PORT] {
        reaches(&one, port).unwrap_err();
    }
    stage.world.fabric().admit(&one).unwrap();
    reaches(&one, CONTROL_PORT).unwrap();
    assert_eq!(listeners[0].accept().unwrap().1.ip(), one.addresses.v4);
    assert_eq!(reaches(&one, CONTROL_METRICS_PORT).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    // What begins there comes back.
    assert_eq!(connects(&world, &one.netns, one.addresses.v4.into()), control);

    let file = stage.world.paths.netns_of_workload("shop", "one-0");
    assert_eq!(NetNs::open(&file).unwrap(), one.netns);
    assert_eq!(NetNs::open(stage.world.paths.netns_of_node("b")).unwrap(), node.netns);
    stage.world.fabric().detach(one);
    assert!(!file.exists());
    assert_eq!(attach("a", "one-0").addresses.v4.to_string(), "10.244.1.4", "not the address that is free again");
    assert_eq!(stage.links("a"), ["lo", "eth0", "w2", "w4"]);

    let unknown = stage.world.fabric().attach("nowhere", "shop", "x-0").unwrap_err().to_string();
    assert!(unknown.contains("node nowhere is not up"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a world that another test makes"]
async fn an_instance_lives_and_leaves_nothing() {
    let stage = stage();
    let state = stage.world.paths.state().display().to_string();
    let script = format!(
        "echo $GREETING from $POD_NAME at $POD_IP on $NODE_NAME as $SERVICE_ACCOUNT $(id -u);
         grep CapEff /proc/self/status; head -1 /etc/resolv.conf; ls -A {state} | wc -l; exec sleep 1000"
    );
    let mut processes = Processes::default();
    processes.apply(&stage.world, &wanted([process("web", 1, &script)]));
    let key = Key::workload("shop", "web-0");
    let entry = stage.until_entry(&key, "it runs", |entry| entry.ready).await;
    assert_eq!(entry.workload.unwrap().addresses.unwrap().v4.to_string(), "10.244.1.2");
    let (mut log, mut live) = entry.log.follow(None, &mut crate::logs::Passing::All).unwrap();
    while log.split(|byte| *byte == b'\n').count() <= 4 {
        log.extend_from_slice(&timeout(PATIENCE, live.recv()).await.unwrap().unwrap());
    }
    let log = String::from_utf8(log).unwrap();
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines[0], "hello from web-0 at 10.244.1.2 on a as seller 65534");
    assert_eq!(lines[1], "CapEff:\t0000000000000000");
    assert_eq!(lines[2], "nameserver 10.244.1.1");
    assert_eq!(lines[3], "0", "the state directory is hidden");

    processes.apply(&stage.world, &wanted([]));
    stage.until("it is gone", <[_]>::is_empty).await;
    assert_eq!(stage.world.fabric().sandboxes("a"), 0);
    assert_eq!(stage.links("a"), ["lo", "eth0"]);
    assert_eq!(fs::read_dir(stage.world.paths.run().join("etc")).unwrap().count(), 0);
    let left: Vec<_> = fs::read_dir(stage.world.paths.netns()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "only the nodes: {left:?}");
    processes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a world that another test makes"]
async fn a_killed_workload_heals_and_a_stopped_one_stays_down() {
    let stage = stage();
    let mut processes = Processes::default();
    processes.apply(&stage.world, &wanted([process("web", 2, "exec sleep 1000")]));
    let (one, other) = (Key::workload("shop", "web-0"), Key::workload("shop", "web-1"));
    let first = stage.until_entry(&one, "it runs", |entry| entry.ready).await;
    let neighbour = stage.until_entry(&other, "the other one runs", |entry| entry.ready).await;

    let pid = first.phase.pid().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let second = stage.until_entry(&one, "it runs again", |entry| entry.restarts == 1 && entry.ready).await;
    assert_ne!(second.phase.pid(), first.phase.pid());
    assert_eq!(second.workload, first.workload, "it keeps its addresses");
    assert_eq!(stage.world.board.get(&other).unwrap().phase, neighbour.phase, "no other process restarts");

    assert!(second.controls.as_ref().unwrap().order(Command::Stop));
    stage.until_entry(&one, "it is stopped", Entry::stopped).await;
    // A new specification does not start it.
    let changed = ProcessSpec { env: Vec::new(), ..process("web", 2, "exec sleep 1000") };
    processes.apply(&stage.world, &wanted([changed]));
    stage
        .until("the other one is replaced", |all| {
            all.iter().any(|(key, entry)| *key == Key::workload("shop", "web-2") && entry.ready)
                && all.iter().all(|(key, _)| *key != other)
        })
        .await;
    let stopped = stage.until_entry(&one, "it is still stopped", Entry::stopped).await;
    assert!(stopped.controls.as_ref().unwrap().order(Command::Start));
    stage.until_entry(&one, "it runs", |entry| entry.ready).await;

    let broken = ProcessSpec { command: vec!["/no/such/program".into()], ..process("broken", 1, "") };
    processes.apply(&stage.world, &wanted([broken]));
    let key = Key::workload("shop", "broken-0");
    let entry = stage.until_entry(&key, "it fails", |entry| entry.restarts >= 2 && entry.error.is_some()).await;
    assert!(entry.error.unwrap().contains("/no/such/program"));
    processes.end().await;
    assert!(stage.world.board.all().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a world that another test makes"]
async fn a_change_is_rolled_out_without_a_gap() {
    let stage = stage();
    let probe = Probe {
        action: ProbeAction::Exec { command: vec!["sh".into(), "-c".into(), "test -e $FILE".into()] },
        initial_delay: Duration::ZERO,
        period: Duration::from_millis(50),
        timeout: Duration::from_secs(5),
        success_threshold: 1,
        failure_threshold: 3,
    };
    let spec = |file: &str| ProcessSpec {
        readiness: Some(probe.clone()),
        env: vec![("FILE".into(), file.into())],
        ..process("web", 2, "exec sleep 1000")
    };
    let ready = |all: &[(Key, Entry)]| all.iter().filter(|(_, entry)| entry.ready).count();
    let names = |all: &[(Key, Entry)]| all.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>();

    let mut processes = Processes::default();
    processes.apply(&stage.world, &wanted([spec("/")]));
    stage.until("both are ready", |all| ready(all) == 2).await;

    // A replacement that never gets ready: those before it stay and serve.
    processes.apply(&stage.world, &wanted([spec("/no/such/file")]));
    let tried = Key::workload("shop", "web-2");
    stage.until_entry(&tried, "a replacement runs", |entry| entry.phase.pid().is_some()).await;
    assert_eq!((names(&stage.world.board.all()).len(), ready(&stage.world.board.all())), (3, 2));

    // The next one goes through, and all the time two serve.
    let mut board = stage.world.board.subscribe();
    processes.apply(&stage.world, &wanted([spec("/tmp")]));
    let rolled_out = async {
        loop {
            board.mark_unchanged();
            let all = stage.world.board.all();
            assert!(ready(&all) >= 2, "a gap: {all:#?}");
            if names(&all) == ["shop/web-0", "shop/web-2"] && ready(&all) == 2 {
                return;
            }
            board.changed().await.unwrap();
        }
    };
    let ended = timeout(PATIENCE, rolled_out).await;
    assert!(ended.is_ok(), "{:?}", names(&stage.world.board.all()));
    processes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a world that another test makes"]
async fn runs_pass_on_streams_signals_and_status() {
    let stage = stage();
    let run = |script: &str, node: Option<&str>| RunRequest {
        namespace: "shop".into(),
        argv: vec!["sh".into(), "-c".into(), script.into()],
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: "/".into(),
        node: node.map(Into::into),
        ..Default::default()
    };
    let script = "trap 'exit 7' TERM; echo $NODE_NAME; sleep 1000 & wait";
    let (mut client, mut output) = start(&stage, &run(script, Some("b"))).await;
    let started = next(&mut client).await;
    assert!(matches!(&started, ToClient::Started { ip, .. } if ip == "10.244.2.2"), "{started:?}");
    assert_eq!(stage.world.board.all().len(), 1);
    let mut text = [0; 2];
    output.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"b\n");
    client.write_all(&line(&FromClient::Signal(15)).unwrap()).await.unwrap();
    assert_eq!(next(&mut client).await, ToClient::Exit(Exit::Code(7)));
    stage.until("nothing is left of it", <[_]>::is_empty).await;
    assert_eq!(stage.links("b"), ["lo", "eth0"]);

    let (mut client, _output) = start(&stage, &run("exec sleep 1000", None)).await;
    assert!(matches!(next(&mut client).await, ToClient::Started { .. }));
    let pid = stage.world.board.all()[0].1.phase.pid().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    assert_eq!(next(&mut client).await, ToClient::Exit(Exit::Signal(9)));

    // A client that goes takes its workload along.
    let (mut client, _output) = start(&stage, &run("exec sleep 1000", None)).await;
    assert!(matches!(next(&mut client).await, ToClient::Started { .. }));
    drop(client);
    stage.until("it is gone", <[_]>::is_empty).await;

    let (mut client, _output) = start(&stage, &run("true", Some("c"))).await;
    let refused = next(&mut client).await;
    assert!(matches!(&refused, ToClient::Error { message } if message.contains("there are: a, b")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a world that another test makes"]
async fn a_node_that_goes_takes_its_workloads_along() {
    let stage = stage();
    let mut processes = Processes::default();
    processes.apply(&stage.world, &wanted([process("web", 1, "exec sleep 1000")]));
    let key = Key::workload("shop", "web-0");
    stage.until_entry(&key, "it runs", |entry| entry.ready).await;

    stage.world.nodes.send_replace([Arc::from("b")].into());
    let left = |entry: &Entry| entry.workload.as_ref().unwrap().addresses.is_none() && entry.phase.pid().is_none();
    stage.until_entry(&key, "it left", left).await;
    assert_eq!(stage.world.fabric().sandboxes("a"), 0);
    stage.world.fabric().remove_node("a");
    assert!(stage.world.fabric().node("a").is_none());

    stage.nodes(&["a", "b"]);
    let again = stage.until_entry(&key, "it runs again", |entry| entry.ready).await;
    assert!(matches!(again.phase, Phase::Running { .. }));
    assert_eq!(again.workload.unwrap().addresses.unwrap().v4.to_string(), "10.244.1.3");
    processes.end().await;
}

/// A client of `ripstop run` and the reading end of its standard output.
async fn start(stage: &Stage, request: &RunRequest) -> (UnixStream, fs::File) {
    let (mut client, server) = UnixStream::pair().unwrap();
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let null = fs::File::open("/dev/null").unwrap();
    send_with_fds(&client, GREETING, &[null.as_fd(), writer.as_fd(), writer.as_fd()]).unwrap();
    client.write_all(&line(request).unwrap()).await.unwrap();
    tokio::spawn(run::serve(stage.world.clone(), server, AdminPeer { uid: 65534, pid: 1 }));
    (client, reader.into())
}

async fn next(client: &mut UnixStream) -> ToClient {
    let mut lines = Lines::default();
    let message = async {
        loop {
            lines.push(&[client.read_u8().await.unwrap()]).unwrap();
            if let Some(message) = lines.next().unwrap() {
                return message;
            }
        }
    };
    timeout(PATIENCE, message).await.unwrap()
}
