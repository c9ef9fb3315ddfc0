//! Who may speak plaintext, by policy.

use anyhow::{Result, bail, ensure};
use ripstop_e2e::{
    NODES, Talker, echo,
    observe::{counted, fails, flows, in_state, logged, succeeds},
    peer_authentication,
};
use ripstop_world::{SOON, World, wait_for};

/// The echo `far` on a second port, 9001, which its service calls 81.
const TWO_PORTS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: two, namespace: shop}
spec:
  selector: {app: two}
  ports: [{name: first, port: 9000}, {name: second, port: 81, targetPort: 9001}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: two, namespace: shop, labels: {app: two}}
spec:
  node: west
  serviceAccountName: two
  command: [sh, -c, 'bookinfo echo --greet --listen [::]:9001 & exec bookinfo echo --greet']
  ports: [{name: first, containerPort: 9000}, {name: second, containerPort: 9001}]
  readinessProbe: {tcpSocket: {port: second}, periodSeconds: 1}
";

/// Two callees, and a caller that is in the mesh, and one that is not.
struct Stage {
    meshed: Talker,
    plain: Talker,
}

fn world() -> Result<World> {
    World::start(&[("nodes.yaml", NODES), ("far.yaml", &echo("far", "shop", "west")), ("two.yaml", TWO_PORTS)])
}

impl Stage {
    fn set(world: &World) -> Result<Self> {
        let mut meshed = Talker::start(world, "front", &["--node", "east"])?;
        let mut plain = Talker::start(world, "outside", &["--node", "east"])?;
        world.enrol("shop", true)?;
        world.enrol("front", true)?;
        in_state(world, "front", &meshed.name, "CAPTURED")?;
        for talker in [&mut meshed, &mut plain] {
            succeeds(world, talker, "dial default far.shop 9000")?;
            talker.ask("close default")?;
        }
        Ok(Self { meshed, plain })
    }

    /// Waits until plaintext to `target` is reset, and recorded with `policy`; nothing: with none, which is the
    /// mesh's default. The meshed caller is served all the time.
    fn expect_strict(&mut self, world: &World, target: &str, port: u16, policy: Option<&str>) -> Result<()> {
        let Self { meshed, plain } = self;
        let (command, source) = (format!("dial refused {target}"), format!(" src.addr={}:", plain.ip));
        let line = wait_for(&format!("plaintext to {target} to be refused by {policy:?}"), SOON, || {
            let before = denials(world, &source)?.len();
            match plain.attempt(&command)? {
                Err(error) if error.starts_with("ConnectionResetError") => {}
                other => bail!("{other:?}"),
            }
            let line = wait_for("its record", SOON, || Ok(denials(world, &source)?.into_iter().nth(before)))?;
            let by_whom = line.split(' ').find_map(|word| word.strip_prefix("policy="));
            let as_expected = match policy {
                Some(policy) => by_whom.is_some_and(|id| id.starts_with(policy)),
                None => by_whom.is_none(),
            };
            Ok(as_expected.then_some(line))
        })?;
        ensure!(line.contains(&format!("src.workload={} src.namespace=outside", plain.name)), "{line}");
        ensure!(line.contains(&format!(":{port} dst.workload=")) && !line.contains("src.identity="), "{line}");
        ensure!(line.contains("response_flags=DENY") && line.contains(&format!("port {port} is STRICT")), "{line}");
        meshed.ask(&format!("dial served {target}"))?;
        meshed.ask("close served")?;
        Ok(())
    }

    /// Waits until plaintext to `target` is carried.
    fn expect_open(&mut self, world: &World, target: &str) -> Result<()> {
        for talker in [&mut self.plain, &mut self.meshed] {
            succeeds(world, talker, &format!("dial open {target}"))?;
            talker.ask("close open")?;
        }
        Ok(())
    }
}

/// What the callees' proxy has turned away of the caller `source`.
fn denials(world: &World, source: &str) -> Result<Vec<String>> {
    let log = world.cli(&["logs", "node-west"])?;
    let denials = log.lines().filter(|line| line.contains("connection denied") && line.contains(source));
    Ok(denials.filter(|line| line.contains("direction=inbound")).map(ToOwned::to_owned).collect())
}

