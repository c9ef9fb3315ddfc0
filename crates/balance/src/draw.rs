//! Picking a member of a group by the algorithm.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use ripstop_model::{Algorithm, PeakEwma};

use crate::{
    dice::Dice,
    generation::Generation,
    group::Group,
    latency::Course,
    sample,
    schedule::{Schedule, stride},
    warmup,
};

/// So often another one is drawn in place of one that warms up; then it is taken.
const REFUSALS: usize = 16;

/// What it is picked from, and how.
#[derive(Debug)]
pub(crate) struct Draw<'a, K> {
    pub(crate) generation: &'a Generation<K>,
    pub(crate) group: &'a Group,
    /// Whether members are used too that are ejected or fail their checks.
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
            Algorithm::LeastRequest if self.group.uniform && !self.generation.is_warming(self.now) => {
                sample::less_loaded_of_two(range, dice, allowed, |member| self.active(member))
            }
            Algorithm::LeastRequest => self.in_turn(schedule, dice, allowed, |member| {
                self.weight(member) / (f64::from(self.active(member)) + 1.0)
            }),
            Algorithm::PeakEwma(settings) if self.group.uniform && !self.generation.is_warming(self.now) => {
                sample::less_loaded_of_two(range, dice, allowed, |member| self.cost(member, settings, 1.0))
            }
            Algorithm::PeakEwma(settings) => {
                let draw = || self.by_weight_now(dice, allowed);
                sample::less_loaded_of_two_draws(draw, |member| self.cost(member, settings, self.weight(member)))
            }
            Algorithm::Hash { .. } => {
                // Tables are searched to their end for members that aren't there.
                if !range.clone().any(&allowed) {
                    return None;
                }
                let found = self.group.table.as_ref().and_then(|table| table.find(self.point, allowed));
                // A table may be too small for the lightest members.
                found.or_else(|| sample::uniform(range, dice, allowed))
            }
            Algorithm::Random | Algorithm::Passthrough => self.by_weight(dice, allowed),
        }
    }

    /// One at random, by its weight.
    fn by_weight(&self, dice: &mut Dice, allowed: impl Fn(u32) -> bool) -> Option<u32> {
        let range = self.group.members.clone();
        if self.group.cumulative.is_empty() {
            sample::uniform(range, dice, allowed)
        } else {
            sample::weighted(range.start, &self.group.cumulative, dice, allowed)
        }
    }

    /// One at random, by the weight that it has now: one that warms up is refused as often as its weight is less.
    fn by_weight_now(&self, dice: &mut Dice, allowed: impl Fn(u32) -> bool) -> Option<u32> {
        let mut member = self.by_weight(dice, &allowed)?;
        for _ in 1..REFUSALS {
            let factor = self.warmth(member);
            if factor >= 1.0 || chance(dice) < factor {
                break;
            }
            member = self.by_weight(dice, &allowed)?;
        }
        Some(member)
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
        let endpoint = &self.generation.members[member as usize].endpoint;
        f64::from(endpoint.weight.get()) / f64::from(self.group.heaviest) * self.warmth(member)
    }

    /// The part of its weight that a member has for its age.
    fn warmth(&self, member: u32) -> f64 {
        match self.generation.settings.warmup() {
            Some(settings) if self.generation.is_warming(self.now) => {
                let since = self.generation.members[member as usize].state.since.load(Relaxed);
                warmup::factor(settings, Duration::from_nanos(self.now.saturating_sub(since)))
            }
            _ => 1.0,
        }
    }

    /// What one more request would cost a member of that weight.
    fn cost(&self, member: u32, settings: &PeakEwma, weight: f64) -> f64 {
        let state = &self.generation.members[member as usize].state;
        let course = Course { settings, since: state.since.load(Relaxed), now: self.now };
        state.latency.cost(&course, state.active.load(Relaxed), weight)
    }

    fn active(&self, member: u32) -> u32 {
        self.generation.members[member as usize].state.active.load(Relaxed)
    }
}

/// Evenly from 0 to 1, never 1.
fn chance(dice: &mut Dice) -> f64 {
    // 53 bits are what it holds.
    #[expect(clippy::cast_precision_loss)]
    let chance = (dice.next() >> 11) as f64 / (1_u64 << 53) as f64;
    chance
}
