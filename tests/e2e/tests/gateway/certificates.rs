//! What TLS of a gateway is made with: versions, several certificates, authorities of clients, and where they are.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::echo;
use ripstop_world::{SOON, World, wait_for};

use crate::{
    TO_WEB,
    authorities::{authority, certificate, certificate_of, secret, serial},
    curl, curl_fails, gateway, on_host, opened, routes, world,
};

const HOST: &str = "a.shop.example";

/// A listener for [`HOST`] with these settings of TLS.
fn edge(tls: &str) -> String {
    let server =
        format!("  - {{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: [{HOST}], tls: {{{tls}}}}}\n");
    gateway("web", &server) + &routes("web", "web", HOST, TO_WEB)
}

/// Options of curl to come there.
fn to_host(more: &str) -> String {
    format!("{more} --resolve {HOST}:443:127.0.0.1 --cacert ca.pem https://{HOST}/")
}

fn pair(world: &World, name: &str) -> Result<String> {
    secret(world, name, &[("tls.crt", &format!("{name}.pem")), ("tls.key", &format!("{name}.key"))])
}

#[test]
fn only_versions_between_least_and_most_are_spoken() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        certificate(world, "ca", "a", HOST)?;
        world.write("secrets.yaml", &pair(world, "a")?)?;
        for (mark, versions, spoken) in [
            ("any", "", [true, true]),
            ("new-ones", ", minProtocolVersion: TLSV1_3", [false, true]),
            ("old-ones", ", maxProtocolVersion: TLSV1_2", [true, false]),
            ("from-an-older-one", ", minProtocolVersion: TLSV1_2, maxProtocolVersion: TLSV1_3", [true, true]),
        ] {
            opened(world, mark, &edge(&format!("mode: SIMPLE, credentialName: a{versions}")), &[443])?;
            for (version, spoken) in ["--tlsv1.2 --tls-max 1.2", "--tlsv1.3"].into_iter().zip(spoken) {
                if spoken {
                    let got = curl(world, &to_host(version))?;
                    ensure!(got.status == 200, "{mark} {version}: {} {}", got.status, got.body);
                } else {
                    let code = curl_fails(world, &to_host(version))?;
                    ensure!(code == 35, "{mark} {version}: curl ended with {code}");
                }
            }
        }
        Ok(())
    })
}

#[test]
fn only_listed_suites_are_offered_in_tls_1_2() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        certificate(world, "ca", "a", HOST)?;
        world.write("secrets.yaml", &pair(world, "a")?)?;
        let clients = [
            "--tlsv1.2 --tls-max 1.2 --ciphers ECDHE-ECDSA-AES128-GCM-SHA256",
            "--tlsv1.2 --tls-max 1.2 --ciphers ECDHE-ECDSA-CHACHA20-POLY1305",
            "--tlsv1.3",
        ];
        for (mark, suites, spoken) in [
            ("any-suite", "", [true, true, true]),
            ("one", ", cipherSuites: [ECDHE-ECDSA-AES128-GCM-SHA256]", [true, false, true]),
            ("another", ", cipherSuites: [AES128-SHA, ECDHE-ECDSA-CHACHA20-POLY1305]", [false, true, true]),
            ("none-that-is-offered", ", cipherSuites: [AES128-SHA]", [false, false, true]),
            ("none-that-is-known", ", cipherSuites: [SHA-AES]", [true, true, true]),
        ] {
            opened(world, mark, &edge(&format!("mode: SIMPLE, credentialName: a{suites}")), &[443])?;
            for (client, spoken) in clients.into_iter().zip(spoken) {
                if spoken {
                    let got = curl(world, &to_host(client))?;
                    ensure!(got.status == 200, "{mark} {client}: {} {}", got.status, got.body);
                } else {
                    let code = curl_fails(world, &to_host(client))?;
                    ensure!(code == 35, "{mark} {client}: curl ended with {code}");
                }
            }
        }
        Ok(())
    })
}

