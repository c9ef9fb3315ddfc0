//! Requests to an enrolled workload whose policies look at requests.

mod again;

use std::{
    cell::{Cell, RefCell},
    mem,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    sync::Arc,
};

use ripstop_decide::{
    Content, Decision, InboundFacts, Limiting, Program, authorize, concurrency_at_workload, limits_at_workload,
};
use ripstop_exchange::{ClientOptions, Downstream, HeadChanges, Http1Client, Io, Pump, Upstream};
use ripstop_model::Workload;
use ripstop_telemetry::{Reporter, ResponseFlag};
use tokio::{select, sync::watch, time::sleep};

use self::again::Again;
use super::{
    application::{IdleApplication, KeptApplication, Reaching, SharedApplication},
    concurrency::{Seat, Taken},
    connection::{Malformed, Serve, Version},
    filters::{
        edits::Edits,
        respond::{Asker, Local},
    },
    followed::Following,
    forward::{Kept, Passed, before, forward, grpc_status},
    global_limits::{Allowed, Denied, Pending, Subject, questions, settle},
    head::Head,
    limits::{Asking, Exceeded},
    patience::{Patience, give_up},
    respond::{answer, refused, unreachable},
    standpoint::{keeps_to_itself, settled},
    told::{Started, Told},
    waiting::{has_left, while_there},
};
use crate::{
    connections::Facts,
    error::Error,
    inbound_pools::{Counting, Place, RequestLimits},
    outbound::random,
    record::Parties,
    sight::{Called, RequestSight},
    to_application::ToApplication,
    worker::Context,
};

/// What the requests of one connection are answered by: the application behind it, by one connection.
pub struct Inbound {
    context: Rc<Context>,
    /// Who calls whom.
    facts: Facts,
    application: Application,
    /// How the application is reached, by that version of the configuration.
    reached: RefCell<Option<(u64, Rc<Reaching>)>>,
    sight: RequestSight,
    /// Whether who calls is told why it is refused.
    confides: bool,
    /// The version of the configuration by which nothing counts requests here.
    unlimited: Cell<Option<u64>>,
    /// The one by which nothing counts how many are under way.
    unseated: Cell<Option<u64>>,
    following: Following,
}

/// The connection to the application, of the version that the client speaks: an idle one, or one for all.
enum Application {
    Http1(IdleApplication),
    Http2(SharedApplication),
}

thread_local! {
    static HTTP1: Rc<ClientOptions> = Rc::new(ClientOptions::default());
}

// === impl Inbound ===

impl Inbound {
    /// Of a connection of `facts` that speaks `version`. The application is connected to when the first request is let
    /// in.
    pub fn new(context: Rc<Context>, facts: Facts, parties: Parties, version: Version) -> Self {
        let application = match version {
            Version::Http1 => Application::Http1(IdleApplication::default()),
            Version::Http2 => Application::Http2(SharedApplication::default()),
        };
        let confides = keeps_to_itself(parties.source.as_deref());
        let sight = context.recorder.sight(parties, Reporter::Destination, Called::Service);
        let (unlimited, unseated, following) = (Cell::new(None), Cell::new(None), Following::default());
        let reached = RefCell::default();
        Self { context, facts, application, reached, sight, confides, unlimited, unseated, following }
    }

    /// How the application is reached, as `program` says.
    fn reaching(&self, program: &Program) -> Rc<Reaching> {
        let reached = &mut *self.reached.borrow_mut();
        match reached {
            Some((version, reaching)) if *version == program.version() => Rc::clone(reaching),
            _ => {
                let own = self.facts.workload.in_snapshot(program);
                let limits = own.map(|own| RequestLimits::of(program, own, self.facts.port)).unwrap_or_default();
                let reaching = Reaching { to: ToApplication::of(program, &self.facts), limits };
                Rc::clone(&reached.insert((program.version(), Rc::new(reaching))).1)
            }
        }
    }

    /// A connection to the application, which may come to be when this is no more.
    fn connect(&self, to: ToApplication) -> impl Future<Output = Result<Io, Error>> + use<> {
        let (context, workload) = (Rc::clone(&self.context), Arc::clone(&self.facts.workload));
        async move { to.connect(&context, &workload).await.map(Io::from) }
    }

    /// Whether a request that is under way may go on; why not.
    fn judge(&self, program: &Program, head: &Head) -> Result<(), Error> {
        self.decide(program, head).and_then(settled)
    }

