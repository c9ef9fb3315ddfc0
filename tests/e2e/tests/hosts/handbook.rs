//! Files 17 and 18 of the handbooks act as they are, in each role.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    handbook::{Handbook, told},
    machine::{self, opens},
    observe::{applied, logged},
};
use ripstop_world::{Console, SOON, World, wait_for};
use serde_json::json;

use crate::{AWAY, Scene, is_refused};

/// By what calls leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Node,
    Sidecar,
    /// Of the host's namespace.
    Waypoint,
    /// Which is called from the machine.
    Gateway,
    /// A gateway that the mesh alone reaches.
    Egress,
}

/// Python for a console.
const SHELL: &str = "\
import subprocess
def sh(script): return subprocess.run(['sh', '-c', script], capture_output=True, text=True).stdout.strip()
";

/// The gateway's port on the machine.
const PORT: u16 = 8443;

/// From the machine to the host, by the name that TLS asks for.
const INWARDS: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: production}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8443, name: tls, protocol: TLS}, hosts: ['*'], tls: {mode: PASSTHROUGH}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: stripe, namespace: production}
spec:
  hosts: [api.stripe.com]
  gateways: [edge]
  tls: [{match: [{sniHosts: [api.stripe.com]}], route: [{destination: {host: api.stripe.com, port: {number: 443}}}]}]
";

/// From the mesh to the host, by an egress gateway.
const OUTWARDS: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: egress, namespace: istio-system, labels: {istio: egressgateway}}
spec: {role: egress, node: west, serviceAccountName: egress}
---
apiVersion: v1
kind: Service
metadata: {name: egress, namespace: istio-system}
spec:
  selector: {istio: egressgateway}
  ports: [{name: tls, port: 443}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: istio-system}
spec:
  selector: {istio: egressgateway}
  servers: [{port: {number: 443, name: tls, protocol: TLS}, hosts: [api.stripe.com], tls: {mode: PASSTHROUGH}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: out, namespace: istio-system}
spec:
  hosts: [api.stripe.com]
  gateways: [mesh, out]
  tls:
  - match: [{gateways: [mesh], port: 443, sniHosts: [api.stripe.com]}]
    route: [{destination: {host: egress.istio-system.svc.cluster.local, port: {number: 443}}}]
  - match: [{gateways: [out], port: 443, sniHosts: [api.stripe.com]}]
    route: [{destination: {host: api.stripe.com, port: {number: 443}}}]
";

// === impl Way ===

impl Way {
    fn caller(self, world: &World) -> Result<Console> {
        let label = ["--label", "sidecar.istio.io/inject=true"];
        let flags: &[&str] = match self {
            Self::Gateway => return machine::console(world, SHELL),
            Self::Sidecar => &label,
            Self::Node | Self::Waypoint | Self::Egress => &[],
        };
        let caller = world.captured_console("production", flags, SHELL)?;
        let served = world.get("production", caller.name())?["mesh"]["proxy"].clone();
        let served = served.as_str().context("no proxy")?;
        let own = format!("sidecar-production.{}", caller.name());
        ensure!((served == own) == (self == Self::Sidecar), "{} has {served}", caller.name());
        Ok(caller)
    }

    /// Whose connections the machine makes.
    fn leaves(self, caller: &Console) -> &str {
        match self {
            Self::Node | Self::Sidecar => caller.name(),
            Self::Waypoint => "waypoint-0",
            Self::Gateway => "istio-ingressgateway-0",
            Self::Egress => "egress-0",
        }
    }

    /// What curl prints for `options`, and its status.
    fn curl(self, caller: &mut Console, options: &str) -> Result<String> {
        let to = if self == Self::Gateway { format!("--connect-to ::127.0.0.1:{PORT} ") } else { String::new() };
        let script = json!(format!("curl -s -k -m 10 {to}{options}; echo \" $?\""));
        caller.text(&format!("sh({script})"))
    }

    fn status(self, caller: &mut Console, url: &str) -> Result<String> {
        self.curl(caller, &format!("-o /dev/null -w '%{{http_code}}' {url}"))
    }
}

const STRIPE: &str = "https://api.stripe.com/v1/charges";
const STRANGER: &str = "https://stranger.example/";

fn is_reached_where_others_are_not(way: Way) -> Result<()> {
    let Some(handbook) = Handbook::find() else { return Ok(()) };
    Scene::set("")?.tell(|world, _| {
        world.enrol("production", true)?;
        match way {
            Way::Waypoint => {
                world.cli(&["waypoint", "apply", "-n", "production", "--enroll-namespace", "--wait"])?;
                world.settle()?;
            }
            Way::Gateway => {
                applied(world, "edge.yaml", "edge", INWARDS)?;
                opens(world, &[PORT])?;
            }
            Way::Node | Way::Sidecar | Way::Egress => {}
        }
        let mut caller = way.caller(world)?;
        if way != Way::Gateway {
            // Without them, whoever is there is reached; of a gateway only what is declared.
            let got = way.status(&mut caller, STRANGER)?;
            ensure!(got == "200 0", "{got}\n{}", world.story_so_far());
        }
        handbook.paste(world, &["18-istiooperator-registry-only.yaml"])?;
        for url in [STRIPE, STRANGER] {
            let got = way.status(&mut caller, url)?;
            ensure!(is_refused(&got), "{url}: {got}");
        }
        handbook.paste(world, &["17-stripe-serviceentry.yaml"])?;
        if way == Way::Egress {
            applied(world, "egress.yaml", "egress", OUTWARDS)?;
            wait_for("the gateway to be ready", SOON, || {
                // A new one is listed a moment after it runs.
                let listed = world.json(&["get", "workloads", "-n", "istio-system"])?;
                let mut all = listed.as_array().into_iter().flatten();
                Ok(all.any(|one| one["name"] == "egress-0" && one["ready"] == true).then_some(()))
            })?;
            world.settle()?;
        }
        // TLS is passed on as it is.
        let got = way.curl(&mut caller, STRIPE)?;
        ensure!(
            got.contains("\"sni\": \"api.stripe.com\"")
                && got.contains("\"path\": \"/v1/charges\"")
                && got.ends_with(" 0"),
            "{got}\n{}",
            world.story_so_far()
        );
        logged(world, "broker", &["granted", way.leaves(&caller), &format!("{AWAY}:443")])?;
        for url in [STRANGER, "http://api.stripe.com/"] {
            let got = way.status(&mut caller, url)?;
            ensure!(is_refused(&got) || got == "502 0", "{url}: {got}");
        }
        for file in ["17-stripe-serviceentry.yaml", "18-istiooperator-registry-only.yaml"] {
            told(world, file, &[])?;
        }
        Ok(())
    })
}

#[test]
fn a_host_is_reached_where_others_are_not() -> Result<()> {
    is_reached_where_others_are_not(Way::Node)
}

#[test]
fn a_host_is_reached_from_sidecars_where_others_are_not() -> Result<()> {
    is_reached_where_others_are_not(Way::Sidecar)
}

#[test]
fn a_host_is_reached_through_a_waypoint_where_others_are_not() -> Result<()> {
    is_reached_where_others_are_not(Way::Waypoint)
}

#[test]
fn a_host_is_reached_through_a_gateway_where_others_are_not() -> Result<()> {
    is_reached_where_others_are_not(Way::Gateway)
}

#[test]
fn a_host_is_reached_through_an_egress_gateway_where_others_are_not() -> Result<()> {
    is_reached_where_others_are_not(Way::Egress)
}
