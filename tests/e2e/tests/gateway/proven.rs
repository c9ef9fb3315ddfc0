//! What is told of clients' certificates (`gatewayTopology.forwardClientCertDetails`).

use anyhow::{Result, ensure};

use crate::{
    TO_WEB,
    authorities::{authority, certificate, secret},
    curl, gateway, on_host, opened, routes, world,
};

fn mesh(details: &str) -> String {
    format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: {{defaultConfig: \
         {{gatewayTopology: {{forwardClientCertDetails: {details}}}}}}}}}\n---\n"
    )
}

/// What is told of a certificate.
fn of_certificate(parts: &str) -> String {
    format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: {{defaultConfig: \
         {{proxyHeaders: {{forwardedClientCert: SANITIZE_SET, setCurrentClientCertDetails: {{{parts}}}}}}}}}}}\n---\n"
    )
}

#[test]
fn what_a_client_has_proven_is_told_as_the_mesh_says() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        certificate(world, "ca", "m", "m.shop.example")?;
        certificate(world, "ca", "known", "known.example")?;
        let pair = secret(world, "m", &[("tls.crt", "m.pem"), ("tls.key", "m.key"), ("ca.crt", "ca.pem")])?;
        world.write("secrets.yaml", &pair)?;
        let servers = "  - port: {number: 443, name: https, protocol: HTTPS}\n    hosts: ['*']\n    tls: {mode: OPTIONAL_MUTUAL, credentialName: m}\n";
        let edge = gateway("web", servers) + &routes("web", "web", "'*'", TO_WEB);

        let to = "--resolve m.shop.example:443:127.0.0.1 --cacert ca.pem -H 'X-Forwarded-Client-Cert: forged' https://m.shop.example/";
        // What is heard of who has a certificate, and of who has none.
        let told = || -> Result<[String; 2]> {
            let proven = curl(world, &format!("--cert known.pem --key known.key {to}"))?;
            let nobody = curl(world, to)?;
            ensure!((proven.status, nobody.status) == (200, 200), "{} {}", proven.status, nobody.status);
            Ok([proven, nobody].map(|got| got.header("x-forwarded-client-cert").to_owned()))
        };
        let hash = on_host(world, "openssl x509 -noout -fingerprint -sha256 -in known.pem | cut -d = -f 2 | tr -d ':\n' | tr A-F a-f")?;
        let is_own = |told: &str| {
            told.starts_with(&format!("Hash={hash};Cert=\"-----BEGIN%20CERTIFICATE-----%0A"))
                && told.ends_with("-----END%20CERTIFICATE-----%0A\";Subject=\"CN=known.example\";URI=;DNS=known.example")
        };
        for (mark, details) in [("default", "UNDEFINED"), ("set", "SANITIZE_SET")] {
            opened(world, mark, &(mesh(details) + &edge), &[443])?;
            let [proven, nobody] = told()?;
            ensure!(is_own(&proven) && nobody.is_empty(), "{details}: {proven}, {nobody}");
        }
        opened(world, "append", &(mesh("APPEND_FORWARD") + &edge), &[443])?;
        let [proven, nobody] = told()?;
        ensure!(proven.strip_prefix("forged,").is_some_and(is_own) && nobody.is_empty(), "{proven}, {nobody}");
        for (mark, details, expected) in [
            ("sanitize", "SANITIZE", ["", ""]),
            ("forward", "FORWARD_ONLY", ["forged", ""]),
            ("always", "ALWAYS_FORWARD_ONLY", ["forged", "forged"]),
        ] {
            opened(world, mark, &(mesh(details) + &edge), &[443])?;
            let got = told()?;
            ensure!(got == expected, "{details}: {got:?}");
        }
        let names = ";Subject=\"CN=known.example\";URI=;DNS=known.example";
        for (mark, parts, rest) in [
            ("named", "", names),
            ("nothing", "subject: false, dns: false, uri: false", ""),
            ("subject", "dns: false, uri: false", ";Subject=\"CN=known.example\""),
        ] {
            opened(world, mark, &(of_certificate(parts) + &edge), &[443])?;
            let [proven, nobody] = told()?;
            ensure!(proven == format!("Hash={hash}{rest}") && nobody.is_empty(), "{parts}: {proven}, {nobody}");
        }
        opened(world, "chain", &(of_certificate("chain: true") + &edge), &[443])?;
        let [proven, _] = told()?;
        let chain = proven.strip_prefix(&format!("Hash={hash};Chain=\"-----BEGIN%20CERTIFICATE-----%0A"));
        ensure!(chain.is_some_and(|chain| chain.ends_with(&format!("-----END%20CERTIFICATE-----%0A\"{names}"))), "{proven}");
        // What is said among the headers comes first.
        let headers = mesh("SANITIZE").replace("gatewayTopology:", "proxyHeaders: {forwardedClientCert: ALWAYS_FORWARD_ONLY}, gatewayTopology:");
        opened(world, "headers", &(headers + &edge), &[443])?;
        let got = told()?;
        ensure!(got == ["forged", "forged"], "{got:?}");
        Ok(())
    })
}
