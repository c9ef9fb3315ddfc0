//! Rules about tokens where no `RequestAuthentication` reads any.

mod coverage;

use std::collections::HashMap;

use ripstop_api::{
    Kind, Object, Spec,
    finding::Code,
    istio::{AuthorizationPolicy, TargetRef, VirtualService},
};

use self::coverage::{Coverage, Gap};
use super::{
    Mesh,
    members::{Members, Wanted},
};
use crate::{
    declare::of_kind,
    finding::{Findings, error},
};

/// Codes of these rules.
pub(crate) const CODES: &[Code] = &[NO_TOKEN, NO_CLAIM];

const NO_TOKEN: Code =
    error("RS11", "a policy looks at tokens, and no RequestAuthentication reads any at its workloads");
const NO_CLAIM: Code =
    error("IST0149", "a VirtualService matches on claims, and no RequestAuthentication reads any at its gateway");

/// Policies, and routes at gateways.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let members = Members::of(mesh);
    let coverage = Coverage::of(mesh, &members);
    policies(mesh, &coverage, findings);
    routes(mesh, &members, &coverage, findings);
}

fn policies(mesh: &Mesh<'_>, coverage: &Coverage<'_, '_>, findings: &mut Findings) {
    let mut known: HashMap<(&str, &Wanted), Option<Gap>> = HashMap::new();
    let none = Wanted::new();
    for declared in of_kind(mesh.objects, Kind::AuthorizationPolicy) {
        let object = &*declared.object;
        let Spec::AuthorizationPolicy(written) = &object.spec else { continue };
        let Some((path, field)) = token(written) else { continue };
        let namespace = object.id.namespace.as_str();
        let targets: Vec<&TargetRef> = written.target_ref.iter().chain(&written.target_refs).collect();
        let gap = if targets.is_empty() {
            let wanted = written.selector.as_ref().map_or(&none, |selector| &selector.match_labels.0);
            known.entry((namespace, wanted)).or_insert_with(|| coverage.gap(namespace, wanted)).clone()
        } else {
            coverage.unattached(namespace, &targets).map(|target| Gap(format!("{} {}", target.kind, target.name)))
        };
        let Some(Gap(whom)) = gap else { continue };
        let message = format!("{field} looks at tokens, and no RequestAuthentication reads any at {whom}");
        findings.add(NO_TOKEN, object, &path, message, "write a RequestAuthentication for the same workloads");
    }
}

/// Path and name of the first field about tokens.
pub(super) fn token(policy: &AuthorizationPolicy) -> Option<(String, String)> {
    for (index, rule) in policy.rules.iter().enumerate() {
        for (from, source) in rule.from.iter().enumerate() {
            let Some(source) = &source.source else { continue };
            let lists = [
                ("requestPrincipals", &source.request_principals),
                ("notRequestPrincipals", &source.not_request_principals),
            ];
            if let Some((field, _)) = lists.into_iter().find(|(_, values)| !values.is_empty()) {
                return Some((format!("spec.rules[{index}].from[{from}].source.{field}"), field.to_owned()));
            }
        }
        let mut conditions = rule.when.iter().enumerate();
        if let Some((when, condition)) = conditions.find(|(_, condition)| condition.key.starts_with("request.auth.")) {
            return Some((format!("spec.rules[{index}].when[{when}].key"), condition.key.clone()));
        }
    }
    None
}

fn routes(mesh: &Mesh<'_>, members: &Members<'_>, coverage: &Coverage<'_, '_>, findings: &mut Findings) {
    let gateways: HashMap<(&str, &str), &Wanted> = of_kind(mesh.objects, Kind::Gateway)
        .filter_map(|declared| match &declared.object.spec {
            Spec::Gateway(written) => {
                let id = &declared.object.id;
                Some(((id.namespace.as_str(), id.name.as_str()), &written.selector.0))
            }
            _ => None,
        })
        .collect();
    let mut known: HashMap<&Wanted, Option<usize>> = HashMap::new();
    for declared in of_kind(mesh.objects, Kind::VirtualService) {
        let object: &Object = &declared.object;
        let Spec::VirtualService(written) = &object.spec else { continue };
        let Some(path) = claim(written) else { continue };
        let unread = written.gateways.iter().find_map(|text| {
            let name = text.split_once('/').unwrap_or((&object.id.namespace, text));
            let wanted = *gateways.get(&name)?;
            let gap =
                known.entry(wanted).or_insert_with(|| members.proxies(wanted).find(|index| !coverage.covers(*index)));
            Some((text, (*gap)?))
        });
        let Some((gateway, index)) = unread else { continue };
        let message = format!(
            "it routes by claims at gateway {gateway}, and no RequestAuthentication reads tokens at {}",
            members.get(index)
        );
        findings.add(NO_CLAIM, object, &path, message, "write a RequestAuthentication for the gateway's workloads");
    }
}

/// Path of the first match on a claim.
fn claim(service: &VirtualService) -> Option<String> {
    const CLAIMS: &str = "@request.auth.claims";
    let is_claim = |key: &&String| key.get(..CLAIMS.len()).is_some_and(|start| start.eq_ignore_ascii_case(CLAIMS));
    for (index, route) in service.http.iter().enumerate() {
        for (at, condition) in route.matches.iter().enumerate() {
            for (field, map) in [("headers", &condition.headers), ("withoutHeaders", &condition.without_headers)] {
                if let Some(key) = map.keys().find(is_claim) {
                    return Some(format!("spec.http[{index}].match[{at}].{field}.{key}"));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
