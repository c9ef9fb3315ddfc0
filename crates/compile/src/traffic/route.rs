//! `VirtualService`.

use std::{collections::BTreeSet, sync::Arc};

use ripstop_api::{
    ObjectId, Spec,
    istio::{self, Destination, HttpRoute},
};
use ripstop_model::{
    BackendRef, GatewayName, HeaderOperations, HttpRule, ObjectName, RouteTable, Selector, SourceMatch, Visibility,
    WeightedBackend,
};

use super::{
    Exported, Naming, connection,
    delegate::{self, Merged},
    http, named, nonempty, object_id,
};
use crate::{Declared, Objects, declare::labels};

/// What a rule is compiled with.
pub(crate) struct Context<'a> {
    pub(crate) naming: &'a Naming,
    /// The object that the rule stands in.
    pub(crate) declared: &'a Declared,
}

/// The table of an object, and the delegates that it names; nothing for a delegate, which acts below others only.
pub(crate) fn compile(
    declared: &Declared,
    written: &istio::VirtualService,
    objects: &Objects,
    naming: &Naming,
) -> (Option<RouteTable>, BTreeSet<ObjectName>) {
    let mut delegates = BTreeSet::new();
    if written.hosts.is_empty() {
        return (None, delegates);
    }
    let (namespace, name) = named(&declared.object);
    let context = Context { naming, declared };
    let mut rules = Vec::new();
    for (index, route) in written.http.iter().enumerate() {
        let Some(reference) = &route.delegate else {
            rules.push(http::rule(&context, route, index));
            continue;
        };
        let owner = nonempty(&reference.namespace).unwrap_or_else(|| namespace.clone());
        let target: ObjectName = (owner, reference.name.as_str().into());
        if let Some((leaf, spec)) = delegate_of(objects, &target, &namespace, naming) {
            let leaf = Context { naming, declared: leaf };
            let below: Vec<HttpRoute> = spec.http.iter().map(|route| leaf.in_full(route)).collect();
            let merged = delegate::merge(&context.in_full(route), &below);
            rules.extend(merged.iter().map(|merged| leaf.merged(merged)));
        }
        delegates.insert(target);
    }
    let table = RouteTable {
        id: object_id(declared),
        created: declared.created,
        hosts: written.hosts.iter().map(|host| naming.host(host, &namespace)).collect(),
        gateways: gateways(&written.gateways, &namespace, true),
        visibility: naming.visibility(&written.export_to, &namespace, Exported::Routes),
        http: rules,
        tls: written.tls.iter().enumerate().map(|(index, route)| connection::tls(&context, route, index)).collect(),
        tcp: written.tcp.iter().enumerate().map(|(index, route)| connection::tcp(&context, route, index)).collect(),
        namespace,
        name,
    };
    (Some(table), delegates)
}

/// The delegate of that name, if the object of `namespace` may use it.
fn delegate_of<'o>(
    objects: &'o Objects,
    name: &ObjectName,
    namespace: &str,
    naming: &Naming,
) -> Option<(&'o Declared, &'o istio::VirtualService)> {
    let id =
        ObjectId { kind: ripstop_api::Kind::VirtualService, namespace: name.0.to_string(), name: name.1.to_string() };
    let declared = objects.get(&id)?;
    let Spec::VirtualService(spec) = &declared.object.spec else { return None };
    let seen: Visibility = naming.visibility(&spec.export_to, &name.0, Exported::Routes);
    (spec.hosts.is_empty() && seen.includes(namespace)).then_some((declared, &**spec))
}

/// Places that are named; none is the mesh for an object, and nothing for a match.
pub(crate) fn gateways(written: &[String], namespace: &Arc<str>, of_object: bool) -> Vec<GatewayName> {
    if written.is_empty() {
        return if of_object { vec![GatewayName::Mesh] } else { Vec::new() };
    }
    let place = |text: &String| match text.as_str() {
        "mesh" => GatewayName::Mesh,
        text => match text.split_once('/') {
            Some((".", name)) => GatewayName::Named((namespace.clone(), name.into())),
            Some((namespace, name)) => GatewayName::Named((namespace.into(), name.into())),
            None => match text.split_once('.') {
                // The old form: name.namespace.svc.domain.
                Some((name, rest)) => {
                    let namespace = rest.split('.').next().unwrap_or(rest);
                    GatewayName::Named((namespace.into(), name.into()))
                }
                None => GatewayName::Named((namespace.clone(), text.into())),
            },
        },
    };
    written.iter().map(place).collect()
}

fn gateway_in_full(gateway: &GatewayName) -> String {
    match gateway {
        GatewayName::Mesh => "mesh".to_owned(),
        GatewayName::Named((namespace, name)) => format!("{namespace}/{name}"),
    }
}

impl Context<'_> {
    pub(crate) fn namespace(&self) -> Arc<str> {
        self.declared.object.id.namespace.as_str().into()
    }

    /// A rule whose names mean the same wherever it is read.
    fn in_full(&self, written: &HttpRoute) -> HttpRoute {
        let namespace = self.namespace();
        let mut route = written.clone();
        let below = route.route.iter_mut().map(|route| &mut route.destination);
        let mirrors = route.mirrors.iter_mut().map(|mirror| &mut mirror.destination);
        for destination in below.chain(&mut route.mirror).chain(mirrors) {
            destination.host = self.naming.name(&destination.host, &namespace);
        }
        for wanted in &mut route.matches {
            let named = gateways(&wanted.gateways, &namespace, false);
            wanted.gateways = named.iter().map(gateway_in_full).collect();
        }
        route
    }

    /// A rule of this delegate below its root. What stands in the root alone has the place of the whole rule.
    fn merged(&self, merged: &Merged) -> HttpRule {
        let mut rule = http::rule(self, &merged.route, merged.index);
        let whole = format!("spec.http[{}]", merged.index);
        for (wanted, place) in rule.matches.iter_mut().zip(&merged.places) {
            wanted.path = match place {
                Some(at) => format!("{whole}.match[{at}]").into(),
                None => whole.as_str().into(),
            };
        }
        if merged.mirrors_of_root {
            rule.mirrors.iter_mut().for_each(|mirror| mirror.path = whole.as_str().into());
        }
        rule
    }

    pub(crate) fn backend(&self, written: &Destination) -> BackendRef {
        BackendRef {
            host: self.naming.name(&written.host, &self.declared.object.id.namespace).into(),
            subset: nonempty(&written.subset),
            port: written.port.as_ref().and_then(|port| port.number),
        }
    }

    pub(crate) fn connection_backend(&self, written: &istio::RouteDestination, path: String) -> WeightedBackend {
        WeightedBackend {
            backend: self.backend(&written.destination),
            weight: written.weight.unwrap_or(0),
            request_headers: HeaderOperations::default(),
            response_headers: HeaderOperations::default(),
            authority: None,
            path: path.into(),
        }
    }

    pub(crate) fn source(
        &self,
        source_labels: &std::collections::BTreeMap<String, String>,
        source_namespace: &str,
        written: &[String],
    ) -> SourceMatch {
        SourceMatch {
            labels: Selector(labels(source_labels)),
            namespace: nonempty(source_namespace),
            gateways: gateways(written, &self.namespace(), false),
        }
    }
}

#[cfg(test)]
mod tests;
