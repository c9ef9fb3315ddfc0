//! What is answered. Everything is plain data, so that it crosses the admin socket as JSON.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Question;

/// What becomes of a request, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The verdict in a word.
    pub verdict: Verdict,
    /// The verdict in a sentence.
    pub summary: String,
    /// Whether the mesh runs; else it only stands in files, and everything in them counts as running.
    pub live: bool,
    /// The question in a line.
    pub question: String,
    /// Where it is decided.
    pub places: Vec<String>,
    /// The gateway that it comes to first, and whether it may come in there.
    #[serde(default)]
    pub gateway: Option<EndpointAnswer>,
    /// The waypoint that it comes to first, and whether it may pass there.
    #[serde(default)]
    pub waypoint: Option<EndpointAnswer>,
    /// Where it goes.
    pub route: RouteAnswer,
    /// Who would get it, and whether it may come in there.
    pub endpoints: Vec<EndpointAnswer>,
    /// What becomes of the connection; nothing: they have nothing like what was
    /// asked about (a gateway, a waypoint, a place that the mesh does not know).
    pub connection: Option<ConnectionAnswer>,
    /// The smallest change of the request that would turn the verdict, if one was found.
    pub flip: Option<FlipAnswer>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

/// A verdict in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is served.
    Allowed,
    /// It is refused by policy, at every endpoint.
    Denied,
    /// Some endpoints would serve it, others refuse it.
    Mixed,
    /// An external authorizer has the last word.
    Asks,
    /// A rule answers it itself (a fault, too), or sends the caller elsewhere.
    Answered,
    /// It gets to a callee that cannot be judged: the identity of the gateway in between is not known.
    NotJudged,
    /// Nobody can serve it: no route, no such host or port, no ready endpoint, or refused as unknown.
    NotRouted,
}

/// A rule or object, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Stable id: kind, namespace, name, generation, path inside.
    pub id: String,
    /// File; empty: nowhere (a default).
    pub file: String,
    /// Line from 1; 0: not known.
    pub line: u32,
}

/// Where it goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteAnswer {
    /// In a sentence.
    pub outcome: String,
    /// The rule that says so.
    pub rule: Option<Reference>,
    /// What led there, in order.
    pub steps: Vec<String>,
    /// Backends: `host:port[/subset]`, weight, and what is missing of it.
    pub backends: Vec<BackendAnswer>,
    /// What is done besides: rewrite, timeout, retries, mirrors and so on.
    pub settings: Vec<String>,
}

/// A backend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendAnswer {
    /// `host:port[/subset]`.
    pub name: String,
    /// Per cent of requests.
    pub share: f64,
    /// What is missing: host, port or subset; empty: nothing.
    pub missing: String,
    /// How its endpoints are called.
    pub settings: Settings,
}

/// How endpoints are called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Objects that say so; empty: defaults.
    pub from: Vec<Reference>,
    /// What they say.
    pub lines: Vec<String>,
}

/// A workload that would get it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointAnswer {
    /// `namespace/name`, or an address outside of the mesh.
    pub name: String,
    /// Address and port.
    pub address: String,
    /// Which backend it belongs to.
    pub backend: String,
    /// How it is reached: `mutual TLS as …`, `plaintext`, and why.
    pub transport: String,
    /// Whether it may come in; nothing: nobody decides there, or it is not known what is decided.
    pub authorization: Option<AuthorizationAnswer>,
    /// Whether it is not known what is decided.
    #[serde(default)]
    pub not_judged: bool,
    /// Whether nothing gets there.
    #[serde(default)]
    pub lost: bool,
    /// Further endpoints of the backend of which just the same is true.
    pub alike: Vec<String>,
}

