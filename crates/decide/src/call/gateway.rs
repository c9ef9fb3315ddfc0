//! Calls that arrive at a gateway.

use std::{net::IpAddr, sync::Arc};

use ripstop_model::{
    AppProtocol, BackendRef, Gateway, GatewayName, HostPattern, HttpRule, Labels, Server, ServerProtocol,
    ServerTlsMode, StringMatch,
};

use super::{
    ActingRule, CallFacts, CallStep, CallVerdict, Callee, Encoded, Outcome, Reached, RuleList, Story, Trace, act,
    callee::View, goes_by_name, looked_for, trace_http, without_port,
};
use crate::{
    listeners::Acting,
    program::Program,
    table::{Place, Table, connection_matches},
};

/// A table at a gateway, under the name that its listener and it have in common.
struct Bound<'p> {
    domain: HostPattern,
    gateway: GatewayName,
    server: &'p Server,
    table: &'p Table,
}

pub(super) fn call(
    program: &Program,
    facts: &CallFacts<'_>,
    labels: &Labels,
    namespace: &str,
    address: Option<IpAddr>,
    story: Story,
) -> CallVerdict {
    let mut trace = Trace::new(story);
    let view = View::of(program, facts, &mut trace);
    let outcome = match program.listeners().at(Reached { port: facts.port, address }, labels) {
        Some(acting) => decide(program, facts, &view, namespace, &acting, story, &mut trace),
        None => Outcome::Reset,
    };
    CallVerdict { outcome, callee: None, trace: trace.into_steps() }
}

#[allow(clippy::too_many_arguments)] // one place, one call
fn decide(
    program: &Program,
    facts: &CallFacts<'_>,
    view: &View<'_>,
    namespace: &str,
    acting: &Acting<'_>,
    story: Story,
    trace: &mut Trace,
) -> Outcome {
    let host = facts.request.map(|request| without_port(request.authority).to_ascii_lowercase());
    if acting.protocol() == ServerProtocol::Http {
        let (Some(host), Some(_)) = (host, facts.request) else { return Outcome::NoRule { table: None } };
        return http(program, facts, view, namespace, &acting.named(Some(&host)), &host, story, trace);
    }
    // TLS and TCP: the server name picks the listener.
    let sni = facts.sni.map(str::to_ascii_lowercase).or_else(|| host.clone());
    let sni = sni.as_deref();
    let Some((gateway, server)) = pick(&acting.named(sni), sni) else { return Outcome::Reset };
    trace.push(|| CallStep::Server(server.id.clone()));
    if goes_by_name(server) {
        let encoded = sni.and_then(Encoded::read);
        return encoded.and_then(|encoded| passed_on(facts, view, server, encoded, trace)).unwrap_or(Outcome::Reset);
    }
    let terminated = server
        .tls
        .as_ref()
        .is_some_and(|tls| !matches!(tls.mode, ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough));
    match (server.protocol, terminated) {
        (ServerProtocol::Https, true) => {
            let Some(host) = host else { return Outcome::NoRule { table: None } };
            http(program, facts, view, namespace, &[(gateway, server)], &host, story, trace)
        }
        (ServerProtocol::Tcp, _) | (_, true) => {
            connection(program, facts, view, namespace, (gateway, server), RuleList::Tcp, sni, trace)
        }
        (_, false) => connection(program, facts, view, namespace, (gateway, server), RuleList::Tls, sni, trace),
    }
}

/// Where a server name leads that says it: to a port of a service or of a host inside of the mesh, which the gateway sees.
/// Nobody else ends the TLS that is passed on, and who sends it is known to nobody: a port is not reached that has not
/// declared that it speaks it.
fn passed_on(
    facts: &CallFacts<'_>,
    view: &View<'_>,
    server: &Server,
    Encoded { port, subset, host }: Encoded<'_>,
    trace: &mut Trace,
) -> Option<Outcome> {
    let is_meant = |callee: &Callee| {
        let is_admitted = |namespace: &Option<Arc<str>>| namespace.as_ref().is_none_or(|own| own == callee.namespace());
        let mut admitting = server.hosts.iter().filter(|own| own.host.contains(host));
        callee.pattern().exact().is_some_and(|own| **own == *host)
            && admitting.any(|own| is_admitted(&own.namespace))
            && match callee {
                Callee::Service(_) => true,
                Callee::Entry(entry) => entry.internal,
                Callee::Workload(_) => false,
            }
    };
    let Some(callee) = view.named(host).filter(is_meant) else {
        trace.push(|| CallStep::Unknown(host.to_owned()));
        return None;
    };
    match callee.protocol(port) {
        Some(AppProtocol::Tls) => {}
        Some(_) => {
            trace.push(|| CallStep::NotOfTls(format!("{host}:{port}")));
            return None;
        }
        None => {
            trace.push(|| CallStep::Unknown(format!("{host}:{port}")));
            return None;
        }
    }
    let backend = BackendRef { host: host.into(), subset: subset.map(Into::into), port: Some(port) };
    let target = view.found(&backend, facts, Some(&callee));
    if target.missing.is_some() {
        trace.push(|| CallStep::Unknown(target.backend.to_string()));
        return None;
    }
    Some(Outcome::Forward { rule: None, backends: vec![target] })
}

