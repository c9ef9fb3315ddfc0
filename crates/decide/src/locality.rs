//! Which endpoints are preferred, by locality (istio.md 1.2.2).

mod zones;

use std::{collections::HashMap, sync::Arc};

use ripstop_model::{Health, Labels, LocalityPolicy};

use crate::{EffectiveBackend, Program};

/// Where a client or an endpoint is.
#[derive(Clone, Copy, Debug)]
pub struct Located<'a> {
    /// `region/zone/subzone`; empty: what its labels say.
    pub locality: &'a str,
    /// Network; empty: what its labels say.
    pub network: &'a str,
    /// Labels.
    pub labels: &'a Labels,
}

/// An endpoint that could be called.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Where it is.
    pub at: Located<'a>,
    /// Share, at least 1.
    pub weight: u32,
    /// Whether it is ready to be called.
    pub health: Health,
}

/// How much an endpoint is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preference {
    /// Called only if those of all lower numbers fail. Numbers begin at 0 and have no gaps.
    pub priority: u32,
    /// Share among those of the same priority; 0: never called.
    pub weight: u64,
}

/// The policy that acts for calls to a backend: its own, else the mesh's; nothing: none does.
pub fn policy<'p>(program: &'p Program, backend: &'p EffectiveBackend) -> Option<&'p LocalityPolicy> {
    let own = backend.balancer.as_ref().and_then(|balancer| balancer.locality.as_ref());
    Some(own.unwrap_or(&program.traffic().defaults.locality)).filter(|policy| policy.enabled)
}

/// Whether anybody notices that endpoints fail: by what becomes of requests, or by checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failures {
    /// Somebody does.
    Noticed,
    /// Nobody does.
    Unnoticed,
}

/// How much each of `endpoints` is preferred, in their order.
///
/// Shares by locality hold always, and exclude priorities. Priorities hold only where failing endpoints
/// are ejected, or checked: without, nobody would ever notice that those of a better one fail.
///
/// Shares are flat: a locality some of whose endpoints are out has the less, unlike in Envoy, where it
/// keeps its own. By `zoneAwareLbSetting` the zones of a region are one priority, over which calls are spread by where
/// `callers` are, the client's like; see [`zone_callers`].
pub fn preferences(
    client: &Located<'_>,
    callers: &[Located<'_>],
    endpoints: &[Candidate<'_>],
    policy: Option<&LocalityPolicy>,
    failures: Failures,
) -> Vec<Preference> {
    let policy = policy.filter(|policy| policy.enabled);
    let mut found = match policy {
        Some(policy) if !policy.distribute.is_empty() => return shares(client, endpoints, policy),
        Some(policy) if failures == Failures::Noticed => priorities(client, endpoints, policy),
        _ => endpoints.iter().map(Candidate::unranked).collect(),
    };
    if let Some(least) = policy.and_then(|policy| policy.zone_aware) {
        zones::spread(client, callers, endpoints, least, &mut found);
    }
    found
}

/// The callers over whose zones `policy` spreads calls, of a client with these labels; none, if it does not look at them.
pub fn zone_callers<'p>(
    program: &'p Program,
    policy: Option<&LocalityPolicy>,
    namespace: &str,
    labels: &Labels,
) -> Vec<Located<'p>> {
    if policy.is_none_or(|policy| policy.zone_aware.is_none()) {
        return Vec::new();
    }
    let located =
        |workload: &'p ripstop_model::Workload| Located { locality: "", network: "", labels: &workload.labels };
    zones::callers(program, namespace, labels).into_iter().map(located).collect()
}

/// Region, zone, subzone; what is not known is empty.
type Place<'a> = (&'a str, &'a str, &'a str);

const REGION: &str = "topology.kubernetes.io/region";
const ZONE: &str = "topology.kubernetes.io/zone";
const SUBZONE: &str = "topology.istio.io/subzone";
const NETWORK: &str = "topology.istio.io/network";
/// A whole locality, with `.` for `/`.
const WHOLE: [&str; 2] = ["topology.istio.io/locality", "istio-locality"];

/// Parts of a per cent: rounding must not matter however many endpoints there are.
const SCALE: u64 = 1_000_000;

/// The endpoints of one locality.
#[derive(Default)]
struct Group {
    /// The sum of their weights.
    weight: u64,
    /// Per cent of all calls.
    share: u64,
}

/// The first entry that is for the client counts. What it does not list is never called.
fn shares(client: &Located<'_>, endpoints: &[Candidate<'_>], policy: &LocalityPolicy) -> Vec<Preference> {
    let place = client.place();
    let Some((_, to)) = policy.distribute.iter().find(|(from, _)| holds(from, place)) else {
        return endpoints.iter().map(Candidate::unranked).collect();
    };
    let mut groups: HashMap<Place<'_>, Group> = HashMap::new();
    for endpoint in endpoints {
        groups.entry(endpoint.at.place()).or_default().weight += u64::from(endpoint.weight);
    }
    // A pattern's share is divided among its localities by weight, each rounded up.
    for (pattern, per_cent) in to {
        let mut own: Vec<&mut Group> = groups
            .iter_mut()
            .filter(|(place, group)| group.share == 0 && holds(pattern, **place))
            .map(|(_, group)| group)
            .collect();
        let total: u64 = own.iter().map(|group| group.weight).sum();
        for group in &mut own {
            group.share = (group.weight * u64::from(*per_cent).min(100)).div_ceil(total.max(1));
        }
    }
    let weight = |endpoint: &Candidate<'_>| {
        let group = groups.get(&endpoint.at.place())?;
        Some(group.share * SCALE * u64::from(endpoint.weight) / group.weight.max(1))
    };
    let preference = |endpoint| Preference { priority: 0, weight: weight(endpoint).unwrap_or(0) };
    endpoints.iter().map(preference).collect()
}