#[test]
fn the_mesh_says_what_is_spoken_where_a_listener_does_not() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        certificate(world, "ca", "a", HOST)?;
        world.write("secrets.yaml", &pair(world, "a")?)?;
        let old = "--tlsv1.2 --tls-max 1.2 --ciphers";
        let clients = [
            format!("{old} ECDHE-ECDSA-AES128-GCM-SHA256"),
            format!("{old} ECDHE-ECDSA-CHACHA20-POLY1305"),
            "--tlsv1.3".to_owned(),
        ];
        for (mark, defaults, own, spoken) in [
            ("nothing-said", "", "", [true, true, true]),
            ("mesh-wide-version", "minProtocolVersion: TLSV1_3", "", [false, false, true]),
            ("own-version", "minProtocolVersion: TLSV1_3", ", minProtocolVersion: TLSV1_2", [true, true, true]),
            ("mesh-wide-suite", "cipherSuites: [ECDHE-ECDSA-CHACHA20-POLY1305]", "", [false, true, true]),
            (
                "own-suite",
                "cipherSuites: [ECDHE-ECDSA-CHACHA20-POLY1305]",
                ", cipherSuites: [ECDHE-ECDSA-AES128-GCM-SHA256]",
                [true, false, true],
            ),
        ] {
            let mesh = format!(
                "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: {{tlsDefaults: {{{defaults}}}}}}}\n---\n"
            );
            opened(world, mark, &(mesh + &edge(&format!("mode: SIMPLE, credentialName: a{own}"))), &[443])?;
            for (client, spoken) in clients.iter().zip(spoken) {
                if spoken {
                    let got = curl(world, &to_host(client))?;
                    ensure!(got.status == 200, "{mark} {client}: {} {}", got.status, got.body);
                } else {
                    let code = curl_fails(world, &to_host(client))?;
                    ensure!(code == 35, "{mark} {client}: curl ended with {code}");
                }
            }
        }
        Ok(())
    })
}

#[test]
fn only_curves_that_the_mesh_lists_are_offered() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        certificate(world, "ca", "a", HOST)?;
        world.write("secrets.yaml", &pair(world, "a")?)?;
        let clients = ["--curves P-256", "--curves P-384", "--curves X25519"];
        for (mark, curves, spoken) in [
            ("any-curve", "", [true, true, true]),
            ("one-curve", "ecdhCurves: [P-256]", [true, false, false]),
            ("others", "ecdhCurves: [P-384, P-521, X25519]", [false, true, true]),
            ("unknown-ones", "ecdhCurves: [P256]", [true, true, true]),
            ("none-that-are-offered", "ecdhCurves: [P-521]", [false, false, false]),
        ] {
            let mesh = format!(
                "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: {{tlsDefaults: {{{curves}}}}}}}\n---\n"
            );
            opened(world, mark, &(mesh + &edge("mode: SIMPLE, credentialName: a")), &[443])?;
            for (client, spoken) in clients.into_iter().zip(spoken) {
                if spoken {
                    let got = curl(world, &to_host(client))?;
                    ensure!(got.status == 200, "{mark} {client}: {} {}", got.status, got.body);
                } else {
                    let code = curl_fails(world, &to_host(client))?;
                    ensure!(code == 35, "{mark} {client}: curl ended with {code}");
                }
            }
        }
        Ok(())
    })
}

#[test]
fn of_several_certificates_a_client_gets_the_first_that_it_understands() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        certificate(world, "ca", "curves", HOST)?;
        certificate_of(world, "ca", "primes", HOST, "rsa:2048")?;
        world.write("secrets.yaml", &(pair(world, "curves")? + &pair(world, "primes")?))?;
        let shown = |algorithms: &str| {
            on_host(
                world,
                &format!(
                    "echo | openssl s_client -connect 127.0.0.1:443 -servername {HOST} {algorithms} 2>/dev/null | openssl x509 -noout -serial"
                ),
            )
            .map(|text| text.trim().to_owned())
        };
        let (curves, primes) = (serial(world, "curves.pem")?, serial(world, "primes.pem")?);
        for (mark, names, first) in [("curves-first", "[curves, primes]", &curves), ("primes-first", "[primes, curves]", &primes)] {
            opened(world, mark, &edge(&format!("mode: SIMPLE, credentialNames: {names}")), &[443])?;
            ensure!(shown("")? == *first, "{mark}: {} instead of {first}", shown("")?);
            for (algorithms, expected) in [("-sigalgs ECDSA+SHA256", &curves), ("-sigalgs RSA-PSS+SHA256", &primes)] {
                let got = shown(algorithms)?;
                ensure!(got == *expected, "{mark} {algorithms}: {got} instead of {expected}");
            }
        }
        Ok(())
    })
}

