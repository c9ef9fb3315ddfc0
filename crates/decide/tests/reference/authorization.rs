//! Who may do what, as slowly and plainly as it can be said: no index, nothing prepared, nothing
//! shared with the crate under test but its types.
//!
//! Written from Istio's description of `AuthorizationPolicy` and one rule of the mesh: what cannot be
//! known (the identity behind plaintext, whatever only a request has on an opaque connection, a token
//! that nobody checked) satisfies no ALLOW, positive or negative, and counts as matching everywhere else.
//! What is known to be absent (a header that is not there, no token) is an ordinary answer.

use std::net::IpAddr;

use ripstop_decide::{Claim, Claims, Content, InboundFacts, RequestFacts, Token};
use ripstop_model::{
    Action, Attribute, Authorization, AuthorizerProtocol, Condition, PolicyTarget, Rule, Sense, Snapshot, Value,
};

/// What is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it may come in, and who says so.
    pub verdict: Verdict,
    /// Provider that is to be asked, and the rule that says so.
    pub ask: Option<(String, String)>,
    /// Rules of action AUDIT.
    pub audit: Vec<String>,
    /// Whether policies on trial would have let it in, and the rule that says so.
    pub trial: Option<(bool, Option<String>)>,
}

/// Whether it may come in, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// By that rule; nothing: no ALLOW applies.
    Allowed(Option<String>),
    /// By that rule of action DENY.
    Denied(String),
    /// By that rule of action CUSTOM, whose provider cannot be asked.
    Authorizer(String),
    /// By no rule of that many ALLOWs, of which that is the oldest.
    Unlisted(String, usize),
}

/// What an attribute is.
#[derive(Clone, Debug)]
enum Found {
    Unknown,
    Nothing,
    Texts(Vec<String>),
    Principal(String, String),
    Address(IpAddr),
    Port(u16),
    Account(String, String),
}

/// The decision about `facts`, as far as policies of authorization make it.
pub fn authorize(snapshot: &Snapshot, facts: &InboundFacts<'_>) -> Outcome {
    let policies = acting(snapshot, facts);
    let mut providers: Vec<String> = Vec::new();
    for policy in &policies {
        if let Action::Custom(authorizer) = &policy.action
            && !providers.contains(&authorizer.name.to_string())
        {
            providers.push(authorizer.name.to_string());
        }
    }
    let (mut unasked, mut denied) = (None, None);
    let mut ask = None;
    let mut audit = Vec::new();
    let mut allows: Vec<&Authorization> = Vec::new();
    let mut allowed = None;
    let (mut trial_denied, mut trial_allowed) = (None, None);
    let (mut trial_denies, mut trial_allows) = (0, 0);
    for policy in &policies {
        let hit = first_rule(snapshot, policy, facts);
        match &policy.action {
            Action::Custom(authorizer) => {
                // Who cannot be asked, or who is not the only one, denies.
                let denies = providers.len() > 1 || authorizer.protocol.is_none();
                let speechless =
                    authorizer.protocol == Some(AuthorizerProtocol::Http) && matches!(facts.content, Content::Opaque);
                if let Some(rule) = hit {
                    if denies {
                        unasked = unasked.or(Some(Verdict::Authorizer(rule)));
                    } else if !speechless && ask.is_none() {
                        ask = Some((authorizer.name.to_string(), rule));
                    }
                }
            }
            Action::Audit => audit.extend(hit),
            Action::Deny if policy.dry_run => {
                trial_denies += 1;
                trial_denied = trial_denied.or(hit);
            }
            Action::Deny => denied = denied.or(hit.map(Verdict::Denied)),
            Action::Allow if policy.dry_run => {
                trial_allows += 1;
                trial_allowed = trial_allowed.or(hit);
            }
            Action::Allow => {
                allows.push(policy);
                allowed = allowed.or(hit);
            }
        }
    }
    let trial = if trial_denied.is_some() {
        Some((false, trial_denied))
    } else if trial_allowed.is_some() {
        Some((true, trial_allowed))
    } else if trial_allows > 0 {
        Some((false, None))
    } else if trial_denies > 0 {
        Some((true, None))
    } else {
        None
    };
    // CUSTOM comes before DENY.
    let verdict = if let Some(denied) = unasked.or(denied) {
        denied
    } else if allows.is_empty() || allowed.is_some() {
        Verdict::Allowed(allowed)
    } else {
        let mut oldest = allows[0];
        for policy in &allows {
            if policy.created < oldest.created {
                oldest = policy;
            }
        }
        Verdict::Unlisted(oldest.id.to_string(), allows.len())
    };
    Outcome { verdict, ask, audit, trial }
}

