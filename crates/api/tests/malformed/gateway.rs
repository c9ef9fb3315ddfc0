//! `Gateway`s.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "no servers",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  selector: {istio: ingressgateway}
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &["a.yaml:7:3: error RS108 Gateway/shop/edge spec.servers: `servers` is missing"],
    },
    Row {
        title: "an empty list of servers, and a wildcard in the selector",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  selector: {istio: "*"}
  servers: []
"#,
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:7:21: error RS112 Gateway/shop/edge spec.selector.istio: `*` is not the value of a label: selectors compare whole values, without wildcards",
            "a.yaml:8:12: error RS108 Gateway/shop/edge spec.servers: `servers` is empty (a gateway needs a server at least)",
        ],
    },
    Row {
        title: "a server without port and hosts, and one without anything in them",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - name: web
  - port: {}
    hosts: []
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS108 Gateway/shop/edge spec.servers[0].port: `port` is missing",
            "a.yaml:8:5: error RS108 Gateway/shop/edge spec.servers[0].hosts: `hosts` is missing",
            "a.yaml:9:11: error RS108 Gateway/shop/edge spec.servers[1].port.number: `number` is missing",
            "a.yaml:9:11: error RS108 Gateway/shop/edge spec.servers[1].port.protocol: `protocol` is missing",
            "a.yaml:9:11: error RS108 Gateway/shop/edge spec.servers[1].port.name: `name` is missing",
            "a.yaml:10:12: error RS108 Gateway/shop/edge spec.servers[1].hosts: `hosts` is empty (write `\"*\"` for all hosts)",
        ],
    },
    Row {
        title: "a name with a dot",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge.shop
spec:
  servers:
  - port: {number: 80, protocol: HTTP, name: http}
    hosts: ["*"]
"#,
        good: &[],
        broken: &[],
        unreadable: true,
        findings: &[
            "a.yaml:4:9: error RS111 metadata.name: `edge.shop` is not a DNS label: `.` is not allowed, only lower-case letters, digits and `-`",
        ],
    },
    Row {
        title: "protocols that do not exist, or not at a gateway",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 80, protocol: HTPP, name: a}
    hosts: ["*"]
  - port: {number: 53, protocol: udp, name: b}
    hosts: ["*"]
  - port: {number: 15008, protocol: HBONE, name: c}
    hosts: ["*"]
  - port: {number: 81, protocol: "", name: d}
    hosts: ["*"]
"#,
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:8:34: error RS110 Gateway/shop/edge spec.servers[0].port.protocol: `HTPP` is none of `HTTP`, `HTTPS`, `GRPC`, `GRPC-WEB`, `HTTP2`, `MONGO`, `MYSQL`, `REDIS`, `TCP`, `TLS` (did you mean `HTTP`?)",
            "a.yaml:10:34: error RS126 Gateway/shop/edge spec.servers[1].port.protocol: a gateway does not serve `udp`",
            "a.yaml:12:37: error RS126 Gateway/shop/edge spec.servers[2].port.protocol: a gateway does not serve `HBONE`",
            "a.yaml:14:34: error RS110 Gateway/shop/edge spec.servers[3].port.protocol: \"\" is none of `HTTP`, `HTTPS`, `GRPC`, `GRPC-WEB`, `HTTP2`, `MONGO`, `MYSQL`, `REDIS`, `TCP`, `TLS`",
        ],
    },
    Row {
        title: "ports out of range, without name, and with a target that nobody follows",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 0, protocol: HTTP, name: a}
    hosts: ["*"]
  - port: {number: "80", protocol: HTTP}
    hosts: ["*"]
  - port: {number: 80, protocol: HTTP, name: "", targetPort: 8080}
    hosts: ["*"]
