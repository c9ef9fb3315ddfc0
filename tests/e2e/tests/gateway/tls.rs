//! TLS: ended at the gateway, asked of clients, passed on; and plain TCP.

use std::fs;

use anyhow::{Result, ensure};
use ripstop_e2e::{echo, observe::applied};
use ripstop_world::{SOON, World, wait_for};

use crate::{
    TO_WEB,
    authorities::{authority, certificate, secret, serial},
    curl, curl_fails, gateway, on_host, opened, routes, world,
};

/// Options of curl for a host at the gateway, whose certificate is by `authority`.
fn to(host: &str, authority: &str, port: u16) -> String {
    format!("--resolve {host}:{port}:127.0.0.1 --cacert {authority}.pem https://{host}:{port}/")
}

/// Serial number of the certificate that a client who asks for `name` is shown.
fn shown(world: &World, name: &str) -> Result<String> {
    on_host(
        world,
        &format!(
            "echo | openssl s_client -connect 127.0.0.1:443 -servername {name} 2>/dev/null | openssl x509 -noout -serial"
        ),
    )
    .map(|text| text.trim().to_owned())
}

#[test]
fn tls_ends_at_the_gateway_with_the_certificate_of_the_host() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        authority(world, "clients")?;
        for (authority, file, host) in [
            ("ca", "a", "a.shop.example"),
            ("ca", "b", "b.shop.example"),
            ("ca", "m", "m.shop.example"),
            ("clients", "known", "known"),
            ("ca", "stranger", "stranger"),
        ] {
            certificate(world, authority, file, host)?;
        }
        let pair = |name: &str| {
            secret(world, name, &[("tls.crt", &format!("{name}.pem")), ("tls.key", &format!("{name}.key"))])
        };
        let secrets =
            pair("a")? + &pair("b")? + &pair("m")? + &secret(world, "m-cacert", &[("ca.crt", "clients.pem")])?;
        world.write("secrets.yaml", &secrets)?;
        let https = |host: &str, mode: &str, credential: &str| {
            format!(
                "  - port: {{number: 443, name: https-{credential}, protocol: HTTPS}}\n    hosts: [{host}]\n    \
                 tls: {{mode: {mode}, credentialName: {credential}}}\n"
            )
        };
        let redirect =
            "  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*'], tls: {httpsRedirect: true}}\n";
        let servers = https("a.shop.example", "SIMPLE", "a")
            + &https("b.shop.example", "SIMPLE", "b")
            + &https("m.shop.example", "MUTUAL", "m")
            + &https("o.shop.example", "SIMPLE", "none")
            + redirect;
        let edge = gateway("web", &servers) + &routes("web", "web", "'*.shop.example'", TO_WEB);
        opened(world, "tls", &edge, &[80, 443])?;

        for host in ["a.shop.example", "b.shop.example"] {
            let got = curl(world, &to(host, "ca", 443))?;
            ensure!(got.status == 200 && got.name().starts_with("web-"), "{host}: {} {}", got.status, got.body);
            ensure!(got.header("x-forwarded-proto") == "https", "{}", got.body);
            let file = format!("{}.pem", &host[..1]);
            ensure!(shown(world, host)? == serial(world, &file)?, "{host} is shown another certificate");
        }
        let h2 = on_host(
            world,
            &format!("curl -s -o /dev/null -w '%{{http_version}}' {}", to("a.shop.example", "ca", 443)),
        )?;
        ensure!(h2 == "2", "HTTP/{h2} was agreed on");
        let old = on_host(
            world,
            &format!("curl -s -o /dev/null -w '%{{http_code}}' --tls-max 1.2 {}", to("a.shop.example", "ca", 443)),
        )?;
        ensure!(old == "200", "TLS 1.2: {old}");
        // A host of another listener, on a connection to this one.
        let other = curl(world, &format!("-H 'Host: m.shop.example' {}", to("a.shop.example", "ca", 443)))?;
        ensure!(other.status == 404, "a host that asks for certificates is reached without: {}", other.status);
        for nobody in ["unknown.example", "o.shop.example"] {
            let code = curl_fails(world, &format!("-k {}", to(nobody, "ca", 443)))?;
            ensure!(code == 35, "{nobody}: curl ended with {code}");
        }

        let known = curl(world, &format!("--cert known.pem --key known.key {}", to("m.shop.example", "ca", 443)))?;
        ensure!(known.status == 200, "with a certificate: {} {}", known.status, known.body);
        for options in ["", "--cert stranger.pem --key stranger.key"] {
            curl_fails(world, &format!("{options} {}", to("m.shop.example", "ca", 443)))?;
        }
        let optional = https("m.shop.example", "OPTIONAL_MUTUAL", "m");
        let objects = gateway("web", &optional) + &routes("web", "web", "'*.shop.example'", TO_WEB);
        opened(world, "optional", &objects, &[443])?;
        ensure!(
            curl(world, &to("m.shop.example", "ca", 443))?.status == 200,
            "without a certificate, which is optional"
        );
        curl_fails(world, &format!("--cert stranger.pem --key stranger.key {}", to("m.shop.example", "ca", 443)))?;

        opened(world, "redirect", &edge, &[80, 443])?;
        let moved = curl(world, "-H 'Host: a.shop.example:80' 'http://127.0.0.1/x?y=1'")?;
        let location = moved.fields.get("location").map(String::as_str);
        ensure!(
            moved.status == 301 && location == Some("https://a.shop.example/x?y=1"),
            "{} {location:?}",
            moved.status
        );

        // Keys are where keys belong, and in nobody's words.
        let key = fs::read_to_string(world.path("a.key"))?;
        let body: String = key.lines().filter(|line| !line.starts_with('-')).take(1).collect();
        let gateway = ["get", "workloads", "-A", "-o", "json"];
        ensure!(!world.cli(&gateway)?.contains(&body), "a key is shown");
        for log in fs::read_dir(world.state().join("logs"))? {
            let log = log?.path();
            ensure!(!fs::read_to_string(&log)?.contains(&body), "a key is in {}", log.display());
        }
        let holds = |path: &std::path::Path| {
            fs::read(path.join("committed"))
                .is_ok_and(|bytes| bytes.windows(body.len()).any(|part| part == body.as_bytes()))
        };
        ensure!(
            holds(&world.state().join("gateways/istio-system.istio-ingressgateway-0")),
            "the gateway would start without it"
        );
        for node in ["east", "west"] {
            ensure!(!holds(&world.state().join(format!("nodes/{node}/proxy"))), "node {node} has the gateway's keys");
        }
        Ok(())
    })
}

