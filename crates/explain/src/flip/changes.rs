//! Changes of a question that may turn the verdict about it.

use std::{collections::BTreeSet, net::IpAddr};

use ripstop_decide::{Claims, ConditionTrace, PolicyTrace, Program, Truth};
use ripstop_model::{Action, Attribute, Sense, Value};

use super::token;
use crate::{Question, attempt::Attempt, explain::Asked};

/// A change of one thing that is asked.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// Changes of the same slot exclude each other.
    pub(super) slot: String,
    /// For people.
    pub(super) told: String,
    pub(super) to: Edit,
}

/// What is done with a question.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Identity(Option<String>),
    Source(IpAddr),
    Remote(IpAddr),
    To(String),
    Sni(String),
    Method(String),
    Path(String),
    Query(String, String),
    Scheme(String),
    Authority(String),
    Header(String, Option<String>),
    /// Another token; without a subject, the one that it has stays.
    Token(Option<Box<Claims>>),
    /// The token that gets the claim, if there is none.
    Claim(Box<Claims>, String, String),
}

/// Changes that are drawn at most.
const CHANGES: usize = 160;
/// Sets of rules that are drawn at most.
const SETS: usize = 200;

// === impl Edit ===

impl Edit {
    /// The question after it.
    pub(super) fn apply(&self, question: &mut Question) {
        match self {
            Self::Identity(Some(identity)) => (question.from, question.plaintext) = (identity.clone(), false),
            Self::Identity(None) => question.plaintext = true,
            Self::Source(address) => question.source_ip = address.to_string(),
            Self::Remote(address) => question.remote_ip = address.to_string(),
            Self::To(to) => question.to.clone_from(to),
            Self::Sni(name) => question.sni.clone_from(name),
            Self::Method(method) => question.method.clone_from(method),
            Self::Path(path) => question.path.clone_from(path),
            Self::Query(name, value) => {
                let path = if question.path.is_empty() { "/" } else { &question.path };
                let (bare, old) = path.split_once('?').unwrap_or((path, ""));
                let others = old.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(name));
                let pairs: Vec<String> = others.map(str::to_owned).chain([format!("{name}={value}")]).collect();
                question.path = format!("{bare}?{}", pairs.join("&"));
            }
            Self::Scheme(scheme) => question.scheme.clone_from(scheme),
            Self::Authority(authority) => question.authority.clone_from(authority),
            Self::Header(name, value) => {
                question.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
                question.headers.extend(value.clone().map(|value| (name.clone(), value)));
            }
            Self::Token(None) => question.claims.clear(),
            Self::Token(Some(token)) => set(token, question),
            Self::Claim(token, name, value) => {
                if question.claims.is_empty() {
                    set(token, question);
                }
                question.claims.push((name.clone(), value.clone()));
            }
        }
    }
}

/// Gives the question's token the issuer, the audiences and, if there is one, the subject of `token`.
fn set(token: &Claims, question: &mut Question) {
    let Claims { issuer, subject, audiences, .. } = token;
    question.claims.retain(|(name, _)| name != "iss" && (name != "sub" || subject.is_empty()));
    question.claims.push(("iss".into(), issuer.clone()));
    if !subject.is_empty() {
        question.claims.push(("sub".into(), subject.clone()));
    }
    for audience in audiences {
        let claim = ("aud".to_owned(), audience.clone());
        if !question.claims.contains(&claim) {
            question.claims.push(claim);
        }
    }
}

