use super::*;
use crate::analyze::table::{check, ground, object, process};

fn service(name: &str, ports: &str) -> String {
    object("Service", "shop", name, &format!("{{selector: {{app: cart}}, ports: [{ports}]}}"))
}

#[test]
fn protocols_of_ports() {
    check(
        &[NO_PROTOCOL],
        &[
            ("named", service("a", "{name: http, port: 80}, {name: grpc-api, port: 81}, {name: tcp-x, port: 82}"), &[]),
            ("by appProtocol", service("a", "{name: web, port: 80, appProtocol: kubernetes.io/h2c}"), &[]),
            ("by number", service("a", "{name: db, port: 3306}"), &[]),
            ("UDP", service("a", "{name: dns, port: 5353, protocol: UDP}"), &[]),
            (
                "no name",
                service("a", "{port: 80}"),
                &["5:46: info IST0118 Service/shop/a spec.ports[0].port: port 80 does not say its protocol: it \
                has no name (name it like http, grpc-api or tcp, or write appProtocol)"],
            ),
            (
                "other name",
                service("a", "{name: http, port: 80}, {name: web, port: 81}"),
                &["5:70: info IST0118 Service/shop/a spec.ports[1].name: port 81 does not say its protocol: \
                its name \"web\" does not begin with one (name it like http, grpc-api or tcp, or write \
                appProtocol)"],
            ),
            (
                "other protocol",
                service("a", "{name: http, port: 80, appProtocol: spoken}"),
                &["5:75: info IST0118 Service/shop/a spec.ports[0].appProtocol: port 80 does not say its \
                protocol: appProtocol \"spoken\" is none that is known (name it like http, grpc-api or tcp, \
                or write appProtocol)"],
            ),
            (
                "Istio's own",
                service("a labels: {istio: pilot}", "{port: 80}")
                    + &service("b labels: {release: istio}", "{port: 80}"),
                &[],
            ),
            (
                "another release",
                service("a labels: {release: mine}", "{port: 80}"),
                &["5:46: info IST0118 Service/shop/a spec.ports[0].port: port 80 does not say its protocol: it \
                has no name (name it like http, grpc-api or tcp, or write appProtocol)"],
            ),
        ],
    );
}

#[test]
fn limits_of_processes() {
    let process = |limits: &str| object("Process", "shop", "cart", &format!("{{command: [a]{limits}}}"));
    check(
        &[NO_LIMITS],
        &[
            ("both", process(", resources: {limits: {cpu: 1, memory: 64Mi}}"), &[]),
            (
                "none",
                process(""),
                &["5:7: info RS02 Process/shop/cart spec.resources.limits: the process runs without a limit of \
                memory (write spec.resources.limits.memory)"],
            ),
            (
                "CPU",
                process(", resources: {limits: {cpu: 1}}"),
                &["5:42: info RS02 Process/shop/cart spec.resources.limits: the process runs without a limit \
                of memory (write spec.resources.limits.memory)"],
            ),
            ("memory", process(", resources: {limits: {memory: 64Mi}}"), &[]),
        ],
    );
}

#[test]
fn services_of_a_process() {
    let ground = ground("shop", &["cart"]);
    let two = |one: &str, other: &str| ground.clone() + &service("a", one) + &service("b", other);
    let codes = &[BOTH_TRANSPORTS, SAME_TARGET];
    check(
        codes,
        &[
            (
                "same ports",
                two("{name: http, port: 80, targetPort: web}", "{name: http, port: 80, targetPort: 8080}"),
                &[],
            ),
            (
                "different ports",
                two("{name: http, port: 80, targetPort: web}", "{name: http, port: 81, targetPort: 8080}"),
                &["10:61: warning IST0137 Process/shop/cart spec.ports[0].containerPort: port 8080 is reached \
                by several ports: 80 of Service a, 81 of Service b (let Services reach it by one port, so \
                that it is clear which one's settings hold)"],
            ),
            (
                "undeclared port",
                two("{name: http, port: 80, targetPort: 9090}", "{name: http, port: 9090}"),
                &["10:33: warning IST0137 Process/shop/cart spec.ports: port 9090 is reached by several ports: \
                80 of Service a, 9090 of Service b (let Services reach it by one port, so that it is clear \
                which one's settings hold)"],
            ),
            (
                "TCP and UDP",
                two("{name: tcp, port: 53}", "{name: dns, port: 53, protocol: UDP}"),
                &["9:49: warning IST0116 Process/shop/cart metadata.labels: port 53 is TCP in Service a and \
                UDP in Service b (give one of them another port)"],
            ),
            (
                "both in one service",
                ground.clone() + &service("a", "{name: tcp, port: 53}, {name: dns, port: 53, protocol: UDP}"),
                &[],
            ),
            (
                "outside of the mesh",
                process("shop", "cart", "")
                    + &service("a", "{name: tcp, port: 80, targetPort: 8080}, {name: tcp-b, port: 8080}"),
                &[],
            ),
        ],
    );
}

#[test]
fn way_out() {
    let mesh = |policy: &str| object("Mesh", "", "default", &format!("{{meshConfig: {{{policy}}}}}"));
    let operator = object("IstioOperator", "", "o", "{meshConfig: {outboundTrafficPolicy: {mode: ALLOW_ANY}}}");
    check(
        &[ALLOW_ANY],
        &[
            ("nobody wrote anything", ground("shop", &["cart"]), &[]),
            ("another setting", mesh("trustDomain: a.example"), &[]),
            ("registry", mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}"), &[]),
            (
                "any",
                mesh("outboundTrafficPolicy: {mode: ALLOW_ANY}"),
                &["5:51: info RS04 Mesh/default spec.meshConfig.outboundTrafficPolicy.mode: ALLOW_ANY: \
                workloads may call places that nobody declares (write REGISTRY_ONLY, and a ServiceEntry for \
                each place outside that is called)"],
            ),
            (
                "of an operator",
                operator.clone(),
                &["5:51: info RS04 IstioOperator/default/o spec.meshConfig.outboundTrafficPolicy.mode: \
                ALLOW_ANY: workloads may call places that nobody declares (write REGISTRY_ONLY, and a \
                ServiceEntry for each place outside that is called)"],
            ),
            ("one that does not act", mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}") + &operator, &[]),
        ],
    );
}