"#,
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:8:20: error RS109 Gateway/shop/edge spec.servers[0].port.number: 0 is out of range, 1 to 65535 is allowed",
            "a.yaml:10:11: error RS108 Gateway/shop/edge spec.servers[1].port.name: `name` is missing",
            "a.yaml:10:20: error RS106 Gateway/shop/edge spec.servers[1].port.number: a number is expected, the text `80` was found (remove the quotes)",
            "a.yaml:12:46: error RS108 Gateway/shop/edge spec.servers[2].port.name: `name` is empty",
            "a.yaml:12:62: info RS120 Gateway/shop/edge spec.servers[2].port.targetPort: `targetPort` is read but has no effect (the Service of the gateway says it)",
        ],
    },
    Row {
        title: "a target port alone is not refused",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 80, protocol: HTTP, name: http, targetPort: 8080}
    hosts: ["*"]
    defaultEndpoint: 127.0.0.1:8080
"#,
        good: &["Gateway/shop/edge"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:8:64: info RS120 Gateway/shop/edge spec.servers[0].port.targetPort: `targetPort` is read but has no effect (the Service of the gateway says it)",
            "a.yaml:10:22: info RS120 Gateway/shop/edge spec.servers[0].defaultEndpoint: `defaultEndpoint` is read but has no effect",
        ],
    },
    Row {
        title: "two servers and two ports of one name",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - name: web
    port: {number: 80, protocol: HTTP, name: http}
    hosts: ["*"]
  - name: web
    port: {number: 8080, protocol: HTTP, name: http}
    hosts: ["*"]
"#,
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:11:11: error RS117 Gateway/shop/edge spec.servers[1].name: two servers are named `web` (rename one of them)",
            "a.yaml:12:48: error RS117 Gateway/shop/edge spec.servers[1].port.name: two ports are named `http` (rename one of them)",
        ],
    },
    Row {
        title: "hosts that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 80, protocol: HTTP, name: http}
    hosts:
    - shop
    - "*shop.example.com"
    - shop.*.com
    - http://shop.example.com
    - shop.example.com:80
    - shop_1.example.com
    - ""
"#,
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:10:7: error RS128 Gateway/shop/edge spec.servers[0].hosts[0]: `shop` is a short name (write it as clients write it, with its domain: `shop.example.com`)",
            "a.yaml:11:7: error RS128 Gateway/shop/edge spec.servers[0].hosts[1]: `*shop.example.com` is not a host: `*` stands only for whole labels at the beginning (write it like `*.example.com`)",
            "a.yaml:12:7: error RS128 Gateway/shop/edge spec.servers[0].hosts[2]: `shop.*.com` is not a host: `*` stands only for whole labels at the beginning (write it like `*.example.com`)",
            "a.yaml:13:7: error RS128 Gateway/shop/edge spec.servers[0].hosts[3]: `http://shop.example.com` is not a host: it is a URL (write the host alone, without scheme and path)",
            "a.yaml:14:7: error RS128 Gateway/shop/edge spec.servers[0].hosts[4]: `shop.example.com:80` is not a host: it has a port (write the host alone; ports have a field of their own)",
            "a.yaml:15:7: error RS128 Gateway/shop/edge spec.servers[0].hosts[5]: `shop_1.example.com` is not a host: `_` is not allowed, only letters, digits and `-`",
            "a.yaml:16:7: error RS128 Gateway/shop/edge spec.servers[0].hosts[6]: \"\" is not a host: it is empty",
        ],
    },
    Row {
        title: "namespaces of hosts that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 80, protocol: HTTP, name: http}
    hosts:
    - "~/shop.example.com"
    - Shop/shop.example.com
    - /shop.example.com
    - shop/
    - shop/web
    - a/b/shop.example.com
"#,
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:10:7: error RS111 Gateway/shop/edge spec.servers[0].hosts[0]: `~` is neither `.`, `*` nor a namespace: it must begin and end with a lower-case letter or digit (write `namespace/host`, or the host alone)",
            "a.yaml:11:7: error RS111 Gateway/shop/edge spec.servers[0].hosts[1]: `Shop` is neither `.`, `*` nor a namespace: it must begin and end with a lower-case letter or digit (write `namespace/host`, or the host alone)",
            "a.yaml:12:7: error RS111 Gateway/shop/edge spec.servers[0].hosts[2]: \"\" is neither `.`, `*` nor a namespace: it is empty (write `namespace/host`, or the host alone)",
            "a.yaml:13:7: error RS128 Gateway/shop/edge spec.servers[0].hosts[3]: \"\" is not a host: it is empty",
            "a.yaml:14:7: error RS128 Gateway/shop/edge spec.servers[0].hosts[4]: `web` is a short name (write it as clients write it, with its domain: `shop.example.com`)",
            "a.yaml:15:7: error RS128 Gateway/shop/edge spec.servers[0].hosts[5]: `b/shop.example.com` is not a host: `/` is not allowed, only letters, digits and `-`",
        ],
    },
    Row {
        title: "addresses to bind that are none, or sockets",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - bind: localhost
    port: {number: 80, protocol: HTTP, name: a}
    hosts: ["*"]
  - bind: unix:///run/edge.sock
    port: {number: 81, protocol: HTTP, name: b}
    hosts: ["*"]
"#,
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:8:11: error RS113 Gateway/shop/edge spec.servers[0].bind: `localhost` is not an IP address",
            "a.yaml:11:11: error RS126 Gateway/shop/edge spec.servers[1].bind: a gateway does not listen on `unix:///run/edge.sock` (write an IP address, or remove `bind`)",
        ],
    },
    Row {
        title: "HTTPS and TLS without tls",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: https, name: https}
    hosts: [shop.example.com]
  - port: {number: 8443, protocol: TLS, name: tls}
    hosts: [shop.example.com]
    tls:
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS108 Gateway/shop/edge spec.servers[0].tls: `HTTPS` needs `tls` (write `mode: SIMPLE` and `credentialName` below it, or `mode: PASSTHROUGH`)",
            "a.yaml:10:5: error RS108 Gateway/shop/edge spec.servers[1].tls: `TLS` needs `tls` (write `mode: SIMPLE` and `credentialName` below it, or `mode: PASSTHROUGH`)",
        ],
    },
    Row {
        title: "plaintext HTTP with TLS",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTP, name: https}
    hosts: [shop.example.com]
    tls:
      httpsRedirect: true
      mode: SIMPLE
      credentialName: shop
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:12:13: error RS124 Gateway/shop/edge spec.servers[0].tls.mode: `HTTP` is plaintext and excludes `mode` (only `httpsRedirect` may be in its `tls`: write `protocol: HTTPS` for TLS)",
            "a.yaml:13:23: error RS124 Gateway/shop/edge spec.servers[0].tls.credentialName: `HTTP` is plaintext and excludes `credentialName` (only `httpsRedirect` may be in its `tls`: write `protocol: HTTPS` for TLS)",
        ],
    },
    Row {
        title: "plaintext HTTP that is passed on by its server name",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: grpc-web, name: https}
    hosts: [shop.example.com]
    tls:
      mode: PASSTHROUGH
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:11:13: error RS124 Gateway/shop/edge spec.servers[0].tls.mode: `GRPC-WEB` is plaintext and excludes `mode` (only `httpsRedirect` may be in its `tls`: write `protocol: HTTPS` for TLS)",
        ],
    },
    Row {
        title: "a redirect with the mode's default",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTP2, name: https}
    hosts: [shop.example.com]
    tls:
      httpsRedirect: true
      mode: PASSTHROUGH
