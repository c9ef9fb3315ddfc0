//! Members of a `WorkloadGroup`, which others than the mesh run.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{NODES, observe::applied, service};
use ripstop_world::{Console, SOON, World, wait_for};

/// Answers with its name; whether it is well, `/healthz` says.
const MEMBER: &str = include_str!("members/member.py");

fn group(labels: &str) -> String {
    format!(
        "\
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {{name: vms, namespace: shop}}
spec:
  metadata: {{labels: {{{labels}}}}}
  template: {{labels: {{version: v1}}, serviceAccount: cart, ports: {{http: 8080}}}}
  probe:
    periodSeconds: 1
    failureThreshold: 2
    httpGet: {{path: /healthz, port: 8080, httpHeaders: [{{name: X-Probe, value: vms}}]}}
"
    )
}

fn world() -> Result<World> {
    let declared = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: cart, namespace: shop}\nspec: {hosts: [cart.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, workloadSelector: {labels: {app: cart}}}\n";
    let files = service("cart", "shop", "http") + declared;
    let world = World::start(&[("nodes.yaml", NODES), ("cart.yaml", &files), ("group.yaml", &group("app: cart"))])?;
    for namespace in ["shop", "office"] {
        world.enrol(namespace, true)?;
    }
    world.settle()?;
    Ok(world)
}

/// Who answers twenty requests of a caller, each with a connection of its own; nobody may fail.
fn answering(world: &World, host: &str) -> Result<Vec<String>> {
    let script = format!("curl -s -f -m 20 -H 'Connection: close' 'http://{host}/[1-20]'");
    let output = world.run("office", &[], &script)?;
    ensure!(output.status.success(), "{}\n{}", output.status, world.story_so_far());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
    ensure!(names.len() == 20, "{text}");
    names.sort();
    names.dedup();
    Ok(names)
}

/// Waits until requests are answered by exactly those.
fn answered_by(world: &World, host: &str, members: &[&Console]) -> Result<()> {
    let mut expected: Vec<&str> = members.iter().map(|member| member.name()).collect();
    expected.sort_unstable();
    let mut last = Vec::new();
    wait_for("those and no others to answer", 2 * SOON, || {
        last = answering(world, host)?;
        Ok((last == expected).then_some(()))
    })
    .with_context(|| format!("{host}: {last:?}, not {expected:?}\n{}", world.story_so_far()))
}

#[test]
fn members_get_traffic_while_they_are_well() -> Result<()> {
    world()?.tell(|world| {
        let member = || world.captured_console("shop", &["--group", "vms", "--label", "app=other"], MEMBER);
        let (mut first, second) = (member()?, member()?);
        for host in ["cart.shop", "cart.example"] {
            answered_by(world, host, &[&first, &second])?;
        }
        let row = world.get("shop", first.name())?;
        ensure!(row["group"] == "vms" && row["service_account"] == "cart" && row["ready"] == true, "{row}");
        ensure!(row["labels"]["app"] == "cart" && row["labels"]["version"] == "v1", "{row}");
        ensure!(first.ask("probed")? == "vms", "the probe has no header of its own");
        let from = format!("shop/{}", second.name());
        let told = world.cli(&["explain", "--from", &from, "--to", "cart.shop:80", "--path", "/"])?;
        ensure!(told.contains("WorkloadGroup shop/vms"), "{told}");
        let described = world.cli(&["describe", "workloadgroup", "vms", "-n", "shop"])?;
        ensure!(described.contains(first.name()) && described.contains(second.name()), "{described}");

        // Traffic leaves whoever is ill, and comes back.
        first.ask("become(False)")?;
        answered_by(world, "cart.shop", &[&second])?;
        ensure!(world.get("shop", first.name())?["ready"] == false, "it counts as ready");
        first.ask("become(True)")?;
        answered_by(world, "cart.shop", &[&first, &second])?;

        // A group that changes changes its members.
        applied(world, "group.yaml", "elsewhere", &group("app: elsewhere"))?;
        wait_for("nobody to be left behind the service", SOON, || {
            let output = world.run("office", &[], "curl -s -o /dev/null -w '%{http_code}' -m 20 http://cart.shop/")?;
            Ok((output.stdout == b"503" || output.stdout == b"000").then_some(()))
        })
        .with_context(|| world.story_so_far())?;
        applied(world, "group.yaml", "back", &group("app: cart"))?;
        answered_by(world, "cart.shop", &[&first, &second])?;

        // Who ends is gone.
        let gone = first.name().to_owned();
        drop(first);
        answered_by(world, "cart.shop", &[&second])?;
        wait_for("it to be gone", SOON, || Ok(world.get("shop", &gone).is_err().then_some(())))?;

        // Nobody passes for another, and there are no groups but those that are declared.
        for (flags, told) in [
            (&["--group", "vms", "--service-account", "admin"][..], "have the service account cart"),
            (&["--group", "vmz"], "there are: vms"),
        ] {
            let refused = world.try_cli(&[&["run", "-n", "shop"], flags, &["--", "true"]].concat())?;
            let text = String::from_utf8_lossy(&refused.stderr).into_owned();
            ensure!(!refused.status.success() && text.contains(told), "{}: {text}", refused.status);
        }
        Ok(())
    })
}
