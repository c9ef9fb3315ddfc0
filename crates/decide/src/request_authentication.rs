//! Which JWTs a workload accepts, by `RequestAuthentication` (istio.md 2.3).

use std::{collections::BTreeMap, sync::Arc};

use ripstop_model::{JwtRule, Labels, PolicyTarget, RequestAuthentication, Workload};

use crate::{Claim, Claims, Program, layer::in_namespace};

/// What becomes of a request with a JWT whose signature and times are good.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenVerdict<'p> {
    /// No rule acts: nobody looks at it, and its claims are not known.
    Ignored,
    /// That rule accepts it; the claims as policies and routes see them.
    Accepted(&'p JwtRule, Claims),
    /// Rules act, and none accepts it: 401, before authorization.
    Refused,
}

/// Rules for JWTs at a workload: those of all objects of the root namespace and its own that select it,
/// sorted by issuer. Those of one issuer stay in order of object, the root namespace's first.
///
/// What is attached to services or gateways is not for workloads, and not among them.
pub fn request_authentications<'p>(program: &'p Program, workload: &Workload) -> Vec<&'p JwtRule> {
    jwt_rules(program, &workload.namespace, &workload.labels)
}

/// The same for whatever has these labels: a gateway, say.
pub fn jwt_rules<'p>(program: &'p Program, namespace: &Arc<str>, labels: &Labels) -> Vec<&'p JwtRule> {
    let objects = &program.traffic().request_authentications;
    let root = &program.mesh().root_namespace;
    let own = Some(namespace).filter(|own| *own != root);
    let namespaces: [Option<&Arc<str>>; 2] = [Some(root), own];
    let selects = |object: &&RequestAuthentication| match &object.target {
        PolicyTarget::Workloads(selector) => selector.matches(labels),
        PolicyTarget::Attached(_) => false,
    };
    let objects = namespaces.into_iter().flatten().flat_map(|namespace| in_namespace(objects, namespace));
    let mut rules: Vec<&JwtRule> = objects.filter(selects).flat_map(|object| &object.rules).collect();
    rules.sort_by(|a, b| a.issuer.cmp(&b.issuer));
    rules
}

/// What the rules that act make of a token with those claims.
pub fn token<'p>(rules: &[&'p JwtRule], claims: &Claims) -> TokenVerdict<'p> {
    if rules.is_empty() {
        return TokenVerdict::Ignored;
    }
    match rules.iter().find(|rule| accepts(rule, claims)) {
        Some(rule) => TokenVerdict::Accepted(rule, spread(claims, rule)),
        None => TokenVerdict::Refused,
    }
}

/// A rule without issuer does not look at it, one without audiences not at those.
fn accepts(rule: &JwtRule, claims: &Claims) -> bool {
    let mut audiences = claims.audiences.iter();
    (rule.issuer.is_empty() || *rule.issuer == *claims.issuer)
        && (rule.audiences.is_empty()
            || audiences.any(|own| rule.audiences.iter().any(|wanted| bare(wanted) == bare(own))))
}

/// An audience as Envoy compares it: without scheme and the slash at its end.
fn bare(audience: &str) -> &str {
    let rest = audience.strip_prefix("https://").or_else(|| audience.strip_prefix("http://")).unwrap_or(audience);
    rest.strip_suffix('/').unwrap_or(rest)
}

/// Claims that are lists in any case.
const LISTS: [&str; 2] = ["scope", "permission"];

/// Claims with those that hold lists separated by blanks taken apart; nested ones are named with dots.
fn spread(claims: &Claims, rule: &JwtRule) -> Claims {
    let mut spread = claims.clone();
    for name in LISTS.into_iter().chain(rule.space_delimited.iter().map(AsRef::as_ref)) {
        let names: Vec<&str> = name.split('.').collect();
        take_apart(&mut spread.others, &names);
    }
    spread
}

fn take_apart(claims: &mut BTreeMap<String, Claim>, names: &[&str]) {
    let Some((first, rest)) = names.split_first() else { return };
    match claims.get_mut(*first) {
        Some(Claim::Texts(texts)) if rest.is_empty() => {
            *texts = texts
                .iter()
                .flat_map(|text| text.split(' '))
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect();
        }
        Some(Claim::Nested(inner)) => take_apart(inner, rest),
        Some(Claim::Texts(_)) | None => {}
    }
}

#[cfg(test)]
mod tests;
