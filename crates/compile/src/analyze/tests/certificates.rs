//! Certificates.

use std::time::{Duration, UNIX_EPOCH};

use super::{Case, check, documents, pems::filled};
use crate::tests::World;

const CODES: &[&str] = &["IST0101", "IST0138", "IST0161", "RS250", "RS251", "RS252", "RS253"];

const GROUND: &str = "
Secret istio-system/good {tls.crt: $GOOD, tls.key: $KEY}
";

const CASES: &[Case] = &[
    Case {
        title: "Secrets where the gateway runs, and where the Gateway is",
        mesh: r#"
Secret shop/own {cert: $GOOD, key: $KEY}
Gateway shop/g {selector: {istio: ingressgateway}, servers: [
  {port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: good}},
  {port: {number: 443, name: b, protocol: HTTPS}, hosts: [b.example.com], tls: {mode: SIMPLE, credentialName: own}},
  {port: {number: 443, name: c, protocol: HTTPS}, hosts: [c.example.com], tls: {mode: SIMPLE, credentialName: "kubernetes://good"}},
  {port: {number: 443, name: d, protocol: TLS}, hosts: [d.example.com], tls: {mode: PASSTHROUGH}}]}
"#,
        findings: &[
        ],
    },
    Case {
        title: "Secrets that there are not",
        mesh: "
Secret bank/none {cert: a, key: b}
Process edge/own {app: own-gateway}
Gateway shop/g {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: none}}]}
Gateway shop/h {selector: {app: own-gateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [h.example.com], tls: {mode: MUTUAL, credentialNames: [good, none], caCertCredentialName: ca}}]}
",
        findings: &[
            "error IST0101 Gateway/shop/g spec.servers[0].tls.credentialName: there is no Secret istio-system/none: the hosts of this server are not served (create it in istio-system, the namespace of the gateway's workload, or in that of the Gateway)",
            "error IST0101 Gateway/shop/h spec.servers[0].tls.credentialNames[0]: there is no Secret edge/good: the hosts of this server are not served (create it in edge, the namespace of the gateway's workload, or in that of the Gateway)",
            "error IST0101 Gateway/shop/h spec.servers[0].tls.credentialNames[1]: there is no Secret edge/none: the hosts of this server are not served (create it in edge, the namespace of the gateway's workload, or in that of the Gateway)",
            "error IST0101 Gateway/shop/h spec.servers[0].tls.caCertCredentialName: there is no Secret edge/ca: the hosts of this server are not served (create it in edge, the namespace of the gateway's workload, or in that of the Gateway)",
        ],
    },
    Case {
        title: "Secrets that are of no use",
        mesh: r#"
Secret istio-system/half {tls.crt: $GOOD, tls.key: ""}
Secret istio-system/text {tls.crt: "certificate", tls.key: $KEY}
Secret istio-system/swapped {key: $GOOD, cert: $GOOD}
Secret istio-system/nothing {other: a}
Gateway shop/g {selector: {istio: ingressgateway}, servers: [
  {port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: half}},
  {port: {number: 443, name: b, protocol: HTTPS}, hosts: [b.example.com], tls: {mode: SIMPLE, credentialName: text}},
  {port: {number: 443, name: c, protocol: HTTPS}, hosts: [c.example.com], tls: {mode: SIMPLE, credentialName: swapped}},
  {port: {number: 443, name: d, protocol: HTTPS}, hosts: [d.example.com], tls: {mode: SIMPLE, credentialName: nothing}}]}
"#,
        findings: &[
            "error IST0161 Gateway/shop/g spec.servers[0].tls.credentialName: the Secret istio-system/half has no tls.key (give it tls.crt and tls.key, in PEM)",
            "error IST0161 Gateway/shop/g spec.servers[1].tls.credentialName: stringData.tls.crt of the Secret istio-system/text (dir/mesh.yaml:15) can't be used: nothing of that kind is in it, as PEM (give it tls.crt and tls.key, in PEM)",
            "error IST0161 Gateway/shop/g spec.servers[2].tls.credentialName: stringData.key of the Secret istio-system/swapped (dir/mesh.yaml:20) can't be used: nothing of that kind is in it, as PEM (give it tls.crt and tls.key, in PEM)",
            "error IST0161 Gateway/shop/g spec.servers[3].tls.credentialName: the Secret istio-system/nothing has no tls.crt and no tls.key (give it tls.crt and tls.key, in PEM)",
        ],
    },
    Case {
        title: "one certificate of two Gateways; a Gateway of its own ones, and one of other proxies, is left alone",
        mesh: "
Process edge/own {app: own-gateway}
Secret edge/good {tls.crt: $GOOD, tls.key: $KEY}
Gateway shop/a {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: good}}]}
Gateway bank/b {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [b.example.com], tls: {mode: SIMPLE, credentialName: good}}]}
Gateway shop/c {selector: {app: own-gateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [c.example.com], tls: {mode: SIMPLE, credentialName: good}},
  {port: {number: 443, name: b, protocol: HTTPS}, hosts: [d.example.com], tls: {mode: SIMPLE, credentialName: good}}]}