",
        good: &["Gateway/shop/edge"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:12:13: info RS120 Gateway/shop/edge spec.servers[0].tls.mode: `mode` is read but has no effect (the server is plaintext)",
        ],
    },
    Row {
        title: "a redirect where nothing is plaintext",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: https}
    hosts: [shop.example.com]
    tls:
      httpsRedirect: true
      mode: SIMPLE
      credentialName: shop
",
        good: &["Gateway/shop/edge"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:11:22: info RS120 Gateway/shop/edge spec.servers[0].tls.httpsRedirect: `httpsRedirect` is read but has no effect (it redirects plaintext: write it at the server of `HTTP`)",
        ],
    },
    Row {
        title: "a byte stream with TLS",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: mongo, name: https}
    hosts: [shop.example.com]
    tls:
      mode: SIMPLE
      credentialName: shop
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:11:7: error RS124 Gateway/shop/edge spec.servers[0].tls: `MONGO` has no `tls` (write `protocol: TLS`, or remove `tls`)",
        ],
    },
    Row {
        title: "certificates that are passed by, as the mode is left out",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: https}
    hosts: [shop.example.com]
    tls:
      credentialName: shop
      serverCertificate: /etc/certs/tls.crt
      caCertificates: /etc/certs/ca.crt
",
        good: &["Gateway/shop/edge"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:11:23: info RS120 Gateway/shop/edge spec.servers[0].tls.credentialName: `credentialName` is read but has no effect (TLS is passed on: write `mode: SIMPLE` or `mode: MUTUAL` to terminate it)",
            "a.yaml:12:26: info RS120 Gateway/shop/edge spec.servers[0].tls.serverCertificate: `serverCertificate` is read but has no effect (TLS is passed on: write `mode: SIMPLE` or `mode: MUTUAL` to terminate it)",
            "a.yaml:13:23: info RS120 Gateway/shop/edge spec.servers[0].tls.caCertificates: `caCertificates` is read but has no effect (TLS is passed on: write `mode: SIMPLE` or `mode: MUTUAL` to terminate it)",
        ],
    },
    Row {
        title: "a mode that does not exist",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: https}
    hosts: [shop.example.com]
    tls:
      mode: TERMINATE
      credentialName: shop
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:11:13: error RS110 Gateway/shop/edge spec.servers[0].tls.mode: `TERMINATE` is none of `PASSTHROUGH`, `SIMPLE`, `MUTUAL`, `AUTO_PASSTHROUGH`, `ISTIO_MUTUAL`, `OPTIONAL_MUTUAL`",
        ],
    },
    Row {
        title: "no certificate, and half of one",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: a}
    hosts: [a.example.com]
    tls: {mode: SIMPLE}
  - port: {number: 444, protocol: HTTPS, name: b}
    hosts: [a.example.com]
    tls: {mode: SIMPLE, serverCertificate: /etc/certs/tls.crt}
  - port: {number: 445, protocol: HTTPS, name: c}
    hosts: [a.example.com]
    tls: {mode: SIMPLE, privateKey: /etc/certs/tls.key, serverCertificate: ""}
