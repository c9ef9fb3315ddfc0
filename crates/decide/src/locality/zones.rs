//! How calls are spread over the zones of a region (`zoneAwareLbSetting`), as Envoy's zone aware routing does.
//!
//! Every zone gets as much as its endpoints can carry, and as little as possible crosses a border. If a zone has at least
//! as large a share of the endpoints as of the callers, its callers stay in it. If it has less, they stay as far as that
//! goes; the rest goes to zones that have more endpoints than callers, by how much they have more. Whatever is in no
//! share gets calls if the others fail.

use std::collections::HashMap;

use ripstop_model::{Health, Labels, Workload};

use super::{Candidate, Located, Preference, SCALE, compact};
use crate::Program;

/// Parts of a share: per ten thousand.
const PARTS: u64 = 10_000;

/// Region and zone.
type Zone<'a> = (&'a str, &'a str);

/// How many callers and endpoints a zone has. Only endpoints that are ready can carry anything.
#[derive(Clone, Copy, Debug, Default)]
struct Crowd {
    callers: u64,
    endpoints: u64,
    /// The sum of their weights.
    weight: u64,
    /// Of all calls.
    share: u64,
}

/// The callers among whom one is that has these labels: the ready workloads of the services that select it. They call what
/// it calls.
pub(crate) fn callers<'p>(program: &'p Program, namespace: &str, labels: &Labels) -> Vec<&'p Workload> {
    let selects = |selector: &ripstop_model::Selector| selector.matches(labels);
    let services = program.services();
    let own = services
        .filter(|service| *service.key.namespace == *namespace && service.selector.as_ref().is_some_and(selects));
    let mut found: Vec<&Workload> = Vec::new();
    for service in own {
        let ready = program.endpoints(&service.key).filter(|workload| workload.health == Health::Healthy);
        let new: Vec<&Workload> = ready
            .map(|workload| &**workload)
            .filter(|workload| !found.iter().any(|known| known.uid == workload.uid))
            .collect();
        found.extend(new);
    }
    found
}

/// Spreads the calls of `client` over the zones of those in `found` that are preferred to all others; with fewer than
/// `least` of them, ready or not, all zones are alike. `callers` are where its like are, itself among them.
pub(super) fn spread(
    client: &Located<'_>,
    callers: &[Located<'_>],
    endpoints: &[Candidate<'_>],
    least: u64,
    found: &mut [Preference],
) {
    let home = zone(client);
    let first: Vec<usize> = (0..found.len()).filter(|index| found[*index].priority == 0).collect();
    if home == ("", "") || (first.len() as u64) < least.max(1) {
        return;
    }
    let mut zones: HashMap<Zone<'_>, Crowd> = HashMap::new();
    let ready = first.iter().map(|index| &endpoints[*index]).filter(|endpoint| endpoint.health == Health::Healthy);
    let mut all_ready = 0;
    for endpoint in ready {
        let crowd = zones.entry(zone(&endpoint.at)).or_default();
        crowd.endpoints += 1;
        crowd.weight += u64::from(endpoint.weight);
        all_ready += 1;
    }
    if zones.len() < 2 || !zones.contains_key(&home) {
        // Nothing to choose, or nobody at home.
        return;
    }
    for caller in callers {
        zones.entry(zone(caller)).or_default().callers += 1;
    }
    let crowd = zones.entry(home).or_default();
    crowd.callers = crowd.callers.max(1);
    let callers: u64 = zones.values().map(|crowd| crowd.callers).sum();
    let has = |crowd: &Crowd| crowd.endpoints * PARTS / all_ready;
    let needs = |crowd: &Crowd| crowd.callers * PARTS / callers;
    let own = zones[&home];
    let at_home = (has(&own) * PARTS / needs(&own).max(1)).min(PARTS);
    let more = |crowd: &Crowd| has(crowd).saturating_sub(needs(crowd));
    let all_more: u64 = zones.iter().filter(|(zone, _)| **zone != home).map(|(_, crowd)| more(crowd)).sum();
    for (zone, crowd) in &mut zones {
        crowd.share = if *zone != home {
            ((PARTS - at_home) * more(crowd)).checked_div(all_more).unwrap_or(0)
        } else if all_more == 0 {
            PARTS
        } else {
            at_home
        };
    }
    for preference in found.iter_mut() {
        preference.priority = preference.priority.saturating_mul(2);
    }
    for index in first {
        let crowd = zones.get(&zone(&endpoints[index].at)).copied().unwrap_or_default();
        if crowd.share == 0 {
            found[index].priority = 1;
        } else {
            found[index].weight = crowd.share * SCALE * u64::from(endpoints[index].weight) / crowd.weight.max(1);
        }
    }
    compact(found);
}

fn zone<'a>(located: &Located<'a>) -> Zone<'a> {
    let (region, zone, _) = located.place();
    (region, zone)
}

#[cfg(test)]
mod tests;
