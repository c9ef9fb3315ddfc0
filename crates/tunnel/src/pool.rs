//! The opening side: tunnels that are shared by all connections between two parties.

mod connect;
mod dial;
mod group;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use http::HeaderValue;
use ripstop_model::{SpiffeId, WorkloadUid};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::connect::Place;
use self::{
    connect::{Failed, Opened},
    dial::Tunnel,
    group::{Group, Waiting},
};
use crate::{Authority, Dialled, TunnelError, TunnelStream, settings, wheel::Timer};

/// Between whom a tunnel runs. Connections share a tunnel only if all of this is equal, so that the peer always sees
/// the right source identity, and source address, and an address that was given to another workload is never reached
/// through the old one's tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TunnelKey {
    /// Identity that the tunnel proves.
    pub source: SpiffeId,
    /// The workload it speaks for.
    pub source_uid: WorkloadUid,
    /// Address it is bound to.
    pub source_ip: IpAddr,
    /// The peer's tunnel address, `ip:15008`.
    pub destination: SocketAddr,
    /// Identities of which the peer must prove one.
    pub expected: Arc<[SpiffeId]>,
}

/// What a tunnel proves its identity with. A higher generation (a renewed certificate, new roots) makes older tunnels
/// take no new streams; they close when their last stream ends.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Built for the key's `source` and `expected`, with ALPN `h2`.
    pub config: Arc<ClientConfig>,
    /// Grows with each change.
    pub generation: u64,
}

/// The CONNECT to send.
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// Where it leads.
    pub authority: Authority,
    /// Header `baggage`.
    pub baggage: Option<HeaderValue>,
    /// Header `forwarded`.
    pub forwarded: Option<HeaderValue>,
    /// Header `traceparent`.
    pub traceparent: Option<HeaderValue>,
    /// Header `x-forwarded-network`, in the inner request of a tunnel in a tunnel.
    pub forwarded_network: Option<HeaderValue>,
}

/// Limits of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolConfig {
    /// How long a tunnel without streams is kept.
    pub idle_after: Duration,
    /// Tunnels for one key, 1 to 16.
    pub max_tunnels: usize,
}

/// The tunnels of one worker.
///
/// * Openers of one key share a dial; a tunnel carries as many streams as the peer allows, at most 100; then there is
///   another one, up to `max_tunnels`; then openers wait for a free place, at most 10 s. Tunnels that move much get
///   help by further ones ([`settings::BUSY`]); a new stream goes to one that moves little.
/// * A stream that the peer did not process (REFUSED_STREAM, GOAWAY, or the tunnel died before the answer) is tried
///   once more on another tunnel; no byte of the application was sent before, so that is safe.
/// * Each tunnel is driven by one task, which also pings, notices idleness and ends the tunnel. Tasks end with
///   [`TunnelPool::drain`], or at once when the last handle of the pool is dropped.
///
/// Has to be used within a [`LocalSet`](tokio::task::LocalSet); what it gives stays on that thread.
#[derive(Clone)]
pub struct TunnelPool {
    handle: Rc<Handle>,
}

/// Ends the tasks with the last handle; they themselves hold only [`Shared`].
struct Handle {
    shared: Rc<Shared>,
}

struct Shared {
    config: PoolConfig,
    /// How long a tunnel without streams is kept.
    idle_after: Cell<Duration>,
    groups: RefCell<HashMap<TunnelKey, Group>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    closed: Cell<bool>,
}

/// Below this, looking for idleness would cost more than it frees.
const SHORTEST_IDLE: Duration = Duration::from_millis(50);

// === impl TunnelPool ===

impl TunnelPool {
    /// An empty pool.
    pub fn new(config: PoolConfig) -> Self {
        let config = PoolConfig {
            idle_after: config.idle_after.max(SHORTEST_IDLE),
            max_tunnels: config.max_tunnels.clamp(1, settings::MAX_TUNNELS),
        };
        let shared = Shared {
            idle_after: Cell::new(config.idle_after),
            config,
            groups: RefCell::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            closed: Cell::new(false),
        };
        Self { handle: Rc::new(Handle { shared: Rc::new(shared) }) }
    }