#[test]
fn strict_resets_and_records_plaintext_at_every_level_and_goes_with_its_policy() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        let far = "far.shop 9000";
        for (namespace, app, id) in [
            ("shop", None, "PeerAuthentication/shop/default/"),
            ("shop", Some("far"), "PeerAuthentication/shop/far/"),
            ("istio-system", None, "PeerAuthentication/istio-system/default/"),
        ] {
            world.write("policy.yaml", &peer_authentication(namespace, app, "STRICT"))?;
            stage.expect_strict(world, far, 9000, Some(id))?;
            if app.is_some() {
                // Another workload of the namespace is not meant.
                stage.expect_open(world, "two.shop 9000")?;
            }
            world.remove("policy.yaml")?;
            stage.expect_open(world, far)?;
        }
        // A selector in the root namespace reaches no other namespace, and is a finding.
        world.write("policy.yaml", &peer_authentication("istio-system", Some("far"), "STRICT"))?;
        wait_for("the finding", SOON, || {
            let findings = world.json(&["get", "findings"])?;
            let found = findings.as_array().into_iter().flatten().any(|finding| finding["code"] == "RS213");
            Ok(found.then_some(()))
        })?;
        world.settle()?;
        stage.expect_open(world, far)
    })
}

/// `Mesh` with a default of mutual TLS.
fn mesh(mode: &str) -> String {
    format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{mtls: {{mode: {mode}}}}}\n"
    )
}

#[test]
fn the_mesh_has_a_default_that_a_policy_of_the_root_namespace_beats() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        let far = "far.shop 9000";
        world.write("mesh.yaml", &mesh("STRICT"))?;
        stage.expect_strict(world, far, 9000, None)?;
        world.write("root.yaml", &peer_authentication("istio-system", None, "PERMISSIVE"))?;
        stage.expect_open(world, far)?;
        // Nearer ones beat it in their turn.
        world.write("namespace.yaml", &peer_authentication("shop", None, "STRICT"))?;
        stage.expect_strict(world, far, 9000, Some("PeerAuthentication/shop/default/"))?;
        world.write("workload.yaml", &peer_authentication("shop", Some("far"), "PERMISSIVE"))?;
        stage.expect_open(world, far)?;
        stage.expect_strict(world, "two.shop 9000", 9000, Some("PeerAuthentication/shop/default/"))?;
        // UNSET keeps what the layer above says.
        world.write("workload.yaml", &peer_authentication("shop", Some("far"), "UNSET"))?;
        stage.expect_strict(world, far, 9000, Some("PeerAuthentication/shop/default/"))?;
        for file in ["workload.yaml", "namespace.yaml", "root.yaml"] {
            world.remove(file)?;
        }
        stage.expect_strict(world, far, 9000, None)?;
        // Which namespace that is, the mesh says.
        world.write("root.yaml", &peer_authentication("root", None, "PERMISSIVE"))?;
        stage.expect_strict(world, far, 9000, None)?;
        world.write("mesh.yaml", &mesh("STRICT").replace("mtls:", "meshConfig: {rootNamespace: root}, mtls:"))?;
        stage.expect_open(world, far)?;
        world.remove("root.yaml")?;
        world.remove("mesh.yaml")?;
        stage.expect_open(world, far)
    })
}

/// A policy of the workload `two` with modes of its ports.
fn by_port(mode: &str, ports: &str) -> String {
    format!(
        "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: ports, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: two}}}}
  mtls: {{mode: {mode}}}
  portLevelMtls: {ports}
"
    )
}

#[test]
fn ports_are_those_of_the_workload() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        let (first, second) = ("two.shop 9000", "two.shop 81");
        let policy = Some("PeerAuthentication/shop/ports/");
        world.write("policy.yaml", &by_port("PERMISSIVE", "{9001: {mode: STRICT}}"))?;
        stage.expect_strict(world, second, 9001, policy)?;
        stage.expect_open(world, first)?;
        world.write("policy.yaml", &by_port("STRICT", "{9001: {mode: PERMISSIVE}}"))?;
        stage.expect_strict(world, first, 9000, policy)?;
        stage.expect_open(world, second)?;
        // A number of the service is none of the workload.
        world.write("policy.yaml", &by_port("PERMISSIVE", "{81: {mode: STRICT}}"))?;
        stage.expect_open(world, first)?;
        stage.expect_open(world, second)
    })
}

