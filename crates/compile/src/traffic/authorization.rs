//! `AuthorizationPolicy`.

use std::{collections::BTreeMap, sync::Arc};

use ipnet::IpNet;
use ripstop_api::istio::{self, AuthorizationAction};
use ripstop_model::{
    Action, Attribute, Authorization, Authorizer, AuthorizerProtocol, Condition, MeshConfig, Rule, Sense, TrustDomain,
    Value,
};

use super::{named, object_id, target};
use crate::Declared;

/// Annotation that puts a policy on trial.
pub(crate) const DRY_RUN: &str = "istio.io/dry-run";

/// A policy; principals of the mesh's own trust domain stand for its aliases, too.
pub(crate) fn compile(
    declared: &Declared,
    written: &istio::AuthorizationPolicy,
    mesh: &MeshConfig,
    authorizers: &BTreeMap<Arc<str>, AuthorizerProtocol>,
) -> Authorization {
    let (namespace, name) = named(&declared.object);
    let values = Values { namespace: &namespace, mesh };
    let provider = || {
        let name: Arc<str> =
            written.provider.as_ref().map(|provider| provider.name.as_str()).unwrap_or_default().into();
        Authorizer { protocol: authorizers.get(&name).copied(), name }
    };
    Authorization {
        id: object_id(declared),
        target: target(written.selector.as_ref(), written.target_ref.as_ref(), &written.target_refs),
        action: match written.action {
            AuthorizationAction::Allow => Action::Allow,
            AuthorizationAction::Deny => Action::Deny,
            AuthorizationAction::Audit => Action::Audit,
            AuthorizationAction::Custom => Action::Custom(provider()),
        },
        dry_run: declared.object.meta.annotations.get(DRY_RUN).is_some_and(|value| value == "true"),
        rules: written.rules.iter().map(|rule| values.rule(rule)).collect(),
        created: declared.created,
        namespace: namespace.clone(),
        name,
    }
}

struct Values<'a> {
    namespace: &'a Arc<str>,
    mesh: &'a MeshConfig,
}

