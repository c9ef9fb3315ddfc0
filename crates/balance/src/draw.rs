//! Picking a member of a group by the algorithm.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use ripstop_model::Algorithm;

use crate::{
    dice::Dice,
    generation::Generation,
    group::Group,
    sample,
    schedule::{Schedule, stride},
    warmup,
};

/// What it is picked from, and how.
#[derive(Debug)]
pub(crate) struct Draw<'a, K> {
    pub(crate) generation: &'a Generation<K>,
    pub(crate) group: &'a Group,
    /// Whether ejected members are used too.
    pub(crate) panic: bool,
    /// The request's hash.
    pub(crate) point: u64,
    /// State of all members' health.
    pub(crate) version: u64,
    /// Nanoseconds of the backend's clock.
    pub(crate) now: u64,
}

impl<K> Draw<'_, K> {
    /// One that is usable and allowed.
    pub(crate) fn member(
        &self,
        schedule: &mut Option<Schedule>,
        dice: &mut Dice,
        allowed: impl Fn(u64) -> bool,
    ) -> Option<u32> {
        let members = &self.generation.members;
        let allowed = |member: u32| {
            let member = &members[member as usize];
            member.is_usable(self.panic) && allowed(member.state.number)
        };
        let range = self.group.members.clone();
        match &self.generation.settings.balancer.algorithm {
            Algorithm::RoundRobin => self.in_turn(schedule, dice, allowed, |member| self.weight(member)),
            Algorithm::LeastRequest if self.group.uniform && self.now >= self.generation.warm_from => {
                sample::less_loaded_of_two(range, dice, allowed, |member| self.active(member))
            }
            Algorithm::LeastRequest => self.in_turn(schedule, dice, allowed, |member| {
                self.weight(member) / (f64::from(self.active(member)) + 1.0)
            }),
            Algorithm::Hash { .. } => {
                // Tables are searched to their end for members that aren't there.
                if !range.clone().any(&allowed) {
                    return None;
                }
                let found = self.group.table.as_ref().and_then(|table| table.find(self.point, allowed));
                // A table may be too small for the lightest members.
                found.or_else(|| sample::uniform(range, dice, allowed))
            }
            Algorithm::Random | Algorithm::Passthrough if self.group.cumulative.is_empty() => {
                sample::uniform(range, dice, allowed)
            }
            Algorithm::Random | Algorithm::Passthrough => {
                sample::weighted(range.start, &self.group.cumulative, dice, allowed)
            }
        }
    }

    fn in_turn(
        &self,
        schedule: &mut Option<Schedule>,
        dice: &mut Dice,
        allowed: impl Fn(u32) -> bool,
        weight: impl Fn(u32) -> f64,
    ) -> Option<u32> {
        let range = self.group.members.clone();
        let schedule = schedule.get_or_insert_with(|| Schedule::with_capacity(range.len()));
        let stride = |member| stride(weight(member));
        if !schedule.fits(self.version, self.panic) {
            let members = &self.generation.members;
            let usable = range.filter(|member| members[*member as usize].is_usable(self.panic));
            schedule.remake(self.version, self.panic, usable.map(|member| (member, stride(member))), dice);
        }
        schedule.next(allowed, stride)
    }

    /// The part of the heaviest's weight that a member has now.
    fn weight(&self, member: u32) -> f64 {
        let member = &self.generation.members[member as usize];
        let weight = f64::from(member.endpoint.weight.get()) / f64::from(self.group.heaviest);
        match self.generation.settings.warmup() {
            Some(settings) if self.now < self.generation.warm_from => {
                let age = self.now.saturating_sub(member.state.since.load(Relaxed));
                weight * warmup::factor(settings, Duration::from_nanos(age))
            }
            _ => weight,
        }
    }

    fn active(&self, member: u32) -> u32 {
        self.generation.members[member as usize].state.active.load(Relaxed)
    }
}
