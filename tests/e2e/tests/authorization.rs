//! Who may connect, by `AuthorizationPolicy`: at the callee's node, on every connection.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES, Talker, echo,
    observe::{applied, fails, flows, in_state, killed, logged, succeeds},
};
use ripstop_world::{SOON, World, wait_for};

/// Two callees in the mesh; a caller in it, one of another account, and one that is not in it.
struct Stage {
    friend: Talker,
    other: Talker,
    plain: Talker,
}

impl Stage {
    fn set(world: &World) -> Result<Self> {
        let mut friend = Talker::start(world, "front", &["--node", "east", "--service-account", "friend"])?;
        let mut other = Talker::start(world, "back", &["--node", "west", "--service-account", "other"])?;
        let mut plain = Talker::start(world, "outside", &["--node", "east"])?;
        for namespace in ["shop", "front", "back"] {
            world.enrol(namespace, true)?;
        }
        for talker in [&mut friend, &mut other] {
            in_state(world, &talker.namespace, &talker.name, "CAPTURED")?;
        }
        for talker in [&mut friend, &mut other, &mut plain] {
            succeeds(world, talker, "dial default far.shop 9000")?;
            talker.ask("close default")?;
        }
        Ok(Self { friend, other, plain })
    }

    /// Waits until just these of (friend, other, plain) are served by `host`.
    fn expect(&mut self, world: &World, host: &str, served: [bool; 3]) -> Result<()> {
        for (talker, served) in [&mut self.friend, &mut self.other, &mut self.plain].into_iter().zip(served) {
            let command = format!("dial expected {host}");
            if served {
                succeeds(world, talker, &command).with_context(|| talker.namespace.clone())?;
                talker.ask("close expected")?;
            } else {
                refused(world, talker, &command)?;
            }
        }
        Ok(())
    }
}

/// Waits until `command` is reset before anything comes: plaintext at once, a tunnel's caller by its own proxy.
fn refused(world: &World, talker: &mut Talker, command: &str) -> Result<()> {
    fails(world, talker, command, "ConnectionResetError").with_context(|| talker.namespace.clone())
}

fn world() -> Result<World> {
    let far = echo("far", "shop", "west");
    World::start(&[("nodes.yaml", NODES), ("far.yaml", &far), ("near.yaml", &echo("near", "shop", "east"))])
}

fn policy(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

const FRIEND: &str = "cluster.local/ns/front/sa/friend";

#[test]
fn each_form_of_a_connection_decides() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        let (far, near) = ("far.shop 9000", "near.shop 9000");
        let plain_ip = stage.plain.ip.clone();
        let all = [true; 3];
        // (namespace, spec, who of friend, other and plain is served by far, and who by near)
        let cases: [(&str, String, [bool; 3], [bool; 3]); 12] = [
            ("shop", "{}".into(), [false; 3], [false; 3]),
            ("shop", "{selector: {matchLabels: {app: far}}}".into(), [false; 3], all),
            ("istio-system", "{action: DENY, rules: [{}]}".into(), [false; 3], [false; 3]),
            ("front", "{}".into(), all, all),
            ("shop", "{rules: [{}]}".into(), all, all),
            (
                "shop",
                format!("{{rules: [{{from: [{{source: {{principals: [{FRIEND}]}}}}]}}]}}"),
                [true, false, false],
                [true, false, false],
            ),
            (
                "shop",
                "{rules: [{from: [{source: {namespaces: [ba*]}}, {source: {serviceAccounts: [front/friend]}}]}]}"
                    .into(),
                [true, true, false],
                [true, true, false],
            ),
            // Who proves no identity is never an exception of a DENY.
            (
                "shop",
                format!("{{action: DENY, rules: [{{from: [{{source: {{notPrincipals: [{FRIEND}]}}}}]}}]}}"),
                [true, false, false],
                [true, false, false],
            ),
            (
                "shop",
                format!("{{action: DENY, rules: [{{from: [{{source: {{ipBlocks: [{plain_ip}]}}}}]}}]}}"),
                [true, true, false],
                [true, true, false],
            ),
            ("shop", "{action: DENY, rules: [{to: [{operation: {ports: ['9000']}}]}]}".into(), [false; 3], [false; 3]),
            // What looks at requests allows no connection, and denies every one.
            ("shop", "{rules: [{to: [{operation: {methods: [GET]}}]}]}".into(), [false; 3], [false; 3]),
            ("shop", "{action: DENY, rules: [{to: [{operation: {paths: [/x]}}]}]}".into(), [false; 3], [false; 3]),
        ];
        for (index, (namespace, spec, at_far, at_near)) in cases.into_iter().enumerate() {
            applied(world, "policy.yaml", &format!("case-{index}"), &policy(namespace, "rule", &spec))?;
            stage.expect(world, far, at_far).with_context(|| spec.clone())?;
            stage.expect(world, near, at_near).with_context(|| spec.clone())?;
        }
        let findings = world.cli(&["get", "findings"])?;
        ensure!(findings.contains("paths") && findings.contains("policy.yaml:"), "no word about paths: {findings}");
        world.remove("policy.yaml")?;
        stage.expect(world, far, all)
    })
}

