//! Which endpoints are preferred for where they are, told.

use ripstop_decide::{
    Candidate, Client, EffectiveBackend, Located, Preference, locality_policy, preferences, zone_callers,
};

use crate::{World, endpoints::Endpoint};

/// In a line, if a policy prefers some of `endpoints` to others; `located` says where each of them is, and its share.
pub(crate) fn told(
    world: &World,
    client: Client<'_>,
    settings: &EffectiveBackend,
    endpoints: &[Endpoint],
    located: &[Candidate<'_>],
) -> Option<String> {
    let policy = locality_policy(&world.program, settings)?;
    let labels = client.labels?;
    let callers = zone_callers(&world.program, Some(policy), client.namespace, labels);
    let client = Located { locality: "", network: "", labels };
    let found = preferences(&client, &callers, located, Some(policy), settings.failures());
    let names = |wanted: &dyn Fn(&Preference) -> bool| {
        let of = endpoints.iter().zip(&found).filter(|(_, preference)| wanted(preference));
        of.map(|(endpoint, _)| endpoint.name()).collect::<Vec<_>>()
    };
    let backend = &endpoints.first()?.backend;
    let last = found.iter().map(|preference| preference.priority).max()?;
    if last > 0 {
        let ranks: Vec<String> =
            (0..=last).map(|rank| names(&|preference| preference.priority == rank).join(", ")).collect();
        return Some(format!("{backend} by locality: {}", ranks.join("; if those fail ")));
    }
    let never = names(&|preference| preference.weight == 0);
    (!never.is_empty()).then(|| format!("{backend} by locality: no share for {}", never.join(", ")))
}
