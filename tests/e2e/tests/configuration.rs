//! Files that change while the mesh runs.

use std::{
    fs::{self, File},
    io::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES, Talker, echo,
    observe::{fails, in_state, succeeds},
    peer_authentication,
};
use ripstop_world::{SOON, World, wait_for};
use serde_json::Value;

/// A change acts within a second; a loaded machine gets more.
const RELOAD: Duration = Duration::from_secs(15);

fn service(name: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{app: far}}
  ports: [{{name: tcp, port: 9000}}]
"
    )
}

fn world() -> Result<World> {
    World::start(&[("nodes.yaml", NODES), ("far.yaml", &echo("far", "shop", "west"))])
}

/// Names of the services in `shop`.
fn services(world: &World) -> Result<Vec<String>> {
    let list = world.json(&["get", "services", "-n", "shop"])?;
    let names = list.as_array().into_iter().flatten().filter_map(|service| service["name"].as_str());
    Ok(names.map(ToOwned::to_owned).collect())
}

/// Findings, without advice.
fn findings(world: &World) -> Result<Vec<Value>> {
    let mut all = world.json(&["get", "findings"])?.as_array().context("findings are no list")?.clone();
    all.retain(|finding| finding["level"] != "info");
    Ok(all)
}

/// Waits until the services in `shop` are these, in order of their names.
fn wait_for_services(world: &World, names: &[&str]) -> Result<()> {
    wait_for(&format!("services {names:?}"), SOON, || Ok((services(world)? == names).then_some(())))
}

/// How long `condition` takes from now, printed; fails when it takes too long.
fn timed(what: &str, condition: impl FnOnce() -> Result<()>) -> Result<()> {
    let since = Instant::now();
    condition()?;
    let took = since.elapsed();
    println!("figure: {what} after {} ms", took.as_millis());
    ensure!(took <= RELOAD, "{what} after {took:?}");
    Ok(())
}

#[test]
fn changes_act_at_once_and_what_is_removed_disappears() -> Result<()> {
    world()?.tell(|world| {
        let mut plain = Talker::start(world, "outside", &["--node", "east"])?;
        succeeds(world, &mut plain, "dial first far.shop 9000")?;
        world.write("more.yaml", &service("more"))?;
        timed("a new service was reachable", || {
            succeeds(world, &mut plain, "dial new more.shop 9000")?;
            Ok(())
        })?;
        ensure!(services(world)? == ["far", "more"]);
        world.settle()?;
        world.remove("more.yaml")?;
        timed("a removed service was gone", || fails(world, &mut plain, "dial gone more.shop 9000", "gaierror"))?;

        world.write(
            "namespace.yaml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}\n",
        )?;
        timed("a namespace was enrolled", || in_state(world, "shop", "far-0", "CAPTURED").map(drop))?;
        world.write("policy.yaml", &peer_authentication("shop", None, "STRICT"))?;
        timed("a policy acted", || fails(world, &mut plain, "dial refused far.shop 9000", "ConnectionResetError"))?;
        // All of a file at once.
        world.remove("policy.yaml")?;
        world.remove("namespace.yaml")?;
        timed("a namespace had left", || in_state(world, "shop", "far-0", "NONE").map(drop))?;
        world.remove("far.yaml")?;
        wait_for("the process to end", SOON, || {
            let all = world.json(&["get", "workloads", "-n", "shop"])?;
            Ok(all.as_array().is_some_and(Vec::is_empty).then_some(()))
        })?;
        ensure!(services(world)?.is_empty());
        world.write("far.yaml", &echo("far", "shop", "east"))?;
        succeeds(world, &mut plain, "dial again far.shop 9000").map(drop)
    })
}