/// The listener whose host is the most specific one for that name.
pub(super) fn pick<'p>(servers: &[(&'p Gateway, &'p Server)], name: Option<&str>) -> Option<(&'p Gateway, &'p Server)> {
    let best = |server: &Server| {
        let hosts = server.hosts.iter().map(|host| &host.host);
        let hosts = hosts.filter(|host| match name {
            Some(name) => looked_for(server, name).is_some_and(|name| host.contains(name)),
            None => !goes_by_name(server) && (**host == HostPattern::Any || server.protocol == ServerProtocol::Tcp),
        });
        hosts.min_by(|a, b| a.by_specificity(b)).cloned()
    };
    let mut found: Vec<_> =
        servers.iter().filter_map(|(gateway, server)| Some((best(server)?, *gateway, *server))).collect();
    // Stable: of equal ones the oldest.
    found.sort_by(|(a, ..), (b, ..)| a.by_specificity(b));
    found.into_iter().next().map(|(_, gateway, server)| (gateway, server))
}

#[allow(clippy::too_many_arguments)] // one place, one call
fn http(
    program: &Program,
    facts: &CallFacts<'_>,
    view: &View<'_>,
    namespace: &str,
    servers: &[(&Gateway, &Server)],
    host: &str,
    story: Story,
    trace: &mut Trace,
) -> Outcome {
    let Some(request) = facts.request else { return Outcome::NoRule { table: None } };
    // As its client sent it: proxies before the gateway may have ended TLS.
    let redirects = |server: &Server| server.https_redirect && request.scheme != "https";
    if let Some((_, server)) = pick(servers, Some(host)).filter(|(_, server)| redirects(server)) {
        trace.push(|| CallStep::Server(server.id.clone()));
        let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        let location = format!("https://{}{}{query}", without_port(request.authority), request.path);
        return Outcome::Redirect { rule: None, status: 301, location };
    }
    let mut bound: Vec<Bound<'_>> = servers
        .iter()
        .filter(|(_, server)| !redirects(server))
        .flat_map(|(gateway, server)| bind(program, namespace, gateway, server, Some(host)))
        .filter(|bound| bound.domain.contains(host))
        .collect();
    let Some(domain) = bound.iter().map(|bound| bound.domain.clone()).min_by(HostPattern::by_specificity) else {
        if let Some((_, server)) = pick(servers, Some(host)) {
            took(server, trace);
        }
        return Outcome::NoRule { table: None };
    };
    bound.retain(|bound| bound.domain == domain);
    bound.sort_by_key(|bound| {
        let source = &bound.table.source;
        (source.created, source.name.clone(), source.namespace.clone())
    });
    bound.dedup_by(|a, b| a.table.source.id == b.table.source.id && a.gateway == b.gateway);
    for bound in &bound {
        took(bound.server, trace);
    }
    for bound in &bound {
        trace.push(|| CallStep::Table(bound.table.source.id.clone()));
    }
    // Rules of all tables in order; those that take everything come last.
    let mut hit: Option<(usize, &Bound<'_>, usize, Option<usize>)> = None;
    let count = bound.len();
    for (order, bound) in bound.iter().enumerate() {
        let place = Place { gateway: &bound.gateway, caller: None, blind: false, port: facts.port };
        let Some((index, matched)) = bound.table.http(request, place) else { continue };
        let rule = &bound.table.source.http[index];
        let alternative = matched.and_then(|matched| rule.matches.iter().position(|each| each.path == matched.path));
        let rank = if takes_everything(rule, alternative) { count + order } else { order };
        if hit.as_ref().is_none_or(|(best, ..)| rank < *best) {
            hit = Some((rank, bound, index, alternative));
        }
    }
    let Some((_, bound, index, alternative)) = hit else {
        if story == Story::Whole {
            for bound in &bound {
                let place = Place { gateway: &bound.gateway, caller: None, blind: false, port: facts.port };
                trace_http(bound.table, request, place, trace);
            }
        }
        return Outcome::NoRule { table: bound.first().map(|bound| bound.table.source.id.clone()) };
    };
    let acting = ActingRule { table: bound.table.source.clone(), list: RuleList::Http, index, alternative };
    trace.push(|| CallStep::Match(acting.id().clone()));
    act(view, facts, acting, bound.table, None)
}

/// Tells once that a listener takes it.
fn took(server: &Server, trace: &mut Trace) {
    trace.push_once(|| CallStep::Server(server.id.clone()));
}

fn takes_everything(rule: &HttpRule, alternative: Option<usize>) -> bool {
    let Some(matched) = alternative.and_then(|index| rule.matches.get(index)) else { return true };
    let uri = match &matched.uri {
        None => true,
        Some(StringMatch::Prefix(prefix)) => &**prefix == "/",
        Some(StringMatch::Regex(regex)) => &**regex == ".*",
        Some(_) => false,
    };
    let plain = ripstop_model::HttpMatch {
        name: matched.name.clone(),
        path: matched.path.clone(),
        uri: matched.uri.clone(),
        ..ripstop_model::HttpMatch::default()
    };
    uri && *matched == plain
}

#[allow(clippy::too_many_arguments)] // one place, one call
fn connection(
    program: &Program,
    facts: &CallFacts<'_>,
    view: &View<'_>,
    namespace: &str,
    (gateway, server): (&Gateway, &Server),
    list: RuleList,
    sni: Option<&str>,
    trace: &mut Trace,
) -> Outcome {
    let named = sni.filter(|_| list == RuleList::Tls);
    let mut bound = bind(program, namespace, gateway, server, named);
    if let Some(sni) = named {
        bound.retain(|bound| bound.domain.contains(sni));
    }
    bound.sort_by(|a, b| {
        let age = |bound: &Bound<'_>| (bound.table.source.created, bound.table.source.name.clone());
        a.domain.by_specificity(&b.domain).then(age(a).cmp(&age(b)))
    });
    for bound in bound {
        let place = Place { gateway: &bound.gateway, caller: None, blind: false, port: facts.port };
        let source: &Arc<_> = &bound.table.source;
        let rules = if list == RuleList::Tls { &source.tls } else { &source.tcp };
        let hit = rules.iter().enumerate().find_map(|(index, rule)| {
            if rule.matches.is_empty() {
                return Some((index, None));
            }
            let alternative =
                rule.matches.iter().position(|wanted| connection_matches(wanted, sni, facts.address, place))?;
            Some((index, Some(alternative)))
        });
        let Some((index, alternative)) = hit else { continue };
        trace.push(|| CallStep::Table(source.id.clone()));
        trace.push(|| CallStep::Match(rules[index].id.clone()));
        let backends = view.targets(&rules[index].backends, facts, None);
        let rule = ActingRule { table: source.clone(), list, index, alternative };
        return Outcome::Forward { rule: Some(rule), backends };
    }
    Outcome::Reset
}

/// Tables that act at a listener; of those without a host in common with `wanted`, some or none.
fn bind<'p>(
    program: &'p Program,
    namespace: &str,
    gateway: &Gateway,
    server: &'p Server,
    wanted: Option<&str>,
) -> Vec<Bound<'p>> {
    let object = (gateway.namespace.clone(), gateway.name.clone());
    let tables = program.tables_at(&object, wanted);
    let name = GatewayName::Named(object);
    let mut bound = Vec::new();
    for table in tables {
        let source = &table.source;
        if !source.visibility.includes(namespace) {
            continue;
        }
        for own in &source.hosts {
            for host in &server.hosts {
                let admitted = host.namespace.as_ref().is_none_or(|wanted| *wanted == source.namespace);
                let common = if own.is_within(&host.host) {
                    Some(own.clone())
                } else if host.host.is_within(own) {
                    Some(host.host.clone())
                } else {
                    None
                };
                if let (true, Some(domain)) = (admitted, common) {
                    bound.push(Bound { domain, gateway: name.clone(), server, table });
                }
            }
        }
    }
    bound
}
