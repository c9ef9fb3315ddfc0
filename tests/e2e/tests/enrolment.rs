//! Joining the mesh and leaving it, under traffic, without restarting anything.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES, Talker, echo,
    observe::{counted, flows, in_state, killed, logged, succeeds},
    peer_authentication,
};
use ripstop_world::{Client, SOON, World, wait_for};
use serde_json::Value;

/// A web server for load, beside the echo `far`.
const RATINGS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: ratings, namespace: shop}
spec:
  selector: {app: ratings}
  ports: [{name: http, port: 9080}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: ratings, namespace: shop, labels: {app: ratings}}
spec:
  node: west
  serviceAccountName: ratings
  command: [bookinfo, ratings]
  ports: [{name: http, containerPort: 9080}]
  readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}
";

fn world() -> Result<World> {
    World::start(&[("nodes.yaml", NODES), ("far.yaml", &echo("far", "shop", "west")), ("ratings.yaml", RATINGS)])
}

/// Load from namespace `front`, with connections that are kept for a while, or are new each time.
fn load(world: &World, options: &[&str]) -> Result<Client> {
    let url = "http://ratings.shop.svc.cluster.local:9080/ratings/0";
    let argv = [&["bookinfo", "load", "--rate", "100", "--url", url], options].concat();
    world.client("front", &[], &argv)
}

/// Ends the load; it must have done something, and nothing may have failed.
fn without_failure(load: Client) -> Result<u64> {
    let (status, lines) = load.stop()?;
    let last: Value = serde_json::from_str(lines.last().context("the load said nothing")?)?;
    ensure!(status.success() && last["failed"] == 0, "{status}: {last}");
    let ok = last["ok"].as_u64().context("no count")?;
    ensure!(ok > 100, "the load did too little: {last}");
    Ok(ok)
}

/// Says that a namespace is to be in the mesh, or not, and waits for nothing.
fn label(world: &World, namespace: &str, enrolled: bool) -> Result<()> {
    let label = if enrolled { "istio.io/dataplane-mode=ambient" } else { "istio.io/dataplane-mode-" };
    world.cli(&["label", "namespace", namespace, label]).map(drop)
}

#[test]
fn open_connections_survive_joining_and_leaving_and_no_request_fails() -> Result<()> {
    world()?.tell(|world| {
        let mut caller = Talker::start(world, "front", &["--node", "east"])?;
        let name = caller.name.clone();
        succeeds(world, &mut caller, "dial old far.shop 9000")?;
        caller.ask("pump old")?;
        let (kept, fresh) = (load(world, &[])?, load(world, &["--new-connections"])?);
        flows(&mut caller, "old")?;

        // Both sides join. What was open stays as it was, and is counted; what is new is in the mesh.
        world.enrol("shop", true)?;
        flows(&mut caller, "old")?;
        world.enrol("front", true)?;
        world.settle()?;
        counted(world, "front", &name, "plain", 1)?;
        counted(world, "shop", "far-0", "plain", 1)?;
        flows(&mut caller, "old")?;
        let seen = caller.ask("dial new far.shop 9000")?;
        ensure!(seen.as_str().is_some_and(|seen| seen.starts_with(&format!("{}:", caller.ip))), "seen as {seen}");
        caller.ask("close new")?;
        let from = format!("src.workload={name}");
        let inbound = logged(world, "node-west", &[&from, "direction=inbound", "dst.workload=far-0", "src.identity="])?;
        ensure!(inbound.contains("src.identity=spiffe://cluster.local/ns/front/sa/default"), "{inbound}");
        ensure!(inbound.contains("dst.identity=spiffe://cluster.local/ns/shop/sa/far"), "{inbound}");
        let outbound = logged(world, "node-east", &[&from, "direction=outbound", "dst.workload=far-0"])?;
        ensure!(outbound.contains("dst.hbone_addr=10.244.2."), "{outbound}");

        // The load's own connections of before are kept for two seconds at most; `old` for as long as it likes.
        ensure!(caller.ask("close old")?.as_u64() > Some(50));
        for (namespace, workload) in [("front", name.as_str()), ("shop", "far-0"), ("shop", "ratings-0")] {
            counted(world, namespace, workload, "plain", 0)?;
        }

        // Both leave. What was captured stays so until it ends.
        caller.ask("dial captured far.shop 9000")?;
        caller.ask("pump captured")?;
        label(world, "shop", false)?;
        in_state(world, "shop", "far-0", "DRAINING")?;
        counted(world, "shop", "far-0", "draining", 1)?;
        flows(&mut caller, "captured")?;
        caller.ask("dial plain far.shop 9000")?;
        caller.ask("close plain")?;
        label(world, "front", false)?;
        in_state(world, "front", &name, "DRAINING")?;
        counted(world, "front", &name, "draining", 1)?;
        flows(&mut caller, "captured")?;
        caller.ask("close captured")?;
        in_state(world, "front", &name, "NONE")?;
        in_state(world, "shop", "far-0", "NONE")?;
        in_state(world, "shop", "ratings-0", "NONE")?;
        caller.ask("dial after far.shop 9000")?;

        let requests = (without_failure(kept)?, without_failure(fresh)?);
        println!("requests without a failure: {requests:?}");
        Ok(())
    })
}