/// Policies of the root namespace, then of the workload's own, of each the oldest first, that are meant
/// for what is called.
fn acting<'s>(snapshot: &'s Snapshot, facts: &InboundFacts<'_>) -> Vec<&'s Authorization> {
    let root = snapshot.mesh().root_namespace.to_string();
    let own = facts.destination.namespace.to_string();
    let mut namespaces = vec![root.clone()];
    if own != root {
        namespaces.push(own);
    }
    let mut found = Vec::new();
    for namespace in namespaces {
        let mut here: Vec<&Authorization> = Vec::new();
        for policy in snapshot.authorizations_in(&namespace) {
            let mut at = 0;
            while at < here.len() && (here[at].created, &here[at].name) <= (policy.created, &policy.name) {
                at += 1;
            }
            here.insert(at, policy);
        }
        for policy in here {
            if is_meant(policy, facts) {
                found.push(policy);
            }
        }
    }
    found
}

fn is_meant(policy: &Authorization, facts: &InboundFacts<'_>) -> bool {
    match &policy.target {
        PolicyTarget::Workloads(selector) => {
            for (key, value) in &selector.0 {
                if facts.destination.labels.get(key) != Some(value) {
                    return false;
                }
            }
            true
        }
        // They are for waypoints.
        PolicyTarget::Attached(_) => false,
    }
}

/// Id of the first rule that matches.
fn first_rule(snapshot: &Snapshot, policy: &Authorization, facts: &InboundFacts<'_>) -> Option<String> {
    for (index, rule) in policy.rules.iter().enumerate() {
        if matches(snapshot, policy, rule, facts) {
            return Some(format!("{}/spec.rules[{index}]", policy.id));
        }
    }
    None
}

fn matches(snapshot: &Snapshot, policy: &Authorization, rule: &Rule, facts: &InboundFacts<'_>) -> bool {
    let allow = policy.action == Action::Allow;
    if allow && facts.request().is_none() {
        let mut groups: Vec<&Vec<Condition>> = vec![&rule.when];
        groups.extend(&rule.from);
        groups.extend(&rule.to);
        for group in groups {
            for condition in group {
                // Proxies before a gateway name the client of a connection, too.
                let is_told = condition.attribute == Attribute::RemoteIp && facts.remote.is_some();
                if only_of_requests(&condition.attribute) && !is_told {
                    return false;
                }
            }
        }
    }
    one_of(snapshot, &rule.from, facts, allow)
        && one_of(snapshot, &rule.to, facts, allow)
        && every(snapshot, &rule.when, facts, allow)
}

fn one_of(snapshot: &Snapshot, alternatives: &[Vec<Condition>], facts: &InboundFacts<'_>, allow: bool) -> bool {
    if alternatives.is_empty() {
        return true;
    }
    for conditions in alternatives {
        if every(snapshot, conditions, facts, allow) {
            return true;
        }
    }
    false
}

fn every(snapshot: &Snapshot, conditions: &[Condition], facts: &InboundFacts<'_>, allow: bool) -> bool {
    for condition in conditions {
        let found = look(snapshot, &condition.attribute, facts);
        let holds = if matches!(found, Found::Unknown) {
            !allow
        } else {
            let mut hit = false;
            for value in &condition.values {
                hit = hit || fits(value, &found, condition.attribute == Attribute::Host);
            }
            match condition.sense {
                Sense::AnyOf => hit,
                Sense::NoneOf => !hit,
            }
        };
        if !holds {
            return false;
        }
    }
    true
}

/// The layer of each attribute, from Istio's list of fields.
fn only_of_requests(attribute: &Attribute) -> bool {
    match attribute {
        Attribute::Principal
        | Attribute::Namespace
        | Attribute::ServiceAccount
        | Attribute::TrustDomain
        | Attribute::SourceIp
        | Attribute::DestinationIp
        | Attribute::Port
        | Attribute::Sni
        | Attribute::Metadata(_) => false,
        Attribute::RemoteIp
        | Attribute::RequestPrincipal
        | Attribute::Audiences
        | Attribute::Presenter
        | Attribute::Claim(_)
        | Attribute::Host
        | Attribute::Method
        | Attribute::Path
        | Attribute::Header(_) => true,
    }
}

