//! A request at a workload, owned, so that it can be changed and tried again.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ripstop_decide::{
    Claim, Claims, Content, Decision, InboundFacts, PolicyTrace, Program, RequestFacts, Token, Verdict, authorize,
    examine, examine_at_gateway, examine_at_waypoint, normalized, transport,
};
use ripstop_model::{PathRules, ServiceKey, SpiffeId, Workload};

use crate::{Error, Question, authorization, token, token::Checked};

/// Everything that policies may look at.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) destination: Arc<Workload>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) peer: Option<SpiffeId>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) remote: Option<IpAddr>,
    pub(crate) sni: Option<String>,
    pub(crate) service: Option<ServiceKey>,
    pub(crate) request: Option<Request>,
    /// Who decides does not look at what the connection carries.
    pub(crate) unread: bool,
    /// Who decides.
    pub(crate) gate: Gate,
}

/// Who decides about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// The proxy of the callee's node.
    Callee,
    /// The gateway that is called.
    Gateway,
    /// The waypoint in front of what is called.
    Waypoint,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    /// As it was asked, with query.
    pub(crate) path: String,
    /// What its path is to whoever reads it first.
    pub(crate) paths: PathRules,
    pub(crate) headers: Vec<(String, String)>,
    /// Claims of its JWT, as asked: what they count for is up to each place.
    pub(crate) claims: Option<Claims>,
}

/// Source port of connections that nobody made.
const SOURCE_PORT: u16 = 49152;

// === impl Attempt ===

impl Attempt {
    pub(crate) fn decide(&self, program: &Program) -> Decision {
        self.with_facts(program, |facts| authorize(program, facts))
    }

    /// What its transport alone comes to.
    pub(crate) fn admit(&self, program: &Program) -> Decision {
        let refused = self.with_facts(program, |facts| transport(program, facts));
        let verdict = refused.unwrap_or(Verdict::Allow { rule: None });
        Decision { verdict, ask: None, audit: Vec::new(), dry_run: None }
    }

    pub(crate) fn examine(&self, program: &Program) -> (Decision, Vec<PolicyTrace>) {
        self.with_facts(program, |facts| examine(program, facts))
    }

    /// The same at a gateway or waypoint.
    pub(crate) fn examine_at_gateway(&self, program: &Program) -> (Decision, Vec<PolicyTrace>) {
        self.with_facts(program, |facts| match self.gate {
            Gate::Waypoint => examine_at_waypoint(program, facts),
            Gate::Callee | Gate::Gateway => examine_at_gateway(program, facts),
        })
    }

    /// `allow`, `deny` or `ask`.
    pub(crate) fn word(&self, program: &Program) -> &'static str {
        self.word_of(program, &self.decide(program))
    }

    /// The same at a gateway.
    pub(crate) fn word_at_gateway(&self, program: &Program) -> &'static str {
        self.word_of(program, &self.examine_at_gateway(program).0)
    }

    fn word_of(&self, program: &Program, decision: &Decision) -> &'static str {
        match self.token(program) {
            Some(token) if token.is_refused() => "deny",
            _ => authorization::verdict(decision).0,
        }
    }

    /// Claims of the JWT, as asked.
    pub(crate) fn claims(&self) -> Option<&Claims> {
        self.request.as_ref().and_then(|request| request.claims.as_ref())
    }

    /// What the workload makes of the JWT, if there is one.
    pub(crate) fn token<'a>(&'a self, program: &'a Program) -> Option<Checked<'a>> {
        // None is looked at for what is attached to services.
        let claims = self.claims().filter(|_| self.gate != Gate::Waypoint)?;
        Some(token::checked(program, &self.destination.namespace, &self.destination.labels, claims))
    }

    fn with_facts<T>(&self, program: &Program, decide: impl FnOnce(&InboundFacts<'_>) -> T) -> T {
        let run = |request: Option<&RequestFacts<'_>>| {
            decide(&InboundFacts {
                destination: &self.destination,
                address: self.address,
                port: self.port,
                peer: self.peer.as_ref(),
                source: self.source.map(|source| SocketAddr::new(source, SOURCE_PORT)),
                remote: self.remote,
                sni: self.sni.as_deref(),
                service: self.service.as_ref(),
                content: request.map_or(if self.unread { Content::Unread } else { Content::Opaque }, Content::Request),
            })
        };
        match &self.request {
            None => run(None),
            Some(request) if request.claims.is_none() => request.with_facts(|facts| run(Some(facts))),
            Some(request) => {
                let claims = self.token(program).and_then(|token| token.accepted().cloned());
                Request { claims, ..request.clone() }.with_facts(|facts| run(Some(facts)))
            }
        }
    }
}

// === impl Request ===

impl Request {
    /// The request of a question, with what it leaves out.
    pub(crate) fn read(paths: PathRules, question: &Question, host: &str) -> Result<Self, Error> {
        let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
        let path = or(&question.path, "/");
        if !path.starts_with('/') && path != "*" {
            return Err(Error::Path(path));
        }
        let (bare, _) = path.split_once('?').unwrap_or((&path, ""));
        if let Err(why) = normalized(bare, paths) {
            return Err(Error::BadPath { path, why });
        }
        let headers = question.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        Ok(Self {
            method: or(&question.method, "GET"),
            scheme: or(&question.scheme, "http"),
            authority: or(&question.authority, host),
            path,
            paths,
            headers: headers.collect(),
            claims: (!question.claims.is_empty()).then(|| claims(&question.claims)),
        })
    }

    /// As facts; its claims count as accepted.
    pub(crate) fn with_facts<T>(&self, run: impl FnOnce(&RequestFacts<'_>) -> T) -> T {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let path = normalized(path, self.paths).unwrap_or(Cow::Borrowed(path));
        let headers: Vec<(Cow<'_, str>, Cow<'_, str>)> =
            self.headers.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
        run(&RequestFacts {
            method: &self.method,
            scheme: &self.scheme,
            authority: &self.authority,
            path: &path,
            query,
            headers: &headers,
            token: self.claims.as_ref().map_or(Token::Absent, Token::Valid),
        })
    }
}

/// Claims by name; nested ones with dots.
fn claims(pairs: &[(String, String)]) -> Claims {
    let mut claims = Claims::default();
    for (name, value) in pairs {
        match name.as_str() {
            "iss" => claims.issuer.clone_from(value),
            "sub" => claims.subject.clone_from(value),
            "aud" => claims.audiences.push(value.clone()),
            "azp" => claims.presenter = Some(value.clone()),
            name => insert(&mut claims.others, name, value),
        }
    }
    claims
}

pub(crate) fn insert(claims: &mut BTreeMap<String, Claim>, name: &str, value: &str) {
    match name.split_once('.') {
        None => match claims.entry(name.to_owned()).or_insert_with(|| Claim::Texts(Vec::new())) {
            Claim::Texts(texts) => texts.push(value.to_owned()),
            nested @ Claim::Nested(_) => *nested = Claim::Texts(vec![value.to_owned()]),
        },
        Some((first, rest)) => {
            let inner = claims.entry(first.to_owned()).or_insert_with(|| Claim::Nested(BTreeMap::new()));
            if let Claim::Texts(_) = inner {
                *inner = Claim::Nested(BTreeMap::new());
            }
            if let Claim::Nested(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
