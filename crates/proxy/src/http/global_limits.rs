//! Whether a request is one too many for services that count for all proxies together (`globalRateLimits`, by Envoy's
//! `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`).
//!
//! Before a request goes on, each service is asked once, by the same backends that requests go by: in the name of the
//! workload, gateway or waypoint where it is counted, over the mesh's mutual TLS if the service is in the mesh. Its
//! client waits for that, no longer than the limit's timeout, and nobody else does: who leaves takes the question back.

mod bound;
mod told;

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use prost::Message as _;
use ripstop_balance::{Criteria, Outcome, Overflow, Picked, Refused, Resource, Tried};
use ripstop_decide::{Limiting, Program, without_port};
use ripstop_exchange::{Downstream, Failure, Fault, Sent, Upstream};
use ripstop_model::{
    DescriptorEntry, DescriptorValue, GlobalRateLimit, LimitDescriptor, RuleId, TrafficTargetKind, UnknownLimit,
    Workload,
};
use ripstop_wire::rate_limit::{
    RateLimitDescriptor, RateLimitRequest, RateLimitResponse, rate_limit_descriptor::Entry, rate_limit_response::Code,
};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use self::{
    bound::Bound,
    told::{Granted, refusal},
};
pub use self::{bound::WorkerServices, told::Allowed};
use super::{
    admission::Place,
    filters::respond::Local,
    learned::outcome,
    limits::{Asking, Exceeded, Quota, header},
    waiting::while_there,
};
use crate::{
    backends::{BackendError, ClientConnection, EndpointKey, Wanted, WorkerBackend},
    error::Error as ProxyError,
    global_limits::Said,
    grpc::{self, Answered, Unary},
    outbound::{may_ask_for, may_leave, random},
    worker::Context,
};

const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
/// Bytes of an answer at most.
const LONGEST: usize = 64 * 1024;

/// What a request is asked about.
pub struct Subject<'a> {
    /// The request, and who sends it.
    pub asking: Asking<'a>,
    /// In whose name services are called.
    pub own: &'a Arc<Workload>,
    /// The workload that is called, where it is counted for that.
    pub workload: Option<&'a Workload>,
    /// Host of what is called, as far as it is known.
    pub service: Option<&'a str>,
    /// The address that was called.
    pub called: SocketAddr,
}

/// What a service is asked about a request.
pub struct Question {
    context: Rc<Context>,
    bound: Rc<Bound>,
    /// Where it is asked; a reason: it cannot be.
    backend: Result<Rc<WorkerBackend>, Unknown>,
    own: Arc<Workload>,
    /// Who called whom, for services that are told.
    ends: (SocketAddr, SocketAddr),
    /// The message, framed.
    message: Vec<u8>,
}

/// What limits of requests say once those of the proxy itself have let one pass.
#[derive(Default)]
#[must_use = "services have yet to be asked"]
pub struct Pending {
    quota: Option<Quota>,
    questions: Vec<Question>,
    /// Where they are asked.
    places: Vec<Place>,
}

/// Why a request does not go on.
#[derive(Debug)]
pub enum Denied {
    /// A limit refuses it.
    Turned {
        /// The limit.
        rule: RuleId,
        /// The answer to it.
        local: Box<Local>,
    },
    /// Its client is gone.
    Left(Failure),
}

