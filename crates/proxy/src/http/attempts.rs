//! A request that is sent to a backend, as often as it takes.

use std::{pin::pin, sync::Arc};

use ripstop_balance::{Resource, Tried as TriedEndpoints};
use ripstop_decide::{ActingRule, Program, Target, retry_budget_of_route, rewritten};
use ripstop_exchange::{Downstream, Failure, Replay};
use ripstop_model::{ConnectionSettings, HttpRule};
use tokio::time::sleep;

use super::{
    admission::Counted,
    attempt::{Ended, One},
    concurrency::Taken,
    copies::Copies,
    filters::{
        affinity::{Affinity, Ends, cookie},
        changes::{self, Outgoing},
        cors::Grant,
        edits::Edits,
        respond::{Local, Tried},
        retry::Retries,
        timeout::Timeouts,
        weights::Drawn,
    },
    global_limits::Allowed,
    grpc_web,
    hedging::may_hedge,
    lost,
    onward::may_switch,
    outbound::{Asked, Outbound},
    respond::{refused, unavailable},
    retrying::Retrying,
    spans,
    told::Told,
    waiting::while_there,
};
use crate::{
    backends::cluster_name,
    outbound::{may_ask_for, random},
};

/// A request, and the rule that sends it on.
pub(super) struct Attempts<'a> {
    pub(super) outbound: &'a Outbound,
    pub(super) asked: &'a Asked<'a>,
    pub(super) acting: Option<&'a ActingRule>,
    pub(super) rule: Option<&'a HttpRule>,
    pub(super) grant: Option<Grant<'a>>,
    /// What limits tell that have let it pass.
    pub(super) allowed: Allowed,
    /// Who gets copies of it.
    pub(super) mirrors: &'a [Target],
}

