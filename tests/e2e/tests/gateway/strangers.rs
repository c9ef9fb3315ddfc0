//! What gateways put up with (`connectionSettings`), as the mesh says it for all, and an annotation for one.

use anyhow::{Result, ensure};
use ripstop_e2e::{curl::Got, machine::on_host, observe::applied};

use crate::{TO_WEB, curl, curl_fails, gateway, opened, opens, routes, world};

const LISTENER: &str = "  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}\n";

fn mesh(settings: &str) -> String {
    format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: {{defaultConfig: \
         {{connectionSettings: {{{settings}}}}}}}}}\n---\n"
    )
}

#[test]
fn an_edge_is_strict_with_strangers() -> Result<()> {
    world()?.tell(|world| {
        let edge = gateway("web", LISTENER) + &routes("web", "web", "'*'", TO_WEB);
        let odd = || curl(world, "-H 'odd_name: 1' http://127.0.0.1/");
        let escaped = || curl(world, "--path-as-is 'http://127.0.0.1/a%2Fb//c?d=%2F'");
        opened(world, "usual", &(mesh("") + &edge), &[80])?;
        let (name, path) = (odd()?, escaped()?);
        ensure!(name.status == 200 && name.header("odd_name") == "1", "{} {}", name.status, name.body);
        ensure!(path.status == 200, "{} {}", path.status, path.body);

        opened(world, "edge", &(mesh("profile: EDGE, httpRequestTimeout: 1s") + &edge), &[80])?;
        ensure!(odd()?.status == 400);
        let path = escaped()?;
        ensure!((path.status, path.field("location")) == (307, "/a/b/c?d=%2F"), "{} {}", path.status, path.field("location"));
        ensure!(curl(world, "http://127.0.0.1/a//b")?.status == 200);
        // Who sends a part of a request and no more is answered when its time is over.
        let slow = "exec 3<>/dev/tcp/127.0.0.1/80; printf 'POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 9\\r\\n\\r\\nabc' >&3; timeout 20 cat <&3";
        let got = Got::read(&on_host(world, &format!("bash -c \"{slow}\""))?)?;
        ensure!(got.status == 408, "{} {}", got.status, got.body);

        // What is said of one gateway stands for the whole of it.
        let own = "apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: istio-ingressgateway
  namespace: istio-system
  labels: {app: istio-ingressgateway, istio: ingressgateway}
  annotations:
    proxy.istio.io/config: |
      proxyHeaders: {server: {value: own-edge}}
      connectionSettings: {httpHeadersWithUnderscoresAction: HEADERS_WITH_UNDERSCORES_DROP_HEADER}
spec: {role: gateway, serviceAccountName: istio-ingressgateway-service-account}
";
        applied(world, "own.yaml", "own", own)?;
        opens(world, &[80])?;
        let (name, path) = (odd()?, escaped()?);
        ensure!(name.status == 200 && name.header("odd_name").is_empty(), "{} {}", name.status, name.body);
        ensure!(name.field("server") == "own-edge", "{}", name.field("server"));
        ensure!(path.status == 200, "{} {}", path.status, path.body);
        applied(world, "own.yaml", "none", &own.replace("{httpHeadersWithUnderscoresAction: HEADERS_WITH_UNDERSCORES_DROP_HEADER}", "{globalDownstreamConnectionLimit: 0}"))?;
        curl_fails(world, "http://127.0.0.1/")?;
        Ok(())
    })
}
