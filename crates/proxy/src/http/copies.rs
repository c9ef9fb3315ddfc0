//! Copies of requests for the mirrors of a rule: sent once the request is complete, and forgotten.
//!
//! Nobody waits for them. A copy is what goes on to the rule's backend, its host with `-shadow` behind it; it is tried
//! once, its answer is read and thrown away. What would cost too much is left out: a body that is longer than is kept for
//! retries, a copy beyond the number that may be under way at a worker, one that switches protocols. Limits of the
//! mirror's backend, its balancing and its outlier detection hold for copies as for any request.

use std::{cell::Cell, future::poll_fn, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use ripstop_balance::{Criteria, Outcome as Ended, Overflow, Picked, Refused, Resource};
use ripstop_decide::{CallFacts, Outcome, Program, RuleList, Target, shadow};
use ripstop_exchange::{Body, Downstream, Fault, FieldChange, Heard, Protocol, Replay, Slices, Upstream};
use ripstop_h1::BodyKind;
use ripstop_model::{RuleId, Workload};
use thiserror::Error;
use tokio::{select, sync::oneshot, task::spawn_local, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    admission::Counted,
    filters::{
        changes::RequestChanges,
        edits::is_changeable,
        mirror::{self, ShadowHost},
    },
    global_limits::{Denied, Pending},
    head::Head,
    outbound::Outbound,
    standpoint::Standpoint,
};
use crate::{
    backends::{BackendError, ClientEnds, EndpointKey, Wanted, WorkerBackend},
    error::Error as ProxyError,
    outbound::{may_ask_for, may_leave, random},
    worker::Context,
};

/// Bytes of a body that is copied at most.
const LONGEST: usize = Replay::USUAL;
/// Copies under way at a worker at most.
const MOST: usize = 1024;
/// How long a copy may take if its rule has no timeout.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts the copies that are under way at a worker.
#[derive(Debug, Default)]
pub struct Copying(Rc<Cell<usize>>);

/// A copy's place among those that are under way.
#[derive(Debug)]
struct Place(Rc<Cell<usize>>);

/// Who gets copies of a request, and on whose behalf.
pub(super) struct Copies<'a> {
    /// Where the request came in.
    pub(super) outbound: &'a Outbound,
    pub(super) program: &'a Arc<Program>,
    pub(super) source: &'a Arc<Workload>,
    pub(super) mirrors: &'a [Target],
    /// How long the request may take.
    pub(super) timeout: Option<Duration>,
}

/// A request's head, to be sent again.
#[derive(Debug)]
struct Copied {
    method: String,
    path: String,
    authority: String,
    protocol: Protocol,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    framing: Framing,
    trailers: Trailers,
}

/// Whether a request says how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Said,
    Unsaid,
}

/// Whether trailers are welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trailers {
    Welcome,
    Unwanted,
}

/// Why a copy came to nothing.
#[derive(Debug, Error)]
enum Lost {
    #[error("a limit was reached: {0}")]
    Overflow(#[from] Overflow),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Denied(#[from] ProxyError),
    #[error("its requests have a limit ({0})")]
    Limited(RuleId),
    #[error("{0}")]
    Exchange(#[from] Fault),
    #[error("it was not answered within {0:?}")]
    Timeout(Duration),
}

/// The mirrors that get a copy of a request that goes where `outcome` says.
pub(super) fn mirrors(program: &Program, facts: &CallFacts<'_>, outcome: &Outcome) -> Vec<Target> {
    let Outcome::Forward { rule: Some(acting), .. } = outcome else { return Vec::new() };
    if acting.list != RuleList::Http {
        return Vec::new();
    }
    let Some(rule) = acting.table.http.get(acting.index) else { return Vec::new() };
    #[expect(clippy::cast_possible_truncation, reason = "half of the random bits are enough")]
    let drawn = mirror::drawn(&rule.mirrors, || random() as u32);
    drawn.map(|mirror| shadow(program, facts, &acting.table, &mirror.backend)).collect()
}

// === impl Lost ===

impl From<Denied> for Lost {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Turned { rule, .. } => Self::Limited(rule),
            Denied::Left(failure) => Self::Exchange(failure.fault),
        }
    }
}

// === impl Copying ===

