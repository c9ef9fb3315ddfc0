use ripstop_api::finding::Code;

use crate::{
    analyze::table::{check, object},
    finding::CODES,
};

#[test]
fn suppressed() {
    let codes: Vec<Code> =
        CODES.iter().filter(|code| ["IST0118", "RS202", "RS11"].contains(&code.code)).copied().collect();
    let service = |suppress: &str| {
        let name = if suppress.is_empty() {
            "cart".to_owned()
        } else {
            format!("cart annotations: {{galley.istio.io/analyze-suppress: '{suppress}'}}")
        };
        object("Service", "shop", &name, "{selector: {app: cart}, ports: [{port: 80}]}")
    };
    let policy = object(
        "AuthorizationPolicy",
        "shop",
        "tokens annotations: {galley.istio.io/analyze-suppress: '*'}",
        "{rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}",
    );
    check(
        &codes,
        &[
            (
                "nothing",
                service(""),
                &[
                    "5:18: info RS202 Service/shop/cart spec.selector: the service selects no Process of its \
                namespace, and nothing that runs (compare it with the workloads' labels)",
                    "5:46: info IST0118 Service/shop/cart spec.ports[0].port: port 80 does not say its protocol: \
                it has no name (name it like http, grpc-api or tcp, or write appProtocol)",
                ],
            ),
            (
                "one code",
                service("IST0118"),
                &["5:18: info RS202 Service/shop/cart spec.selector: the service selects no Process of its \
                namespace, and nothing that runs (compare it with the workloads' labels)"],
            ),
            ("several codes", service("RS1, IST0118,RS202"), &[]),
            ("all", service("*"), &[]),
            (
                "others",
                service("RS1"),
                &[
                    "5:18: info RS202 Service/shop/cart spec.selector: the service selects no Process of its \
                namespace, and nothing that runs (compare it with the workloads' labels)",
                    "5:46: info IST0118 Service/shop/cart spec.ports[0].port: port 80 does not say its protocol: \
                it has no name (name it like http, grpc-api or tcp, or write appProtocol)",
                ],
            ),
            (
                "errors are always told, and neighbours have their own say",
                policy + &service(""),
                &[
                    "5:53: error RS11 AuthorizationPolicy/shop/tokens \
                spec.rules[0].from[0].source.requestPrincipals: requestPrincipals looks at tokens, and no \
                RequestAuthentication reads any at its workloads (write a RequestAuthentication for the \
                same workloads)",
                    "10:18: info RS202 Service/shop/cart spec.selector: the service selects no Process of its \
                namespace, and nothing that runs (compare it with the workloads' labels)",
                    "10:46: info IST0118 Service/shop/cart spec.ports[0].port: port 80 does not say its \
                protocol: it has no name (name it like http, grpc-api or tcp, or write appProtocol)",
                ],
            ),
        ],
    );
}
