//! What stands before a gateway (`gatewayTopology`): proxies that say by the PROXY protocol whom they speak for, and
//! proxies whose word in `x-forwarded-for` counts.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
};

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    curl::Got,
    machine::on_host,
    observe::{applied, logged},
};
use ripstop_world::{SOON, World, wait_for};

use crate::{TO_WEB, curl, curl_fails, gateway, opened, routes, world};

const GATEWAY: &str = "istio-system/istio-ingressgateway-0";

const LISTENERS: &str = "  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}\n  - {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ['*']}\n";

/// Ahead of ports 80 and 9000 of the machine.
const HAPROXY: &str = "\
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen http
    bind 127.0.0.2:7080
    server gateway 127.0.0.1:80 send-proxy-v2
listen tcp
    bind 127.0.0.2:7900
    server gateway 127.0.0.1:9000 send-proxy
";

/// Only whoever is at that address, and comes from there.
fn policy(remote: &str, from: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: edge, namespace: istio-system}}
spec:
  selector: {{matchLabels: {{istio: ingressgateway}}}}
  rules:
  - from: [{{source: {{remoteIpBlocks: [{remote}], ipBlocks: [{from}]}}}}]
---
"
    )
}

fn mesh(topology: &str) -> String {
    format!(
        "apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {{name: default}}
spec:
  meshConfig:
    accessLogFile: /dev/stdout
    defaultConfig: {{gatewayTopology: {{{topology}}}}}
---
"
    )
}

/// It ends with this.
struct Haproxy(Child);