/// Prints the first line that a server says, at once.
const FIRST_WORDS: &str = "exec 3<>/dev/tcp/far.shop/9000; read -t 10 -u 3 line; echo \"$line\"";

#[test]
fn a_new_workload_is_in_the_mesh_from_its_first_connection_on() -> Result<()> {
    world()?.tell(|world| {
        world.enrol("shop", true)?;
        world.enrol("front", true)?;
        world.write("strict.yaml", &peer_authentication("shop", None, "STRICT"))?;
        let first = |namespace, node| {
            let argv = ["run", "-n", namespace, "--node", node, "--", "bash", "-c", FIRST_WORDS];
            world.command(&argv).output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        wait_for("the policy to act", SOON, || Ok(first("outside", "east")?.is_empty().then_some(())))?;
        let mut seen = Vec::new();
        for node in ["east", "west"].repeat(5) {
            let said = first("front", node)?;
            ensure!(said.starts_with("10.244."), "{seen:?}, then {said:?} on {node}");
            seen.push(said);
        }
        Ok(())
    })
}

/// Namespaces and workloads that say in every known way whether they want to be in the mesh.
const CLAIMS: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: ambient, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: v1
kind: Namespace
metadata: {name: injected, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: linked, annotations: {linkerd.io/inject: enabled}}
";

/// A process that does nothing, with `metadata` beside its name.
fn idle(namespace: &str, name: &str, metadata: &str) -> String {
    format!(
        "\
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: {name}
  namespace: {namespace}
  {metadata}
spec: {{node: west, command: [sleep, infinity]}}
"
    )
}

#[test]
fn the_first_key_that_says_yes_enrols_and_is_named() -> Result<()> {
    let (none, ambient) = ("istio.io/dataplane-mode=none", "istio.io/dataplane-mode=ambient");
    // Namespace, name, metadata; then whether it is in the mesh, the deciding key, and its level.
    let table = [
        ("ambient", "a-silent", "labels: {}", true, ambient, "namespace"),
        ("ambient", "a-none", "labels: {istio.io/dataplane-mode: none}", false, none, "workload"),
        ("ambient", "a-other-way", "labels: {sidecar.istio.io/inject: \"false\"}", true, ambient, "namespace"),
        ("injected", "i-silent", "labels: {}", true, "istio-injection=enabled", "namespace"),
        (
            "injected",
            "i-false",
            "labels: {sidecar.istio.io/inject: \"false\"}",
            false,
            "sidecar.istio.io/inject=false",
            "workload",
        ),
        ("injected", "i-none", "labels: {istio.io/dataplane-mode: none}", false, none, "workload"),
        (
            "injected",
            "i-linked",
            "{labels: {sidecar.istio.io/inject: \"false\"}, annotations: {linkerd.io/inject: enabled}}",
            true,
            "linkerd.io/inject=enabled",
            "workload",
        ),
        ("linked", "l-silent", "labels: {}", true, "linkerd.io/inject=enabled", "namespace"),
        (
            "linked",
            "l-disabled",
            "annotations: {linkerd.io/inject: disabled}",
            false,
            "linkerd.io/inject=disabled",
            "workload",
        ),
        ("linked", "l-ambient", "labels: {istio.io/dataplane-mode: ambient}", true, ambient, "workload"),
        ("outside", "o-silent", "labels: {}", false, "", ""),
        ("outside", "o-ambient", "labels: {istio.io/dataplane-mode: ambient}", true, ambient, "workload"),
        ("outside", "o-label", "labels: {linkerd.io/inject: enabled}", true, "linkerd.io/inject=enabled", "workload"),
    ];
    let mut text = CLAIMS.to_owned();
    for (namespace, name, metadata, ..) in table {
        // Two maps are given as one flow map.
        let metadata =
            metadata.trim_start_matches('{').replace("}}", "}").replace("}, annotations", "}\n  annotations");
        text.push_str(&idle(namespace, name, &metadata));
    }
    let world = World::start(&[("nodes.yaml", NODES), ("claims.yaml", &text)])?;
    for (namespace, name, _, enrolled, key, level) in table {
        let workload = in_state(&world, namespace, &format!("{name}-0"), if enrolled { "CAPTURED" } else { "NONE" })?;
        let mesh = &workload["mesh"];
        let decided = (mesh["key"].as_str().unwrap_or(""), mesh["level"].as_str().unwrap_or(""));
        ensure!(mesh["enrolled"] == enrolled && decided == (key, level), "{namespace}/{name}: {mesh}");
    }
    // The table for people says it, too.
    let shown = world.cli(&["get", "workloads", "-A"])?;
    let row = shown.lines().find(|line| line.contains("i-false-0")).context("no row")?;
    ensure!(row.contains(" no ") && row.contains("sidecar.istio.io/inject=false (workload)"), "{shown}");
    let row = shown.lines().find(|line| line.contains("a-silent-0")).context("no row")?;
    ensure!(row.contains(" yes ") && row.contains("istio.io/dataplane-mode=ambient (namespace)"), "{shown}");
    ensure!(shown.starts_with("NAMESPACE") && shown.contains("MESHED") && shown.contains("DRAINING"), "{shown}");

    // All of it acts at once, both ways.
    world.cli(&["label", "process", "-n", "ambient", "a-silent", none])?;
    in_state(&world, "ambient", "a-silent-0", "NONE")?;
    world.cli(&["label", "process", "-n", "ambient", "a-silent", "istio.io/dataplane-mode-"])?;
    in_state(&world, "ambient", "a-silent-0", "CAPTURED")?;
    world.cli(&["annotate", "process", "-n", "outside", "o-silent", "linkerd.io/inject=ingress"])?;
    let workload = in_state(&world, "outside", "o-silent-0", "CAPTURED")?;
    ensure!(workload["restarts"] == 0 && workload["mesh"]["key"] == "linkerd.io/inject=ingress", "{workload}");
    Ok(())
}

/// A command that must fail; what it said.
fn refused(world: &World, argv: &[&str]) -> Result<String> {
    let output = world.command(argv).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && output.stdout.is_empty(), "{argv:?}: {output:?}");
    Ok(said)
}

