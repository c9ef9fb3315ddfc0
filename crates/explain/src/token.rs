//! What the RequestAuthentications of a place make of a request's JWT.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use ripstop_decide::{Claims, Program, TokenVerdict, jwt_rules, token};
use ripstop_model::{JwtRule, Labels};

use crate::{World, answer::AuthorizationAnswer};

/// A JWT at a workload or gateway.
pub(crate) struct Checked<'a> {
    /// Rules that act there.
    rules: Vec<&'a JwtRule>,
    /// The claims as asked, with the issuer that they are taken to have.
    claims: Cow<'a, Claims>,
    verdict: TokenVerdict<'a>,
}

/// A token with those claims, its signature and times good, at whatever has that namespace and labels.
///
/// Claims without `iss` are those of the only issuer that is accepted there.
pub(crate) fn checked<'a>(
    program: &'a Program,
    namespace: &Arc<str>,
    labels: &Labels,
    claims: &'a Claims,
) -> Checked<'a> {
    let rules = jwt_rules(program, namespace, labels);
    let issuers: BTreeSet<&Arc<str>> = rules.iter().map(|rule| &rule.issuer).collect();
    let claims = match issuers.first() {
        Some(issuer) if claims.issuer.is_empty() && issuers.len() == 1 => {
            Cow::Owned(Claims { issuer: issuer.to_string(), ..claims.clone() })
        }
        _ => Cow::Borrowed(claims),
    };
    let verdict = token(&rules, &claims);
    Checked { rules, claims, verdict }
}

/// Tokens that are accepted there, one a rule: of its issuer, for its first audience.
pub(crate) fn acceptable(program: &Program, namespace: &Arc<str>, labels: &Labels) -> Vec<Claims> {
    let mut tokens: Vec<Claims> = Vec::new();
    for rule in jwt_rules(program, namespace, labels) {
        let issuer = if rule.issuer.is_empty() { "https://issuer.example" } else { &*rule.issuer };
        let audiences = rule.audiences.first().map(ToString::to_string).into_iter().collect();
        let token = Claims { issuer: issuer.into(), subject: "x".into(), audiences, ..Claims::default() };
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens
}

// === impl Checked ===

impl Checked<'_> {
    /// Claims that count; nothing: nobody looks at the token, or it is refused.
    pub(crate) fn accepted(&self) -> Option<&Claims> {
        match &self.verdict {
            TokenVerdict::Accepted(_, claims) => Some(claims),
            TokenVerdict::Ignored | TokenVerdict::Refused => None,
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.verdict == TokenVerdict::Refused
    }

    /// The answer to a request with such a token, if it is refused.
    pub(crate) fn refusal(&self, world: &World) -> Option<AuthorizationAnswer> {
        let first = self.rules.first().filter(|_| self.is_refused())?;
        let rules: Vec<String> = self
            .rules
            .iter()
            .map(|rule| {
                let issuer =
                    if rule.issuer.is_empty() { "any issuer".into() } else { format!("issuer {}", rule.issuer) };
                let audiences = if rule.audiences.is_empty() {
                    String::new()
                } else {
                    format!(" for audience {}", rule.audiences.join(" or "))
                };
                format!("{} accepts {issuer}{audiences}", world.place(&rule.id))
            })
            .collect();
        let issuer = match &*self.claims.issuer {
            "" => "no issuer".into(),
            issuer => format!("issuer {issuer}"),
        };
        let audiences = match &self.claims.audiences[..] {
            [] => "no audience".into(),
            audiences => format!("audience {}", audiences.join(", ")),
        };
        Some(AuthorizationAnswer {
            verdict: "deny".into(),
            reason: format!("JWT refused: 401, the token has {issuer} and {audiences}; {}", rules.join("; ")),
            rule: Some(world.place(&first.id)),
            ..AuthorizationAnswer::default()
        })
    }

    /// What is to be known about the claims as they were asked.
    pub(crate) fn note(&self, asked: &Claims, place: &str) -> Option<String> {
        if self.verdict == TokenVerdict::Ignored {
            return Some(format!(
                "no RequestAuthentication acts at {place}: nobody looks at the JWT there, its claims count for nothing"
            ));
        }
        (asked.issuer != self.claims.issuer).then(|| {
            format!(
                "the JWT is taken to be of {}, the only issuer accepted at {place}: no iss is given",
                self.claims.issuer
            )
        })
    }
}
