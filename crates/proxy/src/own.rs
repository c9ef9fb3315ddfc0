//! The workload that a proxy standing alone is, a gateway or a waypoint, or that it serves, a sidecar.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use ripstop_decide::Program;
use ripstop_model::{Workload, WorkloadUid};

use crate::{certificates::Use, error::Error, local::LocalWorkload, worker::Shared};

/// Pause before a certificate that did not come is asked for again.
const PATIENCE: Duration = Duration::from_secs(30);

/// The workload that the proxy is, by its name.
#[derive(Debug)]
pub struct Own {
    namespace: String,
    name: String,
    uid: OnceLock<WorkloadUid>,
}

// === impl Own ===

impl Own {
    /// Of that namespace and name.
    pub fn new(namespace: String, name: String) -> Self {
        Self { namespace, name, uid: OnceLock::new() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the configuration says of it.
    pub fn among<'p>(&self, program: &'p Program) -> Option<&'p Arc<Workload>> {
        if let Some(uid) = self.uid.get() {
            return program.workload(uid);
        }
        let found = program.workloads().find(|one| (&*one.namespace, &*one.name) == (&self.namespace, &self.name))?;
        // Whoever was first has found the same.
        let _ = self.uid.set(found.uid.clone());
        Some(found)
    }

    /// The only workload of the proxy, once the configuration names it, and its certificate, once there is one; nothing:
    /// the proxy ends before.
    pub async fn prepared(&self, shared: &Shared) -> Result<Option<(Arc<LocalWorkload>, Use)>, Error> {
        let prepare = async {
            let workload = self.known(shared).await?;
            let identity = workload.identity().map_err(|error| Error::Link(error.to_string()))?;
            let certificate = loop {
                match shared.certificates.acquire(&identity, PATIENCE).await {
                    Ok(certificate) => break certificate,
                    Err(error) => tracing::warn!(%error, "the proxy waits for its certificate"),
                }
            };
            Ok::<_, Error>(Some((LocalWorkload::alone(workload.uid.clone()), certificate)))
        };
        tokio::select! {
            prepared = prepare => prepared,
            () = shared.shutdown.cancelled() => Ok(None),
        }
    }

    /// What the configuration says of it, once it does.
    pub async fn known(&self, shared: &Shared) -> Result<Arc<Workload>, Error> {
        let mut changed = shared.changed.subscribe();
        loop {
            if let Some(own) = self.among(&shared.snapshot.load()) {
                return Ok(own.clone());
            }
            if changed.changed().await.is_err() {
                return Err(Error::UnknownWorkload(self.name.as_str().into()));
            }
        }
    }
}
