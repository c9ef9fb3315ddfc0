//! Joining: a one-time token against a part's first certificate.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::SystemTime,
};

use ripstop_model::SpiffeId;
use ripstop_wire::ripstop::{JoinRequest, JoinResponse, join_server};
use tonic::{Request, Response, Status};

use crate::{certificates::DEFAULT_TTL, peer::Peer, plane::Plane};

/// `ripstop.v1.Join`.
#[derive(Clone)]
pub(crate) struct Join(pub(crate) Arc<Plane>);

#[tonic::async_trait]
impl join_server::Join for Join {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let plane = &self.0;
        plane.metrics.csr_count.fetch_add(1, Relaxed);
        let caller = request.extensions().get::<Peer>().map(ToString::to_string).unwrap_or_default();
        let JoinRequest { token, csr } = request.into_inner();
        let redeemed = {
            let plane = plane.clone();
            let csr = csr.clone();
            // The use is synced to disk: not on a thread that serves others.
            tokio::task::spawn_blocking(move || plane.tokens().redeem(&token, &csr, SystemTime::now())).await
        };
        let (role, name) = redeemed.map_err(|error| Status::internal(error.to_string()))?.map_err(|refusal| {
            plane.metrics.authentication_failures.fetch_add(1, Relaxed);
            tracing::warn!(caller, reason = %refusal, "join refused");
            Status::unauthenticated(refusal.to_string())
        })?;
        let id = SpiffeId::component(&plane.trust_domain, role.as_str(), &name)
            .map_err(|error| Status::internal(error.to_string()))?;
        let issued = plane.issue(&csr, &id, DEFAULT_TTL).map_err(|error| {
            tracing::warn!(caller, %id, %error, "certificate request cannot be signed");
            Status::invalid_argument("the certificate request cannot be signed")
        })?;
        tracing::info!(caller, %id, serial = issued.serial, "joined");
        Ok(Response::new(JoinResponse { cert_chain: issued.pem, roots: plane.roots() }))
    }
}
