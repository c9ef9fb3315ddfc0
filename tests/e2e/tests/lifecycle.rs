//! How a mesh begins and ends, and that it leaves nothing behind.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use ripstop_e2e::{CALLS, NODES, echo};
use ripstop_world::{HostProcess, SOON, World, all_processes, signal, wait_for};

/// How long an orderly end may take.
const ORDERLY: Duration = Duration::from_secs(25);

fn world() -> Result<World> {
    let world = World::start(&[
        ("nodes.yaml", NODES),
        ("near.yaml", &echo("near", "shop", "east")),
        ("far.yaml", &echo("far", "shop", "west")),
    ])?;
    world.enrol("shop", true)?;
    Ok(world)
}

/// Everything of a running mesh that could be left behind.
struct Traces {
    processes: Vec<HostProcess>,
    namespaces: BTreeSet<(String, String)>,
    /// While they are open the kernel gives their numbers to no others.
    _open: Vec<fs::File>,
    state: String,
}

// === impl Traces ===

impl Traces {
    fn of(world: &World) -> Result<Self> {
        let processes = world.host_processes()?;
        // PID 1, control, two agents, two proxies, two workloads, each with two processes around it, and the outer one.
        ensure!(processes.len() >= 12, "only {} processes", processes.len());
        let mut namespaces: BTreeSet<_> = processes.iter().flat_map(|process| process.namespaces()).collect();
        for kind in fs::read_dir("/proc/self/ns")?.flatten() {
            let own = fs::read_link(kind.path())?.to_string_lossy().into_owned();
            namespaces.retain(|(_, inode)| *inode != own);
        }
        let files = processes.iter().flat_map(|process| {
            let kinds = process.namespaces().into_iter();
            kinds.filter_map(|(kind, _)| fs::File::open(format!("/proc/{}/ns/{kind}", process.pid)).ok())
        });
        let open = files.collect();
        ensure!(namespaces.len() > 10, "only {} namespaces", namespaces.len());
        let state = world.state().to_string_lossy().into_owned();
        Ok(Self { processes, namespaces, _open: open, state })
    }

    /// Fails if anything but the state directory is there.
    fn are_gone(&self) -> Result<()> {
        let alive: Vec<_> = self.processes.iter().filter(|process| process.is_alive()).collect();
        ensure!(alive.is_empty(), "processes live on: {alive:?}");
        for (process, _) in all_processes()? {
            let text = |file: &str| fs::read(format!("/proc/{}/{file}", process.pid)).unwrap_or_default();
            // This very process and others of the suite may speak of the directory.
            for file in ["cmdline", "mountinfo"] {
                let text = String::from_utf8_lossy(&text(file)).into_owned();
                ensure!(!text.contains(&self.state), "{file} of process {}: {text}", process.pid);
            }
            let kept: Vec<_> = process.namespaces().into_iter().filter(|one| self.namespaces.contains(one)).collect();
            ensure!(kept.is_empty(), "process {} keeps {kept:?}", process.pid);
        }
        let run = fs::read_dir(format!("{}/run", self.state))?.count();
        ensure!(run == 0, "{run} files in the directory of what runs");
        Ok(())
    }
}