#[test]
fn certificates_and_authorities_come_from_where_the_listener_says() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        authority(world, "clients")?;
        certificate(world, "ca", "a", HOST)?;
        certificate(world, "ca", "b", HOST)?;
        certificate(world, "clients", "known", "known")?;
        let elsewhere = |namespace: &str, name: &str| -> Result<String> {
            Ok(pair(world, name)?.replace("namespace: istio-system", &format!("namespace: {namespace}")))
        };
        // One beside the gateway, one beside the Gateway, and one that is nobody's business here.
        let secrets = pair(world, "a")?
            + &elsewhere("shop", "b")?
            + &elsewhere("office", "known")?
            + &secret(world, "authorities", &[("ca.crt", "clients.pem")])?;
        world.write("secrets.yaml", &secrets)?;
        let shown = || {
            on_host(
                world,
                &format!("echo | openssl s_client -connect 127.0.0.1:443 -servername {HOST} 2>/dev/null | openssl x509 -noout -serial"),
            )
            .map(|text| text.trim().to_owned())
        };
        for (mark, name, file) in [
            ("plainly", "a", Some("a.pem")),
            ("by-namespace", "istio-system/a", Some("a.pem")),
            ("beside-the-gateway-object", "b", Some("b.pem")),
            ("beside-it-by-namespace", "shop/b", Some("b.pem")),
            ("of-strangers", "office/known", None),
        ] {
            opened(world, mark, &edge(&format!("mode: SIMPLE, credentialName: {name}")), &[443])?;
            match file {
                Some(file) => ensure!(shown()? == serial(world, file)?, "{mark}: another certificate"),
                None => ensure!(curl_fails(world, &to_host(""))? == 35, "{mark}: it is used"),
            }
        }

        opened(world, "authorities", &edge("mode: MUTUAL, credentialName: a, caCertCredentialName: authorities"), &[443])?;
        let got = curl(world, &to_host("--cert known.pem --key known.key"))?;
        ensure!(got.status == 200, "{} {}", got.status, got.body);
        curl_fails(world, &to_host(""))?;
        curl_fails(world, &to_host("--cert a.pem --key a.key"))?;
        Ok(())
    })
}

#[test]
fn clients_are_let_in_by_name_key_or_certificate() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        authority(world, "clients")?;
        certificate(world, "ca", "a", HOST)?;
        for (authority, file) in [("clients", "known"), ("clients", "other"), ("ca", "stranger")] {
            certificate(world, authority, file, &format!("{file}.example"))?;
        }
        world.write("secrets.yaml", &(pair(world, "a")? + &secret(world, "authorities", &[("ca.crt", "clients.pem")])?))?;
        let shell = |script: &str| on_host(world, script).map(|text| text.trim().to_owned());
        let key = |file: &str| {
            shell(&format!(
                "openssl x509 -in {file}.pem -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | openssl base64"
            ))
        };
        let hash = |file: &str| shell(&format!("openssl x509 -in {file}.pem -noout -fingerprint -sha256 | cut -d= -f2"));
        let (known_key, known_hash, stranger_key) = (key("known")?, hash("known")?, key("stranger")?);
        let bare_hash = known_hash.replace(':', "").to_lowercase();
        // Who gets in: known, other, stranger, and who shows nothing.
        for (mark, settings, let_in) in [
            ("anybody", String::new(), [true, true, false, false]),
            ("by-name", ", subjectAltNames: [known.example, nobody.example]".to_owned(), [true, false, false, false]),
            ("by-key", format!(", verifyCertificateSpki: ['{known_key}']"), [true, false, false, false]),
            ("by-hash", format!(", verifyCertificateHash: ['{known_hash}']"), [true, false, false, false]),
            ("by-bare-hash", format!(", verifyCertificateHash: ['{bare_hash}']"), [true, false, false, false]),
            (
                "by-either",
                format!(", verifyCertificateSpki: ['{stranger_key}'], verifyCertificateHash: ['{known_hash}']"),
                [true, false, false, false],
            ),
            ("insecurely", ", insecureSkipVerify: true".to_owned(), [true, true, true, false]),
            (
                "insecurely-by-key",
                format!(", insecureSkipVerify: true, verifyCertificateSpki: ['{stranger_key}']"),
                [false, false, true, false],
            ),
        ] {
            let tls = format!("mode: MUTUAL, credentialName: a, caCertCredentialName: authorities{settings}");
            opened(world, mark, &edge(&tls), &[443])?;
            for (client, is_let_in) in ["known", "other", "stranger", ""].into_iter().zip(let_in) {
                let shown = if client.is_empty() { String::new() } else { format!("--cert {client}.pem --key {client}.key") };
                if is_let_in {
                    let got = curl(world, &to_host(&shown))?;
                    ensure!(got.status == 200, "{mark} {client}: {} {}", got.status, got.body);
                } else {
                    curl_fails(world, &to_host(&shown)).map_err(|error| error.context(format!("{mark} {client:?}")))?;
                }
            }
        }
        opened(
            world,
            "optionally-by-name",
            &edge("mode: OPTIONAL_MUTUAL, credentialName: a, caCertCredentialName: authorities, subjectAltNames: [known.example]"),
            &[443],
        )?;
        for shown in ["", "--cert known.pem --key known.key"] {
            let got = curl(world, &to_host(shown))?;
            ensure!(got.status == 200, "{shown}: {} {}", got.status, got.body);
        }
        curl_fails(world, &to_host("--cert other.pem --key other.key"))?;
        Ok(())
    })
}