    /// Whether one that has just come may come in; why not. What policies say of it is counted.
    fn judge_new(&self, program: &Program, head: &Head) -> Result<(), Error> {
        let decided = self.decide(program, head);
        decided.inspect(|decision| self.context.shared.policy_counts.note(decision)).and_then(settled)
    }

    fn decide(&self, program: &Program, head: &Head) -> Result<Decision, Error> {
        let Some(destination) = self.facts.workload.in_snapshot(program) else {
            return Err(Error::UnknownWorkload(self.facts.workload.uid.as_str().into()));
        };
        Ok(head.with_facts(|request| {
            let facts = InboundFacts::connection(
                destination,
                self.facts.port,
                self.facts.peer.as_ref(),
                Some(self.facts.source),
            );
            let content = Content::Request(request);
            let sni = self.facts.sni.as_deref();
            authorize(program, &InboundFacts { address: Some(self.facts.address), sni, content, ..facts })
        }))
    }

    /// Whether the request is one too many; what its client is told of the limits that it met.
    fn admit(&self, program: &Arc<Program>, head: &Head) -> Result<Pending, Exceeded> {
        if self.unlimited.get() == Some(program.version()) {
            return Ok(Pending::default());
        }
        let Facts { workload, port, peer, source, .. } = &self.facts;
        let Some(destination) = workload.in_snapshot(program) else { return Ok(Pending::default()) };
        let limiting = limits_at_workload(program, destination, *port, peer.as_ref(), Some(source.ip()));
        let asking = Asking { head, peer: peer.as_ref(), source: *source };
        if limiting.is_empty() {
            self.unlimited.set(Some(program.version()));
            return Ok(Pending::default());
        }
        let Context { shared, limits, .. } = &*self.context;
        let quota = limits.admit(&shared.rate_limits, program.version(), &limiting, Some(&destination.uid), &asking)?;
        let called = SocketAddr::new(self.facts.address, *port);
        let subject = Subject { asking, own: destination, workload: Some(&**destination), service: None, called };
        Ok(Pending::new(quota, questions(&self.context, program, &limiting, &subject)))
    }

    /// A place at the application for one more request.
    fn seat(&self, program: &Program) -> Result<Seat, Taken> {
        let Some((limiting, own)) = self.seating(program) else { return Ok(Seat::default()) };
        let Context { shared, concurrency, .. } = &*self.context;
        concurrency.seat(shared, program.version(), &limiting, Some(&own.uid), self.facts.port)
    }

    /// As [`Self::seat`], but only whether there is none, before anything is counted for it.
    fn has_no_seat(&self, program: &Program) -> Option<Taken> {
        let (limiting, own) = self.seating(program)?;
        let Context { shared, concurrency, .. } = &*self.context;
        let is_full = concurrency.is_full(shared, program.version(), &limiting, Some(&own.uid), self.facts.port);
        // Who is refused is counted.
        is_full.then(|| self.seat(program).err()).flatten()
    }

