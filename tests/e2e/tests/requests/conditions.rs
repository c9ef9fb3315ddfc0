//! Who may ask, and when: each field of a source, and each condition, judged request by request.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::observe::applied;
use ripstop_world::{Console, SOON, World, wait_for};

use crate::{policy, world};

const CALLER: &str = r#"
import os, shlex, subprocess

def curl(options):
    command = ["curl", "-s", "-o", "/dev/null", "-m", "20", "-w", "%{http_code}", *shlex.split(options)]
    return int(subprocess.run(command, capture_output=True, text=True).stdout)
"#;

/// An enrolled caller with an account of its own, another one, and one that is not in the mesh.
struct Callers {
    consoles: [Console; 3],
    addresses: [String; 3],
}

// === impl Callers ===

impl Callers {
    fn start(world: &World) -> Result<Self> {
        for namespace in ["front", "back"] {
            world.enrol(namespace, true)?;
        }
        let flags = |node, account| ["--node", node, "--service-account", account];
        let mut consoles = [
            world.captured_console("front", &flags("east", "friend"), CALLER)?,
            world.captured_console("back", &flags("west", "other"), CALLER)?,
            world.console("outside", &flags("east", "stranger"), CALLER)?,
        ];
        for console in &mut consoles {
            wait_for("the server to answer", SOON, || {
                Ok((console.ask("curl('http://web.shop/')")? == 200).then_some(()))
            })
            .with_context(|| world.story_so_far())?;
        }
        let mut address = |index: usize| consoles[index].text("os.environ['POD_IP']");
        let addresses = [address(0)?, address(1)?, address(2)?];
        Ok(Self { consoles, addresses })
    }

    /// What each of them is answered.
    fn ask(&mut self, options: &str) -> Result<[u64; 3]> {
        let mut statuses = [0; 3];
        for (console, status) in self.consoles.iter_mut().zip(&mut statuses) {
            *status = console.ask(&format!("curl({options:?})"))?.as_u64().context("no status")?;
        }
        Ok(statuses)
    }
}

/// A case: what the only rule says, and what each caller is answered to a request with these options.
type Case<'a> = (String, &'a str, [u64; 3]);

/// Puts each policy in force and asks. What says nothing of requests is made to: else connections are judged, and
/// refused ones reset.
fn tell(world: &World, callers: &mut Callers, action: &str, cases: Vec<Case<'_>>) -> Result<()> {
    for (index, (rule, options, expected)) in cases.into_iter().enumerate() {
        let rule = if rule.contains("to: ") { rule } else { rule + ", to: [{operation: {methods: ['*']}}]" };
        let spec = format!("{{action: {action}, rules: [{{{rule}}}]}}");
        let mark = format!("{}-{index}", action.to_lowercase());
        applied(world, "policy.yaml", &mark, &policy("rule", &spec))?;
        let got = callers.ask(&format!("{options} http://web.shop/a"))?;
        ensure!(got == expected, "{spec}, {options}: {got:?} instead of {expected:?}\n{}", world.story_so_far());
    }
    Ok(())
}

fn from(source: &str) -> String {
    format!("from: [{{source: {{{source}}}}}]")
}

fn when(key: &str, values: &str) -> String {
    format!("when: [{{key: '{key}', {values}}}]")
}

fn to(operation: &str) -> String {
    format!("to: [{{operation: {{{operation}}}}}]")
}

const FRIEND: &str = "cluster.local/ns/front/sa/friend";
/// Only this one is let in.
const FIRST: [u64; 3] = [200, 403, 403];
const SECOND: [u64; 3] = [403, 200, 403];
const ALL: [u64; 3] = [200; 3];
const NOBODY: [u64; 3] = [403; 3];
/// All but this one.
const NOT_FIRST: [u64; 3] = [403, 200, 200];
const NOT_SECOND: [u64; 3] = [200, 403, 200];
const NOT_THIRD: [u64; 3] = [200, 200, 403];

