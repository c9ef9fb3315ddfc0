//! One tunnel: made, driven and ended by one task.

use std::{
    cell::Cell,
    fmt,
    future::Future,
    io,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use ripstop_h2::Role;
use ripstop_tls::Session;
use rustls::pki_types::ServerName;
use tokio::{sync::Notify, time::Instant};

use super::{Credentials, Shared, TunnelKey, group::Dial};
use crate::{
    Dialled, TunnelError, Vouched,
    link::Link,
    owner::{Duty, Owner},
    settings,
    transport::Transport,
    wheel::Timer,
};

/// A tunnel as the pool sees it. Its connection belongs to the task of [`establish`].
pub(crate) struct Tunnel {
    key: TunnelKey,
    generation: u64,
    link: Link,
    /// It takes no new streams, and ends with its last one.
    closed: Cell<bool>,
    /// The group's, told when a place gets free.
    freed: Arc<Notify>,
}

/// Dials, shakes hands, enters the tunnel into its group and drives it to its end.
pub(super) async fn establish(
    shared: Rc<Shared>,
    key: TunnelKey,
    credentials: Credentials,
    dial: impl Future<Output = io::Result<impl Into<Dialled>>>,
    started: Dial,
) {
    let stop = shared.stop.clone();
    let made = tokio::select! {
        biased;
        () = stop.cancelled() => Err(TunnelError::Closed),
        made = Timer::within(settings::HANDSHAKE_DEADLINE, handshake(&key, &credentials, dial)) => {
            made.unwrap_or(Err(TunnelError::HandshakeTimeout { destination: key.destination }))
        }
    };
    let (owner, tunnel, vouched) = {
        let mut groups = shared.groups.borrow_mut();
        // Present: groups with a dial under way are not removed.
        let group = groups.entry(key.clone()).or_default();
        match made {
            Ok((transport, vouched)) => {
                let link = Link::new(Role::Client);
                let tunnel = Rc::new(Tunnel {
                    key,
                    generation: credentials.generation,
                    link: link.clone(),
                    closed: Cell::new(shared.closed.get()),
                    freed: group.notify(),
                });
                group.dialled(tunnel.clone(), started);
                (Owner::new(link, transport), tunnel, vouched)
            }
            Err(error) => {
                tracing::debug!(destination = %key.destination, %error, "no tunnel");
                group.dial_failed(error, started);
                if group.is_unused() {
                    groups.remove(&key);
                }
                return;
            }
        }
    };
    let duty = Pooled::new(&shared, &tunnel, vouched);
    let end = tokio::select! {
        biased;
        () = stop.cancelled() => {
            tunnel.link.end(Arc::new(io::Error::new(io::ErrorKind::ConnectionAborted, TunnelError::Closed.to_string())));
            Ok(())
        }
        end = owner.run(duty) => end,
    };
    if let Err(error) = end {
        tracing::debug!(destination = %tunnel.key.destination, %error, "tunnel ended");
    }
    shared.retire(&tunnel);
}

async fn handshake(
    key: &TunnelKey,
    credentials: &Credentials,
    dial: impl Future<Output = io::Result<impl Into<Dialled>>>,
) -> Result<(Box<Transport>, Option<Vouched>), TunnelError> {
    let destination = key.destination;
    let failed = |source: io::Error| TunnelError::Handshake { destination, source: Arc::new(source) };
    let unreachable = |source: io::Error| TunnelError::Connect { destination, source: Arc::new(source) };
    let Dialled { stream: tcp, watch } = dial.await.map_err(unreachable)?.into();
    tcp.set_nodelay(true).map_err(unreachable)?;
    // rustls insists on a name; it is not sent (the configuration forbids it) and not checked.
    let name = ServerName::IpAddress(destination.ip().into());
    let session = Session::client(credentials.config.clone(), name).map_err(|error| failed(error.into()))?;
    let mut transport = Box::new(Transport::new(tcp, session));
    transport.handshake().await.map_err(failed)?;
    if transport.session().alpn_protocol() != Some(b"h2") {
        let wrong = io::Error::new(io::ErrorKind::InvalidData, "it does not speak HTTP/2 there (no ALPN h2)");
        return Err(failed(wrong));
    }
    let vouched = watch.map(|watch| watch(transport.session().peer_certificates().unwrap_or_default()));
    Ok((transport, vouched))
}

/// What an owner does at a client.
struct Pooled<'p> {
    shared: &'p Rc<Shared>,
    tunnel: &'p Rc<Tunnel>,
    /// What the peer allowed last.
    limit: Option<usize>,
    vouched: Option<Vouched>,
}

impl<'p> Pooled<'p> {
    fn new(shared: &'p Rc<Shared>, tunnel: &'p Rc<Tunnel>, vouched: Option<Vouched>) -> Self {
        Self { shared, tunnel, limit: None, vouched }
    }
}

impl Duty for Pooled<'_> {
    fn received(&mut self, link: &Link) {
        if !self.tunnel.closed.get() && link.is_finishing() {
            self.shared.retire(self.tunnel);
        }
        let limit = link.known_limit();
        if limit != self.limit {
            self.limit = limit;
            self.tunnel.limit_changed();
        }
    }

    fn look(&mut self, link: &Link, now: Instant) -> Option<Instant> {
        let after = self.shared.idle_after.get();
        if link.active() > 0 {
            return Some(now + after);
        }
        let since = link.used();
        if now.saturating_duration_since(since) >= after {
            self.shared.retire(self.tunnel);
            return None;
        }
        // It may be less by then.
        Some((since + after).min(now + settings::IDLE_AFTER))
    }

    fn distrusts(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        self.vouched.as_mut().map_or(Poll::Pending, |vouched| vouched.poll(cx))
    }

    fn is_closing(&mut self, link: &Link, _: &mut Context<'_>) -> bool {
        self.tunnel.closed.get() || link.is_finishing()
    }
}

// === impl Tunnel ===

impl Tunnel {
    pub(super) fn key(&self) -> &TunnelKey {
        &self.key
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Whether it takes new streams.
    pub(super) fn is_open(&self) -> bool {
        !self.closed.get() && self.link.is_open()
    }

    /// No new streams from now on.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.link.wake_owner();
    }

    pub(super) fn place_is_free(&self) {
        self.freed.notify_one();
    }

    /// There may be more places, or it is known now that there are fewer.
    fn limit_changed(&self) {
        self.freed.notify_waiters();
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("destination", &self.key.destination)
            .field("generation", &self.generation)
            .field("active", &self.link.active())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