#[test]
fn certificates_of_files_are_read_and_followed() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        authority(world, "clients")?;
        for (authority, file) in [("ca", "first"), ("ca", "second"), ("clients", "known")] {
            certificate(world, authority, file, HOST)?;
        }
        certificate_of(world, "ca", "primes", HOST, "rsa:2048")?;
        let path = |file: &str| world.path(file).display().to_string();
        let put = |file: &str| on_host(world, &format!("cp {file}.pem a.pem; cp {file}.key a.key")).map(drop);
        let shown = |algorithms: &str| {
            on_host(
                world,
                &format!(
                    "echo | openssl s_client -connect 127.0.0.1:443 -servername {HOST} {algorithms} 2>/dev/null | openssl x509 -noout -serial"
                ),
            )
            .map(|text| text.trim().to_owned())
        };
        let becomes = |file: &str| {
            let expected = serial(world, file)?;
            wait_for(&format!("{file} to be shown"), SOON, || Ok((shown("")? == expected).then_some(())))
                .with_context(|| world.story_so_far())
        };
        let pair = format!("serverCertificate: {}, privateKey: {}", path("a.pem"), path("a.key"));
        // Before there are any, nobody is served.
        opened(world, "files", &edge(&format!("mode: SIMPLE, {pair}")), &[443])?;
        ensure!(curl_fails(world, &to_host(""))? == 35, "{}", world.story_so_far());
        put("first")?;
        becomes("first.pem")?;
        let got = curl(world, &to_host(""))?;
        ensure!(got.status == 200, "{} {}", got.status, got.body);
        put("second")?;
        becomes("second.pem")?;
        // Half of a new pair is none.
        on_host(world, "cp first.pem a.pem")?;
        wait_for("the refusal", SOON, || {
            curl(world, &to_host(""))?;
            let log = world.cli(&["logs", "istio-system/istio-ingressgateway-0"])?;
            Ok(log.contains("changed files can't be used").then_some(()))
        })?;
        ensure!(shown("")? == serial(world, "second.pem")?, "half of a pair is shown");
        put("second")?;

        opened(world, "clients", &edge(&format!("mode: MUTUAL, {pair}, caCertificates: {}", path("clients.pem"))), &[443])?;
        let got = curl(world, &to_host("--cert known.pem --key known.key"))?;
        ensure!(got.status == 200, "{} {}", got.status, got.body);
        curl_fails(world, &to_host(""))?;
        curl_fails(world, &to_host("--cert second.pem --key second.key"))?;

        let each = |name: &str| {
            format!("{{serverCertificate: {}, privateKey: {}}}", path(&format!("{name}.pem")), path(&format!("{name}.key")))
        };
        let several = format!("mode: SIMPLE, tlsCertificates: [{}, {}]", each("first"), each("primes"));
        opened(world, "several", &edge(&several), &[443])?;
        for (algorithms, file) in [("-sigalgs ECDSA+SHA256", "first.pem"), ("-sigalgs RSA-PSS+SHA256", "primes.pem")] {
            let (got, expected) = (shown(algorithms)?, serial(world, file)?);
            ensure!(got == expected, "{algorithms}: {got} instead of {expected}");
        }
        Ok(())
    })
}