/// Whether it may come in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationAnswer {
    /// `allow`, `deny` or `ask`.
    pub verdict: String,
    /// In a sentence.
    pub reason: String,
    /// The rule or policy that decided.
    pub rule: Option<Reference>,
    /// The authorizer to be asked.
    pub authorizer: Option<String>,
    /// Rules of action AUDIT that match.
    pub audit: Vec<Reference>,
    /// What policies on trial would have said.
    pub dry_run: Option<Answer>,
    /// How mutual TLS was decided.
    pub mtls: String,
    /// Policies that apply, rule by rule.
    pub policies: Vec<PolicyAnswer>,
}

/// A verdict and the rule it rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// `allow` or `deny`.
    pub verdict: String,
    /// The rule.
    pub rule: Option<Reference>,
}

/// A policy that applies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAnswer {
    /// The policy.
    pub policy: Reference,
    /// `ALLOW`, `DENY`, `AUDIT` or `CUSTOM name`.
    pub action: String,
    /// Whether it is on trial.
    pub dry_run: bool,
    /// What it is attached to: it looks at requests to that alone; nothing: it is for workloads.
    #[serde(default)]
    pub attached: Option<String>,
    /// Its rules.
    pub rules: Vec<RuleAnswer>,
}

/// A rule of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleAnswer {
    /// The rule.
    pub rule: Reference,
    /// Whether it matches.
    pub matches: bool,
    /// Why it is out as a whole, if it is.
    pub out: Option<String>,
    /// Its conditions.
    pub conditions: Vec<ConditionAnswer>,
}

/// A condition of a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionAnswer {
    /// Where it stands inside its rule.
    pub path: String,
    /// Line of it; 0: not known.
    pub line: u32,
    /// `holds`, `fails`, or `unknown`.
    pub truth: String,
    /// What it says: `source.principal is one of …`.
    pub wants: String,
    /// What was found; nothing: there is none, or it cannot be known.
    pub found: Option<String>,
}

/// What live proxies do today, deciding by connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionAnswer {
    /// `allow`, `deny` or `mixed`, `none` (nobody would take it).
    pub verdict: String,
    /// In a sentence.
    pub reason: String,
    /// The rule that decided.
    pub rule: Option<Reference>,
}

/// A change of the question that turns the verdict about the whole of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlipAnswer {
    /// What would be said then, and whereto it would go if that is somewhere else.
    pub verdict: String,
    /// What would have to change, all of it.
    pub changes: Vec<String>,
    /// The question with these changes.
    pub question: Question,
}

// === impl Explanation ===

impl Explanation {
    /// Status that a command ends with: that of the verdict, or of what live traffic meets where that is worse.
    pub fn exit_status(&self) -> u8 {
        let now = match self.connection.as_ref().map(|connection| connection.verdict.as_str()) {
            Some("deny" | "mixed") => 3,
            Some("none") => 4,
            _ => 0,
        };
        // Not judged is less bad than refused or not routed.
        let badness = |status: &u8| if *status == 5 { 1 } else { *status };
        [self.verdict.exit_status(), now].into_iter().max_by_key(badness).unwrap_or_default()
    }
}

// === impl Verdict ===

impl Verdict {
    /// Status that a command ends with: 0 served or answered, 3 denied (in part), 4 not routed, 5 not judged.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Allowed | Self::Answered | Self::Asks => 0,
            Self::Denied | Self::Mixed => 3,
            Self::NotRouted => 4,
            Self::NotJudged => 5,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "ALLOWED",
            Self::Denied => "DENIED",
            Self::Mixed => "MIXED",
            Self::Asks => "ASKS",
            Self::Answered => "ANSWERED",
            Self::NotJudged => "NOT JUDGED",
            Self::NotRouted => "NOT ROUTED",
        })
    }
}

impl fmt::Display for Reference {
    /// The id, and file and line where they are known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file.is_empty(), self.line) {
            (true, _) => f.write_str(&self.id),
            (false, 0) => write!(f, "{} ({})", self.id, self.file),
            (false, line) => write!(f, "{} ({}:{line})", self.id, self.file),
        }
    }
}
