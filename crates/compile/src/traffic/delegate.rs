//! Delegates: rules of one `VirtualService` under those of another.

use std::collections::BTreeMap;

use ripstop_api::istio::{Headers, HttpMatch, HttpRoute, StringMatch};

/// A rule of a delegate as it acts below its root.
pub(crate) struct Merged {
    pub(crate) route: HttpRoute,
    /// Place of the rule in the delegate.
    pub(crate) index: usize,
    /// Place of each match in the delegate's rule; nothing for one that the root alone has.
    pub(crate) places: Vec<Option<usize>>,
    /// Whether the mirrors are the root's.
    pub(crate) mirrors_of_root: bool,
}

/// Rules of a delegate as they act below `root`, in order; one that contradicts it is left out. Names in both must
/// be in full: they stand in different namespaces. A rule with matches that stand in one place of the delegate is given
/// as several, so that in each of them a place tells one match.
pub(crate) fn merge(root: &HttpRoute, delegate: &[HttpRoute]) -> Vec<Merged> {
    let mut merged = Vec::new();
    for (index, own) in delegate.iter().enumerate() {
        let Some(matches) = matches(&root.matches, &own.matches) else { continue };
        for part in parts(matches) {
            let (places, matches) = part.into_iter().unzip();
            let mirrors_of_root = own.mirror.is_none() && own.mirrors.is_empty();
            merged.push(Merged { route: fields(root, own, matches), index, places, mirrors_of_root });
        }
    }
    merged
}

/// A match and its place in the delegate's rule.
type Placed = (Option<usize>, HttpMatch);

/// Every compatible pair; nothing if some match of the delegate has no partner.
fn matches(root: &[HttpMatch], delegate: &[HttpMatch]) -> Option<Vec<Placed>> {
    if delegate.is_empty() {
        return Some(root.iter().map(|above| (None, above.clone())).collect());
    }
    let own = delegate.iter().enumerate().map(|(at, own)| (Some(at), own));
    if root.is_empty() {
        return Some(own.map(|(at, own)| (at, own.clone())).collect());
    }
    let mut merged = Vec::new();
    for (at, own) in own {
        let before = merged.len();
        merged.extend(root.iter().filter(|above| is_compatible(above, own)).map(|above| (at, join(above, own))));
        if merged.len() == before {
            return None;
        }
    }
    Some(merged)
}

/// In order, so that no place is twice in a part; one part without anything if there is nothing.
fn parts(matches: Vec<Placed>) -> Vec<Vec<Placed>> {
    let mut parts: Vec<Vec<Placed>> = vec![Vec::new()];
    for placed in matches {
        match parts.last_mut() {
            Some(part) if part.iter().all(|(place, _)| *place != placed.0) => part.push(placed),
            _ => parts.push(vec![placed]),
        }
    }
    parts
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
        (StringMatch::Regex(_), _) | (_, StringMatch::Regex(_)) | (StringMatch::Exact(_), StringMatch::Prefix(_)) => {
            false
        }
        (StringMatch::Present, _) | (_, StringMatch::Present) => true,
        (StringMatch::Exact(root), StringMatch::Exact(own)) => root == own,
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
    if route.headers == Headers::default() {
        route.headers.clone_from(&root.headers);
    }
    route
}
