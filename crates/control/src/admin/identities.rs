//! Tokens for new parts of the mesh, and identities for clients that bring
//! their own HBONE.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::StatusCode;
use ripstop_model::SpiffeId;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Caller, Failure};
use crate::{
    certificates::{DEFAULT_TTL, MAX_TTL},
    peer::Role,
    plane::Plane,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRequest {
    role: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityRequest {
    namespace: String,
    service_account: String,
    /// Seconds.
    #[serde(default)]
    ttl: Option<u64>,
}

/// A one-time token for `role`/`name`.
pub(super) async fn token(plane: &Arc<Plane>, caller: Caller, request: TokenRequest) -> Answer {
    let role: Role = request
        .role
        .parse()
        .map_err(|()| Failure::bad(format!("role {:?} is not known; use node, agent or supervisor", request.role)))?;
    let id = SpiffeId::component(&plane.trust_domain, role.as_str(), &request.name)
        .ok()
        .filter(|id| id.as_component() == Some((role.as_str(), request.name.as_str())))
        .ok_or_else(|| Failure::bad(format!("name {:?} cannot be part of a SPIFFE id", request.name)))?;
    let plane = plane.clone();
    blocking(move || {
        plane.audit.record(&caller, "token", json!({ "id": id.as_str() })).map_err(Failure::internal)?;
        let created = plane.tokens().create(role, &request.name, SystemTime::now());
        Ok(json!({ "token": created.map_err(Failure::internal)? }))
    })
    .await
}

/// A certificate with its key for a declared service account.
pub(super) async fn issue(plane: &Arc<Plane>, caller: Caller, request: IdentityRequest) -> Answer {
    let IdentityRequest { namespace, service_account, ttl } = request;
    let ttl = ttl.map_or(DEFAULT_TTL, Duration::from_secs);
    if ttl.is_zero() || ttl > MAX_TTL {
        return Err(Failure::bad(format!("ttl must be 1 to {} seconds", MAX_TTL.as_secs())));
    }
    let id = SpiffeId::service_account(&plane.trust_domain, &namespace, &service_account)
        .ok()
        .filter(|id| id.as_service_account() == Some((namespace.as_str(), service_account.as_str())))
        .ok_or_else(|| Failure::bad(format!("{namespace}/{service_account} cannot be a SPIFFE id")))?;
    if !plane.published().declares_account(&namespace, &service_account) {
        tracing::warn!(%id, pid = caller.pid, uid = caller.uid, "identity refused: no process of that account is declared");
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            format!("no Process in namespace {namespace} is declared with serviceAccountName {service_account}"),
        ));
    }
    let plane = plane.clone();
    blocking(move || {
        let (key, csr) = ripstop_identity::new_csr().map_err(Failure::internal)?;
        let chain = plane.issue(&csr, &id, ttl).map_err(Failure::internal)?;
        let record = json!({ "id": id.as_str(), "serial": chain.serial, "ttl_s": ttl.as_secs() });
        // What is not on record is not handed out.
        plane.audit.record(&caller, "identity", record).map_err(Failure::internal)?;
        tracing::info!(%id, serial = chain.serial, pid = caller.pid, uid = caller.uid, "identity issued");
        Ok(json!({
            "id": id.as_str(),
            "cert_chain": chain.pem.concat(),
            "key": key.to_pem(),
            "roots": plane.roots().concat(),
        }))
    })
    .await
}

/// Disk and signatures happen on a thread that serves nobody else.
pub(super) async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    tokio::task::spawn_blocking(work).await.map_err(Failure::internal)?
}