#[test]
fn a_file_that_is_still_being_written_does_not_act() -> Result<()> {
    world()?.tell(|world| {
        let old = [service("alpha"), service("beta"), service("gamma")].join("---\n");
        world.write("services.yaml", &old)?;
        let before = ["alpha", "beta", "far", "gamma"];
        wait_for_services(world, &before)?;
        let pid = world.get("shop", "far-0")?["pid"].clone();
        world.settle()?;
        let quiet = |when: &str| -> Result<()> {
            ensure!(services(world)? == before, "{when}: {:?}", services(world)?);
            ensure!(findings(world)?.is_empty(), "{when}: {:?}", findings(world)?);
            Ok(())
        };
        quiet("before")?;
        // In place and in pieces, some of which end where an object does: what is there is valid, but not all.
        let new = [service("alpha"), service("beta"), service("gamma"), service("delta")].join("---\n");
        let mut file = File::create(world.dir().join("services.yaml"))?;
        quiet("just truncated")?;
        let pieces = new.as_bytes().chunks(40);
        let count = pieces.len();
        for (index, piece) in pieces.enumerate() {
            file.write_all(piece)?;
            file.flush()?;
            let written = Instant::now();
            // Longer than any change of a closed file would take to act.
            while written.elapsed() < Duration::from_millis(600) && index % 4 == 0 {
                quiet(&format!("piece {index} of {count}"))?;
            }
        }
        drop(file);
        timed("a file that was written in pieces", || {
            wait_for_services(world, &["alpha", "beta", "delta", "far", "gamma"])
        })?;
        ensure!(findings(world)?.is_empty() && world.get("shop", "far-0")?["pid"] == pid);
        Ok(())
    })
}

#[test]
fn a_bad_file_keeps_what_was_good_and_says_where_it_is_bad() -> Result<()> {
    world()?.tell(|world| {
        let mut plain = Talker::start(world, "outside", &["--node", "east"])?;
        succeeds(world, &mut plain, "dial kept far.shop 9000")?;
        plain.ask("pump kept")?;
        let pid = world.get("shop", "far-0")?["pid"].clone();
        let good = echo("far", "shop", "west");
        let at = |text: &str, what: &str| -> Result<(usize, usize)> {
            let offset = text.find(what).with_context(|| format!("no {what:?}"))?;
            let line = text[..offset].matches('\n').count() + 1;
            Ok((line, offset - text[..offset].rfind('\n').map_or(0, |end| end + 1) + 1))
        };
        // Two mistakes in one object, one in its neighbour; and a new object beside them.
        let bad = good
            .replace("containerPort: 9000", "containerPort: 90000")
            .replace("node: west", "replicas: many")
            .replace("port: 9000", "port: nine")
            + "---\n"
            + &service("beside");
        world.write("far.yaml", &bad)?;
        let found = wait_for("the findings", SOON, || {
            let found = findings(world)?;
            Ok((found.len() >= 3).then_some(found))
        })?;
        for (value, path) in
            [("90000", "spec.ports[0].containerPort"), ("many", "spec.replicas"), ("nine", "spec.ports[0].port")]
        {
            let (line, column) = at(&bad, value)?;
            let finding = found.iter().find(|finding| finding["path"] == path);
            let finding = finding.with_context(|| format!("nothing about {path} in {found:?}"))?;
            let place = (finding["file"].as_str(), finding["line"].as_u64(), finding["column"].as_u64());
            ensure!(
                place == (Some("far.yaml"), Some(line as u64), Some(column as u64)),
                "{value} is at {line}:{column}: {finding}"
            );
            ensure!(
                finding["level"] == "error" && finding["code"].as_str().is_some_and(|code| code.starts_with("RS")),
                "{finding}"
            );
        }
        let shown = world.cli(&["get", "findings"])?;
        let (line, column) = at(&bad, "90000")?;
        ensure!(shown.contains(&format!("far.yaml:{line}:{column}: error RS")), "{shown}");
        // The good neighbour acts, the bad ones stay as they were.
        wait_for_services(world, &["beside", "far"])?;
        let far = world.get("shop", "far-0")?;
        ensure!(far["pid"] == pid && far["ready"] == true, "{far}");
        plain.ask("dial meanwhile far.shop 9000")?;
        // Not YAML at all.
        world.write("far.yaml", &format!("{}\n  : [", &good[..good.len() / 2]))?;
        wait_for("the finding", SOON, || {
            Ok(findings(world)?.iter().find(|f| f["file"] == "far.yaml" && f["level"] == "error").cloned())
        })?;
        ensure!(world.get("shop", "far-0")?["pid"] == pid);
        plain.ask("dial still far.shop 9000")?;
        // The state of before outlives the control plane, too.
        world.kill("control")?;
        world.settle()?;
        ensure!(world.get("shop", "far-0")?["pid"] == pid);
        plain.ask("dial control-died far.shop 9000")?;
        world.write("far.yaml", &good)?;
        wait_for("the findings to go", SOON, || Ok(findings(world)?.is_empty().then_some(())))?;
        ensure!(world.get("shop", "far-0")?["pid"] == pid);
        ensure!(plain.ask("close kept")?.as_u64() > Some(0));
        Ok(())
    })
}

