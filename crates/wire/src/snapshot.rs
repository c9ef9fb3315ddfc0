//! From resources to changes of the model.

use std::sync::Arc;

use ripstop_model::{Change, MeshConfig};

use crate::{
    DecodeError, ResourceChange,
    address::{self, Address, AddressName},
    authorization, mesh, peer_authentication,
    traffic::decode_traffic,
    type_url,
};

/// Decodes what a snapshot is made of: workloads, services, policies, what shapes traffic, and the mesh's settings.
/// Other types are passed over. All or nothing: one bad resource refuses the whole.
pub fn snapshot_changes(resources: &[ResourceChange]) -> Result<Vec<Change>, DecodeError> {
    let mut changes = Vec::with_capacity(resources.len());
    for resource in resources {
        let name = &*resource.name;
        let change = match (resource.type_url, &resource.body) {
            (type_url::ADDRESS, Some(body)) => match address::decode(name, body)? {
                Address::Workload(workload) => Change::Workload(Arc::new(workload)),
                Address::Service(service) => Change::Service(Arc::new(service)),
            },
            (type_url::ADDRESS, None) => match address::decode_name(name)? {
                AddressName::Workload(uid) => Change::WorkloadGone(uid),
                AddressName::Service(key) => Change::ServiceGone(key),
            },
            (type_url::PEER_AUTHENTICATION, Some(body)) => {
                Change::PeerAuthentication(Arc::new(peer_authentication::decode(name, body)?))
            }
            (type_url::PEER_AUTHENTICATION, None) => {
                let (namespace, name) = peer_authentication::decode_name(name)?;
                Change::PeerAuthenticationGone(namespace, name)
            }
            (type_url::AUTHORIZATION, Some(body)) => {
                Change::Authorization(Arc::new(authorization::decode(name, body)?))
            }
            (type_url::AUTHORIZATION, None) => Change::AuthorizationGone(authorization::decode_name(name)?),
            (type_url::MESH, Some(body)) => Change::Mesh(Arc::new(mesh::decode(name, body)?)),
            (type_url::MESH, None) => Change::Mesh(Arc::new(MeshConfig::default())),
            _ => match decode_traffic(resource)? {
                Some(change) => Change::TrafficObject(change),
                None => continue,
            },
        };
        changes.push(change);
    }
    Ok(changes)
}

#[cfg(test)]
mod tests;