fn look(snapshot: &Snapshot, attribute: &Attribute, facts: &InboundFacts<'_>) -> Found {
    match attribute {
        Attribute::Principal | Attribute::Namespace | Attribute::ServiceAccount | Attribute::TrustDomain => {
            let Some(peer) = facts.peer else { return Found::Unknown };
            // Namespaces and accounts of other domains are none of this mesh.
            let (mesh, domain) = (snapshot.mesh(), peer.trust_domain());
            let is_own = domain == mesh.trust_domain || mesh.trust_domain_aliases.contains(&domain);
            if !is_own && matches!(attribute, Attribute::Namespace | Attribute::ServiceAccount) {
                return Found::Unknown;
            }
            identity(attribute, &peer.to_string())
        }
        Attribute::SourceIp => facts.source.map_or(Found::Unknown, |source| Found::Address(plain(source.ip()))),
        Attribute::RemoteIp => match (facts.remote, facts.request(), facts.source) {
            (Some(remote), _, _) => Found::Address(plain(remote)),
            // Nobody stands between: the peer is the client.
            (None, Some(_), Some(source)) => Found::Address(plain(source.ip())),
            _ => Found::Unknown,
        },
        Attribute::DestinationIp => facts.address.map_or(Found::Unknown, |address| Found::Address(plain(address))),
        Attribute::Port => Found::Port(facts.port),
        Attribute::Sni => match (facts.sni, facts.content) {
            (Some(sni), _) => text(sni),
            (None, Content::Unread) => Found::Unknown,
            (None, _) => Found::Nothing,
        },
        Attribute::Metadata(_) => Found::Unknown,
        _ => match facts.request() {
            Some(request) => of_request(attribute, request),
            None => Found::Unknown,
        },
    }
}

/// Parts of `spiffe://<trust domain>/ns/<namespace>/sa/<account>`.
fn identity(attribute: &Attribute, uri: &str) -> Found {
    let name = &uri["spiffe://".len()..];
    let parts: Vec<&str> = name.split('/').collect();
    let account = parts.len() == 5 && parts[1] == "ns" && parts[3] == "sa";
    match attribute {
        Attribute::Principal => text(name),
        Attribute::TrustDomain => text(parts[0]),
        Attribute::Namespace if account => text(parts[2]),
        Attribute::ServiceAccount if account => Found::Account(parts[2].to_owned(), parts[4].to_owned()),
        _ => Found::Unknown,
    }
}

fn of_request(attribute: &Attribute, request: &RequestFacts<'_>) -> Found {
    match attribute {
        Attribute::Host => text(request.authority),
        Attribute::Method => text(request.method),
        Attribute::Path => text(request.path),
        Attribute::Header(name) => {
            match &**name {
                ":method" => return text(request.method),
                ":path" => return text(request.path),
                _ => {}
            }
            let mut all: Option<String> = None;
            for (key, value) in request.headers {
                if **key == **name {
                    all = Some(all.map_or_else(|| value.to_string(), |before| format!("{before},{value}")));
                }
            }
            all.map_or(Found::Nothing, |all| text(&all))
        }
        _ => match request.token {
            Token::Unchecked => Found::Unknown,
            Token::Absent => Found::Nothing,
            Token::Valid(claims) => of_token(attribute, claims),
        },
    }
}

fn of_token(attribute: &Attribute, claims: &Claims) -> Found {
    match attribute {
        Attribute::RequestPrincipal => Found::Principal(claims.issuer.clone(), claims.subject.clone()),
        Attribute::Audiences => Found::Texts(claims.audiences.clone()),
        Attribute::Presenter => claims.presenter.as_ref().map_or(Found::Nothing, |presenter| text(presenter)),
        Attribute::Claim(names) => {
            let names: Vec<&str> = names.iter().map(|name| &**name).collect();
            match names[..] {
                ["iss"] => return text(&claims.issuer),
                ["sub"] => return text(&claims.subject),
                ["aud"] => return Found::Texts(claims.audiences.clone()),
                ["azp"] => return claims.presenter.as_ref().map_or(Found::Nothing, |presenter| text(presenter)),
                _ => {}
            }
            let mut inside = &claims.others;
            for (depth, name) in names.iter().enumerate() {
                match (inside.get(*name), depth + 1 == names.len()) {
                    (Some(Claim::Texts(texts)), true) => return Found::Texts(texts.clone()),
                    (Some(Claim::Nested(deeper)), false) => inside = deeper,
                    _ => return Found::Nothing,
                }
            }
            Found::Nothing
        }
        _ => Found::Nothing,
    }
}

