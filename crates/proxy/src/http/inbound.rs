//! Requests to an enrolled workload whose policies look at requests.

mod again;

use std::{cell::RefCell, net::SocketAddr, pin::pin, rc::Rc, sync::Arc};

use ripstop_decide::{Content, InboundFacts, Program, Verdict, authorize, concurrency_at_workload, limits_at_workload};
use ripstop_exchange::{ClientOptions, Downstream, HeadChanges, Http1Client, Io, Pump, Upstream};
use ripstop_telemetry::{Reporter, ResponseFlag};
use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep},
};

use self::again::Again;
use super::{
    application::SharedApplication,
    concurrency::{Seat, Taken},
    connection::{Malformed, Serve, Version},
    filters::{
        edits::Edits,
        respond::{Asker, Local},
    },
    forward::{Kept, Passed, before, forward, grpc_status},
    global_limits::{Allowed, Denied, Pending, Subject, questions, settle},
    head::Head,
    limits::{Asking, Exceeded},
    respond::{answer, refused, unreachable},
    standpoint::keeps_to_itself,
    told::{Started, Told},
    waiting::{has_left, while_there},
};
use crate::{
    connections::Facts,
    error::Error,
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
    /// The application.
    target: SocketAddr,
    /// The address that the application sees as its caller's.
    spoofed: Option<SocketAddr>,
    /// How it is connected to.
    to: ToApplication,
    application: Application,
    sight: RequestSight,
    /// Whether who calls is told why it is refused.
    confides: bool,
}

/// The connection to the application, of the version that the client speaks: an idle one, or one for all.
enum Application {
    Http1(RefCell<Option<Box<Http1Client>>>),
    Http2(SharedApplication),
}

thread_local! {
    static HTTP1: Rc<ClientOptions> = Rc::new(ClientOptions::default());
}

// === impl Inbound ===

impl Inbound {
    /// Of a connection of `facts` that speaks `version`. The application is connected to when the first request is let
    /// in.
    pub fn new(
        context: Rc<Context>,
        facts: Facts,
        parties: Parties,
        target: SocketAddr,
        spoofed: Option<SocketAddr>,
        version: Version,
    ) -> Self {
        let application = match version {
            Version::Http1 => Application::Http1(RefCell::default()),
            Version::Http2 => Application::Http2(SharedApplication::default()),
        };
        let confides = keeps_to_itself(parties.source.as_deref());
        let to = ToApplication::of(&context.shared.snapshot.load(), &facts);
        let sight = context.recorder.sight(parties, Reporter::Destination, Called::Service);
        Self { context, facts, target, spoofed, to, application, sight, confides }
    }

    /// A connection to the application, which may come to be when this is no more.
    fn connect(&self) -> impl Future<Output = Result<Io, Error>> + use<> {
        let (context, workload) = (Rc::clone(&self.context), Arc::clone(&self.facts.workload));
        let (spoofed, target, to) = (self.spoofed, self.target, self.to);
        async move { to.connect(&context, &workload, spoofed, target).await.map(Io::from) }
    }

    /// Whether the request may come in; why not.
    fn judge(&self, program: &Program, head: &Head) -> Result<(), Error> {
        let Some(destination) = self.facts.workload.in_snapshot(program) else {
            return Err(Error::UnknownWorkload(self.facts.workload.uid.as_str().into()));
        };
        let decision = head.with_facts(|request| {
            let facts = InboundFacts::connection(
                destination,
                self.facts.port,
                self.facts.peer.as_ref(),
                Some(self.facts.source),
            );
            let content = Content::Request(request);
            authorize(program, &InboundFacts { address: Some(self.facts.address), content, ..facts })
        });
        match decision.without_authorizer() {
            Verdict::Allow { .. } => Ok(()),
            denied @ Verdict::Deny { .. } => {
                let (code, policy) = (denied.code(), denied.policy().cloned());
                Err(Error::Denied { reason: denied.to_string(), code, policy })
            }
        }
    }