/// Interfaces of this machine's network.
fn interfaces() -> Result<BTreeSet<String>> {
    let names = fs::read_dir("/sys/class/net")?.flatten();
    Ok(names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// What must be the same after the next start.
#[derive(Debug, PartialEq, Eq)]
struct Lasting {
    root: Vec<u8>,
    vips: Vec<(String, String)>,
}

fn lasting(world: &World) -> Result<Lasting> {
    let services = world.json(&["get", "services", "-A"])?;
    let vips = services.as_array().context("no services")?.iter();
    let vips = vips.map(|service| (service["name"].to_string(), service["vip"].to_string())).collect::<Vec<_>>();
    ensure!(vips.len() == 2 && vips.iter().all(|(_, vip)| vip.starts_with("\"240.240.")), "{vips:?}");
    Ok(Lasting { root: fs::read(world.state().join("control/ca/root.pem"))?, vips })
}

fn addresses(world: &World) -> Result<BTreeSet<String>> {
    let workloads = world.json(&["get", "workloads", "-A"])?;
    let all = workloads.as_array().context("no workloads")?.iter();
    Ok(all
        .flat_map(|workload| workload["addresses"].as_array().cloned().unwrap_or_default())
        .map(|ip| ip.to_string())
        .collect())
}

/// Starts the same mesh again, which must be what it was, and work.
fn starts_again(world: &mut World, before: &Lasting, used: &BTreeSet<String>) -> Result<()> {
    world.up()?;
    ensure!(lasting(world)? == *before);
    let now = addresses(world)?;
    ensure!(
        now.len() == used.len() && now.is_disjoint(used),
        "addresses are used again at once: {used:?} then {now:?}"
    );
    let mut client = world.captured_console("shop", &[], CALLS)?;
    wait_for("the echo to answer", SOON, || client.ask("call('far.shop')").map(Some))?;
    client.finish()
}

#[test]
fn sigterm_ends_it_and_leaves_nothing() -> Result<()> {
    let interfaces_before = interfaces()?;
    world()?.tell(|world| {
        let (traces, lasts, used) = (Traces::of(world)?, lasting(world)?, addresses(world)?);
        ensure!(interfaces()? == interfaces_before, "the mesh shows in the machine's network: {:?}", interfaces()?);
        let since = Instant::now();
        world.end("TERM")?;
        ensure!(since.elapsed() < ORDERLY, "it took {:?}", since.elapsed());
        traces.are_gone()?;
        ensure!(interfaces()? == interfaces_before);
        ensure!(world.output()?.contains("The mesh has ended."), "{}", world.output()?);
        ensure!(!world.state().join("admin.sock").exists());
        starts_again(world, &lasts, &used)
    })
}

#[test]
fn killing_the_outer_process_leaves_nothing_but_the_state() -> Result<()> {
    world()?.tell(|world| {
        let (traces, lasts, used) = (Traces::of(world)?, lasting(world)?, addresses(world)?);
        world.end("KILL")?;
        // The kernel ends the rest, which takes it a moment.
        wait_for("everything to be gone", SOON, || traces.are_gone().map(Some))?;
        starts_again(world, &lasts, &used)
    })
}

#[test]
fn killing_pid_1_ends_the_mesh() -> Result<()> {
    world()?.tell(|world| {
        let (traces, lasts, used) = (Traces::of(world)?, lasting(world)?, addresses(world)?);
        signal(world.host_pid(1)?, "KILL")?;
        let status = world.ended()?;
        ensure!(!status.success(), "up ended with {status}");
        ensure!(world.output()?.contains("PID 1"), "{}", world.output()?);
        wait_for("everything to be gone", SOON, || traces.are_gone().map(Some))?;
        starts_again(world, &lasts, &used)
    })
}

#[test]
fn a_second_mesh_on_one_state_is_refused() -> Result<()> {
    world()?.tell(|world| {
        let output = world.up_command().stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        let pid = world.outer_pid().context("the first one runs")?;
        ensure!(!output.status.success() && text.contains(&format!("pid {pid}")), "{}: {text}", output.status);
        // The first one has not noticed.
        ensure!(world.shell("shop", "echo still here")?.trim() == "still here");
        Ok(())
    })
}

#[test]
fn it_starts_from_the_last_good_state_of_broken_files() -> Result<()> {
    world()?.tell(|world| {
        let (lasts, used) = (lasting(world)?, addresses(world)?);
        world.end("TERM")?;
        world.write("far.yaml", "kind: Service\nmetadata: {name: far, namespace: shop}\nspec: {ports: [")?;
        world.write("nodes.yaml", &NODES.replace("west", "west, unknown: {}"))?;
        starts_again(world, &lasts, &used)?;
        let findings = world.json(&["get", "findings"])?;
        for file in ["far.yaml", "nodes.yaml"] {
            let found = findings.as_array().context("no findings")?.iter();
            let found = found.filter(|finding| finding["file"].as_str().is_some_and(|path| path.ends_with(file)));
            ensure!(found.count() > 0, "nothing is said of {file}: {findings}");
        }
        // A whole file takes effect at once.
        world.write("far.yaml", &echo("far", "shop", "east"))?;
        wait_for("far to move", SOON, || {
            let list = world.json(&["get", "workloads", "-n", "shop"])?;
            let far = list.as_array().context("no workloads")?.iter().filter(|workload| workload["process"] == "far");
            let nodes: Vec<_> = far.map(|workload| workload["node"].to_string()).collect();
            Ok((nodes == ["\"east\""]).then_some(()))
        })
    })
}

#[test]
fn it_says_what_is_missing_where_user_namespaces_are_forbidden() -> Result<()> {
    let world = World::prepare(&[("nodes.yaml", NODES)])?;
    let up = world.up_command();
    let mut command = world.as_user("unshare".as_ref());
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    command.args(["-Ur", "sh", "-c", script, "sh", "env", "-u", "RIPSTOP_MESH"]);
    // Of the words of `up`, without those that change the user.
    let words: Vec<_> = up.get_args().skip_while(|word| *word != "up").collect();
    command.arg(world.path("bin/ripstop")).args(words);
    let output = output_within(command, SOON)?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "it started: {text}");
    for said in ["user.max_user_namespaces = 0", "sysctl -w user.max_user_namespaces="] {
        ensure!(text.contains(said), "{said:?} is not in {text}");
    }
    // It gave up before it began.
    ensure!(!world.state().join("admin.sock").exists());
    Ok(())
}

#[test]
fn the_state_may_be_deep() -> Result<()> {
    let files = [("nodes.yaml", NODES.to_owned()), ("far.yaml", echo("far", "shop", "west"))];
    let mut world = World::prepare(&files.each_ref().map(|(name, text)| (*name, text.as_str())))?;
    // The address of a unix socket holds 107 bytes.
    let place = format!("{}/{}", "a name with blanks ".repeat(5), "d".repeat(120));
    world.move_state(place.as_ref())?;
    world.up()?;
    world.tell(|world| {
        world.enrol("shop", true)?;
        let mut client = world.captured_console("shop", &[], CALLS)?;
        wait_for("the echo to answer", SOON, || client.ask("call('far.shop')").map(Some))?;
        world.cli(&["restart", "control"])?;
        world.cli(&["restart", "agent-west"])?;
        wait_for("the control plane to serve", SOON, || world.cli(&["status"]).map(Some))?;
        world.settle()?;
        client.ask("call('far.shop')")?;
        client.finish()
    })
}

#[test]
fn ctrl_c_and_a_closed_terminal_end_it_too() -> Result<()> {
    let world = World::start(&[
        ("nodes.yaml", NODES),
        ("near.yaml", &echo("near", "shop", "east")),
        ("far.yaml", &echo("far", "shop", "west")),
    ])?;
    world.tell(|world| {
        for name in ["INT", "HUP"] {
            let traces = Traces::of(world)?;
            world.end(name)?;
            traces.are_gone()?;
            world.up()?;
        }
        // Whoever cannot wait says so twice.
        let traces = Traces::of(world)?;
        let outer = world.outer_pid().context("it runs")?;
        signal(outer, "INT")?;
        signal(outer, "INT")?;
        world.ended()?;
        wait_for("everything to be gone", SOON, || traces.are_gone().map(Some))
    })
}

#[test]
fn the_state_is_for_its_owner_alone() -> Result<()> {
    world()?.tell(|world| {
        let mut places = vec![world.state()];
        let mut files = 0;
        while let Some(place) = places.pop() {
            let metadata = fs::symlink_metadata(&place)?;
            let open = metadata.mode() & 0o077 != 0 && !metadata.is_symlink();
            // The root certificate is for everybody who can get there.
            ensure!(!open || place.ends_with("root.pem"), "{}: mode {:o}", place.display(), metadata.mode());
            files += usize::from(metadata.is_file());
            if metadata.is_dir() {
                places.extend(fs::read_dir(&place)?.flatten().map(|entry| entry.path()));
            }
        }
        ensure!(files > 10, "only {files} files");
        Ok(())
    })
}

/// Runs `command` to its end, or kills it.
fn output_within(mut command: Command, deadline: Duration) -> Result<std::process::Output> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ended = wait_for("a command to end", deadline, || Ok(child.try_wait()?));
    if let Err(error) = ended {
        child.kill()?;
        bail!("{error:#}: {}", String::from_utf8_lossy(&child.wait_with_output()?.stderr));
    }
    Ok(child.wait_with_output()?)
}