fn text(text: &str) -> Found {
    Found::Texts(vec![text.to_owned()])
}

/// IPv4 written as IPv6 is IPv4.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn fits(value: &Value, found: &Found, any_case: bool) -> bool {
    match found {
        Found::Unknown | Found::Nothing => false,
        Found::Texts(texts) => {
            for text in texts {
                let hit = if any_case {
                    fits_text(&lower(value), &text.to_ascii_lowercase())
                } else {
                    fits_text(value, text)
                };
                if hit {
                    return true;
                }
            }
            false
        }
        Found::Principal(issuer, subject) => fits_principal(value, issuer, subject),
        Found::Address(address) => match value {
            Value::Block(block) => is_inside(*address, block.network(), block.prefix_len()),
            _ => false,
        },
        Found::Port(port) => *value == Value::Port(*port),
        Found::Account(own, account) => match value {
            Value::Account { namespace, name } => **namespace == **own && **name == **account,
            _ => false,
        },
    }
}

fn lower(value: &Value) -> Value {
    match value {
        Value::Exact(text) => Value::Exact(text.to_ascii_lowercase().into()),
        Value::Prefix(text) => Value::Prefix(text.to_ascii_lowercase().into()),
        Value::Suffix(text) => Value::Suffix(text.to_ascii_lowercase().into()),
        Value::Glob(text) => Value::Glob(text.to_ascii_lowercase().into()),
        other => other.clone(),
    }
}

fn fits_text(value: &Value, text: &str) -> bool {
    match value {
        Value::Exact(wanted) => **wanted == *text,
        Value::Prefix(wanted) => text.starts_with(&**wanted),
        Value::Suffix(wanted) => text.ends_with(&**wanted),
        Value::Present => !text.is_empty(),
        Value::Glob(glob) => fits_glob(glob.as_bytes(), text.as_bytes()),
        Value::Template(template) => fits_template(template, text),
        Value::Block(_) | Value::Port(_) | Value::Account { .. } => false,
    }
}

/// Every way of giving something to each `*` is tried.
fn fits_glob(glob: &[u8], text: &[u8]) -> bool {
    match glob.first() {
        None => text.is_empty(),
        Some(b'*') => (0..=text.len()).any(|taken| fits_glob(&glob[1..], &text[taken..])),
        Some(byte) => text.first() == Some(byte) && fits_glob(&glob[1..], &text[1..]),
    }
}

/// `{*}` is one segment that is not empty, `{**}` any text.
fn fits_template(template: &str, path: &str) -> bool {
    if let Some(rest) = template.strip_prefix("{**}") {
        return (0..=path.len()).any(|at| path.is_char_boundary(at) && fits_template(rest, &path[at..]));
    }
    let next = |text: &str| text.find('/').unwrap_or(text.len());
    if let Some(rest) = template.strip_prefix("{*}") {
        let end = next(path);
        return end > 0 && fits_template(rest, &path[end..]);
    }
    match (template.chars().next(), path.chars().next()) {
        (None, None) => true,
        (Some(a), Some(b)) if a == b => fits_template(&template[a.len_utf8()..], &path[b.len_utf8()..]),
        _ => false,
    }
}

/// What is written with a slash is parted at its last one: the issuer before it, the subject behind.
fn fits_principal(value: &Value, issuer: &str, subject: &str) -> bool {
    match value {
        Value::Exact(text) => {
            let at = text.rfind('/');
            at.is_some_and(|at| text[..at] == *issuer && text[at + 1..] == *subject)
                || at.is_none() && issuer.is_empty() && **text == *subject
        }
        Value::Prefix(text) => match text.rfind('/') {
            Some(at) => text[..at] == *issuer && !subject.is_empty() && subject.starts_with(&text[at + 1..]),
            None => !issuer.is_empty() && issuer.starts_with(&**text) && !subject.is_empty(),
        },
        Value::Suffix(text) => match text.rfind('/') {
            Some(at) => !issuer.is_empty() && issuer.ends_with(&text[..at]) && text[at + 1..] == *subject,
            None => !issuer.is_empty() && !subject.is_empty() && subject.ends_with(&**text),
        },
        Value::Present => !issuer.is_empty() && !subject.is_empty(),
        _ => false,
    }
}

/// Bit by bit.
fn is_inside(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let bits = |address: IpAddr| -> Vec<bool> {
        let bytes = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
    };
    let (address, network) = (bits(address), bits(network));
    address.len() == network.len() && address[..usize::from(length)] == network[..usize::from(length)]
}