"#,
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:10:10: error RS108 Gateway/shop/edge spec.servers[0].tls: `mode: SIMPLE` needs a certificate (give `credentialName`, or `serverCertificate` and `privateKey`)",
            "a.yaml:13:44: error RS108 Gateway/shop/edge spec.servers[1].tls.serverCertificate: `serverCertificate` needs `privateKey` (give `credentialName`, or `serverCertificate` and `privateKey`)",
            "a.yaml:16:37: error RS108 Gateway/shop/edge spec.servers[2].tls.privateKey: `privateKey` needs `serverCertificate` (give `credentialName`, or `serverCertificate` and `privateKey`)",
        ],
    },
    Row {
        title: "mutual TLS without a certificate and without what clients are verified by",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: a}
    hosts: [a.example.com]
    tls: {mode: MUTUAL}
  - port: {number: 444, protocol: HTTPS, name: b}
    hosts: [a.example.com]
    tls: {mode: OPTIONAL_MUTUAL, serverCertificate: /etc/certs/tls.crt, privateKey: /etc/certs/tls.key}
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:10:10: error RS108 Gateway/shop/edge spec.servers[0].tls: `mode: MUTUAL` needs a certificate (give `credentialName`, or `serverCertificate` and `privateKey`)",
            "a.yaml:10:10: error RS108 Gateway/shop/edge spec.servers[0].tls: `mode: MUTUAL` needs `caCertificates` (name what clients' certificates are verified by, or use `credentialName`)",
            "a.yaml:13:10: error RS108 Gateway/shop/edge spec.servers[1].tls: `mode: OPTIONAL_MUTUAL` needs `caCertificates` (name what clients' certificates are verified by, or use `credentialName`)",
        ],
    },
    Row {
        title: "certificates from several places",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: a}
    hosts: [a.example.com]
    tls:
      mode: SIMPLE
      credentialName: shop
      serverCertificate: /etc/certs/tls.crt
      privateKey: /etc/certs/tls.key
  - port: {number: 444, protocol: HTTPS, name: b}
    hosts: [a.example.com]
    tls:
      mode: SIMPLE
      credentialName: shop
      credentialNames: [shop-rsa, shop-ecdsa]
  - port: {number: 445, protocol: HTTPS, name: c}
    hosts: [a.example.com]
    tls:
      mode: MUTUAL
      credentialNames: [shop-rsa]
      tlsCertificates:
      - {serverCertificate: /etc/certs/tls.crt, privateKey: /etc/certs/tls.key}
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:12:23: error RS124 Gateway/shop/edge spec.servers[0].tls.credentialName: `credentialName` excludes `serverCertificate` (the certificate comes from one of them)",
            "a.yaml:20:24: error RS124 Gateway/shop/edge spec.servers[1].tls.credentialNames: `credentialNames` excludes `credentialName` (the certificate comes from one of them)",
            "a.yaml:27:9: error RS124 Gateway/shop/edge spec.servers[2].tls.tlsCertificates: `tlsCertificates` excludes `credentialNames` (the certificate comes from one of them)",
        ],
    },
    Row {
        title: "too many certificates, none, and half ones",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: a}
    hosts: [a.example.com]
    tls:
      mode: SIMPLE
      credentialNames: [a, b, c]
  - port: {number: 444, protocol: HTTPS, name: b}
    hosts: [a.example.com]
    tls:
      mode: SIMPLE
      tlsCertificates:
      - {serverCertificate: /etc/certs/rsa.crt}
      - {privateKey: /etc/certs/ecdsa.key}
      - {}
  - port: {number: 445, protocol: HTTPS, name: c}
    hosts: [a.example.com]
    tls:
      mode: SIMPLE
      credentialNames: []
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:12:24: error RS109 Gateway/shop/edge spec.servers[0].tls.credentialNames: `credentialNames` has 3 items, at most 2 are allowed (one for RSA, one for ECDSA)",
            "a.yaml:18:9: error RS109 Gateway/shop/edge spec.servers[1].tls.tlsCertificates: `tlsCertificates` has 3 items, at most 2 are allowed (one for RSA, one for ECDSA)",
            "a.yaml:18:29: error RS108 Gateway/shop/edge spec.servers[1].tls.tlsCertificates[0].serverCertificate: `serverCertificate` needs `privateKey` (give `serverCertificate` and `privateKey`)",
            "a.yaml:19:22: error RS108 Gateway/shop/edge spec.servers[1].tls.tlsCertificates[1].privateKey: `privateKey` needs `serverCertificate` (give `serverCertificate` and `privateKey`)",
            "a.yaml:20:9: error RS108 Gateway/shop/edge spec.servers[1].tls.tlsCertificates[2]: `mode: SIMPLE` needs a certificate (give `serverCertificate` and `privateKey`)",
            "a.yaml:25:24: error RS108 Gateway/shop/edge spec.servers[2].tls.credentialNames: `credentialNames` is empty (name a certificate, or remove it)",
        ],
    },
    Row {
        title: "the mesh's certificates and others",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: https}
    hosts: [shop.example.com]
    tls:
      mode: ISTIO_MUTUAL
      serverCertificate: /etc/certs/tls.crt
      privateKey: /etc/certs/tls.key
      caCertificates: /etc/certs/ca.crt
      caCrl: /etc/certs/crl.pem
      credentialName: shop
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:12:26: error RS124 Gateway/shop/edge spec.servers[0].tls.serverCertificate: `mode: ISTIO_MUTUAL` excludes `serverCertificate` (the mesh's own certificates are used: remove it, or write `mode: MUTUAL`)",
            "a.yaml:13:19: error RS124 Gateway/shop/edge spec.servers[0].tls.privateKey: `mode: ISTIO_MUTUAL` excludes `privateKey` (the mesh's own certificates are used: remove it, or write `mode: MUTUAL`)",
            "a.yaml:14:23: error RS124 Gateway/shop/edge spec.servers[0].tls.caCertificates: `mode: ISTIO_MUTUAL` excludes `caCertificates` (the mesh's own certificates are used: remove it, or write `mode: MUTUAL`)",
            "a.yaml:15:14: info RS120 Gateway/shop/edge spec.servers[0].tls.caCrl: `caCrl` is read but has no effect (the mesh's own certificates are used)",
            "a.yaml:16:23: error RS124 Gateway/shop/edge spec.servers[0].tls.credentialName: `mode: ISTIO_MUTUAL` excludes `credentialName` (the mesh's own certificates are used: remove it, or write `mode: MUTUAL`)",
        ],
    },
    Row {
        title: "revoked clients where clients show nothing, or beside a Secret",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: a}
    hosts: [a.example.com]
    tls:
      mode: SIMPLE
      serverCertificate: /etc/certs/tls.crt
      privateKey: /etc/certs/tls.key
      caCrl: /etc/certs/crl.pem
  - port: {number: 444, protocol: HTTPS, name: b}
    hosts: [a.example.com]
    tls:
      mode: MUTUAL
      credentialName: shop
      caCrl: /etc/certs/crl.pem
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:14:14: error RS124 Gateway/shop/edge spec.servers[0].tls.caCrl: `mode: SIMPLE` excludes `caCrl` (clients show no certificates: remove it, or write `mode: MUTUAL`)",
            "a.yaml:20:14: info RS120 Gateway/shop/edge spec.servers[1].tls.caCrl: `caCrl` is read but has no effect (put the list into the `Secret`, as `ca.crl`)",
        ],
    },
    Row {
        title: "who clients must be, where they show nothing",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: https}
    hosts: [shop.example.com]
    tls:
      mode: SIMPLE
      credentialName: shop
      caCertificates: /etc/certs/ca.crt
      subjectAltNames: [client.example.com]
