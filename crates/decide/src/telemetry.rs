//! What is measured, logged and traced at a workload, by `Telemetry` (istio.md 1.12).

use std::{collections::BTreeMap, sync::Arc};

use ripstop_model::{
    AccessLogSettings, MetricOverride, MetricsSettings, RuleId, Share, Side, TagSource, Telemetry, TracingSettings,
    Workload,
};

use crate::{Program, Said, layer::layers};

/// Who gets metrics where neither an object nor the mesh names anybody.
const SCRAPED: &str = "prometheus";

/// What holds for one side of a workload's calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EffectiveTelemetry {
    /// Tracing.
    pub tracing: EffectiveTracing,
    /// Metrics, provider by provider.
    pub metrics: Vec<EffectiveMetrics>,
    /// Access logs, provider by provider.
    pub access_logs: Vec<EffectiveAccessLog>,
    /// Providers that would get access logs, but that something turned off.
    pub silenced: Vec<Said<Arc<str>>>,
}

/// Tracing of one side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EffectiveTracing {
    /// Who gets the spans; nothing: nobody, and tracing is off whatever else is said.
    pub provider: Option<Said<Arc<str>>>,
    /// Share of requests; nothing: the proxy's default.
    pub sampling: Option<Said<Share>>,
    /// Whether spans are not reported; nothing: they are.
    pub disabled: Option<Said<bool>>,
    /// Custom tags; nothing: none.
    pub tags: Option<Said<BTreeMap<Arc<str>, TagSource>>>,
}

/// Metrics that one provider gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveMetrics {
    /// Its name, lower case.
    pub provider: Said<Arc<str>>,
    /// What changes, in order: a later one beats those before it.
    pub overrides: Vec<Said<MetricOverride>>,
}

/// What holds for a single metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EffectiveMetric<'a> {
    /// Whether it is off.
    pub disabled: bool,
    /// Tag → expression, or (nothing) removed.
    pub tags: BTreeMap<&'a str, Option<&'a str>>,
}

/// Access logs that one provider gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveAccessLog {
    /// Its name, lower case.
    pub provider: Said<Arc<str>>,
    /// An expression that says what is logged; nothing: everything.
    pub filter: Option<Said<Arc<str>>>,
}

/// What is measured, logged and traced on one side of the workload's calls: the root namespace's
/// object, over it the namespace's, over it the one that selects the workload, the oldest of each.
/// Beneath all are the default providers of the mesh.
///
/// Gateways are clients. [`Side::Both`] gets only what is said for both sides. What is attached to
/// services or gateways is not for workloads, and does not count.
pub fn telemetry(program: &Program, workload: &Workload, side: Side) -> EffectiveTelemetry {
    let traffic = program.traffic();
    let layers = Layers { layers: layers(&traffic.telemetries, &program.mesh().root_namespace, workload), side };
    let defaults = &traffic.defaults.default_providers;
    // What an installation of Istio writes into its mesh configuration.
    let scraped = [Arc::from(SCRAPED)];
    let (access_logs, silenced) = layers.access_logs(&defaults.access_logging);
    EffectiveTelemetry {
        tracing: layers.tracing(&defaults.tracing),
        metrics: layers.metrics(if defaults.metrics.is_empty() { &scraped } else { &defaults.metrics }),
        access_logs,
        silenced,
    }
}

/// The objects that act, the widest first.
struct Layers<'p> {
    layers: [Option<&'p Telemetry>; 3],
    side: Side,
}

/// A block of settings of one signal.
trait Block {
    /// The list that it stands in.
    const FIELD: &'static str;
    /// The side that it is for.
    fn side(&self) -> Side;
}

/// A block where it stands.
struct Placed<'p, B> {
    object: &'p Telemetry,
    index: usize,
    block: &'p B,
}

// === impl Layers ===

impl<'p> Layers<'p> {
    /// Every value by itself; tags as a whole.
    fn tracing(&self, defaults: &[Arc<str>]) -> EffectiveTracing {
        let provider = defaults.first().map(|name| Said { value: name.clone(), by: None });
        let mut effective = EffectiveTracing { provider, ..EffectiveTracing::default() };
        for placed in self.blocks(|object| &object.tracing).flatten() {
            let block = placed.block;
            // There is one tracer a side: the first of several names counts.
            replace(&mut effective.provider, block.providers.first(), &placed);
            replace(&mut effective.sampling, block.sampling.as_ref(), &placed);
            replace(&mut effective.disabled, block.disabled.as_ref(), &placed);
            replace(&mut effective.tags, block.tags.as_ref(), &placed);
        }
        effective
    }

    /// The last block that names providers says who gets metrics; overrides are those of all blocks
    /// that are, by their own list or the one that they inherit, for that provider.
    fn metrics(&self, defaults: &[Arc<str>]) -> Vec<EffectiveMetrics> {
        let blocks = || self.blocks(|object| &object.metrics).flatten();
        let last = blocks().filter(|placed| !placed.block.providers.is_empty()).last();
        let by = last.as_ref().map(Placed::id);
        let names = distinct(last.map_or(defaults, |placed| &placed.block.providers));
        let provider = |name: &Arc<str>| Said { value: name.clone(), by: by.clone() };
        let silent = |name| EffectiveMetrics { provider: provider(name), overrides: Vec::new() };
        let mut effective: Vec<EffectiveMetrics> = names.into_iter().map(silent).collect();
        let mut inherited = defaults;
        for placed in blocks() {
            let block = placed.block;
            inherited = if block.providers.is_empty() { inherited } else { &block.providers };
            for metrics in effective.iter_mut().filter(|metrics| inherited.contains(&metrics.provider.value)) {
                let overrides = block.overrides.iter().filter(|change| acts(change.side, self.side));
                metrics.overrides.extend(overrides.map(|change| placed.says(change)));
            }
        }
        effective
    }

