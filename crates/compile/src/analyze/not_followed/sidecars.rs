//! Settings of sidecars that have nothing to act on.

use ripstop_api::{
    Object,
    istio::{CaptureMode, ConnectionPool, H2Upgrade, Sidecar},
};

use super::{IDLE, server_tls};
use crate::finding::Findings;

/// What has nothing to act on.
pub(super) fn check(object: &Object, written: &Sidecar, findings: &mut Findings) {
    for (index, listener) in written.egress.iter().enumerate() {
        if listener.capture_mode == CaptureMode::None && listener.port.is_none() {
            let message = "a listener without port has no address of its own to be reached by: its hosts are those of calls \
                           that are captured";
            findings.add(IDLE, object, &format!("spec.egress[{index}].captureMode"), message, "give it a `port`");
        }
    }
    for (index, listener) in written.ingress.iter().enumerate() {
        if let Some(tls) = &listener.tls {
            server_tls(object, &format!("spec.ingress[{index}].tls"), tls, findings);
        }
    }
    pools(object, written, findings);
}

/// What can't be said of requests that come in.
fn pools(object: &Object, written: &Sidecar, findings: &mut Findings) {
    let own = written.ingress.iter().enumerate();
    let own = own.map(|(index, listener)| (format!("spec.ingress[{index}].connectionPool"), &listener.connection_pool));
    for (path, pool) in own.chain([("spec.inboundConnectionPool".to_owned(), &written.inbound_connection_pool)]) {
        let upgrades =
            |pool: &ConnectionPool| pool.http.as_ref().is_some_and(|http| http.h2_upgrade_policy == H2Upgrade::Upgrade);
        if pool.as_ref().is_some_and(upgrades) {
            let message = "as in Istio, nothing is upgraded on its way in: the application is asked by the version of \
                           HTTP that its caller speaks";
            findings.add(IDLE, object, &format!("{path}.http.h2UpgradePolicy"), message, "");
        }
    }
}
