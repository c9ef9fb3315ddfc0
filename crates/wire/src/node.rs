//! Machines of the mesh, named by themselves.

use bytes::Bytes;
use ripstop_model::NodeSpec;

use crate::{
    DecodeError, Encoded,
    field::{self, Context},
    ripstop, type_url,
};

/// The resource of a node.
pub fn encode_node(node: &NodeSpec) -> Encoded {
    let message = ripstop::Node {
        name: node.name.to_string(),
        labels: field::labels_to_wire(&node.labels),
        pod_cidrs: node.pod_cidrs.iter().map(ToString::to_string).collect(),
    };
    Encoded::new(type_url::NODE, node.name.clone(), &message)
}

/// Decodes the resource `name`.
pub fn decode(name: &str, body: &Bytes) -> Result<NodeSpec, DecodeError> {
    let context = Context::new(type_url::NODE, name);
    let message: ripstop::Node = context.message(body)?;
    context.named(&message.name)?;
    Ok(NodeSpec {
        name: context.required("name", message.name)?,
        labels: field::labels_from_wire(message.labels),
        pod_cidrs: context.parsed_all("pod_cidrs", &message.pod_cidrs)?,
    })
}

#[cfg(test)]
mod tests;