#[test]
fn identities_of_the_mesh_are_proven_and_policies_see_them() -> Result<()> {
    world()?.tell(|world| {
        authority(world, "ca")?;
        certificate(world, "ca", "stranger", HOST)?;
        // Who has them runs here, too.
        world.write("foreign.yaml", &[echo("known", "foreign", "east"), echo("other", "foreign", "east")].join("---\n"))?;
        for account in ["known", "other"] {
            let (name, out) = (format!("foreign/{account}"), world.path(account).display().to_string());
            let issue = || world.try_cli(&["identity", "issue", &name, "--out", &out]);
            wait_for("a certificate", SOON, || Ok(issue()?.status.success().then_some(())))?;
        }
        on_host(world, "chmod -R a+rX known other")?;
        let by = |account: &str| {
            format!("-k --cert {account}/cert-chain.pem --key {account}/key.pem --resolve {HOST}:443:127.0.0.1 https://{HOST}/")
        };
        let policy = |action: &str, rule: &str| {
            format!(
                "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: edge, namespace: istio-system}}\nspec:\n  selector: {{matchLabels: {{istio: ingressgateway}}}}\n  action: {action}\n  rules: [{rule}]\n---\n"
            )
        };
        let principal = "from: [{source: {principals: [cluster.local/ns/foreign/sa/known]}}]";
        for (mark, settings, policy, known, other) in [
            ("anybody", "", String::new(), Some(200), Some(200)),
            ("one", "", policy("ALLOW", &format!("{{{principal}}}")), Some(200), Some(403)),
            ("all-but-one", "", policy("DENY", &format!("{{{principal}}}")), Some(403), Some(200)),
            ("namespace", "", policy("ALLOW", "{from: [{source: {namespaces: [elsewhere]}}]}"), Some(403), Some(403)),
            ("name", ", subjectAltNames: ['spiffe://cluster.local/ns/foreign/sa/known']", String::new(), Some(200), None),
        ] {
            opened(world, mark, &(edge(&format!("mode: ISTIO_MUTUAL{settings}")) + &policy), &[443])?;
            for (account, expected) in [("known", known), ("other", other)] {
                match expected {
                    Some(status) => {
                        let got = curl(world, &by(account))?;
                        ensure!(got.status == status, "{mark} {account}: {} {}", got.status, got.body);
                    }
                    None => drop(curl_fails(world, &by(account))?),
                }
            }
            // Nobody else gets in, whatever policies say.
            curl_fails(world, &format!("-k --resolve {HOST}:443:127.0.0.1 https://{HOST}/"))?;
            curl_fails(world, &format!("-k --cert stranger.pem --key stranger.key --resolve {HOST}:443:127.0.0.1 https://{HOST}/"))?;
        }
        // The gateway proves who it is.
        let shown = on_host(
            world,
            &format!(
                "echo | openssl s_client -connect 127.0.0.1:443 -servername {HOST} -CAfile known/root-cert.pem -verify_return_error -cert known/cert-chain.pem -cert_chain known/cert-chain.pem -key known/key.pem 2>&1 | openssl x509 -noout -ext subjectAltName"
            ),
        )?;
        ensure!(shown.contains("spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"), "{shown}");

        // Connections whose bytes nobody reads are judged as well, and again when policies change.
        let servers = "  - {port: {number: 9443, name: tls, protocol: TLS}, hosts: [far.example], tls: {mode: ISTIO_MUTUAL}}\n";
        let rules = "  tcp: [{match: [{port: 9443}], route: [{destination: {host: web, port: {number: 80}}}]}]\n";
        let raw = gateway("raw", servers) + &routes("raw", "raw", "far.example", rules);
        let ask = |account: &str| {
            on_host(
                world,
                &format!(
                    "printf 'GET / HTTP/1.0\\r\\nHost: web\\r\\n\\r\\n' | timeout 20 openssl s_client -quiet -connect 127.0.0.1:9443 -servername far.example -cert {account}/cert-chain.pem -cert_chain {account}/cert-chain.pem -key {account}/key.pem 2>/dev/null | head -1"
                ),
            )
        };
        opened(world, "raw", &(raw + &policy("ALLOW", &format!("{{{principal}}}"))), &[9443])?;
        let (known, other) = (ask("known")?, ask("other")?);
        ensure!(known.contains(" 200 ") && !other.contains("HTTP"), "{known:?} {other:?}\n{}", world.story_so_far());
        Ok(())
    })
}
