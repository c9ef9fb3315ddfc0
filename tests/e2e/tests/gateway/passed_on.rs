//! Where connections go that name a service by themselves (`AUTO_PASSTHROUGH`), and listeners with an address of their own.

use std::fs;

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ripstop_e2e::observe::{applied, logged};
use ripstop_world::World;

use crate::{
    PRINCIPAL, TO_WEB,
    authorities::{authority, certificate, serial},
    curl, gateway, on_host, opened, routes, world,
};

/// An application that speaks TLS.
const SAFE: &str = include_str!("safe.py");

const SERVICES: &str = "\
apiVersion: v1
kind: Service
metadata: {name: safe, namespace: shop}
spec:
  selector: {app: safe}
  ports:
  - {name: tls, port: 443, targetPort: 8443}
  - {name: http, port: 80, targetPort: 8443}
  - {name: tcp, port: 81, targetPort: 8443}
---
apiVersion: v1
kind: Service
metadata: {name: hidden, namespace: shop, annotations: {networking.istio.io/exportTo: .}}
spec:
  selector: {app: safe}
  ports: [{name: tls, port: 443, targetPort: 8443}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: safe, namespace: shop}
spec: {host: safe, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
";

const LISTENER: &str =
    "  - {port: {number: 15443, name: tls, protocol: TLS}, hosts: ['*.local'], tls: {mode: AUTO_PASSTHROUGH}}\n";

/// What is heard of who gets a connection with this server name; nothing: nobody.
fn heard(world: &World, name: &str) -> Result<String> {
    let line = format!("curl -sk -m 10 --connect-to ::127.0.0.1:15443 https://{name}/ || true");
    on_host(world, &line).map(|text| text.trim().to_owned())
}

#[test]
fn a_server_name_says_which_service_gets_the_connection() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        certificate(world, "ca", "safe", "safe.example")?;
        let files = ["safe.pem", "safe.key"].map(|file| fs::read(world.path(file)));
        let pair: Vec<u8> = files.into_iter().collect::<std::io::Result<Vec<_>>>()?.concat();
        let mut safe = world.captured_console("shop", &["--node", "west", "--label", "app=safe", "--label", "version=v1"], SAFE)?;
        safe.ask(&format!("serve(8443, '{}')", STANDARD.encode(pair)))?;
        opened(world, "by-name", &(gateway("auto", LISTENER) + SERVICES), &[15443])?;

        let name = "outbound_.443_._.safe.shop.svc.cluster.local";
        ensure!(heard(world, name)? == "safe", "{:?}", heard(world, name)?);
        let shown = on_host(world, &format!("echo | openssl s_client -connect 127.0.0.1:15443 -servername {name} 2>/dev/null | openssl x509 -noout -serial"))?;
        ensure!(shown.trim() == serial(world, "safe.pem")?, "TLS ended on its way: {shown}");
        ensure!(heard(world, "outbound_.443_.v1_.safe.shop.svc.cluster.local")? == "safe", "by subset");
        for (name, why) in [
            ("outbound_.443_.v2_.safe.shop.svc.cluster.local", "a subset without endpoints"),
            ("outbound_.443_.v3_.safe.shop.svc.cluster.local", "a subset that there is not"),
            ("outbound_.80_._.safe.shop.svc.cluster.local", "a port of HTTP"),
            ("outbound_.81_._.safe.shop.svc.cluster.local", "a port of TCP"),
            ("outbound_.82_._.safe.shop.svc.cluster.local", "a port that there is not"),
            ("outbound_.0443_._.safe.shop.svc.cluster.local", "a number that is written otherwise"),
            ("outbound_.443_._.hidden.shop.svc.cluster.local", "a service that is not exported"),
            ("outbound_.443_._.nobody.shop.svc.cluster.local", "a service that there is not"),
            ("safe.shop.svc.cluster.local", "a name that says no port"),
        ] {
            let heard = heard(world, name)?;
            ensure!(heard.is_empty(), "{why}: {heard:?}");
        }

        // The callee's policies see the gateway.
        let denied = format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: safe, namespace: shop}}\nspec:\n  selector: {{matchLabels: {{app: safe}}}}\n  action: DENY\n  rules: [{{from: [{{source: {{principals: [{PRINCIPAL}]}}}}]}}]\n"
        );
        applied(world, "policies.yaml", "denied", &denied)?;
        ensure!(heard(world, name)?.is_empty(), "against a policy of the callee");
        logged(world, "node-west", &["connection denied", "policy=AuthorizationPolicy/shop/safe/"]).map(drop)
    })
}

#[test]
fn a_listener_with_an_address_is_reached_there_alone() -> Result<()> {
    world()?.tell(|world| {
        let open = "  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}\n";
        let rules = routes("web", "web", "'*'", TO_WEB);
        opened(world, "open", &(gateway("web", open) + &rules), &[80])?;
        let gateways = world.get("istio-system", "istio-ingressgateway-0")?;
        let own = gateways["addresses"][0].as_str().context("the gateway has no address")?.to_owned();
        let bound = |port: u16, address: &str, host: &str| {
            format!("  - {{port: {{number: {port}, name: http-{port}, protocol: HTTP}}, bind: {address}, hosts: ['{host}']}}\n")
        };
        let servers = open.to_owned()
            + &bound(80, &own, "bound.example")
            + &bound(8081, &own, "*")
            + &bound(8082, "127.0.0.1", "*")
            + &bound(8083, "0.0.0.0", "*");
        opened(world, "bound", &(gateway("web", &servers) + &rules), &[80, 8083])?;

        let inside = |port: u16, host: &str| {
            let options = format!("-s -m 10 -o /dev/null -w '%{{http_code}}' -H 'Host: {host}'");
            world.shell("visitors", &format!("curl {options} http://{own}:{port}/ || true"))
        };
        ripstop_world::wait_for("the listeners", ripstop_world::SOON, || Ok((inside(8081, "any.example")? == "200").then_some(())))?;
        for (port, host, expected) in [
            (80, "bound.example", "200"),
            (80, "any.example", "404"),
            (8081, "any.example", "200"),
            (8082, "any.example", "000"),
            (8083, "any.example", "200"),
        ] {
            let got = inside(port, host)?;
            ensure!(got == expected, "{host} at port {port}: {got} instead of {expected}");
        }
        // On the machine it is the other listener of the port.
        let got = curl(world, "-H 'Host: any.example' http://127.0.0.1/")?;
        ensure!(got.status == 200, "{}", got.status);
        Ok(())
    })
}
