//! ServiceEntries.

use super::{Case, check};

const CODES: &[&str] = &["IST0134", "IST0177"];

const GROUND: &str = "";

const CASES: &[Case] = &[
    Case {
        title: "one port, two protocols",
        mesh: "
ServiceEntry shop/a {hosts: [a.example.com], resolution: DNS, ports: [{number: 443, name: x, protocol: HTTPS}, {number: 80, name: web, protocol: http}]}
ServiceEntry bank/b {hosts: [b.example.com, A.example.com], resolution: DNS, ports: [{number: 80, name: web, protocol: HTTP}, {number: 443, name: x, protocol: HTTP}]}
",
        findings: &[
            "warning IST0177 ServiceEntry/shop/a spec.ports[0].protocol: port 443 of a.example.com is declared as HTTPS, but ServiceEntry/bank/b declares it as HTTP (declare the same protocol in both)",
            "warning IST0177 ServiceEntry/bank/b spec.ports[1].protocol: port 443 of a.example.com is declared as HTTP, but ServiceEntry/shop/a declares it as HTTPS (declare the same protocol in both)",
        ],
    },
    Case {
        title: "nobody sees both",
        mesh: r#"
ServiceEntry shop/a {hosts: [a.example.com], exportTo: ["."], resolution: DNS, ports: [{number: 443, name: x, protocol: TLS}]}
ServiceEntry bank/b {hosts: [a.example.com], exportTo: ["."], resolution: DNS, ports: [{number: 443, name: x, protocol: HTTP}]}
ServiceEntry bank/c {hosts: [a.example.com], exportTo: ["~"], resolution: DNS, ports: [{number: 443, name: x, protocol: GRPC}]}
"#,
        findings: &[
        ],
    },
    Case {
        title: "TCP without an address: a name has one, a wildcard and `NONE` do not",
        mesh: r#"
ServiceEntry shop/name {hosts: [a.example.com], resolution: DNS, ports: [{number: 5432, name: db, protocol: TCP}]}
ServiceEntry shop/none {hosts: [b.example.com], resolution: NONE, ports: [{number: 5432, name: db, protocol: TCP}, {number: 443, name: x, protocol: TLS}, {number: 80, name: http-web}, {number: 81, name: z}]}
ServiceEntry shop/wild {hosts: ["*.example.org"], resolution: STATIC, endpoints: [{address: 10.0.0.1}], ports: [{number: 5432, name: db, protocol: tcp}]}
ServiceEntry shop/given {hosts: [c.example.com], resolution: NONE, addresses: [10.1.0.0/16], ports: [{number: 5432, name: db, protocol: TCP}]}
"#,
        findings: &[
            "info IST0134 ServiceEntry/shop/none spec.ports[0].protocol: port 5432 takes connections to any address, since `resolution: NONE` leaves the address to the caller (give addresses, or a protocol that tells the host: HTTP, HTTPS, TLS, GRPC)",
            "info IST0134 ServiceEntry/shop/none spec.ports[3].protocol: port 81 takes connections to any address, since `resolution: NONE` leaves the address to the caller (give addresses, or a protocol that tells the host: HTTP, HTTPS, TLS, GRPC)",
            "info IST0134 ServiceEntry/shop/wild spec.ports[0].protocol: port 5432 takes connections to any address, since the wildcard *.example.org has no address of its own (give addresses, or a protocol that tells the host: HTTP, HTTPS, TLS, GRPC)",
        ],
    },
];

#[test]
fn entries() {
    check(CODES, GROUND, CASES);
}
