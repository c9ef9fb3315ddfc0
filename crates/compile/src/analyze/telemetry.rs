//! Metrics that grow without end, and providers that nobody declares.

mod cardinality;

use std::collections::HashSet;

use ripstop_api::{
    Kind, Object, Spec,
    finding::Code,
    istio::{ProviderRef, TagOperation, Telemetry},
};

use super::Mesh;
use crate::{
    declare::of_kind,
    finding::{Findings, warning},
    mesh::acting_config,
};

/// Codes of these rules.
pub(crate) const CODES: &[Code] = &[UNBOUNDED_TAG, UNKNOWN_PROVIDER, NO_PROVIDER];

const UNBOUNDED_TAG: Code = warning("RS14", "the tag of a metric has values without end");
const UNKNOWN_PROVIDER: Code = warning("RS15", "a provider of telemetry is declared nowhere");
const NO_PROVIDER: Code = warning("IST0157", "access logs are asked for, and nothing says where they go");

/// Providers that are there without being declared.
const BUILT_IN: [&str; 3] = ["envoy", "prometheus", "stackdriver"];

/// Telemetries, and the defaults of the mesh.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let settings = &mesh.declarations.settings;
    let declared: HashSet<&str> = settings.providers.iter().map(|name| &**name).chain(BUILT_IN).collect();
    let logging = logging(mesh);
    let root = &*mesh.output.mesh.root_namespace;
    for declared_object in of_kind(mesh.objects, Kind::Telemetry) {
        let object = &*declared_object.object;
        let Spec::Telemetry(written) = &object.spec else { continue };
        tags(object, written, findings);
        let tracing = written.tracing.iter().map(|each| &each.providers);
        let metrics = written.metrics.iter().map(|each| &each.providers);
        let logs = written.access_logging.iter().map(|each| &each.providers);
        providers(object, "tracing", tracing, &declared, findings);
        providers(object, "metrics", metrics, &declared, findings);
        providers(object, "accessLogging", logs, &declared, findings);
        let own = is_selective(written) && logging.contains(object.id.namespace.as_str());
        let above = object.id.namespace != root && logging.contains(root);
        if !settings.default_access_log && !own && !above {
            destinations(object, written, findings);
        }
    }
    defaults(mesh, &declared, findings);
}

/// Namespaces whose access logs have a provider where a workload says none.
fn logging<'a>(mesh: &Mesh<'a>) -> HashSet<&'a str> {
    of_kind(mesh.objects, Kind::Telemetry)
        .filter_map(|declared| match &declared.object.spec {
            Spec::Telemetry(written) if !is_selective(written) => {
                let named = written.access_logging.iter().any(|each| !each.providers.is_empty());
                named.then_some(declared.object.id.namespace.as_str())
            }
            _ => None,
        })
        .collect()
}

fn is_selective(written: &Telemetry) -> bool {
    let selects = written.selector.as_ref().is_some_and(|selector| !selector.match_labels.0.is_empty());
    selects || written.target_ref.is_some() || !written.target_refs.is_empty()
}

fn tags(object: &Object, written: &Telemetry, findings: &mut Findings) {
    for (metric, overriding, at) in written.metrics.iter().enumerate().flat_map(|(metric, metrics)| {
        metrics.overrides.iter().enumerate().map(move |(at, overriding)| (metric, overriding, at))
    }) {
        if overriding.disabled == Some(true) {
            continue;
        }
        for (name, tag) in overriding.tag_overrides.iter().filter(|(_, tag)| tag.operation == TagOperation::Upsert) {
            if let Some(attribute) = cardinality::unbounded(&tag.value) {
                let path = format!("spec.metrics[{metric}].overrides[{at}].tagOverrides.{name}.value");
                let message = format!("every value of {attribute} makes another series of tag {name:?}");
                let hint = "use an attribute of few values, such as response.code";
                findings.add(UNBOUNDED_TAG, object, &path, message, hint);
            }
        }
    }
}

fn providers<'a>(
    object: &Object,
    signal: &str,
    lists: impl Iterator<Item = &'a Vec<ProviderRef>>,
    declared: &HashSet<&str>,
    findings: &mut Findings,
) {
    for (index, providers) in lists.enumerate() {
        for (at, ProviderRef { name }) in providers.iter().enumerate() {
            let path = format!("spec.{signal}[{index}].providers[{at}].name");
            provider(object, &path, name, declared, findings);
        }
    }
}

fn provider(object: &Object, path: &str, name: &str, declared: &HashSet<&str>, findings: &mut Findings) {
    if !declared.contains(name.to_ascii_lowercase().as_str()) {
        let message = format!("the mesh has no provider {name:?}");
        findings.add(UNKNOWN_PROVIDER, object, path, message, "declare it in extensionProviders of the mesh");
    }
}

/// Access logs that go nowhere.
fn destinations(object: &Object, written: &Telemetry, findings: &mut Findings) {
    for (index, logging) in written.access_logging.iter().enumerate() {
        if logging.providers.is_empty() && logging.disabled != Some(true) {
            let path = format!("spec.accessLogging[{index}]");
            let message = "it names no provider, and the mesh has none for access logs by default";
            let hint = "write providers, such as envoy, or accessLogging in defaultProviders of the mesh";
            findings.add(NO_PROVIDER, object, &path, message, hint);
        }
    }
}

/// Providers that act where no Telemetry names one.
fn defaults(mesh: &Mesh<'_>, declared: &HashSet<&str>, findings: &mut Findings) {
    let Some((object, base, config)) = acting_config(mesh.objects) else { return };
    let Some(defaults) = &config.default_providers else { return };
    let lists =
        [("tracing", &defaults.tracing), ("metrics", &defaults.metrics), ("accessLogging", &defaults.access_logging)];
    for (signal, names) in lists {
        for (index, name) in names.iter().enumerate() {
            let path = format!("{base}.defaultProviders.{signal}[{index}]");
            provider(object, &path, name, declared, findings);
        }
    }
}

#[cfg(test)]
mod tests;
