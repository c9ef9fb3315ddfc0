//! The control plane's own certificate: issued by its own authority, renewed at
//! half life, without a connection noticing.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use ripstop_identity::{CertificateAuthority, ClientAuth, Roots, Svid, new_csr, server_config};
use ripstop_model::SpiffeId;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{Error, certificates::DEFAULT_TTL, plane::Plane};

/// Time to the next look at the clock, at most: a suspended machine's timers stand still.
const LOOK: Duration = Duration::from_mins(1);
/// Wait after a failed renewal.
const RETRY: Duration = Duration::from_secs(5);

/// A fresh certificate, and the TLS configuration that shows it.
pub(crate) fn make(authority: &CertificateAuthority) -> Result<(Svid, Arc<rustls::ServerConfig>), Error> {
    let id = SpiffeId::component(authority.trust_domain(), "control", "default")?;
    let (key, csr) = new_csr()?;
    let chain = authority.issue(&csr, &id, DEFAULT_TTL)?;
    let svid = Svid::new(&chain.pem(), key)?;
    let roots: &Roots = authority.roots();
    let config = server_config(&svid, roots, ClientAuth::Optional, &[b"h2"]);
    Ok((svid, config))
}

/// Renews until `stop`. Open connections keep what they were made with; new ones get the newest.
pub(crate) async fn keep_fresh(
    plane: Arc<Plane>,
    mut svid: Svid,
    tls: watch::Sender<Arc<rustls::ServerConfig>>,
    stop: CancellationToken,
) {
    loop {
        let left = svid.renew_at().duration_since(SystemTime::now()).unwrap_or_default();
        let mut pause = left.min(LOOK);
        if left.is_zero() {
            match make(&plane.authority) {
                Ok((next, config)) => {
                    tracing::info!(id = %next.id, "own certificate renewed");
                    svid = next;
                    tls.send_replace(config);
                }
                Err(error) => {
                    tracing::error!(%error, "own certificate cannot be renewed");
                    pause = RETRY;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
    }
}
