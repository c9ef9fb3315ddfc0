use super::*;
use crate::analyze::table::{check, object};

#[test]
fn listeners() {
    let sidecar = |spec: &str| object("Sidecar", "shop", "own", spec);
    let service = |name: &str| object("Service", "shop", name, "{ports: [{port: 80}]}");
    let told = |place: &str, text: &str| format!("5:{place}: {text}");
    check(
        CODES,
        &[
            (
                "a port of the mesh",
                sidecar(
                    "{egress: [{port: {number: 15001, protocol: HTTP, name: a}, captureMode: NONE, hosts: ['./*']}]}",
                ),
                &[&told(
                    "33",
                    "warning RS249 Sidecar/shop/own spec.egress[0].port.number: nobody listens at 127.0.0.1:15001: proxies of the mesh have that port in the network of each workload (choose another port, another `bind`, or another `defaultEndpoint`)",
                )],
            ),
            (
                "an application at the same address",
                sidecar("{ingress: [{port: {number: 8080, protocol: HTTP, name: a}, captureMode: NONE}]}"),
                &[&told(
                    "34",
                    "warning RS249 Sidecar/shop/own spec.ingress[0].port.number: nobody listens at 0.0.0.0:8080: the application is to get what comes there at the address and port of a listener of the proxy itself, which would call itself (choose another port, another `bind`, or another `defaultEndpoint`)",
                )],
            ),
            (
                "two at one address",
                sidecar(
                    "{ingress: [{port: {number: 80, protocol: HTTP, name: a}, captureMode: NONE, defaultEndpoint: '127.0.0.1:8080'}], egress: [{port: {number: 80, protocol: HTTP, name: b}, bind: 127.0.0.1, hosts: ['./*']}]}",
                ),
                &[&told(
                    "145",
                    "warning RS249 Sidecar/shop/own spec.egress[0].port.number: nobody listens at 127.0.0.1:80: a listener of `ingress` has that address and port (choose another port, another `bind`, or another `defaultEndpoint`)",
                )],
            ),
            (
                "what is never captured",
                sidecar(
                    "{egress: [{port: {number: 80, protocol: HTTP, name: a}, bind: 127.0.0.1, captureMode: IPTABLES, hosts: ['./*']}]}",
                ),
                &[&told(
                    "93",
                    "warning RS249 Sidecar/shop/own spec.egress[0].captureMode: nobody reaches it: what goes to the loopback of a workload is never captured (write `captureMode: NONE`, and its sidecar listens there itself)",
                )],
            ),
            (
                "one service of TCP",
                sidecar(
                    "{egress: [{port: {number: 9000, protocol: TCP, name: a}, captureMode: NONE, hosts: [./cart.shop.svc.cluster.local]}]}",
                ) + &service("cart"),
                &[],
            ),
            (
                "no service of TCP",
                sidecar(
                    "{egress: [{port: {number: 9000, protocol: TCP, name: a}, captureMode: NONE, hosts: ['./*']}]}",
                ),
                &[&told(
                    "90",
                    "warning RS263 Sidecar/shop/own spec.egress[0].hosts: connections that come there are reset: it knows no service with that port, or a single one (name one service: `NAMESPACE/HOST`)",
                )],
            ),
            (
                "several services of TCP",
                sidecar(
                    "{egress: [{port: {number: 9000, protocol: TCP, name: a}, captureMode: NONE, hosts: ['./*']}]}",
                ) + &service("cart")
                    + &service("web"),
                &[&told(
                    "90",
                    "warning RS263 Sidecar/shop/own spec.egress[0].hosts: connections that come there are reset: nothing in them says whom they are for, and it knows 2 (cart.shop.svc.cluster.local, web.shop.svc.cluster.local) (name one service: `NAMESPACE/HOST`)",
                )],
            ),
            (
                "what is well",
                sidecar(
                    "{ingress: [{port: {number: 8443, protocol: HTTPS, name: a}, bind: 127.0.0.1, captureMode: NONE, defaultEndpoint: '127.0.0.1:8080'}], egress: [{port: {number: 9080, protocol: HTTP, name: b}, bind: 127.0.0.1, captureMode: NONE, hosts: ['./*']}, {port: {number: 80, protocol: HTTP, name: c}, bind: 10.96.0.9, hosts: ['./*']}]}",
                ),
                &[],
            ),
        ],
    );
}