/// Changes that may matter: those that policies speak of; and sets after which a rule of action ALLOW matches.
pub(super) fn of_policies(asked: &Asked<'_>) -> (Vec<Change>, Vec<Vec<Change>>) {
    let program = &asked.world.program;
    let traces = asked.traces();
    let mut changes: Vec<Change> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |change: Change| {
        if changes.len() < CHANGES && seen.insert(change.told.clone()) {
            changes.push(change);
        }
    };
    // Whoever speaks plaintext can prove an identity, and the other way round.
    let account =
        |namespace: &str, name: &str| format!("spiffe://{}/ns/{namespace}/sa/{name}", program.mesh().trust_domain);
    let mut conditions: Vec<(&Attempt, &ConditionTrace)> = Vec::new();
    for (attempt, policies) in &traces {
        match attempt.peer {
            None => add(identity(Some(account(&attempt.destination.namespace, "default")))),
            Some(_) => add(identity(None)),
        }
        token::others(program, attempt).into_iter().for_each(&mut add);
        let named = policies.iter().flat_map(|policy| &policy.rules).flat_map(|rule| &rule.conditions);
        conditions.extend(named.map(|condition| (attempt, condition)));
    }
    for (attempt, condition) in &conditions {
        for value in &condition.values {
            for change in of_value(asked, attempt, &condition.attribute, value) {
                add(change);
            }
        }
    }
    for (attempt, condition) in &conditions {
        for change in of_others(asked, attempt, &condition.attribute) {
            add(change);
        }
    }
    (changes, of_rules(asked, &traces))
}

/// For each way in which a rule of action ALLOW may match: all that it wants and that is not so.
fn of_rules(asked: &Asked<'_>, traces: &[(Attempt, Vec<PolicyTrace>)]) -> Vec<Vec<Change>> {
    let mut sets: Vec<Vec<Change>> = Vec::new();
    for (attempt, policies) in traces {
        let allowing = policies.iter().filter(|policy| policy.action == Action::Allow && !policy.dry_run);
        for rule in allowing.flat_map(|policy| &policy.rules) {
            let head = |condition: &ConditionTrace| condition.path.split('.').next().unwrap_or_default().to_owned();
            let alternatives = |of: &str| {
                let mut heads: Vec<String> =
                    rule.conditions.iter().map(head).filter(|head| head.starts_with(of)).collect();
                heads.dedup();
                if heads.is_empty() { vec![String::new()] } else { heads }
            };
            for from in alternatives("from") {
                for to in alternatives("to") {
                    if sets.len() == SETS {
                        return sets;
                    }
                    let counts = |condition: &&ConditionTrace| {
                        let head = head(condition);
                        condition.truth != Truth::Holds && (head == from || head == to || head.starts_with("when"))
                    };
                    let mut set: Vec<Change> = Vec::new();
                    for condition in rule.conditions.iter().filter(counts) {
                        let named = condition.values.iter().filter(|_| condition.sense == Sense::AnyOf);
                        let mut wanted = named.flat_map(|value| of_value(asked, attempt, &condition.attribute, value));
                        let other = || of_others(asked, attempt, &condition.attribute).into_iter().next();
                        let change = if condition.sense == Sense::AnyOf { wanted.next() } else { other() };
                        set.extend(change.filter(|change| !set.iter().any(|other| other.slot == change.slot)));
                    }
                    if set.len() > 1 {
                        sets.push(set);
                    }
                }
            }
        }
    }
    sets
}

/// Changes after which another port of what is called is called: `wanted` of the workload, or any other.
fn of_port(asked: &Asked<'_>, attempt: &Attempt, wanted: Option<u16>) -> Vec<Change> {
    let destination = &asked.destination;
    let fits = |target: u16| wanted.map_or(target != attempt.port, |wanted| target == wanted);
    let ports: Vec<u16> = match &attempt.service {
        Some(key) => {
            let of = attempt.destination.services.iter().filter(|(service, _)| service == key);
            let fitting = of.flat_map(|(_, ports)| ports).filter(|mapping| fits(mapping.target_port));
            fitting.map(|mapping| mapping.service_port).collect()
        }
        None if asked.direct().is_some() => {
            let of = attempt.destination.services.iter().flat_map(|(_, ports)| ports);
            let known = of.map(|mapping| mapping.target_port).chain(wanted).filter(|target| fits(*target));
            known.collect()
        }
        None => Vec::new(),
    };
    let other = |port: &u16| *port != destination.port;
    ports.into_iter().filter(other).map(|port| call(asked, &destination.written, port)).collect()
}

