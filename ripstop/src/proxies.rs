//! What proxies are called.

use anyhow::{Result, anyhow};
use ripstop_api::nearest;

/// Which of `proxies`, nodes, sidecars as `sidecar-NAMESPACE.INSTANCE` and gateways as `NAMESPACE/INSTANCE`, is meant by
/// `name`: a node by its own name or as `node-NODE`; a sidecar by its own name; and that by its workload, as a gateway, by its
/// instance or its process, with its namespace before a slash or a dot, or without it where only one is called so.
pub fn named<'p>(proxies: &[&'p str], name: &str) -> Result<&'p str> {
    let wanted = name.replace('/', ".");
    let forms: [&dyn Fn(&str) -> bool; 5] = [
        &|proxy| proxy.replace('/', ".") == wanted,
        &|proxy| name.strip_prefix("node-") == Some(proxy),
        &|proxy| instance(proxy).is_some_and(|(namespace, instance)| format!("{namespace}.{instance}") == wanted),
        &|proxy| {
            let process = instance(proxy).and_then(|(namespace, instance)| Some((namespace, process(instance)?)));
            process.is_some_and(|(namespace, process)| format!("{namespace}.{process}") == wanted)
        },
        &|proxy| {
            let instance = instance(proxy).map(|(_, instance)| instance);
            instance.is_some_and(|instance| instance == name || process(instance) == Some(name))
        },
    ];
    for is_meant in forms {
        let mut found = proxies.iter().filter(|proxy| is_meant(proxy));
        match (found.next(), found.next()) {
            (Some(proxy), None) => return Ok(proxy),
            (Some(one), Some(other)) => return Err(anyhow!("{name:?} may be {one} or {other}")),
            (None, _) => {}
        }
    }
    let near = nearest(name, proxies.iter().copied()).map(|near| format!("; did you mean {near:?}?"));
    Err(anyhow!("there is no proxy {name:?}; there are {}{}", proxies.join(", "), near.unwrap_or_default()))
}

/// The workload that a proxy is, or is for: its namespace and its name.
fn instance(proxy: &str) -> Option<(&str, &str)> {
    proxy.strip_prefix("sidecar-").and_then(|own| own.split_once('.')).or_else(|| proxy.split_once('/'))
}

/// The process of an instance: its name without its number.
fn process(instance: &str) -> Option<&str> {
    let (process, number) = instance.rsplit_once('-')?;
    number.bytes().all(|digit| digit.is_ascii_digit()).then_some(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_call_a_proxy_means_one() {
        let proxies =
            ["east", "node-b", "istio-system/edge-0", "shop/web-0", "shop/web-1", "bank/web-0", "sidecar-shop.cart-0"];
        let named = |name: &str| named(&proxies, name).map_err(|error| error.to_string());
        for (name, proxy) in [
            ("east", "east"),
            ("node-east", "east"),
            ("node-b", "node-b"),
            ("node-node-b", "node-b"),
            ("istio-system.edge-0", "istio-system/edge-0"),
            ("istio-system/edge-0", "istio-system/edge-0"),
            ("istio-system/edge", "istio-system/edge-0"),
            ("edge-0", "istio-system/edge-0"),
            ("edge", "istio-system/edge-0"),
            ("shop.web-0", "shop/web-0"),
            ("web-1", "shop/web-1"),
            ("sidecar-shop.cart-0", "sidecar-shop.cart-0"),
            ("shop/cart-0", "sidecar-shop.cart-0"),
            ("shop.cart", "sidecar-shop.cart-0"),
            ("cart-0", "sidecar-shop.cart-0"),
            ("cart", "sidecar-shop.cart-0"),
        ] {
            assert_eq!(named(name).as_deref(), Ok(proxy), "{name}");
        }
        assert_eq!(named("web-0").unwrap_err(), "\"web-0\" may be shop/web-0 or bank/web-0");
        assert_eq!(named("shop/web").unwrap_err(), "\"shop/web\" may be shop/web-0 or shop/web-1");
        let all = "east, node-b, istio-system/edge-0, shop/web-0, shop/web-1, bank/web-0, sidecar-shop.cart-0";
        assert_eq!(
            named("eats").unwrap_err(),
            format!("there is no proxy \"eats\"; there are {all}; did you mean \"east\"?")
        );
    }
}