    /// The last object that names providers says who gets logs; its blocks count together. A block
    /// turns its providers on or off; one that names them replaces the filter, too.
    fn access_logs(&self, defaults: &[Arc<str>]) -> (Vec<EffectiveAccessLog>, Vec<Said<Arc<str>>>) {
        let objects = || self.blocks(|object| &object.access_logs);
        let named = objects().map(|blocks| distinct(blocks.flat_map(|placed| &placed.block.providers)));
        let names = named.filter(|names| !names.is_empty()).last().unwrap_or_else(|| distinct(defaults));
        let log =
            |name: &Arc<str>| EffectiveAccessLog { provider: Said { value: name.clone(), by: None }, filter: None };
        let mut states: Vec<(EffectiveAccessLog, bool)> = names.into_iter().map(|name| (log(name), true)).collect();
        let mut inherited = defaults;
        for placed in objects().flatten() {
            let block = placed.block;
            let named = !block.providers.is_empty();
            inherited = if named { &block.providers } else { inherited };
            for (log, on) in states.iter_mut().filter(|(log, _)| inherited.contains(&log.provider.value)) {
                *on = block.disabled != Some(true);
                log.provider.by = Some(placed.id());
                if named || block.filter.is_some() {
                    log.filter = block.filter.as_ref().map(|filter| placed.says(filter));
                }
            }
        }
        let (on, off): (Vec<_>, Vec<_>) = states.into_iter().partition(|(_, on)| *on);
        let off = off.into_iter().map(|(log, _)| log.provider).collect();
        (on.into_iter().map(|(log, _)| log).collect(), off)
    }

    /// Blocks of this side, object by object.
    fn blocks<B: Block + 'p>(
        &self,
        of: impl Fn(&'p Telemetry) -> &'p Vec<B>,
    ) -> impl Iterator<Item = impl Iterator<Item = Placed<'p, B>>> {
        let side = self.side;
        self.layers.into_iter().flatten().map(move |object| {
            let blocks = of(object).iter().enumerate().filter(move |(_, block)| acts(block.side(), side));
            blocks.map(|(index, block)| Placed { object, index, block })
        })
    }
}

// === impl Placed ===

impl<B: Block> Placed<'_, B> {
    fn id(&self) -> RuleId {
        RuleId(format!("{}/spec.{}[{}]", self.object.id, B::FIELD, self.index).into())
    }

    fn says<T: Clone>(&self, value: &T) -> Said<T> {
        Said { value: value.clone(), by: Some(self.id()) }
    }
}

/// Whether what is said for one side holds for the other.
fn acts(written: Side, side: Side) -> bool {
    written == Side::Both || written == side
}

fn replace<T: Clone, B: Block>(field: &mut Option<Said<T>>, value: Option<&T>, by: &Placed<'_, B>) {
    if let Some(value) = value {
        *field = Some(by.says(value));
    }
}

/// Each name once, in order; there are few.
fn distinct<'n>(names: impl IntoIterator<Item = &'n Arc<str>>) -> Vec<&'n Arc<str>> {
    names.into_iter().fold(Vec::new(), |mut seen, name| {
        if !seen.contains(&name) {
            seen.push(name);
        }
        seen
    })
}

impl Block for TracingSettings {
    const FIELD: &'static str = "tracing";

    fn side(&self) -> Side {
        self.side
    }
}

impl Block for MetricsSettings {
    const FIELD: &'static str = "metrics";

    /// Its overrides have sides, itself it has none.
    fn side(&self) -> Side {
        Side::Both
    }
}

impl Block for AccessLogSettings {
    const FIELD: &'static str = "accessLogging";

    fn side(&self) -> Side {
        self.side
    }
}

// === impl EffectiveTracing ===

impl EffectiveTracing {
    /// Whether spans are reported, as far as they are sampled.
    pub fn reports(&self) -> bool {
        self.provider.is_some() && !self.disabled.as_ref().is_some_and(|disabled| disabled.value)
    }
}

// === impl EffectiveMetrics ===

impl EffectiveMetrics {
    /// What holds for a metric, by its name in an override: `REQUEST_COUNT`, or a custom one.
    pub fn metric(&self, name: &str) -> EffectiveMetric<'_> {
        let mut effective = EffectiveMetric::default();
        let matching = self.overrides.iter().map(|said| &said.value);
        for change in matching.filter(|change| change.metric.as_ref().is_none_or(|metric| **metric == *name)) {
            effective.disabled = change.disabled.unwrap_or(effective.disabled);
            effective.tags.extend(change.tags.iter().map(|(tag, value)| (&**tag, value.as_deref())));
        }
        effective
    }
}

#[cfg(test)]
mod tests;
