//! The smallest change of a question that turns the verdict about it.
//!
//! Changes are drawn from the values that policies and routes themselves name, and from values that none of
//! them names. Sets of one, two and three changes are tried in that order: each by asking the changed question
//! again, route and all endpoints, endpoints that are alike once. What is found is then asked as a whole, so
//! that what is told is true of the whole verdict. Sets that a rule wants as a whole may be larger.

use crate::{
    Question,
    answer::{Explanation, FlipAnswer, Verdict},
    explain::Asked,
};

mod changes;
mod routes;
mod token;

use changes::Change;

/// Evaluations, at one workload or of one route, for one question at most.
const BUDGET: usize = 20_000;
/// What telling everything about an endpoint costs, in evaluations.
const WHOLE: usize = 4;
/// Changes of one set at most, where they are not those of one rule.
const LARGEST: usize = 3;

/// The smallest set of changes that turns the verdict; nothing if none was found.
pub(crate) fn smallest(asked: &Asked<'_>, explanation: &Explanation) -> Option<FlipAnswer> {
    let judged = |answer: &crate::EndpointAnswer| answer.authorization.is_some();
    let mut search = Search { asked, explanation, base: base(asked), left: BUDGET };
    match explanation.verdict {
        Verdict::NotRouted => search.routed(),
        // Nobody would refuse it, or the answer is not about who may.
        Verdict::Answered | Verdict::NotJudged => None,
        _ if !explanation.endpoints.iter().chain(&explanation.gateway).any(judged) => None,
        _ => search.allowed_or_denied(),
    }
}

/// The question, said in full: what follows from something that is changed stays as it is.
fn base(asked: &Asked<'_>) -> Question {
    let mut question = asked.question.clone();
    if let Some(request) = &asked.request {
        if question.protocol.is_empty() {
            question.protocol = "http".into();
        }
        question.authority.clone_from(&request.authority);
    } else if question.protocol.is_empty() {
        question.protocol = if question.sni.is_empty() { "tcp" } else { "tls" }.into();
    }
    // Whoever proves another identity calls from the same place.
    if question.source_ip.is_empty() {
        question.source_ip = asked.caller.address().map(|address| address.to_string()).unwrap_or_default();
    }
    question
}

struct Search<'a> {
    asked: &'a Asked<'a>,
    explanation: &'a Explanation,
    base: Question,
    /// Evaluations that are left.
    left: usize,
}

// === impl Search ===

impl Search<'_> {
    fn allowed_or_denied(&mut self) -> Option<FlipAnswer> {
        let (changes, rules) = changes::of_policies(self.asked);
        if let Some(one) = self.among(&changes, 1, 0, &mut Vec::new()) {
            return Some(one);
        }
        // What a rule wants as a whole may be more than can be tried.
        let whole = self.best_of(rules);
        let smaller = whole.as_ref().map_or(LARGEST, |flip| LARGEST.min(flip.changes.len() - 1));
        let found = (2..=smaller).find_map(|size| self.among(&changes, size, 0, &mut Vec::new())).or(whole);
        // Another route may lead to somebody who lets it in.
        if found.is_none() && self.explanation.verdict != Verdict::Allowed { self.routed() } else { found }
    }

    /// What makes somebody serve it.
    fn routed(&mut self) -> Option<FlipAnswer> {
        self.best_of(routes::sets(self.asked, self.explanation))
    }

    /// The smallest of these sets that turns it, without the changes that are not needed for that.
    fn best_of(&mut self, sets: Vec<Vec<Change>>) -> Option<FlipAnswer> {
        let mut found: Vec<Vec<Change>> = Vec::new();
        for mut set in sets {
            if self.left == 0 {
                break;
            }
            if !self.turns(&set.iter().collect::<Vec<_>>()) {
                continue;
            }
            // What is not needed is left out.
            let mut index = 0;
            while set.len() > 1 && index < set.len() {
                let without: Vec<&Change> =
                    set.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, change)| change).collect();
                if self.turns(&without) {
                    set.remove(index);
                } else {
                    index += 1;
                }
            }
            let is_smallest = set.len() == 1;
            found.push(set);
            if is_smallest {
                break;
            }
        }
        found.sort_by_key(Vec::len);
        found.iter().find_map(|set| self.verified(&set.iter().collect::<Vec<_>>()))
    }

    /// The first set of that size that turns it.
    fn among<'c>(
        &mut self,
        changes: &'c [Change],
        size: usize,
        from: usize,
        chosen: &mut Vec<&'c Change>,
    ) -> Option<FlipAnswer> {
        if chosen.len() == size {
            return if self.turns(chosen) { self.verified(chosen) } else { None };
        }
        for (index, change) in changes.iter().enumerate().skip(from) {
            if self.left == 0 {
                return None;
            }
            if chosen.iter().any(|other| other.slot == change.slot) {
                continue;
            }
            chosen.push(change);
            let found = self.among(changes, size, index + 1, chosen);
            chosen.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Whether the verdict seems to be another one then.
    fn turns(&mut self, set: &[&Change]) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let Ok(changed) = self.asked.again(self.changed(set)) else { return false };
        let (verdict, served, cost) = changed.verdict();
        self.left = self.left.saturating_sub(cost);
        self.is_wanted(verdict, served)
    }

    fn changed(&self, set: &[&Change]) -> Question {
        let mut question = self.base.clone();
        for change in set {
            change.to.apply(&mut question);
        }
        question
    }

    /// Whether a verdict is what is looked for.
    fn is_wanted(&self, verdict: Verdict, served: bool) -> bool {
        match (self.explanation.verdict, verdict) {
            (Verdict::Allowed | Verdict::Asks, Verdict::Denied) => true,
            // An authorizer, which nobody here can ask, may let in what was refused.
            (Verdict::Denied | Verdict::NotRouted, Verdict::Allowed | Verdict::Asks)
            | (Verdict::Mixed | Verdict::Asks, Verdict::Allowed) => served,
            _ => false,
        }
    }

    /// The answer, if the whole of the changed question is answered so.
    fn verified(&mut self, set: &[&Change]) -> Option<FlipAnswer> {
        let question = self.changed(set);
        // With the same words as a user would, so that nothing depends on what this search remembers.
        let answer = Asked::read(self.asked.world, &question).ok()?.answer();
        let endpoints = answer.endpoints.iter().map(|endpoint| 1 + endpoint.alike.len()).sum::<usize>();
        self.left = self.left.saturating_sub(1 + WHOLE * endpoints);
        if !self.is_wanted(answer.verdict, !answer.endpoints.is_empty()) {
            return None;
        }
        let names = |explanation: &Explanation| -> Vec<String> {
            explanation.route.backends.iter().map(|backend| backend.name.clone()).collect()
        };
        let (before, after) = (names(self.explanation), names(&answer));
        let elsewhere = !after.is_empty() && before != after;
        let verdict = match (elsewhere, before.is_empty()) {
            (true, true) => format!("{}, at {}", answer.verdict, after.join(", ")),
            (true, false) => format!("{}, and routed elsewhere: to {}", answer.verdict, after.join(", ")),
            (false, _) => answer.verdict.to_string(),
        };
        Some(FlipAnswer { verdict, changes: set.iter().map(|change| change.told.clone()).collect(), question })
    }
}
