//! TLS by `openssl s_client`: passed on by its server name to `openssl s_server` in the mesh, or ended for clients that
//! prove themselves.

use anyhow::{Result, ensure};
use ripstop_e2e::{
    authorities::{authority, certificate, secret},
    tls_server,
};
use ripstop_world::{SOON, World, wait_for};

use crate::{TO_WEB, gateway, on_host, opened, routes, world};

const SERVERS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: tls, namespace: shop}
spec: {selector: {app: tls}, ports: [{name: tls, port: 443, targetPort: 8443}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: tls, namespace: shop}
spec: {host: tls, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
";

/// Whose certificate a client sees who asks for `name`; empty: nobody's.
fn subject(world: &World, port: u16, name: &str) -> Result<String> {
    let script = format!(
        "openssl s_client -connect 127.0.0.1:{port} {name} </dev/null 2>/dev/null | openssl x509 -noout -subject 2>/dev/null | sed 's/.*= *//'"
    );
    Ok(on_host(world, &script)?.trim().to_owned())
}

#[test]
fn server_names_lead_through_the_gateway() -> Result<()> {
    world()?.tell(|world| {
        world.write("tls-v1.yaml", &tls_server("v1", "west"))?;
        world.write("tls-v2.yaml", &tls_server("v2", "east"))?;
        let servers =
            "  - {port: {number: 9443, name: tls, protocol: TLS}, hosts: ['*.shop.example'], tls: {mode: PASSTHROUGH}}
  - {port: {number: 15443, name: cross, protocol: TLS}, hosts: ['*.local'], tls: {mode: AUTO_PASSTHROUGH}}
";
        let rules = "  tls:
  - match: [{port: 9443, sniHosts: [one.shop.example]}]
    route: [{destination: {host: tls, subset: v1}}]
  - match: [{port: 9443, sniHosts: ['*.deep.shop.example']}]
    route: [{destination: {host: tls, subset: v2}}]
";
        let edge = gateway("raw", servers) + &routes("raw", "raw", "'*.shop.example'", rules) + SERVERS;
        opened(world, "raw", &edge, &[9443, 15443])?;
        for name in ["tls-v1-0", "tls-v2-0"] {
            wait_for(name, SOON, || {
                let workload = world.get("shop", name)?;
                Ok((workload["ready"] == true && workload["mesh"]["state"] == "CAPTURED").then_some(()))
            })?;
        }
        world.settle()?;
        for (name, expected) in [
            ("-servername one.shop.example", "tls-v1"),
            ("-servername ONE.Shop.Example", "tls-v1"),
            ("-servername a.deep.shop.example", "tls-v2"),
            ("-servername b.a.deep.shop.example", "tls-v2"),
            // No route, no listener, no name.
            ("-servername two.shop.example", ""),
            ("-servername one.else.example", ""),
            ("-noservername", ""),
        ] {
            let got = subject(world, 9443, name)?;
            ensure!(got == expected, "{name}: {got}\n{}", world.story_so_far());
        }
        // Of the mesh's own server names each says its destination.
        let own = |port: &str, subset: &str, host: &str| format!("-servername outbound_.{port}_.{subset}_.{host}");
        let host = "tls.shop.svc.cluster.local";
        for (name, expected) in [
            (own("443", "v1", host), "tls-v1"),
            (own("443", "v2", host), "tls-v2"),
            (own("444", "v1", host), ""),
            (own("443", "v3", host), ""),
            (own("443", "v1", "none.shop.svc.cluster.local"), ""),
            (format!("-servername {host}"), ""),
            ("-servername one.shop.example".to_owned(), ""),
        ] {
            let got = subject(world, 15443, &name)?;
            ensure!(got == expected, "{name}: {got}\n{}", world.story_so_far());
        }
        let got = subject(world, 15443, &own("443", "", host))?;
        ensure!(got.starts_with("tls-v"), "{got}");
        Ok(())
    })
}

#[test]
fn clients_prove_themselves_or_may_do_so() -> Result<()> {
    world()?.tell(|world| {
        for name in ["ca", "clients", "strangers"] {
            authority(world, name)?;
        }
        for name in ["must", "may"] {
            certificate(world, "ca", name, &format!("{name}.shop.example"))?;
        }
        certificate(world, "clients", "known", "known.example")?;
        certificate(world, "strangers", "stranger", "known.example")?;
        let held = |name: &str| {
            let (chain, key) = (format!("{name}.pem"), format!("{name}.key"));
            secret(world, name, &[("tls.crt", &chain), ("tls.key", &key), ("ca.crt", "clients.pem")])
        };
        world.write("secrets.yaml", &(held("must")? + &held("may")?))?;
        let server = |name: &str, mode: &str| {
            format!(
                "  - {{port: {{number: 9443, name: https-{name}, protocol: HTTPS}}, hosts: [{name}.shop.example], tls: {{mode: {mode}, credentialName: {name}}}}}\n"
            )
        };
        let servers = server("must", "MUTUAL") + &server("may", "OPTIONAL_MUTUAL");
        let edge = gateway("edge", &servers) + &routes("edge", "edge", "'*.shop.example'", TO_WEB);
        opened(world, "edge", &edge, &[9443])?;
        let ask = |name: &str, certificate: &str| -> Result<String> {
            let host = format!("{name}.shop.example");
            let shown = match certificate {
                "" => String::new(),
                own => format!("-cert {own}.pem -key {own}.key"),
            };
            let script = format!(
                "printf 'GET / HTTP/1.0\\r\\nHost: {host}\\r\\n\\r\\n' | timeout 20 openssl s_client -quiet -verify_return_error -CAfile ca.pem -verify_hostname {host} -connect 127.0.0.1:9443 -servername {host} {shown} 2>/dev/null | head -1"
            );
            Ok(on_host(world, &script)?.trim().to_owned())
        };
        for (name, certificate, is_let_in) in [
            ("must", "known", true),
            ("must", "stranger", false),
            ("must", "", false),
            ("may", "known", true),
            ("may", "stranger", false),
            ("may", "", true),
        ] {
            let got = ask(name, certificate)?;
            let expected = if is_let_in { got.ends_with("200 OK") } else { got.is_empty() };
            ensure!(expected, "{name} with {certificate:?}: {got:?}\n{}", world.story_so_far());
        }
        Ok(())
    })
}