/// Another host or port is called.
pub(super) fn call(asked: &Asked<'_>, host: &str, port: u16) -> Change {
    let to = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let told = if host == asked.destination.written { format!("call port {port}") } else { format!("call {to}") };
    Change { slot: "to".into(), told, to: Edit::To(to) }
}

pub(super) fn identity(to: Option<String>) -> Change {
    let told = match &to {
        Some(identity) => format!("call as {identity}"),
        None => "call in plaintext, without an identity".into(),
    };
    Change { slot: "identity".into(), told, to: Edit::Identity(to) }
}

/// Changes after which the value matches.
fn of_value(asked: &Asked<'_>, attempt: &Attempt, attribute: &Attribute, value: &Value) -> Vec<Change> {
    let program = &asked.world.program;
    let Some(text) = example(value) else {
        return match (attribute, value) {
            (_, Value::Port(port)) => of_port(asked, attempt, Some(*port)),
            (_, Value::Block(block)) => {
                let address = block.hosts().next().unwrap_or(block.addr());
                of_address(attribute, address)
            }
            (_, Value::Account { namespace, name }) => {
                vec![identity(Some(format!("spiffe://{}/ns/{namespace}/sa/{name}", program.mesh().trust_domain)))]
            }
            _ => Vec::new(),
        };
    };
    let domain = &program.mesh().trust_domain;
    let own = attempt.peer.as_ref().and_then(|peer| peer.as_service_account());
    let name = own.map_or("default", |(_, name)| name);
    match attribute {
        Attribute::Principal => {
            let full = match value {
                // A prefix may end anywhere, a suffix may begin anywhere.
                Value::Prefix(prefix) => completed(prefix),
                Value::Suffix(suffix) => known_identity(program, |identity| identity.ends_with(&**suffix)),
                Value::Present => Some(format!("{domain}/ns/{}/sa/default", attempt.destination.namespace)),
                _ => Some(text),
            };
            full.map(|full| identity(Some(format!("spiffe://{full}")))).into_iter().collect()
        }
        Attribute::Namespace => vec![identity(Some(format!("spiffe://{domain}/ns/{text}/sa/{name}")))],
        Attribute::TrustDomain => {
            let (namespace, name) = own.unwrap_or((&attempt.destination.namespace, "default"));
            vec![identity(Some(format!("spiffe://{text}/ns/{namespace}/sa/{name}")))]
        }
        Attribute::Sni => vec![Change {
            slot: "sni".into(),
            told: format!("connect with the server name {text}"),
            to: Edit::Sni(text),
        }],
        _ if attempt.request.is_none() => Vec::new(),
        Attribute::RequestPrincipal | Attribute::Audiences | Attribute::Presenter | Attribute::Claim(_) => {
            token::of_value(program, attempt, attribute, &text)
        }
        Attribute::Host => {
            vec![Change { slot: "host".into(), told: format!("ask for host {text}"), to: Edit::Authority(text) }]
        }
        Attribute::Method => vec![method(&text)],
        Attribute::Path => vec![path(if text.starts_with('/') { text } else { format!("/{text}") })],
        Attribute::Header(name) => vec![Change {
            slot: format!("header {name}"),
            told: format!("send the header {name}: {text}"),
            to: Edit::Header(name.to_string(), Some(text)),
        }],
        _ => Vec::new(),
    }
}

