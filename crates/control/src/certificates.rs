//! The certificate service: who may get which identity.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use prost_types::value::Kind;
use ripstop_model::{DataplaneMode, SpiffeId, TrustDomain, Workload, WorkloadUid};
use ripstop_wire::{
    ca::{
        IstioCertificateRequest, IstioCertificateResponse, istio_certificate_service_server::IstioCertificateService,
    },
    ripstop::{Capture, Instance},
};
use thiserror::Error;
use tonic::{Request, Response, Status};

use crate::{
    peer::{Peer, Role},
    plane::Plane,
    registry::{Registry, is_at_node, is_open},
};

/// Lifetime of a certificate whose request names none, and the longest that parts of the mesh get; a request for more is
/// refused, not cut. Istio grants 90 days to everybody (istio.md 4.7), and nothing revokes what a node that is taken over
/// has asked for.
pub(crate) const DEFAULT_TTL: Duration = Duration::from_hours(24);
/// Longest lifetime that whoever administers the mesh may ask for.
pub(crate) const MAX_TTL: Duration = Duration::from_hours(90 * 24);
/// Key of the request's metadata that names the wanted identity.
const IMPERSONATED: &str = "ImpersonatedIdentity";

/// `istio.v1.auth.IstioCertificateService`.
#[derive(Clone)]
pub(crate) struct Certificates(pub(crate) Arc<Plane>);

/// Why no certificate is issued. Callers learn nothing of it; the log does.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Denial {
    #[error("the caller showed no certificate of a node, agent, supervisor, gateway, waypoint or sidecar")]
    Caller,
    #[error("{0:?} is not a SPIFFE id")]
    Name(String),
    #[error("{0} is outside of the trust domain {1}")]
    TrustDomain(SpiffeId, TrustDomain),
    #[error("{0} is neither the caller's own identity nor that of a workload")]
    Kind(SpiffeId),
    #[error("a supervisor may renew its own certificate, and gets no other")]
    Supervisor,
    #[error(
        "no workload of {id} that the proxy of {node} serves is placed there; the supervisor must have reported it before"
    )]
    NotPlaced { id: SpiffeId, node: Arc<str> },
    #[error("{instance} does not run as {id}; the supervisor must have reported it before")]
    NotItsOwn { id: SpiffeId, instance: Arc<str> },
    #[error("a lifetime of {asked} s is longer than {} s", DEFAULT_TTL.as_secs())]
    Lifetime { asked: i64 },
}

/// The identity that `caller` gets when it asks for `wanted`; its own if it names none. Of workloads of its node, a node gets
/// those that `is_for_node`.
pub(crate) fn authorise(
    caller: &Peer,
    wanted: Option<&str>,
    domain: &TrustDomain,
    registry: &Registry,
    is_for_node: impl Fn(&Instance, Option<&Capture>) -> bool,
) -> Result<SpiffeId, Denial> {
    let component = caller.component().ok_or(Denial::Caller)?;
    let id: SpiffeId = match wanted {
        None | Some("") => component.id.clone(),
        Some(text) => text.parse().map_err(|_| Denial::Name(text.chars().take(200).collect()))?,
    };
    if id.trust_domain() != *domain {
        return Err(Denial::TrustDomain(id, domain.clone()));
    }
    if id == component.id {
        return Ok(id);
    }
    let Some((namespace, account)) = id.as_service_account() else { return Err(Denial::Kind(id)) };
    match component.role {
        Role::Supervisor => Err(Denial::Supervisor),
        Role::Gateway | Role::Waypoint | Role::Sidecar
            if component.instance().is_some_and(|own| registry.runs(own, namespace, account)) =>
        {
            Ok(id)
        }
        Role::Gateway | Role::Waypoint | Role::Sidecar => Err(Denial::NotItsOwn { id, instance: component.name }),
        Role::Node | Role::Agent if registry.is_placed((&*component.name, namespace, account), &is_for_node) => Ok(id),
        Role::Node | Role::Agent => Err(Denial::NotPlaced { id, node: component.name }),
    }
}

/// Whether a workload concerns the proxy of its node, by what is known of it: it is in the mesh by that, or something of it is
/// there yet. A workload that nobody has heard of counts: its node hears of it no sooner.
pub(crate) fn concerns_node(workload: Option<&Workload>, capture: Option<&Capture>) -> bool {
    let Some(workload) = workload else { return true };
    let is_meant = workload.enrolment.mode == DataplaneMode::Node && !workload.native_tunnel;
    is_meant || capture.is_some_and(|capture| is_open(capture) && is_at_node(capture))
}

/// The lifetime for a request of `seconds`.
pub(crate) fn lifetime(seconds: i64) -> Result<Duration, Denial> {
    match u64::try_from(seconds) {
        Err(_) | Ok(0) => Ok(DEFAULT_TTL),
        Ok(asked) if asked <= DEFAULT_TTL.as_secs() => Ok(Duration::from_secs(asked)),
        Ok(_) => Err(Denial::Lifetime { asked: seconds }),
    }
}

#[tonic::async_trait]
impl IstioCertificateService for Certificates {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        let plane = &self.0;
        plane.metrics.csr_count.fetch_add(1, Relaxed);
        let opaque = || Status::unauthenticated("request authenticate failure");
        let caller = request.extensions().get::<Peer>().cloned().ok_or_else(opaque)?;
        let request = request.into_inner();
        let wanted = impersonated(&request);
        let published = plane.published();
        let is_for_node = |instance: &Instance, capture: Option<&Capture>| {
            let workload = published.snapshot.workload(&WorkloadUid::new(instance.uid.as_str()));
            concerns_node(workload.map(|workload| &**workload), capture)
        };
        let decided = authorise(&caller, wanted, &plane.trust_domain, &plane.registry, is_for_node)
            .and_then(|id| Ok((id, lifetime(request.validity_duration)?)));
        let (id, ttl) = decided.map_err(|denial| {
            plane.metrics.authentication_failures.fetch_add(1, Relaxed);
            tracing::warn!(caller = %caller, wanted, reason = %denial, "certificate refused");
            opaque()
        })?;
        let issued = plane.issue(&request.csr, &id, ttl).map_err(|error| {
            tracing::warn!(caller = %caller, %id, %error, "certificate request cannot be signed");
            Status::invalid_argument("the certificate request cannot be signed")
        })?;
        tracing::info!(caller = %caller, %id, serial = issued.serial, ttl_s = ttl.as_secs(), "certificate issued");
        // Leaf, intermediates, and the trust bundle last (istio.md 4.7).
        let mut cert_chain = issued.pem;
        cert_chain.push(plane.authority.roots_pem());
        Ok(Response::new(IstioCertificateResponse { cert_chain }))
    }
}

fn impersonated(request: &IstioCertificateRequest) -> Option<&str> {
    match request.metadata.as_ref()?.fields.get(IMPERSONATED)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text),
        // Anything but a text names nobody: better an error than the caller's own identity.
        _ => Some("(not a text)"),
    }
}

#[cfg(test)]
mod tests;