/// Why a service has not said whether a request is one too many.
#[derive(Debug, Error)]
enum Unknown {
    #[error("the mesh knows no {0}")]
    Missing(String),
    #[error(transparent)]
    Denied(#[from] ProxyError),
    #[error("{0}")]
    Overflow(#[from] Overflow),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error("{0}")]
    Exchange(Fault),
    /// It has not come to the service.
    #[error("{0}")]
    Unheard(Fault),
    #[error("gRPC status {0}")]
    Grpc(u16),
    #[error("status {0}")]
    Http(u16),
    #[error("{0}")]
    Nonsense(String),
    #[error("no answer within {0:?}")]
    Late(Duration),
}

/// What services are asked about a request by limits of `program`.
pub fn questions(
    context: &Rc<Context>,
    program: &Arc<Program>,
    limiting: &[Limiting<'_>],
    subject: &Subject<'_>,
) -> Vec<Question> {
    let limits = limiting
        .iter()
        .flat_map(|limiting| limiting.policy.global_rate_limits.iter().map(move |limit| (limiting, limit)));
    limits.filter_map(|(limiting, limit)| Question::of(context, program, limiting, limit, subject)).collect()
}

/// Waits for what all limits say of a request, as long as its client does.
pub async fn settle(pending: Result<Pending, Exceeded>, downstream: &mut Downstream<'_>) -> Result<Allowed, Denied> {
    let pending = pending.map_err(Denied::from)?;
    if pending.questions.is_empty() {
        return Ok(Allowed::new(pending.quota, None, pending.places));
    }
    let asked = while_there(downstream, pin!(Box::pin(pending.ask()))).await;
    asked.unwrap_or_else(|failure| Err(Denied::Left(failure)))
}

// === impl Pending ===

impl Pending {
    /// The proxy's own limits have let a request pass; those are asked yet.
    pub fn new(quota: Option<Quota>, questions: Vec<Question>) -> Self {
        Self { quota, questions, places: Vec::new() }
    }

    /// The same, of limits that act there.
    pub(super) fn noting(self, places: Vec<Place>) -> Self {
        Self { places, ..self }
    }

    /// Asks one service after another, until one refuses.
    pub async fn ask(self) -> Result<Allowed, Denied> {
        let mut granted = Granted::default();
        for question in self.questions {
            let Bound { limit, counts, .. } = &*question.bound;
            match question.put().await {
                Ok(answer) if answer.overall_code() == Code::OverLimit => {
                    if !limit.dry_run {
                        counts.note(Said::Refused);
                        let rule = limit.id.clone();
                        return Err(Denied::Turned { rule, local: Box::new(refusal(limit, answer)) });
                    }
                    counts.note(Said::Spared);
                }
                Ok(answer) => {
                    counts.note(Said::Passed);
                    if !limit.dry_run {
                        granted.take(limit, answer);
                    }
                }
                Err(unknown) => {
                    let why = unknown.to_string();
                    if counts.failed(&why) {
                        let (limit, service) = (&limit.id, &question.bound.authority);
                        tracing::warn!(%limit, %service, %why, "a service of limits could not be asked about a request");
                    }
                    if limit.on_failure == UnknownLimit::Refused && !limit.dry_run {
                        let (rule, local) = (limit.id.clone(), Box::new(Local::unknown_limit()));
                        return Err(Denied::Turned { rule, local });
                    }
                }
            }
        }
        Ok(Allowed::new(self.quota, Some(Box::new(granted)), self.places))
    }
}

// === impl Question ===

impl Question {
    /// Nothing: the request is none of those that count.
    fn of(
        context: &Rc<Context>,
        program: &Arc<Program>,
        limiting: &Limiting<'_>,
        limit: &Arc<GlobalRateLimit>,
        subject: &Subject<'_>,
    ) -> Option<Self> {
        let Subject { asking: Asking { head, source, .. }, own, called, .. } = subject;
        if !limit.requests.is_met(head.method(), head.path(), |name| header(head, name)) {
            return None;
        }
        let service = service(program, limiting, subject);
        // Nobody asks about questions: two services that count for each other would never come to an end.
        let by_another_name =
            |workload: &Workload| workload.services.iter().any(|(key, _)| counts(program, &key.hostname));
        if head.path() == PATH
            && (service.as_deref().is_some_and(|host| counts(program, host))
                || subject.workload.is_some_and(by_another_name))
        {
            return None;
        }
        let entries = |LimitDescriptor(entries): &LimitDescriptor| {
            let entries: Option<Vec<Entry>> =
                entries.iter().map(|entry| written(entry, subject, service.as_deref())).collect();
            entries.map(|entries| RateLimitDescriptor { entries })
        };
        let descriptors: Vec<_> = limit.descriptors.iter().filter_map(entries).collect();
        if descriptors.is_empty() {
            return None;
        }
        let request = RateLimitRequest { domain: limit.domain.to_string(), descriptors, hits_addend: limit.hits };
        let bound = context.services.bound(&context.shared.global_limits, program, limiting, limit, own);
        let backend = if bound.target.missing.is_some() {
            Err(Unknown::Missing(bound.authority.to_string()))
        } else {
            may_ask_for(own, &bound.target)
                .map_err(Unknown::from)
                .map(|()| context.backends.backend(context, program, own, &bound.target))
        };
        Some(Self {
            context: Rc::clone(context),
            bound,
            backend,
            own: Arc::clone(own),
            ends: (*source, *called),
            message: grpc::framed(&request.encode_to_vec()),
        })
    }

    /// Asks the service: another endpoint of it where one cannot be connected to, or hung up before it was asked.
    async fn put(&self) -> Result<RateLimitResponse, Unknown> {
        let backend = match &self.backend {
            Ok(backend) => backend,
            Err(unknown) => return Err(Unknown::Nonsense(unknown.to_string())),
        };
        let (limit, late) = (self.bound.limit.timeout, || Unknown::Late(self.bound.limit.timeout));
        let deadline = Instant::now() + limit;
        timeout_at(deadline, backend.ready()).await.map_err(|_| late())?;
        let _active = backend.acquire(Resource::Request)?;
        let mut tried = Tried::new();
        loop {
            let criteria = Criteria { tried: &tried, ..Criteria::default() };
            let picked = backend.pick(&criteria, (Ipv6Addr::UNSPECIFIED, 0).into(), random())?;
            {
                // Whoever is cut off asks nobody.
                let now = self.context.shared.snapshot.load();
                let own = now.workload(&self.own.uid).unwrap_or(&self.own);
                may_leave(own, picked.key().workload(), picked.key().way())?;
            }
            let is_first = tried.attempts() == 0;
            tried.note(&picked);
            let answered = timeout_at(deadline, self.ask(backend, &picked)).await.unwrap_or_else(|_| Err(late()));
            let told = match &answered {
                Ok(_) => Some(Outcome::Status(200)),
                Err(Unknown::Backend(error)) => error.outcome(),
                Err(Unknown::Grpc(status)) => Some(outcome(200, Some(*status))),
                Err(Unknown::Http(status)) => Some(Outcome::Status(*status)),
                Err(Unknown::Late(_)) => Some(Outcome::Timeout),
                Err(Unknown::Unheard(_)) => None,
                Err(_) => Some(Outcome::Reset),
            };
            backend.tell_fate(&picked, told);
            // What has come to it may have been counted.
            match answered {
                Err(Unknown::Unheard(_) | Unknown::Backend(_)) if is_first && Instant::now() < deadline => {}
                answered => return answered,
            }
        }
    }

    /// Asks an endpoint of it.
    async fn ask(&self, backend: &WorkerBackend, picked: &Picked<EndpointKey>) -> Result<RateLimitResponse, Unknown> {
        let Bound { limit, authority, .. } = &*self.bound;
        // Where services are told whom it is for, each question has a connection of its own.
        let client = || ClientConnection::new(self.ends.0, self.ends.1).ends();
        let checkout = backend.checkout(&self.context, picked.key(), Wanted::Http2, Some(authority), client);
        let mut connection = Box::pin(checkout).await?;
        let call = Unary {
            path: PATH,
            authority,
            user_agent: "ripstop",
            timeout: Some(limit.timeout),
            message: &self.message,
            longest: LONGEST,
        };
        let reused = connection.is_reused();
        let mut upstream = connection.upstream();
        if !matches!(upstream, Upstream::Http2(_)) {
            return Err(Unknown::Nonsense("it does not speak HTTP/2".into()));
        }
        let said = match call.call(&mut upstream).await {
            Ok(said) => said,
            Err(fault) => {
                let is_unheard = matches!(fault, Fault::Unprocessed) || upstream.sent() == Sent::Nothing;
                return Err(if reused && is_unheard { Unknown::Unheard(fault) } else { Unknown::Exchange(fault) });
            }
        };
        connection.release();
        match said {
            Answered::Ok(framed) => read(&framed),
            Answered::Failed(status) => Err(Unknown::Grpc(status)),
            Answered::Http(status) => Err(Unknown::Http(status)),
            Answered::Nonsense(why) => Err(Unknown::Nonsense(why)),
        }
    }
}

/// An answer. Whatever its code, only `OVER_LIMIT` says that a request is one too many, as at Envoy (`onSuccess` of its
/// `ratelimit_impl.cc`): `UNKNOWN`, which is that of a service that says none, lets it pass.
fn read(framed: &[u8]) -> Result<RateLimitResponse, Unknown> {
    let answer = grpc::message(framed).and_then(|message| RateLimitResponse::decode(message).ok());
    answer.ok_or_else(|| Unknown::Nonsense("no answer of a service of limits".into()))
}

/// Whether a host is a service of limits.
fn counts(program: &Program, host: &str) -> bool {
    let mut limits = program.traffic().policies.values().flat_map(|policy| &policy.global_rate_limits);
    limits.any(|limit| *limit.host == *host)
}

/// Host of the service that a request is for, where it is counted for it.
fn service<'a>(program: &Program, limiting: &Limiting<'_>, subject: &Subject<'a>) -> Option<Cow<'a, str>> {
    let Limiting { policy, target } = *limiting;
    let own = subject.workload.filter(|_| target.kind == TrafficTargetKind::Service).and_then(|workload| {
        let mut keys = workload.services.iter().map(|(key, _)| key).filter(|key| key.namespace == policy.namespace);
        keys.find(|key| program.service(key).is_some_and(|service| service.name == target.name))
    });
    own.map(|key| Cow::Owned(key.hostname.to_string())).or(subject.service.map(Cow::Borrowed))
}

/// A part of a descriptor; nothing: it has no value.
fn written(entry: &DescriptorEntry, subject: &Subject<'_>, service: Option<&str>) -> Option<Entry> {
    let Asking { head, peer, source } = subject.asking;
    let value: Option<Cow<'_, str>> = match &entry.value {
        DescriptorValue::Identity => peer.map(|peer| peer.as_str().into()),
        DescriptorValue::Header(name) => header(head, name),
        DescriptorValue::Path => Some(head.path().into()),
        DescriptorValue::Method => Some(head.method().into()),
        DescriptorValue::Host => Some(without_port(head.authority()).to_ascii_lowercase().into()),
        DescriptorValue::SourceAddress => Some(network(source.ip()).to_string().into()),
        DescriptorValue::Constant(text) => Some(Cow::Borrowed(text)),
        DescriptorValue::DestinationWorkload => {
            subject.workload.map(|workload| format!("{}/{}", workload.namespace, workload.workload_name).into())
        }
        DescriptorValue::DestinationService => service.map(Cow::Borrowed),
    };
    // The protocol knows no empty values.
    let value = value.filter(|value| !value.is_empty()).or(entry.default.as_deref().map(Cow::Borrowed))?;
    Some(Entry { key: entry.key.to_string(), value: value.into_owned() })
}

/// What counts of an address: of IPv6, the network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

// === impl Denied ===

impl From<Exceeded> for Denied {
    fn from(exceeded: Exceeded) -> Self {
        Self::Turned { rule: exceeded.rule.clone(), local: Box::new(exceeded.local()) }
    }
}

#[cfg(test)]
mod tests;
