//! What this proxy holds at the moment, for whoever operates it: one JSON object.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use ripstop_decide::Program;
use ripstop_model::{HttpAction, HttpRule, OwnListener, Quarantine, RouteTable, WeightedBackend};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    listeners::{Listeners, own_listener},
    local::LocalWorkload,
    worker::Shared,
};

/// Listening sockets that are open, by workload.
#[derive(Debug, Default)]
pub struct Inventory(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    workload: Weak<LocalWorkload>,
    closed: CancellationToken,
    sockets: Vec<Value>,
}

// === impl Inventory ===

impl Inventory {
    /// Notes listeners, until they are closed.
    pub fn note(&self, listeners: &Listeners) {
        let entry = Entry { workload: listeners.workload(), closed: listeners.closed(), sockets: listeners.describe() };
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.is_open() || entry.finishes());
        entries.push(entry);
    }

    /// Notes a listener that a sidecar has opened itself, until it is closed.
    pub fn note_own(&self, workload: &Arc<LocalWorkload>, closed: CancellationToken, listener: OwnListener) {
        let OwnListener { way, address } = listener;
        let sockets = vec![json!({ "for": own_listener(way), "address": address.to_string() })];
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.is_open() || entry.finishes());
        entries.push(Entry { workload: Arc::downgrade(workload), closed, sockets });
    }

    /// Ends the calls that workloads have begun by `before` which `now` cuts off, or which may speak with fewer peers now.
    pub fn cut_off(&self, before: &Program, now: &Program) {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for local in entries.iter().filter_map(|entry| entry.workload.upgrade()) {
            let quarantine = |program: &Program| local.in_snapshot(program).and_then(|own| own.quarantine.clone());
            let after = quarantine(now);
            if after.is_some_and(|after| ends_calls(quarantine(before).as_deref(), &after)) {
                local.cut_off();
            }
        }
    }

    fn list(&self, program: &Program) -> Value {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = entries.iter().filter(|entry| entry.is_open());
        open.filter_map(|entry| Some((entry, entry.workload.upgrade()?)))
            .map(|(entry, local)| {
                let workload = program.workload(&local.uid);
                json!({
                    "uid": local.uid.to_string(),
                    "namespace": workload.map(|workload| &*workload.namespace),
                    "workload": workload.map(|workload| &*workload.name),
                    "sockets": entry.sockets,
                    "open": local.open(),
                    "places": local.places.available_permits(),
                    "of_places": local.limit,
                })
            })
            .collect()
    }
}

impl Entry {
    fn is_open(&self) -> bool {
        !self.closed.is_cancelled() && self.workload.strong_count() > 0
    }

    /// Whether its workload takes nothing more here, but has connections yet.
    fn finishes(&self) -> bool {
        let workload = self.workload.upgrade();
        workload.is_some_and(|workload| workload.closed.is_cancelled() && !workload.gone.is_cancelled())
    }
}

/// Whether calls that `before` allowed may be none any more.
fn ends_calls(before: Option<&Quarantine>, after: &Quarantine) -> bool {
    before.is_none_or(|before| before.peers.iter().any(|peer| !after.admits(Some(peer))))
}

/// All of it, as of now.
pub fn inspect(shared: &Shared, proxy: &str) -> Value {
    let program = shared.snapshot.load();
    json!({
        "proxy": proxy,
        "version": program.version(),
        "listeners": shared.inventory.list(&program),
        "routes": routes(&program),
        "backends": shared.backends.inspect(Instant::now()),
        "endpoints": endpoints(&program),
        "limits": limits(shared),
        "concurrency": shared.concurrency.inspect(),
        "connection_limits": shared.connection_limits.inspect(),
        "policies": shared.policy_counts.inspect(),
        "secrets": shared.certificates.inspect(millis),
    })
}

/// Limits of requests: the proxy's own counts, and what services have said.
fn limits(shared: &Shared) -> Value {
    shared.rate_limits.inspect().into_iter().chain(shared.global_limits.inspect()).collect()
}

