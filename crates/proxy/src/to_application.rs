//! Connections to applications, as the listeners of their workloads limit them (Istio's `Sidecar`).

use std::{future::Future, net::SocketAddr, time::Duration};

use ripstop_decide::{Program, inbound_pool};
use ripstop_model::Keepalive;
use tokio::net::TcpStream;

use crate::{
    backends, connections::Facts, error::Error, local::LocalWorkload, outbound::Lifetime, sockets::CONNECT_DEADLINE,
    worker::Context,
};

/// How a connection to an application is made, and how long it may last.
#[derive(Clone, Copy, Debug)]
pub struct ToApplication {
    patience: Duration,
    keepalive: Option<Keepalive>,
    limit: Option<Duration>,
    silence: Option<Duration>,
}

// === impl ToApplication ===

impl ToApplication {
    /// For what comes as `facts` say.
    pub fn of(program: &Program, facts: &Facts) -> Self {
        let own = facts.workload.in_snapshot(program);
        let pool = own.and_then(|own| inbound_pool(program, own, facts.port)).map(|found| found.pool);
        // Zero is as nothing said.
        let set = |time: Option<Duration>| time.filter(|time| !time.is_zero());
        Self {
            patience: set(pool.and_then(|pool| pool.connect_timeout)).unwrap_or(CONNECT_DEADLINE),
            keepalive: pool.and_then(|pool| pool.keepalive),
            limit: set(pool.and_then(|pool| pool.max_connection_duration)),
            silence: set(pool.and_then(|pool| pool.idle_timeout)),
        }
    }

    /// Makes one, to `target` of `workload`; `spoofed` is the address that the application sees, if it is not the
    /// workload's own.
    pub async fn connect(
        self,
        context: &Context,
        workload: &LocalWorkload,
        spoofed: Option<SocketAddr>,
        target: SocketAddr,
    ) -> Result<TcpStream, Error> {
        let stream = context.sockets.connect_within(&workload.uid, spoofed, target, self.patience).await?;
        if let Some(keepalive) = self.keepalive {
            let failed = |source| Error::Connect { address: target, source, hint: "" };
            backends::keep_alive(&stream, keepalive).map_err(failed)?;
        }
        Ok(stream)
    }

    /// Waits until `stream`, which begins now, has lasted or been silent for too long, and says so.
    pub fn over(self, stream: &TcpStream) -> impl Future<Output = Error> + use<> {
        Lifetime::begins(self.limit, self.silence).over(Some(stream))
    }
}
