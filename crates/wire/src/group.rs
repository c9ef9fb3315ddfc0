//! Groups of workloads that others than the mesh run, named `<namespace>/<name>`.

use bytes::Bytes;
use ripstop_model::GroupSpec;

use crate::{
    DecodeError, Encoded,
    field::{self, Context},
    process::{port_to_wire, probe_from_wire, probe_to_wire},
    ripstop, type_url,
};

/// The resource of a group.
pub fn encode_group(group: &GroupSpec) -> Encoded {
    let message = ripstop::WorkloadGroup {
        namespace: group.namespace.to_string(),
        name: group.name.to_string(),
        service_account: group.service_account.to_string(),
        labels: field::labels_to_wire(&group.labels),
        ports: group.ports.iter().map(port_to_wire).collect(),
        readiness: group.readiness.as_ref().map(probe_to_wire),
        annotations: field::labels_to_wire(&group.annotations),
    };
    Encoded::new(type_url::WORKLOAD_GROUP, format!("{}/{}", group.namespace, group.name), &message)
}

/// Decodes the resource `name`.
pub fn decode(name: &str, body: &Bytes) -> Result<GroupSpec, DecodeError> {
    let context = Context::new(type_url::WORKLOAD_GROUP, name);
    let message: ripstop::WorkloadGroup = context.whole(body)?;
    context.named(&format!("{}/{}", message.namespace, message.name))?;
    Ok(GroupSpec {
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        service_account: context.required("service_account", message.service_account)?,
        labels: field::labels_from_wire(message.labels),
        annotations: field::labels_from_wire(message.annotations),
        ports: context.container_ports("ports", message.ports)?,
        readiness: message.readiness.map(|probe| probe_from_wire(context, probe)).transpose()?,
    })
}

#[cfg(test)]
mod tests;
