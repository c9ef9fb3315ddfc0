//! Opening connections.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use ripstop_decide::Callee;
use ripstop_exchange::{Carrier, Io};
use ripstop_model::{ClientTlsMode, Keepalive, SpiffeId, TunnelProtocol, Workload};
use ripstop_wire::gate::LONGEST;
use socket2::{SockRef, TcpKeepalive};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{
    endpoint::EndpointKey,
    error::BackendError,
    facts::{Facts, HttpVersion},
    key::BackendKey,
    originate,
    purpose::{Purpose, Secured, Way},
};
use crate::{
    certificates::Credential,
    error::Error,
    far_end::{self, FarEnd},
    worker::Context,
};

/// How a connection to `endpoint` is made for requests of `version` to `authority`, or for bytes of any protocol, as
/// everything is now. `certificate` says which one the caller proves its identity with.
pub(super) fn way(
    certificate: impl FnOnce(&SpiffeId) -> Result<u64, BackendError>,
    key: &BackendKey,
    facts: &Facts,
    endpoint: &EndpointKey,
    version: Option<HttpVersion>,
    authority: Option<&str>,
) -> Result<Way, BackendError> {
    let settings = |reason: String| BackendError::Settings(reason.into());
    let secured = match &facts.origination {
        None => None,
        Some(origination) => {
            let config = origination.config(version).map_err(|error| settings(format!("TLS to {key}: {error}")))?;
            Some(Secured { config, server_name: origination.server_name(authority, &key.host) })
        }
    };
    if endpoint.is_tunnelled() {
        return tunnelled(certificate, facts, secured);
    }
    match secured {
        Some(secured) => Ok(Way::Tls(secured)),
        None if needs_mesh(facts, endpoint) => {
            Err(settings(format!("tls.mode ISTIO_MUTUAL of {key}: {endpoint} is not in the mesh")))
        }
        None => Ok(Way::Plain),
    }
}

/// As [`way`], for bytes that are not to be changed: their client has made the TLS that is wanted.
pub(super) fn bare(
    certificate: impl FnOnce(&SpiffeId) -> Result<u64, BackendError>,
    facts: &Facts,
    endpoint: &EndpointKey,
) -> Result<Way, BackendError> {
    if endpoint.is_tunnelled() { tunnelled(certificate, facts, None) } else { Ok(Way::Plain) }
}

fn tunnelled(
    certificate: impl FnOnce(&SpiffeId) -> Result<u64, BackendError>,
    facts: &Facts,
    inside: Option<Secured>,
) -> Result<Way, BackendError> {
    let identity = facts.identity.clone().ok_or_else(|| no_identity(facts))?;
    let generation = certificate(&identity)?;
    Ok(Way::Tunnel { caller: facts.caller.uid.clone(), identity, generation, inside: inside.map(Box::new) })
}

/// Opens a connection for `purpose`, and sends what it begins with. It has no deadline of its own.
pub(super) async fn open(context: &Rc<Context>, facts: &Facts, purpose: &Purpose) -> Result<Io, BackendError> {
    let endpoint = &purpose.endpoint;
    match &purpose.way {
        Way::Plain => Ok(connect(context, facts, purpose).await?.into()),
        Way::Tls(secured) => {
            let socket = connect(context, facts, purpose).await?;
            secure(socket.into(), secured, endpoint.address()).await
        }
        Way::Tunnel { inside: None, .. } => Ok(tunnel(context, facts, purpose).await?.into()),
        Way::Tunnel { inside: Some(secured), .. } => {
            let carrier = match tunnel(context, facts, purpose).await? {
                FarEnd::Tunnel(stream) => stream.into(),
                FarEnd::Plain(socket) => socket.into(),
                FarEnd::Secured(_) => return Err(BackendError::Gone(endpoint.address())),
            };
            // Seldom, and not for everybody else to have room for.
            Box::pin(secure(carrier, secured, endpoint.address())).await
        }
    }
}

/// Makes TLS of a rule on what leads to `address`.
async fn secure(carrier: Carrier, secured: &Secured, address: SocketAddr) -> Result<Io, BackendError> {
    let made = originate::connect(carrier, Arc::clone(&secured.config), &secured.server_name).await;
    let failed = |error: std::io::Error| BackendError::Handshake { address, reason: error.to_string().into() };
    Ok(made.map_err(failed)?.into())
}