    /// What says how many requests the application gets at a time, and whose it is.
    fn seating<'p>(&self, program: &'p Program) -> Option<(Limiting<'p>, &'p Workload)> {
        let Facts { workload, port, .. } = &self.facts;
        if self.unseated.get() == Some(program.version()) {
            return None;
        }
        let own: &Workload = workload.in_snapshot(program)?;
        let limiting = concurrency_at_workload(program, own, *port);
        if limiting.is_none() {
            self.unseated.set(Some(program.version()));
        }
        Some((limiting?, own))
    }

    /// Counts the request as one more of that kind; why there are too many.
    fn count(&self, limits: &RequestLimits, counting: Counting) -> Result<Place, Error> {
        let at = (&self.facts.workload.uid, self.facts.port);
        self.context.shared.inbound_pools.take(limits, at, counting)
    }

    /// Ready when a later policy forbids a request that is under way.
    async fn forbidden(&self, changed: &mut watch::Receiver<u64>, head: &Head) -> Error {
        while changed.changed().await.is_ok() {
            match self.judge(&self.context.shared.snapshot.load(), head) {
                // A workload that is gone ends by itself.
                Ok(()) | Err(Error::UnknownWorkload(_)) => {}
                Err(error) => return error,
            }
        }
        std::future::pending().await
    }

    /// Has it answered by the application.
    async fn pass_on(
        &self,
        downstream: &mut Downstream<'_>,
        head: &Head,
        (allowed, mut seat, reaching): (Allowed, Seat, &Reaching),
        again: &mut Again,
        passed: &mut Passed,
    ) -> Result<(), Arc<Error>> {
        let path = head.is_normalized().then(|| head.target());
        let (mut granted, mut edits) = (Edits::new(), Edits::new());
        head.dropped().iter().for_each(|name| granted.remove(&**name));
        for (name, value) in allowed.request() {
            granted.add(name, value);
        }
        let granted = granted.list();
        let changes = HeadChanges { path: path.map(str::as_bytes), fields: &granted, ..HeadChanges::NONE };
        allowed.tell(&mut edits);
        let edits = edits.list();
        let answer = HeadChanges { fields: &edits, ..HeadChanges::NONE };
        let mut retrying = Place::default();
        loop {
            let ways = (&changes, &answer);
            let tried = self.try_once(downstream, ways, (again, &mut seat, reaching), &mut retrying, passed).await;
            if matches!(tried, Ok(Kept::Passed)) && passed.failure.is_none() && !passed.late {
                return Ok(());
            }
            // An answer that was kept back has its place already.
            if !matches!(tried, Ok(Kept::Back)) {
                drop(mem::take(&mut retrying));
                let Ok(place) = self.count(&reaching.limits, Counting::Retry) else { return tried.map(|_| ()) };
                retrying = place;
            }
            let Some(pause) = again.after(&tried, passed, random()) else { return tried.map(|_| ()) };
            if let Err(failure) = while_there(downstream, pin!(sleep(pause))).await {
                // What was kept back has gone to nobody.
                *passed = Passed { failure: Some(failure), ..Passed::default() };
                return Ok(());
            }
        }
    }

    /// Once. An answer is kept back only if there is a place for another attempt, which `retrying` is then.
    async fn try_once(
        &self,
        downstream: &mut Downstream<'_>,
        changes: (&HeadChanges<'_>, &HeadChanges<'_>),
        (again, seat, reaching): (&mut Again, &mut Seat, &Reaching),
        retrying: &mut Place,
        passed: &mut Passed,
    ) -> Result<Kept, Arc<Error>> {
        *passed = Passed::default();
        let Reaching { to, limits } = reaching;
        let until = again.until();
        let (replay, judge) = again.parts();
        let judge = |pump: &Pump<'_>| {
            let mut kept = judge(pump);
            if kept == Kept::Back {
                drop(mem::take(retrying));
                match self.count(limits, Counting::Retry) {
                    Ok(place) => *retrying = place,
                    Err(_) => kept = Kept::Passed,
                }
            }
            if kept == Kept::Passed {
                seat.answered(pump.upstream().status(), grpc_status(pump.upstream()));
            }
            kept
        };
        match &self.application {
            Application::Http1(idle) => {
                let mut kept = if let Some(kept) = idle.take(reaching) {
                    kept
                } else {
                    let _waiting = self.count(limits, Counting::Waiting)?;
                    let connecting = pin!(self.connect(*to));
                    let connecting = pin!(before(until, connecting));
                    match while_there(downstream, connecting).await {
                        Ok(Some(connected)) => {
                            let client = Http1Client::new(connected?, HTTP1.with(Rc::clone));
                            KeptApplication::new(client, to.target)
                        }
                        Ok(None) => return Ok(passed.too_late()),
                        Err(failure) => {
                            passed.failure = Some(failure);
                            return Ok(Kept::Passed);
                        }
                    }
                };
                let upstream = Upstream::Http1(&mut kept.client);
                let ended = forward(downstream, upstream, changes, replay, until, judge, passed).await;
                if ended == Kept::Passed && passed.failure.is_none() {
                    idle.keep(kept, limits);
                }
                Ok(ended)
            }
            Application::Http2(application) => {
                let mut call = if let Some(call) = application.ready(reaching) {
                    call
                } else {
                    let _waiting = self.count(limits, Counting::Waiting)?;
                    let opening = pin!(application.call(reaching, || self.connect(*to)));
                    let opening = pin!(before(until, opening));
                    match while_there(downstream, opening).await {
                        Ok(Some(call)) => call?,
                        Ok(None) => return Ok(passed.too_late()),
                        Err(failure) => {
                            passed.failure = Some(failure);
                            return Ok(Kept::Passed);
                        }
                    }
                };
                Ok(forward(downstream, Upstream::Http2(call.call()), changes, replay, until, judge, passed).await)
            }
        }
    }
}

