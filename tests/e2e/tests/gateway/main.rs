//! The gateway: from the machine into the mesh, as `Gateway` objects say.

mod authorities;
mod certificates;
mod http;
mod listeners;
mod load;
mod tls;

use std::{collections::BTreeMap, path::Path, process::Stdio};

use anyhow::{Context, Result, bail, ensure};
use ripstop_e2e::{NODES, observe::applied, reflect, service};
use ripstop_world::{HostNetwork, SOON, World, wait_for};
use serde_json::Value;

/// Identity of the default gateway, as policies name it.
const PRINCIPAL: &str = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account";

/// Two versions of `web` and a service `other`, all enrolled, on a machine of its own.
fn world() -> Result<World> {
    let files = [
        ("nodes.yaml", NODES.to_owned()),
        ("service.yaml", service("web", "shop", "http")),
        ("v1.yaml", reflect("web", "v1", "shop", "west")),
        ("v2.yaml", reflect("web", "v2", "shop", "east")),
        ("other-service.yaml", service("other", "shop", "http")),
        ("other.yaml", reflect("other", "v1", "shop", "east")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let world = World::start_in(HostNetwork::create()?, &files)?;
    world.enrol("shop", true)?;
    Ok(world)
}

/// A `Gateway` of the default ingress gateway.
fn gateway(name: &str, servers: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  \
         selector: {{istio: ingressgateway}}\n  servers:\n{servers}---\n"
    )
}

/// A `VirtualService` of a `Gateway`.
fn routes(name: &str, gateway: &str, hosts: &str, rules: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  \
         hosts: [{hosts}]\n  gateways: [{gateway}]\n{rules}---\n"
    )
}

/// Routes of everything to `web`.
const TO_WEB: &str = "  http: [{route: [{destination: {host: web}}]}]\n";

/// Applies objects and waits until the gateway has them and listens on `ports`, and on no others.
fn opened(world: &World, mark: &str, objects: &str, ports: &[u16]) -> Result<()> {
    applied(world, "edge.yaml", mark, objects)?;
    let mut last = Value::Null;
    wait_for(&format!("ports {ports:?}"), SOON, || {
        last = world.json(&["get", "gateways"])?;
        let rows = last.as_array().context("no list")?;
        let open = rows.iter().filter(|row| row["url"].is_string()).filter_map(|row| row["port"].as_u64());
        Ok((rows.len() == ports.len() && open.eq(ports.iter().map(|port| u64::from(*port)))).then_some(()))
    })
    .with_context(|| format!("{last}\n{}", world.story_so_far()))?;
    let gateway = || world.get("istio-system", "istio-ingressgateway-0");
    if !ports.is_empty() {
        wait_for("the gateway to be ready", SOON, || Ok((gateway()?["ready"] == true).then_some(())))?;
    }
    world.settle()
}

/// An answer as curl got it.
struct Got {
    status: u16,
    /// Fields, names in lower case.
    fields: BTreeMap<String, String>,
    body: String,
    /// What the server was asked, if it was `bookinfo reflect`.
    asked: Value,
}

impl Got {
    fn name(&self) -> &str {
        self.asked["name"].as_str().unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.asked["headers"][name][0].as_str().unwrap_or_default()
    }
}

/// Runs a shell script on the machine, in the directory of the story's certificates; gives what it printed.
fn on_host(world: &World, script: &str) -> Result<String> {
    let mut command = world.as_user(Path::new("sh"));
    command.args(["-c", script]).current_dir(world.path("")).stdin(Stdio::null());
    let output = command.output()?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Runs curl on the machine.
fn curl(world: &World, options: &str) -> Result<Got> {
    let text = on_host(world, &format!("curl -s -i -m 20 {options}"))?.replace("\r\n", "\n");
    let Some((head, body)) = text.split_once("\n\n") else {
        bail!("curl {options} got no answer: {text:?}\n{}", world.story_so_far())
    };
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split_whitespace().nth(1)).context("no status line")?;
    let fields = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body = body.trim_end().to_owned();
    Ok(Got { status: status.parse()?, fields, asked: serde_json::from_str(&body).unwrap_or_default(), body })
}

/// The exit status of curl, which gets no answer.
fn curl_fails(world: &World, options: &str) -> Result<i32> {
    let text = on_host(world, &format!("curl -s -m 20 -o /dev/null {options}; echo $?"))?;
    let code = text.trim().lines().last().context("no exit status")?.parse()?;
    ensure!(code != 0, "curl {options} got an answer");
    Ok(code)
}
