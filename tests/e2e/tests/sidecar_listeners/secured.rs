//! TLS of clients outside of the mesh that ends at a workload's listener: curl and openssl call it.

use anyhow::{Context as _, Result, ensure};
use ripstop_e2e::{
    authorities::{authority, certificate, serial},
    observe::{applied, served},
    peer_authentication,
};
use ripstop_world::{SOON, World, wait_for};

use super::{reflects, sidecar, world};

/// What a script says that runs in that namespace, in the directory of the files.
fn said(world: &World, namespace: &str, script: &str) -> Result<String> {
    let script = format!("cd {} && {script}", world.path("").display());
    Ok(String::from_utf8_lossy(&world.run(namespace, &[], &script)?.stdout).trim().to_owned())
}

/// Waits until it says that.
fn says(world: &World, namespace: &str, script: &str, expected: &str) -> Result<()> {
    let mut last = String::new();
    let waited = wait_for(&format!("{script} to say {expected}"), SOON, || {
        last = said(world, namespace, script)?;
        Ok((last == expected).then_some(()))
    });
    waited.map_err(|error| error.context(format!("it says {last}\n{}", world.story_so_far())))
}

const CURL: &str = "curl -s -m 20 -o /dev/null -w '%{http_code} %header{x-reflect-name}'";

/// A listener of HTTPS, whose application listens at the loopback.
fn listener(world: &World, protocol: &str, tls: &str) -> String {
    let files = world.path("");
    let files = files.display();
    sidecar(
        "web",
        &format!(
            "  ingress:\n  - port: {{number: 8443, protocol: {protocol}, name: secured}}\n    defaultEndpoint: 127.0.0.1:8080\n    tls: {{{tls}, serverCertificate: {files}web.pem, privateKey: {files}web.key}}\n"
        ),
    )
}

fn stage() -> Result<World> {
    world(&[("web.yaml", &reflects("web", "127.0.0.1:8080", 8443))])
}

#[test]
fn tls_of_others_ends_at_the_sidecar() -> Result<()> {
    stage()?.tell(|world| {
        authority(world, "ca")?;
        certificate(world, "ca", "web", "web.shop")?;
        served(world, "shop", "web-0", "sidecar-shop.web-0")?;
        applied(world, "sidecar.yaml", "secured", &listener(world, "HTTPS", "mode: SIMPLE"))?;
        let https = format!("{CURL} --cacert ca.pem --connect-to web.shop:443:web.shop:80 https://web.shop/");
        let plain = format!("{CURL} http://web.shop/");
        // Whoever is outside of the mesh has to bring TLS, and gets the certificate of the file.
        says(world, "outside", &https, "200 web")?;
        says(world, "outside", &https.replace("curl ", "curl --http1.1 "), "200 web")?;
        let got = said(world, "outside", &plain)?;
        ensure!(got.starts_with("000"), "{got}");
        let number = "echo | openssl s_client -connect web.shop:80 -servername web.shop 2>/dev/null | openssl x509 -noout -serial";
        let got = said(world, "outside", number)?;
        ensure!(got == serial(world, "web.pem")?, "{got}");
        // Whoever comes by the mesh may.
        says(world, "front", &plain, "200 web")?;
        says(world, "front", &https, "200 web")?;

        // Policies see its server name.
        let other = format!("{CURL} -k --connect-to other.example:443:web.shop:80 https://other.example/");
        says(world, "outside", &other, "200 web")?;
        for (mark, action, name, refused, let_in) in [
            ("denied-other", "DENY", "other.example", &other, &https),
            ("denied-web", "DENY", "web.shop", &https, &other),
            ("allowed-web", "ALLOW", "web.shop", &other, &https),
        ] {
            let policy = format!(
                "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: named, namespace: shop}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, action: {action}, rules: [{{when: [{{key: connection.sni, values: [{name}]}}]}}]}}\n"
            );
            applied(world, "policy.yaml", mark, &policy)?;
            says(world, "outside", let_in, "200 web").context(mark)?;
            let got = said(world, "outside", refused)?;
            ensure!(got.starts_with("403") || got.starts_with("000"), "{mark}: {got}");
            let findings = world.cli(&["get", "findings"])?;
            ensure!(!findings.contains("RS225"), "{findings}");
        }
        world.remove("policy.yaml")?;
        says(world, "outside", &other, "200 web")?;
        says(world, "outside", &https, "200 web")?;

        // A certificate that is replaced is used.
        certificate(world, "ca", "web", "web.shop")?;
        says(world, "outside", number, &serial(world, "web.pem")?)?;
        // Of a port of TLS, bytes are passed on; and by STRICT nobody comes but by the mesh.
        applied(world, "sidecar.yaml", "bytes", &listener(world, "TLS", "mode: SIMPLE"))?;
        says(world, "outside", &https, "200 web")?;
        applied(world, "strict.yaml", "strict", &peer_authentication("shop", None, "STRICT"))?;
        let got = said(world, "outside", &https)?;
        ensure!(got.starts_with("000"), "{got}");
        says(world, "front", &https, "200 web")?;
        applied(world, "strict.yaml", "disabled", &peer_authentication("shop", None, "DISABLE"))?;
        says(world, "outside", &https, "200 web")?;
        says(world, "front", &https, "200 web")
    })
}

#[test]
fn clients_prove_themselves_by_certificates() -> Result<()> {
    stage()?.tell(|world| {
        for name in ["ca", "clients", "others"] {
            authority(world, name)?;
        }
        certificate(world, "ca", "web", "web.shop")?;
        certificate(world, "clients", "known", "known.example")?;
        certificate(world, "others", "unknown", "unknown.example")?;
        served(world, "shop", "web-0", "sidecar-shop.web-0")?;
        let asking = |mode: &str| {
            let ca = world.path("clients.pem");
            listener(world, "HTTPS", &format!("mode: {mode}, caCertificates: {}", ca.display()))
        };
        let https = |options: &str| {
            format!("{CURL} {options} --cacert ca.pem --connect-to web.shop:443:web.shop:80 https://web.shop/")
        };
        let (known, unknown) = ("--cert known.pem --key known.key", "--cert unknown.pem --key unknown.key");
        applied(world, "sidecar.yaml", "mutual", &asking("MUTUAL"))?;
        says(world, "outside", &https(known), "200 web")?;
        for options in ["", unknown] {
            let got = said(world, "outside", &https(options))?;
            ensure!(got.starts_with("000"), "{options}: {got}");
        }
        applied(world, "sidecar.yaml", "optional", &asking("OPTIONAL_MUTUAL"))?;
        for options in ["", known] {
            says(world, "outside", &https(options), "200 web")?;
        }
        let got = said(world, "outside", &https(unknown))?;
        ensure!(got.starts_with("000"), "{got}");
        Ok(())
    })
}