impl Attempts<'_> {
    /// Tells the client what limits say; `own` is what those of the endpoint do.
    pub(super) fn tell<'a>(&'a self, own: &'a Allowed, edits: &mut Edits<'a>) {
        self.allowed.tell_with(own, edits);
    }

    /// Sends the request on, as `program` says; gives the answer of our own that it gets if nobody else answers.
    pub(super) async fn run(
        &self,
        downstream: &mut Downstream<'_>,
        drawn: Drawn<'_>,
        program: Arc<Program>,
        mut counted: Counted,
        told: &mut Told,
    ) -> Option<Local> {
        let target = match drawn {
            Drawn::Target(target) => target,
            Drawn::Missing(target, _) => {
                told.cluster = Some(cluster_name(&target.backend).into());
                return Some(Local::no_cluster());
            }
            Drawn::Nothing => return Some(Local::no_backend()),
        };
        told.calls(target);
        let Asked { source, head, started } = *self.asked;
        let context = &self.outbound.context;
        if let Err(denied) = may_ask_for(source, target) {
            told.decision = random();
            told.policy = denied.policy().cloned();
            return Some(refused(&denied, self.outbound.standpoint.confides(told.decision)));
        }
        let backend = context.backends.backend(context, &program, source, target);
        told.cluster = Some(backend.cluster().clone());
        if let Err(failure) = while_there(downstream, pin!(backend.ready())).await {
            return left(downstream, &failure, told);
        }
        let _active = match backend.acquire(Resource::Request) {
            Ok(active) => active,
            Err(error) => return Some(unavailable(&error.into(), Tried::Once)),
        };
        let mut seat = match self.outbound.seat(&program, target, source) {
            Ok(seat) => seat,
            Err(taken) => {
                told.policy = Some(taken.rule.clone());
                return Some(Taken::local());
            }
        };
        let budget = self.rule.and_then(|rule| retry_budget_of_route(&program, rule));
        let on_route = budget.and_then(|budget| context.shared.retry_budgets.begin(&budget));
        let request = head.as_request();
        let defaults = program.traffic().defaults.clone();
        let followed = self.outbound.following.at(&program, source);
        let policy = self.rule.and_then(|rule| rule.retries.as_ref()).unwrap_or(&defaults.retries);
        let origin = self.outbound.standpoint.origin(self.outbound.peer, told.client);
        let retries = Retries::of(policy, origin.shaping(head.fields()));
        let timeouts = Timeouts::of(&request, origin, self.rule, &retries);
        let sight = self.outbound.sight(source, told);
        let exchange = told.exchange(&sight, started);
        let facts = changes::Context {
            request,
            origin,
            rule: self.rule,
            target: Some(target),
            exchange: &exchange,
            hostname: &source.name,
            headers: &followed.proxy.headers,
        };
        let span = spans::begin(context, &sight, target, head.fields());
        let path = self.acting.map_or(head.path().into(), |acting| rewritten(&program, acting, head.path()));
        let outgoing = Outgoing {
            path,
            transport: self.outbound.standpoint.transport(head.fields()),
            timeouts,
            random: (u128::from(random()) << 64 | u128::from(random())).to_be_bytes(),
            span: span.as_ref().map(|begun| (&begun.span, begun.propagation)),
            operation: span.as_ref().map(|begun| &*begun.operation),
            client_cert: self.outbound.client_cert(),
            port: self.outbound.destination.port(),
            dropped: head.dropped(),
        };
        let mut changed = changes::request(&facts, &outgoing);
        for (name, value) in self.allowed.request() {
            changed.add(name, value);
        }
        let mut translation =
            grpc_web::translation(&self.outbound.standpoint, head, target).map(|(kind, translation)| {
                changed.speak_grpc(kind);
                translation
            });
        let affinity = backend.settings().balancer.as_ref().map_or_else(Affinity::default, |balancer| {
            let ends = Ends { peer: self.outbound.caller(told), destination: self.outbound.destination };
            Affinity::of(&balancer.algorithm, &request, &changed.on(head.fields()), ends)
        });
        let original = self.outbound.standpoint.original(self.outbound.destination);
        let mut session = backend.session(original, |name| cookie(head.fields(), name));
        let hedged = backend.hedged().filter(|hedged| translation.is_none() && may_hedge(hedged, head));
        let mut replay =
            if retries.is_possible() || hedged.is_some() { kept(Some(&followed.connections)) } else { Replay::none() };
        if !self.mirrors.is_empty() && !may_switch(downstream, head) {
            let (outbound, mirrors) = (self.outbound, self.mirrors);
            let copies = Copies { outbound, program: &program, source, mirrors, timeout: timeouts.whole };
            copies.follow(downstream, head, &changed, &mut replay);
        }
        let mut tried = TriedEndpoints::new();
        let mut retrying = Retrying::new(on_route.as_ref(), &backend);
        let mut lost = 0;
        // An answer may last for as long as many of them.
        let mut program = Some(program);
        loop {
            let ended = {
                let mut attempt = One {
                    attempts: self,
                    backend: &backend,
                    program: &mut program,
                    facts: &facts,
                    retries: &retries,
                    hedged,
                    on_route: on_route.as_ref(),
                    affinity: &affinity,
                    session: &mut session,
                    timeouts,
                    counted: &mut counted,
                    seat: &mut seat,
                    tried: &mut tried,
                    replay: &mut replay,
                    retrying: &mut retrying,
                    translation: translation.as_deref_mut(),
                };
                attempt.run(downstream, &changed, told).await
            };
            match ended {
                Ended::Over => return None,
                Ended::Lost(_) if lost < lost::MOST => {
                    lost += 1;
                    told.attempts -= 1;
                }
                Ended::Instead(local) | Ended::Lost(local) => return Some(local),
                Ended::Again(pause) => {
                    let left_of_all = timeouts.left(started.elapsed()).filter(|left| *left <= pause);
                    let waits = pin!(sleep(left_of_all.unwrap_or(pause)));
                    if let Err(failure) = while_there(downstream, waits).await {
                        return left(downstream, &failure, told);
                    }
                    if left_of_all.is_some() {
                        retrying.give_back();
                        return Some(Local::timed_out());
                    }
                    changed.again(told.attempts + 1, started.elapsed());
                }
            }
        }
    }
}

/// Keeps of a body what further attempts may need.
pub(super) fn kept(settings: Option<&ConnectionSettings>) -> Replay {
    const MOST: u32 = 1024 * 1024;
    let said = settings.and_then(|settings| settings.kept);
    Replay::up_to(said.map_or(Replay::USUAL, |kept| kept.min(MOST) as usize))
}

/// Nobody is answered: the client has left.
pub(super) fn left(downstream: &mut Downstream<'_>, failure: &Failure, told: &mut Told) -> Option<Local> {
    downstream.reset();
    told.left(failure);
    None
}
