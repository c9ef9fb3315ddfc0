//! TLS that applications of the mesh end themselves, and that the caller's proxy makes for its calls: `openssl s_server`
//! in an enrolled workload, called in plaintext.

use anyhow::{Result, ensure};
use ripstop_e2e::{
    NODES,
    authorities::{authority, certificate},
    curl::one,
    observe::applied,
    peer_authentication,
};
use ripstop_world::{SOON, World, wait_for};

/// Servers with the certificate of `tls.shop.svc`: of pages about their connection on 8443 for those who ask for that name,
/// and on 8445 for those who prove who they are; on 8444 lines come back in reverse.
/// They are ready when all listen: these ports are 20FB to 20FD to the kernel.
fn servers(files: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Service
metadata: {{name: tls, namespace: shop}}
spec:
  selector: {{app: tls}}
  ports: [{{name: http, port: 80, targetPort: 8443}}, {{name: http-mutual, port: 81, targetPort: 8445}}, {{name: tcp, port: 90, targetPort: 8444}}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: tls, namespace: shop, labels: {{app: tls}}}}
spec:
  node: west
  command:
  - sh
  - -c
  - >-
    cd {files} && pair='-cert tls.pem -key tls.key' &&
    (openssl s_server -quiet $pair -accept 8444 -rev & exec openssl s_server $pair -accept 8445 -www -Verify 1 -verify_return_error -CAfile ca.pem &
    exec openssl s_server $pair -accept 8443 -www -servername tls.shop.svc -servername_fatal -cert2 tls.pem -key2 tls.key)
  ports: [{{name: http, containerPort: 8443}}, {{name: mutual, containerPort: 8445}}, {{name: tcp, containerPort: 8444}}]
  readinessProbe:
    exec: {{command: [sh, -c, \"test $(cat /proc/net/tcp /proc/net/tcp6 | grep -c ':20F[BCD] 0*:0000 0A') = 3\"]}}
    periodSeconds: 1
---
"
    )
}

/// A rule for them.
fn rule(policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: tls, namespace: shop}}\nspec: {{host: tls, \
         trafficPolicy: {{{policy}}}}}\n---\n"
    )
}

/// Has a line reversed; empty: it came to nothing.
fn reversed(world: &World) -> Result<String> {
    let script = "import socket
try:
    connection = socket.create_connection(('tls.shop.svc', 90), 10)
    connection.settimeout(20)
    connection.sendall(b'stressed\\n')
    print(connection.makefile().readline().strip())
except OSError:
    print()
";
    Ok(world.shell("shop", &format!("python3 - <<'END'\n{script}END\n"))?.trim().to_owned())
}

#[test]
fn tls_goes_through_the_mesh_to_applications_that_end_it() -> Result<()> {
    let world = World::start(&[("nodes.yaml", NODES)])?;
    world.tell(|world| {
        world.enrol("shop", true)?;
        for name in ["ca", "other"] {
            authority(world, name)?;
        }
        certificate(world, "ca", "tls", "tls.shop.svc")?;
        certificate(world, "ca", "shop", "shop.example")?;
        let files = world.path("").display().to_string();
        let files = files.trim_end_matches('/');
        applied(world, "servers.yaml", "servers", &(peer_authentication("shop", None, "STRICT") + "---\n" + &servers(files)))?;
        wait_for("the servers", SOON, || Ok((world.get("shop", "tls-0")?["ready"] == true).then_some(())))?;
        world.settle()?;
        // Plaintext is nothing to them, in whatever tunnel.
        let got = world.shell("shop", "curl -s -m 20 http://tls.shop.svc/ || true")?;
        ensure!(!got.contains("s_server"), "{got}");
        let ca = format!("caCertificates: {files}/ca.pem");
        let simple = format!("tls: {{mode: SIMPLE, {ca}, subjectAltNames: [tls.shop.svc], sni: tls.shop.svc}}");
        applied(world, "rule.yaml", "simple", &rule(&simple))?;
        for _ in 0..2 {
            let got = one(world, "http://tls.shop.svc/")?;
            ensure!(got.status == 200 && got.body.contains("s_server"), "{} {}\n{}", got.status, got.body, world.story_so_far());
        }
        ensure!(reversed(world)? == "desserts", "{}", world.story_so_far());
        // Whoever asks for a certificate gets none from that rule.
        ensure!(one(world, "http://tls.shop.svc:81/")?.status == 503);
        // The request's own host is the name, where the rule has none.
        applied(world, "rule.yaml", "asked", &rule(&format!("tls: {{mode: SIMPLE, {ca}}}")))?;
        ensure!(one(world, "http://tls.shop.svc/")?.status == 200, "{}", world.story_so_far());
        for (mark, tls) in [
            ("another-name", format!("{ca}, sni: else.example")),
            ("another-server", format!("{ca}, subjectAltNames: [else.example], sni: tls.shop.svc")),
            ("untrusted", format!("caCertificates: {files}/other.pem")),
        ] {
            applied(world, "rule.yaml", mark, &rule(&format!("tls: {{mode: SIMPLE, {tls}}}")))?;
            let got = one(world, "http://tls.shop.svc/")?;
            ensure!(got.status == 503, "{mark}: {} {}", got.status, got.body);
        }
        ensure!(reversed(world)?.is_empty());
        let pair = format!("clientCertificate: {files}/shop.pem, privateKey: {files}/shop.key");
        applied(world, "rule.yaml", "mutual", &rule(&format!("tls: {{mode: MUTUAL, {ca}, {pair}}}")))?;
        let got = one(world, "http://tls.shop.svc:81/")?;
        ensure!(got.status == 200 && got.body.contains("CN=shop.example"), "{} {}", got.status, got.body);
        // All of it went through the tunnels of the mesh, whose identities policies see.
        let policy = |account: &str| {
            format!(
                "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: tls, namespace: shop}}\nspec:\n  selector: \
                 {{matchLabels: {{app: tls}}}}\n  rules: [{{from: [{{source: {{principals: ['cluster.local/ns/shop/sa/{account}']}}}}]}}]\n"
            )
        };
        applied(world, "policy.yaml", "for-all", &policy("*"))?;
        ensure!(one(world, "http://tls.shop.svc/")?.status == 200, "{}", world.story_so_far());
        applied(world, "policy.yaml", "for-others", &policy("other"))?;
        ensure!(one(world, "http://tls.shop.svc/")?.status == 403);
        Ok(())
    })
}