",
        findings: &[
            "warning IST0138 Gateway/shop/a spec.servers[0].tls.credentialName: the certificate of the Secret istio-system/good is also that of Gateway bank/b: clients that reuse a connection for its hosts get 404 (put all hosts of a certificate into one Gateway, or give each its own certificate)",
            "warning IST0138 Gateway/bank/b spec.servers[0].tls.credentialName: the certificate of the Secret istio-system/good is also that of Gateway shop/a: clients that reuse a connection for its hosts get 404 (put all hosts of a certificate into one Gateway, or give each its own certificate)",
        ],
    },
    Case {
        title: "one file of two Gateways",
        mesh: "
Gateway shop/a {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, serverCertificate: /c, privateKey: /k}}]}
Gateway shop/b {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [b.example.com], tls: {mode: SIMPLE, serverCertificate: /c, privateKey: /k}}]}
",
        findings: &[
            "warning IST0138 Gateway/shop/a spec.servers[0].tls: the certificate of the file /c is also that of Gateway shop/b: clients that reuse a connection for its hosts get 404 (put all hosts of a certificate into one Gateway, or give each its own certificate)",
            "warning IST0138 Gateway/shop/b spec.servers[0].tls: the certificate of the file /c is also that of Gateway shop/a: clients that reuse a connection for its hosts get 404 (put all hosts of a certificate into one Gateway, or give each its own certificate)",
        ],
    },
    Case {
        title: "Secrets whose parts do not fit",
        mesh: "
Secret istio-system/foreign {tls.crt: $GOOD, tls.key: $OTHER_KEY}
Secret istio-system/junk {tls.crt: $JUNK, tls.key: $KEY}
Secret istio-system/v1 {cert: $V1, key: $KEY}
Secret istio-system/ca {ca.crt: $JUNK}
Secret istio-system/empty {tls.crt: $GOOD}
Gateway shop/g {selector: {istio: ingressgateway}, servers: [
  {port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialNames: [foreign, junk]}},
  {port: {number: 443, name: d, protocol: HTTPS}, hosts: [d.example.com], tls: {mode: SIMPLE, credentialName: v1}},
  {port: {number: 443, name: b, protocol: HTTPS}, hosts: [b.example.com], tls: {mode: MUTUAL, credentialName: good, caCertCredentialName: ca}},
  {port: {number: 443, name: c, protocol: HTTPS}, hosts: [c.example.com], tls: {mode: MUTUAL, credentialName: good, caCertCredentialName: empty}}]}
",
        findings: &[
            "error IST0161 Gateway/shop/g spec.servers[0].tls.credentialNames[0]: stringData.tls.key of the Secret istio-system/foreign (dir/mesh.yaml:10) can't be used: it is not the key of the certificate (give it tls.crt and tls.key, in PEM)",
            "error IST0161 Gateway/shop/g spec.servers[0].tls.credentialNames[1]: stringData.tls.crt of the Secret istio-system/junk (dir/mesh.yaml:15) can't be used: what is in it is no X.509 certificate (give it tls.crt and tls.key, in PEM)",
            "error IST0161 Gateway/shop/g spec.servers[1].tls.credentialName: stringData.cert of the Secret istio-system/v1 (dir/mesh.yaml:20) can't be used: it is an X.509 certificate of version 1, which TLS can't be made with: it has to be of version 3, with its names as subjectAltName (give it tls.crt and tls.key, in PEM)",
            "error IST0161 Gateway/shop/g spec.servers[2].tls.caCertCredentialName: stringData.ca.crt of the Secret istio-system/ca (dir/mesh.yaml:25) can't be used: no certificate in it is one of an authority (give it ca.crt, in PEM)",
            "error IST0161 Gateway/shop/g spec.servers[3].tls.caCertCredentialName: the Secret istio-system/empty has no ca.crt (give it ca.crt, in PEM)",
        ],
    },
    Case {
        title: "certificates that have ended, that will, that are still to begin, and those of authorities",
        mesh: "
Secret istio-system/old {tls.crt: $OLD, tls.key: $KEY}
Secret istio-system/soon {tls.crt: $SOON, tls.key: $KEY}
Secret istio-system/new {tls.crt: $NEW, tls.key: $KEY}
Secret istio-system/authority {tls.crt: $AUTHORITY, tls.key: $KEY}
Gateway shop/g {selector: {istio: ingressgateway}, servers: [
  {port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialNames: [old, soon]}},
  {port: {number: 443, name: b, protocol: HTTPS}, hosts: [b.example.com], tls: {mode: SIMPLE, credentialNames: [new, authority]}}]}