/// Text as people write it.
const COMMENTED: &str = "\
# The shop.   Do not move.
apiVersion: v1
kind: Namespace  # a namespace
metadata:
  name: shop
  # who to ask
  labels:
    team: fruit     # since 2019
---

# No labels yet:
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: { name: idle, namespace: shop }   # flow style
spec: {command: [sleep, infinity]}
";

#[test]
fn label_and_annotate_change_their_line_and_nothing_else() -> Result<()> {
    World::start(&[("nodes.yaml", NODES), ("shop.yaml", COMMENTED)])?.tell(|world| {
        let read = || fs::read_to_string(world.dir().join("shop.yaml"));
        let pid = world.get("shop", "idle-0")?["pid"].clone();
        world.cli(&["label", "namespace", "shop", "istio.io/dataplane-mode=ambient"])?;
        in_state(world, "shop", "idle-0", "CAPTURED")?;
        world.cli(&["annotate", "namespace", "shop", "note=hello: world"])?;
        world.cli(&["label", "process", "-n", "shop", "idle", "app=idle", "tier=none"])?;
        let changed = read()?;
        for line in COMMENTED.lines().filter(|line| !line.contains("flow style")) {
            ensure!(changed.lines().any(|other| other == line), "{line:?} is gone:\n{changed}");
        }
        for text in ["# flow style", "istio.io/dataplane-mode: ambient", "note: ", "app: idle", "tier: none"] {
            ensure!(changed.contains(text), "no {text:?}:\n{changed}");
        }
        world.cli(&["label", "namespace", "shop", "istio.io/dataplane-mode-"])?;
        world.cli(&["annotate", "namespace", "shop", "note-"])?;
        world.cli(&["label", "process", "-n", "shop", "idle", "app-", "tier-"])?;
        in_state(world, "shop", "idle-0", "NONE")?;
        let back = read()?;
        for line in COMMENTED.lines().filter(|line| !line.contains("flow style")) {
            ensure!(back.lines().any(|other| other == line), "{line:?} is gone:\n{back}");
        }
        for text in ["dataplane-mode", "note: ", "app: idle", "tier"] {
            ensure!(!back.contains(text), "{text:?} is still there:\n{back}");
        }
        ensure!(world.get("shop", "idle-0")?["pid"] == pid, "it was restarted");
        ensure!(findings(world)?.iter().all(|finding| finding["level"] != "error"));
        // A namespace that stands in no file gets one; what is not there at all is an error.
        world.cli(&["label", "namespace", "fresh", "team=vegetables"])?;
        let files = fs::read_dir(world.dir())?.flatten().map(|entry| fs::read_to_string(entry.path()));
        ensure!(files.flatten().any(|text| text.contains("fresh") && text.contains("vegetables")));
        let refused = world.try_cli(&["label", "process", "-n", "shop", "nobody", "a=b"])?;
        ensure!(
            !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("nobody"),
            "{refused:?}"
        );
        Ok(())
    })
}