",
        good: &["Gateway/shop/edge"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:13:23: info RS120 Gateway/shop/edge spec.servers[0].tls.caCertificates: `caCertificates` is read but has no effect (clients show certificates with `mode: MUTUAL` and `mode: OPTIONAL_MUTUAL` only)",
            "a.yaml:14:24: info RS120 Gateway/shop/edge spec.servers[0].tls.subjectAltNames: `subjectAltNames` is read but has no effect (clients show certificates with `mode: MUTUAL` and `mode: OPTIONAL_MUTUAL` only)",
        ],
    },
    Row {
        title: "versions of TLS that are swapped, too old or none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: a}
    hosts: [a.example.com]
    tls: {mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2}
  - port: {number: 444, protocol: HTTPS, name: b}
    hosts: [a.example.com]
    tls: {mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_0, maxProtocolVersion: TLSV1_1}
  - port: {number: 445, protocol: HTTPS, name: c}
    hosts: [a.example.com]
    tls: {mode: SIMPLE, credentialName: a, minProtocolVersion: TLSv1.2}
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:10:93: error RS124 Gateway/shop/edge spec.servers[0].tls.maxProtocolVersion: `TLSV1_2` is less than `minProtocolVersion: TLSV1_3` (swap them, or remove one)",
            "a.yaml:13:64: info RS120 Gateway/shop/edge spec.servers[1].tls.minProtocolVersion: `minProtocolVersion` is read but has no effect (TLS begins at 1.2: write `TLSV1_2`)",
            "a.yaml:13:93: error RS126 Gateway/shop/edge spec.servers[1].tls.maxProtocolVersion: `TLSV1_1` is not served (TLS is 1.2 or 1.3)",
            "a.yaml:16:64: error RS110 Gateway/shop/edge spec.servers[2].tls.minProtocolVersion: `TLSv1.2` is none of `TLS_AUTO`, `TLSV1_0`, `TLSV1_1`, `TLSV1_2`, `TLSV1_3` (did you mean `TLSV1_2`?)",
        ],
    },
    Row {
        title: "cipher suites that are unknown or given twice are left out",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: https}
    hosts: [shop.example.com]
    tls:
      mode: SIMPLE
      credentialName: shop
      cipherSuites:
      - ECDHE-RSA-AES256-GCM-SHA384
      - ECDHE-RSA-AES128-GCM-SHA265
      - TLS_AES_128_GCM_SHA256
      - "!RC4"
      - ECDHE-RSA-AES256-GCM-SHA384