impl Values<'_> {
    fn rule(&self, written: &istio::AuthorizationRule) -> Rule {
        let sources = written.from.iter().enumerate().map(|(index, from)| {
            from.source.as_ref().map(|source| self.source(source, &format!("from[{index}].source"))).unwrap_or_default()
        });
        let operations = written.to.iter().enumerate().map(|(index, to)| {
            to.operation
                .as_ref()
                .map(|operation| operation_conditions(operation, &format!("to[{index}].operation")))
                .unwrap_or_default()
        });
        let when = written
            .when
            .iter()
            .enumerate()
            .flat_map(|(index, condition)| self.when(condition, &format!("when[{index}]")));
        Rule { from: sources.collect(), to: operations.collect(), when: when.collect() }
    }

    fn source(&self, source: &istio::AuthorizationSource, path: &str) -> Vec<Condition> {
        let mut all = Conditions { path, found: Vec::new() };
        let principals = |values: &[String]| values.iter().flat_map(|value| self.principal(value)).collect();
        let accounts = |values: &[String]| values.iter().map(|value| self.account(value)).collect();
        let domains = |values: &[String]| values.iter().flat_map(|value| self.trust_domain(value)).collect();
        all.add(&Attribute::Principal, "principals", &source.principals, &source.not_principals, principals);
        all.add(
            &Attribute::RequestPrincipal,
            "requestPrincipals",
            &source.request_principals,
            &source.not_request_principals,
            forms,
        );
        all.add(&Attribute::Namespace, "namespaces", &source.namespaces, &source.not_namespaces, globs);
        all.add(
            &Attribute::ServiceAccount,
            "serviceAccounts",
            &source.service_accounts,
            &source.not_service_accounts,
            accounts,
        );
        all.add(&Attribute::TrustDomain, "trustDomains", &source.trust_domains, &source.not_trust_domains, domains);
        all.add(&Attribute::SourceIp, "ipBlocks", &source.ip_blocks, &source.not_ip_blocks, blocks);
        all.add(&Attribute::RemoteIp, "remoteIpBlocks", &source.remote_ip_blocks, &source.not_remote_ip_blocks, blocks);
        all.found
    }

    fn when(&self, written: &istio::AuthorizationCondition, path: &str) -> Vec<Condition> {
        let attribute = attribute(&written.key);
        let values = |values: &[String]| -> Vec<Value> {
            match &attribute {
                Attribute::Principal => values.iter().flat_map(|value| self.principal(value)).collect(),
                Attribute::TrustDomain => values.iter().flat_map(|value| self.trust_domain(value)).collect(),
                Attribute::ServiceAccount => values.iter().map(|value| self.account(value)).collect(),
                Attribute::Namespace => globs(values),
                Attribute::SourceIp | Attribute::RemoteIp | Attribute::DestinationIp => blocks(values),
                Attribute::Port => ports(values),
                _ => forms(values),
            }
        };
        let mut all = Conditions { path, found: Vec::new() };
        all.add_as(&attribute, "values", Sense::AnyOf, &written.values, values);
        all.add_as(&attribute, "notValues", Sense::NoneOf, &written.not_values, values);
        all.found
    }

    /// `[namespace/]name`.
    fn account(&self, text: &str) -> Value {
        match text.split_once('/') {
            Some((namespace, name)) => Value::Account { namespace: namespace.into(), name: name.into() },
            None => Value::Account { namespace: self.namespace.clone(), name: text.into() },
        }
    }

    /// The domains of the mesh: its own one and the aliases.
    fn domains(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.mesh.trust_domain).chain(&self.mesh.trust_domain_aliases).map(TrustDomain::as_str)
    }

    /// A principal of the mesh's own domain, by whichever of its names, means all of them. A domain that begins with
    /// `*` covers others besides: for those of the mesh that it covers it stays as it is written.
    fn principal(&self, text: &str) -> Vec<Value> {
        let parts: Vec<&str> = text.split('/').collect();
        let ([domain, "ns", _, "sa", _], true) = (&parts[..], text != "*") else { return vec![form(text)] };
        if *domain == "*" {
            return vec![form(text)];
        }
        let own = *domain == "cluster.local" || self.domains().any(|own| wildcard_matches(domain, own));
        if !own {
            return vec![form(text)];
        }
        let rest = &text[domain.len()..];
        let mut names: Vec<String> = Vec::new();
        for own in self.domains() {
            let covered = domain.strip_prefix('*').is_some_and(|suffix| own.ends_with(suffix));
            let name = if covered { text.to_owned() } else { format!("{own}{rest}") };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.iter().map(|name| form(name)).collect()
    }

    fn trust_domain(&self, text: &str) -> Vec<Value> {
        if self.domains().any(|own| own == text) {
            return self.domains().map(form).collect();
        }
        vec![form(text)]
    }
}

/// Gathers conditions, and where each stands.
struct Conditions<'a> {
    path: &'a str,
    found: Vec<Condition>,
}

impl Conditions<'_> {
    fn add(
        &mut self,
        attribute: &Attribute,
        field: &str,
        any: &[String],
        none: &[String],
        values: impl Fn(&[String]) -> Vec<Value>,
    ) {
        let mut letters = field.chars();
        let capital: String =
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
        self.add_as(attribute, field, Sense::AnyOf, any, &values);
        self.add_as(attribute, &format!("not{capital}"), Sense::NoneOf, none, &values);
    }

    fn add_as(
        &mut self,
        attribute: &Attribute,
        field: &str,
        sense: Sense,
        written: &[String],
        values: impl Fn(&[String]) -> Vec<Value>,
    ) {
        if !written.is_empty() {
            let path = format!("{}.{field}", self.path).into();
            self.found.push(Condition { attribute: attribute.clone(), sense, values: values(written), path });
        }
    }
}