",
        findings: &[
            "error RS250 Gateway/shop/g spec.servers[0].tls.credentialNames[0]: the certificate at stringData.tls.crt of the Secret istio-system/old (dir/mesh.yaml:10) expired at 2026-09-01T00:00:00Z: nobody believes it (renew it)",
            "warning RS251 Gateway/shop/g spec.servers[0].tls.credentialNames[1]: the certificate at stringData.tls.crt of the Secret istio-system/soon (dir/mesh.yaml:15) expires at 2026-10-01T00:00:00Z (renew it)",
            "error RS250 Gateway/shop/g spec.servers[1].tls.credentialNames[0]: the certificate at stringData.tls.crt of the Secret istio-system/new (dir/mesh.yaml:20) is not valid before 2026-10-01T00:00:00Z: nobody believes it (renew it)",
            "warning RS253 Gateway/shop/g spec.servers[1].tls.credentialNames[1]: the certificate at stringData.tls.crt of the Secret istio-system/authority (dir/mesh.yaml:25) is that of an authority, which strict clients refuse here (let the authority sign one without CA:TRUE for these hosts)",
        ],
    },
    Case {
        title: "hosts that no name covers",
        mesh: r#"
Secret istio-system/nameless {tls.crt: $NAMELESS, tls.key: $KEY}
Secret istio-system/many {tls.crt: $MANY, tls.key: $KEY}
Gateway shop/g {selector: {istio: ingressgateway}, servers: [
  {port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com, "*.example.com", "./B.Example.com", "*"], tls: {mode: SIMPLE, credentialName: good}},
  {port: {number: 443, name: b, protocol: HTTPS}, hosts: [a.example.org, "*/a.b.example.com", "*.b.example.com"], tls: {mode: SIMPLE, credentialName: good}},
  {port: {number: 443, name: c, protocol: HTTPS}, hosts: [c.example.com], tls: {mode: SIMPLE, credentialName: nameless}},
  {port: {number: 443, name: d, protocol: HTTPS}, hosts: [d.example.com], tls: {mode: SIMPLE, credentialName: many}}]}
"#,
        findings: &[
            "warning RS252 Gateway/shop/g spec.servers[1].hosts[0]: the certificate of the Secret istio-system/good does not cover a.example.org, and clients refuse it: it is for *.example.com (add the name to the certificate, as subjectAltName (DNS))",
            "warning RS252 Gateway/shop/g spec.servers[1].hosts[1]: the certificate of the Secret istio-system/good does not cover a.b.example.com, and clients refuse it: it is for *.example.com (add the name to the certificate, as subjectAltName (DNS))",
            "warning RS252 Gateway/shop/g spec.servers[1].hosts[2]: the certificate of the Secret istio-system/good does not cover *.b.example.com, and clients refuse it: it is for *.example.com (add the name to the certificate, as subjectAltName (DNS))",
            "warning RS252 Gateway/shop/g spec.servers[2].hosts[0]: the certificate of the Secret istio-system/nameless does not cover c.example.com, and clients refuse it: it is for no host at all (add the name to the certificate, as subjectAltName (DNS))",
            "warning RS252 Gateway/shop/g spec.servers[3].hosts[0]: the certificate of the Secret istio-system/many does not cover d.example.com, and clients refuse it: it is for a.a, b.a, c.a and 2 more (add the name to the certificate, as subjectAltName (DNS))",
        ],
    },
];

#[test]
fn certificates() {
    check(CODES, GROUND, CASES);
}

#[test]
fn time_alone_changes_what_is_told_of_certificates() {
    let mesh = "
Secret istio-system/soon {tls.crt: $SOON, tls.key: $KEY}
Secret istio-system/nobodys {tls.crt: $OLD, tls.key: $KEY}
Gateway shop/g {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: soon}}]}
";
    let mut world = World::of(&documents(&filled(mesh)));
    let output = world.compile();
    let codes = |now| {
        let found = output.findings(now);
        let found = found.iter().map(|finding| finding.code).filter(|code| CODES.contains(code));
        found.collect::<Vec<_>>()
    };
    // From January to September, to October, and for ever.
    let mut now = UNIX_EPOCH;
    assert_eq!(output.findings_turn(now), None, "nobody has looked at it");
    let mut told = vec![codes(now)];
    while let Some(turn) = output.findings_turn(now) {
        assert_eq!(codes(turn - Duration::from_secs(1)), *told.last().unwrap());
        told.push(codes(turn));
        now = turn;
    }
    assert_eq!(told, [vec!["RS250"], vec![], vec!["RS251"], vec!["RS250"]]);
}