#[test]
fn a_disabled_port_takes_plaintext_only_also_from_the_mesh() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        world.write("policy.yaml", &by_port("STRICT", "{9001: {mode: DISABLE}}"))?;
        stage.expect_strict(world, "two.shop 9000", 9000, Some("PeerAuthentication/shop/ports/"))?;
        world.settle()?;
        for talker in [&mut stage.plain, &mut stage.meshed] {
            let seen = talker.ask("dial disabled two.shop 81")?;
            ensure!(seen.as_str().is_some_and(|seen| seen.starts_with(&talker.ip)), "{seen}");
            talker.ask("close disabled")?;
        }
        // The meshed caller's proxies carried it, without a tunnel.
        let from = format!("src.addr={}:", stage.meshed.ip);
        let line = logged(world, "node-east", &[&from, ":81 ", "direction=outbound", "dst.workload=two-0"])?;
        ensure!(!line.contains("hbone_addr") && !line.contains("identity="), "{line}");
        let line = logged(world, "node-west", &[&from, ":9001 ", "direction=inbound", "connection complete"])?;
        ensure!(!line.contains("identity="), "{line}");
        Ok(())
    })
}

/// The first thing that it does is to call, once.
const FIRST_CALL: &str = "\
import socket
s = socket.create_connection((\"far.shop\", 9000), 10)
print(s.makefile().readline())";

#[test]
fn a_workload_of_the_mesh_is_captured_before_its_first_packet() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        world.write("policy.yaml", &peer_authentication("shop", None, "STRICT"))?;
        stage.expect_strict(world, "far.shop 9000", 9000, Some("PeerAuthentication/shop/default/"))?;
        for _ in 0..5 {
            let output = world.workload("front", &[], &["/usr/bin/python3", "-c", FIRST_CALL]).output()?;
            let (told, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            ensure!(output.status.success() && told.starts_with("10.244."), "{told}{error}");
            let output = world.workload("outside", &[], &["/usr/bin/python3", "-c", FIRST_CALL]).output()?;
            ensure!(!output.status.success(), "plaintext was served: {output:?}");
        }
        // A declared one, too: it exits with 0 only if its first call was served.
        let declared = format!(
            "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: once, namespace: front}}
spec: {{node: west, restartPolicy: Never, command: [/usr/bin/python3, -c, '{}']}}
",
            FIRST_CALL.replace('\n', "; ")
        );
        world.write("once.yaml", &declared)?;
        wait_for("it to have called", SOON, || {
            let processes = world.processes()?;
            let ended = processes.get("front/once-0").filter(|once| once.state.starts_with("exited"));
            Ok(ended.map(|once| once.state.clone()))
        })
        .and_then(|state| {
            ensure!(state == "exited(0)", "{state}: {}", world.cli(&["logs", "front/once-0"])?);
            Ok(())
        })
    })
}

#[test]
fn open_plaintext_is_reset_when_strict_takes_effect_and_nothing_else() -> Result<()> {
    world()?.tell(|world| {
        let mut before = Talker::start(world, "outside", &["--node", "east"])?;
        succeeds(world, &mut before, "dial exempt-first two.shop 9000")?;
        succeeds(world, &mut before, "dial exempt-second two.shop 81")?;
        let mut stage = Stage::set(world)?;
        counted(world, "shop", "two-0", "plain", 2)?;
        for talker in [&mut stage.plain, &mut stage.meshed] {
            for (name, port) in [("first", 9000), ("second", 81)] {
                talker.ask(&format!("dial {name} two.shop {port}"))?;
                talker.ask(&format!("pump {name}"))?;
            }
        }
        world.write("policy.yaml", &by_port("PERMISSIVE", "{9000: {mode: STRICT}}"))?;
        let how = stage.plain.ask("ended first 20")?;
        ensure!(how == "ConnectionResetError", "the captured one: {how}");
        let how = before.ask("ended exempt-first 20")?;
        ensure!(how == "ConnectionResetError", "the exempt one: {how}");
        counted(world, "shop", "two-0", "plain", 1)?;
        before.ask("say exempt-second still here")?;
        flows(&mut stage.plain, "second")?;
        flows(&mut stage.meshed, "first")?;
        flows(&mut stage.meshed, "second")?;
        // Both are on record, each where it was known.
        let source = format!("src.addr={}:", stage.plain.ip);
        let words =
            [&source, ":9000 ", "response_flags=DENY", "policy=PeerAuthentication/shop/ports/", "closed by a policy"];
        logged(world, "node-west", &words)?;
        let source = format!("source={}:", before.ip);
        let workload = format!("/outside/{}", before.name);
        let words = ["of before reset", "port=9000", &source, &workload, "PeerAuthentication/shop/ports/"];
        logged(world, "agent-west", &words)?;
        // New ones are refused, too.
        fails(world, &mut before, "dial refused two.shop 9000", "ConnectionResetError")
    })
}
