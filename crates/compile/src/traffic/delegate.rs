//! Delegates: rules of one `VirtualService` under those of another.

use std::collections::BTreeMap;

use ripstop_api::istio::{HttpMatch, HttpRoute, StringMatch};

/// A rule, and where it comes from.
pub(crate) struct Merged {
    pub(crate) route: HttpRoute,
    /// Place of the rule in the delegate, and of each match: (root, delegate).
    pub(crate) index: usize,
}

/// Rules of a delegate as they act below `root`, in order; one that contradicts it is left out.
pub(crate) fn merge(root: &HttpRoute, delegate: &[HttpRoute]) -> Vec<Merged> {
    let merged = |(index, route): (usize, &HttpRoute)| {
        let matches = matches(&root.matches, &route.matches)?;
        Some(Merged { route: fields(root, route, matches), index })
    };
    delegate.iter().enumerate().filter_map(merged).collect()
}

/// Every compatible pair; nothing if some match of the delegate has no partner.
fn matches(root: &[HttpMatch], delegate: &[HttpMatch]) -> Option<Vec<HttpMatch>> {
    if root.is_empty() {
        return Some(delegate.to_vec());
    }
    if delegate.is_empty() {
        return Some(root.to_vec());
    }
    let mut merged = Vec::new();
    for own in delegate {
        let before = merged.len();
        merged.extend(root.iter().filter(|above| is_compatible(above, own)).map(|above| join(above, own)));
        if merged.len() == before {
            return None;
        }
    }
    Some(merged)
}

fn is_compatible(root: &HttpMatch, own: &HttpMatch) -> bool {
    let texts = [
        (&root.uri, &own.uri),
        (&root.scheme, &own.scheme),
        (&root.method, &own.method),
        (&root.authority, &own.authority),
    ];
    let maps = [
        (&root.headers, &own.headers),
        (&root.without_headers, &own.without_headers),
        (&root.query_params, &own.query_params),
    ];
    let namespace = &root.source_namespace;
    texts.iter().all(|pair| match pair {
        (Some(root), Some(own)) => agree(root, own),
        _ => true,
    }) && maps
        .iter()
        .all(|(root, own)| root.iter().all(|(name, root)| own.get(name).is_none_or(|own| agree(root, own))))
        && root.ignore_uri_case == own.ignore_uri_case
        && (root.port.is_none() || own.port.is_none() || root.port == own.port)
        && (namespace.is_empty() || *namespace == own.source_namespace)
        && root.source_labels.iter().all(|(key, value)| own.source_labels.get(key).is_none_or(|own| own == value))
        && (root.gateways.is_empty()
            || own.gateways.is_empty()
            || own.gateways.iter().all(|gateway| root.gateways.contains(gateway)))
}

/// Whether what the delegate wants lies within what the root wants. Of a regex nobody can tell.
fn agree(root: &StringMatch, own: &StringMatch) -> bool {
    match (root, own) {
        (StringMatch::Regex(_), _) | (_, StringMatch::Regex(_)) => false,
        (StringMatch::Present, _) | (_, StringMatch::Present) => true,
        (StringMatch::Exact(root), StringMatch::Exact(own)) => root == own,
        (StringMatch::Exact(_), StringMatch::Prefix(_)) => false,
        (StringMatch::Prefix(root), StringMatch::Exact(own) | StringMatch::Prefix(own)) => own.starts_with(root),
    }
}

/// The delegate's conditions, and what the root has besides.
fn join(root: &HttpMatch, own: &HttpMatch) -> HttpMatch {
    let union = |root: &BTreeMap<String, StringMatch>, own: &BTreeMap<String, StringMatch>| {
        let mut all = root.clone();
        all.extend(own.iter().map(|(name, wanted)| (name.clone(), wanted.clone())));
        all
    };
    let mut labels = root.source_labels.clone();
    labels.extend(own.source_labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    let names: Vec<&str> =
        [root.name.as_str(), own.name.as_str()].into_iter().filter(|name| !name.is_empty()).collect();
    let either = |own: &String, root: &String| if own.is_empty() { root.clone() } else { own.clone() };
    HttpMatch {
        name: names.join("-"),
        uri: own.uri.clone().or_else(|| root.uri.clone()),
        scheme: own.scheme.clone().or_else(|| root.scheme.clone()),
        method: own.method.clone().or_else(|| root.method.clone()),
        authority: own.authority.clone().or_else(|| root.authority.clone()),
        headers: union(&root.headers, &own.headers),
        without_headers: union(&root.without_headers, &own.without_headers),
        query_params: union(&root.query_params, &own.query_params),
        ignore_uri_case: own.ignore_uri_case,
        port: own.port.or(root.port),
        source_labels: labels,
        source_namespace: either(&own.source_namespace, &root.source_namespace),
        gateways: if own.gateways.is_empty() { root.gateways.clone() } else { own.gateways.clone() },
        stat_prefix: either(&own.stat_prefix, &root.stat_prefix),
    }
}

/// The delegate's fields as a whole, the root's where it has none.
fn fields(root: &HttpRoute, own: &HttpRoute, matches: Vec<HttpMatch>) -> HttpRoute {
    let names: Vec<&str> =
        [root.name.as_str(), own.name.as_str()].into_iter().filter(|name| !name.is_empty()).collect();
    let mut route = own.clone();
    route.name = names.join("-");
    route.matches = matches;
    route.rewrite = route.rewrite.or_else(|| root.rewrite.clone());
    route.direct_response = route.direct_response.or_else(|| root.direct_response.clone());
    route.timeout = route.timeout.or(root.timeout);
    route.retries = route.retries.or_else(|| root.retries.clone());
    route.fault = route.fault.or_else(|| root.fault.clone());
    route.cors_policy = route.cors_policy.or_else(|| root.cors_policy.clone());
    if route.mirror.is_none() && route.mirrors.is_empty() {
        route.mirror.clone_from(&root.mirror);
        route.mirrors.clone_from(&root.mirrors);
        route.mirror_percent = root.mirror_percent;
        route.mirror_percentage.clone_from(&root.mirror_percentage);
    }
    if route.headers == Default::default() {
        route.headers.clone_from(&root.headers);
    }
    route
}