#[test]
fn objects_are_applied_shown_and_deleted_where_they_are_declared() -> Result<()> {
    World::start(&[
        ("nodes.yaml", NODES),
        ("both.yaml", &format!("# The first.\n{}---\n{}", service("one"), service("two"))),
    ])?
    .tell(|world| {
        let given = world.path("given.yaml");
        let one = service("one").replace("port: 9000", "port: 9001");
        fs::write(&given, format!("# Now 9001.\n{one}---\n# A third.\n{}", service("three")))?;
        let before = fs::read_to_string(world.dir().join("both.yaml"))?;
        let told = world.cli(&["apply", "-f", &given.display().to_string(), "--dry-run"])?;
        ensure!(
            told == "Service/shop/one configured in both.yaml (dry run)\n\
                     Service/shop/three created in service.shop.three.yaml (dry run)\n",
            "{told}"
        );
        ensure!(fs::read_to_string(world.dir().join("both.yaml"))? == before);
        ensure!(services(world)? == ["one", "two"], "{:?}", services(world)?);
        let told = world.cli(&["apply", "-f", &given.display().to_string()])?;
        ensure!(
            told == "Service/shop/one configured in both.yaml\n\
                     Service/shop/three created in service.shop.three.yaml\n",
            "{told}"
        );
        // The answer came once that had been committed.
        ensure!(services(world)? == ["one", "three", "two"], "{:?}", services(world)?);
        let both = fs::read_to_string(world.dir().join("both.yaml"))?;
        ensure!(both == format!("# Now 9001.\n{one}---\n{}", service("two")), "{both}");
        let again = world.cli(&["apply", "-f", &given.display().to_string()])?;
        ensure!(again.matches("unchanged").count() == 2, "{again}");

        let yaml = world.cli(&["get", "svc", "three", "-n", "shop", "-o", "yaml"])?;
        ensure!(yaml == format!("# A third.\n{}", service("three")), "{yaml}");
        let listed = world.json(&["get", "objects", "-n", "shop"])?;
        let names: Vec<_> = listed.as_array().into_iter().flatten().map(|row| &row["name"]).collect();
        ensure!(names == ["one", "three", "two"], "{listed}");
        ensure!(listed[0]["object"]["spec"]["ports"][0]["port"] == 9001, "{listed}");
        let described = world.cli(&["describe", "service", "one", "-n", "shop"])?;
        for words in ["both.yaml:2", "Generation   2", "# Now 9001."] {
            ensure!(described.contains(words), "{words:?}: {described}");
        }

        let wrong = world.path("wrong.yaml");
        fs::write(&wrong, format!("{}---\n{}", service("four"), service("five").replace("ports:", "prots:")))?;
        let refused = world.try_cli(&["apply", "-f", &wrong.display().to_string()])?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!refused.status.success() && said.contains("nothing was changed") && said.contains("prots"), "{said}");
        ensure!(services(world)? == ["one", "three", "two"], "{:?}", services(world)?);

        let told = world.cli(&["delete", "svc", "two", "three", "-n", "shop"])?;
        ensure!(
            told == "Service/shop/two deleted from both.yaml\n\
                     Service/shop/three deleted with service.shop.three.yaml\n",
            "{told}"
        );
        ensure!(services(world)? == ["one"], "{:?}", services(world)?);
        let gone = world.try_cli(&["delete", "svc", "two", "-n", "shop"])?;
        let said = String::from_utf8_lossy(&gone.stderr).into_owned();
        ensure!(!gone.status.success() && said.contains("is declared nowhere"), "{said}");
        world.cli(&["delete", "svc", "two", "-n", "shop", "--ignore-not-found"])?;

        // Secrets are for who asks, and that is written down.
        let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: key\nstringData: {a: hush}\n";
        fs::write(&given, secret)?;
        world.cli(&["apply", "-f", &given.display().to_string(), "-n", "shop"])?;
        for (argv, is_shown) in [
            (&["describe", "secret", "key", "-n", "shop"][..], false),
            (&["get", "secrets", "-o", "yaml"], false),
            (&["describe", "secret", "key", "-n", "shop", "--show-secrets"], true),
            (&["get", "secrets", "-o", "yaml", "--show-secrets"], true),
        ] {
            let told = world.cli(argv)?;
            ensure!(told.contains("hush") == is_shown, "{argv:?}: {told}");
        }
        let selected = world.json(&["get", "objects", "-l", "!a", "-n", "shop"])?;
        ensure!(selected.as_array().is_some_and(|rows| rows.len() == 2), "{selected}");
        let audit = fs::read_to_string(world.state().join("control/audit.log"))?;
        for words in ["\"apply\"", "\"delete\"", "\"read secret\"", "\"outcome\":\"done\"", "is declared nowhere"] {
            ensure!(audit.contains(words), "{words}: {audit}");
        }
        Ok(())
    })
}