/// What a command that must fail says.
fn refused(world: &World, argv: &[&str]) -> Result<String> {
    let output = world.try_cli(argv)?;
    ensure!(!output.status.success(), "{argv:?} succeeded: {output:?}");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_part_has_a_name_that_all_commands_know() -> Result<()> {
    let version = |name: &str, node: &str| {
        format!(
            "---\napiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {{name: {name}, namespace: shop, labels: \
             {{app: far}}}}\nspec: {{node: {node}, command: [bookinfo, echo, --greet], ports: [{{containerPort: 9000}}]}}\n"
        )
    };
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: far, namespace: shop}\n\
                   spec: {selector: {app: far}, ports: [{name: tcp, port: 9000}]}\n";
    let text = format!("{service}{}{}", version("far-v1", "west"), version("far-v2", "west"));
    World::start(&[("nodes.yaml", NODES), ("far.yaml", &text)])?.tell(|world| {
        // The parts around are there, and have logs before they have anything to say.
        let processes = world.processes()?;
        for part in ["broker", "supervise", "control", "node-west"] {
            ensure!(processes.get(part).is_some_and(|process| process.state == "running"), "{part}: {processes:?}");
            world.cli(&["logs", part])?;
        }
        let said = refused(world, &["stop", "broker"])?;
        ensure!(said.contains("broker takes no orders"), "{said}");

        // One name for all; what is too much or unknown is told with what may be meant.
        let whole = world.cli(&["logs", "shop/far-v1-0"])?;
        for name in ["far-v1", "far-v1-0", "shop/far-v1", "far-v1.shop"] {
            ensure!(world.cli(&["logs", name])? == whole, "{name}");
        }
        ensure!(world.cli(&["restart", "far-v1"])?.starts_with("shop/far-v1-0 restarted"));
        for command in ["logs", "stop", "restart"] {
            let said = refused(world, &[command, "far"])?;
            ensure!(said.contains("far is an application of several processes: shop/far-v1, shop/far-v2"), "{said}");
            let said = refused(world, &[command, "fra-v1"])?;
            ensure!(said.contains("did you mean shop/far-v1?"), "{said}");
            let said = refused(world, &[command, "node-wets"])?;
            ensure!(said.contains("did you mean node-west"), "{said}");
        }
        let said = refused(world, &["explain", "--from", "fra-v1", "--to", "far.shop:9000"])?;
        ensure!(said.contains("did you mean shop/far-v1?"), "{said}");
        let said = refused(world, &["metrics", "wets"])?;
        ensure!(said.contains("there are control, east, west; did you mean \"west\"?"), "{said}");
        ensure!(world.cli(&["metrics", "west"])?.contains("ripstop_configuration_version"));

        // The mesh is found by its directory too, although its state is elsewhere.
        let dir = world.dir();
        let by_dir = world.command(&["status", "--mesh"]).arg(&dir).env_remove("RIPSTOP_MESH").output()?;
        ensure!(by_dir.status.success() && by_dir.stdout.starts_with(b"configuration version "), "{by_dir:?}");
        Ok(())
    })
}

