//! The smallest change of a request that turns the verdict about it.
//!
//! Changes are drawn from the values that the policies themselves name, and from values that none of
//! them names; sets of one, two and three changes are tried in that order by the very function that
//! decides, so that what is found is true.

use std::{collections::BTreeSet, net::IpAddr};

use ripstop_decide::{Claims, PolicyTrace, Program};
use ripstop_model::{Attribute, Value};

use crate::{
    answer::FlipAnswer,
    attempt::{Attempt, insert},
};

mod token;

/// A change of one attribute.
#[derive(Clone, Debug)]
struct Change {
    /// Changes of the same slot exclude each other.
    slot: String,
    told: String,
    to: To,
}

#[derive(Clone, Debug)]
enum To {
    Identity(Option<String>),
    Source(IpAddr),
    Remote(IpAddr),
    Address(IpAddr),
    Port(u16),
    Sni(Option<String>),
    Method(String),
    Path(String),
    Authority(String),
    Header(String, Option<String>),
    Token(Option<Box<Claims>>),
    /// The token that gets it, if there is none.
    Claim(Box<Claims>, String, String),
    Audience(Box<Claims>, String),
    Presenter(Box<Claims>, String),
}

/// Sets of changes that are tried at most.
const TRIES: usize = 60_000;
/// Changes that are drawn at most.
const CHANGES: usize = 160;

/// The smallest set of changes that turns the verdict about `attempt`; nothing if none of three was found.
pub(crate) fn smallest(program: &Program, attempt: &Attempt, policies: &[PolicyTrace]) -> Option<FlipAnswer> {
    let before = attempt.word(program);
    let changes = changes(program, attempt, policies);
    let mut tries = 0;
    let mut chosen: Vec<usize> = Vec::new();
    for size in 1..=3 {
        if let Some((verdict, set)) = search(program, attempt, &changes, before, size, 0, &mut chosen, &mut tries) {
            let told = set.iter().map(|index| changes[*index].told.clone()).collect();
            return Some(FlipAnswer { verdict: verdict.into(), changes: told });
        }
    }
    None
}

