//! Connections to applications, as the listeners of their workloads limit them (Istio's `Sidecar`).

use std::{future::Future, net::SocketAddr, time::Duration};

use ripstop_decide::{Program, delivery, inbound_pool};
use ripstop_model::Keepalive;
use tokio::net::TcpStream;

use crate::{
    backends, connections::Facts, error::Error, local::LocalWorkload, outbound::Lifetime, sockets::CONNECT_DEADLINE,
    worker::Context,
};

/// Where a connection to an application leads, how it is made, and how long it may last.
#[derive(Clone, Copy, Debug)]
pub struct ToApplication {
    /// The application.
    pub target: SocketAddr,
    /// The address that it sees as its caller's, if that is not the workload's own.
    spoofed: Option<SocketAddr>,
    patience: Duration,
    keepalive: Option<Keepalive>,
    limit: Option<Duration>,
    silence: Option<Duration>,
}

// === impl ToApplication ===

impl ToApplication {
    /// For what comes as `facts` say.
    pub fn of(program: &Program, facts: &Facts) -> Self {
        let (called, caller) = (SocketAddr::new(facts.address, facts.port), facts.source);
        let own = facts.workload.in_snapshot(program);
        let target = own.map_or(called, |own| delivery(program, own, called));
        // The application sees the caller's own address if it is of the family that it is called by, and not on loopback,
        // and unless the workload calls itself.
        let itself = [called.ip(), target.ip()];
        let is_possible = caller.is_ipv4() == target.is_ipv4() && !target.ip().is_loopback();
        let pool = own.and_then(|own| inbound_pool(program, own, facts.port)).map(|found| found.pool);
        // Zero is as nothing said.
        let set = |time: Option<Duration>| time.filter(|time| !time.is_zero());
        Self {
            target,
            spoofed: (is_possible && !itself.contains(&caller.ip())).then_some(caller),
            patience: set(pool.and_then(|pool| pool.connect_timeout)).unwrap_or(CONNECT_DEADLINE),
            keepalive: pool.and_then(|pool| pool.keepalive),
            limit: set(pool.and_then(|pool| pool.max_connection_duration)),
            silence: set(pool.and_then(|pool| pool.idle_timeout)),
        }
    }

    /// One that leads to `target`, and is nothing else.
    #[cfg(test)]
    pub fn at(target: SocketAddr) -> Self {
        Self { target, spoofed: None, patience: CONNECT_DEADLINE, keepalive: None, limit: None, silence: None }
    }

    /// Makes one, of `workload`.
    pub async fn connect(self, context: &Context, workload: &LocalWorkload) -> Result<TcpStream, Error> {
        let Self { target, spoofed, patience, keepalive, .. } = self;
        let stream = context.sockets.connect_within(&workload.uid, spoofed, target, patience).await?;
        if let Some(keepalive) = keepalive {
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
