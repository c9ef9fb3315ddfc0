//! What limits of requests of TrafficPolicies say: that they can act, and that services of limits are there.

use std::collections::BTreeSet;

use ripstop_api::{Kind, Object, Spec, finding::Code, ripstop};
use ripstop_model::{
    ConnectionKey, ConnectionLimit, HostPattern, MostConnections, RateLimit, TrafficPolicy, TrafficTargetKind,
};

use super::{
    Mesh,
    registry::{Found, Known, Registry},
    sentence::listed,
};
use crate::{
    declare::{name_of, of_kind},
    finding::{Findings, warning},
};

const NEVER: Code = warning("RS238", "a limit of a TrafficPolicy never refuses anything");
const NO_SERVICE: Code = warning(
    "RS268",
    "a service of limits is not there, or cannot be called: requests pass without it, or none do (`failureMode`)",
);

pub(crate) const CODES: &[Code] = &[NEVER, NO_SERVICE];

/// Every policy.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let mut registry = None;
    for declared in of_kind(mesh.objects, Kind::TrafficPolicy) {
        let (object, Spec::TrafficPolicy(written)) = (&*declared.object, &declared.object.spec) else { continue };
        let Some(policy) = mesh.output.traffic.policies.get(&name_of(object)) else { continue };
        lenient_requests(object, policy, findings);
        lenient_connections(object, policy, findings);
        for (index, limit) in written.rate_limits.iter().enumerate() {
            unmet(object, limit.requests_meant.as_ref(), &format!("spec.rateLimits[{index}].match"), findings);
        }
        for (index, limit) in written.global_rate_limits.iter().enumerate() {
            let path = format!("spec.globalRateLimits[{index}]");
            unmet(object, limit.requests_meant.as_ref(), &format!("{path}.match"), findings);
            unknown_workload(object, policy, limit, &path, findings);
            let registry = registry.get_or_insert_with(|| Registry::new(mesh));
            service(mesh, registry, object, limit, &format!("{path}.service"), findings);
        }
    }
}