#[test]
fn several_kinds_and_names_are_shown_and_followed() -> Result<()> {
    World::start(&[("one.yaml", &service("one")), ("two.yaml", &service("two"))])?.tell(|world| {
        let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: clerk, namespace: shop}\n";
        world.write("account.yaml", account)?;
        let named = |args: &[&str]| world.cli(&[&["get"], args, &["-n", "shop", "-o", "name"]].concat());
        wait_for("the account", SOON, || Ok((named(&["sa"])? == "serviceaccount/clerk\n").then_some(())))?;
        ensure!(named(&["svc,sa"])? == "service/one\nservice/two\nserviceaccount/clerk\n");
        ensure!(named(&["svc/two", "sa/clerk"])? == "service/two\nserviceaccount/clerk\n");
        ensure!(named(&["svc", "two", "one"])? == "service/one\nservice/two\n");
        let missing = world.try_cli(&["get", "svc/tow", "-n", "shop"])?;
        ensure!(String::from_utf8_lossy(&missing.stderr).contains("did you mean \"two\"?"), "{missing:?}");
        let described = world.cli(&["describe", "sa/clerk", "-n", "shop"])?;
        ensure!(described.contains("account.yaml:1"), "{described}");
        // What comes and goes is told as it does.
        let told = world.path("told");
        let mut follower =
            world.command(&["get", "svc,sa", "-n", "shop", "-w"]).stdout(fs::File::create(&told)?).spawn()?;
        let seen = |what: &str| {
            wait_for(what, SOON, || Ok(fs::read_to_string(&told)?.contains(what).then_some(())))
                .with_context(|| fs::read_to_string(&told).unwrap_or_default())
        };
        let watched = || {
            seen("clerk")?;
            world.write("three.yaml", &service("three"))?;
            seen("three")?;
            world.cli(&["delete", "sa/clerk", "svc/three", "-n", "shop"])?;
            seen("ServiceAccount/shop/clerk is gone")?;
            seen("shop/three is gone")
        };
        let watched = watched();
        follower.kill()?;
        follower.wait()?;
        watched
    })
}