    /// How long tunnels without streams are kept from now on; nothing: as the pool was made. Those that are idle by then
    /// end when they are looked at next.
    pub fn keep_idle(&self, idle_after: Option<Duration>) {
        let shared = &self.handle.shared;
        shared.idle_after.set(idle_after.map_or(shared.config.idle_after, |idle_after| idle_after.max(SHORTEST_IDLE)));
    }

    /// Opens a connection to `request.authority` through a tunnel of `key`, using a tunnel that is there or dialling
    /// one: `dial` gives a TCP connection to `key.destination` (from the right namespace and address), on which TLS and
    /// HTTP/2 are made, or a [`Dialled`], which says who looks after its peer's proof. It may be called a second time for a
    /// retry.
    ///
    /// Completes when the peer has answered 200, so its application has accepted. Dropping the future gives up the
    /// connection, not a dial that others wait for.
    pub async fn open<D, F, C>(
        &self,
        key: &TunnelKey,
        credentials: &Credentials,
        mut dial: D,
        request: &ConnectRequest,
    ) -> Result<TunnelStream, TunnelError>
    where
        D: FnMut() -> F,
        F: Future<Output = io::Result<C>> + 'static,
        C: Into<Dialled> + 'static,
    {
        let mut avoid = None;
        let mut retried = false;
        // A tunnel that turns out to be closed costs nothing and is no attempt; each such turn removes one.
        for _ in 0..=settings::MAX_TUNNELS {
            let opened = self.acquire(key, credentials, &mut dial, request, avoid.as_ref()).await?;
            let tunnel = opened.tunnel().clone();
            match opened.answer(request).await {
                Ok(stream) => return Ok(stream),
                Err(Failed::Unprocessed(error)) => {
                    tracing::debug!(destination = %key.destination, %error, retried, "peer did not process the stream");
                    if retried {
                        return Err(error);
                    }
                    retried = true;
                    avoid = Some(tunnel);
                }
                Err(Failed::Final(error)) => return Err(error),
            }
        }
        Err(TunnelError::Exhausted { destination: key.destination, tunnels: settings::MAX_TUNNELS })
    }

    /// The workload is gone: its tunnels take no new streams, and end with GOAWAY as soon as their last stream has ended.
    pub fn forget(&self, uid: &WorkloadUid) {
        self.shared().groups.borrow_mut().retain(|key, group| {
            if key.source_uid != *uid {
                return true;
            }
            group.close();
            !group.is_unused()
        });
    }

    /// Ends the pool in good order: no new streams, GOAWAY on each tunnel as soon as its last stream has ended.
    /// Completes when all tunnels are closed; what is left at `deadline` is cut.
    pub async fn drain(&self, deadline: Instant) {
        let shared = self.shared();
        shared.closed.set(true);
        shared.tasks.close();
        for group in shared.groups.borrow_mut().values_mut() {
            group.close();
        }
        if timeout_at(deadline, shared.tasks.wait()).await.is_err() {
            shared.stop.cancel();
            shared.tasks.wait().await;
        }
    }

    /// Tunnels that are open and take streams.
    pub fn tunnels(&self) -> usize {
        self.shared().groups.borrow().values().map(Group::len).sum()
    }

    /// Streams now open through this pool's tunnels that still take new ones.
    pub fn streams(&self) -> usize {
        self.shared().groups.borrow().values().map(Group::streams).sum()
    }

    fn shared(&self) -> &Rc<Shared> {
        &self.handle.shared
    }