#[allow(clippy::too_many_arguments)] // a recursion carries its state
fn search(
    program: &Program,
    attempt: &Attempt,
    changes: &[Change],
    before: &str,
    size: usize,
    from: usize,
    chosen: &mut Vec<usize>,
    tries: &mut usize,
) -> Option<(&'static str, Vec<usize>)> {
    if chosen.len() == size {
        *tries += 1;
        let mut changed = attempt.clone();
        for index in chosen.iter() {
            apply(&mut changed, &changes[*index].to)?;
        }
        let after = changed.word(program);
        return (after != before).then(|| (after, chosen.clone()));
    }
    for index in from..changes.len() {
        if *tries > TRIES {
            return None;
        }
        if chosen.iter().any(|other| changes[*other].slot == changes[index].slot) {
            continue;
        }
        chosen.push(index);
        let found = search(program, attempt, changes, before, size, index + 1, chosen, tries);
        chosen.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

fn apply(attempt: &mut Attempt, to: &To) -> Option<()> {
    let request = attempt.request.as_mut();
    match to {
        To::Identity(identity) => {
            attempt.peer = match identity {
                Some(identity) => Some(identity.parse().ok()?),
                None => None,
            };
        }
        To::Source(address) => attempt.source = Some(*address),
        To::Remote(address) => attempt.remote = Some(*address),
        To::Address(address) => attempt.address = Some(*address),
        To::Port(port) => attempt.port = *port,
        To::Sni(name) => attempt.sni.clone_from(name),
        To::Method(method) => request?.method.clone_from(method),
        To::Path(path) => request?.path.clone_from(path),
        To::Authority(authority) => request?.authority.clone_from(authority),
        To::Header(name, value) => {
            let headers = &mut request?.headers;
            headers.retain(|(other, _)| other != name);
            headers.extend(value.clone().map(|value| (name.clone(), value)));
        }
        To::Token(None) => request?.claims = None,
        To::Token(Some(token)) => {
            let claims = request?.claims.get_or_insert_with(Claims::default);
            claims.issuer.clone_from(&token.issuer);
            if !token.subject.is_empty() {
                claims.subject.clone_from(&token.subject);
            }
            let further = token.audiences.iter().filter(|audience| !claims.audiences.contains(audience));
            let further: Vec<String> = further.cloned().collect();
            claims.audiences.extend(further);
        }
        To::Claim(token, name, value) => {
            insert(&mut request?.claims.get_or_insert_with(|| *token.clone()).others, name, value);
        }
        To::Audience(token, audience) => {
            request?.claims.get_or_insert_with(|| *token.clone()).audiences.push(audience.clone());
        }
        To::Presenter(token, presenter) => {
            request?.claims.get_or_insert_with(|| *token.clone()).presenter = Some(presenter.clone());
        }
    }
    Some(())
}

/// Changes that may matter: those that policies speak of.
fn changes(program: &Program, attempt: &Attempt, policies: &[PolicyTrace]) -> Vec<Change> {
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
    match attempt.peer {
        None => add(identity(Some(account(&attempt.destination.namespace, "default")))),
        Some(_) => add(identity(None)),
    }
    token::others(program, attempt).into_iter().for_each(&mut add);
    let conditions = policies.iter().flat_map(|policy| &policy.rules).flat_map(|rule| &rule.conditions);
    let conditions: Vec<_> = conditions.collect();
    for condition in &conditions {
        for value in &condition.values {
            for change in of_value(program, attempt, &condition.attribute, value) {
                add(change);
            }
        }
    }
    for condition in &conditions {
        for change in of_others(program, attempt, &condition.attribute) {
            add(change);
        }
    }
    changes
}

fn identity(to: Option<String>) -> Change {
    let told = match &to {
        Some(identity) => format!("call as {identity}"),
        None => "call in plaintext, without an identity".into(),
    };
    Change { slot: "identity".into(), told, to: To::Identity(to) }
}

/// Changes after which the value matches.
fn of_value(program: &Program, attempt: &Attempt, attribute: &Attribute, value: &Value) -> Vec<Change> {
    let Some(text) = example(value) else {
        return match (attribute, value) {
            (_, Value::Port(port)) => vec![Change {
                slot: "port".into(),
                told: format!("call port {port} of the workload"),
                to: To::Port(*port),
            }],
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
            to: To::Sni(Some(text)),
        }],
        _ if attempt.request.is_none() => Vec::new(),
        Attribute::RequestPrincipal | Attribute::Audiences | Attribute::Presenter | Attribute::Claim(_) => {
            token::of_value(program, attempt, attribute, text)
        }
        Attribute::Host => {
            vec![Change { slot: "host".into(), told: format!("ask for host {text}"), to: To::Authority(text) }]
        }
        Attribute::Method => vec![method(&text)],
        Attribute::Path => vec![path(if text.starts_with('/') { text } else { format!("/{text}") })],
        Attribute::Header(name) => vec![Change {
            slot: format!("header {name}"),
            told: format!("send the header {name}: {text}"),
            to: To::Header(name.to_string(), Some(text)),
        }],
        _ => Vec::new(),
    }
}

/// Changes after which no value that is named matches.
fn of_others(program: &Program, attempt: &Attempt, attribute: &Attribute) -> Vec<Change> {
    let other = || {
        let domain = &program.mesh().trust_domain;
        identity(Some(format!("spiffe://{domain}/ns/elsewhere/sa/somebody-else")))
    };
    let documentation = |last: u8| IpAddr::from([192, 0, 2, last]);
    match attribute {
        Attribute::Principal | Attribute::Namespace | Attribute::ServiceAccount | Attribute::TrustDomain => {
            vec![other()]
        }
        Attribute::SourceIp | Attribute::RemoteIp | Attribute::DestinationIp => of_address(attribute, documentation(1)),
        Attribute::Port => vec![Change {
            slot: "port".into(),
            told: "call another port of the workload".into(),
            to: To::Port(if attempt.port == 1 { 2 } else { 1 }),
        }],
        Attribute::Sni => {
            vec![Change { slot: "sni".into(), told: "connect without a server name".into(), to: To::Sni(None) }]
        }
        _ if attempt.request.is_none() => Vec::new(),
        Attribute::Method => ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"].map(method).into(),
        Attribute::Path => vec![path("/".into()), path("/somewhere-else".into())],
        Attribute::Host => vec![Change {
            slot: "host".into(),
            told: "ask for another host".into(),
            to: To::Authority("somewhere-else.example".into()),
        }],
        Attribute::Header(name) => vec![
            Change {
                slot: format!("header {name}"),
                told: format!("send no header {name}"),
                to: To::Header(name.to_string(), None),
            },
            Change {
                slot: format!("header {name}"),
                told: format!("send another value of the header {name}"),
                to: To::Header(name.to_string(), Some("something-else".into())),
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
        Attribute::SourceIp => ("source", format!("call from {address}"), To::Source(address)),
        Attribute::RemoteIp => ("remote", format!("let the original client be {address}"), To::Remote(address)),
        Attribute::DestinationIp => ("address", format!("call the address {address}"), To::Address(address)),
        _ => return Vec::new(),
    };
    vec![Change { slot: slot.into(), told, to }]
}

fn method(text: &str) -> Change {
    Change { slot: "method".into(), told: format!("use method {text}"), to: To::Method(text.into()) }
}

fn path(text: String) -> Change {
    Change { slot: "path".into(), told: format!("ask for path {text}"), to: To::Path(text) }
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
