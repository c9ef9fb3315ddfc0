//! Sets of changes after which a route may match.

use std::sync::Arc;

use ripstop_decide::{CallStep, Client};
use ripstop_model::{HttpMatch, RouteTable, StringMatch};

use super::{
    changes::{Change, Edit, call, method, path},
    token::none,
};
use crate::{
    answer::Explanation,
    course::{Course, Detail},
    explain::Asked,
    token::acceptable,
};

/// Sets that are drawn at most.
const SETS: usize = 400;

/// Sets of changes that may get it to somebody, the likely ones first.
pub(super) fn sets(asked: &Asked<'_>, explanation: &Explanation) -> Vec<Vec<Change>> {
    let (namespace, labels) = (asked.client_namespace(), asked.client_labels());
    let client = Client { namespace: &namespace, labels: labels.as_ref() };
    let course = asked.course(client, Detail::Whole);
    let mut sets: Vec<Vec<Change>> = Vec::new();
    for instead in course.unknown.iter().flat_map(|unknown| &unknown.instead) {
        if let Some((host, port)) = instead.rsplit_once(':')
            && let Ok(port) = port.parse()
        {
            let mut set = vec![call(asked, host, port)];
            // Another name is asked for, too.
            if asked.request.is_some() && asked.question.authority.is_empty() && host != asked.destination.written {
                set.push(authority(host));
            }
            sets.push(set);
        }
    }
    let tables = tables(asked, &course);
    let alternatives = tables.iter().flat_map(|table| &table.http).flat_map(|rule| &rule.matches);
    sets.extend(alternatives.filter_map(|matched| of_match(asked, matched)));
    if let Some(proxy) = asked.place.proxy() {
        let program = &asked.world.program;
        let gateways = program.traffic().gateways.values();
        let own: Vec<_> = gateways.filter(|gateway| gateway.selector.matches(&proxy.workload.labels)).collect();
        let names: Vec<(&Arc<str>, &Arc<str>)> =
            own.iter().map(|gateway| (&gateway.namespace, &gateway.name)).collect();
        let is_bound = |table: &&Arc<RouteTable>| {
            table.gateways.iter().any(|gateway| match gateway {
                ripstop_model::GatewayName::Named((namespace, name)) => names.contains(&(namespace, name)),
                ripstop_model::GatewayName::Mesh => false,
            })
        };
        let mut hosts: Vec<&str> = Vec::new();
        for table in program.traffic().routes.values().filter(is_bound) {
            hosts.extend(table.hosts.iter().filter_map(|host| host.exact()).map(|host| &**host));
        }
        let other = |port: &u16| *port != asked.destination.port;
        let ports: Vec<u16> =
            own.iter().flat_map(|gateway| &gateway.servers).map(|server| server.port).filter(other).collect();
        let given = asked.destination.written.as_str();
        sets.extend(ports.iter().map(|port| vec![call(asked, given, *port)]));
        sets.extend(hosts.iter().map(|host| vec![authority(host)]));
        for port in &ports {
            sets.extend(hosts.iter().map(|host| vec![call(asked, given, *port), authority(host)]));
        }
    }
    if explanation.route.backends.is_empty() && asked.request.is_some() {
        sets.push(vec![path("/".into())]);
    }
    sets.truncate(SETS);
    sets
}

/// Tables that were looked at.
fn tables(asked: &Asked<'_>, course: &Course) -> Vec<Arc<RouteTable>> {
    let trace = course.verdict.iter().flat_map(|verdict| &verdict.trace);
    let ids = trace.filter_map(|step| match step {
        CallStep::Table(id) => Some(id),
        _ => None,
    });
    let routes = &asked.world.program.traffic().routes;
    ids.filter_map(|id| routes.values().find(|table| table.id == *id)).cloned().collect()
}

/// Changes after which an alternative of a rule matches; nothing: there is a regex that nobody can satisfy
/// by guessing, or it is not about requests.
fn of_match(asked: &Asked<'_>, matched: &HttpMatch) -> Option<Vec<Change>> {
    asked.request.as_ref()?;
    let mut set = Vec::new();
    let mut field = |wanted: &Option<StringMatch>, change: &dyn Fn(String) -> Change| {
        if let Some(text) = wanted.as_ref().and_then(example) {
            set.push(change(text));
        }
    };
    field(&matched.uri, &path);
    field(&matched.method, &|text| method(&text));
    field(&matched.authority, &|text| authority(&text));
    field(&matched.scheme, &|text| Change {
        slot: "scheme".into(),
        told: format!("use the scheme {text}"),
        to: Edit::Scheme(text),
    });
    for (name, wanted) in &matched.headers {
        field(&Some(wanted.clone()), &|text| Change {
            slot: format!("header {name}"),
            told: format!("send the header {name}: {text}"),
            to: Edit::Header(name.to_string(), Some(text)),
        });
    }
    for (name, wanted) in &matched.query {
        field(&Some(wanted.clone()), &|text| Change {
            slot: format!("query {name}"),
            told: format!("ask with the query parameter {name}={text}"),
            to: Edit::Query(name.to_string(), text),
        });
    }
    let token = asked.place.proxy().and_then(|proxy| {
        acceptable(&asked.world.program, &proxy.workload.namespace, &proxy.workload.labels).into_iter().next()
    });
    for (names, wanted) in &matched.claims {
        // Where no token is accepted, no claim counts.
        let token = Box::new(token.clone()?);
        let name = names.join(".");
        field(&Some(wanted.clone()), &|text| Change {
            slot: format!("claim {name}"),
            told: format!("send a JWT with the claim {name}={text}"),
            to: Edit::Claim(token.clone(), name.clone(), text),
        });
    }
    set.extend(matched.without_headers.iter().map(|(name, _)| Change {
        slot: format!("header {name}"),
        told: format!("send no header {name}"),
        to: Edit::Header(name.to_string(), None),
    }));
    if !matched.without_claims.is_empty() && matched.claims.is_empty() {
        set.push(none());
    }
    if let Some(port) = matched.port.filter(|port| *port != asked.destination.port) {
        set.push(call(asked, &asked.destination.written, port));
    }
    Some(set).filter(|set| !set.is_empty())
}

fn authority(host: &str) -> Change {
    Change { slot: "host".into(), told: format!("ask for host {host}"), to: Edit::Authority(host.into()) }
}

/// A text that matches; nothing for a regex.
fn example(wanted: &StringMatch) -> Option<String> {
    match wanted {
        StringMatch::Present => Some("x".into()),
        StringMatch::Exact(text) | StringMatch::Prefix(text) => Some(text.to_string()),
        StringMatch::Regex(_) => None,
    }
}
