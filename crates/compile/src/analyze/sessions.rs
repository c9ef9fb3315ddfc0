//! Cookies of sessions (`sessionAffinity` of TrafficPolicies): that they do not stand in each other's way, and that clients
//! can keep and send them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ripstop_api::{Object, finding::Code};
use ripstop_model::{
    Algorithm, BackendRef, BackendSettings, HashKey, HostPattern, HttpAction, HttpRule, RouteTable, ServerTlsMode,
    SessionAffinity, StringMatch, TrafficPolicy, TrafficTargetKind,
};

use super::{
    Mesh,
    registry::{Found, Known, Registry},
    rules::Rules,
};
use crate::{
    declare::{id_of, name_of},
    finding::{Findings, warning},
};

const NO_SESSION: Code = warning(
    "RS235",
    "a cookie of a TrafficPolicy's sessions is another's, too, or cannot come back: it keeps no client at its endpoint",
);

pub(crate) const CODES: &[Code] = &[NO_SESSION];

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let policies = &mesh.output.traffic.policies;
    if policies.values().all(|policy| policy.session_affinity.is_none()) {
        return;
    }
    let look = Look { mesh, registry: Registry::new(mesh), rules: Rules::new(mesh) };
    for policy in policies.values() {
        look.prefixed(policy, findings);
    }
    let mut told = BTreeSet::new();
    for table in mesh.output.traffic.routes.values() {
        look.table(table, &mut told, findings);
    }
}

struct Look<'m, 'a> {
    mesh: &'m Mesh<'a>,
    registry: Registry<'a>,
    rules: Rules<'a>,
}

/// A host that a rule leads to, whose requests have sessions.
#[derive(Clone, Copy)]
struct Kept<'a> {
    policy: &'a Arc<TrafficPolicy>,
    session: &'a SessionAffinity,
}

// === impl Look ===

