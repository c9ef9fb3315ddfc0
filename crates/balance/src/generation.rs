//! A backend as one configuration has it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use ripstop_model::Algorithm;

use crate::{
    Endpoint, Limits, Settings,
    endpoint::State,
    group::{Group, Ingredient, Table},
};

/// Settings and endpoints that belong together; replaced at once. Only what counts changes in it.
#[derive(Debug)]
pub(crate) struct Generation<K> {
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    /// In the order of their priorities.
    pub(crate) members: Vec<Member<K>>,
    pub(crate) groups: Vec<Group>,
    /// From keys to members.
    index: HashMap<K, u32>,
    /// When the last member is warm; 0: there is no warm-up.
    warm_from: AtomicU64,
}

/// An endpoint with its state.
#[derive(Debug)]
pub(crate) struct Member<K> {
    pub(crate) endpoint: Endpoint<K>,
    pub(crate) state: Arc<State<K>>,
    /// Index of its group.
    pub(crate) group: usize,
}

// === impl Generation ===

impl<K: Clone + Eq + Hash> Generation<K> {
    /// Follows `before`, whose endpoints keep their states; of several endpoints with one key, the first counts.
    pub(crate) fn new(
        settings: Settings,
        endpoints: impl IntoIterator<Item = Endpoint<K>>,
        before: Option<&Self>,
        now: u64,
    ) -> Self {
        let mut endpoints: Vec<_> = endpoints.into_iter().collect();
        endpoints.sort_by_key(|endpoint| endpoint.priority);

        let mut index = HashMap::with_capacity(endpoints.len());
        let mut members: Vec<Member<K>> = Vec::with_capacity(endpoints.len());
        let mut group = 0;
        for endpoint in endpoints {
            if index.contains_key(&endpoint.key) {
                continue;
            }
            if members.last().is_some_and(|last| last.endpoint.priority != endpoint.priority) {
                group += 1;
            }
            index.insert(endpoint.key.clone(), number(members.len()));
            members.push(Member { state: state_of(&endpoint, before, now), endpoint, group });
        }

        let algorithm = &settings.balancer.algorithm;
        let mut groups = Vec::new();
        for run in members.chunk_by(|one, other| one.group == other.group) {
            let first = groups.last().map_or(0, |group: &Group| group.members.end);
            let ingredients: Vec<_> = run.iter().map(Member::ingredient).collect();
            let table = before.and_then(|before| before.table_of(algorithm, first, run));
            groups.push(Group::new(first, &ingredients, algorithm, table));
        }

        let warm_from = settings.warmup().map_or(0, |warmup| {
            let since = members.iter().map(|member| member.state.since.load(Relaxed)).max().unwrap_or(0);
            since.saturating_add(nanos(warmup.duration))
        });
        let warm_from = AtomicU64::new(warm_from);
        Self { limits: settings.limits(), settings, members, groups, index, warm_from }
    }

    /// The member with this key.
    pub(crate) fn find(&self, key: &K) -> Option<&Member<K>> {
        self.index.get(key).map(|member| &self.members[*member as usize])
    }

    /// Tells each member where it is, and each group how many are usable, with the ledger locked.
    pub(crate) fn settle(&self) {
        for (place, member) in (0..).zip(&self.members) {
            member.state.place.store(place, Relaxed);
        }
        for group in &self.groups {
            let members = &self.members[group.members.start as usize..group.members.end as usize];
            group.set_usable(members.iter().filter(|member| member.is_usable(false)).count());
        }
    }

    /// The hash table of the group that begins at `first`, if one made of `run` would be the same.
    fn table_of(&self, algorithm: &Algorithm, first: u32, run: &[Member<K>]) -> Option<Arc<Table>> {
        let kind = |algorithm: &Algorithm| match algorithm {
            Algorithm::Hash { table, .. } => Some(*table),
            _ => None,
        };
        if kind(algorithm) != kind(&self.settings.balancer.algorithm) {
            return None;
        }
        let group = self.groups.iter().find(|group| group.members.start == first)?;
        let members = &self.members[group.members.start as usize..group.members.end as usize];
        let essence = |member: &Member<K>| (member.endpoint.weight, member.endpoint.hash_key.clone());
        members.iter().map(essence).eq(run.iter().map(essence)).then(|| group.table.clone()).flatten()
    }
}

impl<K> Generation<K> {
    /// A member that was out begins anew.
    pub(crate) fn begins_anew(&self, member: &Member<K>, now: u64) {
        member.state.since.store(now, Relaxed);
        if let Some(warmup) = self.settings.warmup() {
            self.warm_from.fetch_max(now.saturating_add(nanos(warmup.duration)), Relaxed);
        }
    }

    /// Whether a member may still be warming up.
    pub(crate) fn is_warming(&self, now: u64) -> bool {
        now < self.warm_from.load(Relaxed)
    }
}

/// The state of an endpoint: the one that it had, or a new one.
fn state_of<K: Clone + Eq + Hash>(endpoint: &Endpoint<K>, before: Option<&Generation<K>>, now: u64) -> Arc<State<K>> {
    let Some(member) = before.and_then(|before| before.find(&endpoint.key)) else {
        return Arc::new(State::new(endpoint.key.clone(), now));
    };
    if endpoint.is_ready() && !member.endpoint.is_ready() {
        member.state.since.store(now, Relaxed);
    }
    Arc::clone(&member.state)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Members are numbered in 32 bits; more don't fit into memory.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

// === impl Member ===

impl<K> Member<K> {
    /// Whether requests may go to it; in panic, those too that are ejected or fail their checks.
    pub(crate) fn is_usable(&self, panic: bool) -> bool {
        self.endpoint.is_ready() && (panic || self.state.is_well())
    }

    fn ingredient(&self) -> Ingredient<'_> {
        Ingredient {
            weight: self.endpoint.weight.get(),
            hash_key: &self.endpoint.hash_key,
            ready: self.endpoint.is_ready(),
        }
    }
}