fn priorities(client: &Located<'_>, endpoints: &[Candidate<'_>], policy: &LocalityPolicy) -> Vec<Preference> {
    let mut found: Vec<Preference> = endpoints.iter().map(Candidate::unranked).collect();
    let listed = &policy.failover_priority;
    if !listed.is_empty() {
        // Of a client without any label nothing is known to be equal or not.
        if !client.is_unknown() {
            for (preference, endpoint) in found.iter_mut().zip(endpoints) {
                preference.priority = by_labels(client, &endpoint.at, listed);
            }
        }
        compact(&mut found);
    }
    if listed.is_empty() || !policy.failover.is_empty() {
        let place = client.place();
        let target = policy.failover.iter().find(|(from, _)| **from == *place.0).map(|(_, to)| &**to);
        for (preference, endpoint) in found.iter_mut().zip(endpoints) {
            // Labels come first; five steps of distance fit between two of theirs.
            preference.priority =
                preference.priority * 5 + by_place(place, endpoint.at.place(), target, policy.zone_aware.is_some());
        }
        compact(&mut found);
    }
    found
}

/// The length of the list without its beginning that is equal. Another network is farther than
/// anything on the own one, if the list begins with it.
fn by_labels(client: &Located<'_>, endpoint: &Located<'_>, listed: &[Arc<str>]) -> u32 {
    let mut left = u32::try_from(listed.len()).unwrap_or(u32::MAX);
    let mut abroad = 0;
    for (index, label) in listed.iter().enumerate() {
        let (name, wanted) = match label.split_once('=') {
            Some((name, literal)) => (name, literal),
            None => (&**label, client.label(label)),
        };
        if endpoint.label(name) != wanted {
            if index > 0 || name != NETWORK {
                break;
            }
            abroad = left;
        }
        left -= 1;
    }
    abroad + left
}

/// 0 the same subzone, 1 the same zone, 2 the same region, 3 elsewhere; 4 elsewhere, if there is a
/// region that takes over, and it is not that.
fn by_place(client: Place<'_>, endpoint: Place<'_>, target: Option<&str>, zones_alike: bool) -> u32 {
    if client.0 != endpoint.0 {
        return if target.is_none_or(|target| target == endpoint.0) { 3 } else { 4 };
    }
    match (client.1 == endpoint.1, client.2 == endpoint.2) {
        _ if zones_alike => 0,
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 2,
    }
}

/// Renumbers priorities from 0 without gaps.
fn compact(found: &mut [Preference]) {
    let mut used: Vec<u32> = found.iter().map(|preference| preference.priority).collect();
    used.sort_unstable();
    used.dedup();
    for preference in found {
        let rank = used.partition_point(|priority| *priority < preference.priority);
        preference.priority = u32::try_from(rank).unwrap_or(u32::MAX);
    }
}

/// Whether a place is within `region/zone/subzone`, of which the end may be missing, and any part `*`.
fn holds(pattern: &str, place: Place<'_>) -> bool {
    let (region, zone, subzone) = parts(pattern, '/');
    let open = |wanted: &str, part: &str| wanted.is_empty() || wanted == "*" || wanted == part;
    (region == "*" || region == place.0) && open(zone, place.1) && open(subzone, place.2)
}

fn parts(text: &str, separator: char) -> Place<'_> {
    let mut parts = text.splitn(3, separator);
    let mut next = || parts.next().unwrap_or_default();
    (next(), next(), next())
}

// === impl Located ===

impl<'a> Located<'a> {
    fn place(&self) -> Place<'a> {
        if !self.locality.is_empty() {
            return parts(self.locality, '/');
        }
        let written = |name: &str| self.labels.get(name).map_or("", |value| &**value);
        match WHOLE.map(written).into_iter().find(|whole| !whole.is_empty()) {
            Some(whole) => parts(whole, if whole.contains('/') { '/' } else { '.' }),
            None => (written(REGION), written(ZONE), written(SUBZONE)),
        }
    }

    /// A label; of place and network also if they are said otherwise. What is missing is empty.
    fn label(&self, name: &str) -> &'a str {
        let known = match name {
            REGION => self.place().0,
            ZONE => self.place().1,
            SUBZONE => self.place().2,
            NETWORK => self.network,
            _ => "",
        };
        if known.is_empty() { self.labels.get(name).map_or("", |value| &**value) } else { known }
    }

    fn is_unknown(&self) -> bool {
        self.locality.is_empty() && self.network.is_empty() && self.labels.is_empty()
    }
}

// === impl Candidate ===

impl Candidate<'_> {
    fn unranked(&self) -> Preference {
        Preference { priority: 0, weight: u64::from(self.weight) }
    }
}

#[cfg(test)]
mod tests;