    /// A stream that is open, not yet answered.
    async fn acquire<D, F, C>(
        &self,
        key: &TunnelKey,
        credentials: &Credentials,
        dial: &mut D,
        request: &ConnectRequest,
        avoid: Option<&Rc<Tunnel>>,
    ) -> Result<Opened, TunnelError>
    where
        D: FnMut() -> F,
        F: Future<Output = io::Result<C>> + 'static,
        C: Into<Dialled> + 'static,
    {
        let opened = self.wait_for_place(key, credentials, dial, request, avoid).await;
        if opened.is_err() {
            self.shared().forget_unused(key);
        }
        opened
    }

    async fn wait_for_place<D, F, C>(
        &self,
        key: &TunnelKey,
        credentials: &Credentials,
        dial: &mut D,
        request: &ConnectRequest,
        avoid: Option<&Rc<Tunnel>>,
    ) -> Result<Opened, TunnelError>
    where
        D: FnMut() -> F,
        F: Future<Output = io::Result<C>> + 'static,
        C: Into<Dialled> + 'static,
    {
        let shared = self.shared();
        let deadline = Instant::now() + settings::HANDSHAKE_DEADLINE + Duration::from_secs(1);
        let mut waiting: Option<Waiting> = None;
        loop {
            let (outcome, started) = {
                let mut groups = shared.groups.borrow_mut();
                if shared.closed.get() || shared.stop.is_cancelled() {
                    return Err(TunnelError::Closed);
                }
                if !groups.contains_key(key) {
                    // Openers that gave up may leave empty groups behind; now and then they are cleared away.
                    if groups.len() >= 64 && groups.len().is_power_of_two() {
                        groups.retain(|_, group| !group.is_unused());
                    }
                    groups.insert(key.clone(), Group::default());
                }
                let Some(group) = groups.get_mut(key) else { continue };
                group.retire_before(credentials.generation);
                if let Some(opened) = group.open(request, avoid) {
                    let started = group.wants_help(shared.config.max_tunnels).then(|| group.start_dial());
                    (Ok(opened), started)
                } else {
                    let waiting = waiting.get_or_insert_with(|| group.wait());
                    if let Some(error) = group.failure_since(waiting, avoid) {
                        return Err(error);
                    }
                    let started =
                        group.wants_dial(waiting, shared.config.max_tunnels, avoid).then(|| group.start_dial());
                    (Err(group.changed()), started)
                }
            };
            if let Some(started) = started {
                let (key, credentials) = (key.clone(), credentials.clone());
                shared.tasks.spawn_local(dial::establish(shared.clone(), key, credentials, dial(), started));
            }
            match outcome {
                Ok(opened) => return Ok(opened),
                // Created together with the look at the group, so that no change is missed.
                Err(changed) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if Timer::within(left, changed).await.is_none() {
                        let tunnels = shared.groups.borrow().get(key).map_or(0, Group::len);
                        return Err(TunnelError::Exhausted { destination: key.destination, tunnels });
                    }
                }
            }
        }
    }
}

impl Default for TunnelPool {
    fn default() -> Self {
        Self::new(PoolConfig::default())
    }
}

impl fmt::Debug for TunnelPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelPool").field("tunnels", &self.tunnels()).finish_non_exhaustive()
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { idle_after: settings::IDLE_AFTER, max_tunnels: settings::MAX_TUNNELS }
    }
}

impl ConnectRequest {
    /// A request without headers.
    pub fn new(authority: Authority) -> Self {
        Self { authority, baggage: None, forwarded: None, traceparent: None, forwarded_network: None }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.tasks.close();
        self.shared.stop.cancel();
    }
}

// === impl Shared ===

impl Shared {
    fn retire(&self, tunnel: &Rc<Tunnel>) {
        let mut groups = self.groups.borrow_mut();
        if let Some(group) = groups.get_mut(tunnel.key()) {
            group.retire(tunnel);
            if group.is_unused() {
                groups.remove(tunnel.key());
            }
        }
    }

    fn forget_unused(&self, key: &TunnelKey) {
        let mut groups = self.groups.borrow_mut();
        if groups.get(key).is_some_and(Group::is_unused) {
            groups.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