impl<'a> Look<'_, 'a> {
    fn object(&self, policy: &TrafficPolicy) -> Option<&'a Object> {
        let name = (policy.namespace.clone(), policy.name.clone());
        let declared = self.mesh.objects.get(&id_of(ripstop_api::Kind::TrafficPolicy, &name))?;
        debug_assert_eq!(name_of(&declared.object), name);
        Some(&declared.object)
    }

    fn add(&self, policy: &TrafficPolicy, field: &str, message: String, hint: &str, findings: &mut Findings) {
        if let Some(object) = self.object(policy) {
            findings.add(NO_SESSION, object, &format!("spec.sessionAffinity.cookie.{field}"), message, hint);
        }
    }

    /// Names that clients take by certain rules alone (RFC 6265bis, 4.1.3).
    fn prefixed(&self, policy: &TrafficPolicy, findings: &mut Findings) {
        let Some(session) = &policy.session_affinity else { return };
        let lower = session.cookie.to_ascii_lowercase();
        if lower.starts_with("__host-") && *session.path != *"/" {
            let message = format!("clients take a cookie of the name {} with the path / alone", session.cookie);
            self.add(policy, "path", message, "remove `path`, or give it another name", findings);
        }
        let of_gateways = |kind| matches!(kind, TrafficTargetKind::Service | TrafficTargetKind::Entry);
        if (lower.starts_with("__host-") || lower.starts_with("__secure-"))
            && policy.targets.iter().any(|target| of_gateways(target.kind))
            && !self.mesh.output.traffic.gateways.values().any(|gateway| {
                gateway.servers.iter().filter_map(|server| server.tls.as_ref()).any(|tls| ends_here(tls.mode))
            })
        {
            let message =
                format!("clients take a cookie of the name {} over TLS alone, and no Gateway ends TLS", session.cookie);
            self.add(policy, "name", message, "give it another name", findings);
        }
    }

    fn table(&self, table: &RouteTable, told: &mut BTreeSet<(String, String)>, findings: &mut Findings) {
        // By rule, the hosts that it leads to, and what keeps clients there.
        let led: Vec<(&HttpRule, BTreeMap<Arc<str>, Kept<'_>>)> =
            table.http.iter().map(|rule| (rule, self.led(table, rule))).collect();
        let name = format!("VirtualService {}/{}", table.namespace, table.name);
        for (index, (rule, hosts)) in led.iter().enumerate() {
            for (host, kept) in hosts {
                self.hashed(table, host, *kept, told, findings);
                if !reaches(rule, &kept.session.path)
                    && told.insert((kept.policy.id.0.to_string(), rule.id.0.to_string()))
                {
                    let message = format!(
                        "clients send it to paths below {}, which {name} does not lead to {host} by `{}`",
                        kept.session.path,
                        rule.id.0.rsplit('/').next().unwrap_or_default()
                    );
                    self.add(
                        kept.policy,
                        "path",
                        message,
                        "write a `path` that the route's paths begin with",
                        findings,
                    );
                }
                for (_, others) in &led[..index] {
                    if others.keys().any(|other| hosts.contains_key(other)) {
                        continue;
                    }
                    let same = others.iter().find(|(_, other)| {
                        other.session.cookie == kept.session.cookie && other.session.path == kept.session.path
                    });
                    if let Some((other, _)) = same
                        && told.insert((kept.policy.id.0.to_string(), format!("{host} {other}")))
                    {
                        let message = format!(
                            "{name} leads to {host} and to {other} by different routes, and their sessions have one cookie, \
                             {} with the path {}: each takes the other's from its clients",
                            kept.session.cookie, kept.session.path
                        );
                        self.add(kept.policy, "name", message, "give one of them another name or path", findings);
                    }
                }
            }
        }
    }

    /// Hosts with sessions that a rule leads to.
    fn led<'s>(&'s self, table: &RouteTable, rule: &HttpRule) -> BTreeMap<Arc<str>, Kept<'s>> {
        let HttpAction::Forward(backends) = &rule.action else { return BTreeMap::new() };
        let led = backends.iter().filter(|backend| backends.len() == 1 || backend.weight > 0);
        led.filter_map(|backend| {
            let BackendRef { host, port, .. } = &backend.backend;
            Some((host.clone(), self.kept(&table.namespace, host, *port)?))
        })
        .collect()
    }

    /// What keeps clients of a host at its endpoints.
    fn kept(&self, caller: &str, host: &Arc<str>, port: Option<u16>) -> Option<Kept<'_>> {
        let Found::Known(known) = self.registry.find(&HostPattern::Exact(host.clone()), &BTreeSet::from([caller]))
        else {
            return None;
        };
        let (kind, namespace, name, ports) = match *known.first()? {
            Known::Service(service) => {
                let ports: Vec<_> = service.ports.iter().map(|port| (port.port, port.name.clone())).collect();
                (TrafficTargetKind::Service, &service.key.namespace, service.name.clone(), ports)
            }
            Known::Entry(entry) => {
                let ports: Vec<_> = entry.ports.iter().map(|port| (port.port, port.name.clone())).collect();
                (TrafficTargetKind::Entry, &entry.object.0, entry.object.1.clone(), ports)
            }
        };
        let section = match (port, &ports[..]) {
            (Some(port), ports) => ports.iter().find(|(own, _)| *own == port).map(|(_, name)| name.clone()),
            (None, [(_, name)]) => Some(name.clone()),
            (None, _) => None,
        };
        let policies = &self.mesh.output.traffic.policies;
        let found = policies.values().filter(|policy| policy.namespace == *namespace).filter_map(|policy| {
            let session = policy.session_affinity.as_deref()?;
            let mut targets = policy.targets.iter().filter(|target| target.kind == kind && target.name == name);
            let is_meant = |own: &Option<Arc<str>>| own.is_none() || *own == section;
            let of_all = targets.find(|target| is_meant(&target.section))?.section.is_none();
            Some((of_all, policy.created, &policy.name, Kept { policy, session }))
        });
        found.min_by_key(|(of_all, created, name, _)| (*of_all, *created, (*name).clone())).map(|(.., kept)| kept)
    }

    /// A DestinationRule that places requests by the same cookie.
    fn hashed(
        &self,
        table: &RouteTable,
        host: &Arc<str>,
        kept: Kept<'_>,
        told: &mut BTreeSet<(String, String)>,
        findings: &mut Findings,
    ) {
        for rule in self.rules.acting(&table.namespace, host, &kept.policy.namespace) {
            let places = |settings: &BackendSettings| {
                let all = std::iter::once(&settings.general).chain(settings.ports.values());
                all.filter_map(|settings| settings.balancer.as_deref()).any(|balancer| {
                    matches!(&balancer.algorithm, Algorithm::Hash { key: HashKey::Cookie { name, .. }, .. } if *name == kept.session.cookie)
                })
            };
            if !places(&rule.policy) && !rule.subsets.iter().any(|subset| places(&subset.policy)) {
                continue;
            }
            let id = rule.ids.first().map(|id| id.0.to_string()).unwrap_or_default();
            let object = id.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
            if told.insert((kept.policy.id.0.to_string(), object.clone())) {
                let message = format!(
                    "{object} places requests to {host} by the cookie {}, too, and gives it another value",
                    kept.session.cookie
                );
                self.add(kept.policy, "name", message, "give it another name, or remove `consistentHash`", findings);
            }
        }
    }
}

/// Whether TLS of a listener ends at the gateway.
fn ends_here(mode: ServerTlsMode) -> bool {
    !matches!(mode, ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough)
}

/// Whether requests that a rule takes may have a cookie with that path (RFC 6265, 5.1.4).
fn reaches(rule: &HttpRule, cookie: &str) -> bool {
    let below = |path: &str| {
        path.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
    };
    rule.matches.is_empty()
        || rule.matches.iter().any(|one| match &one.uri {
            Some(StringMatch::Exact(path)) if !one.ignore_uri_case => below(path),
            Some(StringMatch::Prefix(prefix)) if !one.ignore_uri_case => below(prefix) || cookie.starts_with(&**prefix),
            _ => true,
        })
}