#[test]
fn open_connections_end_when_they_are_no_longer_allowed_and_only_those() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        for talker in [&mut stage.friend, &mut stage.other, &mut stage.plain] {
            talker.ask("dial kept far.shop 9000")?;
            talker.ask("pump kept")?;
        }
        let spec = format!(
            "{{selector: {{matchLabels: {{app: far}}}}, rules: [{{from: [{{source: {{principals: [{FRIEND}]}}}}]}}]}}"
        );
        world.write("policy.yaml", &policy("shop", "friends", &spec))?;
        for talker in [&mut stage.other, &mut stage.plain] {
            let how = talker.ask("ended kept 20")?;
            ensure!(how == "ConnectionResetError", "{}: {how}", talker.namespace);
        }
        flows(&mut stage.friend, "kept")?;
        let source = format!("src.addr={}:", stage.plain.ip);
        let words = [&source, "response_flags=DENY", "policy=AuthorizationPolicy/shop/friends/", "closed by a policy"];
        logged(world, "node-west", &words)?;
        // New ones are refused with the same name in the log, and explained.
        refused(world, &mut stage.other, "dial new far.shop 9000")?;
        logged(world, "node-west", &["connection denied", "sa/other", "policy=AuthorizationPolicy/shop/friends/"])?;
        // A DENY that names the friend ends that one, too; the policy gone, all may come again.
        let spec = "{action: DENY, rules: [{from: [{source: {principals: ['*/friend']}}]}]}";
        world.write("deny.yaml", &policy("istio-system", "nobody", spec))?;
        let how = stage.friend.ask("ended kept 20")?;
        ensure!(how == "ConnectionResetError", "{how}");
        let rule = "policy=AuthorizationPolicy/istio-system/nobody/";
        logged(world, "node-west", &["closed by a policy", rule, "spec.rules[0]"])?;
        world.remove("deny.yaml")?;
        world.remove("policy.yaml")?;
        stage.expect(world, "far.shop 9000", [true; 3])
    })
}

#[test]
fn policies_hold_without_a_control_plane_and_after_a_new_start() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        let only = [true, false, false];
        let spec = format!("{{rules: [{{from: [{{source: {{principals: [{FRIEND}]}}}}]}}]}}");
        world.write("policy.yaml", &policy("shop", "friends", &spec))?;
        stage.expect(world, "far.shop 9000", only)?;
        killed(world, "node-west")?;
        stage.expect(world, "far.shop 9000", only)?;
        // A file that became nonsense opens nothing.
        world.write("policy.yaml", &policy("shop", "friends", "{rules: [{from: [{source: {principal: x}}]}]}"))?;
        wait_for("the finding", SOON, || {
            let findings = world.json(&["get", "findings"])?;
            let all = findings.as_array().into_iter().flatten();
            Ok(all.into_iter().any(|finding| finding["level"] == "error").then_some(()))
        })?;
        world.kill("control")?;
        stage.expect(world, "far.shop 9000", only)
    })
}

/// What the proxy of node west has counted of a rule of namespace shop.
fn counted(world: &World, policy: &str, rule: &str, result: &str) -> Result<u64> {
    let line = format!(
        "ripstop_authorization_decisions_total{{kind=\"AuthorizationPolicy\",policy=\"shop/{policy}\",rule=\"{rule}\",result=\"{result}\",reason=\"\"}} "
    );
    let metrics = world.cli(&["metrics", "node-west"])?;
    Ok(metrics.lines().find_map(|told| told.strip_prefix(&line)?.parse().ok()).unwrap_or(0))
}

#[test]
fn what_policies_say_is_counted_and_what_they_would_say_on_trial() -> Result<()> {
    world()?.tell(|world| {
        let mut stage = Stage::set(world)?;
        let friends = format!("{{rules: [{{from: [{{source: {{namespaces: [nobody]}}}}]}}, {{from: [{{source: {{principals: [{FRIEND}]}}}}]}}]}}");
        let trial = "{action: DENY, rules: [{to: [{operation: {ports: ['1']}}]}, {from: [{source: {namespaces: [front]}}]}]}";
        let trial = policy("shop", "trial", trial)
            .replace("namespace: shop}", "namespace: shop, annotations: {istio.io/dry-run: 'true'}}");
        let seen = policy("shop", "seen", "{action: AUDIT, rules: [{}]}");
        let text = [policy("shop", "friends", &friends), trial, seen].join("---\n");
        applied(world, "policies.yaml", "policies", &text)?;
        stage.expect(world, "far.shop 9000", [true, false, false])?;
        let rows =
            [("friends", "1", "allowed"), ("friends", "", "denied"), ("trial", "1", "would_deny"), ("seen", "0", "audited")];
        let all = || rows.iter().map(|(policy, rule, result)| counted(world, policy, rule, result)).collect::<Result<Vec<_>>>();
        let before = all()?;
        ensure!(before.iter().all(|count| *count > 0), "{before:?}");
        for _ in 0..3 {
            stage.friend.ask("dial again far.shop 9000")?;
            stage.friend.ask("close again")?;
        }
        refused(world, &mut stage.other, "dial again far.shop 9000")?;
        let after = all()?;
        ensure!(after[0] == before[0] + 3 && after[2] == before[2] + 3, "{before:?} {after:?}");
        let refused = after[1] - before[1];
        ensure!(refused > 0 && after[3] == before[3] + 3 + refused, "{before:?} {after:?}");
        let table = world.cli(&["config", "policies", "west"])?;
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut rows = table.lines().map(words);
        let trial = rows.find(|row| row.iter().any(|word| word == "shop/trial") && row.iter().any(|word| word == "1"));
        ensure!(trial.and_then(|row| row.last().cloned()) == Some(after[2].to_string()), "{table}");
        // A change begins nothing anew.
        applied(world, "policies.yaml", "changed", &text.replace("ports: ['1']", "ports: ['2']"))?;
        stage.friend.ask("dial again far.shop 9000")?;
        let now = all()?;
        ensure!(now[0] == after[0] + 1 && now[2] == after[2] + 1, "{after:?} {now:?}");
        Ok(())
    })
}