    /// Whether the request is one too many; what its client is told of the limits that it met.
    fn admit(&self, program: &Arc<Program>, head: &Head) -> Result<Pending, Exceeded> {
        let Facts { workload, port, peer, source, .. } = &self.facts;
        let Some(destination) = workload.in_snapshot(program) else { return Ok(Pending::default()) };
        let limiting = limits_at_workload(program, destination, *port, peer.as_ref(), Some(source.ip()));
        let asking = Asking { head, peer: peer.as_ref(), source: *source };
        if limiting.is_empty() {
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
        let Facts { workload, port, .. } = &self.facts;
        let Some(destination) = workload.in_snapshot(program) else { return Ok(Seat::default()) };
        let Some(limiting) = concurrency_at_workload(program, destination, *port) else { return Ok(Seat::default()) };
        let Context { shared, concurrency, .. } = &*self.context;
        concurrency.seat(shared, program.version(), &limiting, Some(&destination.uid), *port)
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
        (allowed, mut seat): (Allowed, Seat),
        again: &mut Again,
        passed: &mut Passed,
    ) -> Result<(), Arc<Error>> {
        let path = head.is_normalized().then(|| head.target());
        let (mut granted, mut edits) = (Edits::new(), Edits::new());
        for (name, value) in allowed.request() {
            granted.add(name, value);
        }
        let granted = granted.list();
        let changes = HeadChanges { path: path.map(str::as_bytes), fields: &granted, ..HeadChanges::NONE };
        allowed.tell(&mut edits);
        let edits = edits.list();
        let answer = HeadChanges { fields: &edits, ..HeadChanges::NONE };
        loop {
            let tried = self.try_once(downstream, (&changes, &answer), (again, &mut seat), passed).await;
            let Some(pause) = again.after(&tried, passed, random()) else { return tried.map(|_| ()) };
            if let Err(failure) = while_there(downstream, pin!(sleep(pause))).await {
                passed.failure = Some(failure);
                return Ok(());
            }
        }
    }

    /// Once.
    async fn try_once(
        &self,
        downstream: &mut Downstream<'_>,
        changes: (&HeadChanges<'_>, &HeadChanges<'_>),
        (again, seat): (&mut Again, &mut Seat),
        passed: &mut Passed,
    ) -> Result<Kept, Arc<Error>> {
        *passed = Passed::default();
        let until = again.limit().map(|limit| Instant::now() + limit);
        let (replay, judge) = again.parts();
        let judge = |pump: &Pump<'_>| {
            let kept = judge(pump);
            if kept == Kept::Passed {
                seat.answered(pump.upstream().status(), grpc_status(pump.upstream()));
            }
            kept
        };
        match &self.application {
            Application::Http1(idle) => {
                let kept = idle.borrow_mut().take();
                let mut client = match kept.and_then(|mut client| client.is_reusable().then_some(client)) {
                    Some(client) => client,
                    None => match while_there(downstream, pin!(before(until, self.connect()))).await {
                        Ok(Some(connected)) => Box::new(Http1Client::new(connected?, HTTP1.with(Rc::clone))),
                        Ok(None) => return Ok(passed.too_late()),
                        Err(failure) => {
                            passed.failure = Some(failure);
                            return Ok(Kept::Passed);
                        }
                    },
                };
                let kept =
                    forward(downstream, Upstream::Http1(&mut client), changes, replay, until, judge, passed).await;
                if kept == Kept::Passed && passed.failure.is_none() && client.is_reusable() {
                    *idle.borrow_mut() = Some(client);
                }
                Ok(kept)
            }
            Application::Http2(application) => {
                let opening = pin!(before(until, application.call(|| self.connect())));
                let mut call = match while_there(downstream, opening).await {
                    Ok(Some(call)) => call?,
                    Ok(None) => return Ok(passed.too_late()),
                    Err(failure) => {
                        passed.failure = Some(failure);
                        return Ok(Kept::Passed);
                    }
                };
                Ok(forward(downstream, Upstream::Http2(&mut call), changes, replay, until, judge, passed).await)
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
        let head = match Head::read(&downstream, program.traffic().defaults.normalization) {
            Ok(head) => head,
            Err(bad) => {
                let (head, local) = (Head::unread(&downstream), Local::refused(bad));
                let mut told = Told { version: program.version(), ..Told::default() };
                told.local(&local, Asker::Http);
                answer(&mut downstream, None, &local, &Edits::new()).await;
                return told.tell(&self.context.recorder, &self.sight, started, &head);
            }
        };
        let mut told = Told { version: program.version(), upstream: Some(self.target), ..Told::default() };
        let judged = self.judge(&program, &head).map(|()| self.admit(&program, &head));
        let defaults = program.traffic().defaults.clone();
        drop(program);
        let admitted = match judged {
            Ok(pending) => match settle(pending, &mut downstream).await {
                Ok(allowed) => match self.seat(&self.context.shared.snapshot.load()) {
                    Ok(seat) => Ok((allowed, seat)),
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
            Ok(admitted) => {
                let mut again = Again::new(defaults, &head);
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
                    Err(error) => Some(unreachable(&error)),
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
