//! What all parts of the control plane share.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ripstop_identity::{CertificateAuthority, IssuedChain};
use ripstop_model::{SpiffeId, TrustDomain};
use ripstop_store::DirectoryStore;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    analysis::Analysis, audit::Audit, bundles::Bundles, history::History, metrics::Metrics, proxies::Proxies,
    published::Published, registry::Registry, tokens::Tokens,
};

/// The shared state of one running control plane. Each field guards itself.
pub(crate) struct Plane {
    pub(crate) trust_domain: TrustDomain,
    pub(crate) authority: CertificateAuthority,
    pub(crate) store: DirectoryStore,
    pub(crate) registry: Registry,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) bundles: Arc<Bundles>,
    pub(crate) history: History,
    pub(crate) metrics: Metrics,
    pub(crate) audit: Audit,
    pub(crate) tokens: Mutex<Tokens>,
    /// What proxies are to have; only the pipeline replaces it.
    pub(crate) current: watch::Sender<Arc<Published>>,
    /// What is wrong with it, or with what was published before.
    pub(crate) analysis: watch::Sender<Arc<Analysis>>,
    /// Whether a commit waits for the acknowledgement of an agent.
    pub(crate) fenced: AtomicBool,
    /// Cancelled when the control plane stops.
    pub(crate) stop: CancellationToken,
}

/// A certificate for the record.
pub(crate) struct Issued {
    /// PEM, one certificate each: leaf, then intermediates; without the root.
    pub(crate) pem: Vec<String>,
    /// Serial number of the leaf in hexadecimal.
    pub(crate) serial: String,
}

impl Plane {
    /// What is published at the moment.
    pub(crate) fn published(&self) -> Arc<Published> {
        self.current.borrow().clone()
    }

    pub(crate) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs a request and says under which number.
    pub(crate) fn issue(&self, csr: &str, id: &SpiffeId, ttl: Duration) -> Result<Issued, ripstop_identity::Error> {
        let issued = self.authority.issue(csr, id, ttl);
        let counter = if issued.is_ok() { &self.metrics.issued } else { &self.metrics.sign_errors };
        counter.fetch_add(1, Relaxed);
        let IssuedChain { certificates: pem, .. } = issued?;
        let serial = pem.first().map(|leaf| serial(leaf)).unwrap_or_default();
        Ok(Issued { pem, serial })
    }

    /// The trust bundle, one PEM certificate each.
    pub(crate) fn roots(&self) -> Vec<String> {
        const END: &str = "-----END CERTIFICATE-----\n";
        self.authority.roots_pem().split_inclusive(END).map(str::to_owned).collect()
    }

    /// The authority as `status` shows it; times in seconds since the epoch.
    pub(crate) fn authority_status(&self) -> Value {
        json!({
            "root_not_after": seconds(self.authority.root_not_after()),
            "intermediate_not_after": seconds(self.authority.intermediate_not_after()),
            "issued": self.metrics.issued.load(Relaxed),
            "refused": self.metrics.authentication_failures.load(Relaxed),
        })
    }
}

/// Seconds since the epoch.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn serial(pem: &str) -> String {
    let parsed = x509_parser::pem::parse_x509_pem(pem.as_bytes());
    let certificate = parsed.as_ref().ok().and_then(|(_, block)| block.parse_x509().ok());
    certificate.map(|certificate| certificate.raw_serial_as_string().replace(':', "")).unwrap_or_default()
}
