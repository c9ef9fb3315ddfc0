//! The gRPC services of the control plane, ready to be called.

use std::sync::Arc;

use ripstop_wire::{
    ca::istio_certificate_service_server::IstioCertificateServiceServer,
    discovery::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer,
    ripstop::{join_server::JoinServer, registry_server::RegistryServer},
};

use crate::{certificates::Certificates, discovery::Discovery, join::Join, plane::Plane, reports::Reports};

/// Largest message of a part that proved what it is: 100,000 workloads with room.
const TRUSTED_LIMIT: usize = 64 * 1024 * 1024;
/// Largest message that is read before the caller is judged.
const STRANGER_LIMIT: usize = 64 * 1024;

/// All services; cheap to clone.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) discovery: AggregatedDiscoveryServiceServer<Discovery>,
    pub(crate) join: JoinServer<Join>,
    pub(crate) certificates: IstioCertificateServiceServer<Certificates>,
    pub(crate) registry: RegistryServer<Reports>,
}

impl Services {
    pub(crate) fn new(plane: &Arc<Plane>) -> Self {
        Self {
            discovery: AggregatedDiscoveryServiceServer::new(Discovery(plane.clone()))
                .max_decoding_message_size(TRUSTED_LIMIT)
                .max_encoding_message_size(usize::MAX),
            join: JoinServer::new(Join(plane.clone())).max_decoding_message_size(STRANGER_LIMIT),
            certificates: IstioCertificateServiceServer::new(Certificates(plane.clone()))
                .max_decoding_message_size(STRANGER_LIMIT),
            registry: RegistryServer::new(Reports(plane.clone())).max_decoding_message_size(TRUSTED_LIMIT),
        }
    }
}
