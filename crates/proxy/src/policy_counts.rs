//! What policies said of connections and requests when they came, as all workers of the proxy count it together.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use ripstop_decide::{Decision, DenyReason, DryRun, Verdict};
use ripstop_model::RuleId;
use ripstop_telemetry::exposition;
use serde_json::{Value, json};

/// Counters of all rules that have said something in this proxy. They outlive their rules, and changes of these, so that
/// metrics never fall.
#[derive(Debug, Default)]
pub struct PolicyCounts {
    /// By rule, with its generation: read by everybody at any time; one that is new is added to a copy.
    counts: ArcSwap<Known>,
    past: Mutex<Past>,
}

type Known = HashMap<RuleId, Arc<Counts>>;

/// What was counted before there were too many.
#[derive(Debug, Default)]
struct Past {
    /// Somebody may still count there.
    last: Option<Arc<Known>>,
    before: BTreeMap<Labels, u64>,
}

/// How often a rule has said what.
#[derive(Debug, Default)]
struct Counts {
    allowed: AtomicU64,
    denied: AtomicU64,
    audited: AtomicU64,
    would_allow: AtomicU64,
    would_deny: AtomicU64,
}

/// Rules at most that are counted at the same time: then it begins anew, and what was counted is kept by its labels.
const MOST: usize = 2048;
/// Labels at most whose counts are kept.
const MOST_LABELS: usize = 16_384;

/// The name of the metric.
const NAME: &str = "ripstop_authorization_decisions_total";

/// What a count is of, as labels have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    kind: String,
    policy: String,
    rule: String,
    result: &'static str,
    reason: String,
}

// === impl PolicyCounts ===

impl PolicyCounts {
    /// Counts what was decided of a connection or request that has just come.
    pub fn note(&self, decision: &Decision) {
        match &decision.verdict {
            // Nobody has said anything.
            Verdict::Allow { rule: None } => {}
            Verdict::Allow { rule: Some(rule) } => self.count(rule, |counts| &counts.allowed),
            denied @ Verdict::Deny { reason, .. } => match denied.policy() {
                Some(policy) => self.count(policy, |counts| &counts.denied),
                None => self.count(&without_policy(reason), |counts| &counts.denied),
            },
        }
        for rule in &decision.audit {
            self.count(rule, |counts| &counts.audited);
        }
        if let Some(DryRun { allowed, rule, policy }) = &decision.dry_run {
            let said = rule.as_ref().unwrap_or(policy);
            self.count(said, |counts| if *allowed { &counts.would_allow } else { &counts.would_deny });
        }
    }

    /// What was counted so far, a row for each rule.
    pub fn inspect(&self) -> Value {
        let mut rows: BTreeMap<(String, String, String, String), Value> = BTreeMap::new();
        for (Labels { kind, policy, rule, result, reason }, count) in self.sums() {
            let (namespace, name) = policy.split_once('/').unwrap_or_default();
            let row = rows.entry((kind.clone(), policy.clone(), rule.clone(), reason.clone())).or_insert_with(
                || json!({ "kind": kind, "namespace": namespace, "name": name, "rule": rule, "reason": reason }),
            );
            row[result] = count.into();
        }
        rows.into_values().collect()
    }

    /// Writes what was counted, in Prometheus' text format.
    pub fn render(&self, out: &mut String) {
        let sums = self.sums();
        if sums.is_empty() {
            return;
        }
        exposition::header(
            out,
            NAME,
            "counter",
            "Connections and requests by what policies said when they came: allowed, denied, audited, and what policies on trial would have done.",
        );
        for (Labels { kind, policy, rule, result, reason }, count) in sums {
            let [policy, rule] = [&*policy, &*rule].map(exposition::escape);
            let _ = writeln!(
                out,
                "{NAME}{{kind=\"{kind}\",policy=\"{policy}\",rule=\"{rule}\",result=\"{result}\",reason=\"{reason}\"}} {count}"
            );
        }
    }

    fn count(&self, rule: &RuleId, which: impl Fn(&Counts) -> &AtomicU64) {
        if let Some(counts) = self.counts.load().get(rule) {
            which(counts).fetch_add(1, Relaxed);
            return;
        }
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.counts.load_full();
        if let Some(counts) = known.get(rule) {
            which(counts).fetch_add(1, Relaxed);
            return;
        }
        let mut more = if known.len() < MOST {
            Known::clone(&known)
        } else {
            if let Some(last) = past.last.replace(known) {
                add_all(&last, &mut past.before);
            }
            Known::new()
        };
        let counts = more.entry(rule.clone()).or_default();
        which(counts).fetch_add(1, Relaxed);
        self.counts.store(Arc::new(more));
    }

    /// Sums that are not zero. A policy that changes stays itself, and its rules are known by their numbers.
    fn sums(&self) -> BTreeMap<Labels, u64> {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums = past.before.clone();
        for known in past.last.iter().chain([&self.counts.load_full()]) {
            add_all(known, &mut sums);
        }
        sums
    }
}

fn add_all(known: &Known, sums: &mut BTreeMap<Labels, u64>) {
    for (id, counts) in known {
        for (result, count) in counts.by_result().into_iter().filter(|(_, count)| *count > 0) {
            let labels = Labels::of(id, result);
            if sums.len() < MOST_LABELS || sums.contains_key(&labels) {
                *sums.entry(labels).or_default() += count;
            }
        }
    }
}

/// What has refused something where no policy has.
fn without_policy(reason: &DenyReason) -> RuleId {
    RuleId(format!("/{}", reason.as_str()).into())
}

// === impl Counts ===

impl Counts {
    fn by_result(&self) -> [(&'static str, u64); 5] {
        [
            ("allowed", &self.allowed),
            ("denied", &self.denied),
            ("audited", &self.audited),
            ("would_allow", &self.would_allow),
            ("would_deny", &self.would_deny),
        ]
        .map(|(result, count)| (result, count.load(Relaxed)))
    }
}

// === impl Labels ===

impl Labels {
    /// Of a rule, `Kind/namespace/name/generation/spec.rules[N]`, of a policy, or of what stands for none.
    fn of(id: &RuleId, result: &'static str) -> Self {
        if let Some(reason) = id.0.strip_prefix('/') {
            return Self { result, reason: reason.into(), ..Self::default() };
        }
        let mut parts = id.0.splitn(5, '/');
        let mut next = || parts.next().unwrap_or_default();
        let (kind, namespace, name, _generation, path) = (next(), next(), next(), next(), next());
        let rule = path.strip_prefix("spec.rules[").and_then(|rest| rest.split(']').next()).unwrap_or_default();
        Self {
            kind: kind.into(),
            policy: format!("{namespace}/{name}"),
            rule: rule.into(),
            result,
            reason: String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