impl Serve for Inbound {
    async fn serve(&self, mut downstream: Downstream<'_>) {
        let started = Started::now();
        // Before it is judged: no change is missed.
        let mut changed = self.context.shared.changed.subscribe();
        let program = self.context.shared.snapshot.load_full();
        // A workload that is gone ends by itself.
        let own = self.facts.workload.in_snapshot(&program);
        let followed = own.map(|own| self.following.at(&program, own));
        let usual = || program.traffic().defaults.normalization.into();
        let head = match Head::read(&downstream, followed.as_ref().map_or_else(usual, |followed| followed.reading)) {
            Ok(head) => head,
            Err(bad) => {
                let head = Head::unread(&downstream);
                let local = Local::bad(bad, head.asker());
                let mut told = Told { version: program.version(), ..Told::default() };
                told.local(&local, Asker::Http);
                answer(&mut downstream, None, &local, &Edits::new()).await;
                return told.tell(&self.context.recorder, &self.sight, started, &head);
            }
        };
        let reaching = self.reaching(&program);
        let mut told = Told { version: program.version(), upstream: Some(reaching.to.target), ..Told::default() };
        // Whoever finds no seat costs limits nothing.
        let judged = self.judge_new(&program, &head).map(|()| match self.has_no_seat(&program) {
            Some(taken) => Err(taken),
            None => Ok(self.admit(&program, &head)),
        });
        let defaults = program.traffic().defaults.clone();
        drop(program);
        let settings = followed.as_ref().map(|followed| &followed.connections);
        let patience = settings.and_then(|settings| Patience::with(&mut downstream, settings));
        let admitted = match judged {
            Ok(Err(taken)) => {
                told.policy = Some(taken.rule.clone());
                Err(Taken::local())
            }
            Ok(Ok(pending)) => match settle(pending, &mut downstream).await {
                Ok(allowed) => match self.seat(&self.context.shared.snapshot.load()) {
                    Ok(seat) => match self.count(&reaching.limits, Counting::Request) {
                        Ok(place) => Ok((allowed, seat, place)),
                        Err(error) => {
                            told.policy = error.policy().cloned();
                            Err(unreachable(&error))
                        }
                    },
                    Err(taken) => {
                        told.policy = Some(taken.rule.clone());
                        Err(Taken::local())
                    }
                },
                Err(Denied::Turned { rule, local }) => {
                    told.policy = Some(rule);
                    Err(*local)
                }
                Err(Denied::Left(failure)) => {
                    told.left(&failure);
                    downstream.reset();
                    return told.tell(&self.context.recorder, &self.sight, started, &head);
                }
            },
            Err(error) => {
                told.decision = random();
                told.policy = error.policy().cloned();
                Err(refused(&error, self.confides.then_some(told.decision)))
            }
        };
        let local = match admitted {
            Err(local) => Some(local),
            Ok((allowed, seat, _place)) => {
                let admitted = (allowed, seat, &*reaching);
                let mut again = Again::new(defaults, &head, settings);
                let mut passed = Passed::default();
                let done = select! {
                    biased;
                    error = self.forbidden(&mut changed, &head) => {
                        downstream.reset();
                        told.attempts = again.attempts();
                        told.passed(&passed);
                        told.policy = error.policy().cloned();
                        told.flags.insert(ResponseFlag::Deny);
                        told.details = Some("revoked");
                        return told.tell(&self.context.recorder, &self.sight, started, &head);
                    }
                    late = Patience::over(patience.as_ref()) => {
                        told.attempts = again.attempts();
                        told.passed(&passed);
                        give_up(&mut downstream, &head, late, patience.as_ref(), &mut told).await;
                        return told.tell(&self.context.recorder, &self.sight, started, &head);
                    }
                    done = self.pass_on(&mut downstream, &head, admitted, &mut again, &mut passed) => done,
                };
                told.attempts = again.attempts();
                match done {
                    Ok(()) if passed.late => Some(Local::attempt_timed_out()),
                    Ok(()) => {
                        told.passed(&passed);
                        let unanswered = passed.failure.as_ref().filter(|_| passed.is_unanswered());
                        if unanswered.is_some_and(has_left) {
                            downstream.reset();
                        }
                        let unanswered = unanswered.filter(|failure| !has_left(failure));
                        unanswered.map(|failure| Local::failed(failure, again.tried()))
                    }
                    Err(error) => {
                        told.policy = error.policy().cloned();
                        Some(unreachable(&error))
                    }
                }
            }
        };
        if let Some(local) = local {
            told.local(&local, head.asker());
            answer(&mut downstream, Some(&head), &local, &Edits::new()).await;
        }
        told.tell(&self.context.recorder, &self.sight, started, &head);
    }

    fn malformed(&self, what: &Malformed) {
        let (told, head, started) = Told::malformed(what, self.context.shared.snapshot.load().version());
        told.tell(&self.context.recorder, &self.sight, started, &head);
    }
}

#[cfg(test)]
mod tests;