#[test]
fn a_typing_error_neither_enrols_nor_lets_out() -> Result<()> {
    let text = CLAIMS.to_owned() + &idle("ambient", "a", "labels: {app: a}");
    World::start(&[("nodes.yaml", NODES), ("claims.yaml", &text)])?.tell(|world| {
        in_state(world, "ambient", "a-0", "CAPTURED")?;
        world.write("strict.yaml", &peer_authentication("ambient", None, "STRICT"))?;

        // By command: nothing is written.
        let typo = "istio.io/dataplane-mode=ambiant";
        let said = refused(world, &["label", "namespace", "ambient", typo])?;
        let why = "`ambiant` is none of `ambient`, `none` (did you mean `ambient`?)";
        ensure!(said.contains("nothing was changed") && said.contains(why), "{said}");
        ensure!(std::fs::read_to_string(world.dir().join("claims.yaml"))? == text);
        let said = refused(world, &["run", "-n", "outside", "--label", typo, "--", "true"])?;
        ensure!(said.contains("did you mean \"ambient\"?"), "{said}");
        let said = refused(world, &["label", "service", "-n", "ambient", "a", "istio.io/dataplane-mode=ambient"])?;
        ensure!(said.contains("would have no effect"), "{said}");

        // By hand: it is an error with its place, and what was good goes on.
        world.write("claims.yaml", &text.replace("dataplane-mode: ambient", "dataplane-mode: ambiant"))?;
        let finding = wait_for("the error", SOON, || {
            let findings = world.json(&["get", "findings"])?;
            Ok(findings.as_array().into_iter().flatten().find(|finding| finding["code"] == "RS110").cloned())
        })?;
        ensure!(finding["file"] == "claims.yaml" && finding["line"] == 3 && finding["level"] == "error", "{finding}");
        world.settle()?;
        let workload = in_state(world, "ambient", "a-0", "CAPTURED")?;
        ensure!(workload["mesh"]["enrolled"] == true, "{workload}");

        // A command that mends it says no more than that; one that adds a finding tells it.
        let mended = world.command(&["label", "namespace", "ambient", "istio.io/dataplane-mode=ambient"]).output()?;
        ensure!(mended.status.success() && mended.stderr.is_empty(), "{mended:?}");
        ensure!(mended.stdout == b"namespace/ambient labeled in claims.yaml\n", "{mended:?}");
        let added = world.command(&["label", "namespace", "linked", "istio.io/use-waypoint=nowhere"]).output()?;
        let said = String::from_utf8_lossy(&added.stderr);
        ensure!(added.status.success() && said.lines().count() == 2 && said.contains("error RS240"), "{said}");

        // A namespace that nobody knows is told, and its file goes with its last label.
        let made = world.command(&["label", "namespace", "ambiant", "istio.io/dataplane-mode=ambient"]).output()?;
        let said = String::from_utf8_lossy(&made.stderr);
        ensure!(said.contains("did you mean \"ambient\"?"), "{said}");
        ensure!(made.stdout == b"namespace/ambiant labeled in namespace-ambiant.yaml, which is new\n", "{made:?}");
        let gone = world.cli(&["label", "namespace", "ambiant", "istio.io/dataplane-mode-"])?;
        ensure!(gone.starts_with("namespace/ambiant unlabeled; namespace-ambiant.yaml"), "{gone}");
        ensure!(!world.dir().join("namespace-ambiant.yaml").exists());
        let none = world.cli(&["label", "namespace", "ambient", "tier-"])?;
        ensure!(none == "label \"tier\" not found.\nnamespace/ambient not labeled\n", "{none}");
        Ok(())
    })
}