/// Milliseconds since the epoch.
fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn routes(program: &Program) -> Value {
    program.snapshot().traffic().routes.values().map(|table| route(table)).collect()
}

fn route(table: &RouteTable) -> Value {
    let hosts: Vec<String> = table.hosts.iter().map(ToString::to_string).collect();
    let gateways: Vec<String> = table.gateways.iter().map(ToString::to_string).collect();
    let http = table.http.iter().map(http_rule);
    let connections = |protocol: &'static str, rules: &[ripstop_model::ConnectionRule]| {
        let rule = |rule: &ripstop_model::ConnectionRule| {
            json!({
                "protocol": protocol,
                "rule": rule.id.to_string(),
                "matches": rule.matches.len(),
                "action": forward(&rule.backends),
            })
        };
        rules.iter().map(rule).collect::<Vec<_>>()
    };
    let rules: Vec<Value> = http.chain(connections("tls", &table.tls)).chain(connections("tcp", &table.tcp)).collect();
    json!({
        "object": table.id.to_string(),
        "namespace": &*table.namespace,
        "name": &*table.name,
        "hosts": hosts,
        "gateways": gateways,
        "rules": rules,
    })
}

fn http_rule(rule: &HttpRule) -> Value {
    let action = match &rule.action {
        HttpAction::Forward(backends) => forward(backends),
        HttpAction::Redirect(_) => "redirect".to_owned(),
        HttpAction::Respond { status, .. } => format!("answer {status}"),
    };
    json!({
        "protocol": "http",
        "rule": rule.id.to_string(),
        "name": &*rule.name,
        "matches": rule.matches.len(),
        "action": action,
        "timeout_ms": rule.timeout.map(|timeout| timeout.as_millis().to_string()),
    })
}

/// `90% outbound…`, as many as there are.
fn forward(backends: &[WeightedBackend]) -> String {
    let all: u32 = backends.iter().map(|backend| backend.weight).sum();
    let share = |backend: &WeightedBackend| match backends.len() {
        1 => backend.backend.to_string(),
        _ => format!("{}/{all} {}", backend.weight, backend.backend),
    };
    backends.iter().map(share).collect::<Vec<_>>().join(", ")
}

/// Services, and the workloads behind them.
fn endpoints(program: &Program) -> Value {
    let snapshot = program.snapshot();
    let service = |service: &std::sync::Arc<ripstop_model::Service>| {
        let endpoints = snapshot.endpoints(&service.key).map(|workload| {
            let ports = workload.services.iter().filter(|(key, _)| *key == service.key).flat_map(|(_, ports)| ports);
            let ports: Vec<u16> = ports.map(|port| port.target_port).collect();
            json!({
                "workload": workload.uid.to_string(),
                "addresses": workload.addresses,
                "ports": ports,
                "health": format!("{:?}", workload.health).to_lowercase(),
                "tunnel": format!("{:?}", workload.tunnel).to_lowercase(),
                "node": &*workload.node,
            })
        });
        json!({
            "host": &*service.key.hostname,
            "namespace": &*service.key.namespace,
            "addresses": service.addresses,
            "endpoints": endpoints.collect::<Vec<_>>(),
        })
    };
    snapshot.services().map(service).collect()
}

#[cfg(test)]
mod tests {
    use ripstop_model::RuleId;

    use super::*;

    #[test]
    fn calls_end_with_the_first_quarantine_and_with_peers_that_go() {
        let quarantine = |generation: u64, peers: &[&str]| Quarantine {
            rule: RuleId(format!("Process/shop/mole/{generation}/quarantine").into()),
            peers: peers.iter().map(|peer| format!("spiffe://td/ns/shop/sa/{peer}").parse().unwrap()).collect(),
        };
        let both = quarantine(1, &["a", "b"]);
        assert!(ends_calls(None, &both));
        assert!(ends_calls(Some(&both), &quarantine(2, &["a"])));
        assert!(!ends_calls(Some(&both), &quarantine(2, &["b", "a"])), "another label was written");
        assert!(!ends_calls(Some(&quarantine(1, &["a"])), &both));
    }
}
