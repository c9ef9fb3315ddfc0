//! What shapes traffic: one resource per object, one file per kind.

mod backend;
mod connections;
mod defaults;
mod endpoint;
mod entry;
mod gateway;
mod policy;
mod process_proxy;
mod proxy_settings;
mod request_authentication;
mod route;
mod scope;
mod telemetry;
mod topology;
mod value;

use std::{fmt::Display, sync::Arc};

use bytes::Bytes;
use ripstop_model::{ObjectName, TrafficChange, TrafficDefaults};

pub(crate) use self::value::{selector_from_wire, selector_to_wire, visibility_from_wire, visibility_to_wire};
use crate::{DecodeError, Encoded, ResourceChange, field::Context, type_url};

/// The resource of what changes; nothing: it does not travel. `WorkloadGroup`s do not: what registers itself by them
/// travels as a workload or endpoint of its own.
pub fn encode_traffic(change: &TrafficChange) -> Option<ResourceChange> {
    Some(match change {
        TrafficChange::Defaults(defaults) => defaults::encode(defaults).into(),
        TrafficChange::Routes(name, table) => resource(type_url::ROUTE_TABLE, name, table.as_ref(), route::encode),
        TrafficChange::Backends(name, policies) => {
            resource(type_url::BACKENDS, name, policies.as_ref(), |policies| backend::encode(name, policies))
        }
        TrafficChange::Gateway(name, gateway) => resource(type_url::GATEWAY, name, gateway.as_ref(), gateway::encode),
        TrafficChange::Entries(name, hosts) => {
            resource(type_url::HOST_ENTRIES, name, hosts.as_ref(), |hosts| entry::encode(name, hosts))
        }
        TrafficChange::Endpoint(name, endpoint) => {
            resource(type_url::DECLARED_ENDPOINT, name, endpoint.as_ref(), |one| endpoint::encode(name, one))
        }
        TrafficChange::Group(..) => return None,
        TrafficChange::Scope(name, scope) => resource(type_url::CALLER_SCOPE, name, scope.as_ref(), scope::encode),
        TrafficChange::RequestAuthentication(name, object) => {
            resource(type_url::REQUEST_AUTHENTICATION, name, object.as_ref(), request_authentication::encode)
        }
        TrafficChange::Telemetry(name, object) => {
            resource(type_url::TELEMETRY, name, object.as_ref(), telemetry::encode)
        }
        TrafficChange::ProxySettings(name, settings) => {
            resource(type_url::PROXY_SETTINGS, name, settings.as_ref(), proxy_settings::encode)
        }
        TrafficChange::Policy(name, policy) => {
            resource(type_url::TRAFFIC_POLICY, name, policy.as_ref(), policy::encode)
        }
        TrafficChange::ProcessProxy(name, proxy) => {
            resource(type_url::PROCESS_PROXY, name, proxy.as_ref(), process_proxy::encode)
        }
    })
}

/// Decodes a resource of what shapes traffic; nothing: it is of another type.
pub fn decode_traffic(resource: &ResourceChange) -> Result<Option<TrafficChange>, DecodeError> {
    let ResourceChange { type_url, name, body, .. } = resource;
    let body = body.as_ref();
    let object = || Context::new(type_url, name).object_name();
    Ok(Some(match *type_url {
        type_url::TRAFFIC_DEFAULTS => {
            let defaults = read(name, body, defaults::decode)?;
            TrafficChange::Defaults(defaults.unwrap_or_else(|| Arc::new(TrafficDefaults::default())))
        }
        type_url::ROUTE_TABLE => TrafficChange::Routes(object()?, read(name, body, route::decode)?),
        type_url::BACKENDS => TrafficChange::Backends(backend::decode_name(name)?, read(name, body, backend::decode)?),
        type_url::GATEWAY => TrafficChange::Gateway(object()?, read(name, body, gateway::decode)?),
        type_url::HOST_ENTRIES => TrafficChange::Entries(object()?, read(name, body, entry::decode)?),
        type_url::DECLARED_ENDPOINT => TrafficChange::Endpoint(object()?, read(name, body, endpoint::decode)?),
        type_url::CALLER_SCOPE => TrafficChange::Scope(object()?, read(name, body, scope::decode)?),
        type_url::REQUEST_AUTHENTICATION => {
            TrafficChange::RequestAuthentication(object()?, read(name, body, request_authentication::decode)?)
        }
        type_url::TELEMETRY => TrafficChange::Telemetry(object()?, read(name, body, telemetry::decode)?),
        type_url::PROXY_SETTINGS => TrafficChange::ProxySettings(object()?, read(name, body, proxy_settings::decode)?),
        type_url::TRAFFIC_POLICY => TrafficChange::Policy(object()?, read(name, body, policy::decode)?),
        type_url::PROCESS_PROXY => TrafficChange::ProcessProxy(object()?, read(name, body, process_proxy::decode)?),
        _ => return Ok(None),
    }))
}

fn resource<T>(
    type_url: &'static str,
    name: &ObjectName,
    object: Option<&Arc<T>>,
    encode: impl FnOnce(&T) -> Encoded,
) -> ResourceChange {
    match object {
        Some(object) => encode(object).into(),
        None => ResourceChange::removed(type_url, slashed(&name.0, &name.1)),
    }
}

fn read<T>(
    name: &str,
    body: Option<&Bytes>,
    decode: impl FnOnce(&str, &Bytes) -> Result<T, DecodeError>,
) -> Result<Option<Arc<T>>, DecodeError> {
    body.map(|body| decode(name, body).map(Arc::new)).transpose()
}

/// The name of a resource.
fn slashed(namespace: &dyn Display, name: &dyn Display) -> String {
    format!("{namespace}/{name}")
}

#[cfg(test)]
mod tests;
