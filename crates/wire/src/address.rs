//! `istio.workload.Address`: a workload or a service.
//!
//! Workloads are named by their uid, services `<namespace>/<hostname>`.

mod service;
mod waypoint;
mod workload;

pub(crate) use self::waypoint::canary;

use bytes::Bytes;
use ripstop_model::{Service, ServiceKey, Workload, WorkloadUid};

pub use self::{service::encode_service, workload::encode_workload};
use crate::{
    DecodeError,
    field::Context,
    type_url,
    workload::{Address as Message, Extension, address::Type},
};

/// What an address resource holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Address {
    /// A workload.
    Workload(Workload),
    /// A service.
    Service(Service),
}

/// What the name of an address resource says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressName {
    /// The uid of a workload.
    Workload(WorkloadUid),
    /// The key of a service.
    Service(ServiceKey),
}

/// Decodes the resource `name`.
pub fn decode(name: &str, body: &Bytes) -> Result<Address, DecodeError> {
    let context = Context::new(type_url::ADDRESS, name);
    let message: Message = context.message(body)?;
    match message.r#type {
        Some(Type::Workload(workload)) => workload::decode(context, workload).map(Address::Workload),
        Some(Type::Service(service)) => service::decode(context, service).map(Address::Service),
        None => Err(context.error("type", "holds neither a workload nor a service")),
    }
}

/// Reads the name alone, as is needed when the resource is gone. Uids have at least four slashes
/// (`<cluster>/<group>/<kind>/<namespace>/<name>`), names of services exactly one.
pub fn decode_name(name: &str) -> Result<AddressName, DecodeError> {
    if name.bytes().filter(|byte| *byte == b'/').count() >= 4 {
        return Ok(AddressName::Workload(WorkloadUid::new(name)));
    }
    service_key(name).map(AddressName::Service).ok_or_else(|| {
        Context::new(type_url::ADDRESS, name).name_error(
            "is neither a uid (<cluster>/<group>/<kind>/<namespace>/<name>) nor a service (<namespace>/<hostname>)",
        )
    })
}

/// The key in `<namespace>/<hostname>`.
fn service_key(name: &str) -> Option<ServiceKey> {
    let (namespace, hostname) = name.split_once('/')?;
    let whole = !namespace.is_empty() && !hostname.is_empty() && !hostname.contains('/');
    whole.then(|| ServiceKey::new(namespace, hostname))
}

/// The content of the extension called `name` with a body of type `type_url`.
fn extension<'a>(extensions: &'a [Extension], name: &str, type_url: &str) -> Option<&'a Bytes> {
    let config = extensions.iter().find(|extension| extension.name == name)?.config.as_ref()?;
    (config.type_url == type_url).then_some(&config.value)
}

#[cfg(test)]
mod tests;