fn operation_conditions(operation: &istio::AuthorizationOperation, path: &str) -> Vec<Condition> {
    let mut all = Conditions { path, found: Vec::new() };
    all.add(&Attribute::Host, "hosts", &operation.hosts, &operation.not_hosts, forms);
    all.add(&Attribute::Port, "ports", &operation.ports, &operation.not_ports, ports);
    all.add(&Attribute::Method, "methods", &operation.methods, &operation.not_methods, forms);
    all.add(&Attribute::Path, "paths", &operation.paths, &operation.not_paths, paths);
    all.found
}

/// The attribute of a `when` key.
fn attribute(key: &str) -> Attribute {
    let bracketed = |prefix: &str| -> Option<Vec<&str>> {
        let rest = key.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')?;
        Some(rest.split("][").collect())
    };
    match key {
        "source.ip" => Attribute::SourceIp,
        "remote.ip" => Attribute::RemoteIp,
        "source.namespace" => Attribute::Namespace,
        "source.principal" => Attribute::Principal,
        "source.serviceAccount" => Attribute::ServiceAccount,
        "source.trustDomain" => Attribute::TrustDomain,
        "request.auth.principal" => Attribute::RequestPrincipal,
        "request.auth.audiences" => Attribute::Audiences,
        "request.auth.presenter" => Attribute::Presenter,
        "destination.ip" => Attribute::DestinationIp,
        "destination.port" => Attribute::Port,
        "connection.sni" => Attribute::Sni,
        _ => {
            if let Some(names) = bracketed("request.headers") {
                return Attribute::Header(names.concat().to_ascii_lowercase().into());
            }
            if let Some(names) = bracketed("request.auth.claims") {
                return Attribute::Claim(names.into_iter().map(Arc::from).collect());
            }
            Attribute::Metadata(key.into())
        }
    }
}

fn forms(values: &[String]) -> Vec<Value> {
    values.iter().map(|value| form(value)).collect()
}

/// Exact, prefix, suffix or presence.
fn form(text: &str) -> Value {
    if text == "*" {
        Value::Present
    } else if let Some(suffix) = text.strip_prefix('*') {
        Value::Suffix(suffix.into())
    } else if let Some(prefix) = text.strip_suffix('*') {
        Value::Prefix(prefix.into())
    } else {
        Value::Exact(text.into())
    }
}

/// Namespaces take `*` anywhere.
fn globs(values: &[String]) -> Vec<Value> {
    let glob = |text: &String| match text.as_str() {
        "*" => Value::Present,
        text if text.contains('*') => Value::Glob(text.into()),
        text => Value::Exact(text.into()),
    };
    values.iter().map(glob).collect()
}

fn paths(values: &[String]) -> Vec<Value> {
    let path = |text: &String| {
        if text.contains("{*}") || text.contains("{**}") { Value::Template(text.as_str().into()) } else { form(text) }
    };
    values.iter().map(path).collect()
}

fn ports(values: &[String]) -> Vec<Value> {
    values.iter().filter_map(|value| value.parse().ok().map(Value::Port)).collect()
}

fn blocks(values: &[String]) -> Vec<Value> {
    values.iter().filter_map(|value| block(value).map(Value::Block)).collect()
}

/// An address or a block; IPv4 mapped into IPv6 is IPv4.
pub(crate) fn block(text: &str) -> Option<IpNet> {
    let block =
        text.parse::<IpNet>().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| address.into()))?;
    let IpNet::V6(v6) = block else { return Some(block.trunc()) };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(length)) => IpNet::new(v4.into(), length).ok().map(|block| block.trunc()),
        _ => Some(block.trunc()),
    }
}

/// Whether `text` is `pattern`, in which one `*` may stand at either end.
fn wildcard_matches(pattern: &str, text: &str) -> bool {
    if let Some(suffix) = pattern.strip_prefix('*') {
        text.ends_with(suffix)
    } else if let Some(prefix) = pattern.strip_suffix('*') {
        text.starts_with(prefix)
    } else {
        text == pattern
    }
}
