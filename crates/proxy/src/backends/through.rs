//! Connections through a forward proxy (`trafficPolicy.tunnel`): the endpoint is the proxy, which is asked by CONNECT to
//! lead on to a host.

use std::{future::poll_fn, net::SocketAddr, rc::Rc, sync::Arc};

use ripstop_balance::Outcome;
use ripstop_exchange::{ClientOptions, Heard, Http1Client, Io};
use ripstop_h1::{BodyKind, TunnelFraming};
use ripstop_model::TunnelSettings;

use super::error::BackendError;

/// Whether proxies are asked as `settings` say. Nobody is connected to for what fails in any case.
pub(super) fn check(settings: &TunnelSettings) -> Result<(), BackendError> {
    if settings.post {
        let reason = "trafficPolicy.tunnel.protocol POST: forward proxies are asked by CONNECT only";
        return Err(BackendError::Settings(reason.into()));
    }
    Ok(())
}

/// Has the proxy at the other end of `stream`, which is at `address`, lead on. It has no deadline of its own.
pub(super) async fn lead(stream: Io, address: SocketAddr, settings: &TunnelSettings) -> Result<Io, BackendError> {
    let target: Arc<str> = target(settings).into();
    let failed = |reason: String, outcome| BackendError::Through {
        address,
        target: target.clone(),
        reason: reason.into(),
        outcome,
    };
    let broke = |fault: ripstop_exchange::Fault| failed(fault.to_string(), Some(Outcome::ConnectFailure));
    let options = ClientOptions { tunnels: TunnelFraming::Ignored, ..ClientOptions::default() };
    let mut client = Http1Client::new(stream, Rc::new(options));
    let fields = std::iter::empty::<(&[u8], &[u8])>();
    client.send(b"CONNECT", target.as_bytes(), target.as_bytes(), fields, BodyKind::None, None).map_err(broke)?;
    poll_fn(|cx| client.poll_flush(cx)).await.map_err(broke)?;
    loop {
        match poll_fn(|cx| client.poll_head(cx)).await.map_err(broke)? {
            Heard::Informational => {}
            Heard::Switch => break,
            Heard::Final(_) => {
                let status = client.head().status();
                // What is forbidden is no fault of the proxy's.
                let outcome = (status >= 500).then_some(Outcome::ConnectFailure);
                return Err(failed(format!("it answers {status}"), outcome));
            }
        }
    }
    let (stream, read) = client.into_parts();
    Ok(stream.with_read(read))
}

/// `host:port`.
fn target(TunnelSettings { host, port, .. }: &TunnelSettings) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests;
