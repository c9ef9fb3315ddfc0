//! Settings of a workload's proxy, by `ProxyConfig` (istio.md 1.8).

use std::{collections::BTreeMap, sync::Arc};

use ripstop_model::{ProxySettings, Workload};

use crate::{
    Program, Said,
    layer::{layers, widest},
    process_proxy::process_proxy,
};

/// Settings of one proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EffectiveProxySettings {
    /// Threads; 0: as many as cores; nothing: the proxy's default.
    pub concurrency: Option<Said<u32>>,
    /// Environment.
    pub environment: BTreeMap<Arc<str>, Said<Arc<str>>>,
}

/// Settings of the workload's proxy, field by field: of the object that selects it, of the annotation of its process, its
/// namespace's, the root namespace's, the oldest of each. Variables of the environment merge by name.
///
/// The mesh's `defaultConfig` is not part of it.
pub fn proxy_settings(program: &Program, workload: &Workload) -> EffectiveProxySettings {
    let mut effective = EffectiveProxySettings::default();
    let [root, namespace, selected] =
        layers(&program.traffic().proxy_settings, &program.mesh().root_namespace, workload);
    for settings in [root, namespace].into_iter().flatten() {
        add(&mut effective, settings);
    }
    if let Some(said) = process_proxy(program, workload)
        && let Some(concurrency) = said.settings.concurrency
    {
        effective.concurrency = Some(Said::new(concurrency, &said.id));
    }
    if let Some(settings) = selected {
        add(&mut effective, settings);
    }
    effective
}

fn add(effective: &mut EffectiveProxySettings, settings: &ProxySettings) {
    if let Some(concurrency) = settings.concurrency {
        effective.concurrency = Some(Said::new(concurrency, &settings.id));
    }
    let said = settings.environment.iter().map(|(name, value)| (name.clone(), value.clone()));
    effective.environment.extend(said.map(|(name, value)| (name, Said::new(value, &settings.id))));
}

/// Threads of a proxy; 0: as many as cores; nothing: as it was started with. `own` is the workload that it is; nothing: it
/// serves those of a node, and follows what is said for all of the mesh. Where no object says it, `defaultConfig` does.
pub fn concurrency(program: &Program, own: Option<&Workload>) -> Option<u32> {
    let traffic = program.traffic();
    let said = match own {
        Some(own) => proxy_settings(program, own).concurrency.map(|said| said.value),
        None => widest(&traffic.proxy_settings, &program.mesh().root_namespace).and_then(|wide| wide.concurrency),
    };
    said.or(traffic.defaults.proxies.concurrency)
}

#[cfg(test)]
mod tests;