#[test]
fn a_workload_that_holds_a_port_of_the_proxy_waits_until_it_is_free() -> Result<()> {
    world()?.tell(|world| {
        let mut caller = Talker::start(world, "held", &["--node", "east"])?;
        let name = caller.name.clone();
        let own_pid = caller.ask("listen 15008")?;
        label(world, "held", true)?;
        in_state(world, "held", &name, "PENDING")?;
        // Before its listeners are tried, it waits for the proxy.
        let (pending, reason) = wait_for("the port to be the reason", SOON, || {
            let pending = world.get("held", &name)?;
            let reason = pending["mesh"]["reason"].as_str().context("no reason")?.to_owned();
            ensure!(reason.contains("port 15008 is held by python3"), "{reason}");
            Ok(Some((pending, reason)))
        })?;
        // The pid is the one that `get processes` shows, not the one that the workload knows itself by.
        let pid = pending["pid"].as_u64().context("no pid")?;
        ensure!(reason.contains(&format!("(pid {pid})")), "{reason}; it is {own_pid} in its own namespace: {pending}");
        let shown = world.cli(&["get", "workloads", "-n", "held"])?;
        ensure!(shown.contains("PENDING") && shown.contains(&reason), "{shown}");
        // It works on, outside of the mesh.
        succeeds(world, &mut caller, "dial meanwhile far.shop 9000")?;
        caller.ask("unlisten 15008")?;
        in_state(world, "held", &name, "CAPTURED")?;
        counted(world, "held", &name, "plain", 1)?;
        caller.ask("say meanwhile still here")?;
        caller.ask("dial inside far.shop 9000")?;
        Ok(())
    })
}