/// Where the limit of that id stands: `spec.rateLimits[0]`.
fn place(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

/// Limits of requests beside others that always refuse before them.
fn lenient_requests(object: &Object, policy: &TrafficPolicy, findings: &mut Findings) {
    let covers = |stricter: &RateLimit, limit: &RateLimit| {
        let (a, b) = (&stricter.allowance, &limit.allowance);
        !stricter.dry_run
            && a.requests == b.requests
            && a.key == b.key
            && is_stricter((a.count, a.interval, a.burst), (b.count, b.interval, b.burst))
    };
    let limits = &policy.rate_limits;
    for (index, limit) in limits.iter().enumerate() {
        let equal = |other: &RateLimit| covers(limit, other);
        // Of two that say the same, the first refuses.
        let first = limits
            .iter()
            .enumerate()
            .find(|(at, other)| *at != index && covers(other, limit) && (*at < index || !equal(other)));
        if let Some((_, first)) = first {
            never(object, place(&limit.id.0), place(&first.id.0), findings);
        }
    }
}

/// The same of limits of new connections. Of those of open ones, two with one key are refused as repeated.
fn lenient_connections(object: &Object, policy: &TrafficPolicy, findings: &mut Findings) {
    let rate = |limit: &ConnectionLimit| match limit.most {
        MostConnections::New { count, interval, burst } => Some((count, interval, burst)),
        MostConnections::Open(_) => None,
    };
    let covers = |stricter: &ConnectionLimit, limit: &ConnectionLimit| {
        let (Some(a), Some(b)) = (rate(stricter), rate(limit)) else { return false };
        !stricter.dry_run && stricter.key == limit.key && is_stricter(a, b)
    };
    let limits = &policy.connection_rates;
    for (index, limit) in limits.iter().enumerate() {
        let first = limits
            .iter()
            .enumerate()
            .find(|(at, other)| *at != index && covers(other, limit) && (*at < index || !covers(limit, other)));
        if let Some((_, first)) = first {
            never(object, place(&limit.id.0), place(&first.id.0), findings);
        }
    }
    // Each key has its own count below that of all together.
    let open = |limit: &ConnectionLimit| match limit.most {
        MostConnections::Open(most) => Some(most),
        MostConnections::New { .. } => None,
    };
    let all = policy.connection_limits.iter().find(|limit| limit.key == ConnectionKey::All && !limit.dry_run);
    let Some((all, whole)) = all.and_then(|all| Some((all, open(all)?))) else { return };
    for limit in policy.connection_limits.iter().filter(|limit| limit.key != ConnectionKey::All) {
        if open(limit).is_some_and(|most| most >= whole) {
            never(object, place(&limit.id.0), place(&all.id.0), findings);
        }
    }
}

/// So many in an interval, and at once.
type Pace = (u32, std::time::Duration, u32);

/// Whether whatever `pace` lets pass is let pass by `other`, too.
fn is_stricter(pace: Pace, other: Pace) -> bool {
    let (own, others) = (u128::from(pace.0) * other.1.as_nanos(), u128::from(other.0) * pace.1.as_nanos());
    own <= others && pace.2 <= other.2
}

fn never(object: &Object, path: &str, first: &str, findings: &mut Findings) {
    let message = format!("`{first}` refuses all that it would refuse: it never refuses anything itself");
    findings.add(NEVER, object, path, message, "remove one of them, or count otherwise");
}

/// What no request can meet, as requests are compared.
fn unmet(object: &Object, meant: Option<&ripstop::RequestMatch>, path: &str, findings: &mut Findings) {
    let Some(meant) = meant else { return };
    let hint = "paths are compared without query, and without `.` and `..`";
    for (name, text) in meant.path.iter().flat_map(|path| [("exact", &path.exact), ("prefix", &path.prefix)]) {
        let Some(text) = text else { continue };
        let dots = text.split('/').any(|segment| segment == "." || segment == "..");
        if text.contains(['?', '#']) || dots {
            let message = format!("no path is or begins like {text:?}: the limit never refuses anything");
            findings.add(NEVER, object, &format!("{path}.path.{name}"), message, hint);
        }
    }
    for (index, method) in meant.methods.iter().enumerate() {
        let upper = method.to_ascii_uppercase();
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"];
        if *method != upper && known.contains(&&*upper) {
            let message = format!("no request has the method {method:?}: case counts");
            findings.add(NEVER, object, &format!("{path}.methods[{index}]"), message, &format!("write {upper}"));
        }
    }
}

/// Descriptors that are never complete where the policy acts.
fn unknown_workload(
    object: &Object,
    policy: &TrafficPolicy,
    limit: &ripstop::GlobalRateLimit,
    path: &str,
    findings: &mut Findings,
) {
    if policy.targets.iter().any(|target| target.kind == TrafficTargetKind::Service) {
        return;
    }
    for (index, descriptor) in limit.descriptors.iter().enumerate() {
        for (at, entry) in descriptor.entries.iter().enumerate() {
            if entry.destination_workload.is_some() && entry.default_value.is_none() {
                let path = format!("{path}.descriptors[{index}].entries[{at}]");
                let message = "which workload is called is known only where requests of a Service are counted: the \
                               descriptor is never sent";
                findings.add(NEVER, object, &path, message, "write `destinationService`, or a `default`");
            }
        }
    }
}

/// Whether the service of a limit can be called by those who ask it.
fn service(
    mesh: &Mesh<'_>,
    registry: &Registry<'_>,
    object: &Object,
    limit: &ripstop::GlobalRateLimit,
    path: &str,
    findings: &mut Findings,
) {
    let Some(written) = &limit.service else { return };
    let namespace = object.id.namespace.as_str();
    let host: HostPattern = mesh.declarations.settings.naming.host(&written.host, namespace);
    let fate = match limit.failure_mode {
        ripstop::WhenUnknown::Allow => "its limits refuse nothing",
        ripstop::WhenUnknown::Deny => "requests are refused",
    };
    let known = match registry.find(&host, &BTreeSet::from([namespace])) {
        Found::Known(known) => known,
        Found::Hidden(owner) => {
            let message =
                format!("the host {host} of namespace {owner} is not exported to namespace {namespace}: {fate}");
            let path = format!("{path}.host");
            return findings.add(NO_SERVICE, object, &path, message, "name the namespace in its exportTo");
        }
        Found::Nobody => {
            let message = format!("no Service and no ServiceEntry has the host {host}: {fate}");
            let advice = registry.advice(&written.host, namespace);
            return findings.add(NO_SERVICE, object, &format!("{path}.host"), message, &advice);
        }
    };
    let ports: BTreeSet<u16> = known.iter().flat_map(Known::ports).collect();
    let port = written.port.and_then(|port| u16::try_from(port).ok());
    if let Some(port) = port.filter(|port| !ports.is_empty() && !ports.contains(port)) {
        let message = format!("the host {host} has no port {port}: {fate}");
        let hint = format!("its ports: {}", listed(&ports));
        findings.add(NO_SERVICE, object, &format!("{path}.port"), message, &hint);
    }
}