#[test]
fn what_is_said_to_be_meshed_is_so() -> Result<()> {
    let looping = "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {name: looping, namespace: shop}\n\
                   spec: {node: west, restartPolicy: Never, command: ['false']}\n";
    World::start(&[("nodes.yaml", NODES), ("far.yaml", &echo("far", "shop", "west"))])?.tell(|world| {
        let meshed = |name: &str| -> Result<String> {
            let shown = world.cli(&["get", "workloads", "-n", "shop"])?;
            let (head, column) = (shown.lines().next().context("no table")?, "MESHED");
            let at = head.find(column).context("no column")?;
            let row = shown.lines().find(|line| line.contains(name)).with_context(|| shown.clone())?;
            Ok(row.chars().skip(at).take_while(|letter| *letter != ' ').collect())
        };
        let until = |name: &str, expected: &str| {
            let mut last = String::new();
            let waited = wait_for(expected, SOON, || {
                last = meshed(name)?;
                Ok((last == expected).then_some(()))
            });
            waited.with_context(|| format!("{name} was {last}"))
        };
        world.enrol("shop", true)?;
        until("far-0", "yes")?;
        let greeted = "exec 3<>/dev/tcp/far.shop/9000; read -t 10 -u 3 line";
        let called = world.workload("front", &[], &["bash", "-c", greeted]).stdin(Stdio::null()).output()?;
        ensure!(called.status.success(), "{called:?}");
        // The last line of the access log, whatever the proxy says of itself.
        let line = wait_for("an access line", SOON, || {
            let line = world.cli(&["logs", "node-west", "--access", "--tail", "1"])?;
            Ok((!line.is_empty()).then_some(line))
        })?;
        ensure!(line.lines().count() == 1 && line.contains(" access connection complete "), "{line}");
        let said = refused(world, &["logs", "control", "--access"])?;
        ensure!(said.contains("control writes no access log"), "{said}");

        // Its proxy is stopped: it is still captured, and nobody serves it.
        world.cli(&["stop", "node-west"])?;
        until("far-0", "DOWN")?;
        let shown = world.cli(&["get", "workloads", "-n", "shop"])?;
        ensure!(shown.contains("DOWN shop/far-0: the proxy of the node is not connected to its agent"), "{shown}");
        world.cli(&["start", "node-west"])?;
        until("far-0", "yes")?;
        world.cli(&["stop", "far"])?;
        until("far-0", "-")?;
        world.cli(&["start", "far"])?;
        until("far-0", "yes")?;
        world.write("looping.yaml", looping)?;
        wait_for("it to have ended", SOON, || {
            let processes = world.processes()?;
            Ok(processes.get("shop/looping-0").is_some_and(|one| one.state.starts_with("exited")).then_some(()))
        })?;
        until("looping-0", "-")?;
        world.cli(&["label", "namespace", "shop", "istio.io/dataplane-mode-"])?;
        ensure!(meshed("far-0")? != "yes");
        until("far-0", "no")
    })
}