#[test]
fn each_field_of_a_source_decides_about_a_request() -> Result<()> {
    world()?.tell(|world| {
        let mut callers = Callers::start(world)?;
        let [first, second, _] = callers.addresses.clone();
        // Who proves no identity is nobody that an ALLOW means, whichever way it is said.
        let allowed = vec![
            (from(&format!("principals: [{FRIEND}]")), "", FIRST),
            (from("principals: ['cluster.local/ns/front/*']"), "", FIRST),
            (from("principals: ['*']"), "", NOT_THIRD),
            (from(&format!("notPrincipals: [{FRIEND}]")), "", SECOND),
            (from("namespaces: [front]"), "", FIRST),
            (from("notNamespaces: [front]"), "", SECOND),
            (from("serviceAccounts: [front/friend, front/other]"), "", FIRST),
            (from("notServiceAccounts: [front/friend]"), "", SECOND),
            (from(&format!("ipBlocks: [{first}]")), "", FIRST),
            (from(&format!("notIpBlocks: [{first}/32]")), "", NOT_FIRST),
            (from(&format!("remoteIpBlocks: [{second}]")), "", SECOND),
            (from(&format!("notRemoteIpBlocks: [{second}]")), "", NOT_SECOND),
            // Of one source all fields have to hold, and of several any.
            (from(&format!("namespaces: [front, back], notIpBlocks: [{first}]")), "", SECOND),
            (
                format!("from: [{{source: {{namespaces: [front]}}}}, {{source: {{ipBlocks: [{second}]}}}}]"),
                "",
                NOT_THIRD,
            ),
            // Nobody brings a token that anybody looked at.
            (from("requestPrincipals: ['*']"), "-H 'authorization: Bearer a.b.c'", NOBODY),
        ];
        tell(world, &mut callers, "ALLOW", allowed)?;
        let denied = vec![
            (from(&format!("principals: [{FRIEND}]")), "", SECOND),
            (from(&format!("notPrincipals: [{FRIEND}]")), "", FIRST),
            (from("namespaces: [front]"), "", SECOND),
            (from(&format!("ipBlocks: [{first}]")), "", NOT_FIRST),
            (from(&format!("notRemoteIpBlocks: [{second}]")), "", SECOND),
        ];
        tell(world, &mut callers, "DENY", denied)
    })
}

#[test]
fn each_condition_and_operation_decides_about_a_request() -> Result<()> {
    world()?.tell(|world| {
        let mut callers = Callers::start(world)?;
        let [first, second, _] = callers.addresses.clone();
        let callee = world.get("shop", "web-v1-0")?["addresses"][0].as_str().unwrap_or_default().to_owned();
        let open = "-H 'X-Key: open'";
        let allowed = vec![
            (when("request.headers[x-key]", "values: [open, ajar]"), open, ALL),
            (when("request.headers[X-Key]", "values: ['op*']"), open, ALL),
            (when("request.headers[x-key]", "values: [shut]"), open, NOBODY),
            (when("request.headers[x-key]", "values: [open]"), "", NOBODY),
            (when("request.headers[x-key]", "notValues: [open]"), open, NOBODY),
            (when("request.headers[x-key]", "notValues: [open]"), "", ALL),
            (when("source.ip", &format!("values: [{first}]")), "", FIRST),
            (when("source.ip", &format!("notValues: [{first}/32]")), "", NOT_FIRST),
            (when("remote.ip", &format!("values: [{second}]")), "", SECOND),
            (when("source.namespace", "values: [front]"), "", FIRST),
            (when("source.namespace", "notValues: [front]"), "", SECOND),
            (when("source.principal", &format!("values: [{FRIEND}]")), "", FIRST),
            (when("source.principal", &format!("notValues: [{FRIEND}]")), "", SECOND),
            (when("source.serviceAccount", "values: [back/other]"), "", SECOND),
            (when("source.trustDomain", "values: [cluster.local]"), "", NOT_THIRD),
            (when("destination.ip", &format!("values: [{callee}]")), "", ALL),
            (when("destination.ip", &format!("notValues: [{callee}]")), "", NOBODY),
            // The workload's own port, not that of the Service.
            (when("destination.port", "values: ['8080']"), "", ALL),
            (when("destination.port", "values: ['80']"), "", NOBODY),
            // All conditions have to hold.
            (
                format!("when: [{{key: source.namespace, values: [front]}}, {{key: source.ip, values: [{second}]}}]"),
                "",
                NOBODY,
            ),
            // The same of what is asked.
            (to("methods: [GET, PUT]"), "-X PUT", ALL),
            (to("methods: [GET]"), "-X PUT", NOBODY),
            (to("notMethods: [GET]"), "", NOBODY),
            (to("notMethods: [GET]"), "-X PUT", ALL),
            (to("paths: [/a]"), "", ALL),
            (to("paths: ['/b*']"), "", NOBODY),
            (to("notPaths: [/a]"), "", NOBODY),
            (to("hosts: [web.shop]"), "", ALL),
            (to("hosts: [web.shop]"), "-H 'Host: else.example'", NOBODY),
            (to("notHosts: ['*.example']"), "-H 'Host: else.example'", NOBODY),
            (to("notHosts: ['*.example']"), "", ALL),
            (to("ports: ['8080'], methods: ['*']"), "", ALL),
            (to("notPorts: ['8080'], methods: ['*']"), "", NOBODY),
            (format!("{}, {}", to("methods: [GET]"), from("namespaces: [front]")), "", FIRST),
        ];
        tell(world, &mut callers, "ALLOW", allowed)?;
        let denied = vec![
            (when("request.headers[x-key]", "values: [open]"), open, NOBODY),
            (when("request.headers[x-key]", "values: [open]"), "", ALL),
            (when("source.ip", &format!("values: [{first}]")), "", NOT_FIRST),
            (when("source.namespace", "values: [front]"), "", SECOND),
            (when("destination.port", "values: ['80']"), "", ALL),
            (to("notPaths: [/a]"), "", ALL),
            (format!("{}, {}", to("methods: [GET]"), from(&format!("ipBlocks: [{second}]"))), "", NOT_SECOND),
        ];
        tell(world, &mut callers, "DENY", denied)
    })
}
