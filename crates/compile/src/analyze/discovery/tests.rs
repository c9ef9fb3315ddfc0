use super::*;
use crate::analyze::table::{check, object, process};

#[test]
fn what_is_not_looked_at_and_what_is_hidden() {
    let mesh = |config: &str| object("Mesh", "", "default", &format!("{{meshConfig: {config}}}"));
    let selecting = mesh("{discoverySelectors: [{matchLabels: {env: prod}}]}");
    let hiding = mesh("{serviceEntryVisibility: {defaultVisibility: NAMESPACE}}");
    let namespace = object("Namespace", "", "shop", "");
    let entry = object(
        "ServiceEntry",
        "shop",
        "a",
        "{hosts: [a.example], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}",
    );
    check(
        CODES,
        &[
            ("all are looked at", namespace.clone() + &process("shop", "web", ""), &[]),
            (
                "at its own object",
                selecting.clone() + &namespace + &process("shop", "web", "") + &entry,
                &[
                    "7:1: info RS260 Namespace/shop: discoverySelectors do not select the namespace shop: its workloads run \
                   outside of the mesh, and what it declares does nothing for them (ServiceEntry, Process) (give the namespace \
                   labels that one of the selectors selects)",
                ],
            ),
            (
                "at whatever it declares first",
                selecting.clone() + &entry,
                &["7:1: info RS260 ServiceEntry/shop/a: discoverySelectors do not select the namespace shop: its \
                   workloads run outside of the mesh, and what it declares does nothing for them (ServiceEntry) (give the \
                   namespace labels that one of the selectors selects)"],
            ),
            (
                "one that is selected",
                selecting + &namespace.replace("shop}", "shop, labels: {env: prod}}") + &entry,
                &[],
            ),
            (
                "hidden",
                hiding + &entry,
                &[
                    "7:1: info RS261 ServiceEntry/shop/a: serviceEntryVisibility of the mesh shows it to its own namespace \
                   alone, whatever its exportTo says",
                ],
            ),
        ],
    );
}
