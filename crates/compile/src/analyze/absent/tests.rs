use super::*;
use crate::analyze::table::{check, object, process};

#[test]
fn what_is_not_there() {
    let service = object("Service", "shop", "cart", "{ports: [{port: 80}]}");
    let routes = |host: &str, more: &str| {
        let spec = format!("{{hosts: [{host}], http: [{{{more}route: [{{destination: {{host: cart}}}}]}}]}}");
        object("VirtualService", "shop", "a", &spec)
    };
    let rule = |host: &str, port: &str| {
        let settings =
            format!("{{portLevelSettings: [{{port: {{number: {port}}}, loadBalancer: {{simple: RANDOM}}}}]}}");
        object("DestinationRule", "shop", "a", &format!("{{host: {host}, trafficPolicy: {settings}}}"))
    };
    let sidecar = |host: &str| object("Sidecar", "shop", "a", &format!("{{egress: [{{hosts: ['{host}']}}]}}"));
    let web = process("shop", "web", "");
    check(
        CODES,
        &[
            ("a short name", routes("cart", "") + &service, &[]),
            ("a whole name", routes("cart.shop.svc.cluster.local", "") + &service, &[]),
            ("somebody outside", routes("api.example.com", "") + &service, &[]),
            (
                "a name without the domain",
                routes("cart.shop", "") + &service,
                &[
                    "5:16: warning RS264 VirtualService/shop/a spec.hosts[0]: no Service and no ServiceEntry has the host \
                     cart.shop: no call of a service meets its rules (if the Service of namespace shop is meant, write \
                     cart.shop.svc.cluster.local)",
                ],
            ),
            (
                "a name that is misspelt",
                routes("crat", "") + &service,
                &[
                    "5:16: warning RS264 VirtualService/shop/a spec.hosts[0]: no Service and no ServiceEntry has the host \
                     crat.shop.svc.cluster.local: no call of a service meets its rules (did you mean \"cart\"?)",
                ],
            ),
            ("callers that there are", routes("cart", "match: [{sourceLabels: {app: web}}], ") + &service + &web, &[]),
            ("files without workloads", routes("cart", "match: [{sourceLabels: {app: wweb}}], ") + &service, &[]),
            (
                "callers that there are not",
                routes("cart", "match: [{sourceLabels: {app: wweb}}], ") + &service + &web,
                &[
                    "5:54: warning RS264 VirtualService/shop/a spec.http[0].match[0].sourceLabels: no workload of the mesh \
                     has app=wweb (compare them with the workloads' labels)",
                ],
            ),
            ("a port that is called", rule("cart", "80") + &service, &[]),
            (
                "a port of the application",
                rule("cart", "8080") + &service,
                &[
                    "5:72: warning RS264 DestinationRule/shop/a spec.trafficPolicy.portLevelSettings[0].port.number: the host \
                     cart.shop.svc.cluster.local has no port 8080 (ports are those that are called: 80)",
                ],
            ),
            ("hosts of a Sidecar", sidecar("./cart.shop.svc.cluster.local") + &service, &[]),
            ("all of them", sidecar("*/*") + &service, &[]),
            (
                "routes of a namespace",
                sidecar("traffic/cart.shop.svc.cluster.local")
                    + &service
                    + &object(
                        "VirtualService",
                        "traffic",
                        "b",
                        "{hosts: [cart.shop.svc.cluster.local], http: [{route: [{destination: {host: cart.shop.svc.cluster.local}}]}]}",
                    ),
                &[],
            ),
            (
                "callers by where they run",
                routes("cart", "match: [{sourceLabels: {topology.kubernetes.io/region: r1}}], ") + &service + &web,
                &[],
            ),
            (
                "a host that there is not",
                sidecar("./crat.shop.svc.cluster.local") + &service,
                &[
                    "5:26: warning RS264 Sidecar/shop/a spec.egress[0].hosts[0]: no Service and no ServiceEntry has the host \
                     crat.shop.svc.cluster.local (did you mean \"cart.shop.svc.cluster.local\"?)",
                ],
            ),
            (
                "a host of another namespace",
                sidecar("bank/cart.shop.svc.cluster.local") + &service,
                &[
                    "5:26: warning RS264 Sidecar/shop/a spec.egress[0].hosts[0]: the host cart.shop.svc.cluster.local is of \
                     namespace shop, not of bank (write shop/cart.shop.svc.cluster.local)",
                ],
            ),
        ],
    );
}
