//! What Telemetry says about a workload, told.

use ripstop_decide::{Said, telemetry};
use ripstop_model::{RuleId, Side, Workload};

use crate::World;

/// Where calls of the workload are logged and traced, if a Telemetry says anything about it.
pub(crate) fn told(world: &World, workload: &Workload) -> Option<String> {
    let found = telemetry(&world.program, workload, Side::Server);
    let by = |rule: Option<&RuleId>| rule.map(|rule| format!(" ({})", world.place(rule))).unwrap_or_default();
    let mut parts = Vec::new();
    let logs = found.access_logs.iter().filter(|log| log.provider.by.is_some());
    parts.extend(logs.map(|log| format!("access log to {}{}", log.provider.value, by(log.provider.by.as_ref()))));
    let silenced = found.silenced.iter().filter(|provider| provider.by.is_some());
    parts.extend(silenced.map(|provider| format!("no access log to {}{}", provider.value, by(provider.by.as_ref()))));
    let tracing = &found.tracing;
    let (disabled, sampling) = (by_of(tracing.disabled.as_ref()), by_of(tracing.sampling.as_ref()));
    let provider = tracing.provider.as_ref().filter(|provider| provider.by.is_some() || sampling.is_some());
    if disabled.is_some() && !tracing.reports() {
        parts.push(format!("no traces{}", by(disabled)));
    } else if let Some(provider) = provider {
        parts.push(format!("traces to {}{}", provider.value, by(provider.by.as_ref())));
    }
    let place = format!("{}/{}", workload.namespace, workload.workload_name);
    (!parts.is_empty()).then(|| format!("at {place}: {}", parts.join(", ")))
}

fn by_of<T>(said: Option<&Said<T>>) -> Option<&RuleId> {
    said?.by.as_ref()
}