impl Haproxy {
    fn start(world: &World) -> Result<Self> {
        fs::write(world.path("haproxy.cfg"), HAPROXY)?;
        let mut command = world.as_user(Path::new("/usr/sbin/haproxy"));
        command
            .args(["-db", "-f", "haproxy.cfg"])
            .current_dir(world.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let haproxy = Self(command.spawn().context("haproxy: scripts/prepare installs it")?);
        wait_for("HAProxy", SOON, || {
            let there = on_host(world, "bash -c 'exec 3<>/dev/tcp/127.0.0.2/7080' 2> /dev/null && echo there")?;
            Ok(there.contains("there").then_some(()))
        })?;
        Ok(haproxy)
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// What whoever connects is answered that says it speaks for `client`.
fn proxied(world: &World, client: &str, port: u16) -> Result<String> {
    let request = "GET /announced HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n";
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'PROXY TCP4 {client} 127.0.0.1 4000 {port}\\r\\n{request}' >&3; timeout 20 cat <&3"
    );
    on_host(world, &format!("bash -c \"{script}\""))
}

fn told(got: &Got) -> String {
    format!("{} {} {}", got.status, got.header("x-forwarded-for"), got.header("x-envoy-external-address"))
}

#[test]
fn who_stands_before_a_gateway_says_whom_it_speaks_for() -> Result<()> {
    world()?.tell(|world| {
        let tcp = "  tcp: [{match: [{port: 9000}], route: [{destination: {host: web}}]}]\n";
        let objects = gateway("web", LISTENERS) + &routes("web", "web", "'*'", &(TO_WEB.to_owned() + tcp));
        let ruled = |mark: &str, topology: &str, policy: &str| {
            opened(world, mark, &(mesh(topology) + &objects + policy), &[80, 9000])
        };

        ruled("announced", "proxyProtocol: {}", &policy("192.0.2.0/24", "127.0.0.1"))?;
        let got = Got::read(&proxied(world, "192.0.2.7", 80)?)?;
        ensure!(told(&got) == "200 192.0.2.7 192.0.2.7", "{}\n{}", told(&got), world.story_so_far());
        logged(world, GATEWAY, &["/announced", "192.0.2.7:"])?;
        let denied = Got::read(&proxied(world, "198.51.100.7", 80)?)?;
        ensure!(denied.status == 403, "{}", denied.status);
        // Of connections that nobody reads, too.
        let got = Got::read(&proxied(world, "192.0.2.9", 9000)?)?;
        ensure!(got.status == 200, "{}", got.status);
        logged(world, GATEWAY, &["src.addr=192.0.2.9:4000"])?;
        // Who does not say it is nobody.
        for port in [80, 9000] {
            curl_fails(world, &format!("http://127.0.0.1:{port}/"))?;
        }
        logged(world, GATEWAY, &["response_flags=DPE", "does not begin with a header of the PROXY protocol"])?;

        ruled("by-curl", "proxyProtocol: {}", &policy("127.0.0.7", "127.0.0.7"))?;
        let got = curl(world, "--haproxy-protocol --interface 127.0.0.7 http://127.0.0.1/")?;
        ensure!(told(&got) == "200 127.0.0.7 127.0.0.7", "{}", told(&got));

        let _haproxy = Haproxy::start(world)?;
        let denied = curl(world, "--interface 127.0.0.5 http://127.0.0.2:7080/")?;
        ensure!(denied.status == 403, "{}", denied.status);
        ruled("by-haproxy", "proxyProtocol: {}", &policy("127.0.0.5", "127.0.0.1"))?;
        let got = curl(world, "--interface 127.0.0.5 http://127.0.0.2:7080/")?;
        ensure!(told(&got) == "200 127.0.0.5 127.0.0.5", "{}", told(&got));
        let got = curl(world, "--interface 127.0.0.5 http://127.0.0.2:7900/")?;
        ensure!(got.status == 200, "{}", got.status);
        curl_fails(world, "--interface 127.0.0.6 http://127.0.0.2:7900/")?;
        logged(world, GATEWAY, &["src.addr=127.0.0.5:", ":7900"])?;

        // The other way: as many proxies have added whom they had it from.
        ruled("trusted", "numTrustedProxies: 2", &policy("192.0.2.8", "127.0.0.1"))?;
        let hops = |hops: &str| {
            curl(world, &format!("-H 'X-Forwarded-For: {hops}' -H 'X-Forwarded-Proto: https' http://127.0.0.1/trusted"))
        };
        let got = hops("198.51.100.1, 192.0.2.8, 10.0.0.1")?;
        ensure!(told(&got) == "200 198.51.100.1, 192.0.2.8, 10.0.0.1,127.0.0.1 192.0.2.8", "{}", told(&got));
        ensure!(got.header("x-forwarded-proto") == "https", "{}", got.body);
        logged(world, GATEWAY, &["/trusted", "192.0.2.8:0"])?;
        ensure!(hops("192.0.2.8, 198.51.100.1, 10.0.0.1")?.status == 403, "another proxy is believed");
        ensure!(hops("192.0.2.8")?.status == 403, "there is one proxy only");

        // Who has ended TLS says so, and nobody is sent to it again.
        let listeners =
            LISTENERS.replacen("protocol: HTTP}, hosts", "protocol: HTTP}, tls: {httpsRedirect: true}, hosts", 1);
        let redirecting = gateway("web", &listeners) + &routes("web", "web", "'*'", TO_WEB);
        let ended = |mark: &str, topology: &str| {
            opened(world, mark, &(mesh(topology) + &redirecting), &[80, 9000])?;
            let of = |proto: &str| {
                curl(world, &format!("-H 'X-Forwarded-Proto: {proto}' http://127.0.0.1/")).map(|got| got.status)
            };
            Ok::<_, anyhow::Error>([of("https")?, of("http")?, of("HTTPS")?])
        };
        ensure!(ended("redirected", "")? == [301, 301, 301], "anybody says how TLS was spoken");
        let found = ended("ended", "numTrustedProxies: 1")?;
        ensure!(found == [200, 301, 301], "{found:?}");
        ruled("trusted-again", "numTrustedProxies: 2", &policy("192.0.2.8", "127.0.0.1"))?;

        // Of one gateway.
        let own = "apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: istio-ingressgateway
  namespace: istio-system
  labels: {app: istio-ingressgateway, istio: ingressgateway}
  annotations:
    proxy.istio.io/config: |
      gatewayTopology:
        numTrustedProxies: 1
spec: {role: gateway, serviceAccountName: istio-ingressgateway-service-account}
";
        applied(world, "own.yaml", "own", own)?;
        crate::opens(world, &[80, 9000])?;
        ensure!(hops("10.0.0.1, 192.0.2.8")?.status == 200, "what is said of the gateway does not count");
        ensure!(hops("192.0.2.8, 10.0.0.1")?.status == 403, "what is said of the mesh counts");
        Ok(())
    })
}