"#,
        good: &["Gateway/shop/edge"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:15:9: info RS120 Gateway/shop/edge spec.servers[0].tls.cipherSuites[1]: `ECDHE-RSA-AES128-GCM-SHA265` is no cipher suite that is known and is left out (did you mean `ECDHE-RSA-AES128-GCM-SHA256`?)",
            "a.yaml:16:9: info RS120 Gateway/shop/edge spec.servers[0].tls.cipherSuites[2]: `TLS_AES_128_GCM_SHA256` is no cipher suite that is known and is left out (names are OpenSSL's, as `ECDHE-RSA-AES128-GCM-SHA256`; those of TLS 1.3 are always on)",
            "a.yaml:18:9: info RS120 Gateway/shop/edge spec.servers[0].tls.cipherSuites[4]: `ECDHE-RSA-AES256-GCM-SHA384` is given twice and is left out",
        ],
    },
    Row {
        title: "hashes that are none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: https}
    hosts: [shop.example.com]
    tls:
      mode: MUTUAL
      credentialName: shop
      verifyCertificateSpki: [abc, NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=]
      verifyCertificateHash:
      - df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1
      - NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=
      - df:6f:f7
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:13:31: error RS129 Gateway/shop/edge spec.servers[0].tls.verifyCertificateSpki[0]: `abc` is not a SHA-256 hash in base64 (it has 44 characters, the last is `=`)",
            "a.yaml:15:9: error RS129 Gateway/shop/edge spec.servers[0].tls.verifyCertificateHash[0]: `df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1` is not a SHA-256 hash in hexadecimal (it has 64 digits, or 32 pairs of them with `:` between)",
            "a.yaml:16:9: error RS129 Gateway/shop/edge spec.servers[0].tls.verifyCertificateHash[1]: `NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=` is not a SHA-256 hash in hexadecimal (it has 64 digits, or 32 pairs of them with `:` between)",
            "a.yaml:17:9: error RS129 Gateway/shop/edge spec.servers[0].tls.verifyCertificateHash[2]: `df:6f:f7` is not a SHA-256 hash in hexadecimal (it has 64 digits, or 32 pairs of them with `:` between)",
        ],
    },
    Row {
        title: "snake_case and numbers act, with the present spelling named",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  servers:
  - port: {number: 443, protocol: HTTPS, name: https}
    hosts: [shop.example.com]
    tls:
      mode: 1
      credential_name: shop
      min_protocol_version: 4
      max_protocol_version: 3
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:11:13: info RS16 Gateway/shop/edge spec.servers[0].tls.mode: `mode` is given by its number 1 (write `SIMPLE`)",
            "a.yaml:12:7: info RS16 Gateway/shop/edge spec.servers[0].tls.credential_name: `credential_name` is an older spelling (write `credentialName`)",
            "a.yaml:13:7: info RS16 Gateway/shop/edge spec.servers[0].tls.min_protocol_version: `min_protocol_version` is an older spelling (write `minProtocolVersion`)",
            "a.yaml:13:29: info RS16 Gateway/shop/edge spec.servers[0].tls.minProtocolVersion: `minProtocolVersion` is given by its number 4 (write `TLSV1_3`)",
            "a.yaml:14:7: info RS16 Gateway/shop/edge spec.servers[0].tls.max_protocol_version: `max_protocol_version` is an older spelling (write `maxProtocolVersion`)",
            "a.yaml:14:29: error RS124 Gateway/shop/edge spec.servers[0].tls.maxProtocolVersion: `TLSV1_2` is less than `minProtocolVersion: TLSV1_3` (swap them, or remove one)",
            "a.yaml:14:29: info RS16 Gateway/shop/edge spec.servers[0].tls.maxProtocolVersion: `maxProtocolVersion` is given by its number 3 (write `TLSV1_2`)",
        ],
    },
    Row {
        title: "fields of the Gateway API",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  gatewayClassName: istio
  listeners:
  - {name: http, port: 80}
",
        good: &[],
        broken: &["Gateway/shop/edge"],
        unreadable: false,
        findings: &[
            "a.yaml:7:3: error RS107 Gateway/shop/edge spec.gatewayClassName: there is no field `gatewayClassName` (its fields are `servers`, `selector`)",
            "a.yaml:7:3: error RS108 Gateway/shop/edge spec.servers: `servers` is missing",
            "a.yaml:8:3: error RS107 Gateway/shop/edge spec.listeners: there is no field `listeners` (its fields are `servers`, `selector`)",
        ],
    },
];
