//! What `ripstop explain` says of the running sample is what its connections and requests meet.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    Talker,
    observe::{applied, in_state},
};
use ripstop_world::{SOON, World, wait_for};
use serde_json::json;

const BACKEND: &str = include_str!("../../../examples/bookinfo/backend.yaml");
const BOOKINFO: &str = include_str!("../../../examples/bookinfo/bookinfo.yaml");
const MESH: &str = include_str!("../../../examples/bookinfo/mesh.yaml");

/// Callees: host, port, how they are called, and how it is asked what becomes of that.
const CALLEES: [(&str, u16, &str, &[&str]); 4] = [
    ("details.bookinfo", 9080, "http details.bookinfo 9080 /health", REQUEST),
    ("productpage.bookinfo", 9080, "http productpage.bookinfo 9080 /health", REQUEST),
    ("ratings.backend", 9080, "http ratings.backend 9080 /health", REQUEST),
    ("echo.backend", 9000, "request echo.backend 9000 hello", &["--protocol", "tcp"]),
];
const REQUEST: &[&str] = &["--method", "GET", "--path", "/health"];

/// Policies, one set after the other.
const POLICIES: [&str; 5] = [
    "",
    "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: bookinfo}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: only-web, namespace: backend}
spec: {rules: [{from: [{source: {principals: [cluster.local/ns/bookinfo/sa/web]}}]}]}
",
    "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: bookinfo}
spec:
  selector: {matchLabels: {app: details}}
  rules: [{to: [{operation: {methods: [GET]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-strangers, namespace: istio-system}
spec:
  action: DENY
  rules: [{from: [{source: {notNamespaces: [bookinfo, backend]}}], to: [{operation: {ports: ['9000']}}]}]
",
    "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: echo, namespace: backend}
spec:
  selector: {matchLabels: {app: echo}}
  mtls: {mode: STRICT}
  portLevelMtls: {9000: {mode: DISABLE}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: by-account, namespace: bookinfo}
spec:
  action: DENY
  rules:
  - from: [{source: {serviceAccounts: [bookinfo/web]}}]
    to: [{operation: {paths: [/health]}}]
",
    "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nothing, namespace: backend}
spec: {}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: some-port, namespace: backend}
spec:
  selector: {matchLabels: {app: echo}}
  rules: [{when: [{key: destination.port, values: ['9000']}]}]
",
];

#[test]
fn what_is_explained_is_what_calls_meet() -> Result<()> {
    World::start(&[("mesh.yaml", MESH), ("bookinfo.yaml", BOOKINFO), ("backend.yaml", BACKEND)])?.tell(|world| {
        let mut web = Talker::start(world, "bookinfo", &["--node", "east", "--service-account", "web"])?;
        let mut batch = Talker::start(world, "jobs", &["--node", "west"])?;
        let mut plain = Talker::start(world, "outside", &["--node", "east"])?;
        for namespace in ["bookinfo", "backend", "jobs"] {
            world.enrol(namespace, true)?;
        }
        for talker in [&web, &batch] {
            in_state(world, &talker.namespace, &talker.name, "CAPTURED")?;
        }
        let (mut cases, mut denied) = (0, 0);
        for (index, policies) in POLICIES.into_iter().enumerate() {
            applied(world, "policies.yaml", &format!("set-{index}"), policies)?;
            for talker in [&mut web, &mut batch, &mut plain] {
                for (host, port, command, asked) in CALLEES {
                    let case = format!("set {index}: {}/{} to {host}", talker.namespace, talker.name);
                    // What is written acts within moments; then both must say the same.
                    let mut last = String::new();
                    let is_served = wait_for(&case, SOON, || {
                        let told = explained(world, talker, &format!("{host}:{port}"), asked)?;
                        let connection = told["connection"]["verdict"].as_str().context("no connection")?;
                        let verdict =
                            if connection == "allow" { &told["verdict"] } else { &told["connection"]["verdict"] };
                        let is_served = [json!("allowed"), json!("allow")].contains(verdict);
                        let met = talker.attempt(command)?;
                        last = format!("explained {verdict}, {}: met {met:?}", told["connection"]);
                        let was_served = met.as_ref().is_ok_and(|met| *met != json!(403));
                        Ok((is_served == was_served).then_some(is_served))
                    })
                    .with_context(|| last)?;
                    cases += 1;
                    denied += usize::from(!is_served);
                }
            }
        }
        ensure!(cases >= 30 && denied >= 12 && cases - denied >= 12, "{denied} of {cases} are denied");
        Ok(())
    })
}

fn explained(world: &World, talker: &Talker, to: &str, asked: &[&str]) -> Result<serde_json::Value> {
    let from = format!("{}/{}", talker.namespace, talker.name);
    let output = world.try_cli(&[&["explain", "--from", &from, "--to", to, "-o", "json"], asked].concat())?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{from} to {to}: {}", String::from_utf8_lossy(&output.stderr)))
}