/// Changes after which no value that is named matches.
fn of_others(asked: &Asked<'_>, attempt: &Attempt, attribute: &Attribute) -> Vec<Change> {
    let other = || {
        let domain = &asked.world.program.mesh().trust_domain;
        identity(Some(format!("spiffe://{domain}/ns/elsewhere/sa/somebody-else")))
    };
    let documentation = |last: u8| IpAddr::from([192, 0, 2, last]);
    match attribute {
        Attribute::Principal | Attribute::Namespace | Attribute::ServiceAccount | Attribute::TrustDomain => {
            vec![other()]
        }
        Attribute::SourceIp | Attribute::RemoteIp | Attribute::DestinationIp => of_address(attribute, documentation(1)),
        Attribute::Port => of_port(asked, attempt, None),
        Attribute::Sni => {
            vec![Change {
                slot: "sni".into(),
                told: "connect without a server name".into(),
                to: Edit::Sni(String::new()),
            }]
        }
        _ if attempt.request.is_none() => Vec::new(),
        Attribute::Method => ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"].map(method).into(),
        Attribute::Path => vec![path("/".into()), path("/somewhere-else".into())],
        Attribute::Host => vec![Change {
            slot: "host".into(),
            told: "ask for another host".into(),
            to: Edit::Authority("somewhere-else.example".into()),
        }],
        Attribute::Header(name) => vec![
            Change {
                slot: format!("header {name}"),
                told: format!("send no header {name}"),
                to: Edit::Header(name.to_string(), None),
            },
            Change {
                slot: format!("header {name}"),
                told: format!("send another value of the header {name}"),
                to: Edit::Header(name.to_string(), Some("something-else".into())),
            },
        ],
        Attribute::RequestPrincipal | Attribute::Audiences | Attribute::Presenter | Attribute::Claim(_) => {
            vec![token::none()]
        }
        Attribute::Metadata(_) => Vec::new(),
    }
}

fn of_address(attribute: &Attribute, address: IpAddr) -> Vec<Change> {
    let (slot, told, to) = match attribute {
        Attribute::SourceIp => ("source", format!("call from {address}"), Edit::Source(address)),
        Attribute::RemoteIp => ("remote", format!("let the original client be {address}"), Edit::Remote(address)),
        // The workloads that are called have the addresses that they have.
        _ => return Vec::new(),
    };
    vec![Change { slot: slot.into(), told, to }]
}

pub(super) fn method(text: &str) -> Change {
    Change { slot: "method".into(), told: format!("use method {text}"), to: Edit::Method(text.into()) }
}

pub(super) fn path(text: String) -> Change {
    Change { slot: "path".into(), told: format!("ask for path {text}"), to: Edit::Path(text) }
}

/// A text that the value matches; nothing for what is no text.
fn example(value: &Value) -> Option<String> {
    Some(match value {
        Value::Exact(text) => text.to_string(),
        Value::Prefix(text) => format!("{text}x"),
        Value::Suffix(text) => format!("x{text}"),
        Value::Present => "x".into(),
        Value::Glob(text) => text.replace('*', "x"),
        Value::Template(text) => text.replace("{**}", "x").replace("{*}", "x"),
        Value::Block(_) | Value::Port(_) | Value::Account { .. } => return None,
    })
}

/// A whole principal that begins with `prefix`.
fn completed(prefix: &str) -> Option<String> {
    let rest = ["td", "ns", "x", "sa", "x"];
    let given: Vec<&str> = prefix.split('/').collect();
    if given.len() > rest.len() {
        return None;
    }
    let last = given.len() - 1;
    let mut parts: Vec<String> = given.iter().map(|part| (*part).to_owned()).collect();
    let ending = match (parts[last].is_empty(), last) {
        (true, _) => rest[last],
        (false, 1 | 3) => {
            parts[last].clear();
            rest[last]
        }
        (false, _) => "x",
    };
    parts[last].push_str(ending);
    parts.extend(rest[given.len()..].iter().map(|part| (*part).to_owned()));
    Some(parts.join("/"))
}

/// The principal of a workload that fits.
fn known_identity(program: &Program, fits: impl Fn(&str) -> bool) -> Option<String> {
    let identities = program.workloads().filter_map(|workload| workload.identity().ok());
    let principals = identities.map(|identity| identity.as_str().trim_start_matches("spiffe://").to_owned());
    principals.filter(|principal| fits(principal)).min()
}