/// A stream through a tunnel, as outbound connections have it, but for all of the caller's requests.
async fn tunnel(context: &Rc<Context>, facts: &Facts, purpose: &Purpose) -> Result<FarEnd, BackendError> {
    let endpoint = &purpose.endpoint;
    let Some(routed) = endpoint.as_routed() else { return Err(BackendError::Gone(endpoint.address())) };
    let identity = facts.identity.as_ref().ok_or_else(|| no_identity(facts))?;
    let credential = credential(context, identity)?;
    let service = match &facts.callee {
        Some(Callee::Service(service)) => Some(&**service),
        _ => None,
    };
    let Some(address) = routed.tunnel_address() else { return Err(BackendError::Gone(endpoint.address())) };
    let ip = address.ip();
    let own = facts.caller.addresses.iter().find(|own| own.is_ipv4() == ip.is_ipv4());
    // Which of its ports is nobody's in particular.
    let peer = SocketAddr::new(own.copied().unwrap_or(ip), 0);
    let mut far_end = far_end::open(context, &facts.caller, &routed, service, peer, &credential, address).await?;
    if let Some(announced) = &purpose.announced {
        let sent = far_end.write_all(announced.header().as_ref()).await;
        sent.map_err(|source| Error::Connect { address, source, hint: "" })?;
    }
    Ok(far_end)
}

async fn connect(context: &Context, facts: &Facts, purpose: &Purpose) -> Result<TcpStream, BackendError> {
    let address = purpose.endpoint.address();
    let failed = |source| Error::Connect { address, source, hint: "" };
    let (caller, limit) = (&facts.caller.uid, facts.connect_timeout);
    let mut socket = if purpose.endpoint.workload().is_some() {
        context.sockets.connect_within(caller, None, address, limit).await?
    } else {
        let connected = context.sockets.connect_outside(caller, address, limit).await;
        connected.map_err(|error| late(error, address, limit))?
    };
    match facts.pool().and_then(|pool| pool.keepalive) {
        Some(keepalive) => keep_alive(&socket, keepalive).map_err(failed)?,
        None => context.probe(&socket, address)?,
    }
    if let Some(announced) = &purpose.announced {
        socket.write_all(announced.header().as_ref()).await.map_err(failed)?;
    }
    Ok(socket)
}

/// Of a place outside, whose connection may be given up before the time that the rule grants.
fn late(error: Error, address: SocketAddr, limit: Duration) -> BackendError {
    match error {
        Error::Connect { source, .. } if source.kind() == std::io::ErrorKind::TimedOut => {
            BackendError::Timeout { address, limit: limit.min(LONGEST) }
        }
        other => other.into(),
    }
}

/// Probes as the settings have them, instead of the proxy's own.
pub fn keep_alive(socket: &TcpStream, keepalive: Keepalive) -> std::io::Result<()> {
    let mut probes = TcpKeepalive::new();
    if let Some(time) = keepalive.time {
        probes = probes.with_time(time);
    }
    if let Some(interval) = keepalive.interval {
        probes = probes.with_interval(interval);
    }
    if let Some(retries) = keepalive.probes {
        probes = probes.with_retries(retries);
    }
    SockRef::from(socket).set_tcp_keepalive(&probes)
}

/// The certificate that proves `identity`.
pub(super) fn credential(context: &Context, identity: &SpiffeId) -> Result<Arc<Credential>, BackendError> {
    let credential = context.shared.certificates.get(identity);
    credential.ok_or_else(|| Error::NoCertificate(identity.clone()).into())
}

fn no_identity(facts: &Facts) -> BackendError {
    Error::UnknownWorkload(facts.caller.uid.as_str().into()).into()
}

/// Whether a rule wants the mesh's own encryption where there is none.
fn needs_mesh(facts: &Facts, endpoint: &EndpointKey) -> bool {
    let wants = facts.effective.tls.as_ref().is_some_and(|tls| tls.mode == ClientTlsMode::Mesh);
    let speaks = |workload: &Workload| workload.tunnel == TunnelProtocol::Hbone || workload.uid == facts.caller.uid;
    wants && !endpoint.workload().is_some_and(|workload| speaks(workload))
}

#[cfg(test)]
mod tests;