#[test]
fn an_agent_that_dies_in_between_goes_on_where_it_was() -> Result<()> {
    world()?.tell(|world| {
        let mut caller = Talker::start(world, "front", &["--node", "east"])?;
        let name = caller.name.clone();
        succeeds(world, &mut caller, "dial old far.shop 9000")?;
        caller.ask("pump old")?;
        // Nothing is captured without an agent; an agent that comes later does it.
        world.cli(&["stop", "agent-east"])?;
        label(world, "shop", true)?;
        label(world, "front", true)?;
        in_state(world, "shop", "far-0", "CAPTURED")?;
        ensure!(world.get("front", &name)?["mesh"]["state"] != "CAPTURED");
        world.cli(&["start", "agent-east"])?;
        in_state(world, "front", &name, "CAPTURED")?;
        counted(world, "front", &name, "plain", 1)?;
        flows(&mut caller, "old")?;

        caller.ask("dial captured far.shop 9000")?;
        caller.ask("pump captured")?;
        for node in ["east", "west"] {
            killed(world, &format!("agent-{node}"))?;
        }
        // Connections neither break nor slip by, old ones or new.
        for attempt in 0..20 {
            caller.ask(&format!("dial during-{attempt} far.shop 9000"))?;
            caller.ask(&format!("close during-{attempt}"))?;
        }
        flows(&mut caller, "old")?;
        flows(&mut caller, "captured")?;
        in_state(world, "front", &name, "CAPTURED")?;
        counted(world, "front", &name, "plain", 1)?;
        let log = world.cli(&["logs", "node-west"])?;
        let from = format!("src.workload={name}");
        let inbound = log.lines().filter(|line| line.contains(&from) && line.contains("direction=inbound"));
        let plain = inbound.filter(|line| !line.contains("src.identity=")).count();
        ensure!(plain == 0, "{plain} connections were not in the mesh:\n{log}");

        // Leaving while the agent is away.
        world.cli(&["stop", "agent-east"])?;
        label(world, "front", false)?;
        flows(&mut caller, "captured")?;
        world.cli(&["start", "agent-east"])?;
        in_state(world, "front", &name, "DRAINING")?;
        counted(world, "front", &name, "draining", 1)?;
        killed(world, "agent-east")?;
        flows(&mut caller, "captured")?;
        caller.ask("close captured")?;
        in_state(world, "front", &name, "NONE")?;
        flows(&mut caller, "old")?;
        caller.ask("close old")?;
        Ok(())
    })
}

#[test]
fn leaving_is_taken_back_while_connections_drain() -> Result<()> {
    world()?.tell(|world| {
        let mut caller = Talker::start(world, "front", &["--node", "east"])?;
        let name = caller.name.clone();
        succeeds(world, &mut caller, "dial old far.shop 9000")?;
        caller.ask("pump old")?;
        world.enrol("shop", true)?;
        world.enrol("front", true)?;
        world.settle()?;
        caller.ask("dial captured far.shop 9000")?;
        caller.ask("pump captured")?;
        let load = load(world, &["--new-connections"])?;
        // What was opened while `shop` drained was captured at the caller's side, which drains it in its turn.
        for (namespace, workload, draining) in [("shop", "far-0", 1), ("front", name.as_str(), 2)] {
            label(world, namespace, false)?;
            in_state(world, namespace, workload, "DRAINING")?;
            counted(world, namespace, workload, "draining", draining)?;
            // A plain connection while it drains, which the second enrolment must not break.
            succeeds(world, &mut caller, &format!("dial between-{namespace} far.shop 9000"))?;
            caller.ask(&format!("pump between-{namespace}"))?;
            flows(&mut caller, "captured")?;
            label(world, namespace, true)?;
            let back = in_state(world, namespace, workload, "CAPTURED")?;
            ensure!(back["mesh"]["draining"] == 0, "{back}");
            for connection in ["old", "captured", &format!("between-{namespace}")] {
                flows(&mut caller, connection)?;
            }
        }
        world.settle()?;
        caller.ask("dial again far.shop 9000")?;
        caller.ask("close again")?;
        let from = format!("src.workload={name}");
        logged(world, "node-west", &[&from, "direction=inbound", "src.identity=", "dst.workload=far-0"])?;
        for connection in ["old", "captured", "between-shop", "between-front"] {
            caller.ask(&format!("close {connection}"))?;
        }
        counted(world, "front", &name, "plain", 0)?;
        counted(world, "shop", "far-0", "plain", 0)?;
        without_failure(load)?;
        Ok(())
    })
}