impl Copying {
    /// Room for one more, if there is any.
    fn enter(&self) -> Option<Place> {
        if self.0.get() >= MOST {
            return None;
        }
        self.0.set(self.0.get() + 1);
        Some(Place(Rc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

// === impl Copies ===

impl Copies<'_> {
    /// Sends copies of the request as `changed` sends it on, once `replay` has seen it to its end.
    pub(super) fn follow(
        self,
        downstream: &Downstream<'_>,
        head: &Head,
        changed: &RequestChanges<'_>,
        replay: &mut Replay,
    ) {
        let context = &self.outbound.context;
        let mirrors: Vec<(Rc<WorkerBackend>, Place, (Counted, Pending))> = self
            .mirrors
            .iter()
            .filter_map(|mirror| {
                if mirror.missing.is_some() {
                    tracing::debug!(mirror = %mirror.backend, "no copy was sent: there is no such backend");
                    return None;
                }
                if let Err(error) = may_ask_for(self.source, mirror) {
                    tracing::debug!(mirror = %mirror.backend, %error, "no copy was sent");
                    return None;
                }
                let Some(counted) = self.admitted(mirror, head) else {
                    tracing::debug!(mirror = %mirror.backend, "no copy was sent: its requests have a limit");
                    return None;
                };
                let Some(place) = context.copying.enter() else {
                    tracing::debug!(mirror = %mirror.backend, most = MOST, "no copy was sent: too many are under way");
                    return None;
                };
                Some((context.backends.backend(context, self.program, self.source, mirror), place, counted))
            })
            .collect();
        if mirrors.is_empty() {
            return;
        }
        let (to, body) = oneshot::channel();
        replay.copy_to(to, LONGEST);
        let copied = Rc::new(Copied::new(downstream, head, changed));
        let sender = Sender {
            context: Rc::clone(context),
            source: Arc::clone(self.source),
            gone: self.outbound.workload.outlet(),
            destination: self.outbound.destination,
            client: self.outbound.client(),
            limit: self.timeout.unwrap_or(PATIENCE).min(PATIENCE),
            counting: self.counting(head),
        };
        let program = Arc::clone(self.program);
        spawn_local(async move {
            for (mirror, ..) in &mirrors {
                mirror.ready().await;
            }
            // The rest of the request may take long.
            drop(program);
            let Ok(body) = body.await else {
                tracing::debug!(most = LONGEST, "no copy was sent: the request was too long, or never complete");
                return;
            };
            let body: Rc<[u8]> = body.into();
            for (mirror, place, counted) in mirrors {
                let (sender, copied, body) = (sender.clone(), Rc::clone(&copied), Rc::clone(&body));
                spawn_local(async move {
                    let sent = select! {
                        biased;
                        () = sender.gone.cancelled() => Err(Lost::Denied(ProxyError::Gone)),
                        sent = sender.send(&mirror, counted, &copied, &body) => sent,
                    };
                    match sent {
                        Ok(status) => tracing::trace!(mirror = %mirror.cluster(), status, "a copy was answered"),
                        Err(error) => tracing::debug!(mirror = %mirror.cluster(), %error, "a copy was lost"),
                    }
                    drop(place);
                });
            }
        });
    }
}

impl Copies<'_> {
    /// What has counted a copy that nobody counts behind a waypoint, one by one, as endpoints would; nothing: a limit has no
    /// room for it.
    fn admitted(&self, mirror: &Target, head: &Head) -> Option<(Counted, Pending)> {
        let (mut counted, mut pending) = (Counted::of(self.outbound.peer), Pending::default());
        if let Standpoint::Waypoint(_) = self.outbound.standpoint {
            pending = self.outbound.admit_to(self.program, Some(mirror), self.source, head, &mut counted).ok()?;
        }
        Some((counted, pending))
    }

    /// What copies are counted by once their endpoints are known.
    fn counting(&self, head: &Head) -> Option<Rc<Counting>> {
        let Outbound { context, workload, peer, destination, standpoint, .. } = self.outbound;
        if !matches!(standpoint, Standpoint::Waypoint(_)) || self.program.traffic().policies.is_empty() {
            return None;
        }
        let outbound = Outbound::new(context.clone(), workload.clone(), *peer, *destination, standpoint.clone());
        Some(Rc::new(Counting { outbound, head: head.clone() }))
    }
}

// === impl Copied ===

impl Copied {
    fn new(downstream: &Downstream<'_>, head: &Head, changed: &RequestChanges<'_>) -> Self {
        let changes = changed.list();
        let is_changed = |name: &[u8]| {
            changes.iter().any(|change| match change {
                FieldChange::Set { name: own, .. } | FieldChange::Remove { name: own } => {
                    own.eq_ignore_ascii_case(name)
                }
                FieldChange::Add { .. } => false,
            })
        };
        let lists = |field: &str, wanted: &[u8]| {
            let lists = downstream.fields().filter(|(name, _)| name.eq_ignore_ascii_case(field.as_bytes()));
            lists
                .flat_map(|(_, value)| value.split(|byte| *byte == b','))
                .any(|each| each.trim_ascii().eq_ignore_ascii_case(wanted))
        };
        // What is about the connection ends here; what it expected of the answer, nobody waits for.
        let goes_on = |name: &[u8]| {
            let of_message = std::str::from_utf8(name).is_ok_and(is_changeable);
            of_message && !name.eq_ignore_ascii_case(b"expect") && !is_changed(name) && !lists("connection", name)
        };
        let mut fields: Vec<(Vec<u8>, Vec<u8>)> = downstream
            .fields()
            .filter(|(name, _)| goes_on(name))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
            .collect();
        for change in changes.iter() {
            if let FieldChange::Set { name, value } | FieldChange::Add { name, value } = change {
                fields.push((name.to_ascii_lowercase(), value.to_vec()));
            }
        }
        let says = |wanted: &[u8]| downstream.fields().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let authority = changed.authority().unwrap_or(head.authority());
        Self {
            method: head.method().to_owned(),
            path: changed.path().map_or_else(|| head.target().to_owned(), str::to_owned),
            authority: mirror::authority(authority, ShadowHost::default()).into_owned(),
            protocol: head.protocol(),
            framing: if says(b"content-length") || says(b"transfer-encoding") {
                Framing::Said
            } else {
                Framing::Unsaid
            },
            trailers: if lists("te", b"trailers") { Trailers::Welcome } else { Trailers::Unwanted },
            fields,
        }
    }

    fn body(&self, length: usize) -> BodyKind {
        if length == 0 && self.framing == Framing::Unsaid { BodyKind::None } else { BodyKind::Length(length as u64) }
    }
}

/// How a waypoint counts copies.
struct Counting {
    /// Where the request came in.
    outbound: Outbound,
    /// The request.
    head: Head,
}

/// Sends copies of one request.
#[derive(Clone)]
struct Sender {
    context: Rc<Context>,
    source: Arc<Workload>,
    /// Fires once the source is gone, or cut off.
    gone: CancellationToken,
    client: Rc<ClientEnds>,
    /// Where the request went.
    destination: SocketAddr,
    limit: Duration,
    /// Nothing: whoever is called counts for itself.
    counting: Option<Rc<Counting>>,
}

// === impl Sender ===

impl Sender {
    /// Sends a copy to a mirror, of which some limits have counted it; its status once it is answered to the end.
    async fn send(
        &self,
        backend: &WorkerBackend,
        (mut counted, pending): (Counted, Pending),
        copied: &Copied,
        body: &[u8],
    ) -> Result<u16, Lost> {
        let _active = backend.acquire(Resource::Request)?;
        let picked = backend.pick(&Criteria::default(), self.destination, random())?;
        {
            let now = self.context.shared.snapshot.load();
            let source = now.workload(&self.source.uid).unwrap_or(&self.source);
            may_leave(source, picked.key().workload(), picked.key().way())?;
        }
        if let Some(counting) = &self.counting {
            counted.passed(&mut Box::pin(pending.ask()).await?);
            let admitted = counting.outbound.admit_at(picked.key(), &counting.head, &mut counted);
            let behind = admitted.map_err(|exceeded| Lost::Limited(exceeded.rule))?;
            let _allowed = Box::pin(behind.ask()).await?;
        }
        let answered = timeout(self.limit, self.try_endpoint(backend, &picked, copied, body)).await;
        let answered = answered.unwrap_or(Err(Lost::Timeout(self.limit)));
        match &answered {
            Ok(status) => backend.tell_end(&picked, Ended::Status(*status)),
            Err(Lost::Backend(error)) => {
                if let Some(ended) = error.outcome() {
                    backend.tell(&picked, ended);
                }
            }
            Err(Lost::Timeout(_)) => backend.tell(&picked, Ended::Timeout),
            Err(_) => backend.tell(&picked, Ended::Reset),
        }
        answered
    }

    async fn try_endpoint(
        &self,
        backend: &WorkerBackend,
        picked: &Picked<EndpointKey>,
        copied: &Copied,
        body: &[u8],
    ) -> Result<u16, Lost> {
        let wanted = Wanted::Configured(copied.protocol);
        let client = || Rc::clone(&self.client);
        let authority = Some(&*copied.authority);
        let mut connection = backend.checkout(&self.context, picked.key(), wanted, authority, client).await?;
        let status = exchange(&mut connection.upstream(), copied, body, || backend.tell_answered(picked)).await?;
        connection.release();
        Ok(status)
    }
}

/// Sends a request that is complete, and reads its answer to the end; tells when that has begun.
async fn exchange(
    upstream: &mut Upstream<'_>,
    copied: &Copied,
    body: &[u8],
    answered: impl FnOnce(),
) -> Result<u16, Fault> {
    let te = (copied.trailers == Trailers::Welcome && matches!(upstream, Upstream::Http2(_)))
        .then_some((&b"te"[..], &b"trailers"[..]));
    let fields = copied.fields.iter().map(|(name, value)| (&**name, &**value)).chain(te);
    let Copied { method, path, authority, .. } = copied;
    upstream.send(method.as_bytes(), path.as_bytes(), authority.as_bytes(), fields, copied.body(body.len()))?;
    let mut left = body;
    while !left.is_empty() {
        let sent = poll_fn(|cx| upstream.poll_send(cx, &Slices::from(left))).await?;
        left = &left[sent..];
    }
    // A request of HTTP/2 that has no body has ended with its head.
    if !body.is_empty() || matches!(upstream, Upstream::Http1(_)) {
        upstream.end([])?;
    }
    poll_fn(|cx| upstream.poll_flush(cx)).await?;
    loop {
        match poll_fn(|cx| upstream.poll_head(cx)).await? {
            Heard::Informational => {}
            Heard::Final(_) => break,
            Heard::Switch => return Err(Fault::Switch),
        }
    }
    answered();
    let status = upstream.status();
    while poll_fn(|cx| upstream.poll_body(cx)).await? == Body::Data {
        let length = upstream.data().len();
        upstream.consume(length);
    }
    Ok(status)
}

#[cfg(test)]
mod tests;