#[test]
fn tls_and_tcp_are_passed_on() -> Result<()> {
    world()?.tell(|world| {
        world.write("far.yaml", &echo("far", "shop", "east"))?;
        world.settle()?;
        wait_for("the echo", SOON, || {
            let far = world.get("shop", "far-0")?;
            Ok((far["ready"] == true && far["mesh"]["state"] == "CAPTURED").then_some(()))
        })?;
        world.settle()?;
        authority(world, "ca")?;
        certificate(world, "ca", "far", "far.example")?;
        world.write("secrets.yaml", &secret(world, "far", &[("tls.crt", "far.pem"), ("tls.key", "far.key")])?)?;
        let servers = "  - {port: {number: 9443, name: tls, protocol: TLS}, hosts: [far.example], tls: {mode: PASSTHROUGH}}
  - {port: {number: 9444, name: ended, protocol: TLS}, hosts: [far.example], tls: {mode: SIMPLE, credentialName: far}}
  - {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ['*']}
";
        let far = "route: [{destination: {host: far, port: {number: 9000}}}]";
        let rules = format!(
            "  tls: [{{match: [{{sniHosts: [far.example], port: 9443}}], {far}}}]\n  tcp: [{{match: [{{port: 9000}}, {{port: 9444}}], {far}}}]\n"
        );
        let edge = gateway("raw", servers) + &routes("raw", "raw", "far.example", &rules);
        opened(world, "raw", &edge, &[9000, 9443, 9444])?;
        let python = |script: &str| on_host(world, &format!("python3 -c '{script}'"));
        let greeting = python(
            "import socket\ns = socket.create_connection((\"127.0.0.1\", 9000), 10)\nf = s.makefile(\"rb\")\ng = f.readline()\ns.sendall(b\"x\\n\")\nprint(g.decode().split(\":\")[0], f.readline().decode())",
        )?;
        // The callee sees the gateway's address.
        let seen = world.get("istio-system", "istio-ingressgateway-0")?["addresses"][0].as_str().unwrap_or_default().to_owned();
        ensure!(greeting.trim() == format!("{seen} x"), "{greeting:?} instead of {seen}");

        let ended = python(
            "import socket, ssl\nc = ssl.create_default_context(cafile=\"ca.pem\")\ns = c.wrap_socket(socket.create_connection((\"127.0.0.1\", 9444), 10), server_hostname=\"far.example\")\nf = s.makefile(\"rb\")\ng = f.readline()\ns.sendall(b\"y\\n\")\nprint(g.decode().split(\":\")[0], f.readline().decode())",
        )?;
        ensure!(ended.trim() == format!("{seen} y"), "{ended:?} instead of {seen}");

        // A greeting of TLS goes to whom it names, byte by byte: the echo gives it back.
        let hello = |name: &str| {
            python(&format!(
                "import socket, ssl\nincoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()\nc = ssl.create_default_context()\no = c.wrap_bio(incoming, outgoing, server_hostname=\"{name}\")\ntry: o.do_handshake()\nexcept ssl.SSLWantReadError: pass\nhello = outgoing.read()\ns = socket.create_connection((\"127.0.0.1\", 9443), 10)\ns.settimeout(10)\ntry:\n  s.sendall(hello + b\"\\n\")\n  f = s.makefile(\"rb\")\n  f.readline()\n  print(f.read(len(hello)) == hello)\nexcept ConnectionError as e: print(\"reset\")"
            ))
        };
        ensure!(hello("far.example")?.trim() == "True", "{:?}", hello("far.example")?);
        ensure!(hello("near.example")?.trim() == "reset", "{:?}", hello("near.example")?);

        let denied = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: raw, namespace: istio-system}\nspec:\n  selector: {matchLabels: {istio: ingressgateway}}\n  action: DENY\n  rules: [{to: [{operation: {ports: ['9000']}}]}]\n";
        applied(world, "policies.yaml", "denied", denied)?;
        let refused = python("import socket\ntry: print(socket.create_connection((\"127.0.0.1\", 9000), 10).recv(10))\nexcept ConnectionError: print(\"reset\")")?;
        ensure!(refused.trim() == "reset", "{refused:?}");
        ensure!(hello("far.example")?.trim() == "True", "the other port is not meant");
        Ok(())
    })
}
