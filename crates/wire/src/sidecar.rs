//! Workloads that are served by a proxy of their own, named by their uid.

use std::sync::Arc;

use bytes::Bytes;
use ripstop_model::Workload;

use crate::{DecodeError, Encoded, field::Context, ripstop, type_url};

/// A workload that has a sidecar, as its supervisor knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// Namespace of the workload.
    pub namespace: Arc<str>,
    /// Its instance's name.
    pub name: Arc<str>,
    /// The node that it runs on, and its sidecar with it.
    pub node: Arc<str>,
}

/// The resource of the sidecar of `workload`.
pub fn encode_sidecar(workload: &Workload) -> Encoded {
    let message = ripstop::Sidecar {
        namespace: workload.namespace.to_string(),
        name: workload.name.to_string(),
        node: workload.node.to_string(),
    };
    Encoded::new(type_url::SIDECAR, workload.uid.as_str(), &message)
}

/// Decodes the resource `name`.
pub fn decode(name: &str, body: &Bytes) -> Result<Sidecar, DecodeError> {
    let context = Context::new(type_url::SIDECAR, name);
    let message: ripstop::Sidecar = context.whole(body)?;
    Ok(Sidecar {
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        node: context.required("node", message.node)?,
    })
}

#[cfg(test)]
mod tests;
