//! One worker's end of a backend.

use std::{
    hash::Hash,
    sync::{Arc, atomic::Ordering::Acquire},
    time::Instant,
};

use arc_swap::Guard;
use ripstop_model::Algorithm;

use crate::{
    Backend, Limits, Overflow, Permit, Picked, Refused, Resource, Selection, Tried, dice::Dice, draw::Draw,
    generation::Generation, lease::Lease, priority, schedule::Schedule,
};

/// One worker's end of a [`Backend`]: it picks and acquires, and knows whose turn it is.
#[derive(Debug)]
pub struct Balancer<K> {
    backend: Lease<Backend<K>>,
    generation: Arc<Generation<K>>,
    /// For each group, once it was needed.
    schedules: Vec<Option<Schedule>>,
}

/// What a request asks of its endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Criteria<'a> {
    /// The request's hash ([`hash_of`](crate::hash_of)); without one, an algorithm that hashes picks at random.
    pub hash: Option<u64>,
    /// Endpoints that it has tried. They are picked again only if there is no other.
    pub tried: &'a Tried,
    /// Where else a retry may go.
    pub reach: Reach,
}

/// Which priorities a retry goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The same as any request.
    #[default]
    Near,
    /// After every second attempt, others than those tried so far, if they can take anything (Istio's
    /// `retryRemoteLocalities`).
    Far,
}

// === impl Criteria ===

impl Default for Criteria<'_> {
    /// Those of a first attempt without hash.
    fn default() -> Self {
        const NOTHING: &Tried = &Tried::new();
        Self { hash: None, tried: NOTHING, reach: Reach::Near }
    }
}

// === impl Balancer ===

impl<K: Clone + Eq + Hash> Balancer<K> {
    pub(crate) fn new(backend: Arc<Backend<K>>) -> Self {
        let generation = backend.generation().load_full();
        let mut balancer = Self { backend: Lease::new(backend), generation, schedules: Vec::new() };
        balancer.schedules.resize_with(balancer.generation.groups.len(), || None);
        balancer
    }

    /// Picks an endpoint, given a random number.
    pub fn pick(&mut self, criteria: &Criteria<'_>, random: u64, now: Instant) -> Result<Picked<K>, Refused> {
        let now = self.refresh(now);
        let generation = &*self.generation;
        if generation.members.is_empty() {
            return Err(Refused::NoEndpoint);
        }
        let mut dice = Dice::new(random);
        let (point, roll) = match generation.settings.balancer.algorithm {
            Algorithm::Passthrough => return Err(Refused::Passthrough),
            Algorithm::Hash { .. } => {
                let point = criteria.hash.unwrap_or_else(|| dice.next());
                (point, point % 100)
            }
            _ if generation.groups.len() == 1 => (0, 0),
            _ => (0, dice.below(100)),
        };
        let choice = priority::choose(
            generation.groups.len(),
            |group| generation.groups[group].health(),
            generation.settings.panic_percent(),
            roll,
            |group| criteria.reach == Reach::Far && criteria.tried.avoids(group),
        );
        let Some(choice) = choice else { return Err(refusal(generation)) };
        let draw = Draw {
            generation,
            group: &generation.groups[choice.group],
            panic: choice.panic,
            point,
            version: self.backend.health_version().load(Acquire),
            now,
        };
        let schedule = &mut self.schedules[choice.group];
        let tried = criteria.tried;
        let mut member = draw.member(schedule, &mut dice, |endpoint| !tried.contains(endpoint));
        if member.is_none() && tried.attempts() > 0 {
            member = draw.member(schedule, &mut dice, |_| true);
        }
        let Some(member) = member else { return Err(refusal(generation)) };
        let selection = if choice.panic { Selection::Panic } else { Selection::Usable };
        Ok(Picked::new(self.backend.clone(), &generation.members[member as usize], selection, now))
    }

    /// Takes the endpoint with this key, whatever its health: for original destinations. Nothing if there is none.
    pub fn pick_named(&mut self, key: &K, now: Instant) -> Option<Picked<K>> {
        let now = self.refresh(now);
        let member = self.generation.find(key)?;
        Some(Picked::new(self.backend.clone(), member, Selection::Named, now))
    }

    /// As [`Self::pick_named`], if the endpoint is ready and not ejected.
    pub fn pick_usable(&mut self, key: &K, now: Instant) -> Option<Picked<K>> {
        let now = self.refresh(now);
        let member = self.generation.find(key).filter(|member| member.is_usable(false))?;
        Some(Picked::new(self.backend.clone(), member, Selection::Named, now))
    }

    /// The right to one more of `resource`.
    pub fn acquire(&mut self, resource: Resource, now: Instant) -> Result<Permit<K>, Overflow> {
        let now = self.refresh(now);
        let budget = self.generation.settings.retry_budget.as_ref();
        self.backend.circuit().acquire(resource, &self.generation.limits, budget, now)?;
        Ok(Permit::new(self.backend.clone(), resource))
    }

    /// The backend's limits as they are now.
    pub fn limits(&mut self) -> Limits {
        self.follow();
        self.generation.limits
    }

    /// What all workers share.
    pub fn backend(&self) -> &Backend<K> {
        &self.backend
    }

    /// Follows what has changed; the time on the backend's clock.
    fn refresh(&mut self, now: Instant) -> u64 {
        let now = self.backend.return_due(now);
        self.follow();
        now
    }

    /// Follows the configuration.
    fn follow(&mut self) {
        let current = self.backend.generation().load();
        // The one that is held can't have been freed, so an equal address is the same one.
        if !Arc::ptr_eq(&current, &self.generation) {
            self.generation = Guard::into_inner(current);
            self.schedules.clear();
            self.schedules.resize_with(self.generation.groups.len(), || None);
        }
    }
}

#[cold]
fn refusal<K>(generation: &Generation<K>) -> Refused {
    let members = &generation.members;
    Refused::NoneUsable {
        endpoints: members.len(),
        unready: members.iter().filter(|member| !member.endpoint.is_ready()).count(),
        ejected: members.iter().filter(|member| member.state.ejected_until().is_some()).count(),
        failing: members.iter().filter(|member| member.state.checked.is_failing()).count(),
    }
}

#[cfg(test)]
mod tests;