#[test]
fn what_a_change_would_come_to_is_told_before_it_is_made() -> Result<()> {
    world()?.tell(|world| {
        let given = world.path("given.yaml");
        let file = given.display().to_string();
        let namespace =
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {istio.io/dataplane-mode: ambient}\n";
        fs::write(&given, namespace)?;
        for (argv, told) in [
            (&["apply", "-f", &file, "--dry-run"][..], "shop/far joins the mesh (dry run)\n"),
            (&["apply", "-f", &file], "shop/far joins the mesh\n"),
            (&["delete", "ns", "shop", "--dry-run"], "shop/far leaves the mesh (dry run)\n"),
        ] {
            let said = world.cli(argv)?;
            ensure!(said.contains(told), "{argv:?}: {said}");
        }
        wait_for("far to be captured", SOON, || {
            Ok((world.get("shop", "far-0")?["mesh"]["state"] == "CAPTURED").then_some(()))
        })?;

        // A subset that nobody declares, and a policy: found before it is written.
        fs::write(
            &given,
            "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: far, namespace: shop}
spec:
  hosts: [far]
  tcp: [{route: [{destination: {host: far, subset: v9}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: shop}
spec: {action: DENY, rules: [{}]}
",
        )?;
        let trial = world.try_cli(&["apply", "-f", &file, "--dry-run", "--fail-on", "warning"])?;
        let said = String::from_utf8_lossy(&trial.stderr).into_owned();
        ensure!(matches!(trial.status.code(), Some(3 | 4)) && said.contains("v9"), "{trial:?}");
        ensure!(world.json(&["get", "vs", "-n", "shop"])?.as_array().is_some_and(Vec::is_empty));
        let described = |what: &[&str]| world.cli(&[&["describe"], what, &["-n", "shop"]].concat());
        let free = described(&["service", "far"])?;
        for words in
            ["far.shop.svc.cluster.local", "shop/far-0", "nothing is declared about it", "everything that mutual TLS"]
        {
            ensure!(free.contains(words), "{words:?}: {free}");
        }
        // It acts all the same, and the status says that something is wrong.
        for argv in [&["apply", "-f", &file][..], &["apply", "-f", &file]] {
            let again = world.try_cli(argv)?;
            let said = String::from_utf8_lossy(&again.stderr).into_owned();
            ensure!(
                again.status.code() == Some(3) && said.contains("v9"),
                "what is wrong is told each time: {again:?}"
            );
        }
        world.cli(&["apply", "-f", &file, "--fail-on", "never"])?;
        let ruled = described(&["service", "far"])?;
        for words in ["VirtualService/shop/far/", "for callers in the mesh", "AuthorizationPolicy/shop/nobody/", "DENY"]
        {
            ensure!(ruled.contains(words), "{words:?}: {ruled}");
        }
        let process = described(&["process", "far"])?;
        for words in ["far-0", "behind the services: far.shop.svc.cluster.local", "AuthorizationPolicy/shop/nobody/"] {
            ensure!(process.contains(words), "{words:?}: {process}");
        }
        Ok(())
    })
}

/// A web server of two instances.
fn ratings(replicas: u32, mood: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Service
metadata: {{name: ratings, namespace: shop}}
spec:
  selector: {{app: ratings}}
  ports: [{{name: http, port: 9080}}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: ratings, namespace: shop, labels: {{app: ratings}}}}
spec:
  node: west
  replicas: {replicas}
  command: [bookinfo, ratings]
  env: [{{name: MOOD, value: {mood}}}]
  ports: [{{name: http, containerPort: 9080}}]
  readinessProbe: {{httpGet: {{path: /health, port: http}}, periodSeconds: 1}}
"
    )
}

/// Instances of `shop` with their pids, all of which are ready.
fn instances(world: &World) -> Result<Option<Vec<(String, u64)>>> {
    let all = world.json(&["get", "workloads", "-n", "shop"])?;
    let all = all.as_array().context("no list")?;
    let ready = all.iter().all(|workload| workload["ready"] == true);
    let of = |workload: &Value| Some((workload["name"].as_str()?.to_owned(), workload["pid"].as_u64()?));
    Ok(ready.then(|| all.iter().filter_map(of).collect()))
}

fn replaced(world: &World, before: &[(String, u64)], count: usize) -> Result<Vec<(String, u64)>> {
    wait_for(&format!("{count} new instances"), SOON, || {
        let now = instances(world)?.filter(|now| now.len() == count);
        Ok(now.filter(|now| now.iter().all(|(_, pid)| before.iter().all(|(_, old)| old != pid))))
    })
}

#[test]
fn a_changed_process_rolls_over_without_losing_its_service() -> Result<()> {
    World::start(&[("nodes.yaml", NODES), ("ratings.yaml", &ratings(1, "good"))])?.tell(|world| {
        let url = "http://ratings.shop.svc.cluster.local:9080/ratings/0";
        let argv = ["bookinfo", "load", "--rate", "100", "--new-connections", "--url", url];
        // One caller in the mesh, one outside.
        let plain = world.client("outside", &[], &argv)?;
        let meshed = world.client("front", &[], &argv)?;
        world.enrol("front", true)?;
        let mut now = instances(world)?.context("not ready")?;
        for (round, enrolled) in [false, true].into_iter().enumerate() {
            if enrolled {
                world.enrol("shop", true)?;
            }
            world.write("ratings.yaml", &ratings(1, &format!("better-{round}")))?;
            now = replaced(world, &now, 1)?;
            world.write("ratings.yaml", &ratings(3, &format!("better-{round}")))?;
            let three = wait_for("three instances", SOON, || Ok(instances(world)?.filter(|now| now.len() == 3)))?;
            ensure!(now.iter().all(|one| three.contains(one)), "{now:?} was replaced: {three:?}");
            world.cli(&["restart", &format!("shop/{}", three[0].0)])?;
            let three = wait_for("three instances again", SOON, || {
                Ok(instances(world)?.filter(|again| again.len() == 3 && *again != three))
            })?;
            world.write("ratings.yaml", &ratings(3, &format!("best-{round}")))?;
            replaced(world, &three, 3)?;
            world.write("ratings.yaml", &ratings(1, &format!("best-{round}")))?;
            now = wait_for("one instance", SOON, || Ok(instances(world)?.filter(|now| now.len() == 1)))?;
        }
        for (who, load) in [("plain", plain), ("meshed", meshed)] {
            let (status, lines) = load.stop()?;
            let last: Value = serde_json::from_str(lines.last().context("the load said nothing")?)?;
            ensure!(status.success() && last["failed"] == 0 && last["ok"].as_u64() > Some(100), "{who}: {last}");
            println!("figure: {who} requests while instances came and went: {}", last["ok"]);
        }
        Ok(())
    })
}
